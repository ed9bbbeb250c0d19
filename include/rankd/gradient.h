/*
 * A sparse gradient: the rows of a parameter block that one update touches, in double, in the order
 * they were first met.
 */
#ifndef RANKD_GRADIENT_H
#define RANKD_GRADIENT_H

#include <rankd/row_map.h>
#include <rankd/status.h>
#include <stddef.h>
#include <stdint.h>

/* Zero to start. Its memory grows with the rows of an update, not with those of the model. */
struct rk_gradient {
    struct rk_row_map rows; /* touched rows, distinct */
    size_t *start;          /* (rows.n + 1) first double of each row in sum; the last: n_sums */
    double *sum;            /* (n_sums) row after row */
    size_t n_sums, cap_start, cap_sums;
    size_t last; /* the number of the row that was asked for last */
    float *const
        *needed;     /* (n_needed) blocks of the model's layout, borrowed: their rows will be */
    size_t n_needed; /* needed when the gradient is there, and can be asked for before */
};

/** Frees what it holds; all zero is accepted. */
void rk_gradient_deinit(struct rk_gradient *grad);

/** Forgets all rows. Cost O(rows). */
void rk_gradient_clear(struct rk_gradient *grad);

/**
 * The sums of a row, zero when first met since the last clear. Rows that are asked for in the order
 * in which they were first met are found without looking.
 *
 * @param length  floats of the row, > 0, the same at each call.
 * @return (length) doubles, until the next call that adds a row; NULL: out of memory. Cost
 * amortised O(length).
 */
double *rk_gradient_row(struct rk_gradient *grad, uint32_t row, size_t length);

/**
 * The sums of a row of one float, and behind them those of another row that is asked for with it and
 * never else: they are found together.
 *
 * @return (1 + length) doubles, as rk_gradient_row.
 */
double *rk_gradient_two(struct rk_gradient *grad, uint32_t row, uint32_t other, size_t length);

/**
 * Moves the sums of the rows that are not exactly 0 together: they are all of sum then. No row may
 * be asked for after it until the next clear.
 *
 * @param row  out, (rows.n) those rows. @return how many. Cost O(n_sums).
 */
size_t rk_gradient_take(struct rk_gradient *grad, uint32_t *row);

/** The L2 norm. Cost O(n_sums). */
double rk_gradient_norm(const struct rk_gradient *grad);

/** Multiplies all of it. Cost O(n_sums). */
void rk_gradient_scale(struct rk_gradient *grad, double factor);

#endif
