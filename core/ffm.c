/*
 * Field-aware factorization machines (Juan et al., RecSys 2016): the pair of features a, b uses the
 * vector of a for b's field and of b for a's field.
 *
 * With A[F][G] the sum of v_{a,G} x_a over the features a of field F, the pairs of an item are
 *     1/2 (sum_{F,G} <A[F][G], A[G][F]> - sum_a <v_{a,F(a)}, v_{a,F(a)}> x_a^2)
 * so that the cost is linear in the features, the user's and context's sums are made once, and the
 * gradient of v_{a,G} is x_a (A[G][F(a)] - [G = F(a)] v_{a,G} x_a): the factorization machine's, by
 * field.
 */
#include "fields.h"
#include "kernels.h"
#include "model_impl.h"

#include <rankd/random.h>
#include <string.h>

enum {
    BIAS,
    LINEAR,
    EMBEDDING
};

/* What one row of a group adds up to. */
struct row_sums {
    double linear;
    double self; /* sum_a <v_{a,F(a)}, v_{a,F(a)}> x_a^2 */
    double norm; /* sum_a x_a^2 of features that have a field */
};

/*
 * Work memory: the sums A of row 0, of an item, of both; what a backward pass collects; each item's
 * 1/|x|^2.
 */
struct ffm_work {
    double *shared;
    double *item;
    double *both;
    double *pull;
    double *scale; /* (n_items) */
};

static size_t n_sums(const struct rk_model *model)
{
    return rk_model_n_fields(model) * rk_model_n_fields(model) * model->config.dim;
}

static struct ffm_work work_of(const struct rk_model *model, void *work)
{
    const size_t n = n_sums(model);
    double *base = work;

    return (struct ffm_work){base, base + n, base + 2 * n, base + 3 * n, base + 4 * n};
}

static void ffm_lay_out(struct rk_model *model)
{
    const size_t n = rk_space_rows(&model->config.features);
    const size_t f = rk_model_n_fields(model);
    const size_t k = model->config.dim;

    rk_model_add_tensor(model, "linear.bias", 1, (size_t[]){1}, 1);
    rk_model_add_tensor(model, "linear.weight", 2, (size_t[]){1, n}, 1);
    rk_model_add_tensor(model, "embedding.weight", 3, (size_t[]){n, f, k}, f * k);
}

static void ffm_init(const struct rk_model *model, float *theta)
{
    struct rk_random random = {model->config.init_seed};

    rk_model_init_normal(model, EMBEDDING, theta, &random);
}

static size_t ffm_work_bytes(const struct rk_model *model, size_t n_items, size_t nnz)
{
    (void)nnz;
    return (4 * n_sums(model) + n_items) * sizeof(double);
}

/* Of the entry after this one, while this one is added: its vectors are many lines. */
static void look_ahead(const struct rk_model *model, const float *theta,
                       const struct rk_group *group, uint32_t entry)
{
    const size_t width = rk_model_n_fields(model) * model->config.dim;

    if (entry + 1 < group->offset[group->n_items + 1]) {
        const size_t a = group->index[entry + 1];
        const float *v_a = theta + model->tensor[EMBEDDING].offset + a * width;
        __builtin_prefetch(theta + model->tensor[LINEAR].offset + a);
        for (size_t i = 0; i < width; i += RK_CACHE_LINE / sizeof *v_a) {
            __builtin_prefetch(v_a + i);
        }
    }
}

/* Adds a row's features to the sums A. */
static struct row_sums sum_row(const struct rk_model *model, const float *theta,
                               const struct rk_fields *fields, const struct rk_group *group,
                               size_t row, double *sum)
{
    const size_t k = model->config.dim, width = rk_model_n_fields(model) * k;
    const float *w = theta + model->tensor[LINEAR].offset;
    const float *v = theta + model->tensor[EMBEDDING].offset;
    double term[RK_DIM_MAX];
    struct row_sums sums = {0};

    for (uint32_t e = group->offset[row]; e < group->offset[row + 1]; e++) {
        const double x = (double)group->value[e];
        const uint32_t field = rk_fields_find(fields, group, e);
        const float *v_a = v + (size_t)group->index[e] * width;
        look_ahead(model, theta, group, e);
        sums.linear += (double)w[group->index[e]] * x;
        if (field == RK_NO_FIELD) {
            continue;
        }
        rk_kernels()->add(sum + field * width, v_a, x, width);
        for (size_t i = 0; i < k; i++) {
            term[i] = (double)v_a[field * k + i] * x;
        }
        sums.self += rk_kernels()->dot(term, term, k); /* the very sum that ffm_pairs has */
        sums.norm += x * x;
    }
    return sums;
}

/* The sums of one item, alone and with row 0's. */
static struct row_sums sum_item(const struct rk_model *model, const float *theta,
                                const struct rk_fields *fields, const struct rk_group *group,
                                size_t i, const struct ffm_work *w)
{
    const size_t n = n_sums(model);
    struct row_sums sums;

    memset(w->item, 0, n * sizeof(double));
    sums = sum_row(model, theta, fields, group, i + 1, w->item);
    for (size_t s = 0; s < n; s++) {
        w->both[s] = w->shared[s] + w->item[s];
    }
    return sums;
}

