/*
 * DeepFM (Guo et al., IJCAI 2017): a factorization machine plus an MLP over the concatenated field
 * sums, with shared embeddings.
 *
 * With S_F the sum of v_j x_j over the features j of field F (0 where the field is absent) and
 * S = sum_F S_F:
 *     y = w0 + <w,x> + 1/2 (|S|^2 - sum_j |v_j|^2 x_j^2) + MLP([S_0, S_1, ...])
 * where the pairs are added up as in fm.c.
 */
#include "fields.h"
#include "kernels.h"
#include "mlp.h"
#include "model_impl.h"

#include <rankd/random.h>
#include <string.h>

enum {
    BIAS,
    LINEAR,
    EMBEDDING
};

/* Work memory: field sums of row 0 and of each item, each item's MLP units; then scratch. */
struct deepfm_work {
    double *shared;    /* (fields k) */
    double *item;      /* (n_items, fields k) */
    double *unit;      /* (n_items, units) */
    double *both;      /* (fields k) */
    double *delta;     /* (units) */
    double *mlp;       /* (fields k) what the MLP pulls at a field's sum */
    double *all_mlp;   /* (fields k) the same over all items */
    double *total;     /* (k) what pairs pull */
    double *all_total; /* (k) */
    double *one_total; /* (k) */
    double *forward;   /* (rk_mlp_scratch) */
    uint32_t *column;  /* (fields k) */
    uint32_t *field;   /* (nnz) */
};

static size_t n_sums(const struct rk_model *model)
{
    return rk_model_n_fields(model) * model->config.dim;
}

static struct deepfm_work work_of(const struct rk_model *model, size_t n_items, void *work)
{
    const size_t sums = n_sums(model), units = rk_mlp_units(&model->mlp);
    struct deepfm_work w;

    w.shared = work;
    w.item = w.shared + sums;
    w.unit = w.item + n_items * sums;
    w.both = w.unit + n_items * units;
    w.delta = w.both + sums;
    w.mlp = w.delta + units;
    w.all_mlp = w.mlp + sums;
    w.total = w.all_mlp + sums;
    w.all_total = w.total + model->config.dim;
    w.one_total = w.all_total + model->config.dim;
    w.forward = w.one_total + model->config.dim;
    w.column = (uint32_t *)(void *)(w.forward + rk_mlp_scratch(&model->mlp));
    w.field = w.column + sums;
    return w;
}

static void deepfm_lay_out(struct rk_model *model)
{
    const size_t n = rk_space_rows(&model->config.features);
    const size_t k = model->config.dim;

    rk_model_add_tensor(model, "linear.bias", 1, (size_t[]){1}, 1);
    rk_model_add_tensor(model, "linear.weight", 2, (size_t[]){1, n}, 1);
    rk_model_add_tensor(model, "embedding.weight", 2, (size_t[]){n, k}, k);
    rk_mlp_lay_out(model, "mlp", n_sums(model), false);
}

static void deepfm_init(const struct rk_model *model, float *theta)
{
    struct rk_random random = {model->config.init_seed};

    rk_model_init_normal(model, EMBEDDING, theta, &random);
    rk_mlp_init(model, theta, &random);
}

static size_t deepfm_work_bytes(const struct rk_model *model, size_t n_items, size_t nnz)
{
    const size_t sums = n_sums(model), units = rk_mlp_units(&model->mlp);

    return ((n_items + 4) * sums + (n_items + 1) * units + 3 * model->config.dim +
            rk_mlp_scratch(&model->mlp) + (sums + nnz + 1) / 2) *
           sizeof(double);
}

/* S = sum_F S_F. */
static void add_fields(const struct rk_model *model, const double *sum, double *total)
{
    const size_t k = model->config.dim;

    memset(total, 0, k * sizeof *total);
    for (size_t f = 0; f < rk_model_n_fields(model); f++) {
        for (size_t i = 0; i < k; i++) {
            total[i] += sum[f * k + i];
        }
    }
}

/* both = row 0's field sums + an item's, and their total over fields. */
static void add_shared(const struct rk_model *model, const struct deepfm_work *w, size_t i)
{
    const size_t sums = n_sums(model);

    for (size_t s = 0; s < sums; s++) {
        w->both[s] = w->shared[s] + w->item[i * sums + s];
    }
    add_fields(model, w->both, w->total);
}

/* Fields of all entries; the MLP's inputs that are not 0 for all items. @return how many. */
static size_t find_fields(const struct rk_model *model, const float *theta,
                          const struct rk_group *group, const struct deepfm_work *w)
{
    const uint32_t k = model->config.dim;
    bool met[RK_FIELDS_MAX] = {false};
    struct rk_fields fields;
    size_t n = 0;

    rk_fields_read(model, theta, &fields);
    for (uint32_t e = 0; e < group->offset[group->n_items + 1]; e++) {
        w->field[e] = rk_fields_find(&fields, group, e);
        if (w->field[e] != RK_NO_FIELD && e >= group->offset[1]) {
            met[w->field[e]] = true;
        }
    }
    for (uint32_t i = 0; i < n_sums(model); i++) {
        w->column[n] = i;
        n += met[i / k];
    }
    return n;
}

