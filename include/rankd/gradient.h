/*
 * A sparse gradient: the rows of a parameter block that one update touches, in double, in the order
 * they were first met.
 */
#ifndef RANKD_GRADIENT_H
#define RANKD_GRADIENT_H

#include <rankd/status.h>
#include <stddef.h>
#include <stdint.h>

struct rk_gradient {
    uint32_t *slot_of; /* (model rows) index into row, valid where row[slot_of[r]] == r */
    size_t model_rows;
    uint32_t *row; /* (n_rows) touched rows, distinct */
    size_t *start; /* (n_rows) first double of each row in sum */
    double *sum;   /* (n_sums) */
    size_t n_rows, cap_rows, n_sums, cap_sums;
};

/**
 * Makes an empty gradient over a model's rows, in the caller's memory.
 *
 * @return RK_OK; RK_NOMEM. Cost: 4 bytes a row of the model.
 */
RK_MUST_CHECK enum rk_status rk_gradient_init(struct rk_gradient *grad, size_t model_rows,
                                              struct rk_error *err);

/** Frees what it holds; all zero is accepted. */
void rk_gradient_deinit(struct rk_gradient *grad);

/** Forgets all rows. Cost O(1). */
void rk_gradient_clear(struct rk_gradient *grad);

/**
 * The sums of a row, zero when first met since the last clear.
 *
 * @param row     < model_rows.
 * @param length  floats of the row, the same at each call.
 * @return (length) doubles, until the next call that adds a row; NULL: out of memory. Cost
 * amortised O(length).
 */
double *rk_gradient_row(struct rk_gradient *grad, uint32_t row, size_t length);

#endif
