/*
 * What retention has to know: where the log is how old, what is needed by name, how much there is.
 */
#include "grow.h"
#include "store_impl.h"
#include "store_trim.h"

#include <stdlib.h>

/* Ends a use that reads one number, 0 or `none` where there is none. */
static enum rk_status end_number(struct sql *sql, int64_t none, int64_t *number,
                                 struct rk_error *err)
{
    bool found = sql_step(sql) && sqlite3_column_type(sql->stmt, 0) != SQLITE_NULL;
    int64_t read = found ? sqlite3_column_int64(sql->stmt, 0) : none;
    enum rk_status status = sql_end(sql, err);
    if (status == RK_OK) {
        *number = read;
    }
    return status;
}

/* ---- state ---- */

enum rk_status store_get_trimmed(struct store *store, int64_t model, struct store_trimmed *trimmed,
                                 struct rk_error *err)
{
    struct sql sql = sql_start(store, "SELECT seq, due_seq, step FROM trimmed WHERE model = ?");
    sql_bind_int(&sql, model);
    struct store_trimmed read = {.model = model};
    if (sql_step(&sql)) {
        read.seq = sqlite3_column_int64(sql.stmt, 0);
        read.due_seq = sqlite3_column_int64(sql.stmt, 1);
        read.step = sqlite3_column_int64(sql.stmt, 2);
    }
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK) {
        *trimmed = read;
    }
    return status;
}

enum rk_status store_put_trimmed(struct store *store, const struct store_trimmed *trimmed,
                                 struct rk_error *err)
{
    struct sql sql = sql_start(
        store, "INSERT INTO trimmed (model, seq, due_seq, step) VALUES (?, ?, ?, ?) ON CONFLICT "
               "(model) DO UPDATE SET seq = max(seq, excluded.seq), due_seq = max(due_seq, "
               "excluded.due_seq), step = max(step, excluded.step)");
    sql_bind_int(&sql, trimmed->model);
    sql_bind_int(&sql, trimmed->seq);
    sql_bind_int(&sql, trimmed->due_seq);
    sql_bind_int(&sql, trimmed->step);
    return sql_run(&sql, err);
}

enum rk_status store_get_retention(struct store *store, struct store_retention *state,
                                   struct rk_error *err)
{
    struct sql sql = sql_start(store, "SELECT now_ms, removed, catalogue_seq FROM retention");
    struct store_retention read = {0};
    if (sql_step(&sql)) {
        read.now_ms = sqlite3_column_int64(sql.stmt, 0);
        read.removed = sqlite3_column_int64(sql.stmt, 1);
        read.catalogue_seq = sqlite3_column_int64(sql.stmt, 2);
    }
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK) {
        *state = read;
    }
    return status;
}

enum rk_status store_put_retention(struct store *store, const struct store_retention *state,
                                   struct rk_error *err)
{
    struct sql sql = sql_start(
        store, "INSERT INTO retention (id, now_ms, removed, catalogue_seq) VALUES (1, ?, ?, ?) ON "
               "CONFLICT (id) DO UPDATE SET now_ms = excluded.now_ms, removed = excluded.removed, "
               "catalogue_seq = excluded.catalogue_seq");
    sql_bind_int(&sql, state->now_ms);
    sql_bind_int(&sql, state->removed);
    sql_bind_int(&sql, state->catalogue_seq);
    return sql_run(&sql, err);
}

enum rk_status store_log_size(struct store *store, int64_t *bytes, int64_t *rows,
                              struct rk_error *err)
{
    struct store_retention state = {0};
    int64_t used = 0, end = 0;
    struct sql sql = sql_start(
        store, "SELECT (SELECT page_count FROM pragma_page_count) - (SELECT freelist_count FROM "
               "pragma_freelist_count), (SELECT page_size FROM pragma_page_size), coalesce((SELECT "
               "sum(bytes) FROM checkpoint), 0) + coalesce((SELECT sum(length(c.bytes)) FROM "
               "(SELECT rowid AS chunk FROM checkpoint_chunk WHERE checkpoint NOT IN (SELECT id "
               "FROM checkpoint)) JOIN checkpoint_chunk c ON c.rowid = chunk), 0)");
    if (sql_step(&sql)) {
        used = sqlite3_column_int64(sql.stmt, 0) * sqlite3_column_int64(sql.stmt, 1) -
               sqlite3_column_int64(sql.stmt, 2);
    }
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK) {
        status = store_get_retention(store, &state, err);
    }
    if (status == RK_OK) {
        status = store_log_end(store, &end, err);
    }
    if (status == RK_OK) {
        *bytes = used;
        *rows = end - state.removed;
    }
    return status;
}

