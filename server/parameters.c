/*
 * Reading a foreign file is one walk over the model's tensors; what the file has beside them was
 * refused before.
 */
#include "parameters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIMIZER_PREFIX "optimizer."
#define STEPS_DIGITS_MAX 15 /* below 2^53 */

/* One tensor that a model has a place for. */
struct place {
    const struct rk_tensor *tensor;
    size_t slot; /* of the optimizer; SIZE_MAX: the parameters */
};

/* ---- names and shapes ---- */

static bool is_learned(const struct rk_model *model, const struct rk_tensor *tensor)
{
    return tensor->offset < rk_model_learned(model);
}

/* Has the model a tensor of this name? */
static bool has_place(const struct rk_model *model, const char *name)
{
    const size_t n_slots = rk_optim_slots(&rk_model_config(model)->optim);
    size_t n_tensors;
    const struct rk_tensor *tensors = rk_model_tensors(model, &n_tensors);
    char own[RK_ST_NAME_MAX];

    for (size_t t = 0; t < n_tensors; t++) {
        if (strcmp(name, tensors[t].name) == 0) {
            return true;
        }
        for (size_t s = 0; s < n_slots && is_learned(model, &tensors[t]); s++) {
            checkpoint_name(model, &tensors[t], s, own);
            if (strcmp(name, own) == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool is_shape(const struct rk_st_tensor *stored, const struct rk_tensor *tensor)
{
    if (stored->rank == 1 && strcmp(tensor->name, "linear.weight") == 0) {
        return stored->shape[0] == tensor->shape[1];
    }
    return stored->rank == tensor->rank &&
           memcmp(stored->shape, tensor->shape, tensor->rank * sizeof *tensor->shape) == 0;
}

/* "(1, 301)" */
static const char *shape_text(const size_t *shape, uint32_t rank, char text[64])
{
    size_t used = (size_t)snprintf(text, 64, "(");

    for (uint32_t d = 0; d < rank && used < 64; d++) {
        used += (size_t)snprintf(text + used, 64 - used, "%s%zu", d > 0 ? ", " : "", shape[d]);
    }
    if (used < 64) {
        (void)snprintf(text + used, 64 - used, ")");
    }
    return text;
}

/* A foreign name as an error may show it. */
static const char *label(const char *name, char text[41])
{
    size_t n = 0;

    for (; name[n] != '\0' && n < 40; n++) {
        text[n] = name[n] >= ' ' && name[n] <= '~' ? name[n] : '?';
    }
    text[n] = '\0';
    return text;
}

/* ---- reading ---- */

static enum rk_status check_names(const struct rk_safetensors *file, const struct rk_model *model,
                                  struct rk_error *err)
{
    char text[41];

    for (size_t i = 0; i < file->n_tensors; i++) {
        if (!has_place(model, file->tensor[i].name)) {
            return rk_fail(err, RK_MISMATCH, "tensor \"%s\" is not one of this %s model's",
                           label(file->tensor[i].name, text), rk_model_config(model)->kind);
        }
    }
    return RK_OK;
}

/* Reads one tensor into its block, or leaves what is there where it may be absent. */
static enum rk_status read_place(const struct rk_safetensors *file, const struct rk_model *model,
                                 struct place place, float *block, struct rk_error *err)
{
    char name[RK_ST_NAME_MAX], has[64], needs[64];
    const struct rk_st_tensor *stored;

    checkpoint_name(model, place.tensor, place.slot, name);
    stored = rk_safetensors_find(file, name);
    if (stored == NULL) {
        return is_learned(model, place.tensor)
                   ? rk_fail(err, RK_MISMATCH, "tensor \"%s\" is missing", name)
                   : RK_OK;
    }
    if (!is_shape(stored, place.tensor)) {
        return rk_fail(err, RK_MISMATCH, "tensor \"%s\" has shape %s, the model needs %s", name,
                       shape_text(stored->shape, stored->rank, has),
                       shape_text(place.tensor->shape, place.tensor->rank, needs));
    }
    return checkpoint_elements(stored, place.tensor, block + place.tensor->offset, err);
}

static bool has_optimizer(const struct rk_safetensors *file)
{
    for (size_t i = 0; i < file->n_tensors; i++) {
        if (strncmp(file->tensor[i].name, OPTIMIZER_PREFIX, strlen(OPTIMIZER_PREFIX)) == 0) {
            return true;
        }
    }
    return false;
}

static enum rk_status read_steps(const struct rk_safetensors *file, struct rk_learner *learner,
                                 struct rk_error *err)
{
    const char *text = rk_safetensors_metadata(file, "steps");
    const size_t digits = text != NULL ? strspn(text, "0123456789") : 0;

    if (digits < 1 || digits > STEPS_DIGITS_MAX || text[digits] != '\0') {
        return rk_fail(err, RK_MISMATCH,
                       "the optimizer's state needs \"steps\" in __metadata__, a whole number");
    }
    rk_learner_set_steps(learner, strtoull(text, NULL, 10));
    return RK_OK;
}

static enum rk_status read_optimizer(const struct rk_safetensors *file,
                                     const struct rk_model *model, struct rk_learner *learner,
                                     struct rk_error *err)
{
    size_t n_tensors, n_slots;
    const struct rk_tensor *tensors = rk_model_tensors(model, &n_tensors);
    float *const *slots = rk_learner_slots(learner, &n_slots);
    enum rk_status status = read_steps(file, learner, err);

    for (size_t s = 0; s < n_slots; s++) {
        for (size_t t = 0; t < n_tensors && status == RK_OK; t++) {
            const struct place place = {&tensors[t], s};
            if (is_learned(model, &tensors[t])) {
                status = read_place(file, model, place, slots[s], err);
            }
        }
    }
    return status;
}

/* @param theta  (params) zeroes, filled. @param learner  made: a fresh start from theta, or the file's. */
static enum rk_status read_state(const struct rk_safetensors *file, const struct rk_model *model,
                                 float *theta, struct rk_learner **learner, struct rk_error *err)
{
    size_t n_tensors;
    const struct rk_tensor *tensors = rk_model_tensors(model, &n_tensors);
    enum rk_status status = check_names(file, model, err);

    for (size_t t = 0; t < n_tensors && status == RK_OK; t++) {
        status = read_place(file, model, (struct place){&tensors[t], SIZE_MAX}, theta, err);
    }
    if (status == RK_OK) {
        status = rk_learner_create(model, theta, learner, err);
    }
    return status == RK_OK && has_optimizer(file) ? read_optimizer(file, model, *learner, err)
                                                  : status;
}

enum rk_status parameters_import(const struct rk_model *model, const void *bytes, size_t n,
                                 int64_t version, struct checkpoint_bytes *file,
                                 struct rk_error *err)
{
    struct rk_safetensors *foreign = calloc(1, sizeof *foreign);
    float *theta = calloc(rk_model_params(model), sizeof *theta);
    struct rk_learner *learner = NULL;
    struct checkpoint_bytes made = {0};
    enum rk_status status = foreign != NULL && theta != NULL
                                ? rk_safetensors_read(bytes, n, foreign, err)
                                : rk_fail(err, RK_NOMEM, "out of memory for an import");

    if (status == RK_OK) {
        status = read_state(foreign, model, theta, &learner, err);
        rk_safetensors_close(foreign);
    }
    if (status == RK_OK) {
        status = checkpoint_write(model, theta, learner, version, &made, err);
    }
    rk_learner_destroy(&learner);
    free(theta);
    free(foreign);
    if (status != RK_OK) {
        free(made.bytes);
        return status;
    }
    *file = made;
    return RK_OK;
}

/* ---- writing ---- */

enum rk_status parameters_export(struct store *store, const struct store_checkpoint *row,
                                 const struct rk_model *model, bool optimizer,
                                 struct checkpoint_bytes *file, struct rk_error *err)
{
    float *theta = calloc(rk_model_params(model), sizeof *theta);
    struct rk_learner *learner = NULL;
    struct checkpoint_bytes made = {0};
    enum rk_status status = theta != NULL ? rk_learner_create(model, theta, &learner, err)
                                          : rk_fail(err, RK_NOMEM, "out of memory for an export");

    if (status == RK_OK) {
        status = checkpoint_load(store, row, model, theta, learner, err);
    }
    if (status == RK_OK) {
        status =
            checkpoint_write(model, theta, optimizer ? learner : NULL, row->version, &made, err);
    }
    rk_learner_destroy(&learner);
    free(theta);
    if (status != RK_OK) {
        free(made.bytes);
        return status;
    }
    *file = made;
    return RK_OK;
}
