/*
 * A configuration's embedding loss over a mini-batch: which vectors of which lists are triplets or
 * pairs.
 */
#ifndef RANKD_CORE_EMBEDDING_H
#define RANKD_CORE_EMBEDDING_H

#include "objective.h"

/* Room for embeddings and their gradients. false: out of memory. */
bool rk_embedding_reserve(struct rk_objective *objective, size_t users, size_t items);

/*
 * triplet: in each list, the user against every pair of an item with a label and one without, times
 * the weight of the former; the mean over a list's triplets, then over the lists that have one.
 * n_pair: over the lists, each user with its list's best item, whose id is its class; the batch
 * form has no weights. Gradients are multiplied by factor. pairs 0: value and gradients are 0.
 */
enum rk_status rk_embedding_eval(struct rk_objective *objective, const struct rk_model *model,
                                 const float *theta, const struct rk_group *const *groups, size_t n,
                                 double factor, struct rk_loss_value *value, struct rk_error *err);

#endif
