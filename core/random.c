/*
 * SplitMix64 and what is drawn from it. The sequence is part of the promise that a model can be
 * rebuilt: never change it. Sources: Steele, Lea & Flood 2014 (generator), Lemire 2019 (bounded
 * integers), Marsaglia & Bray 1964 (normal).
 */
#include <math.h>
#include <rankd/random.h>

uint64_t rk_random_bits(struct rk_random *random)
{
    random->state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = random->state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

double rk_random_uniform(struct rk_random *random)
{
    return (double)(rk_random_bits(random) >> 11) * 0x1p-53;
}

uint32_t rk_random_below(struct rk_random *random, uint32_t n)
{
    /*
     * 2^32 mod n products would fall on some results once too often: those with a low half below it
     * are drawn again.
     */
    const uint32_t excess = (0u - n) % n;
    uint64_t product;
    do {
        product = (rk_random_bits(random) >> 32) * n;
    } while ((uint32_t)product < excess);
    return (uint32_t)(product >> 32);
}

double rk_random_normal(struct rk_random *random)
{
    double u, s;
    do {
        u = 2.0 * rk_random_uniform(random) - 1.0;
        const double v = 2.0 * rk_random_uniform(random) - 1.0;
        s = u * u + v * v;
    } while (s >= 1.0 || s == 0.0);
    return u * sqrt(-2.0 * log(s) / s);
}

void rk_random_shuffle(struct rk_random *random, uint32_t *index, size_t n)
{
    for (size_t left = n; left > 1; left--) {
        const size_t pick = rk_random_below(random, (uint32_t)left);
        const uint32_t last = index[left - 1];
        index[left - 1] = index[pick];
        index[pick] = last;
    }
}
