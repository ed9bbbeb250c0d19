/*
 * The logistic function and softplus, for any finite argument: log(1 + exp(x)) overflows at x = 710,
 * this does not. Branch-free and without a call, so that a loop over it is vectorised; the same bits
 * on every processor and with every library. Within 4e-16 of softplus and sigma, relatively; below
 * e^-708 they are 0.
 */
#ifndef RANKD_CORE_LOGISTIC_H
#define RANKD_CORE_LOGISTIC_H

#include "clones.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rk_logistic {
    double softplus; /* log(1 + exp(x)) */
    double sigma;    /* 1 / (1 + exp(-x)), the derivative of softplus */
};

/*
 * exp(x) for x <= 0: 2^n exp(r) with n the whole number next to x / ln 2, so that |r| <= ln 2 / 2,
 * where Taylor's series to the 13th power is exact. Adding 1.5 * 2^52 leaves n in the lowest bits.
 */
RK_IN_CLONES double rk_exp_below_0(double x)
{
    const double shift = 0x1.8p52;
    const double y = x < -708.0 ? -708.0 : x;
    const double shifted = y * 0x1.71547652b82fep0 + shift;
    const double n = shifted - shift;
    const double r = (y - n * 0x1.62e42fee00000p-1) - n * 0x1.a39ef35793c76p-33;
    double p = 1.0 / 6227020800, power;
    uint64_t bits;

    p = p * r + 1.0 / 479001600;
    p = p * r + 1.0 / 39916800;
    p = p * r + 1.0 / 3628800;
    p = p * r + 1.0 / 362880;
    p = p * r + 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits << 52) + (UINT64_C(1023) << 52);
    memcpy(&power, &bits, sizeof power);
    return x < -708.0 ? 0.0 : p * power;
}

/*
 * log(1 + e) for 0 <= e <= 1: with s = e / (2 + e) it is 2 atanh(s), a series in s^2 <= 1/9. Above
 * sqrt(2) - 1, log 2 is taken off first, so that s^2 <= 0.0295.
 */
RK_IN_CLONES double rk_log1p_to_1(double e)
{
    const double large = e > 0.41421356237309503 ? 1.0 : 0.0;
    const double f = large > 0.0 ? 0.5 * (e - 1.0) : e; /* (1 + e) / 2 - 1, exact */
    const double s = f / (2.0 + f), z = s * s;
    double p = 1.0 / 21;

    p = p * z + 1.0 / 19;
    p = p * z + 1.0 / 17;
    p = p * z + 1.0 / 15;
    p = p * z + 1.0 / 13;
    p = p * z + 1.0 / 11;
    p = p * z + 1.0 / 9;
    p = p * z + 1.0 / 7;
    p = p * z + 1.0 / 5;
    p = p * z + 1.0 / 3;
    return large * 0x1.62e42fefa39efp-1 + 2.0 * (s + s * z * p);
}

/* Both from one exponential of a number <= 0. NaN stays NaN. */
RK_IN_CLONES struct rk_logistic rk_logistic(double x)
{
    const double e = rk_exp_below_0(-fabs(x));

    return (struct rk_logistic){
        .softplus = (x > 0.0 ? x : 0.0) + rk_log1p_to_1(e),
        .sigma = (x >= 0.0 ? 1.0 : e) / (1.0 + e),
    };
}

/* The same of n numbers. */
void rk_logistic_each(const double *x, size_t n, double *softplus, double *sigma);

#endif
