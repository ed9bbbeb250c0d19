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
#define RK_HIDDEN_MAX      3
#define RK_WIDTH_MIN       1
#define RK_WIDTH_MAX       1024
#define RK_FIELDS_DEFAULT  16
#define RK_FIELDS_MIN      1
#define RK_FIELDS_MAX      64
#define RK_ALPHA_DEFAULT   0.5
#define RK_ID_BITS_DEFAULT 16
#define RK_CACHE_LINE      64 /* bytes */

/* What an embedding loss of `joint` is computed on the embeddings themselves. */
enum rk_embedding_loss {
    RK_ON_SCORES,
    RK_TRIPLET,
    RK_N_PAIR_EMBEDDING
};

/* Everything the mathematics needs to know; the server's configuration holds one. */
struct rk_model_config {
    char kind[16]; /* "fm", "ffm", "deepfm", "joint" */
    struct rk_space features;
    bool standardize; /* hashed spaces: numbers are standardised by running mean and deviation */
    bool use_ids;     /* hashed spaces: user and item ids are features */
    uint32_t dim;     /* k, RK_DIM_MIN..RK_DIM_MAX */
    struct rk_loss loss;
    double alpha; /* alpha loss + (1 - alpha) bce_with_logits; 1: the loss alone */
    enum rk_embedding_loss embedding_loss; /* joint: takes the loss's place */
    double triplet_margin;                 /* triplet; >= 0 */
    bool triplet_squared;                  /* triplet: squared distances */
    double embedding_l2;                   /* n_pair on embeddings; >= 0 */
    bool separate;         /* joint: the loss on u.i alone, the click loss on the MLP alone */
    struct rk_space users; /* joint: rows of user_embedding */
    struct rk_space items; /* joint: rows of item_embedding */
    uint32_t hidden[RK_HIDDEN_MAX]; /* deepfm, joint: widths of the MLP's hidden layers */
    uint32_t n_hidden;
    bool normalize;        /* ffm: the pair term times 1/|x|^2 */
    uint32_t max_fields;   /* ffm, deepfm on hashed spaces */
    const uint8_t *fields; /* ffm, deepfm on indexed spaces: (features.size) each column's field;
                              borrowed, outlives the model */
    uint32_t n_fields;     /* one more than the largest of them */
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
 * Where a block should begin, in floats behind the start of a cache line, so that the rows of its
 * largest tensor lie on as few lines as they can. Any other place is slower, and just as right.
 */
size_t rk_model_lead(const struct rk_model *model);

/**
 * Fills a parameter block with the untrained start: V from N(0, init_std^2) by init_seed, all else
 * 0. Same configuration, same bytes.
 *
 * @param theta  out, (rk_model_params).
 */
void rk_model_init(const struct rk_model *model, float *theta);

/** Scores per item the model's forward pass gives: 1, or 2 with a click head of its own. */
size_t rk_model_heads(const struct rk_model *model);

/** Has it an MLP, which every list moves, where the rows of a feature are moved by few? */
bool rk_model_is_layered(const struct rk_model *model);

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

/* The gradient of a loss with respect to what a forward pass gave. */
struct rk_output_grad {
    const double *head; /* (heads, n_items) d loss / d score */
    bool
        shift_free;     /* the loss does not change when all scores of the last head shift: a list's
                           gradients sum to exactly 0; bias and linear weights of row 0 are left alone */
    const double *user; /* (dim) d loss / d user embedding, or NULL */
    const double *item; /* (n_items, dim) d loss / d item embeddings, or NULL */
};

/**
 * Adds the gradient of one list to grad.
 *
 * @param work  as rk_model_forward of the same theta and group left it.
 * @param out   borrowed.
 * @param grad  rows are added as they are met.
 * @return RK_OK; RK_NOMEM. Cost O(nnz k). Threads: any, each its own grad.
 */
RK_MUST_CHECK enum rk_status rk_model_backward(const struct rk_model *model, const float *theta,
                                               const struct rk_group *group, void *work,
                                               const struct rk_output_grad *out,
                                               struct rk_gradient *grad, struct rk_error *err);

/**
 * What a list is ordered by: the only head; for joint u.i + logit (shared heads), or
 * alpha u.i + (1 - alpha) logit (separate ones).
 *
 * @param head   (heads, n) as rk_model_forward gave it; @param score  out, (n), may be head.
 */
void rk_model_scores(const struct rk_model *model, const double *head, size_t n, double *score);

/**
 * The logit whose logistic function is the probability of a click: joint's u.i + logit (shared heads) or logit (separate ones).
 *
 * @param logit  out, (n). @return false: the model has no click head, nothing is written.
 */
bool rk_model_click_logits(const struct rk_model *model, const double *head, size_t n,
                           double *logit);

/**
 * The embeddings of a group's user and items.
 *
 * @param id  0: the user, 1 + i: item i.
 * @return (dim) floats inside theta, or NULL: there is no such id, or the model has no embeddings of ids.
 */
const float *rk_model_embedding(const struct rk_model *model, const float *theta,
                                const struct rk_group *group, size_t id);

/**
 * Copies rows of one parameter block into another: how a step is published.
 *
 * @param rows  n distinct rows.
 * Cost O(floats in the rows), whatever the model's size.
 */
void rk_model_copy_rows(const struct rk_model *model, const uint32_t *rows, size_t n,
                        const float *from, float *to);

#endif
