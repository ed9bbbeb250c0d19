/*
 * Reproducible random numbers for initialisation and shuffling: a seed is the whole state, and the
 * sequence never changes. SplitMix64 (Steele, Lea & Flood 2014).
 */
#ifndef RANKD_RANDOM_H
#define RANKD_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct rk_random {
    uint64_t state; /* the seed to start */
};

/** The next 64 random bits. */
uint64_t rk_random_bits(struct rk_random *random);

/** Uniform in [0, 1), 53 bits. */
double rk_random_uniform(struct rk_random *random);

/** Uniform in 0..n-1 without bias (Lemire 2019). @pre n > 0. */
uint32_t rk_random_below(struct rk_random *random, uint32_t n);

/** Normal with mean 0 and deviation 1 (Marsaglia's polar method; one value a call). */
double rk_random_normal(struct rk_random *random);

/** Shuffles n indices (Fisher-Yates). */
void rk_random_shuffle(struct rk_random *random, uint32_t *index, size_t n);

#endif
