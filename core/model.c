/*
 * The shape of a model and what all kinds share: options, tensors and their rows, standardised
 * numbers, finite scores.
 */
#include "fields.h"
#include "model_impl.h"
#include "numbers.h"
#include "objective.h"

#include <math.h>
#include <rankd/model.h>
#include <stdlib.h>
#include <string.h>

#define INIT_STD_DEFAULT  0.05
#define INIT_STD_MIN      1e-9 /* far below, floats would all round to 0 */
#define INIT_STD_MAX      10.0
#define INIT_SEED_DEFAULT 1

/* One line a kind. */
static const struct rk_kind *const kinds[] = {&rk_kind_fm, &rk_kind_ffm, &rk_kind_deepfm,
                                              &rk_kind_joint};

static const struct rk_kind *kind_find(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i]->name, name) == 0) {
            return kinds[i];
        }
    }
    return NULL;
}

enum rk_status rk_model_default(const char *kind, struct rk_model_config *config,
                                struct rk_error *err)
{
    enum rk_status status;

    if (kind_find(kind) == NULL) {
        return rk_fail(err, RK_NOTFOUND, "there is no model kind of this name");
    }
    *config = (struct rk_model_config){
        .features = {.kind = RK_HASHED, .bits = RK_BITS_DEFAULT},
        .standardize = true,
        .use_ids = true,
        .dim = RK_DIM_DEFAULT,
        .alpha = kind_find(kind)->has_click_head ? RK_ALPHA_DEFAULT : 1,
        .triplet_margin = 1,
        .triplet_squared = true,
        .users = {.kind = RK_HASHED, .bits = RK_ID_BITS_DEFAULT},
        .items = {.kind = RK_HASHED, .bits = RK_ID_BITS_DEFAULT},
        .hidden = {64, 32},
        .n_hidden = 2,
        .max_fields = RK_FIELDS_DEFAULT,
        .init_std = INIT_STD_DEFAULT,
        .init_seed = INIT_SEED_DEFAULT,
    };
    memcpy(config->kind, kind, strlen(kind) + 1);
    status = rk_loss_default("pairwise_logistic", &config->loss, err);
    return status != RK_OK ? status : rk_optim_default("adagrad", &config->optim, err);
}

static bool above_0(double x)
{
    return x > 0 && isfinite(x);
}

static bool from_0(double x)
{
    return x >= 0 && isfinite(x);
}

static bool below_1(double x)
{
    return x >= 0 && x < 1;
}

/* The ranges of optim.h; an option that an optimizer does not know is ignored. */
static bool optim_fits(const struct rk_optim *optim)
{
    if (!above_0(optim->learning_rate) || !from_0(optim->l2)) {
        return false;
    }
    switch (optim->name) {
    case RK_SGD:
        return below_1(optim->momentum);
    case RK_ADAGRAD:
        return above_0(optim->eps) && from_0(optim->init_acc);
    case RK_ADAM:
    case RK_ADAMW:
    case RK_SPARSE_ADAM:
        return above_0(optim->eps) && below_1(optim->beta1) && below_1(optim->beta2);
    case RK_FTRL:
        return from_0(optim->l1) && from_0(optim->beta);
    case RK_N_OPTIMS:
        break;
    }
    return false;
}

/* The ranges of loss.h. */
static bool loss_fits(const struct rk_loss *loss)
{
    switch (loss->name) {
    case RK_PAIRWISE_LOGISTIC:
    case RK_LAMBDARANK:
        return above_0(loss->sigma);
    case RK_MARGIN_RANKING:
        return from_0(loss->margin);
    case RK_SMOOTH_HINGE:
        return above_0(loss->margin);
    case RK_APPROX_NDCG:
        return above_0(loss->tau);
    case RK_BCE_WITH_LOGITS:
        return from_0(loss->pos_weight);
    case RK_DISTILL_POINTWISE:
    case RK_DISTILL_LISTWISE:
        return above_0(loss->temperature);
    case RK_RANKING_DISTILLATION:
        return above_0(loss->lambda) && from_0(loss->mu);
    case RK_N_PAIR:
    case RK_LISTWISE_SOFTMAX:
        return true;
    case RK_N_LOSSES:
        break;
    }
    return false;
}

