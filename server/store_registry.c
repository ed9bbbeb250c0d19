/*
 * The registry's models and their learning steps.
 */
#include "grow.h"
#include "store_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- models ---- */

static enum rk_status name_taken(struct store *store, const char *name, bool *taken,
                                 struct rk_error *err)
{
    struct sql sql = sql_start(store, "SELECT 1 FROM model WHERE name = ? AND deleted_ms IS NULL");
    sql_bind_text(&sql, name);
    *taken = sql_step(&sql);
    return sql_end(&sql, err);
}

static enum rk_status insert_model(struct store *store, const struct store_model *model,
                                   int64_t *id, struct rk_error *err)
{
    struct sql sql =
        sql_start(store, "INSERT INTO model (name, config, hashed, seq, time_ms, paused) "
                         "VALUES (?1, ?2, json_valid(?2) AND "
                         "coalesce(?2 ->> '$.features.space' = 'hashed', 0), 0, ?3, ?4)");
    sql_bind_text(&sql, model->name);
    sql_bind_text(&sql, model->config);
    sql_bind_int(&sql, model->time_ms);
    sql_bind_int(&sql, model->paused);
    enum rk_status status = sql_run(&sql, err);
    if (status == RK_OK) {
        *id = sqlite3_last_insert_rowid(store->db);
    }
    return status;
}

/* Sets one column of a living model. @return RK_OK; RK_NOTFOUND; RK_IO. */
static enum rk_status set_column(struct store *store, const char *text, int64_t value,
                                 int64_t model, struct rk_error *err)
{
    struct sql sql = sql_start(store, text);
    sql_bind_int(&sql, value);
    sql_bind_int(&sql, model);
    enum rk_status status = sql_run(&sql, err);
    if (status == RK_OK && sqlite3_changes(store->db) == 0) {
        return rk_fail(err, RK_NOTFOUND, "no such model");
    }
    return status;
}

enum rk_status store_put_model(struct store *store, struct store_model *model, struct rk_error *err)
{
    bool taken = false;
    int64_t id = 0, seq = 0;
    enum rk_status status = name_taken(store, model->name, &taken, err);
    if (status == RK_OK && taken) {
        return rk_fail(err, RK_MISMATCH, "there is a model of that name");
    }
    if (status == RK_OK) {
        status = insert_model(store, model, &id, err);
    }
    if (status == RK_OK) {
        status = store_append(store, "model", id, model->time_ms, &seq, err);
    }
    if (status == RK_OK) {
        status = set_column(store, "UPDATE model SET seq = ? WHERE id = ? AND deleted_ms IS NULL",
                            seq, id, err);
    }
    if (status == RK_OK) {
        model->id = id;
        model->seq = seq;
    }
    return status;
}

enum rk_status store_delete_model(struct store *store, int64_t model, int64_t now_ms,
                                  struct rk_error *err)
{
    int64_t seq = 0;
    enum rk_status status =
        set_column(store, "UPDATE model SET deleted_ms = ? WHERE id = ? AND deleted_ms IS NULL",
                   now_ms, model, err);
    return status == RK_OK ? store_append(store, "delete", model, now_ms, &seq, err) : status;
}

enum rk_status store_set_paused(struct store *store, int64_t model, bool paused, int64_t now_ms,
                                struct rk_error *err)
{
    int64_t seq = 0;
    enum rk_status status =
        set_column(store, "UPDATE model SET paused = ? WHERE id = ? AND deleted_ms IS NULL", paused,
                   model, err);
    return status == RK_OK
               ? store_append(store, paused ? "pause" : "resume", model, now_ms, &seq, err)
               : status;
}

#define MODEL_COLUMNS "SELECT id, name, config, seq, time_ms, paused FROM model "

static struct store_model model_of(struct sql *sql)
{
    struct store_model model = {
        .id = sqlite3_column_int64(sql->stmt, 0),
        .config = sql_copy_text(sql, 2),
        .seq = sqlite3_column_int64(sql->stmt, 3),
        .time_ms = sqlite3_column_int64(sql->stmt, 4),
        .paused = sqlite3_column_int(sql->stmt, 5) != 0,
    };
    const char *name = (const char *)sqlite3_column_text(sql->stmt, 1);
    (void)snprintf(model.name, sizeof model.name, "%s", name == NULL ? "" : name);
    return model;
}

/* The one model that a statement finds, and its end. */
static enum rk_status end_with_model(struct sql *sql, struct store_model *model,
                                     struct rk_error *err)
{
    struct store_model read = {0};
    bool found = sql_step(sql);
    if (found) {
        read = model_of(sql);
    }
    enum rk_status status = sql_end(sql, err);
    if (status == RK_OK && !found) {
        status = rk_fail(err, RK_NOTFOUND, "no such model");
    }
    if (status != RK_OK) {
        free(read.config);
        return status;
    }
    *model = read;
    return RK_OK;
}

enum rk_status store_get_model(struct store *store, int64_t id, struct store_model *model,
                               struct rk_error *err)
{
    struct sql sql = sql_start(store, MODEL_COLUMNS "WHERE id = ?");
    sql_bind_int(&sql, id);
    return end_with_model(&sql, model, err);
}

enum rk_status store_find_model(struct store *store, const char *name, struct store_model *model,
                                struct rk_error *err)
{
    struct sql sql = sql_start(store, MODEL_COLUMNS "WHERE name = ? AND deleted_ms IS NULL");
    sql_bind_text(&sql, name);
    return end_with_model(&sql, model, err);
}

/* One more model at the end of an array of n, from the current row. */
static void push_model(struct sql *sql, struct store_model **models, size_t n)
{
    if (grow_resize(models, n + 1)) {
        (*models)[n] = model_of(sql);
    } else {
        sql->code = SQLITE_NOMEM;
    }
}

enum rk_status store_list_models(struct store *store, struct store_model **models, size_t *n,
                                 struct rk_error *err)
{
    struct sql sql = sql_start(store, MODEL_COLUMNS "WHERE deleted_ms IS NULL ORDER BY id");
    struct store_model *read = NULL;
    size_t count = 0;
    while (sql_step(&sql)) {
        push_model(&sql, &read, count);
        count += sql.code == SQLITE_OK;
    }
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK) {
        *models = read;
        *n = count;
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        free(read[i].config);
    }
    free(read);
    return status;
}
