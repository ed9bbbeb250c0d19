/*
 * rankd replay through the binary: whatever a server has been through, each ranking it served and
 * each state it stored comes out again, to the bit; and another configuration can be tried on it.
 */
#include "http_ask.h"
#include "server_process.h"
#include "store_fixture.h"
#include "temp_folder.h"
#include "test.h"

#include <signal.h>
#include <sysexits.h>

#define TEXT_MAX 65536
#define TAIL     600 /* of what a server wrote that is shown where it ended badly */
#define FM       "{\"kind\": \"fm\", \"features\": {\"bits\": 8}, \"dim\": 4"
#define JOINT                                                                                      \
    "{\"kind\": \"joint\", \"features\": {\"bits\": 8}, \"users\": {\"bits\": 6}, "                \
    "\"items\": {\"bits\": 6}, \"dim\": 4, \"hidden\": [8]"
#define COLUMNS                                                                                    \
    "{\"kind\": \"fm\", \"features\": {\"space\": \"indexed\", \"size\": 8}, \"dim\": 2}"

struct life {
    struct temp_folder folder;
    char db[TEMP_PATH_MAX], file[TEMP_PATH_MAX];
    struct server_process server;
    struct http_client client;
    int rankings;        /* served so far */
    char text[TEXT_MAX]; /* what the last command printed */
};

static int life_setup(void **state)
{
    struct life *life = calloc(1, sizeof *life);
    assert_non_null(life);
    temp_folder_make(&life->folder);
    temp_folder_path(&life->folder, "a.db", life->db);
    temp_folder_path(&life->folder, "file", life->file);
    *state = life;
    return 0;
}

static int life_teardown(void **state)
{
    struct life *life = *state;
    temp_folder_remove(&life->folder);
    free(life);
    return 0;
}

#define LIFE_TEST(name) cmocka_unit_test_setup_teardown(name, life_setup, life_teardown)

static void start(struct life *life)
{
    server_start(&life->server, life->db, NULL);
    http_client_init(&life->client, life->server.port);
}

/* Ends the server: by SIGTERM, or at once. */
static void end(struct life *life, int signal)
{
    int code;
    http_client_deinit(&life->client);
    server_signal(&life->server, signal);
    (void)server_await(&life->server, "\001"); /* until it writes no more */
    (void)snprintf(life->text, sizeof life->text, "%s", life->server.text);
    code = server_end(&life->server);
    if (code != (signal == SIGKILL ? 128 + SIGKILL : 0)) {
        const size_t n = strlen(life->text), shown = n < TAIL ? n : TAIL;
        fail_msg("the server ended with %d: %s", code, life->text + n - shown);
    }
}

/* Runs the binary; its output into life->text. */
static int run(struct life *life, const char *const *arguments)
{
    return server_command(arguments, life->text, sizeof life->text);
}

#define RUN(life, ...) run((life), (const char *const[]){__VA_ARGS__, NULL})

/* Scores n lists of five items, and clicks on one of each. */
static void rank(struct life *life, const char *model, int n)
{
    char body[1024], clicked[16];
    for (int i = 0; i < n; i++) {
        const int r = life->rankings++;
        (void)snprintf(body, sizeof body,
                       "{\"model\": \"%s\", \"ranking_id\": \"r%d\", \"user\": {\"id\": \"u%d\"}, "
                       "\"context\": {\"hour\": %d}, \"items\": [\"i%d\", \"i%d\", \"i%d\", "
                       "{\"id\": \"x\", \"features\": {\"price\": %d.25, \"brand\": \"b%d\"}}, "
                       "\"y\"]%s}",
                       model, r, r % 7, r % 24, r % 11, 11 + r % 5, 16 + r % 3, r % 9, r % 4,
                       r % 4 == 1   ? ", \"explain\": true"
                       : r % 4 == 2 ? ", \"exclude\": [\"y\"], \"top_k\": 3"
                                    : "");
        http_must(&life->client, "POST", "/v1/score", body);
        (void)snprintf(clicked, sizeof clicked, r % 3 == 0 ? "x" : "i%d", r % 11);
        (void)snprintf(body, sizeof body,
                       "{\"ranking_id\": \"r%d\", \"item_id\": \"%s\", \"type\": \"click\"}", r,
                       clicked);
        http_must(&life->client, "POST", "/v1/feedback", body);
    }
}

