/*
 * Sparse gradient rows over a dense index: a row's place is looked up in one load and checked
 * against the row it names, so that clearing is free.
 */
#include "grow.h"

#include <rankd/gradient.h>
#include <stdlib.h>
#include <string.h>

enum rk_status rk_gradient_init(struct rk_gradient *grad, size_t model_rows, struct rk_error *err)
{
    *grad = (struct rk_gradient){.model_rows = model_rows};
    grad->slot_of = calloc(model_rows > 0 ? model_rows : 1, sizeof *grad->slot_of);
    if (grad->slot_of == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for the gradient of %zu rows", model_rows);
    }
    return RK_OK;
}

void rk_gradient_deinit(struct rk_gradient *grad)
{
    free(grad->slot_of);
    free(grad->row);
    free(grad->start);
    free(grad->sum);
    *grad = (struct rk_gradient){0};
}

void rk_gradient_clear(struct rk_gradient *grad)
{
    grad->n_rows = 0;
    grad->n_sums = 0;
}

static bool reserve(struct rk_gradient *g, size_t length)
{
    if (g->n_rows == g->cap_rows) {
        const size_t cap = rk_grown(g->cap_rows, g->n_rows + 1);
        if (!rk_resize(&g->row, cap) || !rk_resize(&g->start, cap)) {
            return false;
        }
        g->cap_rows = cap;
    }
    return rk_reserve(&g->sum, &g->cap_sums, g->n_sums + length);
}

double *rk_gradient_row(struct rk_gradient *grad, uint32_t row, size_t length)
{
    const uint32_t slot = grad->slot_of[row];

    if (slot < grad->n_rows && grad->row[slot] == row) {
        return grad->sum + grad->start[slot];
    }
    if (!reserve(grad, length)) {
        return NULL;
    }
    grad->slot_of[row] = (uint32_t)grad->n_rows;
    grad->row[grad->n_rows] = row;
    grad->start[grad->n_rows] = grad->n_sums;
    memset(grad->sum + grad->n_sums, 0, length * sizeof *grad->sum);
    grad->n_rows++;
    grad->n_sums += length;
    return grad->sum + grad->start[grad->n_rows - 1];
}
