/*
 * Data of a known shape for training on files: lists of 20 items, each with 20 categorical fields of
 * which 10 are the list's and so the same for all its items; values as ids come (Zipf); a click with
 * the probability that a factorization machine planted beforehand gives. From a seed, the same
 * everywhere.
 */
#ifndef RANKD_BENCH_PLANTED_H
#define RANKD_BENCH_PLANTED_H

#include <rankd/random.h>
#include <stddef.h>
#include <stdint.h>

#define PLANTED_ITEMS  20 /* in a list */
#define PLANTED_FIELDS 20
#define PLANTED_SHARED 10                  /* fields of the list, the first ones */
#define PLANTED_VALUES (UINT32_C(1) << 13) /* of a field */

struct planted {
    struct rk_random random;
    float *weight; /* (PLANTED_FIELDS, PLANTED_VALUES, PLANTED_WIDTH), owned */
};

struct planted_list {
    uint32_t value[PLANTED_ITEMS][PLANTED_FIELDS]; /* < PLANTED_VALUES */
    float label[PLANTED_ITEMS];                    /* 0 or 1 */
};

/* Plants the machine; ends the program where memory is short. */
void planted_open(struct planted *planted, uint64_t seed);
void planted_close(struct planted *planted);

/* Draws the next list. */
void planted_next(struct planted *planted, struct planted_list *list);

/*
 * Writes n lists in libffm's form, label qid:N field:index:value ..., the fields numbered from 0 and
 * the indices through all fields. Ends the program where it cannot be written.
 */
void planted_write(struct planted *planted, size_t n, const char *path);

#endif
