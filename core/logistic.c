/*
 * The logistic function of many numbers.
 */
#include "logistic.h"

RK_CLONES static void each(const double *restrict x, size_t n, double *restrict softplus,
                           double *restrict sigma)
{
    for (size_t i = 0; i < n; i++) {
        const struct rk_logistic one = rk_logistic(x[i]);
        softplus[i] = one.softplus;
        sigma[i] = one.sigma;
    }
}

void rk_logistic_each(const double *x, size_t n, double *softplus, double *sigma)
{
    each(x, n, softplus, sigma);
}
