/*
 * Pairs of a list, and the logistic losses on them: RankNet / BPR and LambdaRank.
 *
 * A list sorted by label is a row of blocks; its pairs are everything in a block against everything
 * in later ones, so that no time goes into items that are not pairs.
 */
#include "dcg.h"
#include "logistic.h"
#include "loss_impl.h"
#include "order.h"

#include <math.h>

void rk_loss_sort(const double *key, size_t n, struct rk_loss_scratch *work)
{
    for (size_t i = 0; i < n; i++) {
        work->order[i] = (uint32_t)i;
    }
    rk_order_sort(key, work->order, n, work->swap);
}

void rk_loss_sort_labels(const struct rk_scored *list, struct rk_loss_scratch *work)
{
    for (size_t i = 0; i < list->n; i++) {
        work->x[i] = (double)list->label[i];
    }
    rk_loss_sort(work->x, list->n, work);
}

static bool starts_block(enum rk_pairs pairs, float before, float here)
{
    return pairs == RK_PAIRS_BINARY ? before > 0.0F && here <= 0.0F : before > here;
}

struct rk_blocks rk_loss_blocks(enum rk_pairs pairs, const struct rk_scored *list,
                                struct rk_loss_scratch *work)
{
    struct rk_blocks blocks = {.block = work->block};
    rk_loss_sort_labels(list, work);
    work->block[0] = 0;
    for (size_t p = 1; p < list->n; p++) {
        float before = list->label[work->order[p - 1]];
        if (starts_block(pairs, before, list->label[work->order[p]])) {
            blocks.pairs += (p - work->block[blocks.n]) * (uint64_t)(list->n - p);
            work->block[++blocks.n] = (uint32_t)p;
        }
    }
    if (list->n > 0) {
        work->block[++blocks.n] = (uint32_t)list->n;
    }
    return blocks;
}

/* How much a pair counts in LambdaRank: what swapping its items changes in NDCG. */
struct swap_gain {
    const double *gain;     /* (n) over the ideal DCG */
    const double *discount; /* (n) of the item's present place */
};

static double swap_change(const struct swap_gain *swap, size_t i, size_t j)
{
    return fabs(swap->gain[i] - swap->gain[j]) * fabs(swap->discount[i] - swap->discount[j]);
}

/*
 * Pairs of the item i at a place with the items j from place `below` on: w_i v softplus(-c d), v = 1 or the
 * change of NDCG. d/ds_i = -w_i v c sigma(-c d), and the opposite for s_j.
 */
static double add_item_pairs(double c, const struct rk_scored *list, size_t place, size_t below,
                             const struct swap_gain *swap, struct rk_loss_scratch *work,
                             double *grad)
{
    const size_t i = work->order[place], n = list->n - below;
    const uint32_t *other = work->order + below;
    double sum = 0.0, pull = 0.0, weight = rk_item_weight(list, i);
    for (size_t p = 0; p < n; p++) {
        work->pair[p] = -c * (list->score[i] - list->score[other[p]]);
    }
    rk_logistic_each(work->pair, n, work->softplus, work->sigma);
    for (size_t p = 0; p < n; p++) {
        size_t j = other[p];
        double v = swap == NULL ? weight : weight * swap_change(swap, i, j);
        if (v != 0.0) {
            double g = v * c * work->sigma[p];
            sum += v * work->softplus[p];
            pull += g;
            grad[j] += g;
        }
    }
    grad[i] -= pull;
    return sum;
}

static struct rk_list_loss add_pairs(const struct rk_loss *loss, const struct rk_scored *list,
                                     struct rk_loss_scratch *work, const struct swap_gain *swap,
                                     const struct rk_blocks *blocks, double *grad)
{
    struct rk_list_loss result = {.units = blocks->pairs};
    for (size_t b = 0; b < blocks->n; b++) {
        size_t end = blocks->block[b + 1];
        for (size_t p = blocks->block[b]; p < end && end < list->n; p++) {
            result.sum += add_item_pairs(loss->sigma, list, p, end, swap, work, grad);
        }
    }
    return result;
}

/*
 * RankNet: Burges et al., "Learning to rank using gradient descent", ICML 2005. BPR: Rendle et al.,
 * UAI 2009.
 */
RK_KERNEL(rk_loss_pairwise_logistic)
{
    struct rk_blocks blocks = rk_loss_blocks(loss->pairs, list, work);
    return add_pairs(loss, list, work, NULL, &blocks, grad);
}

/*
 * LambdaRank: Burges, "From RankNet to LambdaRank to LambdaMART", MSR-TR-2010-82. A pair counts
 * |gain_i - gain_j| |discount_i - discount_j| / IDCG@k, taken as constant; beyond place k the
 * discount is 0.
 */
RK_KERNEL(rk_loss_lambdarank)
{
    rk_loss_sort(list->score, list->n, work);
    for (size_t place = 0; place < list->n; place++) {
        work->y[work->order[place]] = rk_discount(place, loss->k);
    }
    struct rk_blocks blocks = rk_loss_blocks(loss->pairs, list, work);
    double ideal = 0.0;
    for (size_t place = 0; place < list->n; place++) {
        ideal += rk_gain(list->label[work->order[place]]) * rk_discount(place, loss->k);
    }
    for (size_t i = 0; i < list->n && blocks.pairs > 0; i++) {
        work->x[i] = rk_gain(list->label[i]) / ideal;
    }
    struct swap_gain swap = {.gain = work->x, .discount = work->y};
    return add_pairs(loss, list, work, &swap, &blocks, grad);
}
