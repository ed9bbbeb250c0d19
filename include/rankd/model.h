/*
 * Models: a configuration gives a shape; a shape gives one block of parameters with named tensors;
 * a block and a group give scores and, from score gradients, sparse parameter gradients.
 *
 * A struct rk_model is the immutable shape. Parameters are a plain float block `theta` of
 * rk_model_params floats that the caller owns, so that a clone, a snapshot, a checkpoint and an
 * optimizer are one loop each.
 */
#ifndef RANKD_MODEL_H
#define RANKD_MODEL_H

#include <rankd/feature.h>
#include <rankd/gradient.h>
#include <rankd/group.h>
#include <rankd/loss.h>
#include <rankd/optim.h>
#include <rankd/status.h>
#include <rankd/tensor.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RK_DIM_DEFAULT     16
#define RK_DIM_MIN         1
#define RK_DIM_MAX         256
#define RK_MODEL_HEADS_MAX 2

/* Everything the mathematics needs to know; the server's configuration holds one. */
struct rk_model_config {
    char kind[16]; /* "fm" */
    struct rk_space features;
    bool standardize; /* hashed spaces: numbers are standardised by running mean and deviation */
    bool use_ids;     /* hashed spaces: user and item ids are features */
    uint32_t dim;     /* k, RK_DIM_MIN..RK_DIM_MAX */
    struct rk_loss loss;
    struct rk_optim optim;
    double clip_norm; /* largest L2 norm of one update's gradient; 0 = off */
    double init_std;
    uint64_t init_seed;
};

struct rk_model; /* immutable after creation; any number of threads may use one */

/**
 * The defaults of models.md for a kind.
 *
 * @return RK_OK; RK_NOTFOUND: no such kind.
 */
RK_MUST_CHECK enum rk_status rk_model_default(const char *kind, struct rk_model_config *config,
                                              struct rk_error *err);

/**
 * Makes the shape of a model; allocates nothing of the size of its parameters.
 *
 * @param config     copied.
 * @param max_bytes  largest allowed parameter block; 0 = no limit.
 * @param model      out; free it with rk_model_destroy.
 * @return RK_OK; RK_NOTFOUND: kind; RK_INVALID: an option outside its range; RK_TOOBIG; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status rk_model_create(const struct rk_model_config *config, size_t max_bytes,
                                             struct rk_model **model, struct rk_error *err);

/** Frees a shape and clears the pointer; NULL is accepted. */
void rk_model_destroy(struct rk_model **model);

/** The configuration the model was made from; borrowed. */
const struct rk_model_config *rk_model_config(const struct rk_model *model);

/** The tensors of a model in block order; borrowed, n out. */
const struct rk_tensor *rk_model_tensors(const struct rk_model *model, size_t *n);

/** Floats in a parameter block. */
size_t rk_model_params(const struct rk_model *model);

/**
 * Floats at the start of the block that optimizers change; behind them lie the numbers' statistics.
 */
size_t rk_model_learned(const struct rk_model *model);

/** Rows of all tensors together: what rk_model_row numbers. */
size_t rk_model_rows(const struct rk_model *model);

/**
 * Where a row lies in the parameter block.
 *
 * @param row  < rk_model_rows. @param length  out, floats in the row.
 * @return offset of its first float. Cost O(tensors).
 */
size_t rk_model_row(const struct rk_model *model, uint32_t row, size_t *length);

/**
 * Fills a parameter block with the untrained start: V from N(0, init_std^2) by init_seed, all else
 * 0. Same configuration, same bytes.
 *
 * @param theta  out, (rk_model_params).
 */
void rk_model_init(const struct rk_model *model, float *theta);

/** Scores per item the model's forward pass gives: 1, or 2 with a click head of its own. */
size_t rk_model_heads(const struct rk_model *model);

/** Bytes of work memory for forward and backward of a group with n items and nnz entries. */
size_t rk_model_work(const struct rk_model *model, size_t n_items, size_t nnz);

/**
 * Scores the items of one list. fm (Rendle, "Factorization Machines", ICDM 2010, eq. 1 and lemma
 * 3.1):
 *     y(x) = w0 + <w,x> + 1/2 sum_f ((sum_j v_jf x_j)^2 - sum_j v_jf^2 x_j^2)
 * where x is row 0 and the item's row side by side; the sums over row 0 are computed once.
 *
 * @param theta  (rk_model_params), borrowed.
 * @param group  indices below the space's rows.
 * @param work   rk_model_work bytes, aligned as malloc; keeps what rk_model_backward needs.
 * @param score  out, (heads, n_items) logits.
 * @return RK_OK; RK_DIVERGED: a score is not finite.
 * Cost O(nnz k); allocates nothing. Threads: any number on one theta nobody writes.
 */
RK_MUST_CHECK enum rk_status rk_model_forward(const struct rk_model *model, const float *theta,
                                              const struct rk_group *group, void *work,
                                              double *score, struct rk_error *err);

/**
 * Adds the gradient of one list to grad.
 *
 * @param work        as rk_model_forward of the same theta and group left it.
 * @param head_grad   (heads, n_items) d loss / d score.
 * @param shift_free  the loss does not change when all scores shift: a list's gradients sum to
 * exactly 0, and bias and
 *                    linear weights of row 0 are left alone.
 * @param grad        rows are added as they are met.
 * @return RK_OK; RK_NOMEM. Cost O(nnz k). Threads: any, each its own grad.
 */
RK_MUST_CHECK enum rk_status rk_model_backward(const struct rk_model *model, const float *theta,
                                               const struct rk_group *group, void *work,
                                               const double *head_grad, bool shift_free,
                                               struct rk_gradient *grad, struct rk_error *err);

/**
 * Copies rows of one parameter block into another: how a step is published.
 *
 * @param rows  n distinct rows.
 * Cost O(floats in the rows), whatever the model's size.
 */
void rk_model_copy_rows(const struct rk_model *model, const uint32_t *rows, size_t n,
                        const float *from, float *to);

#endif
