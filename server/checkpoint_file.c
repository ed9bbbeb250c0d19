/*
 * A checkpoint as a file: every tensor by its name in the order of its shape, the optimizer's behind
 * a prefix.
 */
#include "checkpoint.h"
#include "grow.h"

#include <rankd/safetensors.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing ---- */

static enum rk_status append(void *context, const void *bytes, size_t n, struct rk_error *err)
{
    struct checkpoint_bytes *out = context;

    if (!grow_reserve(&out->bytes, &out->capacity, out->n + n)) {
        return rk_fail(err, RK_NOMEM, "out of memory for a checkpoint of %zu bytes", out->n + n);
    }
    memcpy(out->bytes + out->n, bytes, n);
    out->n += n;
    return RK_OK;
}

void checkpoint_name(const struct rk_model *model, const struct rk_tensor *tensor, size_t slot,
                     char name[RK_ST_NAME_MAX])
{
    if (slot == SIZE_MAX) {
        (void)snprintf(name, RK_ST_NAME_MAX, "%s", tensor->name);
    } else {
        (void)snprintf(name, RK_ST_NAME_MAX, "optimizer.%s.%s",
                       rk_optim_slot_text(&rk_model_config(model)->optim, slot), tensor->name);
    }
}

static bool is_learned(const struct rk_model *model, const struct rk_tensor *tensor)
{
    return tensor->offset < rk_model_learned(model);
}

/* (rows, cols) to (cols, rows). */
static void transpose(const float *from, size_t rows, size_t cols, float *to)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < cols; c++) {
            to[c * rows + r] = from[r * cols + c];
        }
    }
}

static size_t elements_of(const struct rk_tensor *tensor)
{
    return tensor->rows * tensor->cols;
}

/* The tensors of a file. */
struct views {
    struct rk_st_tensor *view; /* (n) */
    float **turned;            /* (n) owned: the elements in the shape's order, or NULL */
    size_t n;
};

static enum rk_status add_view(const struct rk_model *model, const struct rk_tensor *tensor,
                               size_t slot, const float *block, struct views *views,
                               struct rk_error *err)
{
    struct rk_st_tensor *view = &views->view[views->n];
    float **turned = &views->turned[views->n++];

    *view = (struct rk_st_tensor){.dtype = RK_F32,
                                  .rank = tensor->rank,
                                  .data = block + tensor->offset,
                                  .bytes = elements_of(tensor) * sizeof(float)};
    memcpy(view->shape, tensor->shape, tensor->rank * sizeof *view->shape);
    checkpoint_name(model, tensor, slot, view->name);
    if (tensor->transposed) {
        *turned = malloc(view->bytes);
        if (*turned == NULL) {
            return rk_fail(err, RK_NOMEM, "out of memory for tensor \"%s\"", tensor->name);
        }
        transpose(view->data, tensor->shape[1], tensor->shape[0], *turned);
        view->data = *turned;
    }
    return RK_OK;
}

static enum rk_status add_views(const struct rk_model *model, const float *theta,
                                float *const *slots, size_t n_slots, struct views *views,
                                struct rk_error *err)
{
    size_t n_tensors;
    const struct rk_tensor *tensors = rk_model_tensors(model, &n_tensors);
    enum rk_status status = RK_OK;

    views->view = calloc(n_tensors * (1 + n_slots), sizeof *views->view);
    views->turned = calloc(n_tensors * (1 + n_slots), sizeof(float *));
    if (views->view == NULL || views->turned == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for a checkpoint");
    }
    for (size_t t = 0; t < n_tensors && status == RK_OK; t++) {
        status = add_view(model, &tensors[t], SIZE_MAX, theta, views, err);
    }
    for (size_t s = 0; s < n_slots; s++) {
        for (size_t t = 0; t < n_tensors && is_learned(model, &tensors[t]) && status == RK_OK;
             t++) {
            status = add_view(model, &tensors[t], s, slots[s], views, err);
        }
    }
    return status;
}

enum rk_status checkpoint_write(const struct rk_model *model, const float *theta,
                                struct rk_learner *learner, int64_t version,
                                struct checkpoint_bytes *out, struct rk_error *err)
{
    size_t n_slots = 0;
    float *const *slots = learner != NULL ? rk_learner_slots(learner, &n_slots) : NULL;
    struct views views = {0};
    char version_text[32], steps_text[32];
    const struct rk_st_pair metadata[] = {{"format", "rankd/1"},
                                          {"kind", rk_model_config(model)->kind},
                                          {"version", version_text},
                                          {"steps", steps_text}};
    enum rk_status status = add_views(model, theta, slots, n_slots, &views, err);

