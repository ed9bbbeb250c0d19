/*
 * The API's fixture: the parts as `rankd serve` puts them together, without the listener.
 */
#include "api_fixture.h"

#include "json.h"
#include "test.h"
#include "token_issue.h"

#include <pthread.h>

#define PARTS 2

/* A call and the test that waits for it. */
struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool finished; /* guarded by lock */
};

static void park(struct api_call *call)
{
    (void)call;
}

static void finish(struct api_call *call)
{
    struct waiter *waiter = call->owner;

    pthread_mutex_lock(&waiter->lock);
    waiter->finished = true;
    pthread_cond_signal(&waiter->change);
    pthread_mutex_unlock(&waiter->lock);
}

static void await(struct waiter *waiter)
{
    pthread_mutex_lock(&waiter->lock);
    while (!waiter->finished) {
        pthread_cond_wait(&waiter->change, &waiter->lock);
    }
    waiter->finished = false;
    pthread_mutex_unlock(&waiter->lock);
}

/* ---- start and stop ---- */

void api_fixture_start(struct api_fixture *fixture)
{
    memcpy(fixture->service.options.db, fixture->path, sizeof fixture->path);
    fixture->service.options.threads = API_FIXTURE_SLOTS - 1; /* the health listener has one too */
    assert_ok(service_start(&fixture->service, NULL));
}

void api_fixture_stop(struct api_fixture *fixture)
{
    service_stop(&fixture->service);
}

int api_fixture_group(void **state)
{
    (void)state;
    json_start();
    return 0;
}

int api_fixture_setup(void **state)
{
    struct api_fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    temp_folder_make(&fixture->folder);
    temp_folder_path(&fixture->folder, "rankd.db", fixture->path);
    assert_ok(options_read(&fixture->service.options, 0, NULL, NULL));
    api_fixture_start(fixture);
    *state = fixture;
    return 0;
}

char *api_fixture_token(struct api_fixture *fixture, struct token *token)
{
    char text[TOKEN_TEXT] = "";
    char *header = NULL;

    if (token->name[0] == '\0') {
        memcpy(token->name, "test", sizeof "test");
    }
    assert_ok(token_issue(fixture->path, token, text, NULL));
    access_refresh(fixture->service.access);
    assert_true(asprintf(&header, "Bearer %s", text) > 0);
    return header;
}

void api_fixture_forget(struct api_fixture *fixture)
{
    while (fixture->answers != NULL) {
        struct answer *answer = fixture->answers;
        fixture->answers = answer->next;
        json_decref(answer->json);
        free(answer->text);
        free(answer);
    }
}

int api_fixture_teardown(void **state)
{
    struct api_fixture *fixture = *state;

    api_fixture_stop(fixture);
    api_fixture_forget(fixture);
    temp_folder_remove(&fixture->folder);
    free(fixture);
    return 0;
}

/* ---- requests ---- */

static struct answer *keep(struct api_fixture *fixture, struct api_call *call)
{
    struct answer *answer = calloc(1, sizeof *answer);

    assert_non_null(answer);
    answer->status = call->status;
    answer->text = emit_take(&call->answer, &answer->text_n);
    assert_non_null(answer->text);
    answer->json = json_loadb(answer->text, answer->text_n, JSON_REJECT_DUPLICATES, NULL);
    (void)snprintf(answer->type, sizeof answer->type, "%s", call->answer_type);
    memcpy(answer->allow, call->allow, sizeof answer->allow);
    memcpy(answer->location, call->location, sizeof answer->location);
    answer->retry_after_s = call->retry_after_s;
    answer->next = fixture->answers;
    fixture->answers = answer;
    return answer;
}

void api_fixture_handle(struct api_fixture *fixture, struct api_call *call)
{
    struct waiter waiter = {.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};

    call->request_id = "test-1";
    call->park = park;
    call->finish = finish;
    call->owner = &waiter;
    do {
        if (!api_handle(&fixture->service.api, call)) {
            await(&waiter);
        }
    } while (call->again);
    api_count(&fixture->service.api, call);
}

