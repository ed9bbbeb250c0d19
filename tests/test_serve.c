/*
 * The binary: it starts on an empty folder, learns from clicks, ends without losing a request, and
 * refuses what it must not touch.
 */
#include "clock.h"
#include "http_client.h"
#include "server_process.h"
#include "temp_folder.h"
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>

#define CLIENTS     8
#define WARM_EVENTS 20 /* answered to each client before the signal comes */
#define LATE_MS     1000

struct serving {
    struct temp_folder folder;
    char db[TEMP_PATH_MAX];
};

static int setup(void **state)
{
    struct serving *serving = calloc(1, sizeof *serving);
    temp_folder_make(&serving->folder);
    temp_folder_path(&serving->folder, "rankd.db", serving->db);
    *state = serving;
    return 0;
}

static int teardown(void **state)
{
    struct serving *serving = *state;
    temp_folder_remove(&serving->folder);
    free(serving);
    return 0;
}

#define SERVE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* A request whose answer has a status and a text. */
static void expect(struct http_client *client, const char *method, const char *path,
                   const char *body, int status, const char *part)
{
    struct http_response response = http_client_ask(
        client, method, path, body != NULL ? "Content-Type: application/json\r\n" : NULL, body);
    if (response.status != status || strstr(response.body, part) == NULL) {
        fail_msg("%s %s was answered %d: %s", method, path, response.status,
                 response.body != NULL ? response.body : "");
    }
    http_response_deinit(&response);
}

static void run_sql(const char *path, const char *text)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Waits until the default model serves something it learned. */
static void await_version(struct http_client *client)
{
    const int64_t deadline_ns = clock_monotonic_ns() + INT64_C(30000000000);
    bool learned = false;
    while (!learned) {
        struct http_response response =
            http_client_ask(client, "GET", "/v1/models/default", NULL, NULL);
        assert_int_equal(response.status, 200);
        learned = strstr(response.body, "\"version\":0,") == NULL;
        http_response_deinit(&response);
        assert_true(clock_monotonic_ns() < deadline_ns);
    }
}

static void it_starts_on_an_empty_folder_and_learns_from_a_click(void **state)
{
    static const char score[] =
        "{\"user\": {\"id\": \"u1\"}, \"items\": [\"i1\", \"i2\", \"i3\"], \"ranking_id\": \"r\"}";
    struct serving *serving = *state;
    struct server_process server;
    struct http_client client;
    server_start(&server, serving->db, NULL);
    http_client_init(&client, server.port);
    expect(&client, "GET", "/readyz", NULL, 200, "ok");
    expect(&client, "POST", "/v1/score", score, 200, "\"version\":0,\"items\":[{\"id\":\"i1\"");
    expect(&client, "POST", "/v1/feedback",
           "{\"ranking_id\": \"r\", \"item_id\": \"i3\", \"type\": \"click\"}", 200,
           "\"accepted\":1");
    await_version(&client);
    expect(&client, "POST", "/v1/score", score, 200, "\"items\":[{\"id\":\"i3\"");
    expect(&client, "GET", "/v1/rankings/r", NULL, 200, "\"outcome\":\"published\"");
    http_client_deinit(&client);
    server_stop(&server);
}

/* ---- the end ---- */

/* Scores and clicks until it is told that the connection ends. */
struct clicker {
    pthread_t thread;
    uint16_t port;
    int number;
    atomic_int answered;
    int unanswered; /* requests that were sent and got no whole answer */
    int unexpected; /* answers that were neither 200 nor "draining" */
};

/* @return false: this was the last answer. */
static bool click_once(struct clicker *clicker, struct http_client *client, const char *path,
                       const char *body)
{
    struct http_response response = http_client_post(client, path, body);
    const bool more = response.status == 200 && !response.closed;
    clicker->unanswered += response.status == 0;
    clicker->unexpected += response.status != 0 && response.status != 200 &&
                           strstr(response.body, "/problems/draining") == NULL;
    http_response_deinit(&response);
    return more;
}

