/*
 * Memory of requests: once warm, a worker asks the heap for nothing. Counted are calls by rankd's own
 * code, which is linked to the wrappers below, in its workers; what
 * libraries ask for is not.
 */
#include "http_fixture.h"
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>

#define ITEMS    100
#define REQUESTS 50
#define BODY_MAX 65536

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t n);
void *__real_aligned_alloc(size_t alignment, size_t n);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t n);
void *__wrap_aligned_alloc(size_t alignment, size_t n);
char *__wrap_strdup(const char *text);

static _Atomic size_t asked; /* by workers, so far */

static void count(void)
{
    char name[16] = "";

    (void)pthread_getname_np(pthread_self(), name, sizeof name);
    if (strcmp(name, HTTP_WORKER_NAME) == 0) {
        atomic_fetch_add(&asked, 1);
    }
}

void *__wrap_malloc(size_t n)
{
    count();
    return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    count();
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *memory, size_t n)
{
    count();
    return __real_realloc(memory, n);
}

void *__wrap_aligned_alloc(size_t alignment, size_t n)
{
    count();
    return __real_aligned_alloc(alignment, n);
}

char *__wrap_strdup(const char *text)
{
    count();
    return __real_strdup(text);
}

/* A list with features of every kind, or of ids alone. */
static const char *list_of(bool with_features, const char *more, char body[BODY_MAX])
{
    size_t n = (size_t)snprintf(body, BODY_MAX, "{\"user\":{\"id\":\"u1\"},%s\"items\":[", more);

    for (int i = 0; i < ITEMS; i++) {
        n += (size_t)snprintf(body + n, BODY_MAX - n,
                              with_features ? "%s{\"id\":\"i%d\",\"features\":{\"brand\":\"b%d\","
                                              "\"price\":%d.5,\"new\":true,\"tags\":[\"a\",\"b\"]}}"
                                            : "%s\"i%d\"",
                              i > 0 ? "," : "", i, i, i);
    }
    (void)snprintf(body + n, BODY_MAX - n, "]}");
    return body;
}

static void score_times(struct listening *listening, const char *body, int times)
{
    for (int i = 0; i < times; i++) {
        assert_response(http_client_post(&listening->client, "/v1/score", body), 200, "\"score\":");
    }
}

/* Calls of the heap in REQUESTS requests, after as many that warm the worker up. */
static size_t asked_by(struct listening *listening, const char *body)
{
    size_t before;

    score_times(listening, body, REQUESTS);
    before = atomic_load(&asked);
    score_times(listening, body, REQUESTS);
    return atomic_load(&asked) - before;
}

static void a_warm_worker_scores_without_the_heap(void **state)
{
    struct listening *listening = *state;
    char body[BODY_MAX];
    const size_t before = atomic_load(&asked);

    assert_int_equal(asked_by(listening, list_of(false, "\"log\":false,", body)), 0);
    assert_int_equal(asked_by(listening, list_of(true, "\"log\":false,", body)), 0);
    assert_true(atomic_load(&asked) > before); /* while it was cold */
}

static void a_ranking_that_is_logged_takes_one_block(void **state)
{
    char body[BODY_MAX];

    assert_int_equal(asked_by(*state, list_of(true, "", body)), REQUESTS);
}

static void a_request_that_is_refused_takes_nothing(void **state)
{
    struct listening *listening = *state;

    for (int i = 0; i < 2; i++) {
        const size_t before = atomic_load(&asked);
        assert_response(http_client_post(&listening->client, "/v1/score", "{\"items\":[1]}"), 422,
                        "/items/0");
        assert_true(i == 0 || atomic_load(&asked) == before);
    }
}

static void memory_beyond_what_is_ordinary_is_given_back(void **state)
{
    struct listening *listening = *state;
    char *body = __real_malloc((size_t)1 << 20);
    size_t n = 0;

    for (int i = 0; i < 1000; i++) {
        n += (size_t)sprintf(body + n,
                             "%s{\"id\":\"item-%d\",\"features\":{\"long_name\":\"%064d\"}}",
                             i > 0 ? "," : "{\"items\":[", i, i);
    }
    (void)sprintf(body + n, "]}");
    assert_true(asked_by(listening, body) >= REQUESTS); /* each takes its body anew */
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTP_TEST(a_warm_worker_scores_without_the_heap),
        HTTP_TEST(a_ranking_that_is_logged_takes_one_block),
        HTTP_TEST(a_request_that_is_refused_takes_nothing),
        HTTP_TEST(memory_beyond_what_is_ordinary_is_given_back),
    };

    return cmocka_run_group_tests(tests, api_fixture_group, NULL);
}
