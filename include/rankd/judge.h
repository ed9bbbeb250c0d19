/*
 * The judge of a learning step: did it make lists it was not learned from worse?
 */
#ifndef RANKD_JUDGE_H
#define RANKD_JUDGE_H

#include <rankd/paired.h>
#include <stdbool.h>
#include <stddef.h>

#define RK_JUDGE_LISTS_MIN 200  /* smaller tests refuse healthy steps */
#define RK_JUDGE_WORSE     0.01 /* of the mean loss, where a step moves what it touches alone; */
#define RK_JUDGE_WORSE_ALL 0.05 /* where it moves all lists at once, to and fro: layers */
#define RK_JUDGE_ERRORS    3.0  /* standard errors of the mean paired difference */
#define RK_JUDGE_USUAL     0.9  /* of the lists have a usual loss before: at most u */
#define RK_JUDGE_FAR       4.0  /* u: what a larger loss counts as, where damage is looked for */

#define RK_JUDGE_STEP_LISTS_MIN 16   /* of a step, to look at its own labels */
#define RK_JUDGE_PREFERENCE     0.45 /* mean preference; 0.5 says nothing */

/* What a comparison of losses says. */
struct rk_verdict {
    size_t lists;  /* compared */
    double before; /* mean loss */
    double after;
    double error; /* standard error of the mean of after - before */
    bool worse;   /* by more than the share and 3 standard errors, on at least 200 lists */
};

/**
 * Compares the losses of lists before and after a step, pair by pair.
 *     d_i = min(after_i, b) - min(before_i, b);  error = sqrt(sum (d_i - mean d)^2 / (n - 1) / n)
 * The bound b keeps few lists with enormous losses from drowning the rest in their error: by k such
 * lists alone a mean is never more than sqrt(k) errors. It is tried twice, b = u for what happens to
 * usual lists and b = 4 u for large damage, where u is the loss that 90 % of the lists had before (1
 * where that is 0); the verdict is the first, or the second if only that is worse.
 *
 * @param before, after  (n); a list with a NaN on either side is left out.
 * @param share  of the mean loss that is worse: RK_JUDGE_WORSE or RK_JUDGE_WORSE_ALL.
 * @param work  (n) scratch.
 * Cost O(n log n). Threads: any.
 */
struct rk_verdict rk_judge(const double *before, const double *after, size_t n, double share,
                           double *work);

/**
 * How likely a model thought it, before it knew, that what is relevant in a list (y > 0) is so rather
 * than the rest.
 *     sigma(mean score of the relevant - mean score of the others)
 * Unlike an AUC it is near 0.5 where the model knows nothing, whatever order that gives.
 *
 * @param score, label  (n). @return in [0, 1]; NaN without a relevant or without another item.
 */
double rk_judge_preference(const double *score, const float *label, size_t n);

/**
 * Do a step's labels contradict what was learned? A mean preference below 0.45, by more than 3 standard
 * errors below 0.5, on at least 16 lists. This sees what the loss of other lists does not: labels
 * turned round do their harm to few users.
 *
 * @param preference  each list's, less 0.5. Threads: any.
 */
bool rk_judge_contradicts(const struct rk_paired *preference);

#endif