struct answer *ask_bytes(struct api_fixture *fixture, const char *method, const char *path,
                         const char *content_type, const char *body, size_t n)
{
    char *part[PARTS] = {strdup(path), NULL};
    struct api_call call = {.method = method,
                            .path = part[0],
                            .content_type = content_type,
                            .body = body != NULL ? body : "",
                            .body_n = n,
                            .authorization = fixture->authorization};
    struct answer *answer;

    part[1] = strchr(part[0], '?');
    if (part[1] != NULL) {
        *part[1]++ = '\0';
        call.query = part[1];
    }
    api_fixture_handle(fixture, &call);
    answer = keep(fixture, &call);
    api_call_deinit(&call);
    free(part[0]);
    return answer;
}

struct answer *ask(struct api_fixture *fixture, const char *method, const char *path,
                   const char *content_type, const char *body)
{
    return ask_bytes(fixture, method, path, content_type, body, body != NULL ? strlen(body) : 0);
}

struct answer *get(struct api_fixture *fixture, const char *path)
{
    return ask(fixture, "GET", path, NULL, NULL);
}

struct answer *post(struct api_fixture *fixture, const char *path, const char *json)
{
    return ask(fixture, "POST", path, "application/json", json);
}

struct answer *put(struct api_fixture *fixture, const char *path, const char *json)
{
    return ask(fixture, "PUT", path, "application/json", json);
}

struct answer *post_lines(struct api_fixture *fixture, const char *path, const char *lines)
{
    return ask(fixture, "POST", path, "application/x-ndjson", lines);
}

struct answer *postf(struct api_fixture *fixture, const char *path, const char *format, ...)
{
    char *body = NULL;
    struct answer *answer;
    va_list args;

    va_start(args, format);
    assert_true(vasprintf(&body, format, args) >= 0);
    va_end(args);
    answer = post(fixture, path, body);
    free(body);
    return answer;
}

/* ---- answers ---- */

void assert_answered(const struct answer *answer, int status)
{
    if (answer->status != status) {
        fail_msg("answered %d, not %d: %s", answer->status, status, answer->text);
    }
}

void assert_problem(const struct answer *answer, int status, const char *slug)
{
    char type[80];

    assert_answered(answer, status);
    assert_string_equal(answer->type, "application/problem+json");
    (void)snprintf(type, sizeof type, "/problems/%s", slug);
    if (strcmp(text_at(answer, "/type"), type) != 0) {
        fail_msg("the problem is not %s: %s", slug, answer->text);
    }
    assert_int_equal(integer_at(answer, "/status"), status);
    assert_true(text_at(answer, "/title")[0] != '\0');
    assert_true(text_at(answer, "/detail")[0] != '\0');
    assert_string_equal(text_at(answer, "/instance"), "test-1");
}

void assert_problem_at(const struct answer *answer, int status, const char *slug,
                       const char *pointer)
{
    assert_problem(answer, status, slug);
    if (!is_at(answer, "/errors/0/pointer") ||
        strcmp(text_at(answer, "/errors/0/pointer"), pointer) != 0) {
        fail_msg("the problem is not at %s: %s", pointer, answer->text);
    }
    assert_true(text_at(answer, "/errors/0/detail")[0] != '\0');
}

void assert_members(const struct answer *answer, const char *pointer, const char *names)
{
    json_t *object = value_at(answer, pointer), *value;
    const char *key;
    char found[512] = "";

    json_object_foreach(object, key, value)
    {
        const size_t used = strlen(found);
        (void)snprintf(found + used, sizeof found - used, "%s%s", used > 0 ? " " : "", key);
    }
    if (strcmp(found, names) != 0) {
        fail_msg("the members of %s are \"%s\", not \"%s\"", pointer, found, names);
    }
}

static json_t *find(const struct answer *answer, const char *pointer)
{
    json_t *value = answer->json;

    while (*pointer == '/' && value != NULL) {
        char key[160];
        const size_t n = strcspn(++pointer, "/");
        assert_true(n < sizeof key);
        memcpy(key, pointer, n);
        key[n] = '\0';
        value = json_is_array(value) ? json_array_get(value, strtoul(key, NULL, 10))
                                     : json_object_get(value, key);
        pointer += n;
    }
    return value;
}

