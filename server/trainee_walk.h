/*
 * A model's life lived again: its recorded steps in the order they were taken, over activations and
 * training files, each stored checkpoint on the way compared with what has come out.
 */
#ifndef RANKD_SERVER_TRAINEE_WALK_H
#define RANKD_SERVER_TRAINEE_WALK_H

#include "trainee.h"

struct trainee_walk {
    struct recovery *recovery;      /* private */
    struct store_step row;          /* the step that was taken last; its texts are not kept */
    int64_t steps;                  /* taken so far */
    int64_t compared;               /* checkpoints that came out as they were stored, to the bit */
    struct store_checkpoint newest; /* the last of these; its texts are not kept */
};

/**
 * Starts at the newest checkpoint at or before a log position; where there is none, at the oldest
 * one. A watch of the trainee is told of the lists of all steps.
 *
 * @param trainee  borrowed until the walk ends, as the store; not to be trained on.
 * @return RK_OK; RK_NOTFOUND: no checkpoint is kept; RK_CORRUPT; RK_IO; RK_NOMEM. End it in any case.
 */
RK_MUST_CHECK enum rk_status trainee_walk_start(struct trainee_walk *walk, struct trainee *trainee,
                                                struct store *store, int64_t from_seq,
                                                struct rk_error *err);

/**
 * Takes the next step that went no further than to_seq.
 *
 * @param done  out: there is none.
 * @return RK_OK; RK_MISMATCH: a step does not repeat as recorded, or a checkpoint does not come out
 *         as it was stored; RK_CORRUPT; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status trainee_walk_next(struct trainee_walk *walk, int64_t to_seq,
                                               bool *done, struct rk_error *err);

/** Frees what it owns; a zeroed one is accepted. */
void trainee_walk_end(struct trainee_walk *walk);

#endif
