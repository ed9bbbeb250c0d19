/*
 * Mixing a ranking loss and a click loss over the heads of a mini-batch.
 */
#include "objective.h"

#include "embedding.h"
#include "grow.h"

#include <stdlib.h>
#include <string.h>

struct rk_head_weights rk_head_weights(const struct rk_model *model)
{
    const double alpha = model->config.alpha;

    if (model->kind->heads == 1) {
        return (struct rk_head_weights){.rank = {1}, .click = {1}, .order = {1}};
    }
    if (model->config.separate) {
        return (struct rk_head_weights){
            .rank = {1, 0}, .click = {0, 1}, .order = {alpha, 1 - alpha}};
    }
    return (struct rk_head_weights){.rank = {1, 1}, .click = {1, 1}, .order = {1, 1}};
}

static bool looks_at_embeddings(const struct rk_model *model)
{
    return model->config.embedding_loss != RK_ON_SCORES && model->kind->embedding != NULL;
}

bool rk_objective_reserve(struct rk_objective *objective, const struct rk_model *model,
                          const struct rk_group *const *groups, size_t n)
{
    struct rk_objective *o = objective;
    size_t items = 0, most = 0, cap;

    for (size_t g = 0; g < n; g++) {
        items += groups[g]->n_items;
        most = groups[g]->n_items > most ? groups[g]->n_items : most;
    }
    cap = rk_grown(o->cap_head, items * model->kind->heads);
    if (cap > o->cap_head) {
        if (!rk_resize(&o->head, cap) || !rk_resize(&o->head_grad, cap)) {
            return false;
        }
        o->cap_head = cap;
    }
    cap = rk_grown(o->cap_score, items);
    if (cap > o->cap_score) {
        if (!rk_resize(&o->score, cap) || !rk_resize(&o->grad, cap) || !rk_resize(&o->click, cap)) {
            return false;
        }
        o->cap_score = cap;
    }
    return rk_reserve(&o->scored, &o->cap_scored, n) &&
           rk_reserve(&o->loss_work, &o->cap_loss_work, rk_loss_work(most)) &&
           (!looks_at_embeddings(model) ||
            rk_embedding_reserve(o, n * model->config.dim, items * model->config.dim));
}

/* One of the losses that are mixed. */
struct part {
    const struct rk_loss *loss;
    const double *weight; /* of the heads */
    double factor;
    bool clicks; /* labels are [y > 0] */
};

/* Scores from the heads, and labels. */
static void gather(struct rk_objective *o, const struct rk_model *model,
                   const struct rk_group *const *groups, size_t n, const struct part *part)
{
    const size_t heads = model->kind->heads;
    const double *head = o->head;
    double *score = o->score;
    float *click = o->click;

    for (size_t g = 0; g < n; g++) {
        const struct rk_group *group = groups[g];
        for (size_t i = 0; i < group->n_items; i++) {
            score[i] = 0;
            for (size_t h = 0; h < heads; h++) {
                score[i] += part->weight[h] * head[h * group->n_items + i];
            }
            click[i] = group->label[i] > 0 ? 1 : 0;
        }
        o->scored[g] = (struct rk_scored){.n = group->n_items,
                                          .score = score,
                                          .label = part->clicks ? click : group->label,
                                          .weight = group->weight,
                                          .teacher = group->teacher};
        score += group->n_items;
        click += group->n_items;
        head += heads * group->n_items;
    }
}

/* One loss: its gradient, times factor, goes back to the heads by the weights it came with. */
static enum rk_status add_loss(struct rk_objective *o, const struct rk_model *model,
                               const struct rk_group *const *groups, size_t n,
                               const struct part *part, struct rk_loss_value *value,
                               struct rk_error *err)
{
    const double *grad = o->grad;
    double *head_grad = o->head_grad;
    enum rk_status status;

    gather(o, model, groups, n, part);
    status = rk_loss_eval(part->loss, o->scored, n, o->loss_work, o->grad, value, err);
    if (status != RK_OK || value->pairs == 0) {
        return status;
    }
    for (size_t g = 0; g < n; g++) {
        for (size_t h = 0; h < model->kind->heads; h++) {
            for (size_t i = 0; i < groups[g]->n_items; i++) {
                *head_grad++ += part->factor * part->weight[h] * grad[i];
            }
        }
        grad += groups[g]->n_items;
    }
    return RK_OK;
}

enum rk_status rk_objective_eval(struct rk_objective *objective, const struct rk_model *model,
                                 const float *theta, const struct rk_group *const *groups, size_t n,
                                 struct rk_loss_value *value, struct rk_error *err)
{
    struct rk_objective *o = objective;
    const struct rk_head_weights weights = rk_head_weights(model);
    const double alpha = model->config.alpha;
    const struct rk_loss bce = {.name = RK_BCE_WITH_LOGITS, .pos_weight = 1};
    const struct part rank = {&model->config.loss, weights.rank, alpha, false};
    const struct part click = {&bce, weights.click, 1 - alpha, true};
    struct rk_loss_value rank_value = {0}, click_value = {0};
    enum rk_status status = RK_OK;
    size_t items = 0;

    for (size_t g = 0; g < n; g++) {
        items += groups[g]->n_items;
    }
    memset(o->head_grad, 0, items * model->kind->heads * sizeof(double));
    /* a click loss notices a shift; one on embeddings pulls at no score */
    o->shift_free = alpha == 1 && rk_loss_shift_invariant(&model->config.loss);
    if (alpha > 0 && looks_at_embeddings(model)) {
        status = rk_embedding_eval(o, model, theta, groups, n, alpha, &rank_value, err);
    } else if (alpha > 0) {
        status = add_loss(o, model, groups, n, &rank, &rank_value, err);
    }
    if (status == RK_OK && alpha < 1) {
        status = add_loss(o, model, groups, n, &click, &click_value, err);
    }
    if (status == RK_OK) {
        value->value = alpha * rank_value.value + (1 - alpha) * click_value.value;
        value->pairs = rank_value.pairs + click_value.pairs;
        value->lists = alpha < 1 ? click_value.lists : rank_value.lists;
    }
    return status;
}

struct rk_output_grad rk_objective_grad(const struct rk_objective *objective,
                                        const struct rk_model *model, size_t g, size_t first_item)
{
    const size_t dim = model->config.dim;
    const bool embeddings = looks_at_embeddings(model) && model->config.alpha > 0;

    return (struct rk_output_grad){.head = objective->head_grad + first_item * model->kind->heads,
                                   .shift_free = objective->shift_free,
                                   .user = embeddings ? objective->user_grad + g * dim : NULL,
                                   .item =
                                       embeddings ? objective->item_grad + first_item * dim : NULL};
}

void rk_objective_deinit(struct rk_objective *objective)
{
    free(objective->head);
    free(objective->head_grad);
    free(objective->score);
    free(objective->grad);
    free(objective->click);
    free(objective->scored);
    free(objective->loss_work);
    free(objective->user);
    free(objective->user_grad);
    free(objective->item);
    free(objective->item_grad);
    *objective = (struct rk_objective){0};
}
