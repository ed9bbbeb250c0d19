/*
 * The joint click/ranking model: a click head (an MLP over the features, one logit) and a ranking
 * head (user embedding . item embedding). What the two make of a score and of a loss is
 * objective.c's matter: here they are two heads, the dot product first.
 *
 * The MLP's first layer is an embedding sum: stored input-major, a feature's weights are one row,
 * and the user's and context's part is summed once.
 */
#include "mlp.h"
#include "model_impl.h"

#include <rankd/random.h>
#include <string.h>

/* The embeddings stand behind the MLP's tensors. */
struct tables {
    const struct rk_tensor *user;
    const struct rk_tensor *item;
};

/* Work memory: first layer sums of row 0, each item's units, scratch of the two passes. */
struct joint_work {
    double *shared;       /* (width[1]) */
    double *unit;         /* (n_items, units) */
    double *delta;        /* (units) */
    double *shared_delta; /* (width[1]) */
    double *user_grad;    /* (dim) */
    double *forward;      /* (rk_mlp_scratch) */
};

static struct tables tables_of(const struct rk_model *model)
{
    const struct rk_tensor *user = &model->tensor[2 * model->mlp.n_layers];

    return (struct tables){user, user + 1};
}

static struct joint_work work_of(const struct rk_model *model, size_t n_items, void *work)
{
    const size_t units = rk_mlp_units(&model->mlp), first = model->mlp.width[1];
    struct joint_work w;

    w.shared = work;
    w.unit = w.shared + first;
    w.delta = w.unit + n_items * units;
    w.shared_delta = w.delta + units;
    w.user_grad = w.shared_delta + first;
    w.forward = w.user_grad + model->config.dim;
    return w;
}

static void joint_lay_out(struct rk_model *model)
{
    const struct rk_model_config *config = &model->config;
    const size_t users = rk_space_rows(&config->users), items = rk_space_rows(&config->items);

    rk_mlp_lay_out(model, "ctrs", rk_space_rows(&config->features), true);
    rk_model_add_tensor(model, "user_embedding.weight", 2, (size_t[]){users, config->dim},
                        config->dim);
    rk_model_add_tensor(model, "item_embedding.weight", 2, (size_t[]){items, config->dim},
                        config->dim);
}

static void joint_init(const struct rk_model *model, float *theta)
{
    struct rk_random random = {model->config.init_seed};

    rk_mlp_init(model, theta, &random);
    rk_model_init_normal(model, 2 * model->mlp.n_layers, theta, &random);
    rk_model_init_normal(model, 2 * model->mlp.n_layers + 1, theta, &random);
}

static size_t joint_work_bytes(const struct rk_model *model, size_t n_items, size_t nnz)
{
    const size_t units = rk_mlp_units(&model->mlp), first = model->mlp.width[1];

    (void)nnz;
    return ((n_items + 1) * units + 2 * first + model->config.dim + rk_mlp_scratch(&model->mlp)) *
           sizeof(double);
}

/* Adds a row's features to the first layer's sums. */
static void sum_row(const struct rk_model *model, const float *theta, const struct rk_group *group,
                    size_t row, double *sum)
{
    const size_t width = model->mlp.width[1];
    const float *w = theta + model->tensor[model->mlp.weight[0]].offset;

    for (uint32_t e = group->offset[row]; e < group->offset[row + 1]; e++) {
        const double x = (double)group->value[e];
        const float *w_j = w + (size_t)group->index[e] * width;
        for (size_t o = 0; o < width; o++) {
            sum[o] += (double)w_j[o] * x;
        }
    }
}

/* Of an id of the group: 0 the user's, 1 + i item i's; NULL where there is none. */
static const float *embedding(const struct rk_model *model, const float *theta,
                              const struct rk_group *group, size_t id)
{
    const struct tables t = tables_of(model);
    const struct rk_tensor *table = id == 0 ? t.user : t.item;

    return group->id[id] == 0 ? NULL : theta + table->offset + (group->id[id] - 1) * table->cols;
}

static void joint_forward(const struct rk_model *model, const float *theta,
                          const struct rk_group *group, void *work, double *score)
{
    const struct joint_work w = work_of(model, group->n_items, work);
    const size_t units = rk_mlp_units(&model->mlp), first = model->mlp.width[1];
    const struct rk_mlp_inputs inputs = {.n_items = group->n_items};
    const float *user = embedding(model, theta, group, 0);

    memset(w.shared, 0, first * sizeof(double));
    sum_row(model, theta, group, 0, w.shared);
    for (size_t i = 0; i < group->n_items; i++) {
        const float *item = embedding(model, theta, group, i + 1);
        double *unit = w.unit + i * units;
        double dot = 0;
        for (size_t d = 0; d < model->config.dim && user != NULL && item != NULL; d++) {
            dot += (double)user[d] * (double)item[d];
        }
        memcpy(unit, w.shared, first * sizeof(double));
        sum_row(model, theta, group, i + 1, unit);
        score[i] = dot;
        score[group->n_items + i] = 0;
    }
    rk_mlp_forward(&model->mlp, theta, &inputs, w.unit, w.forward, score + group->n_items);
}

