/*
 * Recovery: the newest good checkpoint, then the recorded steps, cut and learned again.
 */
#include "failpoint.h"
#include "log.h"
#include "trainee_impl.h"

#include <stdlib.h>
#include <string.h>

enum rk_status trainee_load(struct trainee *trainee, struct store *store,
                            const struct store_checkpoint *checkpoint, int64_t seq, int64_t due_seq,
                            int64_t step, struct rk_error *err)
{
    struct trainee *t = trainee;
    const enum rk_status status = checkpoint_load(store, checkpoint, t->served->model,
                                                  live_learning(&t->served->live), t->learner, err);

    if (status != RK_OK) {
        return status;
    }
    live_publish_all(&t->served->live, checkpoint->version);
    t->seq = seq;
    t->due_seq = due_seq;
    t->step = step;
    atomic_store(&t->served->position, seq);
    atomic_store(&t->served->checkpoint_version, checkpoint->version);
    return RK_OK;
}

/* ---- steps ---- */

static enum rk_status recall_teacher(struct trainee *t, struct store *store,
                                     const struct store_step *row, struct rk_error *err)
{
    float *scores = NULL;
    size_t n = 0;
    enum rk_status status = RK_OK;

    if (rk_loss_needs_teacher(&t->served->config.model.loss)) {
        status = store_get_teacher(store, row->id, &scores, &n, err);
    }
    if (status == RK_OK) {
        teacher_recall(&t->cut.teacher, scores, n);
    }
    return status;
}

/* Did a step come out as it is recorded? */
static bool is_as_recorded(const struct trainee *t, const struct store_step *row,
                           const struct step_result *result)
{
    return (int64_t)t->cut.n == row->lists && teacher_is_over(&t->cut.teacher) &&
           (result->learned.updates > 0) == (row->outcome == STORE_PUBLISHED);
}

/* Takes a recorded step again. */
static enum rk_status repeat(struct trainee *t, struct store *store, const struct store_step *row,
                             struct rk_error *err)
{
    const struct cut_range range = {.from_seq = row->from_seq,
                                    .to_seq = row->to_seq,
                                    .due_from = row->due_from,
                                    .due_to = row->due_to};
    struct step_result result = {0};
    enum rk_status status = recall_teacher(t, store, row, err);

    if (status == RK_OK) {
        status = cut_groups(store, t->served->id, &t->served->config, &range, &t->cut, err);
    }
    if (status == RK_OK) {
        status = trainee_learn(t, &result, err);
    }
    emit_deinit(&result.quarantined);
    if (status != RK_OK) {
        return status;
    }
    if (!is_as_recorded(t, row, &result)) {
        return rk_fail(err, RK_MISMATCH, "step %lld of model \"%s\" does not repeat as recorded",
                       (long long)row->id, t->served->name);
    }
    if (row->outcome == STORE_PUBLISHED) {
        trainee_publish(t, row->version);
    }
    failpoint(FAILPOINT_STEP_REPEATED);
    t->step = row->id;
    trainee_move_on(t, &range);
    return RK_OK;
}

/* Takes the recorded steps after t->step again, up to and with `last`. */
static enum rk_status repeat_steps(struct trainee *t, struct store *store, int64_t last,
                                   struct rk_error *err)
{
    enum {
        PAGE = 256
    };
    struct store_step *rows = calloc(PAGE, sizeof *rows);
    size_t n = PAGE;
    enum rk_status status = RK_OK;

    if (rows == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for recovery");
    }
    while (n == PAGE && status == RK_OK) {
        n = PAGE;
        status = store_list_steps(store, t->served->id, t->step, false, rows, &n, err);
        if (status != RK_OK) {
            break;
        }
        for (size_t i = 0; i < n; i++) {
            if (status == RK_OK && rows[i].id <= last) {
                status = repeat(t, store, &rows[i], err);
            }
            free(rows[i].quarantined);
        }
        if (n > 0 && rows[n - 1].id > last) {
            break;
        }
    }
    free(rows);
    return status;
}

/* ---- checkpoints ---- */

/* Loads a checkpoint to go on from where it was taken. */
static enum rk_status load(struct trainee *t, struct store *store,
                           const struct store_checkpoint *row, struct rk_error *err)
{
    const enum rk_status status =
        trainee_load(t, store, row, row->seq, row->due_seq, row->step, err);

    if (status != RK_OK) {
        log_error("checkpoint_passed_over", log_text("model", t->served->name),
                  log_number("version", row->version), log_text("reason", err->text));
    }
    return status;
}

