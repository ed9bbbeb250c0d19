/*
 * Recovery: the newest good checkpoint, then the recorded steps, cut and learned again.
 */
#include "clock.h"
#include "log.h"
#include "trainee_impl.h"

#include <stdlib.h>

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
    t->parent = checkpoint->version;
    atomic_store(&t->served->position, seq);
    return RK_OK;
}

/*
 * The newest checkpoint made after the last activation that loads; else what was activated; else
 * the one before.
 */
static enum rk_status load_newest(struct trainee *t, struct store *store,
                                  const struct store_checkpoint *rows, size_t n,
                                  const struct store_activation *activation, struct rk_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const bool before = activation != NULL && rows[i].id <= activation->after_checkpoint;
        const bool activated = before && rows[i].id == activation->checkpoint;
        struct rk_error own = {0};
        enum rk_status status;
        if (before && !activated) {
            continue;
        }
        status = activated ? trainee_load(t, store, &rows[i], activation->seq, activation->seq,
                                          activation->step, &own)
                           : trainee_load(t, store, &rows[i], rows[i].seq, rows[i].due_seq,
                                          rows[i].step, &own);
        if (status == RK_OK) {
            atomic_store(&t->served->checkpoint_version, rows[i].version);
            return RK_OK;
        }
        log_error("checkpoint_passed_over", log_text("model", t->served->name),
                  log_number("version", rows[i].version), log_text("reason", own.text));
    }
    return rk_fail(err, RK_CORRUPT, "no checkpoint of model \"%s\" can be loaded", t->served->name);
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

/* Takes a recorded step again. */
static enum rk_status repeat(struct trainee *t, struct store *store, const struct store_step *row,
                             struct rk_error *err)
{
    const struct cut_range range = {.from_seq = row->from_seq,
                                    .to_seq = row->to_seq,
                                    .due_from = row->due_from,
                                    .due_to = row->due_to};
    struct step_result result = {0};
    enum rk_status status =
        cut_groups(store, t->served->id, &t->served->config, &range, &t->cut, err);

    if (status == RK_OK) {
        status = trainee_learn(t, &result, err);
    }
    emit_deinit(&result.quarantined);
    if (status != RK_OK) {
        return status;
    }
    if ((result.learned.updates > 0) != (row->outcome == STORE_PUBLISHED)) {
        return rk_fail(err, RK_MISMATCH, "step %lld of model \"%s\" does not repeat as recorded",
                       (long long)row->id, t->served->name);
    }
    if (row->outcome == STORE_PUBLISHED) {
        trainee_publish(t, row->version);
    }
    t->step = row->id;
    trainee_move_on(t, &range);
    return RK_OK;
}

static enum rk_status repeat_steps(struct trainee *t, struct store *store, struct rk_error *err)
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
        status = store_list_steps(store, t->served->id, t->step, false, rows, &n, err);
        for (size_t i = 0; i < n && status == RK_OK; i++) {
            status = repeat(t, store, &rows[i], err);
        }
        for (size_t i = 0; i < n; i++) {
            free(rows[i].quarantined);
        }
    }
    free(rows);
    return status;
}

enum rk_status trainee_recover(struct trainee *trainee, struct store *store, struct rk_error *err)
{
    struct trainee *t = trainee;
    enum rk_status status = load_base(t, store, err);

    if (status == RK_OK) {
        status = repeat_steps(t, store, err);
    }
    if (status == RK_OK) {
        status = store_last_version(store, t->served->id, &t->last_version, err);
    }
    t->stored_ns = clock_monotonic_ns();
    return status;
}