static enum rk_status check_space(const struct rk_space *space, const char *name,
                                  struct rk_error *err)
{
    if (space->kind == RK_HASHED && (space->bits < RK_BITS_MIN || space->bits > RK_BITS_MAX)) {
        return rk_fail(err, RK_INVALID, "%s bits must be %d to %d", name, RK_BITS_MIN, RK_BITS_MAX);
    }
    if (space->kind == RK_INDEXED && (space->size < 1 || space->size > RK_SIZE_MAX)) {
        return rk_fail(err, RK_INVALID, "%s size must be 1 to %u", name, (unsigned)RK_SIZE_MAX);
    }
    return RK_OK;
}

/* Each column of an indexed space has one of n_fields fields. */
static enum rk_status check_fields(const struct rk_model_config *config, struct rk_error *err)
{
    if (config->fields == NULL || config->n_fields < 1 || config->n_fields > RK_FIELDS_MAX) {
        return rk_fail(err, RK_INVALID, "an indexed space needs the field of each column, 0 to %d",
                       RK_FIELDS_MAX - 1);
    }
    for (uint32_t j = 0; j < config->features.size; j++) {
        if (config->fields[j] >= config->n_fields) {
            return rk_fail(err, RK_INVALID, "the field of column %u is %u, of %u fields",
                           (unsigned)j, (unsigned)config->fields[j], (unsigned)config->n_fields);
        }
    }
    return RK_OK;
}

/* Layers, fields and tables: what only some kinds have, in the ranges of model.h for all. */
static enum rk_status check_shape(const struct rk_kind *kind, const struct rk_model_config *config,
                                  struct rk_error *err)
{
    if (config->n_hidden < 1 || config->n_hidden > RK_HIDDEN_MAX) {
        return rk_fail(err, RK_INVALID, "hidden must be 1 to %d layers", RK_HIDDEN_MAX);
    }
    for (uint32_t l = 0; l < config->n_hidden; l++) {
        if (config->hidden[l] < RK_WIDTH_MIN || config->hidden[l] > RK_WIDTH_MAX) {
            return rk_fail(err, RK_INVALID, "a hidden layer must be %d to %d wide", RK_WIDTH_MIN,
                           RK_WIDTH_MAX);
        }
    }
    if (!(config->alpha >= 0 && config->alpha <= 1)) {
        return rk_fail(err, RK_INVALID, "alpha must be 0 to 1");
    }
    if (config->max_fields < RK_FIELDS_MIN || config->max_fields > RK_FIELDS_MAX) {
        return rk_fail(err, RK_INVALID, "max_fields must be %d to %d", RK_FIELDS_MIN,
                       RK_FIELDS_MAX);
    }
    if (kind->has_fields && config->features.kind == RK_INDEXED &&
        check_fields(config, err) != RK_OK) {
        return RK_INVALID;
    }
    return check_space(&config->users, "users", err) != RK_OK ||
                   check_space(&config->items, "items", err) != RK_OK
               ? RK_INVALID
               : RK_OK;
}

static enum rk_status check(const struct rk_model_config *config, struct rk_error *err)
{
    if (check_space(&config->features, "features", err) != RK_OK) {
        return RK_INVALID;
    }
    if (config->dim < RK_DIM_MIN || config->dim > RK_DIM_MAX) {
        return rk_fail(err, RK_INVALID, "dim must be %d to %d", RK_DIM_MIN, RK_DIM_MAX);
    }
    if (!(config->init_std >= INIT_STD_MIN && config->init_std <= INIT_STD_MAX)) {
        return rk_fail(err, RK_INVALID, "init std must be 1e-9 to 10");
    }
    if (!from_0(config->clip_norm)) {
        return rk_fail(err, RK_INVALID, "clip_norm must be 0 or above");
    }
    if (!optim_fits(&config->optim)) {
        return rk_fail(err, RK_INVALID, "an option of the optimizer is outside its range");
    }
    if (!loss_fits(&config->loss) || !from_0(config->triplet_margin) ||
        !from_0(config->embedding_l2)) {
        return rk_fail(err, RK_INVALID, "an option of the loss is outside its range");
    }
    return RK_OK;
}

