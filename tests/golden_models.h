/*
 * Golden cases of whole models: models.json (scores, value, gradient) and train_trace.json (one
 * update per event).
 */
#ifndef RANKD_GOLDEN_MODELS_H
#define RANKD_GOLDEN_MODELS_H

#include "golden_losses.h"

#include <rankd/learner.h>

/* An item is [[index, value], ...]. */
static enum rk_status add_item(struct rk_group_builder *builder, const json_t *item, float label,
                               struct rk_error *err)
{
    enum rk_status status = rk_group_begin_item(builder, 0, err);
    for (size_t f = 0; status == RK_OK && f < json_array_size(item); f++) {
        const json_t *entry = json_array_get(item, f);
        struct rk_feature feature =
            rk_feature_column((uint32_t)json_integer_value(json_array_get(entry, 0)),
                              (float)json_number_value(json_array_get(entry, 1)));
        status = rk_group_add(builder, &feature, err);
    }
    if (status == RK_OK) {
        rk_group_label(builder, label, 1.0F);
    }
    return status;
}

/* Groups live in the case's memory as copies of one builder's. */
static struct rk_group **read_groups(struct run *run, const json_t *groups, struct rk_space space)
{
    size_t n = json_array_size(groups);
    struct rk_group **copies = keep(run, n * sizeof *copies), view;
    struct rk_group_builder builder;
    struct rk_error err = {0};
    enum rk_status status = RK_OK;
    rk_group_builder_init(&builder);
    for (size_t g = 0; status == RK_OK && g < n; g++) {
        const json_t *items = json_object_get(json_array_get(groups, g), "items");
        struct numbers label =
            numbers_of(run, json_object_get(json_array_get(groups, g), "labels"));
        status = rk_group_begin(&builder, &space, 0, &err);
        for (size_t i = 0; status == RK_OK && i < label.n; i++) {
            status = add_item(&builder, json_array_get(items, i), (float)label.v[i], &err);
        }
        if (status == RK_OK) {
            status = rk_group_end(&builder, true, &view, &err);
        }
        if (status == RK_OK) {
            status = rk_group_copy(&view, &copies[g], &err);
        }
    }
    if (status != RK_OK) {
        trouble(run, "group", &err);
    }
    rk_group_builder_deinit(&builder);
    return copies;
}

static const struct {
    const char *key, *tensor; /* in the files and in the library */
} fm_tensors[] = {{"w0", "linear.bias"}, {"w", "linear.weight"}, {"V", "embedding.weight"}};

#define N_FM_TENSORS (sizeof fm_tensors / sizeof *fm_tensors)

static size_t tensor_at(const struct rk_model *model, const char *name, size_t *elements)
{
    size_t n;
    const struct rk_tensor *tensors = rk_model_tensors(model, &n);
    for (size_t t = 0; t < n; t++) {
        if (strcmp(tensors[t].name, name) == 0) {
            *elements = tensors[t].rows * tensors[t].cols;
            return tensors[t].offset;
        }
    }
    *elements = 0;
    return 0;
}

/*
 * Makes the model of a case with its shape taken from the parameters; NULL: skipped, or in trouble.
 */
static struct rk_model *read_model(struct run *run, const json_t *test, const json_t *params,
                                   const struct rk_optim *optim, float **theta)
{
    const char *kind = json_string_value(json_object_get(test, "model"));
    json_t *loss = json_object_get(test, "loss"), *V = json_object_get(params, "V");
    struct rk_model_config config;
    struct rk_model *model = NULL;
    struct rk_error err = {0};
    if (kind == NULL || rk_model_default(kind, &config, NULL) != RK_OK) {
        run->check.skip = "model not built";
        return NULL;
    }
    if (strcmp(kind, "fm") != 0) {
        run->check.skip = "model not known to this program";
        return NULL;
    }
    config.features = (struct rk_space){.kind = RK_INDEXED, .size = (uint32_t)json_array_size(V)};
    config.dim = (uint32_t)json_array_size(json_array_get(V, 0));
    config.standardize = config.use_ids = false;
    config.optim = optim == NULL ? config.optim : *optim;
    if (!read_loss(run, json_string_value(json_object_get(loss, "name")),
                   json_object_get(loss, "params"), &config.loss)) {
        return NULL;
    }
    if (rk_model_create(&config, 0, &model, &err) != RK_OK) {
        trouble(run, "rk_model_create", &err);
        return NULL;
    }
    *theta = keep(run, rk_model_params(model) * sizeof **theta);
    for (size_t t = 0; t < N_FM_TENSORS; t++) {
        size_t n, at = tensor_at(model, fm_tensors[t].tensor, &n);
        const json_t *values = json_object_get(params, fm_tensors[t].key);
        if (values == NULL || count_numbers(values) != n) {
            trouble(run, fm_tensors[t].tensor, NULL);
        } else {
            memcpy(*theta + at, floats_of(run, values), n * sizeof **theta);
        }
    }
    return model;
}

