/*
 * The judge: do a step's labels contradict what was learned, does it make lists worse that it was not
 * learned from? And how often in a row.
 */
#include "trainee_impl.h"

#include <rankd/judge.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Losses of the lists that were held back when the step began, under what is served where that is not
 * known, and what was learned: those that came with it may be of the same poison.
 */
static enum rk_status compare(struct trainee *t, double *before, double *after,
                              struct rk_error *err)
{
    struct live *live = &t->served->live;
    enum rk_status status = RK_OK;

    for (size_t i = 0; i < t->held.kept_n; i++) {
        struct held_list *list = &t->held.list[i];
        if (!list->known) {
            status =
                rk_learner_loss(t->learner, live_served(live), list->group, &list->before, err);
            list->known = status == RK_OK;
        }
        if (status == RK_OK) {
            status =
                rk_learner_loss(t->learner, live_learning(live), list->group, &list->after, err);
        }
        if (status != RK_OK) {
            return status;
        }
        before[i] = list->before;
        after[i] = list->after;
    }
    t->held.judged = true;
    return RK_OK;
}

/* @return RK_OK, refused or not; RK_NOMEM. */
static enum rk_status judge_held(struct trainee *t, struct step_result *result,
                                 struct rk_error *err)
{
    double before[HELD_LISTS], after[HELD_LISTS], work[HELD_LISTS];
    char why[RK_ERROR_TEXT_MAX];
    struct rk_error own = {0};
    struct rk_verdict verdict;
    const enum rk_status status = compare(t, before, after, &own);

    if (status == RK_DIVERGED) {
        trainee_refuse(t, result, "it makes scores of lists held back not finite");
        return RK_OK;
    }
    if (status != RK_OK) {
        return rk_fail(err, status, "%s", own.text);
    }
    verdict =
        rk_judge(before, after, t->held.kept_n,
                 rk_model_is_layered(t->served->model) ? RK_JUDGE_WORSE_ALL : RK_JUDGE_WORSE, work);
    if (verdict.worse) {
        (void)snprintf(why, sizeof why, "the loss of %zu lists held back rises from %.4g to %.4g",
                       verdict.lists, verdict.before, verdict.after);
        trainee_refuse(t, result, why);
    }
    return RK_OK;
}

/* Who learns from a teacher does not learn from labels: they may say what they like. */
static bool contradicts(const struct trainee *t, const struct step_result *result)
{
    return !rk_loss_needs_teacher(&t->served->config.model.loss) &&
           rk_judge_contradicts(&result->preference);
}

enum rk_status trainee_judge(struct trainee *t, struct step_result *result, struct rk_error *err)
{
    const bool sits =
        !result->refused && result->learned.updates > 0 && t->held.kept_n >= RK_JUDGE_LISTS_MIN;
    char why[RK_ERROR_TEXT_MAX];
    enum rk_status status = RK_OK;

    if (sits && contradicts(t, result)) {
        (void)snprintf(
            why, sizeof why,
            "the labels of %zu lists contradict what was learned: a mean preference of %.3g",
            result->preference.n, 0.5 + result->preference.mean);
        trainee_refuse(t, result, why);
    } else if (sits) {
        status = judge_held(t, result, err);
    }
    if (status != RK_OK) {
        return status;
    }
    return step_result_close(result) ? RK_OK : rk_fail(err, RK_NOMEM, "out of memory for a step");
}

int trainee_refused(const struct trainee *t, enum store_outcome outcome)
{
    return outcome == STORE_PUBLISHED     ? 0
           : outcome == STORE_QUARANTINED ? (t->refused + 1) % TRAINEE_REFUSED_MAX
                                          : t->refused;
}

enum rk_status trainee_recall_refused(struct trainee *t, struct store *store, struct rk_error *err)
{
    enum {
        NEWEST = 64
    };
    struct store_step *rows = calloc(NEWEST, sizeof *rows);
    size_t n = NEWEST;
    enum rk_status status = rows != NULL
                                ? store_list_steps(store, t->served->id, 0, true, rows, &n, err)
                                : rk_fail(err, RK_NOMEM, "out of memory for recovery");

    t->refused = 0;
    for (size_t i = status == RK_OK ? n : 0; i-- > 0;) {
        t->refused = trainee_refused(t, rows[i].outcome);
        free(rows[i].quarantined);
    }
    free(rows);
    return status;
}
