/*
 * What a step learns from: the lists of its cut in their order, but for those whose turn it is to
 * be held back, and update by update, so that one bad list does not take its neighbours along.
 */
#include "grow.h"
#include "trainee_impl.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- what is noted ---- */

static void note(struct positions *positions, int64_t seq)
{
    if (positions->n++ == 0) {
        emit_open(&positions->text, '[');
    }
    emit_integer(&positions->text, seq);
}

static bool close_positions(struct positions *positions)
{
    if (positions->n > 0) {
        emit_close(&positions->text, ']');
    }
    return !positions->text.failed;
}

bool step_result_close(struct step_result *result)
{
    return close_positions(&result->quarantined) && close_positions(&result->held) &&
           close_positions(&result->released);
}

void step_result_deinit(struct step_result *result)
{
    emit_deinit(&result->quarantined.text);
    emit_deinit(&result->held.text);
    emit_deinit(&result->released.text);
}

static void quarantine(struct step_result *result, int64_t seq, const char *reason)
{
    if (result->quarantined.n == 0) {
        (void)snprintf(result->reason, sizeof result->reason, "%s", reason);
    }
    note(&result->quarantined, seq);
}

/* ---- whose turn it is ---- */

static enum rk_status take_turn(struct trainee *t, const struct rk_group *group, int64_t seq,
                                struct rk_error *err)
{
    if (!grow_reserve(&t->turn, &t->cap_turns, t->n_turns + 1)) {
        return rk_fail(err, RK_NOMEM, "out of memory for a step");
    }
    t->turn[t->n_turns++] = (struct trainee_turn){.group = group, .seq = seq};
    return RK_OK;
}

/*
 * Holds a list back, and takes the turn of what leaves for it. One that could not be learned from
 * would blind the judge: it goes into quarantine instead.
 */
static enum rk_status hold_back(struct trainee *t, size_t i, int64_t upto,
                                struct step_result *result, struct rk_error *err)
{
    const struct cut_list at = {.seq = t->cut.seq[i], .upto = upto, .config = t->config};
    struct rk_error own = {0};
    struct held_list left;
    enum rk_status status =
        rk_learner_probe(t->learner, live_learning(&t->served->live), t->cut.group[i], &own);

    if (status == RK_DIVERGED || status == RK_INVALID) {
        quarantine(result, at.seq, own.text);
        return RK_OK;
    }
    if (status == RK_OK) {
        status = held_enter(&t->held, &t->cut.group[i], &at, &left, &own);
    }
    if (status != RK_OK) {
        return rk_fail(err, status, "%s", own.text);
    }
    note(&result->held, at.seq);
    if (left.group == NULL) {
        return RK_OK;
    }
    note(&result->released, left.at.seq);
    return take_turn(t, left.group, left.at.seq, err);
}

static enum rk_status take_turns(struct trainee *t, int64_t upto, struct step_result *result,
                                 struct rk_error *err)
{
    enum rk_status status = RK_OK;

    t->n_turns = 0;
    for (size_t i = 0; i < t->cut.n && status == RK_OK; i++) {
        /* What is taken again was counted the first time. */
        status = result->retry == 0 && held_turn(&t->held)
                     ? hold_back(t, i, upto, result, err)
                     : take_turn(t, t->cut.group[i], t->cut.seq[i], err);
    }
    return status;
}

/* ---- learning ---- */

static enum rk_status update(struct trainee *t, const struct trainee_turn *turn, size_t n,
                             const struct rk_group **groups, struct step_result *result,
                             struct rk_error *err)
{
    struct rk_error own = {0};
    enum rk_status status;

    for (size_t i = 0; i < n; i++) {
        groups[i] = turn[i].group;
    }
    status = rk_learner_update(t->learner, live_learning(&t->served->live), groups, n,
                               &result->learned, &own);
    if (status == RK_DIVERGED || status == RK_INVALID) {
        for (size_t i = 0; i < n; i++) {
            quarantine(result, turn[i].seq, own.text);
        }
        return RK_OK;
    }
    return status == RK_OK ? RK_OK : rk_fail(err, status, "%s", own.text);
}

static enum rk_status learn_turns(struct trainee *t, struct step_result *result,
                                  struct rk_error *err)
{
    const size_t at_once = (size_t)t->served->config.training.update_groups;
    const struct rk_group **groups = malloc(at_once * sizeof *groups);
    enum rk_status status = RK_OK;

    if (groups == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for a step");
    }
    for (size_t i = 0; i < t->n_turns && status == RK_OK; i += at_once) {
        const size_t n = t->n_turns - i < at_once ? t->n_turns - i : at_once;
        status = update(t, &t->turn[i], n, groups, result, err);
    }
    free(groups);
    return status;
}

/* Refuses the whole step: every list of it is in quarantine, and nothing else has happened. */
void trainee_refuse(struct trainee *t, struct step_result *result, const char *reason)
{
    char why[RK_ERROR_TEXT_MAX];

    (void)snprintf(why, sizeof why, "%s", reason);
    trainee_take_back(t);
    step_result_deinit(result);
    result->quarantined = result->held = result->released = (struct positions){0};
    for (size_t i = 0; i < t->cut.n; i++) {
        quarantine(result, t->cut.seq[i], why);
    }
    result->refused = true;
}

/*
 * Nothing, or so little that the rest is of no good source either. Who asks for lists to be taken
 * again has looked at them: what can be learned from is.
 */
static bool is_poisoned(const struct trainee *t, const struct step_result *result)
{
    const size_t n = result->quarantined.n;

    return n > 0 &&
           (result->learned.updates == 0 || (result->retry == 0 && n >= TRAINEE_POISONED_MIN &&
                                             n * TRAINEE_POISONED_PART >= t->cut.n));
}

enum rk_status trainee_learn(struct trainee *t, int64_t upto, struct step_result *result,
                             struct rk_error *err)
{
    enum rk_status status;

    held_begin(&t->held);
    rk_learner_begin(t->learner);
    status = take_turns(t, upto, result, err);
    if (status == RK_OK) {
        status = learn_turns(t, result, err);
    }
    if (status == RK_OK && is_poisoned(t, result)) {
        trainee_refuse(t, result, result->reason);
    }
    return status;
}

void trainee_take_back(struct trainee *t)
{
    rk_learner_undo(t->learner, live_learning(&t->served->live));
    held_undo(&t->held);
}
