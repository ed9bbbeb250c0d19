/*
 * The inside of a model, for core files only: the shape's struct and what a kind of model must
 * provide. Adding a model is one file with a struct rk_kind and one line in model.c.
 */
#ifndef RANKD_CORE_MODEL_IMPL_H
#define RANKD_CORE_MODEL_IMPL_H

#include <rankd/model.h>

#define RK_MODEL_TENSORS_MAX 16

struct rk_kind {
    const char *name;
    /* Checks the options only this kind knows; NULL: there are none. */
    enum rk_status (*check)(const struct rk_model_config *config, struct rk_error *err);
    /* Adds the tensors that are learned, by rk_model_add_tensor. */
    void (*lay_out)(struct rk_model *model);
    /* Fills a zeroed block with the untrained start. */
    void (*init)(const struct rk_model *model, float *theta);
    size_t (*heads)(const struct rk_model *model);
    /* Bytes of work memory, a multiple of 8. */
    size_t (*work)(const struct rk_model *model, size_t n_items, size_t nnz);
    /*
     * As rk_model_forward and rk_model_backward, with group->value standardised and finiteness
     * checked by the caller.
     */
    void (*forward)(const struct rk_model *model, const float *theta, const struct rk_group *group,
                    void *work, double *score);
    bool (*backward)(const struct rk_model *model, const float *theta, const struct rk_group *group,
                     void *work, const double *head_grad, bool shift_free,
                     struct rk_gradient *grad); /* false: out of memory */
};

struct rk_model {
    const struct rk_kind *kind;
    struct rk_model_config config;
    struct rk_tensor tensor[RK_MODEL_TENSORS_MAX];
    size_t n_tensors;
    size_t n_params;  /* floats of the block */
    size_t n_learned; /* those before the numbers' statistics: what optimizers see */
    size_t n_rows;
    const struct rk_tensor *numbers; /* (rows, 3), or NULL where numbers are raw */
};

extern const struct rk_kind rk_kind_fm;

/* Appends a tensor of rows x cols behind the last one. */
void rk_model_add_tensor(struct rk_model *model, const char *name, uint32_t rank,
                         const size_t *shape, size_t cols);

#endif
