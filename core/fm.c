/*
 * Factorization machines (Rendle, "Factorization Machines", ICDM 2010), with the user's and
 * context's part computed once.
 *
 * With S the sum of v_j x_j over row 0, T_i the same over item i, and q the sums of squares:
 *     y_i = w0 + <w,x>_0 + <w,x>_i + 1/2 (|S + T_i|^2 - q_0 - q_i)
 * The work memory keeps S and all T_i for the backward pass. Sums are in double: the two halves of
 * the pair term cancel.
 */
#include "model_impl.h"

#include <rankd/random.h>
#include <string.h>

enum {
    BIAS,
    LINEAR,
    EMBEDDING
};

#define LOOK_AHEAD      8
#define FLOATS_PER_LINE 16

/* One row summed up. */
struct row_sums {
    double linear;
    double square; /* sum_f sum_j v_jf^2 x_j^2 */
};

static void fm_lay_out(struct rk_model *model)
{
    const size_t n = rk_space_rows(&model->config.features);
    const size_t k = model->config.dim;

    rk_model_add_tensor(model, "linear.bias", 1, (size_t[]){1}, 1);
    rk_model_add_tensor(model, "linear.weight", 2, (size_t[]){1, n}, 1);
    rk_model_add_tensor(model, "embedding.weight", 2, (size_t[]){n, k}, k);
}

static void fm_init(const struct rk_model *model, float *theta)
{
    struct rk_random random = {model->config.init_seed};

    rk_model_init_normal(model, EMBEDDING, theta, &random);
}

static size_t fm_work(const struct rk_model *model, size_t n_items, size_t nnz)
{
    (void)nnz;
    return (n_items + 1) * model->config.dim * sizeof(double);
}

/*
 * Rows lie scattered over a table larger than the caches: the ones of an entry some places on are asked for while this one's are added.
 * Entries of all items follow each other, so that the look ahead goes on into the next item.
 */
static void look_ahead(const struct rk_model *model, const float *theta,
                       const struct rk_group *group, uint32_t entry)
{
    const size_t k = model->config.dim;

    if (entry + LOOK_AHEAD < group->offset[group->n_items + 1]) {
        const size_t j = group->index[entry + LOOK_AHEAD];
        const float *v_j = theta + model->tensor[EMBEDDING].offset + j * k;
        for (size_t f = 0; f < k; f += FLOATS_PER_LINE) {
            __builtin_prefetch(v_j + f);
        }
        __builtin_prefetch(v_j + k - 1);
        __builtin_prefetch(theta + model->tensor[LINEAR].offset + j);
    }
}

static struct row_sums sum_row(const struct rk_model *model, const float *theta,
                               const struct rk_group *group, size_t row, double *sum)
{
    const size_t k = model->config.dim;
    const float *w = theta + model->tensor[LINEAR].offset;
    const float *v = theta + model->tensor[EMBEDDING].offset;
    double
        square[RK_DIM_MAX]; /* by coordinate: one sum would make each addition wait for the last */
    struct row_sums sums = {0};

    memset(sum, 0, k * sizeof *sum);
    memset(square, 0, k * sizeof *square);
    for (uint32_t e = group->offset[row]; e < group->offset[row + 1]; e++) {
        const double x = (double)group->value[e];
        const float *v_j = v + (size_t)group->index[e] * k;
        look_ahead(model, theta, group, e);
        for (size_t f = 0; f < k; f++) {
            const double term = (double)v_j[f] * x;
            sum[f] += term;
            square[f] += term * term;
        }
        sums.linear += (double)w[group->index[e]] * x;
    }
    for (size_t f = 0; f < k; f++) {
        sums.square += square[f];
    }
    return sums;
}

static void fm_forward(const struct rk_model *model, const float *theta,
                       const struct rk_group *group, void *work, double *score)
{
    const size_t k = model->config.dim;
    double *shared = work;
    const double bias = (double)theta[model->tensor[BIAS].offset];
    const struct row_sums own = sum_row(model, theta, group, 0, shared);

    for (size_t i = 0; i < group->n_items; i++) {
        double *item = shared + (i + 1) * k;
        const struct row_sums sums = sum_row(model, theta, group, i + 1, item);
        double norm = 0;
        for (size_t f = 0; f < k; f++) {
            const double s = shared[f] + item[f];
            norm += s * s;
        }
        score[i] = bias + own.linear + sums.linear + 0.5 * (norm - own.square - sums.square);
    }
}

/*
 * What pulls at the features of one row: sum_i g_i and sum_i g_i (S_f + T_if) over the items that
 * the row is part of.
 */
struct pull {
    double weight;
    double sum[RK_DIM_MAX];
    bool linear; /* also at the linear weights */
};

/*
 * dy_i/dw_j = x_j and dy_i/dv_jf = x_j (S_f + T_if - v_jf x_j), summed over the row's items with
 * g_i. The product v x is the very one that forward added: a feature that has nothing to pair with
 * gets exactly 0.
 */
static bool add_row(const struct rk_model *model, const float *theta, const struct rk_group *group,
                    size_t row, const struct pull *pull, struct rk_gradient *grad)
{
    const struct rk_tensor *w = &model->tensor[LINEAR];
    const struct rk_tensor *v = &model->tensor[EMBEDDING];
    const size_t k = model->config.dim;

    for (uint32_t e = group->offset[row]; e < group->offset[row + 1]; e++) {
        const double x = (double)group->value[e];
        const size_t j = group->index[e];
        const float *v_j = theta + v->offset + j * k;
        double *d;
        if (pull->linear && !rk_model_add_one(w, j, pull->weight * x, grad)) {
            return false;
        }
        d = rk_gradient_row(grad, (uint32_t)(v->first_row + j), k);
        if (d == NULL) {
            return false;
        }
        for (size_t f = 0; f < k; f++) {
            d[f] += x * (pull->sum[f] - pull->weight * ((double)v_j[f] * x));
        }
    }
    return true;
}

/*
 * An item's features get that item's pull, shared ones the sum of all, where a shift-free loss has
 * sum_i g_i exactly 0.
 */
static bool fm_backward(const struct rk_model *model, const float *theta,
                        const struct rk_group *group, void *work, const struct rk_output_grad *out,
                        struct rk_gradient *grad)
{
    const size_t k = model->config.dim;
    const double *shared = work;
    struct pull all = {.weight = 0, .linear = !out->shift_free};
    struct pull one = {.linear = true};

    for (size_t i = 0; i < group->n_items; i++) {
        const double g = out->head[i];
        const double *item = shared + (i + 1) * k;
        if (g == 0.0) {
            continue;
        }
        one.weight = g;
        for (size_t f = 0; f < k; f++) {
            one.sum[f] = g * (shared[f] + item[f]);
            all.sum[f] += g * item[f];
        }
        if (!add_row(model, theta, group, i + 1, &one, grad)) {
            return false;
        }
        all.weight += g;
    }
    if (out->shift_free) {
        all.weight = 0;
    } else if (!rk_model_add_one(&model->tensor[BIAS], 0, all.weight, grad)) {
        return false;
    }
    for (size_t f = 0; f < k; f++) {
        all.sum[f] += all.weight * shared[f];
    }
    return add_row(model, theta, group, 0, &all, grad);
}

const struct rk_kind rk_kind_fm = {.name = "fm",
                                   .lay_out = fm_lay_out,
                                   .init = fm_init,
                                   .heads = 1,
                                   .work = fm_work,
                                   .forward = fm_forward,
                                   .backward = fm_backward};
