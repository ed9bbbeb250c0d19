/*
 * Optimizers, one loop each, over as many coordinates as there are. State is kept in float. Where the
 * next state is a sum of terms that may cancel it is computed in double from the float it finds;
 * AdaGrad's only grows, so there float is enough, and twice as fast. Where PyTorch and a paper differ, PyTorch is followed, since its users compare:
 * eps stands outside the root.
 */
#include "clones.h"

#include <math.h>
#include <rankd/optim.h>
#include <string.h>

static const char *const names[RK_N_OPTIMS] = {
    [RK_SGD] = "sgd",     [RK_ADAGRAD] = "adagrad",         [RK_ADAM] = "adam",
    [RK_ADAMW] = "adamw", [RK_SPARSE_ADAM] = "sparse_adam", [RK_FTRL] = "ftrl",
};

static const char *const slot_names[RK_N_OPTIMS][RK_OPTIM_SLOTS_MAX] = {
    [RK_SGD] = {"momentum_buffer"},
    [RK_ADAGRAD] = {"sum"},
    [RK_ADAM] = {"exp_avg", "exp_avg_sq"},
    [RK_ADAMW] = {"exp_avg", "exp_avg_sq"},
    [RK_SPARSE_ADAM] = {"exp_avg", "exp_avg_sq"},
    [RK_FTRL] = {"z", "n"},
};

const char *rk_optim_text(enum rk_optim_name name)
{
    return names[name];
}

enum rk_status rk_optim_default(const char *name, struct rk_optim *optim, struct rk_error *err)
{
    size_t found = 0;
    while (found < RK_N_OPTIMS && strcmp(names[found], name) != 0) {
        found++;
    }
    if (found == RK_N_OPTIMS) {
        return rk_fail(err, RK_NOTFOUND, "no optimizer is called \"%.64s\"", name);
    }
    const enum rk_optim_name which = (enum rk_optim_name)found;
    const int adam = which == RK_ADAM || which == RK_ADAMW || which == RK_SPARSE_ADAM;
    *optim = (struct rk_optim){
        .name = which,
        .learning_rate = 0.2,
        .l2 = 1e-6,
        .eps = adam ? 1e-8 : 1e-10,
        .beta1 = 0.9,
        .beta2 = 0.999,
        .beta = 1.0,
    };
    return RK_OK;
}

size_t rk_optim_slots(const struct rk_optim *optim)
{
    switch (optim->name) {
    case RK_SGD:
        return optim->momentum > 0.0 ? 1 : 0;
    case RK_ADAGRAD:
        return 1;
    case RK_ADAM:
    case RK_ADAMW:
    case RK_SPARSE_ADAM:
    case RK_FTRL:
        return 2;
    case RK_N_OPTIMS:
        break;
    }
    return 0;
}

const char *rk_optim_slot_text(const struct rk_optim *optim, size_t slot)
{
    return slot_names[optim->name][slot];
}

static void fill(float *slot, float value, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        slot[i] = value;
    }
}

/*
 * FTRL derives w from z; the z below is what gives w back while n = 0. A w of 0 needs none: any |z|
 * <= l1 is 0.
 */
static void ftrl_init(const struct rk_optim *optim, const float *p, float *z, size_t n)
{
    const double slope = optim->beta / optim->learning_rate + optim->l2;
    for (size_t i = 0; i < n; i++) {
        const double w = (double)p[i];
        z[i] = w == 0.0 ? 0.0f : (float)-(w * slope + copysign(optim->l1, w));
    }
}

void rk_optim_init(const struct rk_optim *optim, const float *p, float *const *slots, size_t n)
{
    const size_t n_slots = rk_optim_slots(optim);
    for (size_t s = 0; s < n_slots; s++) {
        fill(slots[s], optim->name == RK_ADAGRAD ? (float)optim->init_acc : 0.0f, n);
    }
    if (optim->name == RK_FTRL) {
        ftrl_init(optim, p, slots[0], n);
    }
}

RK_CLONES static void sgd(const struct rk_optim *optim, float *restrict p,
                          const double *restrict grad, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double w = (double)p[i];
        p[i] = (float)(w - optim->learning_rate * (grad[i] + optim->l2 * w));
    }
}

/*
 * PyTorch starts the buffer with the first gradient: the same as this from a buffer of 0, for there
 * is no dampening.
 */
