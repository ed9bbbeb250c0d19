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

/*
 * Work memory: T of all rows; where items have raw numbers the entries once more, with the numbers
 * of an item behind its others.
 */
struct fm_work {
    double *sum;       /* (n_items + 1, k) */
    uint32_t *index;   /* (nnz) */
    float *value;      /* (nnz) */
    uint32_t *numbers; /* (n_items) */
};

static struct fm_work work_of(const struct rk_model *model, const struct rk_group *group,
                              void *work)
{
    const size_t nnz = group->offset[group->n_items + 1];
    struct fm_work w = {.sum = work};

    w.index = (uint32_t *)(void *)(w.sum + (group->n_items + 1) * model->config.dim);
    w.value = (float *)(void *)(w.index + nnz);
    w.numbers = (uint32_t *)(void *)(w.value + nnz);
    return w;
}

static size_t fm_work(const struct rk_model *model, size_t n_items, size_t nnz)
{
    return ((n_items + 1) * model->config.dim + nnz + (n_items + 1) / 2) * sizeof(double);
}

/*
 * An item's numbers come last, as they change with every list that is learned from, and what is
 * known of it stays out of their way (known.h).
 */
static void put_numbers_last(const struct rk_group *group, const struct fm_work *w)
{
    size_t next = 0; /* of group->number */

    for (size_t row = 0; row <= group->n_items; row++) {
        const uint32_t end = group->offset[row + 1];
        const size_t first = next;
        uint32_t to = group->offset[row];
        for (uint32_t e = to; e < end; e++) {
            if (row > 0 && next < group->n_numbers && group->number[next] == e) {
                next++;
                continue;
            }
            next += next < group->n_numbers && group->number[next] == e;
            w->index[to] = group->index[e];
            w->value[to++] = group->value[e];
        }
        if (row > 0) {
            w->numbers[row - 1] = to;
        }
        for (size_t i = first; i < next && to < end; i++) {
            w->index[to] = group->index[group->number[i]];
            w->value[to++] = group->value[group->number[i]];
        }
    }
}

static void fm_score(const struct rk_model *model, const float *theta, const struct rk_group *group,
                     const struct rk_known_items *known, void *work, double *score)
{
    const struct fm_work w = work_of(model, group, work);
    const bool has_numbers = group->n_numbers > 0;
    const struct rk_fm_rows rows = {.n_items = group->n_items,
                                    .offset = group->offset,
                                    .index = has_numbers ? w.index : group->index,
                                    .value = has_numbers ? w.value : group->value,
                                    .end = group->offset[group->n_items + 1],
                                    .bias = (double)theta[model->tensor[BIAS].offset],
                                    .w = theta + model->tensor[LINEAR].offset,
                                    .v = theta + model->tensor[EMBEDDING].offset,
                                    .k = model->config.dim,
                                    .numbers = has_numbers ? w.numbers : NULL,
                                    .known = known};

    if (has_numbers) {
        put_numbers_last(group, &w);
    }
    rk_kernels()->fm_score(&rows, w.sum, score);
}

static void fm_forward(const struct rk_model *model, const float *theta,
                       const struct rk_group *group, void *work, double *to)
{
    fm_score(model, theta, group, NULL, work, to);
}

static size_t fm_item_sums(const struct rk_model *model)
{
    return 1 + model->config.dim;
}

static bool fm_item_row(const struct rk_model *model, uint32_t row, uint32_t *feature_row)
{
    for (size_t t = LINEAR; t <= EMBEDDING; t++) {
        const struct rk_tensor *tensor = &model->tensor[t];
        if (row >= tensor->first_row && row - tensor->first_row < tensor->rows) {
            *feature_row = (uint32_t)(row - tensor->first_row);
            return true;
        }
    }
    return false;
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
                                   .item_sums = fm_item_sums,
                                   .item_row = fm_item_row,
                                   .forward_known = fm_score,
                                   .backward = fm_backward};
