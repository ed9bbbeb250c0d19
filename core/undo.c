/*
 * Gathering rows, scattering them, and putting them back.
 */
#include "undo.h"

#include "clones.h"
#include "grow.h"

#include <string.h>

#define USUAL 16 /* floats of a row, or 1: what is copied without a call */

void rk_undo_deinit(struct rk_undo *undo)
{
    free(undo->row);
    free(undo->value);
    free(undo->block);
    rk_row_map_deinit(&undo->touched);
}

void rk_undo_clear(struct rk_undo *undo)
{
    undo->n_rows = undo->n_values = undo->n_blocks = undo->n_mapped = 0;
    rk_row_map_clear(&undo->touched);
}

typedef float eight __attribute__((vector_size(32), aligned(4), may_alias));

RK_IN_CLONES void copy_row(float *to, const float *from, size_t n)
{
    if (n == USUAL) {
        const eight low = *(const eight *)from, high = *(const eight *)(from + 8);
        *(eight *)to = low;
        *(eight *)(to + 8) = high;
    } else if (n == 1) {
        *to = *from;
    } else {
        memcpy(to, from, n * sizeof *to);
    }
}

RK_CLONES static void gather(const float *part, const struct rk_undo_row *row, size_t n, float *to)
{
    for (size_t i = 0; i < n; i++) {
        copy_row(to, part + row[i].offset, row[i].length);
        to += row[i].length;
    }
}

RK_CLONES static void scatter(float *part, const struct rk_undo_row *row, size_t n,
                              const float *from)
{
    for (size_t i = 0; i < n; i++) {
        copy_row(part + row[i].offset, from, row[i].length);
        from += row[i].length;
    }
}

/*
 * Finds rows in the layout. @return their floats together.
 *
 * Rows of two tensors often take turns: the one of the row before the last is tried first.
 */
static size_t locate(const struct rk_model *model, const uint32_t *row, size_t n,
                     struct rk_undo_row *to)
{
    const struct rk_tensor *last = model->tensor, *before = model->tensor;
    size_t floats = 0;

    for (size_t i = 0; i < n; i++) {
        const struct rk_tensor *tensor = before;
        if (row[i] - tensor->first_row >= tensor->rows) {
            tensor = &model->tensor[model->n_tensors - 1];
            while (row[i] < tensor->first_row) {
                tensor--;
            }
        }
        to[i].offset = tensor->offset + (row[i] - tensor->first_row) * tensor->cols;
        to[i].length = (uint32_t)tensor->cols;
        to[i].row = row[i];
        floats += tensor->cols;
        before = last;
        last = tensor;
    }
    return floats;
}

const float *rk_undo_push(struct rk_undo *undo, const struct rk_parts *parts, const uint32_t *row,
                          size_t n)
{
    struct rk_undo *u = undo;
    struct rk_undo_row *at;
    size_t floats;
    float *value;

    if (!rk_reserve(&u->row, &u->cap_rows, u->n_rows + n) ||
        !rk_reserve(&u->block, &u->cap_blocks, u->n_blocks + 1) ||
        !rk_row_map_reserve(&u->touched, u->n_rows + n)) {
        return NULL;
    }
    at = u->row + u->n_rows;
    floats = locate(u->model, row, n, at);
    if (!rk_reserve(&u->value, &u->cap_values, u->n_values + parts->n * floats)) {
        return NULL;
    }
    value = u->value + u->n_values;
    for (size_t p = 0; p < parts->n; p++) {
        gather(parts->part[p], at, n, value + p * floats);
    }
    u->block[u->n_blocks++] = (struct rk_undo_block){u->n_rows, u->n_values, parts->n};
    u->n_rows += n;
    u->n_values += parts->n * floats;
    return value;
}

void rk_undo_scatter(const struct rk_undo *undo, const struct rk_parts *parts, const float *value)
{
    const struct rk_undo_block *block = &undo->block[undo->n_blocks - 1];
    const size_t floats = (undo->n_values - block->first_value) / block->n_parts;

    for (size_t p = 0; p < block->n_parts; p++) {
        scatter(parts->part[p], undo->row + block->first_row, undo->n_rows - block->first_row,
                value + p * floats);
    }
}

void rk_undo_pop(struct rk_undo *undo, const struct rk_parts *parts, size_t n_blocks)
{
    while (undo->n_blocks > n_blocks) {
        const struct rk_undo_block *block = &undo->block[undo->n_blocks - 1];
        rk_undo_scatter(undo, parts, undo->value + block->first_value);
        undo->n_rows = block->first_row;
        undo->n_values = block->first_value;
        undo->n_blocks--;
    }
    if (undo->n_mapped > undo->n_rows) { /* some of these are no longer touched */
        rk_row_map_clear(&undo->touched);
        undo->n_mapped = 0;
    }
}

const uint32_t *rk_undo_touched(struct rk_undo *undo, size_t *n)
{
    while (undo->n_mapped < undo->n_rows) {
        (void)rk_row_map_add(&undo->touched, undo->row[undo->n_mapped++].row);
    }
    *n = undo->touched.n;
    return undo->touched.row;
}