/* The same on a model whose features are columns. */
static void rank_columns(struct life *life, int n)
{
    char body[512];
    for (int i = 0; i < n; i++) {
        const int r = life->rankings++;
        (void)snprintf(body, sizeof body,
                       "{\"model\": \"columns\", \"ranking_id\": \"r%d\", \"items\": [{\"id\": "
                       "\"a\", \"features\": {\"%d\": 1, \"7\": 0.5}}, {\"id\": \"b\", "
                       "\"features\": [0.1, 0.2, %d]}, \"c\"]}",
                       r, r % 6, r % 5);
        http_must(&life->client, "POST", "/v1/score", body);
        (void)snprintf(body, sizeof body,
                       "{\"ranking_id\": \"r%d\", \"item_id\": \"a\", \"type\": \"click\"}", r);
        http_must(&life->client, "POST", "/v1/feedback", body);
    }
}

static void change_catalogue(struct life *life, int turn)
{
    char path[32], body[128];
    for (int i = 0; i < 20; i++) {
        (void)snprintf(path, sizeof path, "/v1/items/i%d", i);
        (void)snprintf(body, sizeof body,
                       "{\"features\": {\"price\": %d.5, \"tags\": [\"t%d\", \"all\"]}}",
                       i * turn % 13, (i + turn) % 4);
        http_must(&life->client, "PUT", path, body);
    }
    (void)snprintf(body, sizeof body, "{\"features\": {\"age\": %d}}", 20 + turn);
    http_must(&life->client, "PUT", "/v1/users/u1", body);
    if (turn > 1) {
        http_must(&life->client, "DELETE", "/v1/items/i2", NULL);
    }
}

static void make_models(struct life *life)
{
    http_must(&life->client, "PUT", "/v1/models/small", FM "}");
    http_must(&life->client, "PUT", "/v1/models/waiting",
              FM
              ", \"loss\": {\"name\": \"bce_with_logits\"}, \"training\": {\"attribution_s\": 1}}");
    http_must(&life->client, "PUT", "/v1/models/joint", JOINT "}");
    http_must(&life->client, "PUT", "/v1/models/columns", COLUMNS);
}

/* Serves with all models, before and after the catalogue changes. */
static void live(struct life *life, int turn)
{
    static const char *const models[] = {"default", "small", "waiting", "joint"};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        rank(life, models[i], 12);
    }
    change_catalogue(life, turn);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        rank(life, models[i], 6);
    }
    rank_columns(life, 10);
}

/* A libFM model whose scores are beyond a float: what it serves is degraded. */
static void import_giant(struct life *life)
{
    static const char text[] =
        "#global bias W0\n0\n#unary interactions Wj\n3e38\n3e38\n3e38\n3e38\n"
        "3e38\n3e38\n3e38\n3e38\n#pairwise interactions Vj,f\n0 0\n0 0\n"
        "0 0\n0 0\n0 0\n0 0\n0 0\n0 0\n";
    temp_file_write(life->file, text, sizeof text - 1);
    if (RUN(life, "import", "--db", life->db, "--model", "columns", life->file) != EX_OK) {
        fail_msg("import: %s", life->text);
    }
}

static void serve_degraded(struct life *life)
{
    struct http_response response;
    char body[128];
    (void)snprintf(body, sizeof body,
                   "{\"model\": \"columns\", \"ranking_id\": \"r%d\", \"items\": [{\"id\": \"a\", "
                   "\"features\": {\"0\": 8}}, \"b\"]}",
                   life->rankings++);
    response = http_client_post(&life->client, "/v1/score", body);
    assert_non_null(strstr(response.body, "\"degraded\":\"fallback\""));
    http_response_deinit(&response);
}

