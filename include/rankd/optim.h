/*
 * Optimizers: from a gradient to changed parameters, dense over the coordinates handed to them.
 *
 * Sparse learning hands over the rows a step touched and nothing else: decay and momentum of other
 * rows are lazy, the step count is global. State lives outside the model, in slots of the
 * parameters' length.
 */
#ifndef RANKD_OPTIM_H
#define RANKD_OPTIM_H

#include <rankd/status.h>
#include <stddef.h>
#include <stdint.h>

#define RK_OPTIM_SLOTS_MAX 2

enum rk_optim_name {
    RK_SGD,
    RK_ADAGRAD,
    RK_ADAM,
    RK_ADAMW,
    RK_SPARSE_ADAM,
    RK_FTRL,
    RK_N_OPTIMS
};

/* An optimizer with its options; an option an optimizer does not know is ignored. */
struct rk_optim {
    enum rk_optim_name name;
    double learning_rate; /* > 0; FTRL's alpha */
    double l2;            /* weight decay added to the gradient; decoupled for adamw; FTRL's l2 */
    double l1;            /* FTRL; >= 0 */
    double momentum;      /* sgd; [0, 1) */
    double eps;           /* adagrad, adam*: outside the root */
    double init_acc;      /* adagrad: start of the accumulator */
    double beta1, beta2;  /* adam* */
    double beta;          /* FTRL */
};

/**
 * The name of an optimizer as in a model's configuration ("adagrad"); a static string.
 */
const char *rk_optim_text(enum rk_optim_name name);

/**
 * Finds an optimizer by name and fills in default options (models.md): rate 0.2, l2 1e-6, betas
 * 0.9/0.999, momentum 0, eps 1e-10 (adam, adamw, sparse_adam: 1e-8), init_acc 0, FTRL beta 1 and l1
 * 0.
 *
 * @return RK_OK; RK_NOTFOUND.
 */
RK_MUST_CHECK enum rk_status rk_optim_default(const char *name, struct rk_optim *optim,
                                              struct rk_error *err);

/**
 * How many slots of state an optimizer keeps per parameter: 0 to RK_OPTIM_SLOTS_MAX. sgd keeps one
 * with momentum only.
 */
size_t rk_optim_slots(const struct rk_optim *optim);

/**
 * The name of a slot, as PyTorch's ("sum", "exp_avg", "exp_avg_sq", "momentum_buffer") or the
 * paper's ("z", "n").
 *
 * @pre slot < rk_optim_slots(optim).
 */
const char *rk_optim_slot_text(const struct rk_optim *optim, size_t slot);

/**
 * Fills the slots for parameters that were just initialised. FTRL's z is set so that its first
 * update starts from p.
 *
 * @param p      (n) parameters, borrowed.
 * @param slots  rk_optim_slots arrays of (n), out.
 */
void rk_optim_init(const struct rk_optim *optim, const float *p, float *const *slots, size_t n);

/**
 * One update of n coordinates. Computed in double and rounded once into p and slots; adagrad in float.
 * Sources: Duchi 2011 (adagrad), Kingma & Ba 2015 (adam), Loshchilov & Hutter 2019 (adamw), McMahan
 * 2013 (ftrl).
 *
 * @param step   global step count, from 1; used by adam's bias correction and sgd's first momentum
 * step.
 * @param p      (n) parameters, changed.
 * @param slots  rk_optim_slots arrays of (n), changed.
 * @param grad   (n) gradient.
 * Cost O(n). Results may be non-finite: the caller judges. Threads: any, on rows of their own.
 */
void rk_optim_update(const struct rk_optim *optim, uint64_t step, float *p, float *const *slots,
                     const double *grad, size_t n);

#endif
