/*
 * Known items: what kinds have to say of them.
 */
#include "model_impl.h"

size_t rk_model_item_sums(const struct rk_model *model)
{
    return model->kind->item_sums != NULL ? model->kind->item_sums(model) : 0;
}

bool rk_model_item_row(const struct rk_model *model, uint32_t row, uint32_t *feature_row)
{
    return model->kind->item_row != NULL && model->kind->item_row(model, row, feature_row);
}

enum rk_status rk_model_forward_known(const struct rk_model *model, const float *theta,
                                      const struct rk_group *group,
                                      const struct rk_known_items *known, void *work, double *score,
                                      struct rk_error *err)
{
    const struct rk_group view = rk_model_seen(model, theta, group, work);

    model->kind->forward_known(model, theta, &view, known, work, score);
    return rk_model_check_scores(model, score, group->n_items, err);
}
