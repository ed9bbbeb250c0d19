/*
 * Reading the log: what a model learns from, in order, and the lists behind it.
 *
 * What is lent is copied out of its row first: a statement left open would hold a snapshot, and the
 * write-ahead log could not be reset for as long as the reader thinks.
 */
#include "store_impl.h"

#include <rankd/feature.h>
#include <string.h>

/* Which models are, is decided when they are made and never changes, so a range reads the same again. */
#define IS_HASHED "l.model IN (SELECT id FROM model WHERE hashed) "

static void bind_range(struct sql *sql, int64_t model, int64_t after, int64_t upto)
{
    sql_bind_int(sql, after);
    sql_bind_int(sql, upto);
    if (model != STORE_ALL_HASHED) {
        sql_bind_int(sql, model);
    }
}

enum rk_status store_read_records(struct store *store, int64_t model, int64_t after, int64_t upto,
                                  struct store_record *records, size_t *n, struct rk_error *err)
{
    static const char of_one[] =
        "SELECT l.seq, l.time_ms, l.kind = 'batch', e.ranking FROM log l "
        "LEFT JOIN event e ON e.seq = l.seq "
        "WHERE l.seq > ? AND l.seq <= ? AND l.kind IN ('event', 'batch') AND l.model = ? "
        "ORDER BY l.seq LIMIT ?";
    static const char of_all[] =
        "SELECT l.seq, l.time_ms, l.kind = 'batch', e.ranking "
        "FROM log l INDEXED BY log_learned_by_all LEFT JOIN event e ON e.seq = l.seq "
        "WHERE l.seq > ? AND l.seq <= ? AND l.kind IN ('event', 'batch') AND " IS_HASHED
        "ORDER BY l.seq LIMIT ?";
    struct sql sql = sql_start(store, model == STORE_ALL_HASHED ? of_all : of_one);
    bind_range(&sql, model, after, upto);
    sql_bind_int(&sql, (int64_t)*n);
    size_t read = 0;
    while (sql_step(&sql)) {
        records[read++] = (struct store_record){
            .seq = sqlite3_column_int64(sql.stmt, 0),
            .time_ms = sqlite3_column_int64(sql.stmt, 1),
            .kind = sqlite3_column_int(sql.stmt, 2) != 0 ? STORE_RECORD_BATCH : STORE_RECORD_EVENT,
            .ranking = sqlite3_column_int64(sql.stmt, 3),
        };
    }
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK) {
        *n = read;
    }
    return status;
}

enum rk_status store_read_due(struct store *store, int64_t model, int64_t after, int64_t upto,
                              int64_t time_ms, int64_t *seqs, size_t *n, struct rk_error *err)
{
    static const char of_one[] = "SELECT l.seq, l.time_ms FROM log l "
                                 "WHERE l.seq > ? AND l.seq <= ? AND l.kind = 'ranking' AND "
                                 "l.model = ? ORDER BY l.seq LIMIT ?";
    /* Most records are rankings: they are read in the order of the log. By an index they would be sorted. */
    static const char of_all[] =
        "SELECT l.seq, l.time_ms FROM log l NOT INDEXED "
        "WHERE l.seq > ? AND l.seq <= ? AND l.kind = 'ranking' AND " IS_HASHED
        "ORDER BY l.seq LIMIT ?";
    struct sql sql = sql_start(store, model == STORE_ALL_HASHED ? of_all : of_one);
    bind_range(&sql, model, after, upto);
    sql_bind_int(&sql, (int64_t)*n);
    size_t read = 0;
    while (sql_step(&sql) && sqlite3_column_int64(sql.stmt, 1) <= time_ms) {
        seqs[read++] = sqlite3_column_int64(sql.stmt, 0);
    }
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK) {
        *n = read;
    }
    return status;
}

/* ---- one list ---- */

#define RANKING_COLUMNS                                                                            \
    "seq, ranking_id, model, version, catalogue_seq, time_ms, shown, request, served"
enum {
    SHOWN = 6,
    REQUEST = 7,
    SERVED = 8
};

/* Copies a column and a NUL to `to`. @return the first byte after it. */
static char *copy_column(const struct sql *sql, int column, char *to, const char **start, size_t *n)
{
    const void *bytes = sqlite3_column_blob(sql->stmt, column);
    *n = (size_t)sqlite3_column_bytes(sql->stmt, column);
    if (*n > 0) {
        memcpy(to, bytes, *n);
    }
    to[*n] = '\0';
    *start = to;
    return to + *n + 1;
}

