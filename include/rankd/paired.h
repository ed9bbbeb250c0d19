/*
 * The mean of paired differences, and how sure it is: what two ways of doing something differ by on
 * the same lists.
 */
#ifndef RANKD_PAIRED_H
#define RANKD_PAIRED_H

#include <stddef.h>

/* Differences so far; zero to start. */
struct rk_paired {
    size_t n;
    double mean;
    double squares; /* sum of squared deviations from it */
};

/**
 * Takes one difference (Welford 1962); NaN is left out. Threads: any, each its own.
 */
void rk_paired_add(struct rk_paired *paired, double difference);

/**
 * The standard error of the mean: sqrt(squares / (n - 1) / n); NaN below two differences.
 */
double rk_paired_error(const struct rk_paired *paired);

#endif
