/*
 * Sparse gradient rows: their sums lie row after row, so that what is done to all of them is one
 * loop.
 */
#include "clones.h"
#include "grow.h"

#include <math.h>
#include <rankd/gradient.h>
#include <string.h>

#define LANES 16 /* of a sum: additions that do not wait for each other */

void rk_gradient_deinit(struct rk_gradient *grad)
{
    rk_row_map_deinit(&grad->rows);
    free(grad->start);
    free(grad->sum);
    *grad = (struct rk_gradient){0};
}

void rk_gradient_clear(struct rk_gradient *grad)
{
    rk_row_map_clear(&grad->rows);
    grad->n_sums = 0;
    grad->last = 0;
}

static bool reserve(struct rk_gradient *g, size_t length)
{
    return rk_row_map_reserve(&g->rows, g->rows.n + 1) &&
           rk_reserve(&g->start, &g->cap_start, g->rows.n + 2) &&
           rk_reserve(&g->sum, &g->cap_sums, g->n_sums + length);
}

double *rk_gradient_row(struct rk_gradient *grad, uint32_t row, size_t length)
{
    const size_t next = grad->last + 1;
    size_t n, i;

    if (next < grad->rows.n && grad->rows.row[next] == row) {
        grad->last = next;
        return grad->sum + grad->start[next];
    }
    if (!reserve(grad, length)) {
        return NULL;
    }
    n = grad->rows.n;
    i = rk_row_map_add(&grad->rows, row);
    if (i == n) {
        memset(grad->sum + grad->n_sums, 0, length * sizeof *grad->sum);
        grad->start[n] = grad->n_sums;
        grad->n_sums += length;
        grad->start[n + 1] = grad->n_sums;
    }
    grad->last = i;
    return grad->sum + grad->start[i];
}

RK_IN_CLONES bool is_zero(const double *sum, size_t n)
{
    int other = 0;

    for (size_t i = 0; i < n; i++) {
        other |= sum[i] != 0.0;
    }
    return other == 0;
}

RK_CLONES static size_t take_rows(struct rk_gradient *g, uint32_t *row)
{
    size_t n = 0, sums = 0;

    for (size_t i = 0; i < g->rows.n; i++) {
        const size_t from = g->start[i], length = g->start[i + 1] - from;
        if (is_zero(g->sum + from, length)) {
            continue;
        }
        if (sums < from) {
            memmove(g->sum + sums, g->sum + from, length * sizeof *g->sum);
        }
        g->start[n] = sums;
        row[n++] = g->rows.row[i];
        sums += length;
    }
    g->n_sums = sums;
    return n;
}

size_t rk_gradient_take(struct rk_gradient *grad, uint32_t *row)
{
    return take_rows(grad, row);
}

RK_CLONES static double square_sum(const double *sum, size_t n)
{
    double part[LANES] = {0}, total = 0;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            part[l] += sum[i + l] * sum[i + l];
        }
    }
    for (; i < n; i++) {
        total += sum[i] * sum[i];
    }
    for (size_t l = 0; l < LANES; l++) {
        total += part[l];
    }
    return total;
}

double rk_gradient_norm(const struct rk_gradient *grad)
{
    return sqrt(square_sum(grad->sum, grad->n_sums));
}

void rk_gradient_scale(struct rk_gradient *grad, double factor)
{
    for (size_t i = 0; i < grad->n_sums; i++) {
        grad->sum[i] *= factor;
    }
}
