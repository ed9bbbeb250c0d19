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

enum rk_status store_get_model(struct store *store, int64_t id, struct store_model *model,
                               struct rk_error *err)
{
    struct sql sql = sql_start(store, MODEL_COLUMNS "WHERE id = ?");
    sql_bind_int(&sql, id);
    struct store_model read = {0};
    bool found = sql_step(&sql);
    if (found) {
        read = model_of(&sql);
    }
    enum rk_status status = sql_end(&sql, err);
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

/* ---- steps ---- */

static const char *const outcomes[] = {
#define OUTCOME_TEXT(name, text) [STORE_##name] = text,
    STORE_OUTCOMES(OUTCOME_TEXT)
#undef OUTCOME_TEXT
};

const char *store_outcome_text(enum store_outcome outcome)
{
    return outcomes[outcome];
}

static enum store_outcome outcome_of(const struct sql *sql, int column)
{
    return (enum store_outcome)sql_choice(sql, column, outcomes,
                                          sizeof outcomes / sizeof *outcomes);
}

enum rk_status store_put_step(struct store *store, struct store_step *step, struct rk_error *err)
{
    struct sql sql = sql_start(
        store, "INSERT INTO step (model, version, from_seq, to_seq, due_from, due_to, outcome, "
               "reason, quarantined, teacher, lists, pairs, "
               "loss, grad_norm, ndcg, ndcg_n, auc, auc_n, log_loss, log_loss_n, time_ms) "
               "VALUES (?, ?, ?, ?, ?, ?, ?, nullif(?, ''), coalesce(?, '[]'), nullif(?, x''), ?, "
               "?, ?, ?, ?, ?, "
               "?, ?, ?, ?, ?)");
    sql_bind_int(&sql, step->model);
    sql_bind_int(&sql, step->version);
    sql_bind_int(&sql, step->from_seq);
    sql_bind_int(&sql, step->to_seq);
    sql_bind_int(&sql, step->due_from);
    sql_bind_int(&sql, step->due_to);
    sql_bind_text(&sql, store_outcome_text(step->outcome));
    sql_bind_text(&sql, step->reason);
    sql_bind_text(&sql, step->quarantined);
    sql_bind_blob(&sql, step->teacher, step->n_teacher * sizeof *step->teacher);
    sql_bind_int(&sql, step->lists);
    sql_bind_int(&sql, step->pairs);
    sql_bind_real(&sql, step->loss);
    sql_bind_real(&sql, step->grad_norm);
    sql_bind_real(&sql, step->ndcg);
    sql_bind_int(&sql, step->ndcg_n);
    sql_bind_real(&sql, step->auc);
    sql_bind_int(&sql, step->auc_n);
    sql_bind_real(&sql, step->log_loss);
    sql_bind_int(&sql, step->log_loss_n);
    sql_bind_int(&sql, step->time_ms);
    enum rk_status status = sql_run(&sql, err);
    if (status == RK_OK) {
        step->id = sqlite3_last_insert_rowid(store->db);
    }
    return status;
}

#define STEP_COLUMNS                                                                               \
    "id, model, version, from_seq, to_seq, due_from, due_to, outcome, reason, "                    \
    "nullif(quarantined, '[]'), lists, pairs, "                                                    \
    "loss, grad_norm, ndcg, ndcg_n, auc, auc_n, log_loss, log_loss_n, time_ms"

static struct store_step step_of(struct sql *sql)
{
    struct store_step step = {
        .id = sqlite3_column_int64(sql->stmt, 0),
        .model = sqlite3_column_int64(sql->stmt, 1),
        .version = sqlite3_column_int64(sql->stmt, 2),
        .from_seq = sqlite3_column_int64(sql->stmt, 3),
        .to_seq = sqlite3_column_int64(sql->stmt, 4),
        .due_from = sqlite3_column_int64(sql->stmt, 5),
        .due_to = sqlite3_column_int64(sql->stmt, 6),
        .outcome = outcome_of(sql, 7),
        .lists = sqlite3_column_int64(sql->stmt, 10),
        .pairs = sqlite3_column_int64(sql->stmt, 11),
        .loss = sql_real(sql, 12),
        .grad_norm = sql_real(sql, 13),
        .ndcg = sql_real(sql, 14),
        .ndcg_n = sqlite3_column_int64(sql->stmt, 15),
        .auc = sql_real(sql, 16),
        .auc_n = sqlite3_column_int64(sql->stmt, 17),
        .log_loss = sql_real(sql, 18),
        .log_loss_n = sqlite3_column_int64(sql->stmt, 19),
        .time_ms = sqlite3_column_int64(sql->stmt, 20),
    };
    const char *reason = (const char *)sqlite3_column_text(sql->stmt, 8);
    (void)snprintf(step.reason, sizeof step.reason, "%s", reason == NULL ? "" : reason);
    if (sqlite3_column_type(sql->stmt, 9) != SQLITE_NULL) {
        step.quarantined = sql_copy_text(sql, 9);
    }
    return step;
}

enum rk_status store_list_steps(struct store *store, int64_t model, int64_t after, bool newest,
                                struct store_step *steps, size_t *n, struct rk_error *err)
{
    static const char *const texts[] = {
        "SELECT " STEP_COLUMNS " FROM step WHERE model = ? AND id > ? ORDER BY id LIMIT ?",
        "SELECT " STEP_COLUMNS " FROM step WHERE model = ? AND id > ? ORDER BY id DESC LIMIT ?",
    };
    struct sql sql = sql_start(store, texts[newest]);
    sql_bind_int(&sql, model);
    sql_bind_int(&sql, after);
    sql_bind_int(&sql, (int64_t)*n);
    size_t read = 0;
    while (sql_step(&sql)) {
        steps[read++] = step_of(&sql);
    }
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK) {
        *n = read;
        return status;
    }
    while (read > 0) {
        free(steps[--read].quarantined);
    }
    return status;
}

