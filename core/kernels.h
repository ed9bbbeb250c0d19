/*
 * The inner loops of scoring, compiled for each width of registers.
 *
 * Every operation is IEEE 754's, coordinate by coordinate, and the order of a sum stands in the
 * code: nothing is fused (-ffp-contract=off) or reordered. So all sets of kernels give the same
 * bits, and which one a processor runs is a matter of speed alone.
 */
#ifndef RANKD_CORE_KERNELS_H
#define RANKD_CORE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* Coordinate f of a sum is added to part f mod RK_PARTS; parts are added up at the end. */
#define RK_PARTS 16

/* The rows of a group and the parameters of a factorization machine that they are scored with. */
struct rk_fm_rows {
    size_t n_items;
    const uint32_t *offset; /* (n_items + 2) */
    const uint32_t *index;  /* (end) */
    const float *value;     /* (end) */
    uint32_t end;           /* of all entries */
    double bias;
    const float *w; /* (rows of the space) */
    const float *v; /* (rows of the space, k) */
    size_t k;
};

struct rk_kernels {
    /* Scores a group by fm.c's formula. sum: out, (n_items + 1, k), T of each row. */
    void (*fm_score)(const struct rk_fm_rows *rows, double *sum, double *score);
};

/* The best set for this processor. */
const struct rk_kernels *rk_kernels(void);

/* The sets that this processor can run, best first; NULL past the last. */
const struct rk_kernels *rk_kernels_nth(size_t n);

#endif
