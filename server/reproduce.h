/*
 * Serving a ranking of the log again: with the version and the catalogue it was served with, by the
 * code that served it. A machine of the same kind and the same build give the same bits.
 */
#ifndef RANKD_SERVER_REPRODUCE_H
#define RANKD_SERVER_REPRODUCE_H

#include "list.h"
#include "scorer.h"
#include "store.h"
#include "trainee.h"

#include <rankd/group.h>
#include <stdbool.h>

/* Zero but for store to start. Kept from ranking to ranking; fast where versions ascend. */
struct reproducer {
    struct store *store;     /* a reading connection, borrowed */
    struct trainee *trainee; /* of the last ranking's model, owned with its served; NULL: none */
    struct list list;
    struct rk_group_builder builder;
    struct scorer scorer;
    struct emit served; /* out: items as they were served again, as the log has them */
    bool identical;     /* out: to the bit, in order, scores and ctr */
};

/** Frees what it owns. */
void reproducer_deinit(struct reproducer *reproducer);

/**
 * Serves the ranking at a log position again.
 *
 * @return RK_OK with what is out; RK_NOTFOUND with the reason: there is no such ranking, or its
 *         model or what led to its version is not kept; RK_CORRUPT: a checkpoint or record is
 *         damaged; RK_MISMATCH: a step does not repeat as recorded; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status reproduce(struct reproducer *reproducer, int64_t seq,
                                       struct rk_error *err);

#endif
