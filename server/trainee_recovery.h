/*
 * What recovery and the walk along a model's life share: states that are loaded, not learned.
 */
#ifndef RANKD_SERVER_TRAINEE_RECOVERY_H
#define RANKD_SERVER_TRAINEE_RECOVERY_H

#include "lineage.h"
#include "trainee_impl.h"

struct recovery {
    struct trainee *t; /* borrowed, as the store */
    struct store *store;
    struct lineage lineage; /* owned */
    bool short_of_memory;   /* so that what could not be loaded may be whole */
};

/* Loads a checkpoint to go on from where it was taken; a failure is logged. */
RK_MUST_CHECK enum rk_status recovery_load(struct recovery *r, const struct store_checkpoint *row,
                                           struct rk_error *err);

/*
 * Loads what was activated, to go on from where it was activated; one that cannot be read is made
 * again. @pre branch > 0.
 */
RK_MUST_CHECK enum rk_status recovery_start(struct recovery *r, size_t branch,
                                            struct rk_error *err);

/* Is the state now, to the bit, what was stored? @return RK_OK; RK_MISMATCH; RK_NOMEM. */
RK_MUST_CHECK enum rk_status
recovery_compare(struct trainee *t, const struct store_checkpoint *stored, struct rk_error *err);

#endif
