/*
 * Losses of single items: binary cross entropy on logits.
 */
#include "logistic.h"
#include "loss_impl.h"

/* Values and slopes of all items. */
RK_CLONES static void add_clicks(double pos_weight, const struct rk_scored *list,
                                 double *restrict value, double *restrict grad)
{
    const double *restrict score = list->score;
    const float *restrict label = list->label;

    for (size_t i = 0; i < list->n; i++) {
        const double y = label[i] < 1.0F ? (double)label[i] : 1.0;
        const struct rk_logistic click = rk_logistic(-score[i]), skip = rk_logistic(score[i]);
        value[i] = pos_weight * y * click.softplus + (1.0 - y) * skip.softplus;
        grad[i] = (1.0 - y) * skip.sigma - pos_weight * y * click.sigma;
    }
}

/*
 * w (pos_weight y softplus(-s) + (1 - y) softplus(s)), as PyTorch's BCEWithLogitsLoss. Soft labels
 * stay, grades become 1.
 */
RK_KERNEL(rk_loss_bce)
{
    struct rk_list_loss result = {.units = list->n};
    add_clicks(loss->pos_weight, list, work->x, grad);
    for (size_t i = 0; i < list->n; i++) {
        double weight = rk_item_weight(list, i);
        result.sum += weight * work->x[i];
        grad[i] *= weight;
    }
    return result;
}
