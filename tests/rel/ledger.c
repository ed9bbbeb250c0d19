/*
 * A growing list of requests.
 */
#include "ledger.h"

#include "dbfile.h"
#include "test.h"

void ledger_init(struct ledger *ledger)
{
    *ledger = (struct ledger){.lock = PTHREAD_MUTEX_INITIALIZER};
}

void ledger_deinit(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->n; i++) {
        free(ledger->entry[i].body);
    }
    free(ledger->entry);
    (void)pthread_mutex_destroy(&ledger->lock);
}

void ledger_add(struct ledger *ledger, enum ledger_kind kind, const char *id, const char *body)
{
    struct ledger_entry entry = {.kind = kind, .body = strdup(body)};

    (void)snprintf(entry.id, sizeof entry.id, "%s", id);
    pthread_mutex_lock(&ledger->lock);
    if (ledger->n == ledger->room) {
        ledger->room = 2 * ledger->room + 256;
        ledger->entry = realloc(ledger->entry, ledger->room * sizeof *ledger->entry);
    }
    if (ledger->entry == NULL || entry.body == NULL) {
        abort(); /* the test's own memory */
    }
    ledger->entry[ledger->n++] = entry;
    pthread_mutex_unlock(&ledger->lock);
}

size_t ledger_size(struct ledger *ledger)
{
    size_t n;

    pthread_mutex_lock(&ledger->lock);
    n = ledger->n;
    pthread_mutex_unlock(&ledger->lock);
    return n;
}

static struct ledger_entry entry_at(struct ledger *ledger, size_t i)
{
    struct ledger_entry entry;

    pthread_mutex_lock(&ledger->lock);
    entry = ledger->entry[i];
    pthread_mutex_unlock(&ledger->lock);
    return entry;
}

size_t ledger_send_again(struct ledger *ledger, struct http_client *http, size_t upto)
{
    size_t lost = 0;

    while (ledger->known < upto) {
        const struct ledger_entry entry = entry_at(ledger, ledger->known);
        const bool event = entry.kind == LEDGER_EVENT;
        struct http_response response =
            http_client_post(http, event ? "/v1/feedback" : "/v1/batches", entry.body);
        const bool answered = response.status == 200;
        if (answered && strstr(response.body,
                               event ? "\"status\":\"duplicate\"" : "\"duplicate\":true") == NULL) {
            printf("lost: %s was acknowledged, and is answered %s\n", entry.id, response.body);
            lost++;
        }
        http_response_deinit(&response);
        if (!answered) {
            break;
        }
        ledger->known++;
    }
    return lost;
}

size_t ledger_missing_of(struct ledger *ledger, size_t first, sqlite3 *db)
{
    sqlite3_stmt *stmt = NULL;

    dbfile_run(db, "DROP TABLE IF EXISTS temp.acked; CREATE TEMP TABLE acked (id TEXT, batch INT)");
    dbfile_run(db, "BEGIN");
    assert_int_equal(sqlite3_prepare_v2(db, "INSERT INTO acked VALUES (?, ?)", -1, &stmt, NULL),
                     SQLITE_OK);
    for (size_t i = 0; i < first; i++) {
        const struct ledger_entry entry = entry_at(ledger, i);
        (void)sqlite3_bind_text(stmt, 1, entry.id, -1, SQLITE_STATIC);
        (void)sqlite3_bind_int(stmt, 2, entry.kind == LEDGER_BATCH);
        assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
        (void)sqlite3_reset(stmt);
    }
    (void)sqlite3_finalize(stmt);
    dbfile_run(db, "COMMIT");
    return (size_t)dbfile_number(
        db, "SELECT (SELECT count(*) FROM acked WHERE NOT batch AND id NOT IN "
            "(SELECT event_id FROM event)) + (SELECT count(*) FROM acked WHERE batch AND id NOT IN "
            "(SELECT batch_id FROM batch_name))");
}

size_t ledger_missing(struct ledger *ledger, sqlite3 *db)
{
    return ledger_missing_of(ledger, ledger_size(ledger), db);
}