/* Takes the current row apart; shown comes first, where memory is aligned for it. */
static void lend_ranking(struct sql *sql, struct store_ranking *ranking)
{
    size_t room = 0, n = 0;
    const char *shown = NULL;
    for (int column = 0; column <= SERVED; column++) {
        room += (size_t)sqlite3_column_bytes(sql->stmt, column) + 1;
    }
    char *to = store_lend(sql->store, room);
    if (to == NULL) {
        sql->code = SQLITE_NOMEM;
        return;
    }
    to = copy_column(sql, SHOWN, to, &shown, &n);
    ranking->shown = (const uint64_t *)(const void *)shown;
    ranking->n_shown = n / sizeof *ranking->shown;
    to = copy_column(sql, 1, to, &ranking->ranking_id, &n);
    to = copy_column(sql, REQUEST, to, &ranking->request, &ranking->request_n);
    (void)copy_column(sql, SERVED, to, &ranking->served, &ranking->served_n);
    ranking->seq = sqlite3_column_int64(sql->stmt, 0);
    ranking->model = sqlite3_column_int64(sql->stmt, 2);
    ranking->version = sqlite3_column_int64(sql->stmt, 3);
    ranking->catalogue_seq = sqlite3_column_int64(sql->stmt, 4);
    ranking->time_ms = sqlite3_column_int64(sql->stmt, 5);
}

enum rk_status store_get_ranking(struct store *store, int64_t seq, const char *ranking_id,
                                 struct store_ranking *ranking, struct rk_error *err)
{
    struct sql sql;
    if (seq != 0) {
        sql = sql_start(store, "SELECT " RANKING_COLUMNS " FROM ranking WHERE seq = ?");
        sql_bind_int(&sql, seq);
    } else {
        sql = sql_start(store, "SELECT " RANKING_COLUMNS " FROM ranking WHERE ranking_id = ?");
        sql_bind_text(&sql, ranking_id);
    }
    struct store_ranking read = {0};
    bool found = sql_step(&sql);
    if (found) {
        lend_ranking(&sql, &read);
    }
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK && !found) {
        return rk_fail(err, RK_NOTFOUND, "no such ranking");
    }
    if (status == RK_OK) {
        *ranking = read;
    }
    return status;
}

enum rk_status store_list_rankings(struct store *store, int64_t after, int64_t upto, int64_t **seqs,
                                   size_t *n, struct rk_error *err)
{
    struct sql sql = sql_start(store, "SELECT seq FROM ranking WHERE seq > ? AND seq <= ? "
                                      "ORDER BY model, version, seq");
    sql_bind_int(&sql, after);
    sql_bind_int(&sql, upto);
    return sql_numbers(&sql, seqs, n, err);
}

enum rk_status store_get_batch(struct store *store, int64_t seq, const char **payload, size_t *n,
                               int64_t *catalogue_seq, struct rk_error *err)
{
    struct sql sql = sql_start(store, "SELECT payload, catalogue_seq FROM batch WHERE seq = ?");
    sql_bind_int(&sql, seq);
    bool found = sql_step(&sql);
    const char *lent = NULL;
    size_t lent_n = 0;
    int64_t catalogue = 0;
    if (found) {
        char *to = store_lend(store, (size_t)sqlite3_column_bytes(sql.stmt, 0) + 1);
        catalogue = sqlite3_column_int64(sql.stmt, 1);
        if (to == NULL) {
            sql.code = SQLITE_NOMEM;
        } else {
            (void)copy_column(&sql, 0, to, &lent, &lent_n);
        }
    }
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK && !found) {
        return rk_fail(err, RK_NOTFOUND, "no such batch");
    }
    if (status == RK_OK) {
        *payload = lent;
        *n = lent_n;
        *catalogue_seq = catalogue;
    }
    return status;
}

enum rk_status store_read_events(struct store *store, int64_t ranking_seq, int64_t upto,
                                 store_event_each each, void *context, struct rk_error *err)
{
    struct sql sql = sql_start(
        store,
        "SELECT e.seq, l.model, e.event_id, e.item_id, e.type, e.value, e.event_ms, l.time_ms "
        "FROM event e JOIN log l ON l.seq = e.seq "
        "WHERE e.ranking = ? AND e.seq <= ? ORDER BY e.seq");
    sql_bind_int(&sql, ranking_seq);
    sql_bind_int(&sql, upto);
    while (sql_step(&sql)) {
        struct store_event event = {
            .seq = sqlite3_column_int64(sql.stmt, 0),
            .model = sqlite3_column_int64(sql.stmt, 1),
            .event_id = (const char *)sqlite3_column_text(sql.stmt, 2),
            .item_id = (const char *)sqlite3_column_text(sql.stmt, 3),
            .type = (const char *)sqlite3_column_text(sql.stmt, 4),
            .value = sqlite3_column_double(sql.stmt, 5),
            .event_ms = sqlite3_column_type(sql.stmt, 6) == SQLITE_NULL
                            ? INT64_MIN
                            : sqlite3_column_int64(sql.stmt, 6),
        };
        if (event.event_id == NULL || event.item_id == NULL || event.type == NULL) {
            sql.code = SQLITE_NOMEM; /* they are NOT NULL */
            break;
        }
        event.item_hash =
            rk_feature_category(RK_ITEM, "id", 2, event.item_id, strlen(event.item_id), 1.0F).hash;
        each(context, &event, sqlite3_column_int64(sql.stmt, 7));
    }
    return sql_end(&sql, err);
}
