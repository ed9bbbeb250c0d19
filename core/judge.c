/*
 * The paired test behind the gate: a step is worse only where that is large enough to matter and
 * certain enough to be no accident.
 */
#include <math.h>
#include <rankd/judge.h>
#include <rankd/paired.h>

struct rk_verdict rk_judge(const double *before, const double *after, size_t n)
{
    struct rk_verdict verdict = {0};
    struct rk_paired paired = {0};

    for (size_t i = 0; i < n; i++) {
        const double difference = after[i] - before[i];
        if (isnan(difference)) {
            continue;
        }
        rk_paired_add(&paired, difference);
        verdict.before += before[i];
        verdict.after += after[i];
    }
    verdict.lists = paired.n;
    if (verdict.lists == 0) {
        return verdict;
    }
    verdict.before /= (double)verdict.lists;
    verdict.after /= (double)verdict.lists;
    verdict.error = verdict.lists > 1 ? rk_paired_error(&paired) : 0;
    verdict.worse = verdict.lists >= RK_JUDGE_LISTS_MIN &&
                    paired.mean > RK_JUDGE_WORSE * fabs(verdict.before) &&
                    paired.mean > RK_JUDGE_ERRORS * verdict.error;
    return verdict;
}
