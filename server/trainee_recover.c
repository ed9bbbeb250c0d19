/*
 * Opening a stored model, loading a checkpoint, and taking the recorded steps after it again.
 */
#include "failpoint.h"
#include "trainee_impl.h"

#include <stdlib.h>
#include <string.h>

enum rk_status trainee_open(const struct store_model *row, size_t max_bytes, size_t n_slots,
                            struct trainee **trainee, struct rk_error *err)
{
    struct model_config config;
    struct problem problem = {0};
    struct served *served = NULL;
    enum rk_status status;

    if (!model_config_parse(row->config, strlen(row->config), &config, &problem)) {
        return problem_stored(&problem, err, "the stored configuration of model \"%s\"", row->name);
    }
    status = served_create_empty(row->name, &config, max_bytes, n_slots, &served, err);
    if (status == RK_OK) {
        served->id = row->id;
        status = trainee_create_empty(served, row->seq, trainee, err);
    }
    if (status != RK_OK) {
        served_destroy(&served);
    }
    return status;
}

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
    trainee_stand_at(t, checkpoint->version, seq, due_seq, step);
    return RK_OK;
}

void trainee_stand_at(struct trainee *t, int64_t version, int64_t seq, int64_t due_seq,
                      int64_t step)
{
    live_publish_all(&t->served->live, version);
    t->held.judged = false;
    held_publish(&t->held);
    t->seq = seq;
    t->due_seq = due_seq;
    t->step = step;
    t->branch = -1;
    t->behind = t->halted = false;
    atomic_store(&t->served->position, seq);
    atomic_store(&t->served->checkpoint_version, version);
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

/* The lists of a recorded step: its range of the log, or those of another that were in quarantine. */
static enum rk_status cut_recorded(struct trainee *t, struct store *store,
                                   const struct store_step *row, const struct cut_range *range,
                                   struct rk_error *err)
{
    const struct cut_terms terms = trainee_terms(t);
    struct store_step refused;
    enum rk_status status;

    if (row->retry == 0) {
        return cut_groups(store, &terms, range, &t->cut, err);
    }
    status = store_get_step(store, t->served->id, row->retry, &refused, err);
    if (status == RK_OK) {
        status = trainee_cut_again(t, store, &refused, row->to_seq, err);
        free(refused.quarantined);
    }
    return status;
}

/* As a step has its lists before it learns; lists that are tried again were told of before. */
static enum rk_status prepare(struct trainee *t, struct store *store, const struct store_step *row,
                              const struct cut_range *range, struct rk_error *err)
{
    struct step_result before = {0};
    enum rk_status status = recall_teacher(t, store, row, err);

    if (status == RK_OK) {
        status = cut_recorded(t, store, row, range, err);
    }
    return status == RK_OK && t->watch.list != NULL && row->retry == 0
               ? trainee_evaluate(t, &before, err)
               : status;
}

static enum rk_status learn_again(struct trainee *t, struct store *store,
                                  const struct store_step *row, const struct cut_range *range,
                                  struct rk_error *err)
{
    struct step_result result = {.retry = row->retry};
    enum rk_status status = prepare(t, store, row, range, err);

    if (status != RK_OK) {
        return status;
    }
    status = trainee_learn(t, row->to_seq, &result, err);
    if (status == RK_OK && !is_as_recorded(t, row, &result)) {
        status = rk_fail(err, RK_MISMATCH, "step %lld of model \"%s\" does not repeat as recorded",
                         (long long)row->id, t->served->name);
    }
    if (status != RK_OK) {
        trainee_take_back(t);
    }
    step_result_deinit(&result);
    return status;
}

enum rk_status trainee_repeat_step(struct trainee *t, struct store *store,
                                   const struct store_step *row, struct rk_error *err)
{
    const struct cut_range range = {.from_seq = row->from_seq,
                                    .to_seq = row->to_seq,
                                    .due_from = row->due_from,
                                    .due_to = row->due_to};
    enum rk_status status =
        row->config != t->config ? trainee_recall_config(t, store, row->config, err) : RK_OK;

    if (status != RK_OK) {
        return status;
    }
    if (row->outcome != STORE_QUARANTINED) {
        status = learn_again(t, store, row, &range, err);
    } else if (t->watch.list != NULL) { /* nothing happened but that it was tried */
        status = prepare(t, store, row, &range, err);
    }
    if (status != RK_OK) {
        return status;
    }
    if (row->outcome == STORE_PUBLISHED) {
        trainee_publish(t, row->version);
    } else if (row->outcome == STORE_QUARANTINED) {
        trainee_pass(t, row);
    }
    failpoint(FAILPOINT_STEP_REPEATED);
    t->step = row->id;
    trainee_move_on(t, &range);
    return RK_OK;
}

/* Takes the next recorded step again. @param done  out: there is none, of at most that id. */
static enum rk_status repeat_next(struct trainee *t, struct store *store, int64_t last, bool *done,
                                  struct rk_error *err)
{
    struct store_step row = {0};
    size_t n = 1;
    enum rk_status status = store_list_steps(store, t->served->id, t->step, false, &row, &n, err);

    if (status != RK_OK) {
        return status;
    }
    *done = n == 0 || row.id > last;
    if (!*done) {
        status = trainee_repeat_step(t, store, &row, err);
    }
    free(row.quarantined);
    return status;
}

enum rk_status trainee_repeat(struct trainee *t, struct store *store, int64_t last,
                              struct rk_error *err)
{
    bool done = false;
    enum rk_status status = RK_OK;

    while (status == RK_OK && !done) {
        status = repeat_next(t, store, last, &done, err);
    }
    return status;
}

static bool may_pass(enum rk_status status)
{
    return status == RK_IO || status == RK_NOMEM || status == RK_BUSY;
}

enum rk_status trainee_catch_up(struct trainee *trainee, struct store *store, struct rk_error *err)
{
    struct trainee *t = trainee;
    bool done = false;
    enum rk_status status = repeat_next(t, store, INT64_MAX, &done, err);

    if (status == RK_OK && done) {
        status = trainee_recall_config(t, store, INT64_MAX, err);
        t->behind = status != RK_OK;
    }
    t->halted = status != RK_OK && !may_pass(status);
    return status;
}
