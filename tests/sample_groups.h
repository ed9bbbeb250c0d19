/*
 * Models and random groups for tests of the core, and the plain path from parameters to a dense
 * gradient.
 */
#ifndef RANKD_SAMPLE_GROUPS_H
#define RANKD_SAMPLE_GROUPS_H

#include <rankd/learner.h>
#include <rankd/random.h>

#define SAMPLE_COLUMNS 24

/* What random groups look like; features are drawn with repeats. */
struct sample_shape {
    size_t n_items;
    size_t n_shared; /* features of user and context */
    size_t n_own;    /* features of each item */
    uint32_t grades; /* labels are 0 to grades - 1 */
};

/* fm with dim 4 on SAMPLE_COLUMNS columns; no l2. */
struct rk_model_config sample_config(const char *loss, const char *optim);

/* The same on a hashed space of 5 bits with standardised numbers. */
struct rk_model_config sample_hashed_config(const char *loss, const char *optim);

/* The kinds; the last one has two heads. */
#define SAMPLE_KINDS 4
extern const char *const sample_kinds[SAMPLE_KINDS];

/*
 * Makes a sample config one of another kind: 4 fields (5 at most on a hashed space), hidden layers
 * of 5 and 3, 4 users, 8 items.
 */
void sample_kind(struct rk_model_config *config, const char *kind);

#define SAMPLE_FIELDS 4
#define SAMPLE_USERS  4
#define SAMPLE_ITEMS  8

/* Each column's field. */
extern const uint8_t sample_fields[SAMPLE_COLUMNS];

struct rk_model *sample_model(const struct rk_model_config *config);

/*
 * A block with every parameter other than 0, on a grid of 1/1024; statistics of numbers as if 50
 * had been seen.
 */
float *sample_theta(const struct rk_model *model, uint64_t seed);

/* The block of rk_model_init. */
float *sample_start(const struct rk_model *model);

/* Offset of a tensor in the block. */
size_t sample_tensor(const struct rk_model *model, const char *name);

/*
 * A labelled group of a model's space: columns on indexed ones; numbers, flags and categories on
 * hashed ones. For joint with a user and items of its tables.
 */
struct rk_group *sample_group(const struct rk_model *model, const struct sample_shape *shape,
                              struct rk_random *random);

/* Groups of 6 items with 3 shared and 4 own features. */
void sample_groups(const struct rk_model *model, struct rk_group **groups, size_t n, uint64_t seed);

void sample_groups_destroy(struct rk_group **groups, size_t n);

/* A group without shared features from (column, value) pairs, one feature an item. */
struct rk_group *sample_list(const struct rk_model *model, size_t n, const struct rk_feature *own,
                             const float *label);

/* The group with its items in reverse. */
struct rk_group *sample_reversed(const struct rk_group *group);

/* Heads of a group, with work memory of exactly the promised size. */
void sample_score(const struct rk_model *model, const float *theta, const struct rk_group *group,
                  double *score);

/*
 * The reduced loss of n groups, of a model with one head and a loss on its scores alone. grad NULL:
 * only that; else out, (params), the gradient; met NULL or out, (rows): a row of it is not 0.
 */
double sample_loss(const struct rk_model *model, const float *theta,
                   const struct rk_group *const *groups, size_t n, double *grad, bool *met);

/* One layer of an MLP in double: out = W in + b, negative ones 0 where it is a hidden layer. */
void sample_layer(const float *weight, const float *bias, const double *in, size_t n_in,
                  size_t n_out, bool hidden, double *out);

/* Makes one update that must succeed. */
struct rk_learned sample_update(struct rk_learner *learner, float *theta,
                                const struct rk_group *group);

#endif