/* What every ranking of the log comes to. */
static void check_all(struct life *life)
{
    char expected[64];
    const uint64_t before = temp_file_hash(life->db);
    const int code = RUN(life, "replay", "--db", life->db, "--rankings", "--json");
    (void)snprintf(expected, sizeof expected, "{\"rankings\":%d,\"identical\":%d,", life->rankings,
                   life->rankings);
    if (code != EX_OK || strstr(life->text, expected) == NULL) {
        fail_msg("%d rankings, exit %d: %s", life->rankings, code, life->text);
    }
    assert_true(temp_file_hash(life->db) == before);
}

static void every_ranking_of_a_life_with_everything_in_it_is_served_again(void **state)
{
    struct life *life = *state;
    start(life);
    make_models(life);
    live(life, 1);
    http_must(&life->client, "POST", "/v1/models/small/train?wait=1", NULL);
    live(life, 2);
    end(life, SIGKILL);
    check_all(life); /* also from the write-ahead log that it left */
    start(life);
    live(life, 3);
    http_must(&life->client, "PATCH", "/v1/models/small",
              "{\"learning_rate\": 0.02, \"labels\": {\"click\": 2}}");
    live(life, 3);
    http_must(&life->client, "POST", "/v1/models/small/activate", "{\"version\": 0}");
    http_must(&life->client, "POST", "/v1/models/joint/activate", "{\"version\": 0}");
    live(life, 4);
    end(life, SIGTERM);
    import_giant(life);
    start(life);
    serve_degraded(life);
    live(life, 5);
    http_must(&life->client, "DELETE", "/v1/models/waiting", NULL);
    end(life, SIGTERM);
    check_all(life);
    assert_int_equal(RUN(life, "replay", "--db", life->db, "--model", "small"), EX_OK);
    assert_non_null(strstr(life->text, "stored came out to the bit"));
    print_message("rankings served again, identical: %d\n", life->rankings);
}

/* ---- one ranking ---- */

static void live_a_little(struct life *life)
{
    start(life);
    http_must(&life->client, "PUT", "/v1/models/small", FM "}");
    rank(life, "small", 20);
    http_must(&life->client, "POST", "/v1/models/small/train?wait=1", NULL);
    end(life, SIGTERM);
}

static void ranking_is_shown_as_it_was_and_as_it_comes_out(void **state)
{
    struct life *life = *state;
    live_a_little(life);
    assert_int_equal(RUN(life, "replay", "--db", life->db, "--ranking", "r18"), EX_OK);
    assert_non_null(strstr(life->text, "\nmodel      small\n"));
    assert_non_null(strstr(life->text, "\n   3  "));
    assert_null(strstr(life->text, "\n   4  ")); /* top_k */
    assert_non_null(strstr(life->text, "\nidentical: order and scores, to the bit\n"));
    assert_int_equal(RUN(life, "replay", "--db", life->db, "--ranking=r19", "--json"), EX_OK);
    assert_non_null(strstr(life->text, "\"identical\":true,\"served\":[{\"id\":"));
}

static void ranking_that_was_tampered_with_differs(void **state)
{
    struct life *life = *state;
    live_a_little(life);
    fixture_run_sql(life->db, "UPDATE ranking SET served = replace(served, '\"score\":', "
                              "'\"score\":1') WHERE ranking_id = 'r12'");
    fixture_run_sql(life->db, "UPDATE ranking SET request = replace(request, '.25', '.5') WHERE "
                              "ranking_id = 'r19'");
    assert_int_equal(RUN(life, "replay", "--db", life->db, "--ranking", "r12"), EX_DATAERR);
    assert_non_null(strstr(life->text, "  differs\n"));
    assert_int_equal(RUN(life, "replay", "--db", life->db, "--ranking", "r19"), EX_DATAERR);
    assert_int_equal(RUN(life, "replay", "--db", life->db, "--rankings"), EX_DATAERR);
    assert_non_null(strstr(life->text, "identical        18\n"));
    assert_non_null(strstr(life->text, "differs          r12\n"));
}