void rk_model_add_tensor(struct rk_model *model, const char *name, uint32_t rank,
                         const size_t *shape, size_t cols)
{
    struct rk_tensor *tensor = &model->tensor[model->n_tensors++];
    size_t elements = 1;

    *tensor =
        (struct rk_tensor){.rank = rank, .offset = model->n_params, .first_row = model->n_rows};
    memcpy(tensor->name, name, strlen(name) + 1);
    for (uint32_t d = 0; d < rank; d++) {
        tensor->shape[d] = shape[d];
        elements *= shape[d];
    }
    tensor->cols = cols;
    tensor->rows = elements / cols;
    model->n_params += elements;
    model->n_rows += tensor->rows;
}

static void lay_out(struct rk_model *model)
{
    const struct rk_model_config *config = &model->config;

    model->kind->lay_out(model);
    model->n_learned = model->n_params;
    if (config->standardize && config->features.kind == RK_HASHED) {
        const size_t rows = rk_space_rows(&config->features);
        rk_model_add_tensor(model, "numbers.weight", 2, (size_t[]){rows, RK_NUMBERS_COLS},
                            RK_NUMBERS_COLS);
        model->numbers = &model->tensor[model->n_tensors - 1];
    }
    if (model->kind->has_fields) {
        rk_fields_lay_out(model);
    }
}

size_t rk_model_n_fields(const struct rk_model *model)
{
    return model->config.features.kind == RK_HASHED ? model->config.max_fields
                                                    : model->config.n_fields;
}

void rk_model_init_normal(const struct rk_model *model, size_t tensor, float *theta,
                          struct rk_random *random)
{
    const struct rk_tensor *t = &model->tensor[tensor];

    for (size_t i = 0; i < t->rows * t->cols; i++) {
        theta[t->offset + i] = (float)(model->config.init_std * rk_random_normal(random));
    }
}

enum rk_status rk_model_create(const struct rk_model_config *config, size_t max_bytes,
                               struct rk_model **model, struct rk_error *err)
{
    const struct rk_kind *kind = kind_find(config->kind);
    struct rk_model *m = NULL;
    enum rk_status status;

    if (kind == NULL) {
        return rk_fail(err, RK_NOTFOUND, "there is no model kind of this name");
    }
    status = check(config, err);
    if (status == RK_OK) {
        status = check_shape(kind, config, err);
    }
    if (status != RK_OK) {
        return status;
    }
    m = calloc(1, sizeof *m);
    if (m == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for a model");
    }
    m->kind = kind;
    m->config = *config;
    lay_out(m);
    if (max_bytes > 0 && m->n_params > max_bytes / sizeof(float)) {
        status = rk_fail(err, RK_TOOBIG, "%zu parameters take %zu MiB, the limit is %zu",
                         m->n_params, m->n_params * sizeof(float) >> 20, max_bytes >> 20);
        rk_model_destroy(&m);
        return status;
    }
    *model = m;
    return RK_OK;
}

void rk_model_destroy(struct rk_model **model)
{
    free(*model);
    *model = NULL;
}

const struct rk_model_config *rk_model_config(const struct rk_model *model)
{
    return &model->config;
}

const struct rk_tensor *rk_model_tensors(const struct rk_model *model, size_t *n)
{
    *n = model->n_tensors;
    return model->tensor;
}

size_t rk_model_params(const struct rk_model *model)
{
    return model->n_params;
}

size_t rk_model_learned(const struct rk_model *model)
{
    return model->n_learned;
}

size_t rk_model_rows(const struct rk_model *model)
{
    return model->n_rows;
}

