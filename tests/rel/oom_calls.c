/*
 * Requests with failing allocations.
 */
#include "oom_calls.h"

#include "oom_heap.h"
#include "rel.h"
#include "test.h"

#include <stdarg.h>

#define PRINTED_MAX 40 /* lines about what went wrong */
#define ROUNDS      16 /* of the writer, in which it comes to rest */

void oom_wrong(struct oom *oom, const char *format, ...)
{
    va_list args;

    if (oom->counts->wrong++ < PRINTED_MAX) {
        printf("wrong: %s, allocation %llu: ", oom->counts->at,
               (unsigned long long)oom->counts->point);
        va_start(args, format);
        (void)vprintf(format, args);
        va_end(args);
        printf("\n");
        heap_print_failed();
    }
}

bool oom_begin(struct oom *oom, const char *name)
{
    const char *only = getenv("SCENARIO");

    if (only != NULL && strstr(name, only) == NULL) {
        return false;
    }
    (void)snprintf(oom->counts->at, sizeof oom->counts->at, "%s", name);
    oom->counts->scenarios++;
    oom->counts->point = 0;
    return true;
}

/* ---- requests ---- */

/* A text with the turn in place of each '@', and what was noted in place of each '#'. */
static void fill_in(const struct oom *oom, const char *text, char to[OOM_TEXT_MAX])
{
    size_t n = 0;

    for (; *text != '\0'; text++) {
        assert_true(n + 24 < OOM_TEXT_MAX);
        if (*text == '@' || *text == '#') {
            n += (size_t)snprintf(to + n, OOM_TEXT_MAX - n, "%llu",
                                  *text == '@' ? (unsigned long long)oom->turn
                                               : (unsigned long long)oom->noted);
        } else {
            to[n++] = *text;
        }
    }
    to[n] = '\0';
}

static struct oom_answer answer_of(struct api_call *call)
{
    struct oom_answer answer = {.status = call->status, .n = call->answer.length};

    answer.text = malloc(answer.n + 1);
    assert_non_null(answer.text);
    if (answer.n > 0) {
        memcpy(answer.text, call->answer.text, answer.n);
    }
    answer.text[answer.n] = '\0';
    return answer;
}

/* Puts a request while the nth allocation fails. @param failed  out: how many did. */
static struct oom_answer put_call(struct oom *oom, const struct oom_call *c, size_t nth,
                                  bool lasting, size_t *failed)
{
    static char path[OOM_TEXT_MAX], body[OOM_TEXT_MAX];
    struct api_call call = {.method = c->method, .path = path};
    struct oom_answer answer;
    char *query;

    fill_in(oom, c->path, path);
    query = strchr(path, '?');
    if (query != NULL) {
        *query = '\0';
        call.query = query + 1;
    }
    call.body = "";
    if (c->bytes) {
        call.body = c->body;
        call.body_n = c->body_n;
    } else if (c->body != NULL) {
        fill_in(oom, c->body, body);
        call.body = body;
        call.body_n = strlen(body);
    }
    call.content_type = c->type != NULL ? c->type : c->body != NULL ? "application/json" : NULL;
    heap_arm(nth, lasting);
    api_fixture_handle(&oom->fixture, &call);
    *failed = heap_disarm();
    if (call.answer.failed && call.status != 503) {
        oom_wrong(oom, "%d with an answer that was not written", call.status);
    }
    answer = answer_of(&call);
    api_call_deinit(&call);
    return answer;
}

struct oom_answer oom_ask(struct oom *oom, const char *method, const char *path, const char *body)
{
    const struct oom_call call = {.method = method, .path = path, .body = body};
    size_t failed;

    return put_call(oom, &call, SIZE_MAX, false, &failed);
}

void oom_answer_free(struct oom_answer *answer)
{
    free(answer->text);
    answer->text = NULL;
}

int oom_status(struct oom *oom, const char *method, const char *path, const char *body)
{
    struct oom_answer answer = oom_ask(oom, method, path, body);

    oom_answer_free(&answer);
    return answer.status;
}

/* ---- comparing ---- */

