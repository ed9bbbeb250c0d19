/*
 * The losses by name: defaults, properties, and the one place where lists are reduced to a batch.
 *
 * Every reduction is a factor per list times a factor per batch, so a kernel sums over one list and
 * knows nothing of either.
 */
#include "loss_impl.h"

#include <math.h>
#include <string.h>

struct loss_kind {
    const char *name;
    rk_loss_kernel kernel;
    bool pairwise;               /* the reduction is the user's; else it is the one below */
    enum rk_reduction reduction; /* default, or fixed */
    bool shift_invariant;
    bool needs_teacher;
    uint32_t k; /* default */
};

static const struct loss_kind kinds[RK_N_LOSSES] = {
    [RK_PAIRWISE_LOGISTIC] = {"pairwise_logistic", rk_loss_pairwise_logistic, true, RK_GROUP_MEAN,
                              true, false, 0},
    [RK_MARGIN_RANKING] = {"margin_ranking", rk_loss_hinge, true, RK_GROUP_MEAN, true, false, 0},
    [RK_SMOOTH_HINGE] = {"smooth_hinge", rk_loss_hinge, true, RK_GROUP_MEAN, true, false, 0},
    [RK_N_PAIR] = {"n_pair", rk_loss_n_pair, false, RK_GROUP_MEAN, true, false, 0},
    [RK_LISTWISE_SOFTMAX] = {"listwise_softmax", rk_loss_listwise_softmax, false, RK_GROUP_MEAN,
                             true, false, 0},
    [RK_LAMBDARANK] = {"lambdarank", rk_loss_lambdarank, true, RK_SUM_MEAN_VALID_GROUPS, true,
                       false, 10},
    [RK_APPROX_NDCG] = {"approx_ndcg", rk_loss_approx_ndcg, false, RK_GROUP_MEAN, true, false, 0},
    [RK_BCE_WITH_LOGITS] = {"bce_with_logits", rk_loss_bce, false, RK_MEAN_PAIRS, false, false, 0},
    [RK_DISTILL_POINTWISE] = {"distill_pointwise", rk_loss_distill_pointwise, false, RK_MEAN_PAIRS,
                              false, true, 0},
    [RK_DISTILL_LISTWISE] = {"distill_listwise", rk_loss_distill_listwise, false, RK_GROUP_MEAN,
                             true, true, 0},
    [RK_RANKING_DISTILLATION] = {"ranking_distillation", rk_loss_ranking_distillation, false,
                                 RK_GROUP_MEAN, false, true, 5},
};

const char *rk_loss_text(enum rk_loss_name name)
{
    return kinds[name].name;
}

enum rk_status rk_loss_default(const char *name, struct rk_loss *loss, struct rk_error *err)
{
    for (size_t i = 0; i < RK_N_LOSSES; i++) {
        if (strcmp(name, kinds[i].name) == 0) {
            *loss = (struct rk_loss){
                .name = (enum rk_loss_name)i,
                .pairs = RK_PAIRS_GRADED,
                .reduction = kinds[i].reduction,
                .target = RK_TARGET_LABEL_NORM,
                .sigma = 1.0,
                .margin = 1.0,
                .tau = 1.0,
                .pos_weight = 1.0,
                .temperature = 1.0,
                .lambda = 2.0,
                .mu = 0.1,
                .hybrid = false,
                .k = kinds[i].k,
            };
            return RK_OK;
        }
    }
    return rk_fail(err, RK_NOTFOUND, "there is no loss named '%.64s'", name);
}

bool rk_loss_shift_invariant(const struct rk_loss *loss)
{
    return kinds[loss->name].shift_invariant;
}

bool rk_loss_needs_teacher(const struct rk_loss *loss)
{
    return kinds[loss->name].needs_teacher;
}

size_t rk_loss_work(size_t n)
{
    return n * 5 * sizeof(double) + (3 * n + 1) * sizeof(uint32_t);
}

static struct rk_loss_scratch carve(void *work, size_t n)
{
    double *x = work;
    uint32_t *order = (uint32_t *)(x + 5 * n);
    return (struct rk_loss_scratch){.x = x,
                                    .y = x + n,
                                    .pair = x + 2 * n,
                                    .softplus = x + 3 * n,
                                    .sigma = x + 4 * n,
                                    .order = order,
                                    .swap = order + n,
                                    .block = order + 2 * n};
}

static void scale(double *grad, size_t n, double factor)
{
    for (size_t i = 0; i < n; i++) {
        grad[i] *= factor;
    }
}

/*
 * What the sum over all lists is multiplied by; a mean over pairs inside a list has been taken
 * before.
 */
static double batch_factor(enum rk_reduction reduction, const struct rk_loss_value *total,
                           size_t n_lists)
{
    switch (reduction) {
    case RK_SUM:
        return 1.0;
    case RK_MEAN_PAIRS:
        return 1.0 / (double)total->pairs;
    case RK_SUM_MEAN_GROUPS:
        return 1.0 / (double)n_lists;
    case RK_GROUP_MEAN:
    case RK_SUM_MEAN_VALID_GROUPS:
        break;
    }
    return 1.0 / (double)total->lists;
}

static bool all_finite(const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) {
            return false;
        }
    }
    return true;
}

/* Room for the longest list; a list without the teacher that the loss needs is refused. */
static enum rk_status longest_list(const struct rk_loss *loss, const struct rk_scored *lists,
                                   size_t n_lists, size_t *longest, struct rk_error *err)
{
    *longest = 0;
    for (size_t l = 0; l < n_lists; l++) {
        if (lists[l].n > 0 && lists[l].teacher == NULL && kinds[loss->name].needs_teacher) {
            return rk_fail(err, RK_INVALID, "%s needs a teacher's scores and list %zu has none",
                           kinds[loss->name].name, l);
        }
        if (lists[l].n > *longest) {
            *longest = lists[l].n;
        }
    }
    return RK_OK;
}

enum rk_status rk_loss_eval(const struct rk_loss *loss, const struct rk_scored *lists,
                            size_t n_lists, void *work, double *grad, struct rk_loss_value *value,
                            struct rk_error *err)
{
    const struct loss_kind *kind = &kinds[loss->name];
    enum rk_reduction reduction = kind->pairwise ? loss->reduction : kind->reduction;
    size_t longest;
    enum rk_status status = longest_list(loss, lists, n_lists, &longest, err);
    if (status != RK_OK) {
        return status;
    }
    struct rk_loss_scratch scratch = carve(work, longest);
    struct rk_loss_value total = {0};
    size_t n_items = 0;
    for (size_t l = 0; l < n_lists; l++) {
        if (lists[l].n == 0) {
            continue;
        }
        double *list_grad = grad + n_items;
        memset(list_grad, 0, lists[l].n * sizeof *grad);
        struct rk_list_loss list = kind->kernel(loss, &lists[l], &scratch, list_grad);
        if (reduction == RK_GROUP_MEAN && list.units > 1) {
            scale(list_grad, lists[l].n, 1.0 / (double)list.units);
            list.sum /= (double)list.units;
        }
        total.value += list.sum;
        total.pairs += list.units;
        total.lists += list.units > 0;
        n_items += lists[l].n;
    }
    if (total.lists > 0) {
        double factor = batch_factor(reduction, &total, n_lists);
        scale(grad, n_items, factor);
        total.value *= factor;
    }
    if (!isfinite(total.value) || !all_finite(grad, n_items)) {
        return rk_fail(err, RK_DIVERGED, "the loss %s or its gradient is not finite", kind->name);
    }
    *value = total;
    return RK_OK;
}
