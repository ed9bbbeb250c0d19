/*
 * The learning step of one model, and recovery by taking the recorded steps again.
 */
#include "clock.h"
#include "failpoint.h"
#include "grow.h"
#include "log.h"
#include "trainee_impl.h"

#include <rankd/judge.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum rk_status trainee_learner(const struct served *served, const float *theta,
                               struct rk_learner **learner, struct rk_error *err)
{
    enum rk_status status = rk_learner_create(served->model, theta, learner, err);

    if (status == RK_OK) {
        rk_learner_limit(*learner, &(struct rk_limits){.gradient = TRAINEE_GRADIENT_MAX,
                                                       .parameter = TRAINEE_PARAMETER_MAX});
        rk_learner_set_rate(*learner, served->config.model.optim.learning_rate);
    }
    return status;
}

/* @param theta  the parameters it starts with, or NULL: some will be loaded. */
static enum rk_status create(struct served *served, const float *theta, int64_t seq,
                             struct trainee **trainee, struct rk_error *err)
{
    struct trainee *t = calloc(1, sizeof *t);
    enum rk_status status;

    if (t == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for a model in training");
    }
    t->served = served;
    t->seq = t->due_seq = seq;
    t->branch = -1;
    t->stored_ns = clock_monotonic_ns();
    status = trainee_reserve_config(t, err);
    if (status == RK_OK) {
        t->era[t->n_eras++] =
            (struct cut_era){.window_ms = served->config.training.attribution_s * 1000};
        status = trainee_learner(served, theta, &t->learner, err);
    }
    if (status != RK_OK) {
        trainee_destroy(&t);
        return status;
    }
    *trainee = t;
    return RK_OK;
}

enum rk_status trainee_create(struct served *served, int64_t seq, struct trainee **trainee,
                              struct rk_error *err)
{
    return create(served, live_served(&served->live), seq, trainee, err);
}

enum rk_status trainee_create_empty(struct served *served, int64_t seq, struct trainee **trainee,
                                    struct rk_error *err)
{
    return create(served, NULL, seq, trainee, err);
}

void trainee_destroy(struct trainee **trainee)
{
    struct trainee *t = *trainee;

    if (t == NULL) {
        return;
    }
    rk_learner_destroy(&t->learner);
    held_deinit(&t->held);
    free(t->turn);
    cut_deinit(&t->cut);
    free(t->era);
    free(t->score);
    free(t->work);
    free(t);
    *trainee = NULL;
}

void trainee_close(struct trainee **trainee)
{
    struct served *served = *trainee != NULL ? (*trainee)->served : NULL;

    trainee_destroy(trainee);
    served_destroy(&served);
}

void trainee_show(struct trainee *trainee, bool running)
{
    atomic_store(&trainee->served->behind, trainee->behind);
    atomic_store(&trainee->served->state, trainee->halted              ? MODEL_HALTED
                                          : trainee->paused            ? MODEL_PAUSED
                                          : running || trainee->behind ? MODEL_RUNNING
                                                                       : MODEL_IDLE);
}

/* ---- one step ---- */

/* What each list needs: the model's heads, then what orders the list, then its click logits. */
static bool reserve_scores(struct trainee *t, const struct rk_group *group)
{
    const size_t scores = group->n_items * (rk_model_heads(t->served->model) + 2);
    const size_t forward =
        rk_model_work(t->served->model, group->n_items, group->offset[group->n_items + 1]);
    const size_t eval = rk_eval_work(group->n_items);
    const size_t work = forward > eval ? forward : eval;

    return grow_reserve(&t->score, &t->cap_score, scores) &&
           grow_reserve(&t->work, &t->cap_work, work);
}

static void add_up(struct rk_eval_sum *sum, const struct rk_eval_sum *more)
{
    sum->lists += more->lists;
    sum->ndcg += more->ndcg;
    sum->ndcg_n += more->ndcg_n;
    sum->auc += more->auc;
    sum->auc_n += more->auc_n;
    sum->log_loss += more->log_loss;
    sum->log_loss_n += more->log_loss_n;
}

/*
 * The metrics of one list under theta: of the order it would be served in, and the log loss of the
 * probability it would be served with, where the model gives one. A list without finite scores has
 * none; learning will put it into quarantine.
 */
static void evaluate_list(struct trainee *t, const float *theta, size_t i,
                          struct step_result *result)
{
    const struct rk_group *group = t->cut.group[i];
    const struct rk_model *model = t->served->model;
    const size_t n = group->n_items;
    double *head = t->score, *score = head + n * rk_model_heads(model), *logit = score + n;
    struct rk_eval_sum one = {0};

