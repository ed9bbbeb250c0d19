/*
 * kill -9 in the middle of scores and clicks: what was acknowledged is there afterwards, and every
 * model is, byte for byte, what its log and step rows make from the beginning.
 *   RANKD_KILL_CYCLES=100 RANKD_SEED=7 build/release/test_serve_kill
 */
#include "http_client.h"
#include "server_process.h"
#include "temp_folder.h"
#include "test.h"

#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>

#define CLIENTS      4
#define CYCLES       3
#define LATEST_KILL  300 /* acknowledged clicks */
#define TRAIN_EVERY  25
#define EVENTS_MAX   1000
#define SHA256_CHARS 65

/* Each client has a model of its own: other losses, other optimizers. */
static const char *const configs[CLIENTS] = {
    "{\"kind\": \"fm\", \"features\": {\"bits\": 10}, \"dim\": 4}",
    "{\"kind\": \"fm\", \"features\": {\"bits\": 10}, \"dim\": 4, \"loss\": {\"name\":"
    " \"listwise_softmax\"}, \"optimizer\": {\"name\": \"ftrl\"}}",
    "{\"kind\": \"fm\", \"features\": {\"bits\": 10}, \"dim\": 4, \"loss\": {\"name\":"
    " \"lambdarank\"}, \"optimizer\": {\"name\": \"adam\", \"learning_rate\": 0.01}}",
    "{\"kind\": \"fm\", \"features\": {\"bits\": 10}, \"dim\": 4, \"loss\": {\"name\":"
    " \"approx_ndcg\"}, \"training\": {\"update_groups\": 3, \"batch_groups\": 5}}"};

struct killing {
    struct temp_folder folder;
    char db[TEMP_PATH_MAX], copy[TEMP_PATH_MAX];
    struct server_process server;
    unsigned cycle;
    uint64_t random;
    int kill_at;
    atomic_int acknowledged;
};

struct client {
    struct killing *killing;
    pthread_t thread;
    int number;
    int acknowledged; /* clicks of this cycle */
};

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

/* ---- the stream ---- */

static bool is_ok(struct http_client *client, const char *path, const char *body, const char *part)
{
    struct http_response response = http_client_post(client, path, body);
    const bool ok =
        response.status >= 200 && response.status < 300 && strstr(response.body, part) != NULL;

    http_response_deinit(&response);
    return ok;
}

static void write_click(const struct client *client, int i, char *text, size_t size)
{
    (void)snprintf(text, size,
                   "{\"event_id\": \"e%u-%d-%d\", \"ranking_id\": \"r%u-%d-%d\", \"item_id\":"
                   " \"i%d\", \"type\": \"click\"}",
                   client->killing->cycle, client->number, i, client->killing->cycle,
                   client->number, i, i % 5);
}

/* Scores and clicks until the server is gone; kills it when the time has come. */
static void *click_until_killed(void *context)
{
    struct client *client = context;
    struct killing *killing = client->killing;
    struct http_client http;
    char text[512];
    bool more = true;

    http_client_init(&http, killing->server.port);
    for (int i = 0; more && i < EVENTS_MAX; i++) {
        (void)snprintf(text, sizeof text,
                       "{\"model\": \"m%d\", \"ranking_id\": \"r%u-%d-%d\", \"user\": {\"id\":"
                       " \"u%d\", \"features\": {\"age\": %d}}, \"items\": [\"i0\", \"i1\", \"i2\","
                       " \"i3\", {\"id\": \"i4\", \"features\": {\"price\": %d.5}}]}",
                       client->number, killing->cycle, client->number, i, i % 7, i % 50, i % 13);
        more = is_ok(&http, "/v1/score", text, "ranking_id");
        write_click(client, i, text, sizeof text);
        more = more && is_ok(&http, "/v1/feedback", text, "\"accepted\":1");
        client->acknowledged += more;
        if (more && atomic_fetch_add(&killing->acknowledged, 1) + 1 == killing->kill_at) {
            (void)kill(killing->server.pid, SIGKILL);
        }
        (void)snprintf(text, sizeof text, "/v1/models/m%d/train", client->number);
        more = more && (i % TRAIN_EVERY != 0 || is_ok(&http, text, "", "running"));
    }
    http_client_deinit(&http);
    return NULL;
}

/* ---- what must hold ---- */

/* Sends all acknowledged clicks again: each must be known. */
static void assert_known(struct http_client *http, const struct client *client)
{
    size_t size = 32, n = 0;
    char *body = malloc(size + (size_t)client->acknowledged * 256);
    struct http_response response;

    assert_non_null(body);
    n = (size_t)sprintf(body, "{\"events\": [");
    for (int i = 0; i < client->acknowledged; i++) {
        n += (size_t)sprintf(body + n, "%s", i > 0 ? "," : "");
        write_click(client, i, body + n, 256);
        n += strlen(body + n);
    }
    (void)sprintf(body + n, "]}");
    response = http_client_post(http, "/v1/feedback", body);
    assert_int_equal(response.status, 200);
    for (const char *at = response.body; (at = strstr(at, "\"status\":\"")) != NULL; at++) {
        if (strncmp(at, "\"status\":\"duplicate\"", 20) != 0) {
            fail_msg("an acknowledged click is lost: %.40s", at);
        }
    }
    http_response_deinit(&response);
    free(body);
}

struct newest {
    int64_t version;
    char sha256[SHA256_CHARS];
};

/* Has a model learn from all there is, and looks at the checkpoint of it. */
static struct newest train(struct http_client *http, int model)
{
    struct newest newest = {0};
    struct http_response response;
    char path[64];
    json_t *json, *version;

