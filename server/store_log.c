/*
 * Appending to the log: rankings as they were served, events on them, labelled batches.
 */
#include "store_impl.h"

#include <string.h>
#include <xxhash.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "hashes of shown items are stored as they lie in memory");

enum rk_status store_log_end(struct store *store, int64_t *seq, struct rk_error *err)
{
    /* Not max(seq): a log whose end was trimmed does not go back. */
    struct sql sql = sql_start(store, "SELECT seq FROM sqlite_sequence WHERE name = 'log'");
    int64_t end = sql_step(&sql) ? sqlite3_column_int64(sql.stmt, 0) : 0;
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK) {
        *seq = end;
    }
    return status;
}

enum rk_status store_log_start(struct store *store, int64_t *seq, struct rk_error *err)
{
    struct sql sql =
        sql_start(store, "SELECT max(coalesce(max(seq), 0), coalesce(max(due_seq), 0)) "
                         "FROM trimmed");
    int64_t start = sql_step(&sql) ? sqlite3_column_int64(sql.stmt, 0) : 0;
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK) {
        *seq = start;
    }
    return status;
}

enum rk_status store_log_time(struct store *store, int64_t upto, int64_t *time_ms,
                              struct rk_error *err)
{
    struct sql sql =
        sql_start(store, "SELECT time_ms FROM log WHERE seq <= ? ORDER BY seq DESC LIMIT 1");
    sql_bind_int(&sql, upto);
    int64_t last = sql_step(&sql) ? sqlite3_column_int64(sql.stmt, 0) : 0;
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK) {
        *time_ms = last;
    }
    return status;
}

enum rk_status store_append(struct store *store, const char *kind, int64_t model, int64_t time_ms,
                            int64_t *seq, struct rk_error *err)
{
    struct sql sql = sql_start(
        store, "INSERT INTO log (kind, model, time_ms) VALUES (?1, nullif(?2, 0), "
               "max(?3, coalesce((SELECT time_ms FROM log ORDER BY seq DESC LIMIT 1), ?3)))");
    sql_bind_text(&sql, kind);
    sql_bind_int(&sql, model);
    sql_bind_int(&sql, time_ms);
    enum rk_status status = sql_run(&sql, err);
    if (status == RK_OK) {
        *seq = sqlite3_last_insert_rowid(store->db);
    }
    return status;
}

/* ---- rankings ---- */

enum rk_status store_has_ranking(struct store *store, const char *ranking_id, bool *found,
                                 struct rk_error *err)
{
    struct sql sql = sql_start(store, "SELECT 1 FROM ranking WHERE ranking_id = ?");
    sql_bind_text(&sql, ranking_id);
    bool row = sql_step(&sql);
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK) {
        *found = row;
    }
    return status;
}

enum rk_status store_put_ranking(struct store *store, struct store_ranking *ranking,
                                 struct rk_error *err)
{
    bool used = false;
    int64_t seq = 0;
    enum rk_status status = store_has_ranking(store, ranking->ranking_id, &used, err);
    if (status == RK_OK && used) {
        return rk_fail(err, RK_MISMATCH, "the ranking id was used before");
    }
    if (status == RK_OK) {
        status = store_append(store, "ranking", ranking->model, ranking->time_ms, &seq, err);
    }
    if (status != RK_OK) {
        return status;
    }
    struct sql sql = sql_start(
        store,
        "INSERT INTO ranking (seq, ranking_id, model, version, catalogue_seq, time_ms, user_hash, "
        "shown, request, served) VALUES (?, ?, ?, ?, ?, ?, nullif(?, 0), ?, ?, ?)");
    sql_bind_int(&sql, seq);
    sql_bind_text(&sql, ranking->ranking_id);
    sql_bind_int(&sql, ranking->model);
    sql_bind_int(&sql, ranking->version);
    sql_bind_int(&sql, ranking->catalogue_seq);
    sql_bind_int(&sql, ranking->time_ms);
    sql_bind_int(&sql, (int64_t)ranking->user_hash);
    sql_bind_blob(&sql, ranking->shown, ranking->n_shown * sizeof *ranking->shown);
    sql_bind_text_n(&sql, ranking->request, ranking->request_n);
    sql_bind_text_n(&sql, ranking->served, ranking->served_n);
    status = sql_run(&sql, err);
    if (status == RK_OK) {
        ranking->seq = seq;
    }
    return status;
}

