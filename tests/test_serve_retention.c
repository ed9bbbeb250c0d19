/*
 * Retention through the binary: what went is said to be gone, what stays is served, verified and
 * replayed.
 */
#include "http_ask.h"
#include "server_process.h"
#include "store_fixture.h"
#include "temp_folder.h"
#include "test.h"

#include <sysexits.h>

#define TURNS 8
#define MODEL "{\"kind\": \"fm\", \"features\": {\"bits\": 10}, \"dim\": 3}"

struct life {
    struct temp_folder folder;
    char db[TEMP_PATH_MAX];
    struct server_process server;
    struct http_client http;
};

static void start(struct life *life)
{
    server_start(&life->server, life->db, NULL);
    http_client_init(&life->http, life->server.port);
}

static void stop(struct life *life)
{
    http_client_deinit(&life->http);
    server_stop(&life->server);
}

static void score(struct life *life, const char *id)
{
    char body[256];
    (void)snprintf(body, sizeof body,
                   "{\"model\": \"m\", \"ranking_id\": \"%s\", \"items\": [\"a\", \"b\", \"c\"]}",
                   id);
    http_must(&life->http, "POST", "/v1/score", body);
}

static void assert_clicked(struct life *life, const char *id, const char *status)
{
    char body[256];
    (void)snprintf(body, sizeof body,
                   "{\"events\": [{\"event_id\": \"e-%s\", \"ranking_id\": \"%s\", \"item_id\": "
                   "\"b\", \"type\": \"click\"}]}",
                   id, id);
    json_t *answer = http_json(&life->http, "POST", "/v1/feedback", body, 200);
    const json_t *result = json_array_get(json_object_get(answer, "results"), 0);
    assert_string_equal(json_string_value(json_object_get(result, "status")), status);
    json_decref(answer);
}

/* Learns in turns, with a checkpoint at the end of each; "late" is served by version 1 and clicked last. */
static void live(struct life *life)
{
    char id[32];
    for (int turn = 0; turn < TURNS; turn++) {
        start(life);
        if (turn == 0) {
            http_must(&life->http, "PUT", "/v1/models/m", MODEL);
        }
        if (turn == 1) {
            score(life, "late");
        }
        for (int i = 0; i < 4; i++) {
            (void)snprintf(id, sizeof id, "r%d-%d", turn, i);
            score(life, id);
            assert_clicked(life, id, "accepted");
        }
        if (turn == TURNS - 1) {
            assert_clicked(life, "late", "accepted");
        }
        stop(life);
    }
}

/* All of it was 40 days ago; the next start removes what may go. */
static void grow_old(struct life *life)
{
    fixture_run_sql(life->db, "UPDATE log SET time_ms = time_ms - 40 * 86400000;"
                              "UPDATE ranking SET time_ms = time_ms - 40 * 86400000;"
                              "UPDATE checkpoint SET time_ms = time_ms - 40 * 86400000;"
                              "DELETE FROM retention;");
    start(life);
    assert_true(server_await(&life->server, "event=log_trimmed"));
}

static int setup(void **state)
{
    struct life *life = calloc(1, sizeof *life);
    assert_non_null(life);
    temp_folder_make(&life->folder);
    temp_folder_path(&life->folder, "rankd.db", life->db);
    live(life);
    grow_old(life);
    *state = life;
    return 0;
}

static int teardown(void **state)
{
    struct life *life = *state;
    temp_folder_remove(&life->folder);
    free(life);
    return 0;
}

static bool is_reproducible(struct life *life, const char *path)
{
    json_t *ranking = http_json(&life->http, "GET", path, NULL, 200);
    const bool is = json_is_true(json_object_get(ranking, "reproducible"));
    json_decref(ranking);
    return is;
}

static void what_went_is_said_to_be_gone(void **state)
{
    struct life *life = *state;
    json_decref(http_json(&life->http, "GET", "/v1/rankings/r0-0", NULL, 404));
    assert_clicked(life, "r0-0", "unknown_ranking");
    assert_clicked(life, "late", "duplicate");
    assert_true(is_reproducible(life, "/v1/rankings/r7-3"));
    assert_false(is_reproducible(life, "/v1/rankings/late"));
    json_t *problem = http_json(&life->http, "PUT", "/v1/models/n?from_seq=0", MODEL, 422);
    assert_non_null(strstr(json_string_value(json_object_get(problem, "detail")),
                           "from_seq: the log is kept from position "));
    json_decref(problem);
    stop(life);
}

/* Runs a command on the file; it ends well and says so. */
static void assert_says(const char *const *arguments, const char *words)
{
    char text[8192] = "";
    const int code = server_command(arguments, text, sizeof text);
    if (code != EX_OK || strstr(text, words) == NULL) {
        fail_msg("%d without \"%s\": %s", code, words, text);
    }
}

static void what_stays_is_verified_and_replayed(void **state)
{
    struct life *life = *state;
    stop(life);
    assert_says((const char *const[]){"verify", "--db", life->db, NULL}, "result   ok");
    assert_says((const char *const[]){"replay", "--db", life->db, "--model", "m", NULL},
                "came out to the bit");
    assert_says((const char *const[]){"replay", "--db", life->db, "--rankings", NULL},
                "not reproducible 1, the first: ");
    start(life);
    score(life, "new");
    assert_clicked(life, "new", "accepted");
    stop(life);
}

#define LIFE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIFE_TEST(what_went_is_said_to_be_gone),
        LIFE_TEST(what_stays_is_verified_and_replayed),
    };
    return cmocka_run_group_tests_name("serve_retention", tests, NULL, NULL);
}
