/*
 * Golden cases of whole models: models.json (scores, value, gradient) and train_trace.json (one
 * update per event).
 *
 * A case of models.json runs twice: put together here from forward pass, loss and backward pass,
 * and as one update of a learner, whose plain step of rate 1 must be the gradient.
 */
#ifndef RANKD_GOLDEN_MODELS_H
#define RANKD_GOLDEN_MODELS_H

#include "golden_read.h"

/* A model with its groups, and what a forward pass made of them. */
struct scored_model {
    struct rk_model *model;
    float *theta;
    struct rk_group **groups;
    size_t n_groups, items, heads;
    void **work;       /* of each group */
    double *head;      /* (heads, n_items) of each group */
    double *head_grad; /* the same */
};

static void *forward(struct run *run, const struct rk_model *model, const float *theta,
                     const struct rk_group *group, double *score)
{
    struct rk_error err = {0};
    void *work = keep(run, rk_model_work(model, group->n_items, group->offset[group->n_items + 1]));
    if (rk_model_forward(model, theta, group, work, score, &err) != RK_OK) {
        trouble(run, "rk_model_forward", &err);
    }
    return work;
}

static void score_groups(struct run *run, struct scored_model *m)
{
    m->heads = rk_model_heads(m->model);
    m->items = 0;
    for (size_t g = 0; g < m->n_groups; g++) {
        m->items += m->groups[g]->n_items;
    }
    m->work = keep(run, m->n_groups * sizeof *m->work);
    m->head = keep(run, m->items * m->heads * sizeof *m->head);
    m->head_grad = keep(run, m->items * m->heads * sizeof *m->head_grad);
    double *head = m->head;
    for (size_t g = 0; g < m->n_groups; g++) {
        m->work[g] = forward(run, m->model, m->theta, m->groups[g], head);
        head += m->groups[g]->n_items * m->heads;
    }
}

/* The files have an item's heads side by side. */
static void compare_scores(struct run *run, const struct scored_model *m, const json_t *want)
{
    double *as_written = keep(run, m->items * m->heads * sizeof *as_written), *to = as_written;
    const double *head = m->head;
    for (size_t g = 0; g < m->n_groups; g++) {
        size_t n = m->groups[g]->n_items;
        for (size_t i = 0; i < n * m->heads; i++) {
            *to++ = head[i % m->heads * n + i / m->heads];
        }
        head += n * m->heads;
    }
    compare(run, "scores", as_written, m->items * m->heads, want, ATOL);
}

/* One loss over the heads mixed by weight; its gradient times factor is added to the heads'. */
static double add_loss(struct run *run, struct scored_model *m, const struct rk_loss *loss,
                       struct batch batch, const double *weight, double factor)
{
    double *score = keep(run, m->items * sizeof *score), *to = score, *head = m->head;
    double *head_grad = m->head_grad, *grad;
    struct rk_loss_value value = {0};
    batch.items = m->items;
    for (size_t g = 0; g < m->n_groups; g++) {
        size_t n = m->groups[g]->n_items;
        batch.list[g].n = n;
        batch.list[g].score = to;
        for (size_t i = 0; i < n * m->heads; i++) {
            to[i % n] += weight[i / n] * head[i];
        }
        to += n;
        head += n * m->heads;
    }
    grad = eval_loss(run, loss, &batch, &value);
    for (size_t g = 0; g < m->n_groups; g++) {
        size_t n = m->groups[g]->n_items;
        for (size_t i = 0; i < n * m->heads; i++) {
            *head_grad++ += factor * weight[i / n] * grad[i % n];
        }
        grad += n;
    }
    return factor * value.value;
}

