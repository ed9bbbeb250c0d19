/*
 * Standardised numbers: each numeric feature's running mean and variance, kept as rows of the
 * parameter block so that they are part of version, checkpoint, undo and publishing like everything
 * else that is learned.
 */
#ifndef RANKD_CORE_NUMBERS_H
#define RANKD_CORE_NUMBERS_H

#include "model_impl.h"

/* Columns of the statistics tensor. */
enum {
    RK_NUMBERS_COUNT,
    RK_NUMBERS_MEAN,
    RK_NUMBERS_VARIANCE,
    RK_NUMBERS_COLS
};

/*
 * The values of a group as the model sees them: group->value where it has no raw numbers, else a
 * copy in `to` (nnz) with each number as (x - mean) / deviation clipped to +-5, 0 while nothing is
 * known of it.
 */
const float *rk_numbers_values(const struct rk_model *model, const float *theta,
                               const struct rk_group *group, float *to);

/*
 * Takes one value into a statistics row (Welford 1962; the count stops growing, so that old values
 * fade).
 */
void rk_numbers_observe(float *row, double x);

#endif
