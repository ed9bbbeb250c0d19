/*
 * The judge: does a step make lists worse that it was not learned from? And how often in a row.
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

enum rk_status trainee_judge(struct trainee *t, struct step_result *result, struct rk_error *err)
{
    double before[HELD_LISTS], after[HELD_LISTS], work[HELD_LISTS];
    char why[RK_ERROR_TEXT_MAX];
    struct rk_error own = {0};
    enum rk_status status = RK_OK;

    if (!result->refused && result->learned.updates > 0 && t->held.kept_n >= RK_JUDGE_LISTS_MIN) {
        struct rk_verdict verdict = {0};
        status = compare(t, before, after, &own);
        if (status == RK_OK) {
            verdict = rk_judge(before, after, t->held.kept_n, work);
        }
        if (status == RK_DIVERGED) {
            trainee_refuse(t, result, "it makes scores of lists held back not finite");
        } else if (verdict.worse) {
            (void)snprintf(why, sizeof why,
                           "the loss of %zu lists held back rises from %.4g to %.4g", verdict.lists,
                           verdict.before, verdict.after);
            trainee_refuse(t, result, why);
        }
        status = status == RK_DIVERGED ? RK_OK : status;
    }
    if (status != RK_OK) {
        return rk_fail(err, status, "%s", own.text);
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
