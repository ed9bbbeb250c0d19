/*
 * What a live step and a repeated one share.
 */
#ifndef RANKD_SERVER_TRAINEE_IMPL_H
#define RANKD_SERVER_TRAINEE_IMPL_H

#include "emit.h"
#include "trainee.h"

/* What a step did with its groups. */
struct step_result {
    struct rk_learned learned;
    struct rk_eval_sum before; /* with the served parameters, before it learned */
    struct emit quarantined;   /* JSON array of log positions */
    size_t n_quarantined;
    char reason[RK_ERROR_TEXT_MAX];
};

/*
 * Progressive validation: each list of the cut is scored with what is served before anything is
 * learned from it, and told to the watch. Version 0 scores 0.
 */
RK_MUST_CHECK enum rk_status trainee_evaluate(struct trainee *t, struct rk_eval_sum *sum,
                                              struct rk_error *err);

/*
 * Learns from the groups of the cut on the learning copy, update by update. An update that would
 * make anything not finite is taken back alone and its lists are put into quarantine. @return
 * RK_OK; RK_NOMEM: take the step back.
 */
RK_MUST_CHECK enum rk_status trainee_learn(struct trainee *t, struct step_result *result,
                                           struct rk_error *err);

/* Serves what was learned as a version. */
void trainee_publish(struct trainee *t, int64_t version);

/* Takes a recorded step again. */
RK_MUST_CHECK enum rk_status trainee_repeat_step(struct trainee *t, struct store *store,
                                                 const struct store_step *row,
                                                 struct rk_error *err);

/* Takes the recorded steps after t->step again, up to and with `last`. */
RK_MUST_CHECK enum rk_status trainee_repeat(struct trainee *t, struct store *store, int64_t last,
                                            struct rk_error *err);

/* The model that the configuration names as the teacher, or NULL: none, or it is not there. */
const struct served *trainee_teacher(const struct trainee *t, const struct trainee_tools *tools);

/* The position moves on; a row says so only where there were lists, if without a teacher. */
void trainee_move_on(struct trainee *t, const struct cut_range *range);

#endif
