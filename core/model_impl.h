/*
 * The inside of a model, for core files only: the shape's struct and what a kind of model must
 * provide. Adding a model is one file with a struct rk_kind and one line in model.c.
 */
#ifndef RANKD_CORE_MODEL_IMPL_H
#define RANKD_CORE_MODEL_IMPL_H

#include <rankd/known.h>
#include <rankd/model.h>
#include <rankd/random.h>

#define RK_MODEL_TENSORS_MAX 16
#define RK_MLP_LAYERS_MAX    (RK_HIDDEN_MAX + 1)

/* The layers of an MLP inside a model: mlp.h. */
struct rk_mlp {
    size_t n_layers;
    size_t width[RK_MLP_LAYERS_MAX + 1]; /* inputs, hidden layers, 1 */
    size_t weight[RK_MLP_LAYERS_MAX];    /* numbers of tensors */
    size_t bias[RK_MLP_LAYERS_MAX];
    bool input_major;               /* the first layer is stored (in, out) */
    const struct rk_tensor *tensor; /* the model's */
};

struct rk_kind {
    const char *name;
    size_t heads;        /* scores an item */
    bool has_fields;     /* features have fields: fields.h */
    bool has_click_head; /* its configuration's alpha mixes in a click loss by default */
    /* Adds the tensors that are learned, by rk_model_add_tensor. */
    void (*lay_out)(struct rk_model *model);
    /* Fills a zeroed block with the untrained start. */
    void (*init)(const struct rk_model *model, float *theta);
    /* Bytes of work memory, a multiple of 8. */
    size_t (*work)(const struct rk_model *model, size_t n_items, size_t nnz);
    /*
     * As rk_model_forward and rk_model_backward, with group->value standardised and finiteness
     * checked by the caller.
     */
    void (*forward)(const struct rk_model *model, const float *theta, const struct rk_group *group,
                    void *work, double *score);
    bool (*backward)(const struct rk_model *model, const float *theta, const struct rk_group *group,
                     void *work, const struct rk_output_grad *out,
                     struct rk_gradient *grad); /* false: out of memory */
    /* As rk_model_item_sums, rk_model_item_row and rk_model_forward_known; NULL: it knows no items. */
    size_t (*item_sums)(const struct rk_model *model);
    bool (*item_row)(const struct rk_model *model, uint32_t row, uint32_t *feature_row);
    void (*forward_known)(const struct rk_model *model, const float *theta,
                          const struct rk_group *group, const struct rk_known_items *known,
                          void *work, double *score);
    /* As rk_model_embedding; NULL: there are none. */
    const float *(*embedding)(const struct rk_model *model, const float *theta,
                              const struct rk_group *group, size_t id);
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
    const struct rk_tensor
        *fields; /* (max_fields, 4) names, or NULL where fields are not learned */
    struct rk_mlp mlp;
};

extern const struct rk_kind rk_kind_fm;
extern const struct rk_kind rk_kind_ffm;
extern const struct rk_kind rk_kind_deepfm;
extern const struct rk_kind rk_kind_joint;

/* Adds x to a row of one number. false: out of memory. */
static inline bool rk_model_add_one(const struct rk_tensor *tensor, size_t row, double x,
                                    struct rk_gradient *grad)
{
    double *sum = rk_gradient_row(grad, (uint32_t)(tensor->first_row + row), 1);

    if (sum != NULL) {
        sum[0] += x;
    }
    return sum != NULL;
}

/* Asks for what will be needed of a row of the layout; a long one's lines follow by themselves. */
static inline void rk_model_ask(const struct rk_gradient *grad, size_t offset)
{
    for (size_t b = 0; b < grad->n_needed; b++) {
        __builtin_prefetch(grad->needed[b] + offset, 1);
    }
}

/*
 * The group as the model sees it: raw numbers standardised. The values lie behind the kind's work
 * memory, where a backward pass finds them again.
 */
struct rk_group rk_model_seen(const struct rk_model *model, const float *theta,
                              const struct rk_group *group, void *work);

/* RK_OK, or RK_DIVERGED where a score of n_items items is not finite. */
enum rk_status rk_model_check_scores(const struct rk_model *model, const double *score,
                                     size_t n_items, struct rk_error *err);

/* Fields a kind with fields has vectors for. */
size_t rk_model_n_fields(const struct rk_model *model);

/* Draws a tensor from N(0, init_std^2). */
void rk_model_init_normal(const struct rk_model *model, size_t tensor, float *theta,
                          struct rk_random *random);

/* Appends a tensor of rows x cols behind the last one. */
void rk_model_add_tensor(struct rk_model *model, const char *name, uint32_t rank,
                         const size_t *shape, size_t cols);

#endif