static void deepfm_forward(const struct rk_model *model, const float *theta,
                           const struct rk_group *group, void *work, double *score)
{
    const struct deepfm_work w = work_of(model, group->n_items, work);
    const struct rk_kernels *kernels = rk_kernels();
    const size_t sums = n_sums(model), k = model->config.dim;
    const struct rk_mlp_inputs inputs = {group->n_items, w.shared, w.item, w.column,
                                         find_fields(model, theta, group, &w)};
    const struct rk_fm_rows rows = {.n_items = group->n_items,
                                    .offset = group->offset,
                                    .index = group->index,
                                    .value = group->value,
                                    .end = group->offset[group->n_items + 1],
                                    .w = theta + model->tensor[LINEAR].offset,
                                    .v = theta + model->tensor[EMBEDDING].offset,
                                    .k = k,
                                    .field = w.field,
                                    .n_fields = rk_model_n_fields(model)};
    const double shared =
        (double)theta[model->tensor[BIAS].offset] + kernels->fm_fields(&rows, 0, w.total, w.shared);

    for (size_t i = 0; i < group->n_items; i++) {
        const double own = kernels->fm_fields(&rows, i + 1, w.one_total, w.item + i * sums);
        score[i] = shared + own + kernels->dot(w.total, w.one_total, k);
    }
    rk_mlp_forward(&model->mlp, theta, &inputs, w.unit, w.forward, score);
}

/* What pulls at the features of one row. */
struct pull {
    const double *weight; /* at linear weights, or NULL */
    double pair;          /* sum of the score gradients */
    const double *total;  /* (k) these times the sums that a feature pairs with */
    const double *mlp;    /* (fields k) */
};

/*
 * d/dw_j = x_j; d/dv_j = x_j (S - v_j x_j + dMLP/dS_F). The product v x is the very one that
 * forward added.
 */
static bool add_row(const struct rk_model *model, const float *theta,
                    const struct rk_fields *fields, const struct rk_group *group, size_t row,
                    const struct pull *pull, struct rk_gradient *grad)
{
    const struct rk_tensor *w = &model->tensor[LINEAR];
    const struct rk_tensor *v = &model->tensor[EMBEDDING];
    const size_t k = model->config.dim;

    for (uint32_t e = group->offset[row]; e < group->offset[row + 1]; e++) {
        const uint32_t j = group->index[e];
        const uint32_t field = rk_fields_find(fields, group, e);
        const float *v_j = theta + v->offset + (size_t)j * k;
        const double x = (double)group->value[e];
        double *d;
        if (pull->weight != NULL && !rk_model_add_one(w, j, *pull->weight * x, grad)) {
            return false;
        }
        if (field == RK_NO_FIELD) {
            continue;
        }
        d = rk_gradient_row(grad, (uint32_t)(v->first_row + j), k);
        if (d == NULL) {
            return false;
        }
        for (size_t i = 0; i < k; i++) {
            d[i] +=
                x * (pull->total[i] - pull->pair * ((double)v_j[i] * x) + pull->mlp[field * k + i]);
        }
    }
    return true;
}

/* One item's part; what it does to row 0 is added up in all_mlp and all_total. */
static bool backward_item(const struct rk_model *model, const float *theta,
                          const struct rk_fields *fields, const struct rk_group *group, size_t i,
                          const struct deepfm_work *w, const struct rk_output_grad *out,
                          struct rk_gradient *grad)
{
    const size_t sums = n_sums(model), units = rk_mlp_units(&model->mlp), k = model->config.dim;
    const double g = out->head[i];
    const struct pull one = {.weight = &g, .pair = g, .total = w->total, .mlp = w->mlp};

    add_shared(model, w, i);
    if (!rk_mlp_backward(&model->mlp, theta, w->both, w->unit + i * units, g, out->shift_free,
                         w->delta, w->mlp, grad)) {
        return false;
    }
    for (size_t d = 0; d < k; d++) {
        w->total[d] *= g;
    }
    for (size_t s = 0; s < sums; s++) {
        w->all_mlp[s] += w->mlp[s];
        w->all_total[s % k] += g * w->item[i * sums + s];
    }
    return add_row(model, theta, fields, group, i + 1, &one, grad);
}

static bool deepfm_backward(const struct rk_model *model, const float *theta,
                            const struct rk_group *group, void *work,
                            const struct rk_output_grad *out, struct rk_gradient *grad)
{
    const struct deepfm_work w = work_of(model, group->n_items, work);
    const size_t k = model->config.dim;
    struct pull all = {.mlp = w.all_mlp, .total = w.all_total};
    struct rk_fields fields;
    double total = 0;

    rk_fields_read(model, theta, &fields);
    memset(w.all_mlp, 0, n_sums(model) * sizeof(double));
    memset(w.all_total, 0, k * sizeof(double));
    for (size_t i = 0; i < group->n_items; i++) {
        if (out->head[i] != 0.0 && !backward_item(model, theta, &fields, group, i, &w, out, grad)) {
            return false;
        }
        total += out->head[i];
    }
    if (!out->shift_free) {
        if (!rk_model_add_one(&model->tensor[BIAS], 0, total, grad)) {
            return false;
        }
        all.weight = &total;
        all.pair = total; /* else the list's gradients sum to exactly 0 */
    }
    add_fields(model, w.shared, w.total);
    for (size_t d = 0; d < k; d++) {
        w.all_total[d] += all.pair * w.total[d];
    }
    return add_row(model, theta, &fields, group, 0, &all, grad);
}

const struct rk_kind rk_kind_deepfm = {.name = "deepfm",
                                       .has_fields = true,
                                       .lay_out = deepfm_lay_out,
                                       .init = deepfm_init,
                                       .heads = 1,
                                       .work = deepfm_work_bytes,
                                       .forward = deepfm_forward,
                                       .backward = deepfm_backward};