    if (theta == NULL) {
        memset(head, 0, n * rk_model_heads(model) * sizeof *head);
    } else if (rk_model_forward(model, theta, group, t->work, head, NULL) != RK_OK) {
        return;
    }
    rk_model_scores(model, head, n, score);
    rk_eval_add(&one, score, group->label, n, t->work);
    if (rk_model_click_logits(model, head, n, logit)) {
        one.log_loss = rk_eval_log_loss(logit, group->label, n);
    }
    rk_paired_add(&result->preference, rk_judge_preference(score, group->label, n) - 0.5);
    add_up(&result->before, &one);
    if (t->watch.list != NULL) {
        t->watch.list(t->watch.context, t->cut.seq[i], &one);
    }
}

enum rk_status trainee_evaluate(struct trainee *t, struct step_result *result, struct rk_error *err)
{
    const struct live *live = &t->served->live;
    const float *theta = live_version(live) > 0 ? live_served(live) : NULL;

    for (size_t i = 0; i < t->cut.n; i++) {
        if (!reserve_scores(t, t->cut.group[i])) {
            return rk_fail(err, RK_NOMEM, "out of memory for a step");
        }
        evaluate_list(t, theta, i, result);
    }
    return RK_OK;
}

static struct store_step row_of(const struct trainee *t, const struct cut_range *range,
                                const struct step_result *result)
{
    const struct rk_eval_sum *before = &result->before;
    struct store_step row = {.model = t->served->id,
                             .version = live_version(&t->served->live),
                             .from_seq = range->from_seq,
                             .to_seq = range->to_seq,
                             .due_from = range->due_from,
                             .due_to = range->due_to,
                             .config = t->config,
                             .outcome = result->refused ? STORE_QUARANTINED : STORE_NO_OP,
                             .quarantined = result->quarantined.text.text,
                             .held = result->held.text.text,
                             .released = result->released.text.text,
                             .retry = result->retry,
                             .teacher = t->cut.teacher.score,
                             .n_teacher = t->cut.teacher.n,
                             .lists = (int64_t)t->cut.n,
                             .pairs = (int64_t)result->learned.pairs,
                             .loss = result->learned.updates > 0
                                         ? result->learned.loss / (double)result->learned.updates
                                         : 0,
                             .grad_norm = result->learned.grad_norm,
                             .ndcg = before->ndcg,
                             .ndcg_n = (int64_t)before->ndcg_n,
                             .auc = before->auc,
                             .auc_n = (int64_t)before->auc_n,
                             .log_loss = before->log_loss,
                             .log_loss_n = (int64_t)before->log_loss_n,
                             .time_ms = clock_unix_ms()};

    memcpy(row.reason, result->reason, sizeof row.reason);
    if (row.reason[0] == '\0' && t->cut.n_untaught > 0) {
        (void)snprintf(row.reason, sizeof row.reason, "%zu lists had no teacher",
                       t->cut.n_untaught);
    }
    if (result->learned.updates > 0 && !result->refused) {
        row.outcome = STORE_PUBLISHED;
        row.version = t->last_version + 1;
    }
    return row;
}

struct step_job {
    struct writer_job job;
    struct store_step *row;
    bool pauses; /* the model, after it */
};

static enum rk_status step_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    const struct step_job *step = (struct step_job *)job;
    const enum rk_status status = store_put_step(store, step->row, err);

    return status == RK_OK && step->pauses
               ? store_set_paused(store, step->row->model, true, step->row->time_ms, err)
               : status;
}

void trainee_publish(struct trainee *t, int64_t version)
{
    size_t n;
    const uint32_t *rows = rk_learner_touched(t->learner, &n);

    live_publish(&t->served->live, version, rows, n);
    held_publish(&t->held);
    if (version > t->last_version) { /* else it is one that is made again */
        t->last_version = version;
    }
}

void trainee_pass(struct trainee *t, const struct store_step *row)
{
    if (row->retry == 0) { /* else its lists were counted before */
        held_pass(&t->held, (size_t)row->lists);
    }
}

void trainee_move_on(struct trainee *t, const struct cut_range *range)
{
    t->seq = range->to_seq;
    t->due_seq = range->due_to;
    atomic_store(&t->served->position, t->seq);
}

