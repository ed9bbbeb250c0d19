/*
 * Dense layers: forward some items at a time, which share each weight that is fetched, backward one
 * at a time. Of the first layer, W (shared + item) = W shared + W item, the shared part is computed
 * once.
 */
#include "mlp.h"

#include "kernels.h"

#include <math.h>
#include <rankd/random.h>
#include <string.h>

/* "mlp.2.weight": layer l of nn.Sequential(Linear, ReLU, Linear, ...) has number 2 l. */
static void layer_name(const char *prefix, size_t layer, const char *what, char *name)
{
    const size_t n = strlen(prefix);

    memcpy(name, prefix, n);
    name[n] = '.';
    name[n + 1] = (char)('0' + 2 * layer);
    name[n + 2] = '.';
    memcpy(name + n + 3, what, strlen(what) + 1);
}

void rk_mlp_lay_out(struct rk_model *model, const char *prefix, size_t inputs, bool input_major)
{
    struct rk_mlp *mlp = &model->mlp;
    char name[RK_TENSOR_NAME_MAX];

    mlp->n_layers = model->config.n_hidden + 1;
    mlp->input_major = input_major;
    mlp->width[0] = inputs;
    for (size_t l = 0; l < model->config.n_hidden; l++) {
        mlp->width[l + 1] = model->config.hidden[l];
    }
    mlp->width[mlp->n_layers] = 1;
    for (size_t l = 0; l < mlp->n_layers; l++) {
        const size_t in = mlp->width[l], out = mlp->width[l + 1];
        layer_name(prefix, l, "weight", name);
        mlp->weight[l] = model->n_tensors;
        rk_model_add_tensor(model, name, 2, (size_t[]){out, in}, l == 0 && input_major ? out : in);
        model->tensor[mlp->weight[l]].transposed = l == 0 && input_major;
        layer_name(prefix, l, "bias", name);
        mlp->bias[l] = model->n_tensors;
        rk_model_add_tensor(model, name, 1, (size_t[]){out}, out);
    }
    mlp->tensor = model->tensor;
}

void rk_mlp_init(const struct rk_model *model, float *theta, struct rk_random *random)
{
    const struct rk_mlp *mlp = &model->mlp;

    for (size_t l = 0; l < mlp->n_layers; l++) {
        const struct rk_tensor *w = &model->tensor[mlp->weight[l]];
        const struct rk_tensor *b = &model->tensor[mlp->bias[l]];
        const bool sparse = l == 0 && mlp->input_major;
        const double bound = 1 / sqrt((double)mlp->width[l]);
        for (size_t i = 0; i < w->rows * w->cols; i++) {
            theta[w->offset + i] =
                (float)(sparse ? model->config.init_std * rk_random_normal(random)
                               : bound * (2 * rk_random_uniform(random) - 1));
        }
        for (size_t i = 0; i < b->cols && !sparse; i++) {
            theta[b->offset + i] = (float)(bound * (2 * rk_random_uniform(random) - 1));
        }
    }
}

size_t rk_mlp_units(const struct rk_mlp *mlp)
{
    size_t units = 0;

    for (size_t l = 1; l <= mlp->n_layers; l++) {
        units += mlp->width[l];
    }
    return units;
}

/* ---- forward ---- */

/* Items between two looks at the weights: their units stay in the second-level cache. */
#define CHUNK 64

struct mlp_scratch {
    double *x;     /* (CHUNK, widest) what a layer reads, 8 items side by side */
    double *y;     /* (CHUNK, widest) what it gives */
    double *wide;  /* (4, widest) */
    double *start; /* (widest) */
    double *first; /* (widest) start of the first layer, the shared part in it */
};

/* The widest layer, inputs included where they are dense. */
static size_t widest(const struct rk_mlp *mlp)
{
    size_t most = 0;

    for (size_t l = mlp->input_major ? 1 : 0; l <= mlp->n_layers; l++) {
        most = mlp->width[l] > most ? mlp->width[l] : most;
    }
    return most;
}

size_t rk_mlp_scratch(const struct rk_mlp *mlp)
{
    return (2 * CHUNK + 4 + 2) * widest(mlp);
}

static struct mlp_scratch scratch_of(const struct rk_mlp *mlp, double *scratch)
{
    const size_t most = widest(mlp);
    struct mlp_scratch s;

