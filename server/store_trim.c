/*
 * Removing from the store, a few rows a transaction.
 */
#include "store_trim.h"

#include "store_impl.h"

#include <stdio.h>

/* Runs a text on a position. @param changed  adds the rows it removed; may be NULL. */
static enum rk_status run(struct store *store, const char *text, int64_t seq, int64_t *changed,
                          struct rk_error *err)
{
    struct sql sql = sql_start(store, text);
    sql_bind_int(&sql, seq);
    enum rk_status status = sql_run(&sql, err);
    if (status == RK_OK && changed != NULL) {
        *changed += sqlite3_changes64(store->db);
    }
    return status;
}

/* ---- the log ---- */

enum rk_status store_drop_ranking(struct store *store, int64_t seq, int64_t *rows,
                                  struct rk_error *err)
{
    enum rk_status status =
        run(store, "DELETE FROM log WHERE seq IN (SELECT seq FROM event WHERE ranking = ?)", seq,
            rows, err);
    if (status == RK_OK) {
        status = run(store, "DELETE FROM event WHERE ranking = ?", seq, NULL, err);
    }
    if (status == RK_OK) {
        status = run(store, "DELETE FROM ranking WHERE seq = ?", seq, NULL, err);
    }
    return status == RK_OK ? run(store, "DELETE FROM log WHERE seq = ?", seq, rows, err) : status;
}

enum rk_status store_drop_batch(struct store *store, int64_t seq, struct rk_error *err)
{
    enum rk_status status = run(store, "DELETE FROM batch_name WHERE last_seq = ?", seq, NULL, err);
    if (status == RK_OK) {
        status = run(store, "DELETE FROM batch WHERE seq = ?", seq, NULL, err);
    }
    return status == RK_OK ? run(store, "DELETE FROM log WHERE seq = ?", seq, NULL, err) : status;
}

enum rk_status store_drop_step(struct store *store, int64_t id, struct rk_error *err)
{
    return run(store, "DELETE FROM step WHERE id = ?", id, NULL, err);
}

/* ---- the catalogue ---- */

/* A change of an id, copied out of its row before anything is removed. */
struct change {
    int64_t seq;
    enum store_side side;
    bool is_deletion;
    char id[STORE_ID_MAX + 1];
};

static enum rk_status next_change(struct store *store, int64_t after, int64_t upto,
                                  struct change *change, bool *found, struct rk_error *err)
{
    struct sql sql = sql_start(
        store, "SELECT seq, side, gone, id FROM ("
               "SELECT * FROM (SELECT seq, 0 AS side, features IS NULL AS gone, id FROM item WHERE "
               "seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT 1) UNION ALL "
               "SELECT * FROM (SELECT seq, 1, features IS NULL, id FROM user WHERE "
               "seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT 1)) ORDER BY seq LIMIT 1");
    sql_bind_int(&sql, after);
    sql_bind_int(&sql, upto);
    *found = sql_step(&sql);
    if (*found) {
        const char *id = (const char *)sqlite3_column_text(sql.stmt, 3);
        change->seq = sqlite3_column_int64(sql.stmt, 0);
        change->side = sqlite3_column_int(sql.stmt, 1) == 0 ? STORE_ITEM : STORE_USER;
        change->is_deletion = sqlite3_column_int(sql.stmt, 2) != 0;
        (void)snprintf(change->id, sizeof change->id, "%s", id == NULL ? "" : id);
    }
    return sql_end(&sql, err);
}

/* Removes what the id had before; and the change itself, where it left nothing. */
static enum rk_status drop_before(struct store *store, const struct change *change, int64_t *n,
                                  struct rk_error *err)
{
    static const char *const texts[][2] = {
        [STORE_ITEM] =
            {"DELETE FROM log WHERE seq IN (SELECT seq FROM item WHERE id = ? AND seq < ?)",
             "DELETE FROM item WHERE id = ? AND seq < ?"},
        [STORE_USER] =
            {"DELETE FROM log WHERE seq IN (SELECT seq FROM user WHERE id = ? AND seq < ?)",
             "DELETE FROM user WHERE id = ? AND seq < ?"},
    };
    enum rk_status status = RK_OK;
    for (size_t i = 0; i < 2 && status == RK_OK; i++) {
        struct sql sql = sql_start(store, texts[change->side][i]);
        sql_bind_text(&sql, change->id);
        sql_bind_int(&sql, change->is_deletion ? change->seq + 1 : change->seq);
        status = sql_run(&sql, err);
    }
    if (status == RK_OK) {
        *n += sqlite3_changes64(store->db);
    }
    return status;
}

enum rk_status store_has_change(struct store *store, int64_t after, int64_t upto, bool *has,
                                struct rk_error *err)
{
    struct change change;
    return next_change(store, after, upto, &change, has, err);
}

enum rk_status store_drop_revisions(struct store *store, int64_t after, int64_t upto, int64_t limit,
                                    int64_t *reached, int64_t *n, struct rk_error *err)
{
    enum rk_status status = RK_OK;
    struct change change = {.seq = after};
    bool found = true;
    *n = 0;
    for (int64_t i = 0; i < limit && found && status == RK_OK; i++) {
        status = next_change(store, change.seq, upto, &change, &found, err);
        if (status == RK_OK && found) {
            status = drop_before(store, &change, n, err);
        }
    }
    if (status == RK_OK) {
        *reached = found ? change.seq : upto;
    }
    return status;
}

/* ---- checkpoints ---- */

enum rk_status store_drop_checkpoint(struct store *store, int64_t id, struct rk_error *err)
{
    return run(store, "DELETE FROM checkpoint WHERE id = ?", id, NULL, err);
}