/* alpha ranking loss + (1 - alpha) cross entropy of the clicks. Heads are the dot product first. */
static double mixed_loss(struct run *run, struct scored_model *m, const json_t *lists)
{
    const struct rk_model_config *config = rk_model_config(m->model);
    const double rank[] = {1.0, config->separate ? 0.0 : 1.0};
    const double click[] = {config->separate ? 0.0 : 1.0, 1.0};
    struct batch graded = read_batch(run, lists, false), clicks = read_batch(run, lists, true);
    struct rk_loss bce;
    double value = add_loss(run, m, &config->loss, graded, rank, config->alpha);
    if (config->alpha < 1.0 && read_loss(run, "bce_with_logits", NULL, &bce)) {
        for (size_t g = 0; g < m->n_groups; g++) {
            const json_t *given = json_object_get(json_array_get(lists, g), "click");
            clicks.list[g].label = given == NULL ? clicks.list[g].label : floats_of(run, given);
        }
        value += add_loss(run, m, &bce, clicks, click, 1.0 - config->alpha);
    }
    return value;
}

/* The sparse gradient of a case as one dense block. */
static double *model_gradient(struct run *run, const struct scored_model *m)
{
    const struct rk_model_config *config = rk_model_config(m->model);
    struct rk_gradient grad = {0};
    struct rk_error err = {0};
    double *dense = keep(run, rk_model_params(m->model) * sizeof *dense);
    struct rk_output_grad out = {.head = m->head_grad,
                                 .shift_free = config->alpha == 1.0 &&
                                               rk_loss_shift_invariant(&config->loss)};
    enum rk_status status = RK_OK;
    for (size_t g = 0; status == RK_OK && g < m->n_groups; g++) {
        status = rk_model_backward(m->model, m->theta, m->groups[g], m->work[g], &out, &grad, &err);
        out.head += m->groups[g]->n_items * m->heads;
    }
    for (size_t r = 0; r < grad.rows.n; r++) {
        size_t length, at = rk_model_row(m->model, grad.rows.row[r], &length);
        memcpy(dense + at, grad.sum + grad.start[r], length * sizeof *dense);
    }
    if (status != RK_OK) {
        trouble(run, "rk_model_backward", &err);
    }
    rk_gradient_deinit(&grad);
    return dense;
}

/* One update of a learner with plain steps of rate 1: its loss, and the change as a gradient. */
static double *learner_gradient(struct run *run, const struct scored_model *m, double *value)
{
    size_t n = rk_model_params(m->model);
    float *theta = keep(run, n * sizeof *theta);
    double *grad = keep(run, n * sizeof *grad);
    struct rk_learner *learner = NULL;
    struct rk_learned learned = {0};
    struct rk_error err = {0};
    memcpy(theta, m->theta, n * sizeof *theta);
    if (rk_learner_create(m->model, theta, &learner, &err) != RK_OK ||
        rk_learner_update(learner, theta, (const struct rk_group *const *)m->groups, m->n_groups,
                          &learned, &err) != RK_OK) {
        trouble(run, "rk_learner_update", &err);
    }
    rk_learner_destroy(&learner);
    for (size_t i = 0; i < n; i++) {
        grad[i] = (double)m->theta[i] - (double)theta[i];
    }
    *value = learned.loss;
    return grad;
}

static void compare_gradient(struct run *run, const struct scored_model *m, const json_t *test,
                             double value, double *grad)
{
    double l2 = json_number_value(json_object_get(test, "l2"));
    for (size_t i = 0; i < rk_model_params(m->model); i++) {
        value += 0.5 * l2 * (double)m->theta[i] * (double)m->theta[i];
        grad[i] += l2 * (double)m->theta[i];
    }
    compare(run, "value", &value, 1, json_object_get(test, "value"), ATOL);
    compare_params(run, m->model, grad, json_object_get(test, "grad"), ATOL);
}

