/*
 * The paired test behind the gate: a step is worse only where that is large enough to matter and
 * certain enough to be no accident.
 */
#include "logistic.h"

#include <math.h>
#include <rankd/judge.h>
#include <rankd/paired.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The loss that most lists do not exceed. */
static double usual_loss(const double *before, const double *after, size_t n, double *sorted)
{
    size_t lists = 0;
    double usual;

    for (size_t i = 0; i < n; i++) {
        if (!isnan(before[i]) && !isnan(after[i])) {
            sorted[lists++] = before[i];
        }
    }
    if (lists == 0) {
        return 1;
    }
    qsort(sorted, lists, sizeof *sorted, ascending);
    usual = sorted[(size_t)(RK_JUDGE_USUAL * (double)(lists - 1))];
    return usual > 0 ? usual : 1;
}

static struct rk_verdict compare(const double *before, const double *after, size_t n, double share,
                                 double bound)
{
    struct rk_verdict verdict = {0};
    struct rk_paired paired = {0};

    for (size_t i = 0; i < n; i++) {
        const double was = fmin(before[i], bound), is = fmin(after[i], bound);
        if (isnan(before[i]) || isnan(after[i])) {
            continue;
        }
        rk_paired_add(&paired, is - was);
        verdict.before += was;
        verdict.after += is;
    }
    verdict.lists = paired.n;
    if (verdict.lists == 0) {
        return verdict;
    }
    verdict.before /= (double)verdict.lists;
    verdict.after /= (double)verdict.lists;
    verdict.error = verdict.lists > 1 ? rk_paired_error(&paired) : 0;
    verdict.worse = verdict.lists >= RK_JUDGE_LISTS_MIN &&
                    paired.mean > share * fabs(verdict.before) &&
                    paired.mean > RK_JUDGE_ERRORS * verdict.error;
    return verdict;
}

struct rk_verdict rk_judge(const double *before, const double *after, size_t n, double share,
                           double *work)
{
    const double usual = usual_loss(before, after, n, work);
    const struct rk_verdict near = compare(before, after, n, share, usual);
    const struct rk_verdict far = compare(before, after, n, share, RK_JUDGE_FAR * usual);

    return far.worse && !near.worse ? far : near;
}

double rk_judge_preference(const double *score, const float *label, size_t n)
{
    double relevant = 0, others = 0;
    size_t n_relevant = 0;

    for (size_t i = 0; i < n; i++) {
        if (label[i] > 0) {
            relevant += score[i];
            n_relevant++;
        } else {
            others += score[i];
        }
    }
    if (n_relevant == 0 || n_relevant == n) {
        return (double)NAN;
    }
    return rk_logistic(relevant / (double)n_relevant - others / (double)(n - n_relevant)).sigma;
}

bool rk_judge_contradicts(const struct rk_paired *preference)
{
    return preference->n >= RK_JUDGE_STEP_LISTS_MIN &&
           preference->mean < RK_JUDGE_PREFERENCE - 0.5 &&
           -preference->mean > RK_JUDGE_ERRORS * rk_paired_error(preference);
}
