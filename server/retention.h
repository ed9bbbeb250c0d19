/*
 * Retention: what is old, or more than there is room for, goes; what something kept still needs, stays.
 *
 * Lists (rankings with their events, and batch lists) go by age, oldest first; where the log is larger
 * than it may be, first rankings that got no event in their time, then whatever is oldest. A list stays
 * while a step that may have to be repeated took it, or one to come will: those after the positions of
 * a model's checkpoints. For room those after its newest 5 do: older ones are still served, but no
 * longer stepped on from, and the store remembers up to where (store_trim.h). A list that takes events
 * stays; so do lists held back for the judge.
 *
 * Each call does one small transaction, so that neither commits nor learning wait. It belongs to the
 * trainer's thread: nothing is learned, retried or activated between its look and its transaction.
 */
#ifndef RANKD_SERVER_RETENTION_H
#define RANKD_SERVER_RETENTION_H

#include "metrics.h"
#include "store.h"
#include "writer.h"

#include <rankd/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct retention;

struct retention_options {
    int64_t log_days;
    int64_t log_bytes;
    int64_t checkpoint_bytes; /* of a model's training */
    int64_t ttl_ms;           /* how long a ranking takes events */
};

/* A living model. */
struct retention_model {
    int64_t id;
    bool learns;        /* steps may come */
    bool reads_all;     /* takes lists of all hashed models */
    int64_t waits_upto; /* rankings up to here may wait for events until a time; 0: none does */
};

/** @param store  a reading connection, borrowed as the rest. @return RK_OK; RK_IO; RK_NOMEM. */
RK_MUST_CHECK enum rk_status retention_create(const struct retention_options *options,
                                              struct store *store, struct writer *writer,
                                              struct metrics *metrics, struct retention **retention,
                                              struct rk_error *err);

/** Frees it; NULL is accepted. */
void retention_destroy(struct retention **retention);

/** What models there are, or what one learned, has changed otherwise than by a step: it looks anew. NULL is accepted. */
void retention_look_again(struct retention *retention);

/**
 * Does the next small piece, if it is time for a round or one is under way.
 *
 * @param models  (n) all living ones. @param now_ms  server time. @param more  out: call again soon.
 * @return RK_OK; what storage met: the round ends, and another comes later.
 */
RK_MUST_CHECK enum rk_status retention_step(struct retention *retention,
                                            const struct retention_model *models, size_t n,
                                            int64_t now_ms, bool *more, struct rk_error *err);

#endif