static void model_case(struct run *run, const json_t *test)
{
    const json_t *lists = json_object_get(test, "groups");
    struct scored_model m = {.n_groups = json_array_size(lists)};
    struct rk_optim plain = {.name = RK_SGD, .learning_rate = 1.0};
    m.model = read_model(run, test, "params", &plain, &m.theta);
    if (m.model == NULL) {
        return;
    }
    m.groups = read_groups(run, lists, rk_model_config(m.model)->features);
    if (run->check.trouble[0] == '\0') {
        double value, learned;
        score_groups(run, &m);
        compare_scores(run, &m, json_object_get(test, "scores"));
        value = mixed_loss(run, &m, lists);
        compare_gradient(run, &m, test, value, model_gradient(run, &m));
        double *grad = learner_gradient(run, &m, &learned);
        compare_gradient(run, &m, test, learned, grad);
    }
    for (size_t g = 0; g < m.n_groups; g++) {
        rk_group_destroy(&m.groups[g]);
    }
    rk_model_destroy(&m.model);
}

/* Sum and length of a tensor. */
static void compare_tensor_sums(struct run *run, const struct rk_model *model, const float *theta,
                                const json_t *want)
{
    const struct rk_tensor *w = find_tensor(model, "w"), *V = find_tensor(model, "V");
    double sum_w = 0.0, norm_V = 0.0;
    for (size_t i = 0; w != NULL && i < w->rows * w->cols; i++) {
        sum_w += (double)theta[w->offset + i];
    }
    for (size_t i = 0; V != NULL && i < V->rows * V->cols; i++) {
        norm_V += (double)theta[V->offset + i] * (double)theta[V->offset + i];
    }
    norm_V = sqrt(norm_V);
    compare(run, "sum_w", &sum_w, 1, json_object_get(want, "sum_w"), ATOL_TRACE);
    compare(run, "norm_V", &norm_V, 1, json_object_get(want, "norm_V"), ATOL_TRACE);
}

/* One event: score, learn, compare what the trace says of both. */
static void trace_event(struct run *run, const struct rk_model *model, struct rk_learner *learner,
                        float *theta, const struct rk_group *group, const json_t *want)
{
    struct rk_error err = {0};
    struct rk_learned learned = {0};
    double *score = keep(run, group->n_items * rk_model_heads(model) * sizeof *score);
    (void)forward(run, model, theta, group, score);
    compare(run, "scores_before", score, group->n_items, json_object_get(want, "scores_before"),
            ATOL_TRACE);
    rk_learner_begin(learner);
    if (rk_learner_update(learner, theta, &group, 1, &learned, &err) != RK_OK) {
        trouble(run, "rk_learner_update", &err);
    }
    compare(run, "loss", &learned.loss, 1, json_object_get(want, "loss"), ATOL_TRACE);
    compare_tensor_sums(run, model, theta, want);
}

static void trace_case(struct run *run, const json_t *test)
{
    const json_t *events = json_object_get(test, "events"), *trace = json_object_get(test, "trace");
    struct rk_learner *learner = NULL;
    struct rk_error err = {0};
    struct rk_optim optim;
    float *theta = NULL;
    struct rk_model *model = NULL;
    if (read_optim(run, test, &optim)) {
        model = read_model(run, test, "p0", &optim, &theta);
    }
    if (model == NULL) {
        return;
    }
    struct rk_group **groups = read_groups(run, events, rk_model_config(model)->features);
    if (rk_learner_create(model, theta, &learner, &err) != RK_OK) {
        trouble(run, "rk_learner_create", &err);
    }
    for (size_t e = 0; e < json_array_size(events); e++) {
        if (run->check.trouble[0] == '\0') {
            trace_event(run, model, learner, theta, groups[e], json_array_get(trace, e));
        }
        rk_group_destroy(&groups[e]);
    }
    double *final = keep(run, rk_model_params(model) * sizeof *final);
    for (size_t i = 0; i < rk_model_params(model); i++) {
        final[i] = (double)theta[i];
    }
    compare_params(run, model, final, json_object_get(test, "final"), ATOL_TRACE);
    rk_learner_destroy(&learner);
    rk_model_destroy(&model);
}

#endif