    s.x = scratch;
    s.y = s.x + CHUNK * most;
    s.wide = s.y + CHUNK * most;
    s.start = s.wide + 4 * most;
    s.first = s.start + most;
    return s;
}

static struct rk_dense layer_of(const struct rk_mlp *mlp, const float *theta, size_t layer,
                                const struct mlp_scratch *s)
{
    return (struct rk_dense){.w = theta + mlp->tensor[mlp->weight[layer]].offset,
                             .in = mlp->width[layer],
                             .out = mlp->width[layer + 1],
                             .start = s->start,
                             .relu = layer + 1 < mlp->n_layers,
                             .n_columns = mlp->width[layer],
                             .wide = s->wide};
}

/* start = b, or b + W shared. */
static void start_layer(const struct rk_mlp *mlp, const float *theta, size_t layer,
                        const double *shared, double *wide, double *start)
{
    const float *w = theta + mlp->tensor[mlp->weight[layer]].offset;
    const float *b = theta + mlp->tensor[mlp->bias[layer]].offset;
    const size_t in = mlp->width[layer];

    for (size_t o = 0; o < mlp->width[layer + 1]; o++) {
        start[o] = (double)b[o];
        for (size_t i = 0; shared != NULL && i < in; i++) {
            wide[i] = (double)w[o * in + i];
        }
        start[o] += shared != NULL ? rk_kernels()->dot(wide, shared, in) : 0;
    }
}

/* A chunk of items under way. */
struct chunk {
    size_t first, n, blocks;
};

static size_t block_items(const struct chunk *chunk, size_t block)
{
    const size_t left = chunk->n - block * RK_ABREAST;

    return left < RK_ABREAST ? left : RK_ABREAST;
}

/* The columns of a chunk's inputs side by side; they come in runs. */
static void take_inputs(const struct rk_mlp *mlp, const struct rk_mlp_inputs *inputs,
                        const struct chunk *chunk, double *x)
{
    const uint32_t *column = inputs->column;
    const size_t in = mlp->width[0];

    for (size_t b = 0; b < chunk->blocks; b++) {
        const double *rows = inputs->item + (chunk->first + b * RK_ABREAST) * in;
        double *block = x + b * inputs->n_columns * RK_ABREAST;
        for (size_t start = 0, end; start < inputs->n_columns; start = end) {
            for (end = start + 1; end < inputs->n_columns && column[end] == column[end - 1] + 1;) {
                end++;
            }
            rk_kernels()->abreast(rows + column[start], in, block_items(chunk, b), end - start,
                                  block + start * RK_ABREAST);
        }
    }
}

/* The first layer of a chunk into s->y. */
static void first_layer(const struct rk_mlp *mlp, const float *theta,
                        const struct rk_mlp_inputs *inputs, const struct chunk *chunk,
                        const double *unit, const struct mlp_scratch *s)
{
    const size_t units = rk_mlp_units(mlp), out = mlp->width[1];
    struct rk_dense layer = layer_of(mlp, theta, 0, s);

    if (inputs->shared != NULL) {
        layer.start = s->first;
        layer.column = inputs->column;
        layer.n_columns = inputs->n_columns;
        take_inputs(mlp, inputs, chunk, s->x);
        rk_kernels()->dense(&layer, s->x, chunk->blocks, s->y);
        return;
    }
    for (size_t b = 0; b < chunk->blocks; b++) {
        rk_kernels()->abreast(unit + (chunk->first + b * RK_ABREAST) * units, units,
                              block_items(chunk, b), out, s->y + b * out * RK_ABREAST);
    }
    rk_kernels()->begin(s->first, out, chunk->blocks, s->y);
}

/* Units of a layer, where the backward pass looks for them: `at` is the layer's first. */
static void keep_units(const struct rk_mlp *mlp, const struct chunk *chunk, size_t width,
                       const double *y, size_t at, double *unit)
{
    const size_t units = rk_mlp_units(mlp);

    for (size_t b = 0; b < chunk->blocks; b++) {
        rk_kernels()->apart(y + b * width * RK_ABREAST, width, block_items(chunk, b),
                            unit + (chunk->first + b * RK_ABREAST) * units + at, units);
    }
}

