/*
 * Branches, told apart by what was the newest checkpoint and step when an activation came.
 */
#include "lineage.h"

#include "store_log.h"

#include <stdlib.h>

enum rk_status lineage_read(struct store *store, int64_t model, struct lineage *lineage,
                            struct rk_error *err)
{
    enum rk_status status;

    *lineage = (struct lineage){0};
    status = store_get_trimmed(store, model, &lineage->trimmed, err);
    if (status == RK_OK) {
        status = store_list_checkpoints(store, model, &lineage->checkpoint, &lineage->n, err);
    }
    return status == RK_OK ? store_list_activations(store, model, &lineage->activation,
                                                    &lineage->n_activations, err)
                           : status;
}

void lineage_deinit(struct lineage *lineage)
{
    for (size_t i = 0; i < lineage->n; i++) {
        free(lineage->checkpoint[i].metrics);
    }
    free(lineage->checkpoint);
    free(lineage->activation);
    *lineage = (struct lineage){0};
}

size_t lineage_branch_of_step(const struct lineage *lineage, int64_t step)
{
    size_t branch = lineage->n_activations;

    while (branch > 0 && lineage->activation[branch - 1].step >= step) {
        branch--;
    }
    return branch;
}

size_t lineage_branch_of_checkpoint(const struct lineage *lineage, int64_t checkpoint)
{
    size_t branch = lineage->n_activations;

    while (branch > 0 && lineage->activation[branch - 1].after_checkpoint >= checkpoint) {
        branch--;
    }
    return branch;
}

/* Positions only ever grow with what is learned. */
static bool is_kept(const struct lineage *lineage, int64_t seq, int64_t due_seq, int64_t step)
{
    return seq >= lineage->trimmed.seq && due_seq >= lineage->trimmed.due_seq &&
           step >= lineage->trimmed.step;
}

bool lineage_is_kept(const struct lineage *lineage, const struct store_checkpoint *row)
{
    return is_kept(lineage, row->seq, row->due_seq, row->step);
}

bool lineage_is_base(const struct lineage *lineage, const struct store_checkpoint *row,
                     size_t branch)
{
    return row->source != STORE_SOURCE_IMPORT &&
           lineage_branch_of_checkpoint(lineage, row->id) == branch;
}

const struct store_checkpoint *lineage_start(const struct lineage *lineage, size_t branch)
{
    for (size_t i = 0; i < lineage->n; i++) {
        if (lineage->checkpoint[i].id == lineage->activation[branch - 1].checkpoint) {
            return &lineage->checkpoint[i];
        }
    }
    return NULL;
}

bool lineage_start_is_kept(const struct lineage *lineage, size_t branch)
{
    const struct store_activation *activation = &lineage->activation[branch - 1];

    return is_kept(lineage, activation->seq, activation->seq, activation->step);
}

/* ---- what is kept ---- */

static bool is_stored(const struct lineage *lineage, int64_t version)
{
    for (size_t i = 0; i < lineage->n; i++) {
        if (lineage->checkpoint[i].version == version) {
            return true;
        }
    }
    return false;
}

bool lineage_has_base(const struct lineage *lineage, size_t branch, int64_t version)
{
    for (size_t i = 0; i < lineage->n; i++) {
        const struct store_checkpoint *row = &lineage->checkpoint[i];
        if (lineage_is_base(lineage, row, branch) && row->version < version &&
            lineage_is_kept(lineage, row)) {
            return true;
        }
    }
    return branch > 0 && lineage_start_is_kept(lineage, branch) &&
           lineage_start(lineage, branch) != NULL;
}

enum rk_status lineage_reaches(struct store *store, int64_t model, int64_t version,
                               struct rk_error *err)
{
    struct lineage lineage;
    int64_t step;
    enum rk_status status = lineage_read(store, model, &lineage, err);

    if (status == RK_OK && !is_stored(&lineage, version)) {
        status = store_find_version(store, model, version, &step, err);
        if (status == RK_OK &&
            !lineage_has_base(&lineage, lineage_branch_of_step(&lineage, step), version)) {
            status = rk_fail(err, RK_NOTFOUND, LINEAGE_GONE, (long long)version);
        }
    }
    lineage_deinit(&lineage);
    return status;
}
