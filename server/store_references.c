/*
 * What rows say of each other, looked at by hand: damage that no start has to look for.
 */
#include "store_impl.h"

/* Each text gives 0. */
static const struct {
    const char *what;
    const char *text;
} references[] = {
    {"steps take a record twice",
     "SELECT count(*) FROM (SELECT from_seq > to_seq OR due_from > due_to OR from_seq < "
     "lag(to_seq) "
     "OVER life OR due_from < lag(due_to) OVER life AS bad FROM step WINDOW life AS (PARTITION BY "
     "model ORDER BY id)) WHERE bad"},
    {"a record's list is of another model",
     "SELECT count(*) FROM log l LEFT JOIN ranking r USING (seq) LEFT JOIN batch b USING (seq) "
     "LEFT "
     "JOIN event e USING (seq) LEFT JOIN ranking shown ON shown.seq = e.ranking WHERE l.kind IN "
     "('ranking', 'batch', 'event') AND l.model IS NOT coalesce(r.model, b.model, shown.model)"},
    {"a row is of a model that never was",
     "SELECT count(*) FROM (SELECT model FROM log WHERE model IS NOT NULL UNION SELECT model FROM "
     "step UNION SELECT model FROM checkpoint UNION SELECT model FROM activation UNION SELECT "
     "model "
     "FROM batch_name) WHERE model NOT IN (SELECT id FROM model)"},
    {"a version that is served is not there", "SELECT count(*) FROM activation a JOIN model m ON "
                                              "m.id = a.model WHERE m.deleted_ms IS NULL AND "
                                              "a.checkpoint NOT IN (SELECT id FROM checkpoint)"},
};

enum rk_status store_check_references(struct store *store, struct rk_error *err)
{
    enum rk_status status = RK_OK;

    for (size_t i = 0; i < sizeof references / sizeof *references && status == RK_OK; i++) {
        struct sql sql = sql_start(store, references[i].text);
        int64_t broken = sql_step(&sql) ? sqlite3_column_int64(sql.stmt, 0) : 0;
        status = sql_end(&sql, err);
        if (status == RK_OK && broken != 0) {
            status =
                rk_fail(err, RK_CORRUPT, "%s (%lld times)", references[i].what, (long long)broken);
        }
    }
    return status;
}
