/*
 * Losses of single items: binary cross entropy on logits.
 */
#include "logistic.h"
#include "loss_impl.h"

/*
 * w (pos_weight y softplus(-s) + (1 - y) softplus(s)), as PyTorch's BCEWithLogitsLoss. Soft labels
 * stay, grades become 1.
 */
RK_KERNEL(rk_loss_bce)
{
    (void)work;
    struct rk_list_loss result = {.units = list->n};
    for (size_t i = 0; i < list->n; i++) {
        double y = list->label[i] < 1.0F ? (double)list->label[i] : 1.0;
        double weight = rk_item_weight(list, i);
        struct rk_logistic click = rk_logistic(-list->score[i]);
        struct rk_logistic skip = rk_logistic(list->score[i]);
        result.sum += weight * (loss->pos_weight * y * click.softplus + (1.0 - y) * skip.softplus);
        grad[i] = weight * ((1.0 - y) * skip.sigma - loss->pos_weight * y * click.sigma);
    }
    return result;
}