static void compare_params(struct run *run, const struct rk_model *model, const double *got,
                           const json_t *want, double atol)
{
    for (size_t t = 0; t < N_FM_TENSORS; t++) {
        size_t n, at = tensor_at(model, fm_tensors[t].tensor, &n);
        compare(run, fm_tensors[t].tensor, got + at, n, json_object_get(want, fm_tensors[t].key),
                atol);
    }
}

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

/* The sparse gradient of a case as one dense block, or NULL. */
static double *model_gradient(struct run *run, const struct rk_model *model, const float *theta,
                              struct rk_group *const *groups, void *const *work,
                              const struct batch *batch, const double *score_grad)
{
    struct rk_gradient grad = {0};
    struct rk_error err = {0};
    double *dense = keep(run, rk_model_params(model) * sizeof *dense);
    bool shift_free = rk_loss_shift_invariant(&rk_model_config(model)->loss);
    enum rk_status status = rk_gradient_init(&grad, rk_model_rows(model), &err);
    for (size_t g = 0; status == RK_OK && g < batch->n; g++) {
        status = rk_model_backward(model, theta, groups[g], work[g], score_grad, shift_free, &grad,
                                   &err);
        score_grad += batch->list[g].n;
    }
    for (size_t r = 0; r < grad.n_rows; r++) {
        size_t length, at = rk_model_row(model, grad.row[r], &length);
        memcpy(dense + at, grad.sum + grad.start[r], length * sizeof *dense);
    }
    if (status != RK_OK) {
        trouble(run, "rk_model_backward", &err);
    }
    rk_gradient_deinit(&grad);
    return dense;
}

static void add_l2(const float *theta, size_t n, double l2, double *value, double *grad)
{
    for (size_t i = 0; i < n; i++) {
        *value += 0.5 * l2 * (double)theta[i] * (double)theta[i];
        grad[i] += l2 * (double)theta[i];
    }
}

static void model_case(struct run *run, const json_t *test)
{
    const json_t *lists = json_object_get(test, "groups");
    float *theta;
    struct rk_model *model = read_model(run, test, json_object_get(test, "params"), NULL, &theta);
    if (model == NULL) {
        return;
    }
    struct rk_group **groups = read_groups(run, lists, rk_model_config(model)->features);
    struct batch batch = read_batch(run, lists, false);
    void **work = keep(run, batch.n * sizeof *work);
    struct rk_loss_value value = {0};
    batch.items = 0;
    double *score = keep(run, count_numbers(json_object_get(test, "scores")) * sizeof *score);
    for (size_t g = 0; g < batch.n && run->check.trouble[0] == '\0'; g++) {
        batch.list[g].n = groups[g]->n_items;
        batch.list[g].score = score + batch.items;
        work[g] = forward(run, model, theta, groups[g], score + batch.items);
        batch.items += groups[g]->n_items;
    }
    if (run->check.trouble[0] == '\0') {
        double *score_grad = eval_loss(run, &rk_model_config(model)->loss, &batch, &value);
        double *grad = model_gradient(run, model, theta, groups, work, &batch, score_grad);
        add_l2(theta, rk_model_params(model), json_number_value(json_object_get(test, "l2")),
               &value.value, grad);
        compare(run, "scores", score, batch.items, json_object_get(test, "scores"), ATOL);
        compare(run, "value", &value.value, 1, json_object_get(test, "value"), ATOL);
        compare_params(run, model, grad, json_object_get(test, "grad"), ATOL);
    }
    for (size_t g = 0; g < batch.n; g++) {
        rk_group_destroy(&groups[g]);
    }
    rk_model_destroy(&model);
}

/* One event: score, learn, compare what the trace says of both. */
static void trace_event(struct run *run, const struct rk_model *model, struct rk_learner *learner,
                        float *theta, const struct rk_group *group, const json_t *want)
{
    struct rk_error err = {0};
    struct rk_learned learned = {0};
    double *score = keep(run, group->n_items * sizeof *score), sum_w = 0.0, norm_V = 0.0;
    (void)forward(run, model, theta, group, score);
    compare(run, "scores_before", score, group->n_items, json_object_get(want, "scores_before"),
            ATOL_TRACE);
    rk_learner_begin(learner);
    if (rk_learner_update(learner, theta, &group, 1, &learned, &err) != RK_OK) {
        trouble(run, "rk_learner_update", &err);
    }
    size_t n_w, w = tensor_at(model, "linear.weight", &n_w);
    size_t n_V, V = tensor_at(model, "embedding.weight", &n_V);
    for (size_t i = 0; i < n_w; i++) {
        sum_w += (double)theta[w + i];
    }
    for (size_t i = 0; i < n_V; i++) {
        norm_V += (double)theta[V + i] * (double)theta[V + i];
    }
    norm_V = sqrt(norm_V);
    compare(run, "loss", &learned.loss, 1, json_object_get(want, "loss"), ATOL_TRACE);
    compare(run, "sum_w", &sum_w, 1, json_object_get(want, "sum_w"), ATOL_TRACE);
    compare(run, "norm_V", &norm_V, 1, json_object_get(want, "norm_V"), ATOL_TRACE);
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
        model = read_model(run, test, json_object_get(test, "p0"), &optim, &theta);
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