static void *click_on(void *context)
{
    struct clicker *clicker = context;
    struct http_client client;
    bool more = true;
    http_client_init(&client, clicker->port);
    for (int i = 0; more; i++) {
        char score[256], click[256];
        (void)snprintf(score, sizeof score,
                       "{\"ranking_id\": \"%d-%d\", \"items\": [\"a\", \"b\"]}", clicker->number,
                       i);
        (void)snprintf(click, sizeof click,
                       "{\"ranking_id\": \"%d-%d\", \"item_id\": \"b\", \"type\": \"click\"}",
                       clicker->number, i);
        more = click_once(clicker, &client, "/v1/score", score) &&
               click_once(clicker, &client, "/v1/feedback", click);
        atomic_fetch_add(&clicker->answered, 1);
    }
    http_client_deinit(&client);
    return NULL;
}

static void start_clickers(struct clicker *clicker, uint16_t port)
{
    for (int i = 0; i < CLIENTS; i++) {
        clicker[i] = (struct clicker){.port = port, .number = i};
        assert_int_equal(pthread_create(&clicker[i].thread, NULL, click_on, &clicker[i]), 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        const int64_t deadline_ns = clock_monotonic_ns() + INT64_C(60000000000);
        while (atomic_load(&clicker[i].answered) < WARM_EVENTS) {
            assert_true(clock_monotonic_ns() < deadline_ns);
            (void)sched_yield();
        }
    }
}

static void a_signal_under_load_leaves_no_request_unanswered(void **state)
{
    struct serving *serving = *state;
    struct server_process server;
    struct clicker clicker[CLIENTS];
    struct http_client client;
    server_start(&server, serving->db, NULL);
    start_clickers(clicker, server.port);
    server_signal(&server, SIGTERM);
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(pthread_join(clicker[i].thread, NULL), 0);
        assert_int_equal(clicker[i].unanswered, 0);
        assert_int_equal(clicker[i].unexpected, 0);
    }
    assert_true(server_await(&server, "event=stopped"));
    assert_true(server_wrote(&server, "event=drained left=0"));
    assert_true(server_wrote(&server, "event=checkpoint_stored model=default"));
    assert_int_equal(server_end(&server), 0);
    server_start(&server, serving->db, NULL);
    http_client_init(&client, server.port);
    expect(&client, "GET", "/v1/models/default/versions", NULL, 200, "\"served\":true");
    expect(&client, "POST", "/v1/feedback",
           "{\"ranking_id\": \"0-0\", \"item_id\": \"b\", \"type\": \"click\"}", 200,
           "\"duplicate\"");
    http_client_deinit(&client);
    server_stop(&server);
}

static void a_second_signal_ends_it_at_once(void **state)
{
    static const char half[] = "POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Type: "
                               "application/json\r\nContent-Length: 100\r\n"
                               "Expect: 100-continue\r\n\r\n";
    struct serving *serving = *state;
    struct server_process server;
    struct http_client client;
    struct http_response response;
    server_start(&server, serving->db, NULL);
    http_client_init(&client, server.port);
    expect(&client, "GET", "/livez", NULL, 200, "ok");
    assert_true(http_client_send(&client, half, strlen(half)));
    response =
        http_client_receive(&client, false); /* the head was read: the drain waits for the rest */
    assert_int_equal(response.status, 100);
    http_response_deinit(&response);
    server_signal(&server, SIGTERM);
    assert_true(server_await(&server, "event=stopping"));
    while (!server_has_ended(&server)) { /* one may come before the first was acted upon */
        server_signal(&server, SIGTERM);
        (void)sched_yield();
    }
    assert_false(server_wrote(&server, "event=drained"));
    assert_int_equal(server_end(&server), 0);
    http_client_deinit(&client);
}

/* ---- what is kept over a restart ---- */

