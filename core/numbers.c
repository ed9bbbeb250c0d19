/*
 * Running mean and variance of numeric features, and what they make of a value.
 */
#include "numbers.h"

#include <math.h>
#include <string.h>

/* Values remembered: past it mean and variance are exponential averages with this horizon. */
#define WINDOW 100000.0

#define CLIP 5.0

static float standardized(const float *row, float value)
{
    const double variance = (double)row[RK_NUMBERS_VARIANCE];
    double z;

    if (!(variance > 0)) {
        return 0.0F;
    }
    z = ((double)value - (double)row[RK_NUMBERS_MEAN]) / sqrt(variance);
    return (float)(z < CLIP ? (z > -CLIP ? z : -CLIP) : CLIP);
}

const float *rk_numbers_values(const struct rk_model *model, const float *theta,
                               const struct rk_group *group, float *to)
{
    if (model->numbers == NULL || group->n_numbers == 0) {
        return group->value;
    }
    memcpy(to, group->value, group->offset[group->n_items + 1] * sizeof *to);
    for (size_t i = 0; i < group->n_numbers; i++) {
        const uint32_t e = group->number[i];
        const float *row =
            theta + model->numbers->offset + (size_t)group->index[e] * RK_NUMBERS_COLS;
        to[e] = standardized(row, group->value[e]);
    }
    return to;
}

void rk_numbers_observe(float *row, double x)
{
    const double count = fmin((double)row[RK_NUMBERS_COUNT] + 1, WINDOW);
    const double mean = (double)row[RK_NUMBERS_MEAN];
    const double variance = (double)row[RK_NUMBERS_VARIANCE];
    const double moved = mean + (x - mean) / count;

    row[RK_NUMBERS_COUNT] = (float)count;
    row[RK_NUMBERS_MEAN] = (float)moved;
    row[RK_NUMBERS_VARIANCE] = (float)(variance + ((x - mean) * (x - moved) - variance) / count);
}