/* Is the state now, to the bit, what was stored as that checkpoint? */
static enum rk_status compare(struct trainee *t, const struct store_checkpoint *lost,
                              struct rk_error *err)
{
    struct checkpoint_bytes file = {0};
    struct store_checkpoint now = {0};
    enum rk_status status = checkpoint_write(t->served->model, live_served(&t->served->live),
                                             t->learner, lost->version, &file, err);

    if (status == RK_OK) {
        checkpoint_seal(&file, &now);
        if (memcmp(now.sha256, lost->sha256, sizeof now.sha256) != 0) {
            status = rk_fail(err, RK_MISMATCH, "version %lld does not come out as it was stored",
                             (long long)lost->version);
        }
    }
    free(file.bytes);
    return status;
}

/*
 * Makes an activated checkpoint that cannot be read again, from one before it and the steps between
 * the two. Its checksum says whether that is it: the steps may be of a branch that was left.
 */
static enum rk_status make_again(struct trainee *t, struct store *store,
                                 const struct store_checkpoint *rows, size_t n,
                                 const struct store_activation *activation, struct rk_error *err)
{
    size_t lost = 0;
    enum rk_status status = RK_NOTFOUND;

    while (lost < n && rows[lost].id != activation->checkpoint) {
        lost++;
    }
    for (size_t i = lost + 1; i < n && status != RK_OK; i++) {
        struct rk_error own = {0};
        status = load(t, store, &rows[i], &own);
        if (status == RK_OK) {
            status = repeat_steps(t, store, rows[lost].step, &own);
        }
        if (status == RK_OK) {
            status = compare(t, &rows[lost], &own);
        }
    }
    if (status != RK_OK) {
        return rk_fail(err, RK_CORRUPT, "no checkpoint of model \"%s\" can be loaded",
                       t->served->name);
    }
    t->seq = t->due_seq = activation->seq;
    t->step = activation->step;
    atomic_store(&t->served->position, t->seq);
    atomic_store(&t->served->checkpoint_version, rows[lost].version);
    log_warn("checkpoint_made_again", log_text("model", t->served->name),
             log_number("version", rows[lost].version));
    return RK_OK;
}

/*
 * The newest checkpoint made after the last activation that loads; else what was activated. An import
 * that was only stored is of no branch that was learned on.
 */
static enum rk_status load_newest(struct trainee *t, struct store *store,
                                  const struct store_checkpoint *rows, size_t n,
                                  const struct store_activation *activation, struct rk_error *err)
{
    for (size_t i = 0; i < n; i++) {
        struct store_checkpoint row = rows[i];
        struct rk_error own = {0};
        if (row.source == STORE_SOURCE_IMPORT &&
            (activation == NULL || row.id != activation->checkpoint)) {
            continue;
        }
        if (activation != NULL && row.id <= activation->after_checkpoint) {
            if (row.id != activation->checkpoint) {
                continue;
            }
            row.seq = row.due_seq = activation->seq;
            row.step = activation->step;
        }
        if (load(t, store, &row, &own) == RK_OK) {
            return RK_OK;
        }
    }
    return activation != NULL
               ? make_again(t, store, rows, n, activation, err)
               : rk_fail(err, RK_CORRUPT, "no checkpoint of model \"%s\" can be loaded",
                         t->served->name);
}

static enum rk_status load_base(struct trainee *t, struct store *store, struct rk_error *err)
{
    struct store_activation activation;
    struct store_checkpoint *rows = NULL;
    size_t n = 0;
    enum rk_status activated, status = store_list_checkpoints(store, t->served->id, &rows, &n, err);

    if (status != RK_OK) {
        return status;
    }
    activated = store_get_activation(store, t->served->id, &activation, NULL);
    if (activated == RK_OK || activated == RK_NOTFOUND) {
        status = load_newest(t, store, rows, n, activated == RK_OK ? &activation : NULL, err);
    } else {
        status = rk_fail(err, activated, "the activations of a model cannot be read");
    }
    for (size_t i = 0; i < n; i++) {
        free(rows[i].metrics);
    }
    free(rows);
    return status;
}

enum rk_status trainee_recover(struct trainee *trainee, struct store *store, struct rk_error *err)
{
    struct trainee *t = trainee;
    enum rk_status status = load_base(t, store, err);

    if (status == RK_OK) {
        status = repeat_steps(t, store, INT64_MAX, err);
    }
    if (status == RK_OK) {
        status = store_last_version(store, t->served->id, &t->last_version, err);
    }
    return status;
}
