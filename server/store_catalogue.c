/*
 * The catalogue: features of items and users, kept as revisions by log position, so that a ranking
 * can be learned from and shown again with the features it was made with.
 */
#include "store_impl.h"

#include <string.h>

enum rk_status store_get_features(struct store *store, enum store_side side, const char *id,
                                  int64_t seq, const char **features, struct rk_error *err)
{
    static const char *const texts[] = {
        [STORE_ITEM] =
            "SELECT features FROM item WHERE id = ? AND seq <= ? ORDER BY seq DESC LIMIT 1",
        [STORE_USER] =
            "SELECT features FROM user WHERE id = ? AND seq <= ? ORDER BY seq DESC LIMIT 1",
    };
    struct sql sql = sql_start(store, texts[side]);
    sql_bind_text(&sql, id);
    sql_bind_int(&sql, seq);
    bool found = sql_step(&sql) && sqlite3_column_type(sql.stmt, 0) != SQLITE_NULL;
    char *lent = NULL;
    if (found) {
        const char *text = (const char *)sqlite3_column_text(sql.stmt, 0);
        size_t n = (size_t)sqlite3_column_bytes(sql.stmt, 0) + 1;
        lent = store_lend(store, n);
        if (text == NULL || lent == NULL) {
            sql.code = SQLITE_NOMEM;
        } else {
            memcpy(lent, text, n);
        }
    }
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK && !found) {
        return rk_fail(err, RK_NOTFOUND, "no features are stored for the id");
    }
    if (status == RK_OK) {
        *features = lent;
    }
    return status;
}

/* Are there features of an id now? */
static enum rk_status has_features(struct store *store, enum store_side side, const char *id,
                                   bool *has, struct rk_error *err)
{
    static const char *const texts[] = {
        [STORE_ITEM] =
            "SELECT features IS NOT NULL FROM item WHERE id = ? ORDER BY seq DESC LIMIT 1",
        [STORE_USER] =
            "SELECT features IS NOT NULL FROM user WHERE id = ? ORDER BY seq DESC LIMIT 1",
    };
    struct sql sql = sql_start(store, texts[side]);
    sql_bind_text(&sql, id);
    *has = sql_step(&sql) && sqlite3_column_int(sql.stmt, 0) != 0;
    return sql_end(&sql, err);
}

static enum rk_status insert_revision(struct store *store, enum store_side side, const char *id,
                                      int64_t seq, const char *features, struct rk_error *err)
{
    static const char *const texts[] = {
        [STORE_ITEM] = "INSERT INTO item (id, seq, features) VALUES (?, ?, ?)",
        [STORE_USER] = "INSERT INTO user (id, seq, features) VALUES (?, ?, ?)",
    };
    struct sql sql = sql_start(store, texts[side]);
    sql_bind_text(&sql, id);
    sql_bind_int(&sql, seq);
    sql_bind_text(&sql, features);
    return sql_run(&sql, err);
}

enum rk_status store_put_features(struct store *store, enum store_side side, const char *id,
                                  const char *features, int64_t now_ms, int64_t *seq, bool *existed,
                                  struct rk_error *err)
{
    bool has = false;
    int64_t put = 0;
    enum rk_status status = has_features(store, side, id, &has, err);
    if (status == RK_OK && (has || features != NULL)) {
        status = store_append(store, side == STORE_ITEM ? "item" : "user", 0, now_ms, &put, err);
        if (status == RK_OK) {
            status = insert_revision(store, side, id, put, features, err);
        }
    }
    if (status == RK_OK) {
        *seq = put;
        *existed = has;
    }
    return status;
}

enum rk_status store_list_features(struct store *store, enum store_side side, const char *after,
                                   int64_t limit, store_features_each each, void *context,
                                   struct rk_error *err)
{
    /*
     * Beside max(), SQLite takes the other columns from the row that has it
     * (lang_select.html#bareagg).
     */
    static const char *const texts[] = {
        [STORE_ITEM] = "SELECT id, features, max(seq) FROM item WHERE id > ? GROUP BY id HAVING "
                       "features IS NOT NULL "
                       "ORDER BY id LIMIT ?",
        [STORE_USER] = "SELECT id, features, max(seq) FROM user WHERE id > ? GROUP BY id HAVING "
                       "features IS NOT NULL "
                       "ORDER BY id LIMIT ?",
    };
    struct sql sql = sql_start(store, texts[side]);
    sql_bind_text(&sql, after == NULL ? "" : after);
    sql_bind_int(&sql, limit);
    while (sql_step(&sql)) {
        const char *id = (const char *)sqlite3_column_text(sql.stmt, 0);
        const char *features = (const char *)sqlite3_column_text(sql.stmt, 1);
        if (id == NULL || features == NULL) {
            sql.code = SQLITE_NOMEM;
            break;
        }
        each(context, id, features);
    }
    return sql_end(&sql, err);
}
