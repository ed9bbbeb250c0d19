/*
 * Safetensors in and out of the store.
 */
#include "checkpoint.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <rankd/safetensors.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TENSORS_MAX 64

/* ---- writing ---- */

static enum rk_status append(void *context, const void *bytes, size_t n, struct rk_error *err)
{
    struct checkpoint_bytes *out = context;

    if (out->n + n > out->capacity) {
        size_t capacity = out->capacity > 0 ? out->capacity : 4096;
        char *grown;
        while (capacity < out->n + n) {
            capacity *= 2;
        }
        grown = realloc(out->bytes, capacity);
        if (grown == NULL) {
            return rk_fail(err, RK_NOMEM, "out of memory for a checkpoint of %zu bytes", capacity);
        }
        out->bytes = grown;
        out->capacity = capacity;
    }
    memcpy(out->bytes + out->n, bytes, n);
    out->n += n;
    return RK_OK;
}

static struct rk_st_tensor view_of(const struct rk_tensor *tensor, const float *block)
{
    struct rk_st_tensor view = {
        .dtype = RK_F32, .rank = tensor->rank, .data = block + tensor->offset};

    memcpy(view.shape, tensor->shape, tensor->rank * sizeof *view.shape);
    view.bytes = tensor->rows * tensor->cols * sizeof(float);
    return view;
}

/*
 * What a tensor is called in the file: its name, behind "optimizer.<slot>." where it is one of an
 * optimizer's.
 */
static void name_of(const struct rk_model *model, const struct rk_tensor *tensor, size_t slot,
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

enum rk_status checkpoint_write(const struct rk_model *model, const float *theta,
                                struct rk_learner *learner, int64_t version,
                                struct checkpoint_bytes *out, struct rk_error *err)
{
    struct rk_st_tensor *views = calloc(TENSORS_MAX, sizeof *views);
    size_t n_tensors, n_slots = 0, n = 0;
    const struct rk_tensor *tensors = rk_model_tensors(model, &n_tensors);
    float *const *slots = learner != NULL ? rk_learner_slots(learner, &n_slots) : NULL;
    char version_text[32], steps_text[32];
    const struct rk_st_pair metadata[] = {{"format", "rankd/1"},
                                          {"kind", rk_model_config(model)->kind},
                                          {"version", version_text},
                                          {"steps", steps_text}};
    enum rk_status status;

    if (views == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for a checkpoint");
    }
    for (size_t t = 0; t < n_tensors; t++) {
        views[n] = view_of(&tensors[t], theta);
        name_of(model, &tensors[t], SIZE_MAX, views[n++].name);
    }
    for (size_t s = 0; s < n_slots; s++) {
        for (size_t t = 0; t < n_tensors && is_learned(model, &tensors[t]); t++) {
            views[n] = view_of(&tensors[t], slots[s]);
            name_of(model, &tensors[t], s, views[n++].name);
        }
    }
    (void)snprintf(version_text, sizeof version_text, "%lld", (long long)version);
    (void)snprintf(steps_text, sizeof steps_text, "%llu",
                   learner != NULL ? (unsigned long long)rk_learner_steps(learner) : 0ULL);
    status = rk_safetensors_write(views, n, metadata, learner != NULL ? 4 : 3, append, out, err);
    free(views);
    return status;
}

/* ---- reading ---- */

static enum rk_status read_tensor(const struct rk_safetensors *file, const struct rk_model *model,
                                  const struct rk_tensor *tensor, size_t slot, float *block,
                                  struct rk_error *err)
{
    char name[RK_ST_NAME_MAX];
    const struct rk_st_tensor *stored;

    name_of(model, tensor, slot, name);
    stored = rk_safetensors_find(file, name);
    if (stored == NULL) {
        return rk_fail(err, RK_MISMATCH, "tensor \"%s\" is missing", name);
    }
    if (stored->rank != tensor->rank ||
        memcmp(stored->shape, tensor->shape, tensor->rank * sizeof *tensor->shape) != 0) {
        return rk_fail(err, RK_MISMATCH, "tensor \"%s\" has another shape than the model", name);
    }
    return rk_st_floats(stored, block + tensor->offset, err);
}

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
            status = read_tensor(file, model, &tensors[t], s, slots[s], err);
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
    if (status == RK_OK) {
        status = read_tensors(file, model, theta, learner, err);
        steps = rk_safetensors_metadata(file, "steps");
        rk_learner_set_steps(learner, steps != NULL ? strtoull(steps, NULL, 10) : 0);
        rk_safetensors_close(file);
    }
    free(file);
    return status;
}

void checkpoint_seal(const struct checkpoint_bytes *file, struct store_checkpoint *row)
{
    row->bytes = (int64_t)file->n;
    (void)gnutls_hash_fast(GNUTLS_DIG_SHA256, file->bytes, file->n, row->sha256);
}

/* The untrained start is not stored: it follows from the configuration. */
static enum rk_status load_init(const struct rk_model *model, float *theta,
                                struct rk_learner *learner, struct rk_error *err)
{
    struct rk_learner *fresh;
    size_t n_slots;
    float *const *from, *const *to;
    enum rk_status status;

