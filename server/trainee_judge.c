/*
 * The judge: does a step make lists worse that it was not learned from? And how often in a row.
 */
#include "trainee_impl.h"

#include <rankd/judge.h>
#include <stdio.h>

/*
 * How many of the ring, from the oldest on, are asked: those that were in it before the step, for a
 * list that came with it may be of the same poison; all where so large a step has left too few.
 */
static size_t judges(const struct held *held)
{
    const size_t n = held_before(held);

    return n >= RK_JUDGE_LISTS_MIN ? n : held->n;
}

/* Losses of the lists held back, under what is served where that is not known, and what was learned. */
static enum rk_status compare(struct trainee *t, double *before, double *after,
                              struct rk_error *err)
{
    const struct live *live = &t->served->live;
    enum rk_status status = RK_OK;

    for (size_t i = 0; i < t->held.n; i++) {
        struct held_list *list = &t->held.list[t->held.first + i];
        if (!list->known) {
            status =
                rk_learner_loss(t->learner, live_served(live), list->group, &list->before, err);
            list->known = status == RK_OK;
        }
        if (status == RK_OK) {
            status = rk_learner_loss(t->learner, live_learning(&t->served->live), list->group,
                                     &list->after, err);
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

    if (!result->refused && result->learned.updates > 0 && t->held.n >= RK_JUDGE_LISTS_MIN) {
        struct rk_verdict verdict = {0};
        status = compare(t, before, after, &own);
        if (status == RK_OK) {
            verdict = rk_judge(before, after, judges(&t->held), work);
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