RK_CLONES static void sgd_momentum(const struct rk_optim *optim, float *restrict p,
                                   float *restrict buffer, const double *restrict grad, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double w = (double)p[i];
        const double b = optim->momentum * (double)buffer[i] + (grad[i] + optim->l2 * w);
        buffer[i] = (float)b;
        p[i] = (float)(w - optim->learning_rate * b);
    }
}

RK_CLONES static void adagrad(const struct rk_optim *optim, float *restrict p, float *restrict acc,
                              const double *restrict grad, size_t n)
{
    const float rate = (float)optim->learning_rate, l2 = (float)optim->l2;
    const float eps = (float)optim->eps;

    for (size_t i = 0; i < n; i++) {
        const float g = (float)grad[i] + l2 * p[i];
        const float sum = acc[i] + g * g;
        acc[i] = sum;
        p[i] = p[i] - rate * g / (sqrtf(sum) + eps);
    }
}

/*
 * The three members of Adam's family differ in two places: adamw shrinks w instead of adding decay
 * to the gradient, and SparseAdam adds eps before the second moment's bias is corrected, the others
 * after.
 */
RK_CLONES static void adam(const struct rk_optim *optim, uint64_t step, float *restrict p,
                           float *const *slots, const double *restrict grad, size_t n)
{
    const double correction1 = 1.0 - pow(optim->beta1, (double)step);
    const double root2 = sqrt(1.0 - pow(optim->beta2, (double)step));
    const int decoupled = optim->name == RK_ADAMW;
    const double shrink = decoupled ? 1.0 - optim->learning_rate * optim->l2 : 1.0;
    const double l2 = decoupled ? 0.0 : optim->l2;
    const double rate = optim->learning_rate / correction1;
    const double eps = optim->name == RK_SPARSE_ADAM ? optim->eps / root2 : optim->eps;
    float *restrict first = slots[0];
    float *restrict second = slots[1];
    for (size_t i = 0; i < n; i++) {
        const double w = (double)p[i];
        const double g = grad[i] + l2 * w;
        const double m = optim->beta1 * (double)first[i] + (1.0 - optim->beta1) * g;
        const double v = optim->beta2 * (double)second[i] + (1.0 - optim->beta2) * g * g;
        first[i] = (float)m;
        second[i] = (float)v;
        p[i] = (float)(w * shrink - rate * m / (sqrt(v) / root2 + eps));
    }
}

/*
 * McMahan 2013, algorithm 1. w comes from z and n as stored, so that it is 0 exactly where the
 * stored |z| <= l1.
 */
RK_CLONES static void ftrl(const struct rk_optim *optim, float *restrict p, float *const *slots,
                           const double *restrict grad, size_t n)
{
    float *restrict z = slots[0];
    float *restrict squares = slots[1];
    for (size_t i = 0; i < n; i++) {
        const double g = grad[i];
        const double before = (double)squares[i];
        const double after = before + g * g;
        const double sigma = (sqrt(after) - sqrt(before)) / optim->learning_rate;
        z[i] = (float)((double)z[i] + g - sigma * (double)p[i]);
        squares[i] = (float)after;
        const double stored = (double)z[i];
        const double slope =
            (optim->beta + sqrt((double)squares[i])) / optim->learning_rate + optim->l2;
        p[i] = fabs(stored) <= optim->l1 ? 0.0f
                                         : (float)(-(stored - copysign(optim->l1, stored)) / slope);
    }
}

void rk_optim_update(const struct rk_optim *optim, uint64_t step, float *p, float *const *slots,
                     const double *grad, size_t n)
{
    switch (optim->name) {
    case RK_SGD:
        if (rk_optim_slots(optim) == 0) {
            sgd(optim, p, grad, n);
        } else {
            sgd_momentum(optim, p, slots[0], grad, n);
        }
        break;
    case RK_ADAGRAD:
        adagrad(optim, p, slots[0], grad, n);
        break;
    case RK_ADAM:
    case RK_ADAMW:
    case RK_SPARSE_ADAM:
        adam(optim, step, p, slots, grad, n);
        break;
    case RK_FTRL:
        ftrl(optim, p, slots, grad, n);
        break;
    case RK_N_OPTIMS:
        break;
    }
}
