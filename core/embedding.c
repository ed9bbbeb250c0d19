/*
 * Gathering embeddings, and scattering their gradients.
 */
#include "embedding.h"

#include "grow.h"

#include <math.h>
#include <rankd/embedding_loss.h>
#include <string.h>

bool rk_embedding_reserve(struct rk_objective *objective, size_t users, size_t items)
{
    struct rk_objective *o = objective;
    const size_t cap_user = rk_grown(o->cap_user, users), cap_item = rk_grown(o->cap_item, items);

    if (cap_user > o->cap_user) {
        if (!rk_resize(&o->user, cap_user) || !rk_resize(&o->user_grad, cap_user)) {
            return false;
        }
        o->cap_user = cap_user;
    }
    if (cap_item > o->cap_item) {
        if (!rk_resize(&o->item, cap_item) || !rk_resize(&o->item_grad, cap_item)) {
            return false;
        }
        o->cap_item = cap_item;
    }
    return true;
}

/* Copies an embedding to double; false: there is none. */
static bool gather(const struct rk_model *model, const float *theta, const struct rk_group *group,
                   size_t id, double *to)
{
    const float *from = rk_model_embedding(model, theta, group, id);

    for (size_t d = 0; d < model->config.dim; d++) {
        to[d] = from != NULL ? (double)from[d] : 0;
    }
    return from != NULL;
}

/* Triplets of one list, each gradient times factor over their number. */
static double list_triplets(const struct rk_model *model, const struct rk_group *group,
                            const double *user, const double *item, double factor, uint64_t count,
                            double *user_grad, double *item_grad)
{
    const size_t dim = model->config.dim;
    double sum = 0;

    for (size_t p = 0; p < group->n_items; p++) {
        const double weight = group->weight != NULL ? (double)group->weight[p] : 1;
        for (size_t n = 0; n < group->n_items && group->label[p] > 0; n++) {
            if (group->label[n] > 0) {
                continue;
            }
            sum += weight * rk_triplet(user, item + p * dim, item + n * dim, dim,
                                       model->config.triplet_margin, model->config.triplet_squared,
                                       weight * factor / (double)count, user_grad,
                                       item_grad + p * dim, item_grad + n * dim);
        }
    }
    return sum / (double)count;
}

/* Triplets a list has; a list without a user, or with an item without an embedding, has none. */
static uint64_t count_triplets(const struct rk_group *group)
{
    uint64_t positives = 0, negatives = 0;

    for (size_t i = 0; i < group->n_items; i++) {
        const bool is_positive = group->label[i] > 0;
        positives += is_positive;
        negatives += !is_positive;
        if (group->id[i + 1] == 0) {
            return 0;
        }
    }
    return group->id[0] == 0 ? 0 : positives * negatives;
}

static void triplets(struct rk_objective *o, const struct rk_model *model, const float *theta,
                     const struct rk_group *const *groups, size_t n, double factor,
                     struct rk_loss_value *value)
{
    const size_t dim = model->config.dim;
    size_t first = 0;

    for (size_t g = 0; g < n; g++) {
        const uint64_t count = count_triplets(groups[g]);
        value->pairs += count;
        value->lists += count > 0;
    }
    for (size_t g = 0; g < n; g++) {
        const struct rk_group *group = groups[g];
        const uint64_t count = count_triplets(group);
        for (size_t i = 0; i < group->n_items && count > 0; i++) {
            (void)gather(model, theta, group, i + 1, o->item + (first + i) * dim);
        }
        if (count > 0) {
            (void)gather(model, theta, group, 0, o->user + g * dim);
            value->value += list_triplets(model, group, o->user + g * dim, o->item + first * dim,
                                          factor / (double)value->lists, count,
                                          o->user_grad + g * dim, o->item_grad + first * dim) /
                            (double)value->lists;
        }
        first += group->n_items;
    }
}