static void leave_out(json_t *value, const char *ignored)
{
    const char *key;
    json_t *member;
    void *next;
    size_t i;

    json_array_foreach(value, i, member)
    {
        leave_out(member, ignored);
    }
    json_object_foreach_safe(value, next, key, member)
    {
        char word[64];
        (void)snprintf(word, sizeof word, " %s ", key);
        if (strstr(ignored, word) != NULL) {
            (void)json_object_del(value, key);
        } else {
            leave_out(member, ignored);
        }
    }
}

static bool same_text(const struct oom_call *c, const char *a, size_t a_n, const char *b,
                      size_t b_n)
{
    const char *ignored = c->ignored != NULL ? c->ignored : "";
    json_t *left, *right;
    bool same;

    if (a_n == b_n && memcmp(a, b, a_n) == 0) {
        return true;
    }
    left = json_loadb(a, a_n, 0, NULL);
    right = json_loadb(b, b_n, 0, NULL);
    if (left != NULL && right != NULL) {
        leave_out(left, ignored);
        leave_out(right, ignored);
    }
    same = left != NULL && right != NULL && json_equal(left, right) != 0;
    json_decref(left);
    json_decref(right);
    return same;
}

bool oom_same(const struct oom_call *call, const struct oom_answer *a, const struct oom_answer *b)
{
    return same_text(call, a->text, a->n, b->text, b->n);
}

static bool is_out_of_memory(const char *text, size_t n)
{
    static const char type[] = "\"type\":\"/problems/out-of-memory\"";

    return memmem(text, n, type, sizeof type - 1) != NULL && text[n - 1] == '}';
}

/* Is each line the expected one, or says that memory was short? */
static bool same_lines(const struct oom_call *c, const char *a, const char *b)
{
    bool same = true;

    while (same && *a != '\0' && *b != '\0') {
        const size_t a_n = strcspn(a, "\n"), b_n = strcspn(b, "\n");
        same = same_text(c, a, a_n, b, b_n) || is_out_of_memory(a, a_n);
        a += a_n + (a[a_n] != '\0');
        b += b_n + (b[b_n] != '\0');
    }
    return same && *a == *b;
}

/* Is an answer the one that is given without failures? 200 and 201 both say that it is done. */
static bool is_as_expected(const struct oom_call *c, const struct oom_answer *answer,
                           const struct oom_answer *expected)
{
    if (answer->status / 100 != expected->status / 100) {
        return false;
    }
    return c->loose ||
           (c->lines ? same_lines(c, answer->text, expected->text)
                     : same_text(c, answer->text, answer->n, expected->text, expected->n));
}

static bool is_storage_error(const struct oom_answer *answer)
{
    return strstr(answer->text, "\"type\":\"/problems/storage-error\"") != NULL;
}

/* Without memory for anything there is none for the problem either: the listener sends a constant. */
static bool is_refused(const struct oom_call *c, const struct oom_answer *answer, bool lasting)
{
    return answer->status == 503 &&
           (is_out_of_memory(answer->text, answer->n) || (lasting && answer->n == 0) ||
            (c->checks && is_storage_error(answer)));
}

/* ---- points ---- */

/* A model that is not paused may look at what was committed by itself. */
static bool is_at_rest(struct oom *oom)
{
    const struct service *service = &oom->fixture.service;
    const struct models_copy *models = models_now(&service->models);
    bool rests = true;

    for (size_t i = 0; i < models->n; i++) {
        const struct served *served = models->model[i];
        rests = rests && (atomic_load(&served->state) == MODEL_PAUSED ||
                          atomic_load(&served->position) >= writer_log_end(service->writer));
    }
    return rests;
}

/*
 * What writer and trainer still hold is given back behind requests that wait for them; what is done
 * piece by piece, as chunks are removed, needs some.
 */
static void come_to_rest(struct oom *oom, size_t live)
{
    bool rested = false;

    for (int round = 0; !rested || (round < ROUNDS && heap_live() != live); round++) {
        rested = is_at_rest(oom);
        if (oom_status(oom, "GET", "/v1/models/columns/versions/99", NULL) != 404 ||
            oom_status(oom, "GET", "/readyz/feedback", NULL) != 200) {
            oom_wrong(oom, "writer or trainer does not answer");
            return;
        }
    }
}