enum rk_status store_get_teacher(struct store *store, int64_t step, float **scores, size_t *n,
                                 struct rk_error *err)
{
    struct sql sql = sql_start(store, "SELECT teacher FROM step WHERE id = ?");
    sql_bind_int(&sql, step);
    float *copy = NULL;
    size_t bytes = 0;
    if (sql_step(&sql)) {
        const void *blob = sqlite3_column_blob(sql.stmt, 0);
        bytes = (size_t)sqlite3_column_bytes(sql.stmt, 0);
        copy = bytes > 0 ? malloc(bytes) : NULL;
        if (bytes > 0 && (blob == NULL || copy == NULL)) {
            sql.code = SQLITE_NOMEM;
        } else if (bytes > 0) {
            memcpy(copy, blob, bytes);
        }
    }
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK && bytes % sizeof *copy != 0) {
        status = rk_fail(err, RK_CORRUPT, "a teacher's scores are %zu bytes", bytes);
    }
    if (status != RK_OK) {
        free(copy);
        return status;
    }
    *scores = copy;
    *n = bytes / sizeof *copy;
    return RK_OK;
}

enum rk_status store_find_step(struct store *store, int64_t model, int64_t seq,
                               struct store_step *step, struct rk_error *err)
{
    struct sql sql = sql_start(store, "SELECT " STEP_COLUMNS " FROM step WHERE model = ? AND "
                                      "to_seq >= ? ORDER BY to_seq LIMIT 1");
    sql_bind_int(&sql, model);
    sql_bind_int(&sql, seq);
    bool found = sql_step(&sql);
    if (found) {
        *step = step_of(&sql);
    }
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK && (!found || step->from_seq >= seq)) {
        if (found) {
            free(step->quarantined);
        }
        status = rk_fail(err, RK_NOTFOUND, "no step took this log position");
    }
    return status;
}

enum rk_status store_find_version(struct store *store, int64_t model, int64_t version,
                                  int64_t *step, struct rk_error *err)
{
    struct sql sql = sql_start(store, "SELECT id FROM step WHERE model = ? AND version = ? AND "
                                      "outcome = 'published'");
    sql_bind_int(&sql, model);
    sql_bind_int(&sql, version);
    bool found = sql_step(&sql);
    int64_t id = found ? sqlite3_column_int64(sql.stmt, 0) : 0;
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK && !found) {
        return rk_fail(err, RK_NOTFOUND, "the step that made version %lld is not kept",
                       (long long)version);
    }
    if (status == RK_OK) {
        *step = id;
    }
    return status;
}

enum rk_status store_last_version(struct store *store, int64_t model, int64_t *version,
                                  struct rk_error *err)
{
    struct sql sql = sql_start(
        store, "SELECT max(coalesce((SELECT max(version) FROM step WHERE model = ?1), 0), "
               "coalesce((SELECT max(version) FROM checkpoint WHERE model = ?1), 0))");
    sql_bind_int(&sql, model);
    int64_t last = sql_step(&sql) ? sqlite3_column_int64(sql.stmt, 0) : 0;
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK) {
        *version = last;
    }
    return status;
}