size_t rk_model_row(const struct rk_model *model, uint32_t row, size_t *length)
{
    const struct rk_tensor *tensor = &model->tensor[model->n_tensors - 1];

    while (row < tensor->first_row) {
        tensor--;
    }
    *length = tensor->cols;
    return tensor->offset + (row - tensor->first_row) * tensor->cols;
}

size_t rk_model_lead(const struct rk_model *model)
{
    const size_t line = RK_CACHE_LINE / sizeof(float);
    const struct rk_tensor *largest = model->tensor;

    for (size_t t = 1; t < model->n_tensors; t++) {
        const struct rk_tensor *tensor = &model->tensor[t];
        largest = tensor->rows * tensor->cols > largest->rows * largest->cols ? tensor : largest;
    }
    return (line - largest->offset % line) % line;
}

void rk_model_init(const struct rk_model *model, float *theta)
{
    memset(theta, 0, model->n_params * sizeof *theta);
    model->kind->init(model, theta);
}

size_t rk_model_heads(const struct rk_model *model)
{
    return model->kind->heads;
}

bool rk_model_is_layered(const struct rk_model *model)
{
    return model->mlp.n_layers > 0;
}

/* The kind's part, then room for the standardised values. */
size_t rk_model_work(const struct rk_model *model, size_t n_items, size_t nnz)
{
    return model->kind->work(model, n_items, nnz) + nnz * sizeof(float);
}

struct rk_group rk_model_seen(const struct rk_model *model, const float *theta,
                              const struct rk_group *group, void *work)
{
    const size_t nnz = group->offset[group->n_items + 1];
    char *behind = (char *)work + model->kind->work(model, group->n_items, nnz);
    struct rk_group view = *group;

    view.value = rk_numbers_values(model, theta, group, (float *)(void *)behind);
    return view;
}

enum rk_status rk_model_check_scores(const struct rk_model *model, const double *score,
                                     size_t n_items, struct rk_error *err)
{
    for (size_t i = 0; i < n_items * rk_model_heads(model); i++) {
        if (!isfinite(score[i])) {
            return rk_fail(err, RK_DIVERGED, "the score of item %zu is not finite", i % n_items);
        }
    }
    return RK_OK;
}

enum rk_status rk_model_forward(const struct rk_model *model, const float *theta,
                                const struct rk_group *group, void *work, double *score,
                                struct rk_error *err)
{
    const struct rk_group view = rk_model_seen(model, theta, group, work);

    model->kind->forward(model, theta, &view, work, score);
    return rk_model_check_scores(model, score, group->n_items, err);
}

enum rk_status rk_model_backward(const struct rk_model *model, const float *theta,
                                 const struct rk_group *group, void *work,
                                 const struct rk_output_grad *out, struct rk_gradient *grad,
                                 struct rk_error *err)
{
    const struct rk_group view = rk_model_seen(model, theta, group, work);

    if (!model->kind->backward(model, theta, &view, work, out, grad)) {
        return rk_fail(err, RK_NOMEM, "out of memory for a gradient");
    }
    return RK_OK;
}

/* sum_h weight_h head_h, which may be written over the first head. */
static void mix_heads(const struct rk_model *model, const double *weight, const double *head,
                      size_t n, double *to)
{
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t h = 0; h < model->kind->heads; h++) {
            sum += weight[h] * head[h * n + i];
        }
        to[i] = sum;
    }
}

void rk_model_scores(const struct rk_model *model, const double *head, size_t n, double *score)
{
    const struct rk_head_weights weights = rk_head_weights(model);

    mix_heads(model, weights.order, head, n, score);
}

bool rk_model_click_logits(const struct rk_model *model, const double *head, size_t n,
                           double *logit)
{
    const struct rk_head_weights weights = rk_head_weights(model);

    if (model->kind->has_click_head) {
        mix_heads(model, weights.click, head, n, logit);
    }
    return model->kind->has_click_head;
}

const float *rk_model_embedding(const struct rk_model *model, const float *theta,
                                const struct rk_group *group, size_t id)
{
    return model->kind->embedding != NULL ? model->kind->embedding(model, theta, group, id) : NULL;
}
