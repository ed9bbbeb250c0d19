/*
 * Metrics of one ranked list. Where a metric is undefined (no relevant item, no pair, empty list)
 * it is NaN, and the list is left out of a mean.
 */
#ifndef RANKD_EVAL_H
#define RANKD_EVAL_H

#include <stddef.h>
#include <stdint.h>

/**
 * Orders a list by score, highest first; equal scores keep their order.
 *
 * @param score  (n) no NaN.
 * @param order  out, (n): order[r] is the item at rank r + 1.
 * @param work   (n), scratch.
 * Cost O(n log n), allocates nothing. Threads: any.
 */
void rk_eval_order(const double *score, size_t n, uint32_t *order, uint32_t *work);

/**
 * The beginning of the same order: its first k ranks, without sorting the rest where k is small.
 *
 * @param order  out, (n): the first min(k, n) are as rk_eval_order gives them, the others are scratch.
 */
void rk_eval_top(const double *score, size_t n, size_t k, uint32_t *order, uint32_t *work);

/**
 * NDCG at k: gain 2^y - 1, discount 1 / log2(1 + rank), divided by the best order's. Jarvelin &
 * Kekalainen 2002.
 *
 * @param order  as rk_eval_order gives it; @param label (n).
 * @param k      cut, 0 = none.
 * @param work   (n), scratch.
 * @return in [0, 1]; NaN when no label is above 0.
 */
double rk_eval_ndcg(const uint32_t *order, const float *label, size_t n, size_t k, float *work);

/**
 * Area under the ROC curve with y > 0 as positive; ties count half.
 *
 * @return in [0, 1]; NaN without a positive or without a negative. Cost O(n) after ordering.
 */
double rk_eval_auc(const uint32_t *order, const double *score, const float *label, size_t n);

/**
 * Average precision with y > 0 as relevant; NaN without one.
 */
double rk_eval_ap(const uint32_t *order, const float *label, size_t n);

/**
 * Reciprocal rank of the first item with y > 0; NaN without one.
 */
double rk_eval_rr(const uint32_t *order, const float *label, size_t n);

/**
 * Mean log loss of sigma(score) against [y > 0]; NaN for an empty list.
 */
double rk_eval_log_loss(const double *score, const float *label, size_t n);

/* Sums of list metrics, for means over many lists. Zero to start. */
struct rk_eval_sum {
    uint64_t lists;                                 /* lists added */
    uint64_t ndcg_n, auc_n, ap_n, rr_n, log_loss_n; /* lists where the metric is defined */
    double ndcg, auc, ap, rr, log_loss;             /* NDCG is at 10 */
};

/**
 * Adds one list's metrics.
 *
 * @param score  (n); @param label (n).
 * @param work   at least rk_eval_work(n) bytes, aligned as malloc.
 */
void rk_eval_add(struct rk_eval_sum *sum, const double *score, const float *label, size_t n,
                 void *work);

/**
 * Bytes of work memory rk_eval_add needs for n items.
 */
size_t rk_eval_work(size_t n);

#endif