/* ---- positions ---- */

/* The first record at or after a position. @return RK_NOTFOUND: there is none. */
static enum rk_status record_at(struct store *store, int64_t seq, int64_t *at, int64_t *time_ms,
                                struct rk_error *err)
{
    struct sql sql =
        sql_start(store, "SELECT seq, time_ms FROM log WHERE seq >= ? ORDER BY seq LIMIT 1");
    sql_bind_int(&sql, seq);
    bool found = sql_step(&sql);
    if (found) {
        *at = sqlite3_column_int64(sql.stmt, 0);
        *time_ms = sqlite3_column_int64(sql.stmt, 1);
    }
    enum rk_status status = sql_end(&sql, err);
    return status == RK_OK && !found ? RK_NOTFOUND : status;
}

/* By halves: none is of a later time than one after it. */
enum rk_status store_log_before(struct store *store, int64_t time_ms, int64_t *seq,
                                struct rk_error *err)
{
    int64_t low = 0, high = 0; /* records up to low are before; none from high + 1 on is */
    enum rk_status status = store_log_end(store, &high, err);
    while (status == RK_OK && low < high) {
        int64_t middle = low + (high - low + 1) / 2, at = 0, at_ms = 0;
        status = record_at(store, middle, &at, &at_ms, err);
        if (status == RK_OK && at_ms < time_ms) {
            low = at;
        } else if (status == RK_OK || status == RK_NOTFOUND) {
            high = middle - 1;
            status = RK_OK;
        }
    }
    if (status == RK_OK) {
        *seq = low;
    }
    return status;
}

enum rk_status store_needed_catalogue(struct store *store, int64_t *seq, struct rk_error *err)
{
    struct sql sql = sql_start(store, "SELECT min(seq) FROM (SELECT min(catalogue_seq) AS seq FROM "
                                      "ranking UNION ALL SELECT min(catalogue_seq) FROM batch)");
    return end_number(&sql, INT64_MAX, seq, err);
}

/* ---- lists ---- */

enum rk_status store_first_list(struct store *store, int64_t *seq, struct rk_error *err)
{
    struct sql sql = sql_start(store, "SELECT min(seq) FROM (SELECT min(seq) AS seq FROM ranking "
                                      "UNION ALL SELECT min(seq) FROM batch)");
    return end_number(&sql, 0, seq, err);
}

enum rk_status store_list_named(struct store *store, int64_t **seqs, size_t *n,
                                struct rk_error *err)
{
    struct sql sql = sql_start(
        store,
        "WITH living AS (SELECT m.id AS model, coalesce(t.seq, 0) AS kept FROM model m LEFT JOIN "
        "trimmed t ON t.model = m.id WHERE deleted_ms IS NULL) "
        "SELECT l.value ->> 0 FROM living JOIN checkpoint c USING (model), "
        "json_each(nullif(c.held, ''), '$.lists') l UNION SELECT l.value ->> 0 FROM living JOIN "
        "activation a USING (model), json_each(nullif(a.held, ''), '$.lists') l WHERE a.seq >= "
        "kept OR a.seq IN (SELECT max(seq) FROM activation GROUP BY model) UNION SELECT q.value "
        "FROM living JOIN step s USING (model), json_each(s.quarantined) q WHERE s.quarantined <> "
        "'[]' ORDER BY 1");
    return sql_numbers(&sql, seqs, n, err);
}

static enum rk_status read_old(struct sql *sql, int64_t model, int64_t after, int64_t upto,
                               struct store_old_list *lists, size_t *n, struct rk_error *err)
{
    size_t read = 0;
    sql_bind_int(sql, model);
    sql_bind_int(sql, after);
    sql_bind_int(sql, upto);
    sql_bind_int(sql, (int64_t)*n);
    while (sql_step(sql)) {
        lists[read++] = (struct store_old_list){.seq = sqlite3_column_int64(sql->stmt, 0),
                                                .last_event = sqlite3_column_int64(sql->stmt, 1)};
    }
    enum rk_status status = sql_end(sql, err);
    if (status == RK_OK) {
        *n = read;
    }
    return status;
}