    (void)snprintf(version_text, sizeof version_text, "%lld", (long long)version);
    (void)snprintf(steps_text, sizeof steps_text, "%llu",
                   learner != NULL ? (unsigned long long)rk_learner_steps(learner) : 0ULL);
    if (status == RK_OK) {
        status = rk_safetensors_write(views.view, views.n, metadata, learner != NULL ? 4 : 3,
                                      append, out, err);
    }
    for (size_t i = 0; i < views.n; i++) {
        free(views.turned[i]);
    }
    free(views.turned);
    free(views.view);
    return status;
}

/* ---- reading ---- */

enum rk_status checkpoint_elements(const struct rk_st_tensor *stored,
                                   const struct rk_tensor *tensor, float *to, struct rk_error *err)
{
    float *turned;
    enum rk_status status;

    if (!tensor->transposed) {
        return rk_st_floats(stored, to, err);
    }
    turned = malloc(elements_of(tensor) * sizeof *turned);
    if (turned == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for tensor \"%s\"", tensor->name);
    }
    status = rk_st_floats(stored, turned, err);
    if (status == RK_OK) {
        transpose(turned, tensor->shape[0], tensor->shape[1], to);
    }
    free(turned);
    return status;
}

/* One tensor into its block. @param block  NULL: only checks that it is there with its shape. */
static enum rk_status read_tensor(const struct rk_safetensors *file, const struct rk_model *model,
                                  const struct rk_tensor *tensor, size_t slot, float *block,
                                  struct rk_error *err)
{
    char name[RK_ST_NAME_MAX];
    const struct rk_st_tensor *stored;

    checkpoint_name(model, tensor, slot, name);
    stored = rk_safetensors_find(file, name);
    if (stored == NULL) {
        return rk_fail(err, RK_MISMATCH, "tensor \"%s\" is missing", name);
    }
    if (stored->rank != tensor->rank ||
        memcmp(stored->shape, tensor->shape, tensor->rank * sizeof *tensor->shape) != 0) {
        return rk_fail(err, RK_MISMATCH, "tensor \"%s\" has another shape than the model", name);
    }
    return block != NULL ? checkpoint_elements(stored, tensor, block + tensor->offset, err) : RK_OK;
}

/* All tensors of parameters and slots. @param theta  NULL: only checks. */
static enum rk_status read_tensors(const struct rk_safetensors *file, const struct rk_model *model,
                                   float *theta, struct rk_learner *learner, struct rk_error *err)
{
    size_t n_tensors, n_slots, n = 0;
    const struct rk_tensor *tensors = rk_model_tensors(model, &n_tensors);
    float *const *slots = rk_learner_slots(learner, &n_slots);
    enum rk_status status = RK_OK;

    for (size_t t = 0; t < n_tensors && status == RK_OK; t++, n++) {
        status = read_tensor(file, model, &tensors[t], SIZE_MAX, theta, err);
    }
    for (size_t s = 0; s < n_slots; s++) {
        for (size_t t = 0; t < n_tensors && is_learned(model, &tensors[t]) && status == RK_OK;
             t++, n++) {
            status = read_tensor(file, model, &tensors[t], s, theta != NULL ? slots[s] : NULL, err);
        }
    }
    if (status == RK_OK && file->n_tensors != n) {
        status = rk_fail(err, RK_MISMATCH, "%zu tensors, the model has %zu", file->n_tensors, n);
    }
    return status;
}

enum rk_status checkpoint_read(const struct rk_model *model, const void *bytes, size_t n,
                               float *theta, struct rk_learner *learner, struct rk_error *err)
{
    struct rk_safetensors *file = malloc(sizeof *file);
    const char *steps;
    enum rk_status status;

    if (file == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for a checkpoint");
    }
    status = rk_safetensors_read(bytes, n, file, err);
    if (status != RK_OK) {
        free(file);
        return status;
    }
    status = read_tensors(file, model, NULL, learner, err);
    if (status == RK_OK) {
        status = read_tensors(file, model, theta, learner, err);
    }
    if (status == RK_OK) {
        steps = rk_safetensors_metadata(file, "steps");
        rk_learner_set_steps(learner, steps != NULL ? strtoull(steps, NULL, 10) : 0);
    }
    rk_safetensors_close(file);
    free(file);
    return status;
}
