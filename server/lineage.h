/*
 * Where the versions of a model come from. Its life is a row of branches: the first starts untrained,
 * each activation starts another with the checkpoint it names. Step rows and checkpoints belong to
 * the branch they were made on; an import that was only stored belongs to none.
 */
#ifndef RANKD_SERVER_LINEAGE_H
#define RANKD_SERVER_LINEAGE_H

#include "store_registry.h"
#include "store_trim.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is said of a version whose base is not kept. */
#define LINEAGE_GONE "what led to version %lld is not kept: no checkpoint with the log behind it"

struct lineage {
    struct store_checkpoint *checkpoint; /* (n), newest id first, owned */
    size_t n;
    struct store_activation *activation; /* (n_activations), oldest first, owned */
    size_t n_activations;
    struct store_trimmed trimmed; /* what was before these positions may be gone */
};

/** Reads what the store has of a model. Deinit it in any case. */
RK_MUST_CHECK enum rk_status lineage_read(struct store *store, int64_t model,
                                          struct lineage *lineage, struct rk_error *err);

/** Frees what it owns; a zeroed one is accepted. */
void lineage_deinit(struct lineage *lineage);

/** The branch a step row was taken on: how many activations came before it. */
size_t lineage_branch_of_step(const struct lineage *lineage, int64_t step);

/** The branch a checkpoint was made on; of an import: on which it was stored. */
size_t lineage_branch_of_checkpoint(const struct lineage *lineage, int64_t checkpoint);

/** Is all kept that was learned from after a checkpoint, so that its steps can be taken? */
bool lineage_is_kept(const struct lineage *lineage, const struct store_checkpoint *row);

/**
 * May the branch be gone on with from this checkpoint, by the steps after it? Also where they are
 * not kept: see lineage_is_kept, unless there is no step after it.
 */
bool lineage_is_base(const struct lineage *lineage, const struct store_checkpoint *row,
                     size_t branch);

/** What started a branch. @pre branch > 0. @return the checkpoint's row, or NULL: it is gone. */
const struct store_checkpoint *lineage_start(const struct lineage *lineage, size_t branch);

/** Is all kept that was learned from after the start of a branch? @pre branch > 0. */
bool lineage_start_is_kept(const struct lineage *lineage, size_t branch);

/**
 * Are a checkpoint and the log behind it kept, to make a version of the branch from by steps?
 * Checksums are not looked at.
 */
bool lineage_has_base(const struct lineage *lineage, size_t branch, int64_t version);

/**
 * Can a version be made from what is kept: is it stored, or are its step and all that led to it?
 * Checksums are not looked at.
 *
 * @return RK_OK; RK_NOTFOUND with the reason; RK_IO. Threads: any, each its own store.
 */
RK_MUST_CHECK enum rk_status lineage_reaches(struct store *store, int64_t model, int64_t version,
                                             struct rk_error *err);

#endif
