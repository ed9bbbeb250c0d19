/*
 * The registry's steps: what each took from the log, what came of it, and what was left out of it.
 */
#include "store_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
        store,
        "INSERT INTO step (model, version, from_seq, to_seq, due_from, due_to, config, outcome, "
        "reason, quarantined, held, released, retry, teacher, lists, pairs, "
        "loss, grad_norm, ndcg, ndcg_n, auc, auc_n, log_loss, log_loss_n, time_ms) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, nullif(?, ''), coalesce(?, '[]'), coalesce(?, '[]'), "
        "coalesce(?, '[]'), nullif(?, 0), nullif(?, x''), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    sql_bind_int(&sql, step->model);
    sql_bind_int(&sql, step->version);
    sql_bind_int(&sql, step->from_seq);
    sql_bind_int(&sql, step->to_seq);
    sql_bind_int(&sql, step->due_from);
    sql_bind_int(&sql, step->due_to);
    sql_bind_int(&sql, step->config);
    sql_bind_text(&sql, store_outcome_text(step->outcome));
    sql_bind_text(&sql, step->reason);
    sql_bind_text(&sql, step->quarantined);
    sql_bind_text(&sql, step->held);
    sql_bind_text(&sql, step->released);
    sql_bind_int(&sql, step->retry);
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
    "loss, grad_norm, ndcg, ndcg_n, auc, auc_n, log_loss, log_loss_n, time_ms, retry, config"

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
        .retry = sqlite3_column_int64(sql->stmt, 21), /* NULL is 0 */
        .config = sqlite3_column_int64(sql->stmt, 22),
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

/* ---- quarantine, and lists held back ---- */

/* Reads the one step of a use. */
static enum rk_status one_step(struct sql *sql, struct store_step *step, struct rk_error *err)
{
    bool found = sql_step(sql);
    struct store_step read = {0};
    if (found) {
        read = step_of(sql);
    }
    enum rk_status status = sql_end(sql, err);
    if (status != RK_OK || !found) {
        free(read.quarantined);
        return status == RK_OK ? rk_fail(err, RK_NOTFOUND, "there is no such step") : status;
    }
    *step = read;
    return RK_OK;
}

enum rk_status store_get_step(struct store *store, int64_t model, int64_t id,
                              struct store_step *step, struct rk_error *err)
{
    struct sql sql =
        sql_start(store, "SELECT " STEP_COLUMNS " FROM step WHERE model = ? AND id = ?");
    sql_bind_int(&sql, model);
    sql_bind_int(&sql, id);
    return one_step(&sql, step, err);
}

enum rk_status store_find_release(struct store *store, int64_t model, int64_t after, int64_t seq,
                                  struct store_step *step, struct rk_error *err)
{
    struct sql sql = sql_start(store, "SELECT " STEP_COLUMNS
                                      " FROM step WHERE model = ? AND id > ? AND released <> '[]' "
                                      "AND outcome <> 'quarantined' AND EXISTS (SELECT 1 FROM "
                                      "json_each(released) WHERE value = ?) ORDER BY id LIMIT 1");
    sql_bind_int(&sql, model);
    sql_bind_int(&sql, after);
    sql_bind_int(&sql, seq);
    return one_step(&sql, step, err);
}

static enum rk_status one_number(struct sql *sql, int64_t *number, struct rk_error *err)
{
    int64_t read = sql_step(sql) ? sqlite3_column_int64(sql->stmt, 0) : 0;
    enum rk_status status = sql_end(sql, err);
    if (status == RK_OK) {
        *number = read;
    }
    return status;
}

enum rk_status store_is_left_out(struct store *store, int64_t step, enum store_left_out which,
                                 int64_t seq, bool *is, struct rk_error *err)
{
    static const char *const texts[] = {
        [STORE_LISTS_HELD] = "SELECT EXISTS (SELECT 1 FROM step, json_each(step.held) "
                             "WHERE step.id = ? AND json_each.value = ?)",
        [STORE_LISTS_QUARANTINED] = "SELECT EXISTS (SELECT 1 FROM step, "
                                    "json_each(step.quarantined) "
                                    "WHERE step.id = ? AND json_each.value = ?)",
    };
    struct sql sql = sql_start(store, texts[which]);
    sql_bind_int(&sql, step);
    sql_bind_int(&sql, seq);
    int64_t found = 0;
    enum rk_status status = one_number(&sql, &found, err);
    *is = found != 0;
    return status;
}

enum rk_status store_find_retry(struct store *store, int64_t step, int64_t *retry,
                                struct rk_error *err)
{
    struct sql sql = sql_start(store, "SELECT max(id) FROM step WHERE retry = ?");
    sql_bind_int(&sql, step);
    return one_number(&sql, retry, err);
}

enum rk_status store_list_quarantine(struct store *store, int64_t model, int64_t before,
                                     struct store_step *steps, int64_t *retried, size_t *n,
                                     struct rk_error *err)
{
    struct sql sql = sql_start(
        store, "SELECT " STEP_COLUMNS ", (SELECT max(r.id) FROM step AS r WHERE r.retry = step.id) "
               "FROM step WHERE model = ? AND quarantined <> '[]' AND (?2 = 0 OR id < "
               "?2) ORDER BY id DESC LIMIT ?3");
    sql_bind_int(&sql, model);
    sql_bind_int(&sql, before);
    sql_bind_int(&sql, (int64_t)*n);
    size_t read = 0;
    while (sql_step(&sql)) {
        steps[read] = step_of(&sql);
        retried[read++] = sqlite3_column_int64(sql.stmt, 22);
    }
    enum rk_status status = sql_end(&sql, err);
    while (status != RK_OK && read > 0) {
        free(steps[--read].quarantined);
    }
    *n = read;
    return status;
}
