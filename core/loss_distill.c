/*
 * Distillation: learning from the scores t of a teacher. An item's weight multiplies its own term.
 */
#include "logistic.h"
#include "loss_impl.h"

#include <math.h>

/*
 * Hinton, Vinyals & Dean, "Distilling the knowledge in a neural network", 2015, per item with
 * temperature T:
 *     T^2 BCE(sigma(t / T), s / T);  d/ds = T (sigma(s / T) - sigma(t / T))
 */
RK_KERNEL(rk_loss_distill_pointwise)
{
    (void)work;
    double T = loss->temperature;
    struct rk_list_loss result = {.units = list->n};
    for (size_t i = 0; i < list->n; i++) {
        double weight = rk_item_weight(list, i), x = list->score[i] / T;
        double teacher = (double)list->teacher[i] / T;
        double yes = rk_logistic(teacher).sigma, no = rk_logistic(-teacher).sigma;
        struct rk_logistic student = rk_logistic(x), opposite = rk_logistic(-x);
        result.sum += weight * T * T * (yes * opposite.softplus + no * student.softplus);
        grad[i] = weight * T * (no * student.sigma - yes * opposite.sigma);
    }
    return result;
}

/*
 * The same over a list: T^2 KL(q || p), q = softmax(t / T), p = softmax(s / T).
 *     sum_i w_i q_i (log q_i - log p_i);  d/ds_j = T (p_j sum_i w_i q_i - w_j q_j)
 */
RK_KERNEL(rk_loss_distill_listwise)
{
    double T = loss->temperature, *q = work->x, *p = work->y, total = 0.0;
    struct rk_list_loss result = {0};
    if (list->n == 0) {
        return result;
    }
    for (size_t i = 0; i < list->n; i++) {
        p[i] = list->score[i] / T;
        q[i] = (double)list->teacher[i] / T;
    }
    struct rk_log_sum student = rk_loss_softmax(p, list->n, p);
    struct rk_log_sum teacher = rk_loss_softmax(q, list->n, q);
    result.units = 1;
    for (size_t i = 0; i < list->n; i++) {
        double weighted = rk_item_weight(list, i) * q[i];
        double log_q = (double)list->teacher[i] / T - teacher.max - teacher.log;
        double log_p = list->score[i] / T - student.max - student.log;
        result.sum += T * T * weighted * (log_q - log_p);
        grad[i] = -T * weighted;
        total += weighted;
    }
    for (size_t i = 0; i < list->n; i++) {
        grad[i] += T * total * p[i];
    }
    return result;
}

/* The student's rank of each item, from 1, into y. */
static void rank_by_student(const struct rk_scored *list, struct rk_loss_scratch *work)
{
    rk_loss_sort(list->score, list->n, work);
    for (size_t place = 0; place < list->n; place++) {
        work->y[work->order[place]] = (double)(place + 1);
    }
}

/*
 * Tang & Wang, "Ranking distillation", KDD 2018: the teacher's top K are positives.
 *     sum over r = 1..K of w_r softplus(-s), w_r = exp(-r / lambda) / Z
 * hybrid: w_r times max(0, tanh(mu (student's rank - r))), renormalised; weights are taken as
 * constant.
 */
RK_KERNEL(rk_loss_ranking_distillation)
{
    size_t top = loss->k == 0 || loss->k > list->n ? list->n : loss->k;
    struct rk_list_loss result = {.units = list->n > 0};
    double *rank_weight = work->x, total = 0.0;
    if (loss->hybrid) {
        rank_by_student(list, work);
    }
    for (size_t i = 0; i < list->n; i++) {
        work->x[i] = (double)list->teacher[i];
    }
    rk_loss_sort(work->x, list->n, work);
    for (size_t r = 0; r < top; r++) {
        rank_weight[r] = exp(-(double)r / loss->lambda);
        if (loss->hybrid) {
            double behind = work->y[work->order[r]] - (double)(r + 1);
            rank_weight[r] *= fmax(0.0, tanh(loss->mu * behind));
        }
        total += rank_weight[r];
    }
    for (size_t r = 0; r < top && total > 0.0; r++) {
        size_t i = work->order[r];
        double weight = rank_weight[r] / total * rk_item_weight(list, i);
        struct rk_logistic term = rk_logistic(-list->score[i]);
        result.sum += weight * term.softplus;
        grad[i] = -weight * term.sigma;
    }
    return result;
}