    rk_model_init(model, theta);
    status = rk_learner_create(model, theta, &fresh, err);
    if (status != RK_OK) {
        return status;
    }
    from = rk_learner_slots(fresh, &n_slots);
    to = rk_learner_slots(learner, &n_slots);
    for (size_t s = 0; s < n_slots; s++) {
        memcpy(to[s], from[s], rk_model_learned(model) * sizeof(float));
    }
    rk_learner_set_steps(learner, 0);
    rk_learner_destroy(&fresh);
    return RK_OK;
}

/* Reads a checkpoint's file and checks it. @param bytes  out, malloc'ed on RK_OK. */
static enum rk_status read_file(struct store *store, const struct store_checkpoint *row,
                                char **bytes, struct rk_error *err)
{
    uint8_t sha256[STORE_SHA256_BYTES];
    char *file = malloc((size_t)row->bytes);
    enum rk_status status;

    if (file == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for a checkpoint of %lld bytes",
                       (long long)row->bytes);
    }
    status = store_read_chunks(store, row->id, file, (size_t)row->bytes, err);
    if (status == RK_OK) {
        (void)gnutls_hash_fast(GNUTLS_DIG_SHA256, file, (size_t)row->bytes, sha256);
        if (memcmp(sha256, row->sha256, sizeof sha256) != 0) {
            status = rk_fail(err, RK_CORRUPT, "the checkpoint of version %lld fails its checksum",
                             (long long)row->version);
        }
    }
    if (status != RK_OK) {
        free(file);
        return status;
    }
    *bytes = file;
    return RK_OK;
}

enum rk_status checkpoint_verify(struct store *store, const struct store_checkpoint *row,
                                 struct rk_error *err)
{
    char *bytes = NULL;
    const enum rk_status status = row->bytes > 0 ? read_file(store, row, &bytes, err) : RK_OK;

    free(bytes);
    return status;
}

enum rk_status checkpoint_load(struct store *store, const struct store_checkpoint *row,
                               const struct rk_model *model, float *theta,
                               struct rk_learner *learner, struct rk_error *err)
{
    char *bytes = NULL;
    enum rk_status status;

    if (row->bytes == 0) {
        return load_init(model, theta, learner, err);
    }
    status = read_file(store, row, &bytes, err);
    if (status == RK_OK) {
        status = checkpoint_read(model, bytes, (size_t)row->bytes, theta, learner, err);
    }
    free(bytes);
    return status;
}

/* ---- storing ---- */

/* A checkpoint on its way into the store: one job that queues itself again until all is written. */
struct storing {
    struct writer_job job;
    struct writer *writer;
    struct checkpoint_bytes file;
    struct store_checkpoint row;
    int64_t chunk; /* the next one */
    checkpoint_stored stored;
    void *context;
};

static size_t chunks_of(const struct storing *storing)
{
    return (storing->file.n + STORE_CHUNK_BYTES - 1) / STORE_CHUNK_BYTES;
}

static enum rk_status storing_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    struct storing *s = (struct storing *)job;
    const size_t start = (size_t)s->chunk * STORE_CHUNK_BYTES;
    enum rk_status status = RK_OK;

    if (s->row.id == 0) {
        status = store_new_checkpoint_id(store, &s->row.id, err);
    }
    if (status == RK_OK && (size_t)s->chunk < chunks_of(s)) {
        const size_t left = s->file.n - start;
        status = store_put_chunk(store, s->row.id, s->chunk, s->file.bytes + start,
                                 left < STORE_CHUNK_BYTES ? left : STORE_CHUNK_BYTES, err);
    } else if (status == RK_OK) {
        status = store_put_checkpoint(store, &s->row, err);
        if (status == RK_OK) {
            status = store_trim_checkpoints(store, s->row.model, s->row.time_ms, err);
        }
    }
    return status;
}

static void storing_done(struct writer_job *job, const struct writer_outcome *outcome)
{
    struct storing *s = (struct storing *)job;

    if (outcome->err.status == RK_OK && (size_t)s->chunk < chunks_of(s)) {
        s->chunk++;
        writer_push(s->writer, &s->job);
        return;
    }
    s->stored(s->context, &s->row, &outcome->err);
    free(s->row.metrics);
    free(s->file.bytes);
    free(s);
}

enum rk_status checkpoint_store(struct writer *writer, struct checkpoint_bytes *file,
                                const struct store_checkpoint *row, checkpoint_stored stored,
                                void *context, struct rk_error *err)
{
    struct storing *s = calloc(1, sizeof *s);

    if (s == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for a checkpoint");
    }
    *s = (struct storing){
        .job = {.run = storing_run, .done = storing_done, .weight = 1, .bytes = STORE_CHUNK_BYTES},
        .writer = writer,
        .file = *file,
        .row = *row,
        .stored = stored,
        .context = context};
    s->row.id = 0;
    *file = (struct checkpoint_bytes){0};
    writer_push(writer, &s->job);
    return RK_OK;
}
