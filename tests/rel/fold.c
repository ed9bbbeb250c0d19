/*
 * SQL over what a server left, and servers that take it up again.
 */
#include "fold.h"

#include "dbfile.h"
#include "server_process.h"
#include "test.h"

#include <xxhash.h>

#define RESUMES_MAX 10000 /* each goes on by a few lists at the least */
#define COUNT(text) "SELECT count(*) FROM " text

/* ---- a file ---- */

static size_t count(sqlite3 *db, const char *what, const char *text)
{
    const size_t n = (size_t)dbfile_number(db, text);

    if (n > 0) {
        printf("%s: %zu\n", what, n);
    }
    return n;
}

static size_t count_damage(sqlite3 *db)
{
    return count(db, "damaged", COUNT("pragma_integrity_check WHERE integrity_check <> 'ok'")) +
           count(db, "events of no ranking",
                 COUNT("event WHERE ranking NOT IN (SELECT seq FROM ranking)")) +
           count(db, "records of no log row",
                 COUNT("(SELECT seq FROM event UNION ALL SELECT seq FROM batch UNION ALL "
                       "SELECT seq FROM ranking) WHERE seq NOT IN (SELECT seq FROM log)")) +
           count(db, "checkpoints of no step",
                 COUNT("checkpoint WHERE step > 0 AND step NOT IN (SELECT id FROM step) "
                       "AND step > (SELECT coalesce(max(id), 0) FROM step)"));
}

static size_t count_twice(sqlite3 *db)
{
    return count(db, "events stored twice",
                 "SELECT count(*) - count(DISTINCT event_id) FROM event") +
           count(db, "steps that overlap",
                 COUNT("(SELECT from_seq, due_from, lag(to_seq) OVER earlier AS seq, "
                       "lag(due_to) OVER earlier AS due FROM step "
                       "WINDOW earlier AS (PARTITION BY model ORDER BY id)) "
                       "WHERE from_seq < seq OR due_from < due"));
}

/*
 * A record before the end of the model's last step is in a step, unless an activation stepped over
 * it, or it changed no label: the item had been clicked on before.
 */
static size_t count_missed(sqlite3 *db)
{
    return count(
        db, "records in no step",
        COUNT("log l JOIN model m ON m.id = l.model LEFT JOIN event e ON e.seq = l.seq "
              "WHERE l.kind IN ('event', 'batch') "
              "AND l.seq <= (SELECT max(to_seq) FROM step WHERE model = m.id) "
              "AND NOT EXISTS (SELECT 1 FROM step s WHERE s.model = m.id "
              "AND s.from_seq < l.seq AND s.to_seq >= l.seq) "
              "AND NOT EXISTS (SELECT 1 FROM activation a WHERE a.model = m.id AND a.seq > l.seq "
              "AND a.seq <= (SELECT min(from_seq) FROM step s WHERE s.model = m.id "
              "AND s.from_seq >= l.seq)) "
              "AND NOT EXISTS (SELECT 1 FROM event b WHERE b.ranking = e.ranking "
              "AND b.item_id = e.item_id AND b.seq < e.seq)"));
}

struct fold_faults fold_check(sqlite3 *db)
{
    return (struct fold_faults){
        .damaged = count_damage(db), .twice = count_twice(db), .missed = count_missed(db)};
}

void fold_forget(const char *path)
{
    sqlite3 *db = dbfile_open(path);

    dbfile_run(db, "DELETE FROM checkpoint_chunk WHERE checkpoint IN "
                   "(SELECT id FROM checkpoint WHERE source = 'training')");
    dbfile_close(db);
}

/* ---- models ---- */

/* @return the status: 200; 202: it goes on; 409: the model is paused. */
static int post(struct http_client *http, int model, const char *what)
{
    char path[64];
    struct http_response response;
    int status;

    (void)snprintf(path, sizeof path, "/v1/models/m%d/%s", model, what);
    response = http_client_post(http, path, "");
    status = response.status;
    if (status != 200 && status != 202 && strstr(response.body, "/training-paused") == NULL) {
        fail_msg("%s: %d %s", path, status, response.body);
    }
    http_response_deinit(&response);
    return status;
}

/* The judge may pause a model of noise before it has learned from all there is, or is asked to. */
static void learn_all(struct http_client *http, int model)
{
    int left = RESUMES_MAX;

    do {
        (void)post(http, model, "resume");
        left--;
    } while (post(http, model, "train?wait=1") != 200 && left > 0);
    assert_true(left > 0);
    (void)post(http, model, "pause");
}

static struct fold export_all(struct http_client *http)
{
    struct fold fold = {0};

    for (int i = 0; i < TRAFFIC_MODELS; i++) {
        char path[64];
        const char *version;
        struct http_response response;
        (void)snprintf(path, sizeof path, "/v1/models/m%d", i);
        response = http_client_ask(http, "GET", path, NULL, NULL);
        assert_int_equal(response.status, 200);
        version = strstr(response.body, "\"version\":");
        assert_non_null(version);
        fold.version[i] = strtoll(version + strlen("\"version\":"), NULL, 10);
        http_response_deinit(&response);
        (void)snprintf(path, sizeof path, "/v1/models/m%d/versions/%lld?optimizer=1", i,
                       (long long)fold.version[i]);
        response = http_client_ask(http, "GET", path, NULL, NULL);
        assert_int_equal(response.status, 200);
        fold.hash[i] = XXH3_64bits(response.body, response.body_n);
        http_response_deinit(&response);
    }
    return fold;
}

struct fold fold_settle(const char *db)
{
    struct server_process server;
    struct http_client http;
    struct fold fold;

    server_start(&server, db, NULL);
    http_client_init(&http, server.port);
    for (int i = 0; i < TRAFFIC_MODELS; i++) {
        learn_all(&http, i);
    }
    fold = export_all(&http);
    http_client_deinit(&http);
    server_stop(&server);
    return fold;
}

bool fold_look(const char *db, struct fold *fold)
{
    struct server_process server;
    struct http_client http;
    bool whole = true;

    if (!server_try(&server, db, NULL)) {
        const char *why = strstr(server.text, "event=start_failed");
        printf("%s\n", why != NULL ? why : server.text);
        (void)server_end(&server);
        return false;
    }
    for (int i = 0; i < TRAFFIC_MODELS; i++) {
        char model[16];
        (void)snprintf(model, sizeof model, "m%d", i);
        whole = server_await_recovered(&server, model) && whole;
    }
    if (!whole) {
        const char *why = strstr(server.text, "event=training_halted");
        printf("%s\n", why != NULL ? why : server.text);
        server_stop(&server);
        return false;
    }
    http_client_init(&http, server.port);
    *fold = export_all(&http);
    http_client_deinit(&http);
    server_stop(&server);
    return true;
}