/* x delta to each entry's row of the first layer. */
static bool add_first_layer(const struct rk_model *model, const struct rk_group *group, size_t row,
                            const double *delta, struct rk_gradient *grad)
{
    const struct rk_tensor *w = &model->tensor[model->mlp.weight[0]];

    for (uint32_t e = group->offset[row]; e < group->offset[row + 1]; e++) {
        const double x = (double)group->value[e];
        double *g = rk_gradient_row(grad, (uint32_t)(w->first_row + group->index[e]), w->cols);
        if (g == NULL) {
            return false;
        }
        for (size_t o = 0; o < w->cols; o++) {
            g[o] += x * delta[o];
        }
    }
    return true;
}

static bool backward_clicks(const struct rk_model *model, const float *theta,
                            const struct rk_group *group, const struct joint_work *w,
                            const struct rk_output_grad *out, struct rk_gradient *grad)
{
    const size_t units = rk_mlp_units(&model->mlp), first = model->mlp.width[1];
    bool any = false;

    memset(w->shared_delta, 0, first * sizeof(double));
    for (size_t i = 0; i < group->n_items; i++) {
        const double g = out->head[group->n_items + i];
        if (g == 0.0) {
            continue;
        }
        any = true;
        if (!rk_mlp_backward(&model->mlp, theta, NULL, w->unit + i * units, g, out->shift_free,
                             w->delta, NULL, grad) ||
            !add_first_layer(model, group, i + 1, w->delta, grad)) {
            return false;
        }
        for (size_t o = 0; o < first; o++) {
            w->shared_delta[o] += w->delta[o];
        }
    }
    return !any || add_first_layer(model, group, 0, w->shared_delta, grad);
}

/* Adds n doubles to the row of an id's embedding. */
static bool add_embedding(const struct rk_model *model, const struct rk_group *group, size_t id,
                          const double *sum, struct rk_gradient *grad)
{
    const struct tables t = tables_of(model);
    const struct rk_tensor *table = id == 0 ? t.user : t.item;
    double *g =
        rk_gradient_row(grad, (uint32_t)(table->first_row + group->id[id] - 1), table->cols);

    for (size_t d = 0; d < table->cols && g != NULL; d++) {
        g[d] += sum[d];
    }
    return g != NULL;
}

/* d(u.i)/du = i and the reverse, and what a loss on the embeddings themselves adds. */
static bool backward_embeddings(const struct rk_model *model, const float *theta,
                                const struct rk_group *group, const struct joint_work *w,
                                const struct rk_output_grad *out, struct rk_gradient *grad)
{
    const size_t dim = model->config.dim;
    const float *user = embedding(model, theta, group, 0);
    double item_grad[RK_DIM_MAX];
    bool any = false;

    memset(w->user_grad, 0, dim * sizeof(double));
    for (size_t i = 0; i < group->n_items && user != NULL; i++) {
        const float *item = embedding(model, theta, group, i + 1);
        const double g = out->head[i];
        const double *own = out->item != NULL ? out->item + i * dim : NULL;
        if (item == NULL || (g == 0.0 && own == NULL)) {
            continue;
        }
        any = true;
        for (size_t d = 0; d < dim; d++) {
            w->user_grad[d] += g * (double)item[d];
            item_grad[d] = g * (double)user[d] + (own != NULL ? own[d] : 0);
        }
        if (!add_embedding(model, group, i + 1, item_grad, grad)) {
            return false;
        }
    }
    for (size_t d = 0; d < dim && out->user != NULL; d++) {
        w->user_grad[d] += out->user[d];
    }
    return !any || add_embedding(model, group, 0, w->user_grad, grad);
}

static bool joint_backward(const struct rk_model *model, const float *theta,
                           const struct rk_group *group, void *work,
                           const struct rk_output_grad *out, struct rk_gradient *grad)
{
    const struct joint_work w = work_of(model, group->n_items, work);

    return backward_embeddings(model, theta, group, &w, out, grad) &&
           backward_clicks(model, theta, group, &w, out, grad);
}

const struct rk_kind rk_kind_joint = {.name = "joint",
                                      .lay_out = joint_lay_out,
                                      .init = joint_init,
                                      .heads = 2,
                                      .has_click_head = true,
                                      .work = joint_work_bytes,
                                      .forward = joint_forward,
                                      .backward = joint_backward,
                                      .embedding = embedding};
