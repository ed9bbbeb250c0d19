/*
 * The paired test behind the gate: a step is worse only where that is large enough to matter and
 * certain enough to be no accident.
 */
#include <math.h>
#include <rankd/judge.h>

struct rk_verdict rk_judge(const double *before, const double *after, size_t n)
{
    struct rk_verdict verdict = {0};
    double mean = 0, squares = 0; /* of the differences: Welford 1962 */

    for (size_t i = 0; i < n; i++) {
        const double difference = after[i] - before[i];
        double off;
        if (isnan(difference)) {
            continue;
        }
        verdict.lists++;
        off = difference - mean;
        mean += off / (double)verdict.lists;
        squares += off * (difference - mean);
        verdict.before += before[i];
        verdict.after += after[i];
    }
    if (verdict.lists == 0) {
        return verdict;
    }
    verdict.before /= (double)verdict.lists;
    verdict.after /= (double)verdict.lists;
    if (verdict.lists > 1) {
        verdict.error = sqrt(squares / (double)(verdict.lists - 1) / (double)verdict.lists);
    }
    verdict.worse = verdict.lists >= RK_JUDGE_LISTS_MIN &&
                    mean > RK_JUDGE_WORSE * fabs(verdict.before) &&
                    mean > RK_JUDGE_ERRORS * verdict.error;
    return verdict;
}
