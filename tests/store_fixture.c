/*
 * The store's fixture.
 */
#include "store_fixture.h"

#include "test.h"

#include <rankd/feature.h>
#include <sqlite3.h>

#define PATIENCE_MS 60000

int store_fixture_folder(void **state)
{
    struct store_fixture *fixture = calloc(1, sizeof *fixture);
    temp_folder_make(&fixture->folder);
    temp_folder_path(&fixture->folder, "rankd.db", fixture->path);
    *state = fixture;
    return 0;
}

int store_fixture_setup(void **state)
{
    (void)store_fixture_folder(state);
    fixture_reopen(*state);
    return 0;
}

int store_fixture_teardown(void **state)
{
    struct store_fixture *fixture = *state;
    store_close(&fixture->store);
    temp_folder_remove(&fixture->folder);
    free(fixture);
    return 0;
}

struct store *fixture_open(const char *path)
{
    struct store *store = NULL;
    struct rk_error err = {0};
    if (store_open(path, &store, &err) != RK_OK) {
        fail_msg("store_open: %s", err.text);
    }
    return store;
}

void fixture_make(const char *path)
{
    struct store *store = fixture_open(path);
    store_close(&store);
    assert_null(store);
}

void fixture_reopen(struct store_fixture *fixture)
{
    if (fixture->store != NULL) {
        assert_ok(store_commit(fixture->store, NULL));
    }
    store_close(&fixture->store);
    fixture->store = fixture_open(fixture->path);
    assert_ok(store_begin(fixture->store, NULL));
}

void fixture_run_sql(const char *path, const char *text)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_busy_timeout(db, PATIENCE_MS), SQLITE_OK); /* a server may write */
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

int64_t fixture_read_number(const char *path, const char *text)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return value;
}

uint64_t fixture_item_hash(const char *id)
{
    return rk_feature_category(RK_ITEM, "id", 2, id, strlen(id), 1.0F).hash;
}

int fixture_ascending(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

int64_t fixture_put_ranking(struct store *store, const char *id, int64_t model, int64_t time_ms)
{
    uint64_t shown[FIXTURE_SHOWN];
    char item[24];
    for (size_t i = 0; i < FIXTURE_SHOWN; i++) {
        (void)snprintf(item, sizeof item, "i%zu", i);
        shown[i] = fixture_item_hash(item);
    }
    qsort(shown, FIXTURE_SHOWN, sizeof *shown, fixture_ascending);
    struct store_ranking ranking = {.ranking_id = id,
                                    .model = model,
                                    .version = 42,
                                    .catalogue_seq = 3,
                                    .time_ms = time_ms,
                                    .request = "{\"items\":[]}",
                                    .request_n = 12,
                                    .served = "[1]",
                                    .served_n = 3,
                                    .shown = shown,
                                    .n_shown = FIXTURE_SHOWN};
    assert_ok(store_put_ranking(store, &ranking, NULL));
    return ranking.seq;
}

void fixture_put_log(struct store *store, int n)
{
    char id[24];
    for (int i = 0; i < n; i++) {
        (void)snprintf(id, sizeof id, "log-%d", i);
        (void)fixture_put_ranking(store, id, 1, 1);
    }
}

struct store_event fixture_event(const char *id, const char *ranking, const char *item)
{
    return (struct store_event){.event_id = id,
                                .ranking_id = ranking,
                                .item_id = item,
                                .item_hash = fixture_item_hash(item),
                                .type = "click",
                                .value = 1.0,
                                .event_ms = INT64_MIN};
}

const char *fixture_put_event(struct store *store, struct store_event event, int64_t now_ms)
{
    enum store_event_status status = STORE_EVENT_ACCEPTED;
    assert_ok(store_put_event(store, &event, now_ms, FIXTURE_TTL_MS, &status, NULL));
    return store_event_text(status);
}

int64_t fixture_log_end(struct store *store)
{
    int64_t end = -1;
    assert_ok(store_log_end(store, &end, NULL));
    return end;
}