/* ---- events ---- */

const char *store_event_text(enum store_event_status status)
{
    static const char *const texts[] = {
#define EVENT_TEXT(name, text) [STORE_EVENT_##name] = text,
        STORE_EVENT_STATUSES(EVENT_TEXT)
#undef EVENT_TEXT
    };
    return texts[status];
}

/* The ranking an event is for, as far as a status needs it. */
struct target {
    int64_t seq; /* 0 = none of that id */
    int64_t model;
    uint64_t user_hash;
};

/*
 * Ids are found by a short hash, which is half as large as an index on the ids and not random text.
 */
static int64_t hash_id(const char *id)
{
    return (int64_t)XXH3_64bits(id, strlen(id));
}

static bool same_text(const struct sql *sql, int column, const char *text)
{
    const char *stored = (const char *)sqlite3_column_text(sql->stmt, column);
    return stored != NULL && strcmp(stored, text) == 0;
}

static bool same_event(const struct sql *sql, const struct store_event *event)
{
    bool timed = event->event_ms != INT64_MIN;
    bool stored_timed = sqlite3_column_type(sql->stmt, 4) != SQLITE_NULL;
    return same_text(sql, 0, event->ranking_id) && same_text(sql, 1, event->item_id) &&
           same_text(sql, 2, event->type) && sqlite3_column_double(sql->stmt, 3) == event->value &&
           timed == stored_timed &&
           (!timed || sqlite3_column_int64(sql->stmt, 4) == event->event_ms);
}

/* Has the id come before? Leaves the status accepted if not. */
static enum rk_status judge_id(struct store *store, struct store_event *event,
                               enum store_event_status *status, struct rk_error *err)
{
    struct sql sql = sql_start(
        store, "SELECT r.ranking_id, e.item_id, e.type, e.value, e.event_ms, r.model FROM event e "
               "JOIN ranking r ON r.seq = e.ranking WHERE e.event_hash = ? AND e.event_id = ?");
    sql_bind_int(&sql, hash_id(event->event_id));
    sql_bind_text(&sql, event->event_id);
    if (sql_step(&sql)) {
        *status = same_event(&sql, event) ? STORE_EVENT_DUPLICATE : STORE_EVENT_CONFLICT;
        event->model = sqlite3_column_int64(sql.stmt, 5);
    }
    return sql_end(&sql, err);
}

