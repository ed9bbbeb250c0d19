/*
 * The judge of a learning step: did it make lists it was not learned from worse?
 */
#ifndef RANKD_JUDGE_H
#define RANKD_JUDGE_H

#include <stdbool.h>
#include <stddef.h>

#define RK_JUDGE_LISTS_MIN 200  /* smaller tests refuse healthy steps */
#define RK_JUDGE_WORSE     0.01 /* of the mean loss */
#define RK_JUDGE_ERRORS    3.0  /* standard errors of the mean paired difference */

/* What a comparison of losses says. */
struct rk_verdict {
    size_t lists;  /* compared */
    double before; /* mean loss */
    double after;
    double error; /* standard error of the mean of after - before */
    bool worse;   /* after > 1.01 before, by more than 3 standard errors, on at least 200 lists */
};

/**
 * Compares the losses of lists before and after a step, pair by pair.
 *     d_i = after_i - before_i;  error = sqrt(sum (d_i - mean d)^2 / (n - 1) / n)
 *
 * @param before, after  (n); a list with a NaN on either side is left out.
 * Cost O(n). Threads: any.
 */
struct rk_verdict rk_judge(const double *before, const double *after, size_t n);

#endif