static void ranking_whose_steps_are_gone_cannot_be_reproduced(void **state)
{
    struct life *life = *state;
    live_a_little(life);
    fixture_run_sql(life->db, "DELETE FROM checkpoint WHERE version > 0");
    fixture_run_sql(life->db, "DELETE FROM step WHERE id < (SELECT max(id) FROM step)");
    assert_int_equal(RUN(life, "replay", "--db", life->db, "--ranking", "r19"), EX_NOINPUT);
    assert_non_null(strstr(life->text, "cannot be reproduced: the step that made version"));
    assert_int_equal(RUN(life, "replay", "--db", life->db, "--rankings", "--json"), EX_OK);
    assert_non_null(strstr(life->text, "\"different\":0"));
    assert_null(strstr(life->text, "\"not_reproducible\":0"));
}

/* ---- a model ---- */

static void write_config(struct life *life, const char *json)
{
    temp_file_write(life->file, json, strlen(json));
}

/* The SHA-256 of an outcome in the JSON that was printed: "recorded" or "other". */
static const char *sha256_of(const struct life *life, const char *whose)
{
    const char *at = strstr(life->text, whose);
    at = at != NULL ? strstr(at, "\"sha256\":\"") : NULL;
    assert_non_null(at);
    return at + strlen("\"sha256\":\"");
}

#define SHA256_DIGITS 64

static void recorded_steps_come_to_the_stored_checkpoint(void **state)
{
    struct life *life = *state;
    live_a_little(life);
    const uint64_t before = temp_file_hash(life->db);
    assert_int_equal(RUN(life, "replay", "--db", life->db, "--model", "small"), EX_OK);
    assert_non_null(
        strstr(life->text, "\ncheckpoint 1 stored came out to the bit, the newest of "));
    assert_non_null(strstr(life->text, "taken again as recorded"));
    assert_non_null(strstr(life->text, "\nin all\n"));
    assert_true(temp_file_hash(life->db) == before);
    fixture_run_sql(life->db, "UPDATE checkpoint SET sha256 = zeroblob(32) WHERE version > 0");
    assert_int_equal(RUN(life, "replay", "--db", life->db, "--model", "small"), EX_DATAERR);
    assert_non_null(strstr(life->text, "does not come out as it was stored"));
}

static void same_configuration_comes_to_the_same_bytes_as_the_served_model(void **state)
{
    struct life *life = *state;
    live_a_little(life);
    write_config(life, FM "}");
    assert_int_equal(
        RUN(life, "replay", "--db", life->db, "--model", "small", "--config", life->file, "--json"),
        EX_OK);
    assert_memory_equal(sha256_of(life, "\"recorded\""), sha256_of(life, "\"other\""),
                        SHA256_DIGITS);
    assert_non_null(strstr(life->text, ",\"mean\":0,\"standard_error\":0}"));
}

static void same_configuration_is_changed_by_what_changed_the_recorded_one(void **state)
{
    struct life *life = *state;
    live_a_little(life);
    start(life);
    http_must(&life->client, "PATCH", "/v1/models/small",
              "{\"learning_rate\": 0.02, \"labels\": {\"click\": 2}, "
              "\"training\": {\"update_groups\": 3}}");
    rank(life, "small", 20);
    http_must(&life->client, "POST", "/v1/models/small/train?wait=1", NULL);
    end(life, SIGTERM);
    write_config(life, FM "}");
    assert_int_equal(
        RUN(life, "replay", "--db", life->db, "--model", "small", "--config", life->file, "--json"),
        EX_OK);
    assert_memory_equal(sha256_of(life, "\"recorded\""), sha256_of(life, "\"other\""),
                        SHA256_DIGITS);
    write_config(life, FM ", \"optimizer\": {\"learning_rate\": 0.5}}");
    assert_int_equal(
        RUN(life, "replay", "--db", life->db, "--model", "small", "--config", life->file, "--json"),
        EX_OK);
    assert_memory_not_equal(sha256_of(life, "\"recorded\""), sha256_of(life, "\"other\""),
                            SHA256_DIGITS);
}