static void count(const struct trainee *t, const struct trainee_tools *tools,
                  const struct store_step *row, const struct step_result *result)
{
    static const enum metric_counter by_outcome[] = {METRIC_STEPS_PUBLISHED, METRIC_STEPS_NO_OP,
                                                     METRIC_STEPS_QUARANTINED};
    const int64_t now_ms = clock_unix_ms();

    if (tools->metrics == NULL) {
        return;
    }
    metrics_add(tools->metrics, by_outcome[row->outcome], 1);
    metrics_add(tools->metrics, METRIC_LISTS_LEARNED, result->learned.lists);
    metrics_add(tools->metrics, METRIC_LISTS_QUARANTINED, result->quarantined.n);
    for (size_t i = 0; i < t->cut.n && row->outcome == STORE_PUBLISHED && row->retry == 0; i++) {
        const int64_t age_ms = now_ms - t->cut.time_ms[i];
        if (t->cut.group[i] == NULL) {
            continue; /* held back: not learned from yet */
        }
        metrics_observe(&tools->metrics->freshness, age_ms > 0 ? (uint64_t)age_ms * 1000000 : 0);
    }
}

/*
 * Has the step recorded, and its row's id made; in a rehearsal there is nobody who would.
 *
 * @param pauses  the model, in the same transaction.
 */
static enum rk_status record(const struct trainee_tools *tools, struct store_step *row, bool pauses,
                             struct rk_error *err)
{
    struct step_job job = {
        .job = {.run = step_run, .weight = 1, .bytes = sizeof *row}, .row = row, .pauses = pauses};
    struct writer_outcome outcome = {0};

    if (tools->writer != NULL) {
        outcome = writer_run(tools->writer, &job.job);
    }
    return outcome.err.status == RK_OK ? RK_OK
                                       : rk_fail(err, outcome.err.status, "%s", outcome.err.text);
}

/* What has become of the step, once it is recorded. */
static void settled(struct trainee *t, const struct trainee_tools *tools,
                    const struct store_step *row, const struct step_result *result, bool pauses)
{
    t->step = row->id;
    t->refused = trainee_refused(t, row->outcome);
    if (row->outcome == STORE_PUBLISHED) {
        trainee_publish(t, row->version);
    } else if (row->outcome == STORE_QUARANTINED) {
        trainee_pass(t, row);
    }
    failpoint(FAILPOINT_PUBLISHED);
    if (result->quarantined.n > 0) {
        log_warn("lists_quarantined", log_text("model", t->served->name),
                 log_number("lists", (int64_t)result->quarantined.n),
                 log_text("reason", result->reason));
    }
    if (pauses) {
        t->paused = true;
        if (tools->metrics != NULL) {
            metrics_add(tools->metrics, METRIC_TRAINING_PAUSED, 1);
        }
        log_error("training_paused", log_text("model", t->served->name),
                  log_text("reason", result->reason));
    }
    add_up(&t->since_stored, &result->before);
    count(t, tools, row, result);
}

/* Has the step recorded; publishes it after that, or takes it back. */
static enum rk_status settle(struct trainee *t, const struct trainee_tools *tools,
                             const struct cut_range *range, const struct step_result *result,
                             struct rk_error *err)
{
    struct store_step row = row_of(t, range, result);
    const bool pauses = row.outcome == STORE_QUARANTINED && trainee_refused(t, row.outcome) == 0;
    const enum rk_status status = record(tools, &row, pauses, err);

    if (status != RK_OK) {
        trainee_take_back(t);
        return status;
    }
    failpoint(FAILPOINT_STEP_RECORDED);
    settled(t, tools, &row, result, pauses);
    trainee_move_on(t, range);
    return RK_OK;
}

const struct served *trainee_teacher(const struct trainee *t, const struct trainee_tools *tools)
{
    return tools->models != NULL && t->served->config.teacher[0] != '\0'
               ? models_find(models_now(tools->models), t->served->config.teacher)
               : NULL;
}

/* Learns from what was cut, judges, has it recorded, and publishes or undoes. */
static enum rk_status learn_and_settle(struct trainee *t, const struct trainee_tools *tools,
                                       const struct cut_range *range, struct step_result *result,
                                       struct rk_error *err)
{
    enum rk_status status = trainee_learn(t, range->to_seq, result, err);

    if (status == RK_OK) {
        status = trainee_judge(t, result, err);
    }
    if (status == RK_OK) {
        return settle(t, tools, range, result, err);
    }
    trainee_take_back(t);
    return status;
}