static void ffm_forward(const struct rk_model *model, const float *theta,
                        const struct rk_group *group, void *work, double *score)
{
    const struct ffm_work w = work_of(model, work);
    const double bias = (double)theta[model->tensor[BIAS].offset];
    struct rk_fields fields;
    struct row_sums own;

    rk_fields_read(model, theta, &fields);
    memset(w.shared, 0, n_sums(model) * sizeof(double));
    own = sum_row(model, theta, &fields, group, 0, w.shared);
    for (size_t i = 0; i < group->n_items; i++) {
        const struct row_sums item = sum_item(model, theta, &fields, group, i, &w);
        const double norm = own.norm + item.norm;
        w.scale[i] = model->config.normalize && norm > 0 ? 1 / norm : 1;
        score[i] =
            bias + own.linear + item.linear +
            0.5 * w.scale[i] *
                (rk_kernels()->ffm_pairs(w.both, rk_model_n_fields(model), model->config.dim) -
                 own.self - item.self);
    }
}

/*
 * What pulls at the features of one row: of the items the row is part of, the sum of their score
 * gradients, and these times A.
 */
struct pull {
    const double *weight; /* at linear weights, or NULL */
    double pair;
    const double *sum; /* (fields, fields, k) */
};

/*
 * d/dv_{a,G} = x_a (A[G][F(a)] - [G = F(a)] v_{a,G} x_a). The product v x is the very one that
 * forward added: a feature that has nothing to pair with gets exactly 0.
 */
static void add_vectors(const struct rk_model *model, const struct pull *pull, const float *v_a,
                        uint32_t field, double x, double *d)
{
    const size_t n = rk_model_n_fields(model), k = model->config.dim;

    for (size_t g = 0; g < n; g++) {
        const double *sum = pull->sum + (g * n + field) * k;
        const double self = g == field ? pull->pair : 0;
        for (size_t i = 0; i < k; i++) {
            d[g * k + i] += x * (sum[i] - self * ((double)v_a[g * k + i] * x));
        }
    }
}

/* d/dw_a = x_a. */
static bool add_row(const struct rk_model *model, const float *theta,
                    const struct rk_fields *fields, const struct rk_group *group, size_t row,
                    const struct pull *pull, struct rk_gradient *grad)
{
    const struct rk_tensor *w = &model->tensor[LINEAR];
    const struct rk_tensor *v = &model->tensor[EMBEDDING];

    for (uint32_t e = group->offset[row]; e < group->offset[row + 1]; e++) {
        const uint32_t a = group->index[e];
        const uint32_t field = rk_fields_find(fields, group, e);
        const double x = (double)group->value[e];
        double *d;
        if (pull->weight != NULL && !rk_model_add_one(w, a, *pull->weight * x, grad)) {
            return false;
        }
        if (field == RK_NO_FIELD) {
            continue;
        }
        d = rk_gradient_row(grad, (uint32_t)(v->first_row + a), v->cols);
        if (d == NULL) {
            return false;
        }
        add_vectors(model, pull, theta + v->offset + (size_t)a * v->cols, field, x, d);
    }
    return true;
}

/*
 * An item's features get that item's pull, shared ones the sum of all, where a shift-free loss has
 * sum_i g_i exactly 0 (but not sum_i g_i / |x_i|^2).
 */
static bool ffm_backward(const struct rk_model *model, const float *theta,
                         const struct rk_group *group, void *work, const struct rk_output_grad *out,
                         struct rk_gradient *grad)
{
    const struct ffm_work w = work_of(model, work);
    const size_t n = n_sums(model);
    struct rk_fields fields;
    double total = 0, pair = 0;
    struct pull all;

    rk_fields_read(model, theta, &fields);
    memset(w.pull, 0, n * sizeof(double));
    for (size_t i = 0; i < group->n_items; i++) {
        const double g = out->head[i], scaled = g * w.scale[i];
        const struct pull one = {.weight = &g, .pair = scaled, .sum = w.both};
        if (g == 0.0) {
            continue;
        }
        total += g;
        pair += scaled;
        (void)sum_item(model, theta, &fields, group, i, &w);
        for (size_t s = 0; s < n; s++) {
            w.both[s] *= scaled;
            w.pull[s] += scaled * w.item[s];
        }
        if (!add_row(model, theta, &fields, group, i + 1, &one, grad)) {
            return false;
        }
    }
    if (!out->shift_free) {
        if (!rk_model_add_one(&model->tensor[BIAS], 0, total, grad)) {
            return false;
        }
    } else if (!model->config.normalize) {
        pair = 0;
    }
    for (size_t s = 0; s < n; s++) {
        w.pull[s] += pair * w.shared[s];
    }
    all = (struct pull){.weight = out->shift_free ? NULL : &total, .pair = pair, .sum = w.pull};
    return add_row(model, theta, &fields, group, 0, &all, grad);
}

const struct rk_kind rk_kind_ffm = {.name = "ffm",
                                    .has_fields = true,
                                    .lay_out = ffm_lay_out,
                                    .init = ffm_init,
                                    .heads = 1,
                                    .work = ffm_work_bytes,
                                    .forward = ffm_forward,
                                    .backward = ffm_backward};
