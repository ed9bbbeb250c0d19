/*
 * The undo log of a learner: rows as they were before each change, a stack of blocks. What is popped
 * to any height is, to the bit, what was there at that height.
 *
 * A block is also how rows are changed: their floats are gathered into it from wherever they lie, the
 * change is computed on such an array in one loop, and its result is scattered.
 */
#ifndef RANKD_CORE_UNDO_H
#define RANKD_CORE_UNDO_H

#include "model_impl.h"

#include <rankd/optim.h>
#include <rankd/row_map.h>

#define RK_PARTS_MAX (1 + RK_OPTIM_SLOTS_MAX)

/* What a block holds of each row: of the parameters, then of the optimizer's slots. */
struct rk_parts {
    float *part[RK_PARTS_MAX]; /* blocks of the model's layout */
    size_t n;
};

/* Where a row lies in its part, and in a block. */
struct rk_undo_row {
    size_t offset;
    uint32_t length;
    uint32_t row;
};

struct rk_undo_block {
    size_t first_row, first_value; /* where it begins in row and value */
    size_t n_parts;
};

/* Zero to start, but for the model. */
struct rk_undo {
    const struct rk_model *model;
    struct rk_undo_row *row; /* (n_rows) */
    size_t n_rows, cap_rows;
    float *value; /* (n_values) of each block: (parts, floats of its rows) */
    size_t n_values, cap_values;
    struct rk_undo_block *block; /* (n_blocks) */
    size_t n_blocks, cap_blocks;
    struct rk_row_map touched; /* of the rows up to n_mapped; has room for all */
    size_t n_mapped;
};

void rk_undo_deinit(struct rk_undo *undo);

/* Forgets everything. */
void rk_undo_clear(struct rk_undo *undo);

/*
 * Pushes a block of n distinct rows as they are.
 *
 * @return (parts, floats of the rows); until the next push. NULL: out of memory, nothing is pushed.
 */
const float *rk_undo_push(struct rk_undo *undo, const struct rk_parts *parts, const uint32_t *row,
                          size_t n);

/* Writes values of the last block's shape to where its rows lie. */
void rk_undo_scatter(const struct rk_undo *undo, const struct rk_parts *parts, const float *value);

/* Pops blocks until so many are left, each row as it was. @param parts  with all slots. */
void rk_undo_pop(struct rk_undo *undo, const struct rk_parts *parts, size_t n_blocks);

/* The distinct rows pushed, in the order in which they first were; until the next push or pop. */
const uint32_t *rk_undo_touched(struct rk_undo *undo, size_t *n);

#endif