void oom_check_live(struct oom *oom, size_t live)
{
    if (heap_live() != live) {
        printf("leak: %s, allocation %llu: %zd blocks\n", oom->counts->at,
               (unsigned long long)oom->counts->point, (ssize_t)(heap_live() - live));
        if (oom->counts->leak++ < PRINTED_MAX) {
            heap_print_new();
            heap_print_failed();
        }
    }
}

static void prepare(struct oom *oom, const struct oom_call *c, bool wanted)
{
    if (wanted && c->before != NULL) {
        c->before(oom);
    }
}

/* One request, with its check. @return whether it was answered as expected, or refused in order. */
static size_t attempt(struct oom *oom, const struct oom_call *c, const struct oom_answer *expected,
                      size_t nth, bool lasting)
{
    size_t failed;
    struct oom_answer answer = put_call(oom, c, nth, lasting, &failed);

    if (!is_as_expected(c, &answer, expected) && !(failed > 0 && is_refused(c, &answer, lasting))) {
        oom_wrong(oom, "%zu failed, answered %d %.*s, not %d %.300s", failed, answer.status,
                  (int)(answer.n < 300 ? answer.n : 300), answer.text, expected->status,
                  expected->text);
    } else if (failed == 0 && nth == SIZE_MAX && oom->counts->point > 0) {
        oom->counts->resumed++;
    }
    if (c->after != NULL) {
        c->after(oom, &answer, failed);
    }
    oom_answer_free(&answer);
    return failed;
}

/* One point: the request fails, then it does not. @return whether an allocation failed. */
static bool try_point(struct oom *oom, const struct oom_call *c, const struct oom_answer *expected,
                      size_t nth, bool lasting)
{
    size_t failed;

    oom->turn++;
    oom->counts->point = nth + 1;
    prepare(oom, c, true);
    failed = attempt(oom, c, expected, nth, lasting);
    if (failed > 0) {
        oom->counts->points++;
        prepare(oom, c, c->again);
        (void)attempt(oom, c, expected, SIZE_MAX, false);
    }
    return failed > 0;
}

/* The answer without failures, once everything is warm. */
static struct oom_answer expect(struct oom *oom, const struct oom_call *c)
{
    struct oom_answer expected = {0};
    size_t failed;

    for (int i = 0; i < 2; i++) {
        oom->turn++;
        prepare(oom, c, true);
        oom_answer_free(&expected);
        expected = put_call(oom, c, SIZE_MAX, false, &failed);
        if (c->after != NULL) {
            c->after(oom, &expected, failed);
        }
        prepare(oom, c, c->again);
        (void)attempt(oom, c, &expected, SIZE_MAX, false); /* twice in a turn, as after a failure */
    }
    return expected;
}

void oom_try(struct oom *oom, const struct oom_call *c)
{
    struct oom_answer expected;
    size_t live, lasting = 0;

    if (!oom_begin(oom, c->name)) {
        return;
    }
    expected = expect(oom, c);
    come_to_rest(oom, 0);
    live = heap_live();
    heap_mark();
    for (size_t nth = c->stride > 0 ? rel_below(&oom->random, c->stride) : 0;
         try_point(oom, c, &expected, nth, false); nth += c->stride > 0 ? c->stride : 1) {
        come_to_rest(oom, live);
        oom_check_live(oom, live);
        heap_mark();
        live = heap_live();
    }
    while (try_point(oom, c, &expected, lasting, true)) {
        lasting += 1 + rel_below(&oom->random, lasting / 4 + 2);
        come_to_rest(oom, live);
        oom_check_live(oom, live);
        live = heap_live();
    }
    oom_answer_free(&expected);
    if (getenv("VERBOSE") != NULL) {
        printf("%s: done, %llu points in all\n", c->name, (unsigned long long)oom->counts->points);
    }
}