static void forward_chunk(const struct rk_mlp *mlp, const float *theta,
                          const struct rk_mlp_inputs *inputs, const struct chunk *chunk,
                          double *unit, struct mlp_scratch s)
{
    size_t at = mlp->width[1];

    first_layer(mlp, theta, inputs, chunk, unit, &s);
    keep_units(mlp, chunk, mlp->width[1], s.y, 0, unit);
    for (size_t l = 1; l < mlp->n_layers; l++) {
        const struct rk_dense layer = layer_of(mlp, theta, l, &s);
        double *const x = s.y;
        s.y = s.x;
        s.x = x;
        start_layer(mlp, theta, l, NULL, s.wide, s.start);
        rk_kernels()->dense(&layer, s.x, chunk->blocks, s.y);
        keep_units(mlp, chunk, mlp->width[l + 1], s.y, at, unit);
        at += mlp->width[l + 1];
    }
}

void rk_mlp_forward(const struct rk_mlp *mlp, const float *theta,
                    const struct rk_mlp_inputs *inputs, double *unit, double *scratch,
                    double *logit)
{
    const struct mlp_scratch s = scratch_of(mlp, scratch);
    const size_t units = rk_mlp_units(mlp);
    struct chunk chunk = {0};

    start_layer(mlp, theta, 0, inputs->shared, s.wide, s.first);
    for (; chunk.first < inputs->n_items; chunk.first += CHUNK) {
        const size_t left = inputs->n_items - chunk.first;
        chunk.n = left < CHUNK ? left : CHUNK;
        chunk.blocks = (chunk.n + RK_ABREAST - 1) / RK_ABREAST;
        forward_chunk(mlp, theta, inputs, &chunk, unit, s);
    }
    for (size_t i = 0; i < inputs->n_items; i++) {
        logit[i] += unit[i * units + units - 1];
    }
}

/* ---- backward ---- */

/* Adds one layer's parameter gradients: weight row o += delta_o in, bias_o += delta_o. */
static bool add_gradient(const struct rk_mlp *mlp, size_t layer, const double *in,
                         const double *delta, bool bias, struct rk_gradient *grad)
{
    const struct rk_tensor *w = &mlp->tensor[mlp->weight[layer]];
    const struct rk_tensor *b = &mlp->tensor[mlp->bias[layer]];
    const size_t n = mlp->width[layer];

    for (size_t o = 0; o < mlp->width[layer + 1] && in != NULL; o++) {
        double *row;
        if (delta[o] == 0.0) {
            continue;
        }
        row = rk_gradient_row(grad, (uint32_t)(w->first_row + o), n);
        if (row == NULL) {
            return false;
        }
        for (size_t i = 0; i < n; i++) {
            row[i] += delta[o] * in[i];
        }
    }
    if (bias) {
        double *row = rk_gradient_row(grad, (uint32_t)b->first_row, b->cols);
        if (row == NULL) {
            return false;
        }
        for (size_t o = 0; o < b->cols; o++) {
            row[o] += delta[o];
        }
    }
    return true;
}

/* in_delta = W^T delta. */
static void pull_back(const struct rk_mlp *mlp, const float *theta, size_t layer,
                      const double *delta, double *in_delta)
{
    const float *w = theta + mlp->tensor[mlp->weight[layer]].offset;
    const size_t n = mlp->width[layer];

    memset(in_delta, 0, n * sizeof *in_delta);
    for (size_t o = 0; o < mlp->width[layer + 1]; o++) {
        if (delta[o] == 0.0) {
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            in_delta[i] += delta[o] * (double)w[o * n + i];
        }
    }
}

bool rk_mlp_backward(const struct rk_mlp *mlp, const float *theta, const double *input,
                     const double *unit, double g, bool shift_free, double *delta,
                     double *input_grad, struct rk_gradient *grad)
{
    size_t at = rk_mlp_units(mlp) - 1; /* first unit of the layer whose delta is known */

    delta[at] = g;
    for (size_t l = mlp->n_layers - 1;; l--) {
        const size_t before = l > 0 ? at - mlp->width[l] : 0;
        const double *in = l > 0 ? unit + before : input;
        const bool last = l + 1 == mlp->n_layers;
        if (!add_gradient(mlp, l, in, delta + at, !(last && shift_free), grad)) {
            return false;
        }
        if (l == 0) {
            break;
        }
        pull_back(mlp, theta, l, delta + at, delta + before);
        for (size_t i = 0; i < mlp->width[l]; i++) {
            delta[before + i] = in[i] > 0 ? delta[before + i] : 0;
        }
        at = before;
    }
    if (input_grad != NULL) {
        pull_back(mlp, theta, 0, delta, input_grad);
    }
    return true;
}
