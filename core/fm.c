/*
 * Factorization machines (Rendle, "Factorization Machines", ICDM 2010), with the user's and
 * context's part computed once.
 *
 * The pairs of an item are those inside row 0, those inside the item, and those across. With T the
 * sum of v_j x_j over a row and T_<j that over the features before j,
 *     y_i = w0 + own_0 + own_i + <T_0, T_i>,  own = <w, x> + sum_j <T_<j, v_j x_j>
 * So what an item is by itself does not depend on whom it is scored for, and nothing is subtracted.
 * Sums are in double. The work memory keeps T of all rows for the backward pass.
 */
#include "clones.h"
#include "kernels.h"
#include "model_impl.h"

#include <rankd/random.h>
#include <string.h>

enum {
    BIAS,
    LINEAR,
    EMBEDDING
};

#define USUAL_DIM 16

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

static void fm_forward(const struct rk_model *model, const float *theta,
                       const struct rk_group *group, void *work, double *score)
{
    const struct rk_fm_rows rows = {.n_items = group->n_items,
                                    .offset = group->offset,
                                    .index = group->index,
                                    .value = group->value,
                                    .end = group->offset[group->n_items + 1],
                                    .bias = (double)theta[model->tensor[BIAS].offset],
                                    .w = theta + model->tensor[LINEAR].offset,
                                    .v = theta + model->tensor[EMBEDDING].offset,
                                    .k = model->config.dim};

    rk_kernels()->fm_score(&rows, work, score);
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

/* d_f += x (pull_f - weight v_f x) */
RK_IN_CLONES void add_vector(const struct pull *pull, const float *restrict v, double x, size_t k,
                             double *restrict d)
{
    for (size_t f = 0; f < k; f++) {
        d[f] += x * (pull->sum[f] - pull->weight * ((double)v[f] * x));
    }
}

/*
 * dy_i/dw_j = x_j and dy_i/dv_jf = x_j (S_f + T_if - v_jf x_j), summed over the row's items with
 * g_i. The product v x is the very one that forward added: a feature that has nothing to pair with
 * gets exactly 0.
 */
RK_IN_CLONES bool add_row(const struct rk_model *model, const float *theta,
                          const struct rk_group *group, size_t row, const struct pull *pull,
                          struct rk_gradient *grad)
{
    const struct rk_tensor *w = &model->tensor[LINEAR];
    const struct rk_tensor *v = &model->tensor[EMBEDDING];
    const size_t k = model->config.dim;

    for (uint32_t e = group->offset[row]; e < group->offset[row + 1]; e++) {
        const double x = (double)group->value[e];
        const size_t j = group->index[e];
        double *d =
            rk_gradient_two(grad, (uint32_t)(w->first_row + j), (uint32_t)(v->first_row + j), k);
        if (d == NULL) {
            return false;
        }
        rk_model_ask(grad, w->offset + j);
        rk_model_ask(grad, v->offset + j * k);
        if (pull->linear) {
            *d += pull->weight * x;
        }
        if (k == USUAL_DIM && x == 1.0) { /* what is known beforehand runs straight */
            add_vector(pull, theta + v->offset + j * k, 1.0, USUAL_DIM, d + 1);
        } else {
            add_vector(pull, theta + v->offset + j * k, x, k, d + 1);
        }
    }
    return true;
}

/*
 * An item's features get that item's pull, shared ones the sum of all, where a shift-free loss has
 * sum_i g_i exactly 0.
 */
RK_CLONES static bool add_rows(const struct rk_model *model, const float *theta,
                               const struct rk_group *group, const double *shared,
                               const struct rk_output_grad *out, struct rk_gradient *grad)
{
    const size_t k = model->config.dim;
    struct pull all, one;

    all.weight = 0; /* the sums are long, and only k of them are there */
    all.linear = !out->shift_free;
    one.linear = true;
    memset(all.sum, 0, k * sizeof *all.sum);
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

static bool fm_backward(const struct rk_model *model, const float *theta,
                        const struct rk_group *group, void *work, const struct rk_output_grad *out,
                        struct rk_gradient *grad)
{
    return add_rows(model, theta, group, work, out, grad);
}

const struct rk_kind rk_kind_fm = {.name = "fm",
                                   .lay_out = fm_lay_out,
                                   .init = fm_init,
                                   .heads = 1,
                                   .work = fm_work,
                                   .forward = fm_forward,
                                   .backward = fm_backward};