    (void)snprintf(path, sizeof path, "/v1/models/m%d/train?wait=1", model);
    assert_true(is_ok(http, path, "", "version"));
    (void)snprintf(path, sizeof path, "/v1/models/m%d/versions", model);
    response = http_client_ask(http, "GET", path, NULL, NULL);
    assert_int_equal(response.status, 200);
    json = json_loads(response.body, 0, NULL);
    version = json_array_get(json_object_get(json, "versions"), 0);
    assert_true(json_is_true(json_object_get(version, "served")));
    newest.version = json_integer_value(json_object_get(version, "version"));
    (void)snprintf(newest.sha256, sizeof newest.sha256, "%s",
                   json_string_value(json_object_get(version, "sha256")));
    json_decref(json);
    http_response_deinit(&response);
    return newest;
}

static void copy_file(const char *from, const char *to, const char *suffix)
{
    char source[TEMP_PATH_MAX + 8], target[TEMP_PATH_MAX + 8], piece[1 << 16];
    FILE *in, *out;
    size_t n;

    (void)snprintf(source, sizeof source, "%s%s", from, suffix);
    (void)snprintf(target, sizeof target, "%s%s", to, suffix);
    (void)remove(target);
    in = fopen(source, "rb");
    if (in == NULL) {
        return; /* there may be no write-ahead log */
    }
    out = fopen(target, "wb");
    assert_non_null(out);
    while ((n = fread(piece, 1, sizeof piece, in)) > 0) {
        assert_int_equal(fwrite(piece, 1, n, out), n);
    }
    (void)fclose(in);
    assert_int_equal(fclose(out), 0);
}

/* Copies the file as the kill left it, without what was learned but for the step rows. */
static void copy_without_checkpoints(const struct killing *killing)
{
    sqlite3 *db = NULL;

    copy_file(killing->db, killing->copy, "");
    copy_file(killing->db, killing->copy, "-wal");
    assert_int_equal(sqlite3_open(killing->copy, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "DELETE FROM checkpoint WHERE source <> 'init'", NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Starts on a file, has all models learn, and stops. */
static void refold(const char *db, struct newest newest[CLIENTS])
{
    struct server_process server;
    struct http_client http;

    server_start(&server, db, NULL);
    http_client_init(&http, server.port);
    for (int i = 0; i < CLIENTS; i++) {
        newest[i] = train(&http, i);
    }
    http_client_deinit(&http);
    server_stop(&server);
}

static void make_models(const struct killing *killing)
{
    struct server_process server;
    struct http_client http;

    server_start(&server, killing->db, NULL);
    http_client_init(&http, server.port);
    for (int i = 0; i < CLIENTS; i++) {
        char path[32];
        struct http_response response;
        (void)snprintf(path, sizeof path, "/v1/models/m%d", i);
        response =
            http_client_ask(&http, "PUT", path, "Content-Type: application/json\r\n", configs[i]);
        assert_int_equal(response.status, 201);
        http_response_deinit(&response);
    }
    http_client_deinit(&http);
    server_stop(&server);
}

static void run_and_kill(struct killing *killing, struct client client[CLIENTS])
{
    static const char *const options[] = {"--checkpoint-s=1", NULL};

    killing->kill_at = 1 + (int)(next_random(&killing->random) % LATEST_KILL);
    atomic_store(&killing->acknowledged, 0);
    server_start(&killing->server, killing->db, options);
    for (int i = 0; i < CLIENTS; i++) {
        client[i] = (struct client){.killing = killing, .number = i};
        assert_int_equal(pthread_create(&client[i].thread, NULL, click_until_killed, &client[i]),
                         0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(pthread_join(client[i].thread, NULL), 0);
    }
    assert_int_equal(server_end(&killing->server), 128 + SIGKILL);
}

static void check_after_kill(struct killing *killing, const struct client client[CLIENTS])
{
    struct newest kept[CLIENTS], folded[CLIENTS];
    struct server_process server;
    struct http_client http;

    copy_without_checkpoints(killing);
    server_start(&server, killing->db, NULL);
    http_client_init(&http, server.port);
    for (int i = 0; i < CLIENTS; i++) {
        assert_known(&http, &client[i]);
    }
    http_client_deinit(&http);
    server_stop(&server);
    refold(killing->db, kept);
    refold(killing->copy, folded);
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(folded[i].version, kept[i].version);
        assert_string_equal(folded[i].sha256, kept[i].sha256);
    }
}

static void what_was_acknowledged_outlives_a_kill_and_models_are_folds_of_the_log(void **state)
{
    const uint64_t seed = setting("RANKD_SEED", 20261124);
    const uint64_t cycles = setting("RANKD_KILL_CYCLES", CYCLES);
    struct killing killing = {.random = seed | 1};
    int acknowledged = 0;

    (void)state;
    print_message("seed %llu, %llu cycles\n", (unsigned long long)seed, (unsigned long long)cycles);
    temp_folder_make(&killing.folder);
    temp_folder_path(&killing.folder, "rankd.db", killing.db);
    temp_folder_path(&killing.folder, "copy.db", killing.copy);
    make_models(&killing);
    for (killing.cycle = 0; killing.cycle < cycles; killing.cycle++) {
        struct client client[CLIENTS];
        run_and_kill(&killing, client);
        check_after_kill(&killing, client);
        acknowledged += atomic_load(&killing.acknowledged);
    }
    print_message("kill9: cycles=%llu acked=%d lost=0\n", (unsigned long long)cycles, acknowledged);
    temp_folder_remove(&killing.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_acknowledged_outlives_a_kill_and_models_are_folds_of_the_log),
    };
    return cmocka_run_group_tests_name("serve_kill", tests, NULL, NULL);
}
