/*
 * Losses of a whole list: N-pair on scores, ListNet's softmax cross entropy, and ApproxNDCG.
 *
 * An item's weight multiplies its own term: the positive's in N-pair, the target's in the softmax,
 * the gain in ApproxNDCG.
 */
#include "dcg.h"
#include "logistic.h"
#include "loss_impl.h"

#include <math.h>

struct rk_log_sum rk_loss_softmax(const double *z, size_t n, double *share)
{
    double max = z[0], sum = 0.0;
    for (size_t i = 1; i < n; i++) {
        max = fmax(max, z[i]);
    }
    for (size_t i = 0; i < n; i++) {
        share[i] = exp(z[i] - max);
        sum += share[i];
    }
    for (size_t i = 0; i < n; i++) {
        share[i] /= sum;
    }
    return (struct rk_log_sum){.max = max, .log = log(sum)};
}

/*
 * N-pair: Sohn, "Improved deep metric learning with multi-class N-pair loss objective", NIPS 2016,
 * on scores.
 *     per positive i: log(1 + sum over negatives of exp(s_j - s_i)) = softplus(L - s_i),
 *     L = log(sum of exp(s_j))
 * The units are the positives, and the negatives' sum is taken once: O(n).
 */
RK_KERNEL(rk_loss_n_pair)
{
    (void)loss;
    struct rk_list_loss result = {0};
    size_t n_negatives = 0;
    for (size_t i = 0; i < list->n; i++) {
        if (list->label[i] <= 0.0F) {
            work->x[n_negatives] = list->score[i];
            work->order[n_negatives++] = (uint32_t)i;
        }
    }
    if (n_negatives == 0 || n_negatives == list->n) {
        return result;
    }
    struct rk_log_sum negatives = rk_loss_softmax(work->x, n_negatives, work->y);
    double pull = 0.0;
    for (size_t i = 0; i < list->n; i++) {
        if (list->label[i] > 0.0F) {
            double weight = rk_item_weight(list, i);
            struct rk_logistic term = rk_logistic(negatives.max - list->score[i] + negatives.log);
            result.units++;
            result.sum += weight * term.softplus;
            grad[i] = -weight * term.sigma;
            pull += weight * term.sigma;
        }
    }
    for (size_t q = 0; q < n_negatives; q++) {
        grad[work->order[q]] = pull * work->y[q];
    }
    return result;
}

/* What a list should look like: y / sum(y), or softmax(y); false where there is no such thing. */
static bool make_target(const struct rk_loss *loss, const struct rk_scored *list, double *target)
{
    double sum = 0.0;
    for (size_t i = 0; i < list->n; i++) {
        target[i] = (double)list->label[i];
        sum += target[i];
    }
    if (loss->target == RK_TARGET_SOFTMAX_LABEL) {
        (void)rk_loss_softmax(target, list->n, target);
        return true;
    }
    for (size_t i = 0; i < list->n && sum > 0.0; i++) {
        target[i] /= sum;
    }
    return sum > 0.0;
}

/*
 * ListNet, top one: Cao et al., "Learning to rank: from pairwise approach to listwise approach",
 * ICML 2007.
 *     - sum_i w_i t_i log p_i, p = softmax(s);  d/ds_j = p_j sum_i w_i t_i - w_j t_j
 */
RK_KERNEL(rk_loss_listwise_softmax)
{
    struct rk_list_loss result = {0};
    double *target = work->x, *share = work->y, total = 0.0;
    if (list->n == 0 || !make_target(loss, list, target)) {
        return result;
    }
    struct rk_log_sum scores = rk_loss_softmax(list->score, list->n, share);
    result.units = 1;
    for (size_t i = 0; i < list->n; i++) {
        double t = rk_item_weight(list, i) * target[i];
        result.sum += t * (scores.max - list->score[i] + scores.log);
        grad[i] = -t;
        total += t;
    }
    for (size_t i = 0; i < list->n; i++) {
        grad[i] += total * share[i];
    }
    return result;
}

/* The best DCG of the gains w (2^y - 1), which go into gain. */
static double ideal_dcg(const struct rk_scored *list, struct rk_loss_scratch *work, double *gain)
{
    double ideal = 0.0;
    for (size_t i = 0; i < list->n; i++) {
        gain[i] = rk_item_weight(list, i) * rk_gain(list->label[i]);
    }
    rk_loss_sort(gain, list->n, work);
    for (size_t place = 0; place < list->n; place++) {
        ideal += gain[work->order[place]] * rk_discount(place, 0);
    }
    return ideal;
}

/*
 * Adds the gradient that flows through the soft rank of item i, rank_i = 1 + sum over j of
 * sigma((s_j - s_i) / tau), where `bend` is d value / d rank_i over tau: d rank_i / d s_j = sigma'
 * / tau.
 */
static void add_rank_gradient(const struct rk_scored *list, size_t i, const double *slope,
                              double bend, double *grad)
{
    double pull = 0.0;
    for (size_t j = 0; j < list->n; j++) {
        grad[j] += bend * slope[j];
        pull += bend * slope[j];
    }
    grad[i] -= pull;
}

/*
 * ApproxNDCG: Qin, Liu & Li, "A general approximation framework for direct optimization of
 * information retrieval measures", Information Retrieval 13, 2010.
 *     1 - sum_i gain_i / log2(1 + rank_i) / IDCG
 * O(n) for each item that has a gain.
 */
RK_KERNEL(rk_loss_approx_ndcg)
{
    struct rk_list_loss result = {0};
    double *gain = work->x, *slope = work->y, ideal = ideal_dcg(list, work, gain);
    if (!(ideal > 0.0)) {
        return result;
    }
    result = (struct rk_list_loss){.units = 1, .sum = 1.0};
    for (size_t i = 0; i < list->n; i++) {
        if (gain[i] == 0.0) {
            continue;
        }
        double rank = 1.0;
        for (size_t j = 0; j < list->n; j++) {
            double x = (list->score[j] - list->score[i]) / loss->tau, e = exp(-fabs(x));
            double sigma = (x >= 0.0 ? 1.0 : e) / (1.0 + e);
            slope[j] = j == i ? 0.0 : e / ((1.0 + e) * (1.0 + e));
            rank += j == i ? 0.0 : sigma;
        }
        double nats = log1p(rank), share = gain[i] / ideal * log(2.0);
        result.sum -= share / nats;
        add_rank_gradient(list, i, slope, share / (nats * nats * (1.0 + rank) * loss->tau), grad);
    }
    return result;
}
