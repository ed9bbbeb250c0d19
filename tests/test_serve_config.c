/*
 * The binary: models that go back in the log, learn from all lists and are changed on the way are,
 * after kill -9, byte for byte what the log and the step rows make from their untrained start.
 */
#include "http_ask.h"
#include "server_process.h"
#include "store_fixture.h"
#include "temp_folder.h"
#include "test.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <signal.h>
#include <stdlib.h>

#define ROUNDS 4
#define LISTS  20

static const char *const models[] = {"default", "back", "late"};
#define MODELS (sizeof models / sizeof *models)

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

static void end(struct life *life, int how)
{
    http_client_deinit(&life->http);
    server_signal(&life->server, how);
    (void)server_end(&life->server);
}

/* Lists served by two models, clicked and bought from, and a labelled one. */
static void shop(struct life *life, int round)
{
    char body[256];
    for (int i = 0; i < LISTS; i++) {
        (void)snprintf(
            body, sizeof body,
            "{\"model\": \"%s\", \"ranking_id\": \"r%d-%d\", \"user\": {\"id\": \"u%d\"},"
            " \"items\": [\"a\", \"b\", {\"id\": \"c\", \"features\": {\"p\": %d}}]}",
            models[i % 2], round, i, i % 3, i);
        http_must(&life->http, "POST", "/v1/score", body);
        (void)snprintf(body, sizeof body,
                       "{\"ranking_id\": \"r%d-%d\", \"item_id\": \"%c\", \"type\": \"%s\"}", round,
                       i, 'a' + i % 3, i % 4 == 0 ? "buy" : "click");
        http_must(&life->http, "POST", "/v1/feedback", body);
    }
    http_must(&life->http, "POST", "/v1/batches",
              "{\"groups\": [{\"items\": [{\"id\": \"a\", \"label\": 2}, \"b\"]}]}");
}

static void train(struct life *life)
{
    char path[64];
    for (size_t m = 0; m < MODELS; m++) {
        (void)snprintf(path, sizeof path, "/v1/models/%s/train?wait=1", models[m]);
        http_must(&life->http, "POST", path, NULL);
    }
}

#define SMALL(more)                                                                                \
    "{\"kind\": \"fm\", \"features\": {\"bits\": 8}, \"dim\": 3, \"training\": {\"source\": "      \
    "\"all\"" more "}}"

static void live(struct life *life)
{
    static const char *const patches[ROUNDS] = {
        "{\"labels\": {\"buy\": 4}, \"learning_rate\": 0.05}",
        "{\"training\": {\"update_groups\": 3, \"negatives\": \"examined\"}}",
        "{\"labels\": {\"click\": 2, \"buy\": null}, \"learning_rate\": 0.1}",
        "{\"training\": {\"batch_groups\": 5, \"source\": \"own\"}}"};
    shop(life, 0);
    for (int round = 0; round < ROUNDS; round++) {
        http_must(&life->http, "POST", "/v1/batches?dry_run=1",
                  "{\"groups\": [{\"items\": [{\"id\": \"a\", \"label\": 3}, \"b\"]}]}");
        http_must(&life->http, "PATCH", "/v1/models/default", patches[(round + 1) % ROUNDS]);
        http_must(&life->http, "PATCH", "/v1/models/back", patches[round]);
        shop(life, 1 + round);
        train(life);
        end(life, SIGKILL);
        start(life);
    }
}

/* What a model serves, with its optimizer's state. */
struct state {
    uint8_t sha256[32];
};

static void look(struct life *life, struct state states[MODELS])
{
    for (size_t m = 0; m < MODELS; m++) {
        struct http_response response;
        const char *version;
        char path[96];
        assert_true(server_await_recovered(&life->server, models[m]));
        (void)snprintf(path, sizeof path, "/v1/models/%s", models[m]);
        response = http_client_ask(&life->http, "GET", path, NULL, NULL);
        assert_int_equal(response.status, 200);
        version = strstr(response.body, "\"version\":") + strlen("\"version\":");
        assert_true(strtol(version, NULL, 10) > 0);
        (void)snprintf(path, sizeof path, "/v1/models/%s/versions/%ld?optimizer=1", models[m],
                       strtol(version, NULL, 10));
        http_response_deinit(&response);
        response = http_client_ask(&life->http, "GET", path, NULL, NULL);
        assert_int_equal(response.status, 200);
        assert_int_equal(
            gnutls_hash_fast(GNUTLS_DIG_SHA256, response.body, response.body_n, states[m].sha256),
            0);
        http_response_deinit(&response);
    }
}

static void changed_models_are_the_same_after_kill_9_and_from_the_log_alone(void **state)
{
    struct life life = {0};
    struct state served[MODELS], recovered[MODELS], folded[MODELS];
    (void)state;
    temp_folder_make(&life.folder);
    temp_folder_path(&life.folder, "rankd.db", life.db);
    start(&life);
    http_must(&life.http, "PUT", "/v1/models/back?from_seq=0", SMALL(""));
    http_must(&life.http, "PUT", "/v1/models/late?from_seq=0", SMALL(", \"attribution_s\": 1"));
    live(&life);
    train(&life);
    http_must(&life.http, "POST", "/v1/models/late/pause", NULL); /* no window ends from here on */
    look(&life, served);
    end(&life, SIGKILL);
    start(&life);
    look(&life, recovered);
    assert_memory_equal(recovered, served, sizeof served);
    end(&life, SIGKILL);
    fixture_run_sql(life.db, "DELETE FROM checkpoint WHERE source = 'training'");
    start(&life);
    look(&life, folded);
    assert_memory_equal(folded, served, sizeof served);
    end(&life, SIGTERM);
    assert_true(fixture_read_number(life.db, "SELECT count(DISTINCT config) FROM step") > ROUNDS);
    temp_folder_remove(&life.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changed_models_are_the_same_after_kill_9_and_from_the_log_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
