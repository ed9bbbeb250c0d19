/*
 * The learning step: groups in, changed parameters out, with the means to take it back exactly.
 *
 * A learner holds what learning needs beside the parameters: optimizer slots, step count, gradient
 * rows and the undo log. The parameters it changes are a block of the caller's. One step is begin,
 * any number of updates, then keep or undo.
 */
#ifndef RANKD_LEARNER_H
#define RANKD_LEARNER_H

#include <rankd/group.h>
#include <rankd/model.h>
#include <rankd/status.h>
#include <stddef.h>
#include <stdint.h>

struct rk_learner; /* for one thread at a time */

/* What one or more updates did; sums, zero to start. */
struct rk_learned {
    uint64_t updates; /* optimizer updates that changed parameters */
    uint64_t lists;   /* groups learned from */
    uint64_t pairs;   /* as rk_loss_value counts them */
    double loss;      /* sum over updates of the reduced loss */
    double grad_norm; /* largest L2 norm of an update's gradient, before clipping */
};

/* The largest an update may be; 0: no limit but what a float holds. */
struct rk_limits {
    double gradient;  /* L2 norm of its gradient, before clipping */
    double parameter; /* absolute value of a learned parameter it leaves */
};

/**
 * Makes a learner for a model, without limits; its slots are those of parameters that were just initialised.
 *
 * @param model  borrowed, must outlive the learner.
 * @param theta  (params) the initialised parameters, borrowed during the call; NULL: the slots are
 *               undefined, until all of rk_learner_slots are filled in.
 * @return RK_OK; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status rk_learner_create(const struct rk_model *model, const float *theta,
                                               struct rk_learner **learner, struct rk_error *err);

/** Frees it and clears the pointer; NULL is accepted. */
void rk_learner_destroy(struct rk_learner **learner);

/** Starts a step: whatever happened before can no longer be undone. */
void rk_learner_begin(struct rk_learner *learner);

/**
 * One optimizer update from the mean loss of a mini-batch of groups.
 *
 * @param theta    changed; the block this step works on, the same until keep or undo.
 * @param groups   n labelled groups.
 * @param learned  in/out, what was done is added.
 * @return RK_OK, also where there was nothing to learn (no pair): then nothing changes.
 *         RK_DIVERGED: loss, gradient or a changed value is not finite or beyond a limit; this
 *         update is taken back, earlier ones stay.
 *         RK_INVALID, RK_NOMEM: this update is taken back.
 * Cost O(nnz k + pairs + touched floats).
 */
RK_MUST_CHECK enum rk_status rk_learner_update(struct rk_learner *learner, float *theta,
                                               const struct rk_group *const *groups, size_t n,
                                               struct rk_learned *learned, struct rk_error *err);

/**
 * What the last update's lists scored before it: (heads, n_items) of each list, one after the other,
 * as rk_model_forward gives them.
 *
 * @pre that update returned RK_OK. @return borrowed until the next call.
 */
const double *rk_learner_heads(const struct rk_learner *learner);

/**
 * Would an update from this list alone be taken? Changes nothing, to the bit.
 *
 * @pre a step has begun. @return as rk_learner_update. Cost of an update.
 */
RK_MUST_CHECK enum rk_status rk_learner_probe(struct rk_learner *learner, float *theta,
                                              const struct rk_group *group, struct rk_error *err);

/**
 * The loss of one list, without learning.
 *
 * @param loss  out; NaN: the list has nothing to compare. @return RK_OK; RK_DIVERGED; RK_INVALID;
 *              RK_NOMEM. Cost of a forward pass.
 */
RK_MUST_CHECK enum rk_status rk_learner_loss(struct rk_learner *learner, const float *theta,
                                             const struct rk_group *group, double *loss,
                                             struct rk_error *err);

/** Sets the limits of every update from now on. */
void rk_learner_limit(struct rk_learner *learner, const struct rk_limits *limits);

/**
 * Takes back all updates since begin: theta, slots and step count are bit for bit as they were.
 */
void rk_learner_undo(struct rk_learner *learner, float *theta);

/**
 * The distinct rows that changed since begin, in the order they were first touched; borrowed until
 * the next update, undo or begin.
 */
const uint32_t *rk_learner_touched(struct rk_learner *learner, size_t *n);

/**
 * Learns at another rate from the next update on; that of a new learner is the model's. Slots and
 * parameters stay as they are, so FTRL's weights move to the new rate as their rows are next touched.
 *
 * @pre rate is finite and above 0, and no step is under way.
 */
void rk_learner_set_rate(struct rk_learner *learner, double rate);

/** The step count: optimizer updates since the start, the one number of state beside the slots. */
uint64_t rk_learner_steps(const struct rk_learner *learner);
void rk_learner_set_steps(struct rk_learner *learner, uint64_t steps);

/**
 * The optimizer slots, each (learned params) floats, for checkpoints; borrowed, may be written at a
 * step boundary.
 *
 * @param n  out, number of slots.
 */
float *const *rk_learner_slots(struct rk_learner *learner, size_t *n);

#endif
