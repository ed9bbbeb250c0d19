/*
 * Dense layers, one item at a time.
 */
#include "mlp.h"

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

static double dot(const float *w, const double *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += (double)w[i] * x[i];
    }
    return sum;
}

/* out = W in + b, or out += b where the sums are there already. */
static void add_layer(const struct rk_mlp *mlp, const float *theta, size_t layer, const double *in,
                      double *out)
{
    const float *w = theta + mlp->tensor[mlp->weight[layer]].offset;
    const float *b = theta + mlp->tensor[mlp->bias[layer]].offset;
    const size_t n = mlp->width[layer];

    for (size_t o = 0; o < mlp->width[layer + 1]; o++) {
        out[o] = (in != NULL ? dot(w + o * n, in, n) : out[o]) + (double)b[o];
    }
}

double rk_mlp_forward(const struct rk_mlp *mlp, const float *theta, const double *input,
                      double *unit)
{
    const double *in = input;

    for (size_t l = 0; l < mlp->n_layers; l++) {
        add_layer(mlp, theta, l, in, unit);
        if (l + 1 == mlp->n_layers) {
            return unit[0];
        }
        for (size_t o = 0; o < mlp->width[l + 1]; o++) {
            unit[o] = unit[o] > 0 ? unit[o] : 0;
        }
        in = unit;
        unit += mlp->width[l + 1];
    }
    return 0;
}

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