static void stored_features_are_in_memory_after_a_restart(void **state)
{
    struct serving *serving = *state;
    struct server_process server;
    struct http_client client;
    server_start(&server, serving->db, NULL);
    http_client_init(&client, server.port);
    expect(&client, "POST", "/v1/items",
           "{\"items\": [{\"id\": \"a\", \"features\": {\"x\": \"y\"}}, {\"id\": \"b\","
           " \"features\": {}}]}",
           200, "2");
    expect(&client, "PUT", "/v1/users/u", "{\"features\": {\"age\": 3}}", 201, "age");
    expect(&client, "DELETE", "/v1/items/b", NULL, 204, "");
    http_client_deinit(&client);
    server_stop(&server);
    server_start(&server, serving->db, NULL);
    http_client_init(&client, server.port);
    expect(&client, "GET", "/metrics", NULL, 200, "rankd_catalogue_entries{side=\"item\"} 1\n");
    expect(&client, "GET", "/metrics", NULL, 200, "rankd_catalogue_entries{side=\"user\"} 1\n");
    expect(&client, "GET", "/v1/items/a", NULL, 200, "{\"x\":\"y\"}");
    http_client_deinit(&client);
    server_stop(&server);
}

/* ---- what is refused ---- */

static void a_second_process_on_the_same_file_gives_up_at_once(void **state)
{
    struct serving *serving = *state;
    const char *const second[] = {"serve", "--db", serving->db, "--listen", "127.0.0.1:0", NULL};
    struct server_process server;
    struct http_client client;
    char output[4096];
    int64_t start_ns;
    server_start(&server, serving->db, NULL);
    http_client_init(&client, server.port);
    start_ns = clock_monotonic_ns();
    assert_int_equal(server_command(second, output, sizeof output), 75);
    assert_true(clock_monotonic_ns() - start_ns < INT64_C(1000000) * LATE_MS);
    assert_non_null(strstr(output, "event=start_failed"));
    expect(&client, "POST", "/v1/score", "{\"ranking_id\": \"r\", \"items\": [\"a\"]}", 200, "r");
    expect(&client, "GET", "/v1/rankings/r", NULL, 200, "\"r\"");
    http_client_deinit(&client);
    server_stop(&server);
}

static void a_taken_port_is_told_by_the_exit_code(void **state)
{
    struct serving *serving = *state;
    char address[32], other[TEMP_PATH_MAX];
    const char *const second[] = {"serve", "--db", other, "--listen", address, NULL};
    struct server_process server;
    temp_folder_path(&serving->folder, "other.db", other);
    server_start(&server, serving->db, NULL);
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", server.port);
    assert_int_equal(server_command(second, NULL, 0), 69);
    server_stop(&server);
}

static void a_newer_schema_is_left_as_it_is(void **state)
{
    struct serving *serving = *state;
    const char *const serve[] = {"serve", "--db", serving->db, "--listen", "127.0.0.1:0", NULL};
    struct server_process server;
    uint64_t before;
    server_start(&server, serving->db, NULL);
    server_stop(&server);
    run_sql(serving->db, "PRAGMA user_version = 999");
    before = temp_file_hash(serving->db);
    assert_int_equal(server_command(serve, NULL, 0), 78);
    assert_true(temp_file_hash(serving->db) == before);
}

static void a_file_that_is_no_database_is_left_as_it_is(void **state)
{
    struct serving *serving = *state;
    const char *const serve[] = {"serve", "--db", serving->db, "--listen", "127.0.0.1:0", NULL};
    char text[8192];
    uint64_t before;
    memset(text, 'x', sizeof text);
    temp_file_write(serving->db, text, sizeof text);
    before = temp_file_hash(serving->db);
    assert_int_equal(server_command(serve, NULL, 0), 65);
    assert_true(temp_file_hash(serving->db) == before);
}

