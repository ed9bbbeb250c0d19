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
#define USUAL 16 /* floats of a row, or 1 */

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

/* Lengths that are usual are filled without a call. */
static void fill_zero(double *sum, size_t length)
{
    if (length == USUAL) {
        memset(sum, 0, USUAL * sizeof *sum);
    } else {
        memset(sum, 0, length * sizeof *sum);
    }
}

static bool reserve(struct rk_gradient *g, size_t rows, size_t sums)
{
    return rk_row_map_reserve(&g->rows, rows) && rk_reserve(&g->start, &g->cap_start, rows + 1) &&
           rk_reserve(&g->sum, &g->cap_sums, sums);
}

/* Makes room for two rows more, of so many floats together. */
static inline bool has_room(struct rk_gradient *g, size_t length)
{
    const size_t rows = g->rows.n + 2, sums = g->n_sums + length;

    return (rows <= g->rows.room && rows < g->cap_start && sums <= g->cap_sums) ||
           reserve(g, rows, sums);
}

double *rk_gradient_row(struct rk_gradient *grad, uint32_t row, size_t length)
{
    const size_t next = grad->last + 1, n = grad->rows.n;

    if (next < n && grad->rows.row[next] == row) {
        grad->last = next;
        return grad->sum + grad->start[next];
    }
    if (!has_room(grad, length)) {
        return NULL;
    }
    grad->last = rk_row_map_add(&grad->rows, row);
    if (grad->last == n) {
        fill_zero(grad->sum + grad->n_sums, length);
        grad->start[n] = grad->n_sums;
        grad->start[n + 1] = grad->n_sums += length;
    }
    return grad->sum + grad->start[grad->last];
}

double *rk_gradient_two(struct rk_gradient *grad, uint32_t row, uint32_t other, size_t length)
{
    const size_t n = grad->rows.n;
    double *sum;
    size_t at;

    if (!has_room(grad, 1 + length)) {
        return NULL;
    }
    at = rk_row_map_find(&grad->rows, row);
    if (grad->rows.place[at] != 0) {
        return grad->sum + grad->start[grad->rows.place[at] - 1];
    }
    rk_row_map_put(&grad->rows, at, row);
    rk_row_map_append(&grad->rows, other);
    sum = grad->sum + grad->n_sums;
    *sum = 0;
    fill_zero(sum + 1, length);
    grad->start[n] = grad->n_sums;
    grad->start[n + 1] = grad->n_sums + 1;
    grad->start[n + 2] = grad->n_sums += 1 + length;
    return sum;
}

static inline bool is_zero(const double *sum, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (sum[i] != 0.0) {
            return false;
        }
    }
    return true;
}

size_t rk_gradient_take(struct rk_gradient *grad, uint32_t *row)
{
    const size_t rows = grad->rows.n;
    const uint32_t *all = grad->rows.row;
    size_t *start = grad->start;
    size_t n = 0, sums;

    while (n < rows && !is_zero(grad->sum + start[n], start[n + 1] - start[n])) {
        row[n] = all[n]; /* where nothing was taken out yet, it stays where it is */
        n++;
    }
    sums = n < rows ? start[n] : grad->n_sums;
    for (size_t i = n; i < rows; i++) {
        const size_t from = start[i], length = start[i + 1] - from;
        if (!is_zero(grad->sum + from, length)) {
            memmove(grad->sum + sums, grad->sum + from, length * sizeof *grad->sum);
            start[n] = sums;
            row[n++] = all[i];
            sums += length;
        }
    }
    grad->n_sums = sums;
    return n;
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
