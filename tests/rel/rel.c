/*
 * Settings of the reliability programs, from the environment.
 */
#include "rel.h"

#include <stdio.h>
#include <stdlib.h>

#define USUAL_SEED 20261124

uint64_t rel_count(const char *name, uint64_t usual)
{
    const char *own = getenv(name);
    const char *scale = getenv("REL_SCALE");
    const double count = own != NULL     ? strtod(own, NULL)
                         : scale != NULL ? (double)usual * strtod(scale, NULL)
                                         : (double)usual;

    return count > 1 ? (uint64_t)count : 1;
}

uint64_t rel_seed(void)
{
    const char *text = getenv("RANKD_SEED");
    const uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : USUAL_SEED;

    (void)setenv("CMOCKA_TEST_ABORT", "1", 0);
    printf("seed %llu (repeat with RANKD_SEED)\n", (unsigned long long)seed);
    (void)fflush(stdout);
    return seed | 1;
}

uint64_t rel_below(uint64_t *state, uint64_t n)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state % n;
}