enum rk_status store_list_old_rankings(struct store *store, int64_t model, int64_t after,
                                       int64_t upto, struct store_old_list *lists, size_t *n,
                                       struct rk_error *err)
{
    struct sql sql = sql_start(
        store,
        "SELECT seq, (SELECT max(e.seq) FROM event e WHERE e.ranking = l.seq) FROM log l WHERE "
        "model = ? AND kind = 'ranking' AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?");
    return read_old(&sql, model, after, upto, lists, n, err);
}

enum rk_status store_list_old_batches(struct store *store, int64_t model, int64_t after,
                                      int64_t upto, struct store_old_list *lists, size_t *n,
                                      struct rk_error *err)
{
    struct sql sql = sql_start(
        store,
        "SELECT seq, 0 FROM log WHERE kind IN ('event', 'batch') AND kind = 'batch' AND model "
        "= ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?");
    return read_old(&sql, model, after, upto, lists, n, err);
}

enum rk_status store_list_old_steps(struct store *store, int64_t model, int64_t step, int64_t seq,
                                    int64_t *ids, size_t *n, struct rk_error *err)
{
    struct sql sql = sql_start(
        store,
        "SELECT id FROM step s WHERE model = ?1 AND id <= ?2 AND to_seq <= ?3 AND due_to <= ?3 "
        "AND NOT EXISTS (SELECT 1 FROM step r WHERE r.retry = s.id AND r.id > ?2) AND id < "
        "(SELECT max(id) FROM step WHERE model = ?1 AND outcome = 'published') ORDER BY id LIMIT "
        "?4");
    sql_bind_int(&sql, model);
    sql_bind_int(&sql, step);
    sql_bind_int(&sql, seq);
    sql_bind_int(&sql, (int64_t)*n);
    size_t read = 0;
    while (sql_step(&sql)) {
        ids[read++] = sqlite3_column_int64(sql.stmt, 0);
    }
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK) {
        *n = read;
    }
    return status;
}

/* The newest of an hour or a day stands for it, so that what the hour keeps, the day keeps too. */
enum rk_status store_find_old_checkpoint(struct store *store, int64_t model,
                                         const struct store_keep *keep, int64_t *id,
                                         struct rk_error *err)
{
    struct sql sql;
    if (keep == NULL) {
        sql = sql_start(store, "SELECT min(id) FROM checkpoint WHERE model = ?");
        sql_bind_int(&sql, model);
        return end_number(&sql, 0, id, err);
    }
    sql = sql_start(
        store, "SELECT min(id) FROM (SELECT id, time_ms, "
               "row_number() OVER (ORDER BY id DESC) AS in_all, "
               "row_number() OVER (PARTITION BY time_ms / 3600000 ORDER BY id DESC) AS in_hour, "
               "row_number() OVER (PARTITION BY time_ms / 86400000 ORDER BY id DESC) AS in_day, "
               "sum(bytes) OVER (ORDER BY id DESC) AS so_far FROM checkpoint WHERE model = ?1 AND "
               "source = "
               "'training') WHERE in_all > 1 AND (so_far > ?4 OR in_all > 5 "
               "AND NOT (in_hour = 1 AND time_ms > ?2 - 86400000) "
               "AND NOT (in_day = 1 AND time_ms > ?2 - ?3 * 86400000)) "
               "AND id NOT IN (SELECT checkpoint FROM activation WHERE model = ?1)");
    sql_bind_int(&sql, model);
    sql_bind_int(&sql, keep->now_ms);
    sql_bind_int(&sql, keep->days);
    sql_bind_int(&sql, keep->bytes);
    return end_number(&sql, 0, id, err);
}

enum rk_status store_list_kept_models(struct store *store, struct store_kept_model **models,
                                      size_t *n, struct rk_error *err)
{
    struct sql sql = sql_start(store, "SELECT id, hashed, deleted_ms FROM model ORDER BY id");
    struct store_kept_model *read = NULL;
    size_t count = 0, room = 0;
    while (sql_step(&sql)) {
        if (!grow_reserve(&read, &room, count + 1)) {
            sql.code = SQLITE_NOMEM;
            break;
        }
        read[count++] = (struct store_kept_model){.id = sqlite3_column_int64(sql.stmt, 0),
                                                  .hashed = sqlite3_column_int(sql.stmt, 1) != 0,
                                                  .deleted_ms = sqlite3_column_int64(sql.stmt, 2)};
    }
    enum rk_status status = sql_end(&sql, err);
    if (status != RK_OK) {
        free(read);
        return status;
    }
    *models = read;
    *n = count;
    return RK_OK;
}