static bool was_shown(const struct sql *sql, int column, uint64_t hash)
{
    const char *bytes = sqlite3_column_blob(sql->stmt, column);
    size_t low = 0, high = (size_t)sqlite3_column_bytes(sql->stmt, column) / sizeof hash;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t at = 0;
        memcpy(&at, bytes + middle * sizeof at, sizeof at);
        if (at == hash) {
            return true;
        }
        if (at < hash) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

/* @param oldest_ms  a ranking before this is expired. */
static enum rk_status judge_ranking(struct store *store, const struct store_event *event,
                                    int64_t oldest_ms, struct target *target,
                                    enum store_event_status *status, struct rk_error *err)
{
    struct sql sql = sql_start(
        store, "SELECT seq, model, time_ms, user_hash, shown FROM ranking WHERE ranking_id = ?");
    sql_bind_text(&sql, event->ranking_id);
    if (sql_step(&sql)) {
        target->seq = sqlite3_column_int64(sql.stmt, 0);
        target->model = sqlite3_column_int64(sql.stmt, 1);
        target->user_hash = (uint64_t)sqlite3_column_int64(sql.stmt, 3);
        if (sqlite3_column_int64(sql.stmt, 2) < oldest_ms) {
            *status = STORE_EVENT_EXPIRED;
        } else if (!was_shown(&sql, 4, event->item_hash)) {
            *status = STORE_EVENT_NOT_SHOWN;
        }
    } else {
        *status = STORE_EVENT_UNKNOWN_RANKING;
    }
    return sql_end(&sql, err);
}

static enum rk_status judge_count(struct store *store, const struct store_event *event,
                                  const struct target *target, enum store_event_status *status,
                                  struct rk_error *err)
{
    struct sql sql =
        sql_start(store, "SELECT count(*) FROM event WHERE ranking = ? AND item_id = ?");
    sql_bind_int(&sql, target->seq);
    sql_bind_text(&sql, event->item_id);
    if (sql_step(&sql) && sqlite3_column_int64(sql.stmt, 0) >= STORE_EVENTS_PER_ITEM) {
        *status = STORE_EVENT_CAPPED;
    }
    return sql_end(&sql, err);
}

static enum rk_status judge_once(struct store *store, const struct store_event *event,
                                 const struct target *target, enum store_event_status *status,
                                 struct rk_error *err)
{
    struct sql sql =
        sql_start(store, "SELECT 1 FROM event WHERE ranking = ? AND item_id = ? AND type = ?");
    sql_bind_int(&sql, target->seq);
    sql_bind_text(&sql, event->item_id);
    sql_bind_text(&sql, event->type);
    if (sql_step(&sql)) {
        *status = STORE_EVENT_CAPPED;
    }
    return sql_end(&sql, err);
}

/* What an event's sender may not know of is told as if it were not there. */
static bool is_hidden(const struct store_event *event)
{
    const struct store_gate *gate = event->gate;

    for (size_t i = 0; gate != NULL && i < gate->n_models; i++) {
        if (gate->model[i] == event->model) {
            return false;
        }
    }
    return gate != NULL && gate->n_models > 0;
}

/* The caps of who sent it: what the log decides, then what is counted elsewhere. */
static enum rk_status judge_sender(struct store *store, const struct store_event *event,
                                   const struct target *target, enum store_event_status *status,
                                   struct rk_error *err)
{
    const struct store_gate *gate = event->gate;
    enum rk_status result = RK_OK;
    bool capped = false;

    if (gate != NULL && gate->once) {
        result = judge_once(store, event, target, status, err);
    }
    if (result == RK_OK && *status == STORE_EVENT_ACCEPTED && gate != NULL && gate->take != NULL) {
        result = gate->take(gate->context, event, target->user_hash, &capped, err);
        *status = capped ? STORE_EVENT_CAPPED : *status;
    }
    return result;
}

static enum rk_status insert_event(struct store *store, struct store_event *event,
                                   const struct target *target, int64_t now_ms,
                                   struct rk_error *err)
{
    int64_t seq = 0;
    enum rk_status status = store_append(store, "event", target->model, now_ms, &seq, err);
    if (status != RK_OK) {
        return status;
    }
    struct sql sql = sql_start(
        store, "INSERT INTO event (seq, event_id, event_hash, ranking, item_id, type, value, "
               "event_ms, token) "
               "VALUES (?, ?, ?, ?, ?, ?, ?, nullif(?, -9223372036854775808), nullif(?, 0))");
    sql_bind_int(&sql, seq);
    sql_bind_text(&sql, event->event_id);
    sql_bind_int(&sql, hash_id(event->event_id));
    sql_bind_int(&sql, target->seq);
    sql_bind_text(&sql, event->item_id);
    sql_bind_text(&sql, event->type);
    sql_bind_real(&sql, event->value);
    sql_bind_int(&sql, event->event_ms);
    sql_bind_int(&sql, event->gate != NULL ? event->gate->token : 0);
    status = sql_run(&sql, err);
    if (status == RK_OK) {
        event->seq = seq;
    }
    return status;
}

enum rk_status store_put_event(struct store *store, struct store_event *event, int64_t now_ms,
                               int64_t ttl_ms, enum store_event_status *status,
                               struct rk_error *err)
{
    enum store_event_status decided = STORE_EVENT_ACCEPTED;
    struct target target = {0};
    enum rk_status result = judge_id(store, event, &decided, err);
    if (result == RK_OK && decided == STORE_EVENT_ACCEPTED) {
        result = judge_ranking(store, event, now_ms - ttl_ms, &target, &decided, err);
        event->model = target.model;
    }
    if (result == RK_OK && is_hidden(event)) {
        decided = STORE_EVENT_UNKNOWN_RANKING;
    }
    if (result == RK_OK && decided == STORE_EVENT_ACCEPTED) {
        result = judge_count(store, event, &target, &decided, err);
    }
    if (result == RK_OK && decided == STORE_EVENT_ACCEPTED) {
        result = judge_sender(store, event, &target, &decided, err);
    }
    if (result == RK_OK && decided == STORE_EVENT_ACCEPTED) {
        result = insert_event(store, event, &target, now_ms, err);
    }
    if (result == RK_OK) {
        *status = decided;
    }
    return result;
}