static void another_applications_database_is_left_as_it_is(void **state)
{
    struct serving *serving = *state;
    const char *const serve[] = {"serve", "--db", serving->db, "--listen", "127.0.0.1:0", NULL};
    uint64_t before;
    run_sql(serving->db, "PRAGMA application_id = 7; CREATE TABLE log (x)");
    before = temp_file_hash(serving->db);
    assert_int_equal(server_command(serve, NULL, 0), 65);
    assert_true(temp_file_hash(serving->db) == before);
}

static void a_folder_that_is_not_there_is_an_io_error(void **state)
{
    const char *const serve[] = {"serve",    "--db",        "/nowhere/rankd.db",
                                 "--listen", "127.0.0.1:0", NULL};
    (void)state;
    assert_int_equal(server_command(serve, NULL, 0), 74);
}

/* ---- the command line ---- */

static void help_and_version_are_printed(void **state)
{
    static const struct {
        const char *arguments[3];
        const char *part;
    } cases[] = {{{"--help"}, "healthcheck"},
                 {{"help"}, "serve"},
                 {{"version"}, "rankd "},
                 {{"serve", "--help"}, "--checkpoint-s"},
                 {{"healthcheck", "--help"}, "/readyz"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char output[16384];
        assert_int_equal(server_command(cases[i].arguments, output, sizeof output), 0);
        assert_non_null(strstr(output, cases[i].part));
    }
}

static void wrong_usage_is_told_by_the_exit_code(void **state)
{
    static const char *const cases[][5] = {{NULL},
                                           {"nonsense"},
                                           {"serve", "--nonsense"},
                                           {"serve", "--threads", "x"},
                                           {"serve", "positional"},
                                           {"serve", "--log-level", "loud"},
                                           {"serve", "--db"},
                                           {"healthcheck", "--nonsense"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char output[16384];
        assert_int_equal(server_command(cases[i], output, sizeof output), 64);
        assert_true(output[0] != '\0');
    }
}

static void an_address_that_is_none_is_wrong_usage(void **state)
{
    struct serving *serving = *state;
    const char *const serve[] = {"serve", "--db", serving->db, "--listen", "nowhere", NULL};
    assert_int_equal(server_command(serve, NULL, 0), 64);
}

static void healthcheck_asks_the_listener_for_operation(void **state)
{
    static const char *const ops[] = {"--ops-listen", "127.0.0.1:0", NULL};
    struct serving *serving = *state;
    struct server_process server;
    char address[32];
    const char *const check[] = {"healthcheck", "--listen", address, NULL};
    server_start(&server, serving->db, ops);
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", server.port);
    assert_int_equal(server_command(check, NULL, 0), 0);
    (void)snprintf(address, sizeof address, ":%u", server.port);
    assert_int_equal(server_command(check, NULL, 0), 0);
    server_stop(&server);
    assert_int_equal(server_command(check, NULL, 0), 69);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVE_TEST(it_starts_on_an_empty_folder_and_learns_from_a_click),
        SERVE_TEST(a_signal_under_load_leaves_no_request_unanswered),
        SERVE_TEST(a_second_signal_ends_it_at_once),
        SERVE_TEST(stored_features_are_in_memory_after_a_restart),
        SERVE_TEST(a_second_process_on_the_same_file_gives_up_at_once),
        SERVE_TEST(a_taken_port_is_told_by_the_exit_code),
        SERVE_TEST(a_newer_schema_is_left_as_it_is),
        SERVE_TEST(a_file_that_is_no_database_is_left_as_it_is),
        SERVE_TEST(another_applications_database_is_left_as_it_is),
        SERVE_TEST(a_folder_that_is_not_there_is_an_io_error),
        SERVE_TEST(help_and_version_are_printed),
        SERVE_TEST(wrong_usage_is_told_by_the_exit_code),
        SERVE_TEST(an_address_that_is_none_is_wrong_usage),
        SERVE_TEST(healthcheck_asks_the_listener_for_operation),
    };
    return cmocka_run_group_tests_name("serve", tests, NULL, NULL);
}
