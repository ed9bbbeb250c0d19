/*
 * The registry's configurations: what a model was made with, and what that was changed to.
 */
#include "store_impl.h"

#include <stdlib.h>

enum rk_status store_put_config(struct store *store, int64_t model, const char *text,
                                int64_t now_ms, int64_t *seq, struct rk_error *err)
{
    int64_t at = 0;
    enum rk_status status = store_append(store, "config", model, now_ms, &at, err);
    if (status != RK_OK) {
        return status;
    }
    struct sql sql =
        sql_start(store, "INSERT INTO model_config (seq, model, config) VALUES (?, ?, ?)");
    sql_bind_int(&sql, at);
    sql_bind_int(&sql, model);
    sql_bind_text(&sql, text);
    status = sql_run(&sql, err);
    if (status == RK_OK) {
        *seq = at;
    }
    return status;
}

/* One more at the end of an array of n, from the current row. */
static void push(struct sql *sql, struct store_config **configs, size_t n)
{
    struct store_config *grown = realloc(*configs, (n + 1) * sizeof *grown);
    if (grown == NULL) {
        sql->code = SQLITE_NOMEM;
        return;
    }
    *configs = grown;
    grown[n] = (struct store_config){.seq = sqlite3_column_int64(sql->stmt, 0),
                                     .text = sql_copy_text(sql, 1)};
}

enum rk_status store_list_configs(struct store *store, int64_t model, int64_t upto,
                                  struct store_config **configs, size_t *n, struct rk_error *err)
{
    struct sql sql = sql_start(store, "SELECT 0 AS seq, config FROM model WHERE id = ?1 UNION ALL "
                                      "SELECT seq, config FROM model_config "
                                      "WHERE model = ?1 AND seq <= ?2 ORDER BY seq");
    struct store_config *read = NULL;
    size_t count = 0;
    sql_bind_int(&sql, model);
    sql_bind_int(&sql, upto);
    while (sql_step(&sql)) {
        push(&sql, &read, count);
        count += sql.code == SQLITE_OK;
    }
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK && count == 0) {
        status = rk_fail(err, RK_NOTFOUND, "no such model");
    }
    if (status == RK_OK) {
        *configs = read;
        *n = count;
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        free(read[i].text);
    }
    free(read);
    return status;
}
