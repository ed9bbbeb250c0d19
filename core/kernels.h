/*
 * The inner loops of scoring, compiled for each width of registers.
 *
 * Every operation is IEEE 754's, coordinate by coordinate, and the order of a sum stands in the
 * code: nothing is fused (-ffp-contract=off) or reordered. So all sets of kernels give the same
 * bits, and which one a processor runs is a matter of speed alone.
 */
#ifndef RANKD_CORE_KERNELS_H
#define RANKD_CORE_KERNELS_H

#include <rankd/known.h>
#include <stdbool.h>
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
    const uint32_t *numbers; /* (n_items) first raw number of each item, where its others end; NULL:
                                there are none */
    const struct rk_known_items *known; /* NULL: no item is */
    const uint32_t *field; /* (end), for fm_fields; from n_fields on: an entry has no pairs */
    size_t n_fields;
};

/* Items that go through a dense layer side by side. */
#define RK_ABREAST 8

/* A dense layer. */
struct rk_dense {
    const float *w; /* (out, in) */
    size_t in, out;
    const double *start;    /* (out), added to the sums */
    bool relu;              /* of start and sum */
    const uint32_t *column; /* (n_columns) inputs that are not 0 for all items; NULL: all are */
    size_t n_columns;
    double *wide; /* (n_columns, 4), scratch */
};

struct rk_kernels {
    /* Scores a group by fm.c's formula. sum: out, (n_items + 1, k), T of each row. */
    void (*fm_score)(const struct rk_fm_rows *rows, double *sum, double *score);
    /*
     * One row by fm.c's formula, where entries without a field have a linear term alone. t: out, (k),
     * T. by_field: out, (n_fields, k), T by field. @return what the row is by itself.
     */
    double (*fm_fields)(const struct rk_fm_rows *rows, size_t row, double *t, double *by_field);
    /* sum += x v, n coordinates. */
    void (*add)(double *sum, const float *v, double x, size_t n);
    /* sum_{F,G} <A[F][G], A[G][F]> over n fields, A: (n, n, k). */
    double (*ffm_pairs)(const double *a, size_t n, size_t k);
    /* <a, b>. */
    double (*dot)(const double *a, const double *b, size_t n);
    /* n <= 8 rows of m side by side, block: (m, 8), 0 beside them; and back. */
    void (*abreast)(const double *rows, size_t stride, size_t n, size_t m, double *block);
    void (*apart)(const double *block, size_t m, size_t n, double *rows, size_t stride);
    /* A first layer whose sums are there: y = ReLU(start + y). y: (n_blocks, out, 8). */
    void (*begin)(const double *start, size_t out, size_t n_blocks, double *y);
    /*
     * y = start + W x for n_blocks blocks of 8 items. x: (n_blocks, n_columns, 8). y: (n_blocks, out,
     * 8). Each sum is in the order of the inputs.
     */
    void (*dense)(const struct rk_dense *layer, const double *x, size_t n_blocks, double *y);
};

/* The best set for this processor. */
const struct rk_kernels *rk_kernels(void);

/* The sets that this processor can run, best first; NULL past the last. */
const struct rk_kernels *rk_kernels_nth(size_t n);

#endif
