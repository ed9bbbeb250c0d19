/*
 * The logistic function and softplus, exact for any finite argument: log(1 + exp(x)) overflows at x
 * = 710, this does not.
 */
#ifndef RANKD_CORE_LOGISTIC_H
#define RANKD_CORE_LOGISTIC_H

#include <math.h>

struct rk_logistic {
    double softplus; /* log(1 + exp(x)) */
    double sigma;    /* 1 / (1 + exp(-x)), the derivative of softplus */
};

/* Both from one exponential of a number <= 0. */
static inline struct rk_logistic rk_logistic(double x)
{
    double e = exp(-fabs(x));
    return (struct rk_logistic){
        .softplus = fmax(x, 0.0) + log1p(e),
        .sigma = (x >= 0.0 ? 1.0 : e) / (1.0 + e),
    };
}

#endif
