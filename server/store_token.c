/*
 * The registry's tokens: when each was last used.
 */
#include "store_impl.h"

enum rk_status store_put_token_use(struct store *store, uint32_t kid, int64_t minute,
                                   struct rk_error *err)
{
    struct sql sql = sql_start(store, "INSERT INTO token_use (kid, minute) VALUES (?, ?) "
                                      "ON CONFLICT (kid) DO UPDATE SET minute = excluded.minute");
    sql_bind_int(&sql, kid);
    sql_bind_int(&sql, minute);
    return sql_run(&sql, err);
}

enum rk_status store_get_token_use(struct store *store, uint32_t kid, int64_t *minute,
                                   struct rk_error *err)
{
    struct sql sql = sql_start(store, "SELECT minute FROM token_use WHERE kid = ?");
    sql_bind_int(&sql, kid);
    const int64_t read = sql_step(&sql) ? sqlite3_column_int64(sql.stmt, 0) : 0;
    const enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK) {
        *minute = read;
    }
    return status;
}