static void other_configurations_are_measured_on_the_same_lists_and_repeat(void **state)
{
    static const char *const configs[] = {
        "{\"kind\": \"ffm\", \"features\": {\"bits\": 8}, \"dim\": 2, \"max_fields\": 8}",
        "{\"kind\": \"deepfm\", \"features\": {\"bits\": 8}, \"dim\": 2, \"max_fields\": 8, "
        "\"hidden\": [4], \"training\": {\"attribution_s\": 5, \"batch_groups\": 3}}",
    };
    struct life *life = *state;
    char first[SHA256_DIGITS];
    live_a_little(life);
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        write_config(life, configs[i]);
        for (int turn = 0; turn < 2; turn++) {
            assert_int_equal(RUN(life, "replay", "--db", life->db, "--model=small", "--config",
                                 life->file, "--json", "--every", "7"),
                             EX_OK);
            assert_non_null(strstr(life->text, "\"rows\":[{\"lists\":7,"));
            assert_memory_not_equal(sha256_of(life, "\"recorded\""), sha256_of(life, "\"other\""),
                                    SHA256_DIGITS);
            if (turn > 0) {
                assert_memory_equal(sha256_of(life, "\"other\""), first, sizeof first);
            }
            memcpy(first, sha256_of(life, "\"other\""), sizeof first);
        }
    }
}

static void file_where_a_model_is_named_is_another_configuration_of_the_default_one(void **state)
{
    struct life *life = *state;
    start(life);
    rank(life, "default", 10);
    end(life, SIGTERM);
    write_config(life, FM "}");
    assert_int_equal(RUN(life, "replay", "--db", life->db, "--model", life->file), EX_OK);
    assert_non_null(strstr(life->text, "model      default, log positions 1 to "));
    assert_non_null(strstr(life->text, "\nother - recorded, of pairs of the same list\nNDCG@10 "));
    write_config(life, "{\"kind\": \"fm\", \"dims\": 4}");
    assert_int_equal(RUN(life, "replay", "--db", life->db, "--model", life->file), EX_CONFIG);
    assert_non_null(strstr(life->text, "/dims"));
    write_config(life,
                 "{\"kind\": \"fm\", \"loss\": {\"name\": \"distill_listwise\"}, \"teacher\": "
                 "\"m\"}");
    assert_int_equal(RUN(life, "replay", "--db", life->db, "--model", life->file), EX_CONFIG);
    assert_int_equal(RUN(life, "replay", "--db", life->db, "--model", "none"), EX_USAGE);
}

static void what_cannot_be_done_is_refused(void **state)
{
    struct life *life = *state;
    assert_int_equal(RUN(life, "replay", "--db", life->db, "--rankings"), EX_NOINPUT);
    live_a_little(life);
    assert_int_equal(RUN(life, "replay", "--db", life->db), EX_USAGE);
    assert_int_equal(RUN(life, "replay", "--db", life->db, "--rankings", "--ranking", "r1"),
                     EX_USAGE);
    assert_int_equal(RUN(life, "replay", "--db", life->db, "--ranking", "none"), EX_NOINPUT);
    start(life);
    assert_int_equal(RUN(life, "replay", "--db", life->db, "--rankings"), EX_TEMPFAIL);
    assert_non_null(strstr(life->text, "make a backup"));
    end(life, SIGTERM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIFE_TEST(every_ranking_of_a_life_with_everything_in_it_is_served_again),
        LIFE_TEST(ranking_is_shown_as_it_was_and_as_it_comes_out),
        LIFE_TEST(ranking_that_was_tampered_with_differs),
        LIFE_TEST(ranking_whose_steps_are_gone_cannot_be_reproduced),
        LIFE_TEST(recorded_steps_come_to_the_stored_checkpoint),
        LIFE_TEST(same_configuration_comes_to_the_same_bytes_as_the_served_model),
        LIFE_TEST(same_configuration_is_changed_by_what_changed_the_recorded_one),
        LIFE_TEST(other_configurations_are_measured_on_the_same_lists_and_repeat),
        LIFE_TEST(file_where_a_model_is_named_is_another_configuration_of_the_default_one),
        LIFE_TEST(what_cannot_be_done_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
