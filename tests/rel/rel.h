/*
 * What the reliability programs share: how much is tried, and with which seed.
 *
 * Each program tries one kind of fault, prints one line of counts, and ends with 1 if one of them
 * is not what it has to be. `make rel-<name>` runs one, `make check` all.
 */
#ifndef RANKD_REL_H
#define RANKD_REL_H

#include <stdint.h>

/*
 * How many times to try: `name` from the environment (CYCLES=1000), else `usual` times REL_SCALE (1
 * where it is not set); at least 1.
 */
uint64_t rel_count(const char *name, uint64_t usual);

/*
 * RANKD_SEED from the environment, else a fixed one; printed, so that a run can be repeated. From then
 * on an assertion that fails, outside of a cmocka test as it is, says which before it ends the program.
 */
uint64_t rel_seed(void);

/* A pseudo-random number below n (> 0). @param state  any number but 0 to start. */
uint64_t rel_below(uint64_t *state, uint64_t n);

#endif
