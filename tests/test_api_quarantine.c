/*
 * Quarantine through the API: what is left out is listed with its reason and may be taken again.
 */
#include "clock.h"
#include "http_ask.h"
#include "server_process.h"
#include "temp_folder.h"
#include "test.h"

#define RAW "{\"kind\": \"fm\", \"features\": {\"bits\": 10, \"numbers\": \"raw\"}, \"dim\": 4}"

struct running {
    struct temp_folder folder;
    struct server_process server;
    struct http_client http;
};

static void start(struct running *running)
{
    char db[TEMP_PATH_MAX];

    temp_folder_make(&running->folder);
    temp_folder_path(&running->folder, "rankd.db", db);
    server_start(&running->server, db, NULL);
    http_client_init(&running->http, running->server.port);
}

static void stop(struct running *running)
{
    http_client_deinit(&running->http);
    server_stop(&running->server);
    temp_folder_remove(&running->folder);
}

static json_t *ask(struct running *running, const char *method, const char *path, const char *body,
                   int status)
{
    return http_json(&running->http, method, path, body, status);
}

static void tell(struct running *running, const char *method, const char *path, const char *body,
                 int status)
{
    json_decref(ask(running, method, path, body, status));
}

/* Waits until the model has tried all that is in the log; its pause is a record it has not read. */
static void await_tried(struct running *running, const char *state)
{
    const int64_t deadline_ns = clock_monotonic_ns() + INT64_C(60000000000);
    const int64_t lag = strcmp(state, "paused") == 0;
    bool tried = false;

    while (!tried) {
        json_t *training = ask(running, "GET", "/v1/models/m/training", NULL, 200);
        tried = json_integer_value(json_object_get(training, "lag")) <= lag &&
                strcmp(json_string_value(json_object_get(training, "state")), state) == 0;
        json_decref(training);
        assert_true(clock_monotonic_ns() < deadline_ns);
    }
}

/* A list whose numbers make gradients far too large. */
static void poison(struct running *running, const char *state)
{
    tell(running, "POST", "/v1/batches",
         "{\"model\": \"m\", \"groups\": [{\"items\": ["
         "{\"id\": \"a\", \"features\": {\"x\": 1000000}, \"label\": 1},"
         "{\"id\": \"b\", \"features\": {\"x\": -1000000}, \"label\": 0}]}]}",
         200);
    await_tried(running, state);
}

static json_t *newest(struct running *running)
{
    json_t *all = ask(running, "GET", "/v1/models/m/quarantine", NULL, 200);
    json_t *entry = json_incref(json_array_get(json_object_get(all, "quarantine"), 0));

    json_decref(all);
    return entry;
}

static void what_is_refused_is_listed_and_may_be_taken_again_once(void **state)
{
    struct running running;
    char path[64];

    (void)state;
    start(&running);
    tell(&running, "PUT", "/v1/models/m", RAW, 201);
    poison(&running, "idle");
    json_t *entry = newest(&running);
    assert_non_null(strstr(json_string_value(json_object_get(entry, "reason")), "gradient"));
    assert_int_equal(json_array_size(json_object_get(entry, "lists")), 1);
    assert_true(json_is_null(json_object_get(entry, "retried_by")));
    (void)snprintf(path, sizeof path, "/v1/models/m/quarantine/%lld/retry",
                   json_integer_value(json_object_get(entry, "id")));
    json_t *retried = ask(&running, "POST", path, "", 200);
    assert_string_equal(json_string_value(json_object_get(retried, "outcome")), "quarantined");
    tell(&running, "POST", path, "", 409);
    json_t *again = newest(&running);
    assert_true(json_equal(json_object_get(again, "retry_of"), json_object_get(entry, "id")));
    json_decref(again);
    json_decref(retried);
    json_decref(entry);
    stop(&running);
}

static void three_refusals_in_a_row_pause_the_model_until_it_is_resumed(void **state)
{
    struct running running;

    (void)state;
    start(&running);
    tell(&running, "PUT", "/v1/models/m", RAW, 201);
    poison(&running, "idle");
    poison(&running, "idle");
    poison(&running, "paused");
    tell(&running, "POST", "/v1/models/m/train?wait=1", "", 409);
    tell(&running, "POST", "/v1/models/m/resume", "", 200);
    poison(&running, "idle");
    stop(&running);
}

static void poison_is_refused_after_an_activation_too(void **state)
{
    struct running running;

    (void)state;
    start(&running);
    tell(&running, "PUT", "/v1/models/m", RAW, 201);
    tell(&running, "POST", "/v1/models/m/activate", "{\"version\": 0}", 200);
    poison(&running, "idle");
    json_t *entry = newest(&running);
    assert_non_null(strstr(json_string_value(json_object_get(entry, "reason")), "gradient"));
    json_decref(entry);
    stop(&running);
}

static void what_is_not_in_quarantine_cannot_be_taken_again(void **state)
{
    struct running running;

    (void)state;
    start(&running);
    tell(&running, "POST", "/v1/models/default/quarantine/1/retry", "", 404);
    tell(&running, "POST", "/v1/models/default/quarantine/x/retry", "", 404);
    tell(&running, "GET", "/v1/models/default/quarantine?limit=0", NULL, 422);
    tell(&running, "GET", "/v1/models/default/quarantine?before=-1", NULL, 422);
    tell(&running, "GET", "/v1/models/nobody/quarantine", NULL, 404);
    stop(&running);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_refused_is_listed_and_may_be_taken_again_once),
        cmocka_unit_test(three_refusals_in_a_row_pause_the_model_until_it_is_resumed),
        cmocka_unit_test(poison_is_refused_after_an_activation_too),
        cmocka_unit_test(what_is_not_in_quarantine_cannot_be_taken_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