/* The item with the largest label, the first of equals, or SIZE_MAX where none is above 0. */
static size_t best_item(const struct rk_group *group)
{
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < group->n_items; i++) {
        if (group->label[i] > 0 && (best == SIZE_MAX || group->label[i] > group->label[best])) {
            best = i;
        }
    }
    return best;
}

/*
 * User and best item of each list that has both, packed to the front of o->user and o->item; `list`
 * and `at` say where they came from.
 */
struct packed {
    size_t n;
    size_t *list;
    size_t *at; /* among all items */
    uint64_t *label;
};

static void pack(struct rk_objective *o, const struct rk_model *model, const float *theta,
                 const struct rk_group *const *groups, size_t n, struct packed *packed)
{
    const size_t dim = model->config.dim;
    size_t first = 0;

    for (size_t g = 0; g < n; g++) {
        const size_t best = best_item(groups[g]);
        if (best != SIZE_MAX && gather(model, theta, groups[g], 0, o->user + packed->n * dim) &&
            gather(model, theta, groups[g], best + 1, o->item + packed->n * dim)) {
            packed->list[packed->n] = g;
            packed->at[packed->n] = first + best;
            packed->label[packed->n++] = groups[g]->id[best + 1];
        }
        first += groups[g]->n_items;
    }
}

/* Without a second class nobody has a negative. */
static bool has_pairs(const struct packed *packed)
{
    for (size_t p = 1; p < packed->n; p++) {
        if (packed->label[p] != packed->label[0]) {
            return true;
        }
    }
    return false;
}

static bool n_pairs(struct rk_objective *o, const struct rk_model *model, const float *theta,
                    const struct rk_group *const *groups, size_t n, double factor,
                    struct rk_loss_value *value)
{
    const size_t dim = model->config.dim;
    struct packed packed = {0};
    double *grad = NULL;
    bool done = rk_resize(&packed.list, n) && rk_resize(&packed.at, n) &&
                rk_resize(&packed.label, n) && rk_resize(&grad, 2 * n * dim);

    if (done) {
        memset(grad, 0, 2 * n * dim * sizeof *grad);
        pack(o, model, theta, groups, n, &packed);
    }
    if (has_pairs(&packed)) {
        value->pairs = value->lists = packed.n;
        value->value = rk_n_pair(o->user, o->item, packed.label, packed.n, dim,
                                 model->config.embedding_l2, factor, grad, grad + n * dim);
    }
    for (size_t p = 0; p < packed.n && value->pairs > 0; p++) {
        memcpy(o->user_grad + packed.list[p] * dim, grad + p * dim, dim * sizeof *grad);
        memcpy(o->item_grad + packed.at[p] * dim, grad + (n + p) * dim, dim * sizeof *grad);
    }
    free(packed.list);
    free(packed.at);
    free(packed.label);
    free(grad);
    return done;
}

enum rk_status rk_embedding_eval(struct rk_objective *objective, const struct rk_model *model,
                                 const float *theta, const struct rk_group *const *groups, size_t n,
                                 double factor, struct rk_loss_value *value, struct rk_error *err)
{
    struct rk_objective *o = objective;
    const size_t dim = model->config.dim;
    size_t items = 0;

    for (size_t g = 0; g < n; g++) {
        items += groups[g]->n_items;
    }
    *value = (struct rk_loss_value){0};
    memset(o->item_grad, 0, items * dim * sizeof(double));
    memset(o->user_grad, 0, n * dim * sizeof(double));
    if (model->config.embedding_loss == RK_TRIPLET) {
        triplets(o, model, theta, groups, n, factor, value);
    } else if (!n_pairs(o, model, theta, groups, n, factor, value)) {
        return rk_fail(err, RK_NOMEM, "out of memory for a mini-batch of %zu lists", n);
    }
    return isfinite(value->value) ? RK_OK : rk_fail(err, RK_DIVERGED, "the loss is not finite");
}
