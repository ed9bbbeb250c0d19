/*
 * The objective: what the loss of a configuration says of a mini-batch's heads. One place knows how
 * heads become scores, how the ranking loss and the click loss mix, and which losses look at
 * embeddings instead of scores.
 *     value = alpha rank(sum_h r_h head_h) + (1 - alpha) bce_with_logits(sum_h c_h head_h)
 * where the label of the second is [y > 0].
 */
#ifndef RANKD_CORE_OBJECTIVE_H
#define RANKD_CORE_OBJECTIVE_H

#include "model_impl.h"

/* Weights of the heads: in what the ranking loss sees, in the click logit, in a list's order. */
struct rk_head_weights {
    double rank[RK_MODEL_HEADS_MAX];
    double click[RK_MODEL_HEADS_MAX];
    double order[RK_MODEL_HEADS_MAX];
};

struct rk_head_weights rk_head_weights(const struct rk_model *model);

/* Memory of evaluations, kept for the next; zero to start. */
struct rk_objective {
    double *head; /* (heads, items) of each group, one after the other: the caller fills it */
    double *head_grad;
    size_t cap_head;
    double *score; /* (items), with grad and click: a loss's scores, gradient and labels [y > 0] */
    double *grad;
    float *click;
    size_t cap_score;
    struct rk_scored *scored; /* (groups) */
    size_t cap_scored;
    char *loss_work;
    size_t cap_loss_work;
    double *user; /* (groups, dim) embeddings, with user_grad */
    double *user_grad;
    size_t cap_user;
    double *item; /* (items, dim), with item_grad */
    double *item_grad;
    size_t cap_item;
    bool shift_free; /* out: as rk_output_grad's */
};

/* Room for a mini-batch. false: out of memory. */
bool rk_objective_reserve(struct rk_objective *objective, const struct rk_model *model,
                          const struct rk_group *const *groups, size_t n);

/* Value and gradients from the heads. pairs 0: there is nothing to learn. */
enum rk_status rk_objective_eval(struct rk_objective *objective, const struct rk_model *model,
                                 const float *theta, const struct rk_group *const *groups, size_t n,
                                 struct rk_loss_value *value, struct rk_error *err);

/* What group g's backward pass is given; first_item: where its items start among all. */
struct rk_output_grad rk_objective_grad(const struct rk_objective *objective,
                                        const struct rk_model *model, size_t g, size_t first_item);

void rk_objective_deinit(struct rk_objective *objective);

#endif
