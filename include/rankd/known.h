/*
 * Known items: what an item adds to a score whoever asks, summed up before.
 *
 * Of a factorization machine that is a number, what the item is by itself, and the sum of its
 * features' vectors; its raw numbers stay out, since what they stand for changes with every list
 * that is learned from. The sums hold until a parameter of the item's other features changes.
 * Scores are the same bits with them and without.
 */
#ifndef RANKD_KNOWN_H
#define RANKD_KNOWN_H

#include <rankd/model.h>

/* The items of a group, or some of them. */
struct rk_known_items {
    const double *const *sums; /* (n_items) an item's (rk_model_item_sums); NULL: its row says */
    double *const *note; /* (n_items) out, the same of an item whose row says; NULL: not wanted;
                            or NULL: of none */
};

/** Doubles in the sums of one item; 0: models of this kind know none. */
size_t rk_model_item_sums(const struct rk_model *model);

/**
 * As rk_model_forward, bit for bit, where the rows of known items hold their raw numbers alone.
 *
 * @pre rk_model_item_sums is above 0.
 * @param known  sums made with this theta, or with one whose rows of the item's features are alike.
 * @param work   as for rk_model_forward, but nothing is kept for rk_model_backward.
 * @return RK_OK; RK_DIVERGED: a score is not finite, and what was noted may not be either.
 */
RK_MUST_CHECK enum rk_status rk_model_forward_known(const struct rk_model *model,
                                                    const float *theta,
                                                    const struct rk_group *group,
                                                    const struct rk_known_items *known, void *work,
                                                    double *score, struct rk_error *err);

/**
 * The feature row of a row of the model that known items' sums depend on.
 *
 * @return false: no item's sums depend on it.
 */
bool rk_model_item_row(const struct rk_model *model, uint32_t row, uint32_t *feature_row);

#endif
