/*
 * Copying rows of one parameter block into another, which is publishing.
 */
#include "model_impl.h"

#include <string.h>

/* Rows on their way from memory while others are copied. */
#define COPY_AHEAD 16

/* A row's lines are asked for, to be read and to be written. */
static void ask_for_row(const struct rk_model *model, uint32_t row, const float *from, float *to)
{
    size_t length;
    const size_t offset = rk_model_row(model, row, &length);

    for (size_t i = 0; i < length; i += RK_CACHE_LINE / sizeof *to) {
        __builtin_prefetch(from + offset + i);
        __builtin_prefetch(to + offset + i, 1);
    }
}

void rk_model_copy_rows(const struct rk_model *model, const uint32_t *rows, size_t n,
                        const float *from, float *to)
{
    for (size_t i = 0; i < n; i++) {
        size_t length;
        const size_t offset = rk_model_row(model, rows[i], &length);
        if (i + COPY_AHEAD < n) {
            ask_for_row(model, rows[i + COPY_AHEAD], from, to);
        }
        if (length == RK_DIM_DEFAULT) { /* the usual row takes no call */
            memcpy(to + offset, from + offset, RK_DIM_DEFAULT * sizeof *to);
        } else {
            memcpy(to + offset, from + offset, length * sizeof *to);
        }
    }
}
