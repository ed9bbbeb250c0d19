/*
 * Losses: value and gradient with respect to the scores of a batch of lists.
 *
 * A loss never sees a model. It takes the scores of each list and gives one gradient per item, in
 * double, so that each item is back-propagated once whatever the number of pairs. d = s_i - s_j; sp
 * is softplus, sigma the logistic function.
 */
#ifndef RANKD_LOSS_H
#define RANKD_LOSS_H

#include <rankd/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rk_loss_name {
    RK_PAIRWISE_LOGISTIC,
    RK_MARGIN_RANKING,
    RK_SMOOTH_HINGE,
    RK_N_PAIR,
    RK_LISTWISE_SOFTMAX,
    RK_LAMBDARANK,
    RK_APPROX_NDCG,
    RK_BCE_WITH_LOGITS,
    RK_DISTILL_POINTWISE,
    RK_DISTILL_LISTWISE,
    RK_RANKING_DISTILLATION,
    RK_N_LOSSES
};

/* Which (i, j) of a list are pairs. */
enum rk_pairs {
    RK_PAIRS_GRADED, /* y_i > y_j */
    RK_PAIRS_BINARY  /* y_i > 0 and y_j <= 0 */
};

/* How the pairs of a batch become one number; a batch without a pair gives exactly 0. */
enum rk_reduction {
    RK_GROUP_MEAN,           /* mean over a list's pairs, then over the lists that have one */
    RK_SUM,                  /* sum over pairs */
    RK_MEAN_PAIRS,           /* mean over all pairs of the batch */
    RK_SUM_MEAN_GROUPS,      /* sum over pairs / number of all lists */
    RK_SUM_MEAN_VALID_GROUPS /* sum over pairs / lists with a pair */
};

enum rk_listwise_target {
    RK_TARGET_LABEL_NORM,
    RK_TARGET_SOFTMAX_LABEL
};

/* A loss with its options; an option a loss does not know is ignored. */
struct rk_loss {
    enum rk_loss_name name;
    enum rk_pairs pairs;
    enum rk_reduction reduction;
    enum rk_listwise_target target;
    double sigma;       /* pairwise_logistic, lambdarank; > 0 */
    double margin;      /* margin_ranking >= 0, smooth_hinge > 0 */
    double tau;         /* approx_ndcg; > 0 */
    double pos_weight;  /* bce_with_logits; >= 0 */
    double temperature; /* distillation; > 0 */
    double lambda;      /* ranking_distillation; > 0 */
    double mu;          /* ranking_distillation, hybrid; >= 0 */
    bool hybrid;        /* ranking_distillation */
    uint32_t k;         /* lambdarank: rank cut, 0 = none; ranking_distillation: teacher's top k */
};

/* One list's scores; all arrays (n), borrowed. */
struct rk_scored {
    size_t n;
    const double *score; /* finite */
    const float *label;  /* >= 0 */
    const float *
        weight; /* >= 0, or NULL for all 1; a pair's weight is its positive item's (Joachims 2017) */
    const float *teacher; /* needed by the distillation losses only */
};

struct rk_loss_value {
    double value; /* reduced over the batch */
    uint64_t
        pairs; /* pairs of the batch; items for pointwise losses, positives for n_pair, lists for listwise ones */
    size_t lists; /* lists that contributed */
};

/**
 * The name of a loss as in a model's configuration ("pairwise_logistic").
 *
 * @return a static string. Threads: any.
 */
const char *rk_loss_text(enum rk_loss_name name);

/**
 * Finds a loss by its name and fills in all default options (models.md's table).
 *
 * @return RK_OK; RK_NOTFOUND. Threads: any.
 */
RK_MUST_CHECK enum rk_status rk_loss_default(const char *name, struct rk_loss *loss,
                                             struct rk_error *err);

/**
 * Does the loss stay the same when all scores of a list shift together? Then the gradients of a
 * list sum to exactly 0 and a model skips bias and shared linear weights. True for all pairwise and
 * listwise losses, false for pointwise ones.
 */
bool rk_loss_shift_invariant(const struct rk_loss *loss);

/**
 * Does the loss need rk_scored.teacher?
 */
bool rk_loss_needs_teacher(const struct rk_loss *loss);

/**
 * Value and gradient over a batch of lists. Formulas and sources: core/loss_*.c, one block comment
 * each.
 *
 * @param lists  n_lists, borrowed.
 * @param work   caller's memory, at least rk_loss_work(largest n) bytes, aligned as malloc.
 * @param grad   out, concatenated over lists in order (sum of n), d value / d score; all 0 without
 * a pair.
 * @param value  out.
 * @return RK_OK; RK_INVALID: a teacher is missing; RK_DIVERGED: a result is not finite. Results are
 * written on RK_OK only
 *         for value; grad is undefined on error.
 * Cost O(pairs), O(n log n) for the hinge family on large lists; allocates nothing. Threads: any.
 */
RK_MUST_CHECK enum rk_status rk_loss_eval(const struct rk_loss *loss, const struct rk_scored *lists,
                                          size_t n_lists, void *work, double *grad,
                                          struct rk_loss_value *value, struct rk_error *err);

/**
 * Bytes of work memory rk_loss_eval needs for lists of at most n items.
 */
size_t rk_loss_work(size_t n);

#endif
