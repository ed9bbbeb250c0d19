/*
 * Random rows of a table, as ids come in the wild: a few often, most hardly ever (Zipf, exponent
 * 1), strewn over the table as hashing does.
 */
#ifndef RANKD_BENCH_ZIPF_H
#define RANKD_BENCH_ZIPF_H

#include <math.h>
#include <rankd/random.h>
#include <stdint.h>

/*
 * P(rank r of n) is about 1 / (r + 1): the logarithm of a rank is uniform. @pre n is a power of
 * two: then an odd factor only permutes the rows.
 */
static inline uint32_t zipf_row(struct rk_random *random, uint32_t n)
{
    const double rank = exp(rk_random_uniform(random) * log((double)n + 1)) - 1;
    const uint32_t row = (uint32_t)rank < n ? (uint32_t)rank : n - 1;

    return (row * UINT32_C(2654435761)) & (n - 1);
}

#endif