/* Plans and cuts the next step in one read transaction: a look-up by itself costs as much in locks. */
static enum rk_status cut_next(struct trainee *t, const struct trainee_tools *tools,
                               int64_t log_end, struct cut_range *range, struct rk_error *err)
{
    const int64_t now_ms = tools->now_ms != 0 ? tools->now_ms : clock_unix_ms();
    const struct cut_terms terms = trainee_terms(t);
    enum rk_status status = store_begin(tools->store, err);

    if (status == RK_OK) {
        status = cut_plan(tools->store, &terms, log_end, now_ms, range, err);
    }
    if (status == RK_OK) {
        teacher_begin(&t->cut.teacher, trainee_teacher(t, tools));
        status = cut_groups(tools->store, &terms, range, &t->cut, err);
    }
    if (status == RK_OK) {
        return store_commit(tools->store, err);
    }
    store_rollback(tools->store);
    return status;
}

enum rk_status trainee_step(struct trainee *trainee, const struct trainee_tools *tools,
                            int64_t log_end, bool *more, struct rk_error *err)
{
    struct trainee *t = trainee;
    struct cut_range range = {.from_seq = t->seq, .due_from = t->due_seq};
    struct step_result result = {0};
    enum rk_status status = cut_next(t, tools, log_end, &range, err);

    *more = false;
    if (status != RK_OK) {
        return status;
    }
    *more = range.to_seq < log_end || range.due_to > range.due_from;
    if (t->cut.n == 0 && t->cut.n_untaught == 0) {
        trainee_move_on(t, &range);
        return RK_OK;
    }
    status = trainee_evaluate(t, &result, err);
    if (status == RK_OK) {
        status = learn_and_settle(t, tools, &range, &result, err);
    }
    step_result_deinit(&result);
    return status;
}

enum rk_status trainee_retry(struct trainee *trainee, const struct trainee_tools *tools,
                             const struct store_step *refused, struct rk_error *err)
{
    struct trainee *t = trainee;
    const struct cut_range range = {
        .from_seq = t->seq, .to_seq = t->seq, .due_from = t->due_seq, .due_to = t->due_seq};
    struct step_result result = {.retry = refused->id};
    enum rk_status status;

    teacher_begin(&t->cut.teacher, trainee_teacher(t, tools));
    status = trainee_cut_again(t, tools->store, refused, t->seq, err);
    if (status == RK_OK) {
        status = learn_and_settle(t, tools, &range, &result, err);
    }
    step_result_deinit(&result);
    return status;
}

/* ---- checkpoints ---- */

char *trainee_held_text(const struct trainee *trainee)
{
    struct emit out = {0};

    held_write(&trainee->held, &out);
    return emit_take(&out, &(size_t){0});
}

/* Progressive metrics since the checkpoint before, as JSON. */
static char *metrics_text(const struct rk_eval_sum *sum)
{
    struct emit out = {0};

    emit_open(&out, '{');
    emit_key(&out, "lists");
    emit_integer(&out, (int64_t)sum->lists);
    emit_key(&out, "ndcg@10");
    emit_mean(&out, sum->ndcg, (int64_t)sum->ndcg_n);
    emit_key(&out, "auc");
    emit_mean(&out, sum->auc, (int64_t)sum->auc_n);
    emit_key(&out, "log_loss");
    emit_mean(&out, sum->log_loss, (int64_t)sum->log_loss_n);
    emit_close(&out, '}');
    return emit_take(&out, &(size_t){0});
}

enum rk_status trainee_checkpoint(struct trainee *trainee, enum store_source source,
                                  struct checkpoint_bytes *file, struct store_checkpoint *row,
                                  struct rk_error *err)
{
    struct trainee *t = trainee;
    const int64_t version = live_version(&t->served->live);
    enum rk_status status = checkpoint_write(t->served->model, live_served(&t->served->live),
                                             t->learner, version, file, err);

    if (status != RK_OK) {
        return status;
    }
    *row = (struct store_checkpoint){.model = t->served->id,
                                     .version = version,
                                     .parent = atomic_load(&t->served->checkpoint_version),
                                     .source = source,
                                     .time_ms = clock_unix_ms(),
                                     .seq = t->seq,
                                     .due_seq = t->due_seq,
                                     .step = t->step};
    status = checkpoint_seal(file, row, err);
    if (status == RK_OK) {
        row->metrics = metrics_text(&t->since_stored);
        row->held = trainee_held_text(t);
        status = row->metrics != NULL && row->held != NULL
                     ? RK_OK
                     : rk_fail(err, RK_NOMEM, "out of memory for a checkpoint");
    }
    if (status == RK_OK) {
        t->since_stored = (struct rk_eval_sum){0};
    }
    return status;
}
