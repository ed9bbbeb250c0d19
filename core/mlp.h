/*
 * A multi-layer perceptron with ReLU between its layers and one logit at its end, as part of a
 * model: its tensors are named as those of PyTorch's nn.Sequential, prefix.{0,2,4}.weight (out, in)
 * and .bias.
 *
 * Units are kept after ReLU, layer after layer, so that the backward pass finds the inputs of each
 * layer.
 */
#ifndef RANKD_CORE_MLP_H
#define RANKD_CORE_MLP_H

#include "model_impl.h"

/*
 * Lays the tensors out: inputs -> config.hidden -> 1.
 * input_major: the first layer is stored (in, out), so that a feature's weights are one row; its
 * input is sparse.
 */
void rk_mlp_lay_out(struct rk_model *model, const char *prefix, size_t inputs, bool input_major);

/*
 * Weights and biases from U(-1/sqrt(in), 1/sqrt(in)), PyTorch's start; an input-major first layer
 * from N(0, init_std^2) with biases of 0, as most of its inputs are 0.
 */
void rk_mlp_init(const struct rk_model *model, float *theta, struct rk_random *random);

/* Doubles that one item's units take. */
size_t rk_mlp_units(const struct rk_mlp *mlp);

/* The inputs of a group. */
struct rk_mlp_inputs {
    size_t n_items;
    const double
        *shared;        /* (width[0]) part of every item's; NULL: the first width[1] of each item's
                           units hold the first layer's sums already, without its bias */
    const double *item; /* (n_items, width[0]) the rest */
    const uint32_t *column; /* (n_columns), ascending: where some item's are not 0 */
    size_t n_columns;
};

/* Doubles of scratch that a forward pass takes. */
size_t rk_mlp_scratch(const struct rk_mlp *mlp);

/*
 * Forward, an item's logit being the same bits whoever is beside it. unit: out, (n_items, units).
 * logit: added to, (n_items).
 */
void rk_mlp_forward(const struct rk_mlp *mlp, const float *theta,
                    const struct rk_mlp_inputs *inputs, double *unit, double *scratch,
                    double *logit);

/*
 * One item backward from d loss / d logit = g. shift_free: the last bias is left alone. delta:
 * scratch, (units); on return its first width[1] hold the gradient of the first layer's sums.
 * input_grad: out, (width[0]), or NULL. false: out of memory.
 */
bool rk_mlp_backward(const struct rk_mlp *mlp, const float *theta, const double *input,
                     const double *unit, double g, bool shift_free, double *delta,
                     double *input_grad, struct rk_gradient *grad);

#endif