bool is_at(const struct answer *answer, const char *pointer)
{
    return find(answer, pointer) != NULL;
}

json_t *value_at(const struct answer *answer, const char *pointer)
{
    json_t *value = find(answer, pointer);

    if (value == NULL) {
        fail_msg("there is nothing at %s: %s", pointer, answer->text);
    }
    return value;
}

const char *text_at(const struct answer *answer, const char *pointer)
{
    const char *text = json_string_value(value_at(answer, pointer));

    assert_non_null(text);
    return text;
}

double number_at(const struct answer *answer, const char *pointer)
{
    const json_t *value = value_at(answer, pointer);

    assert_true(json_is_number(value));
    return json_number_value(value);
}

int64_t integer_at(const struct answer *answer, const char *pointer)
{
    const json_t *value = value_at(answer, pointer);

    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

bool flag_at(const struct answer *answer, const char *pointer)
{
    const json_t *value = value_at(answer, pointer);

    assert_true(json_is_boolean(value));
    return json_is_true(value);
}

size_t count_at(const struct answer *answer, const char *pointer)
{
    const json_t *value = value_at(answer, pointer);

    return json_is_object(value) ? json_object_size(value) : json_array_size(value);
}

const char *ids_of(const struct answer *answer, char *text, size_t size)
{
    const size_t n = count_at(answer, "/items");

    text[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        char pointer[32];
        const size_t used = strlen(text);
        (void)snprintf(pointer, sizeof pointer, "/items/%zu/id", i);
        (void)snprintf(text + used, size - used, "%s%s", i > 0 ? " " : "",
                       text_at(answer, pointer));
    }
    return text;
}

/* ---- common steps ---- */

int64_t log_end(struct api_fixture *fixture)
{
    /* Rankings go first in every transaction: once a probe is committed, what was queued is. */
    assert_answered(get(fixture, "/readyz/feedback"), 200);
    return writer_log_end(fixture->service.writer);
}

int64_t train(struct api_fixture *fixture, const char *model)
{
    char path[128];
    const struct answer *answer;

    (void)snprintf(path, sizeof path, "/v1/models/%s/train?wait=1", model);
    answer = ask(fixture, "POST", path, NULL, NULL);
    assert_answered(answer, 200);
    return integer_at(answer, "/version");
}

static enum rk_status hold_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    struct hold *hold = (struct hold *)job;

    (void)store;
    (void)err;
    (void)sem_post(&hold->held);
    (void)sem_wait(&hold->let_go);
    return RK_OK;
}

static void hold_done(struct writer_job *job, const struct writer_outcome *outcome)
{
    (void)outcome;
    (void)sem_post(&((struct hold *)job)->over);
}

void hold_writer(struct api_fixture *fixture)
{
    struct hold *hold = &fixture->hold;

    hold->job = (struct writer_job){.run = hold_run, .done = hold_done, .weight = 1};
    (void)sem_init(&hold->held, 0, 0);
    (void)sem_init(&hold->let_go, 0, 0);
    (void)sem_init(&hold->over, 0, 0);
    writer_push(fixture->service.writer, &hold->job);
    (void)sem_wait(&hold->held);
}

void let_writer_go(struct api_fixture *fixture)
{
    (void)sem_post(&fixture->hold.let_go);
    (void)sem_wait(&fixture->hold.over);
}

void score_and_click(struct api_fixture *fixture, const char *ranking)
{
    const struct answer *answer =
        postf(fixture, "/v1/score",
              "{\"ranking_id\": \"%s\", \"user\": {\"id\": \"u\"}, \"items\": [\"a\", \"b\", "
              "\"c\"]}",
              ranking);

    assert_answered(answer, 200);
    answer = postf(fixture, "/v1/feedback",
                   "{\"ranking_id\": \"%s\", \"item_id\": \"c\", \"type\": \"click\"}", ranking);
    assert_answered(answer, 200);
    assert_int_equal(integer_at(answer, "/accepted"), 1);
}
