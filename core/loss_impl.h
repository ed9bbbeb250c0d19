/*
 * What the loss files share: a kernel per loss, which sees one list, and the order of a list by
 * label that makes its pairs.
 *
 * A kernel adds the plain sums over its units (pairs, positives, items or the list itself); the
 * reduction is applied once, in loss.c, for all losses.
 */
#ifndef RANKD_CORE_LOSS_IMPL_H
#define RANKD_CORE_LOSS_IMPL_H

#include <rankd/loss.h>

/* Carved from the caller's work memory. */
struct rk_loss_scratch {
    double *x, *y;                   /* (n) each */
    double *pair, *softplus, *sigma; /* (n) each: of an item's pairs */
    uint32_t *order;                 /* (n) */
    uint32_t *swap;                  /* (n) for sorting */
    uint32_t *block;                 /* (n + 1) */
};

struct rk_list_loss {
    uint64_t units; /* 0: the list has nothing to say and is left out of every mean */
    double sum;     /* over the units */
};

/**
 * Adds one list.
 *
 * @param grad  (n) zero before; out, d sum / d score.
 */
typedef struct rk_list_loss (*rk_loss_kernel)(const struct rk_loss *loss,
                                              const struct rk_scored *list,
                                              struct rk_loss_scratch *work, double *grad);

/*
 * A list by label, highest first, cut into blocks such that the pairs are all (i, j) with i in an
 * earlier block than j.
 */
struct rk_blocks {
    size_t n;              /* block b is order[block[b]] .. order[block[b + 1] - 1] */
    const uint32_t *block; /* (n + 1) */
    uint64_t pairs;
};

/** Sorts a list into work->order and work->block; uses x. Cost O(n log n). */
struct rk_blocks rk_loss_blocks(enum rk_pairs pairs, const struct rk_scored *list,
                                struct rk_loss_scratch *work);

/** Sorts a list's items by a key, highest first, into work->order. */
void rk_loss_sort(const double *key, size_t n, struct rk_loss_scratch *work);

/** Sorts a list's items by label, highest first, into work->order; uses x. */
void rk_loss_sort_labels(const struct rk_scored *list, struct rk_loss_scratch *work);

/*
 * log(sum(exp(z))) = max + log, kept apart because max may be too large to keep the digits of log.
 */
struct rk_log_sum {
    double max;
    double log;
};

/** share = exp(z) / sum(exp(z)); share may be z itself. @pre n > 0. */
struct rk_log_sum rk_loss_softmax(const double *z, size_t n, double *share);

static inline double rk_item_weight(const struct rk_scored *list, size_t item)
{
    return list->weight == NULL ? 1.0 : (double)list->weight[item];
}

/* One kernel per loss. */
#define RK_KERNEL(name)                                                                            \
    struct rk_list_loss name(const struct rk_loss *loss, const struct rk_scored *list,             \
                             struct rk_loss_scratch *work, double *grad)

RK_KERNEL(rk_loss_pairwise_logistic);
RK_KERNEL(rk_loss_lambdarank);
RK_KERNEL(rk_loss_hinge);
RK_KERNEL(rk_loss_n_pair);
RK_KERNEL(rk_loss_listwise_softmax);
RK_KERNEL(rk_loss_approx_ndcg);
RK_KERNEL(rk_loss_bce);
RK_KERNEL(rk_loss_distill_pointwise);
RK_KERNEL(rk_loss_distill_listwise);
RK_KERNEL(rk_loss_ranking_distillation);

#endif
