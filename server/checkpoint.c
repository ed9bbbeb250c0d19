/*
 * Checkpoints in and out of the store.
 */
#include "checkpoint.h"

#include "failpoint.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

static enum rk_status sum(const char *bytes, size_t n, uint8_t sha256[STORE_SHA256_BYTES],
                          struct rk_error *err)
{
    return gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, n, sha256) == 0
               ? RK_OK
               : rk_fail(err, RK_NOMEM, "no checksum can be made");
}

enum rk_status checkpoint_seal(const struct checkpoint_bytes *file, struct store_checkpoint *row,
                               struct rk_error *err)
{
    row->bytes = (int64_t)file->n;
    return sum(file->bytes, file->n, row->sha256, err);
}

/* ---- loading ---- */

/* The untrained start is not stored: it follows from the configuration. */
static void load_init(const struct rk_model *model, float *theta, struct rk_learner *learner)
{
    size_t n_slots;
    float *const *slots = rk_learner_slots(learner, &n_slots);

    rk_model_init(model, theta);
    rk_optim_init(&rk_model_config(model)->optim, theta, slots, rk_model_learned(model));
    rk_learner_set_steps(learner, 0);
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
        status = sum(file, (size_t)row->bytes, sha256, err);
    }
    if (status == RK_OK && memcmp(sha256, row->sha256, sizeof sha256) != 0) {
        status = rk_fail(err, RK_CORRUPT, "the checkpoint of version %lld fails its checksum",
                         (long long)row->version);
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
        load_init(model, theta, learner);
        return RK_OK;
    }
    status = read_file(store, row, &bytes, err);
    if (status == RK_OK) {
        status = checkpoint_read(model, bytes, (size_t)row->bytes, theta, learner, err);
    }
    free(bytes);
    return status;
}

/* ---- removing ---- */

/* Chunks on their way out of the store: one job that queues itself again until all are gone. */
struct sweeping {
    struct writer_job job;
    struct writer *writer;
    int64_t dropped; /* comes to nothing: its chunks are to go, too; 0: none does */
    bool more;
};

static enum rk_status sweeping_run(struct writer_job *job, struct store *store,
                                   struct rk_error *err)
{
    struct sweeping *s = (struct sweeping *)job;
    const enum rk_status status =
        s->dropped != 0 ? store_disown_chunks(store, s->dropped, err) : RK_OK;

    return status == RK_OK ? store_drop_chunk(store, &s->more, err) : status;
}

static void sweeping_done(struct writer_job *job, const struct writer_outcome *outcome)
{
    struct sweeping *s = (struct sweeping *)job;

    s->dropped = 0;
    if (outcome->err.status != RK_OK || !s->more || !writer_submit(s->writer, &s->job)) {
        free(s);
    }
}

/* If it does not come off, the next start sweeps. @param dropped  a checkpoint without a row, or 0. */
static void sweep(struct writer *writer, int64_t dropped)
{
    struct sweeping *s = calloc(1, sizeof *s);

    if (s == NULL) {
        return;
    }
    *s = (struct sweeping){.job = {.run = sweeping_run, .done = sweeping_done, .weight = 1},
                           .writer = writer,
                           .dropped = dropped};
    if (!writer_submit(writer, &s->job)) {
        free(s);
    }
}

void checkpoint_sweep(struct writer *writer)
{
    sweep(writer, 0);
}

/* ---- storing ---- */

/* A checkpoint on its way into the store: one job that queues itself again until all is written. */
struct storing {
    struct writer_job job;
    struct writer *writer;
    struct checkpoint_bytes file;
    struct store_checkpoint row;
    size_t left;                         /* bytes at the front that are not stored yet */
    struct store_activation *activation; /* put with the row; NULL: none */
    checkpoint_stored stored;
    void *context;
};

/* Where the next chunk starts: the last ones go first, so that their memory can go as well. */
static size_t start_of(const struct storing *storing)
{
    return storing->left > 0 ? (storing->left - 1) / STORE_CHUNK_BYTES * STORE_CHUNK_BYTES : 0;
}

static enum rk_status storing_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    struct storing *s = (struct storing *)job;
    const size_t start = start_of(s);
    enum rk_status status = RK_OK;

    if (s->row.id == 0) {
        status = store_new_checkpoint_id(store, &s->row.id, err);
    }
    if (status == RK_OK && s->left > 0) {
        status = store_put_chunk(store, s->row.id, (int64_t)(start / STORE_CHUNK_BYTES),
                                 s->file.bytes + start, s->left - start, err);
        failpoint(FAILPOINT_CHECKPOINT_CHUNK);
    } else if (status == RK_OK) {
        failpoint(FAILPOINT_BEFORE_CHECKPOINT_ROW);
        status = store_put_checkpoint(store, &s->row, err);
        if (status == RK_OK && s->activation != NULL) {
            s->activation->checkpoint = s->row.id;
            status = store_put_activation(store, s->activation, s->row.time_ms, err);
        }
    }
    return status;
}

/* Gives memory back bit by bit: all of a large file at once takes as long as many commits. */
static void shorten(struct checkpoint_bytes *file, size_t n)
{
    char *shorter = n > 0 ? realloc(file->bytes, n) : NULL;

    if (shorter != NULL) {
        file->bytes = shorter;
    }
}

static void storing_done(struct writer_job *job, const struct writer_outcome *outcome)
{
    struct storing *s = (struct storing *)job;

    if (outcome->err.status == RK_OK && s->left > 0) {
        s->left = start_of(s);
        shorten(&s->file, s->left);
        writer_push(s->writer, &s->job);
        return;
    }
    failpoint(FAILPOINT_CHECKPOINT_STORED);
    s->stored(s->context, &s->row, &outcome->err);
    free(s->row.metrics);
    free(s->row.held);
    free(s->file.bytes);
    if (outcome->err.status != RK_OK && s->left < (size_t)s->row.bytes) {
        sweep(s->writer, s->row.id);
    }
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
        .left = file->n,
        .stored = stored,
        .context = context};
    s->row.id = 0;
    *file = (struct checkpoint_bytes){0};
    writer_push(writer, &s->job);
    return RK_OK;
}

enum rk_status checkpoint_put(struct writer *writer, const struct checkpoint_bytes *file,
                              struct store_checkpoint *row, struct store_activation *activation,
                              struct rk_error *err)
{
    struct storing s = {.job = {.run = storing_run, .weight = 1, .bytes = STORE_CHUNK_BYTES},
                        .writer = writer,
                        .file = *file,
                        .row = *row,
                        .left = file->n,
                        .activation = activation};
    bool with_row;

    s.row.id = 0;
    do { /* behind all chunks comes the row */
        with_row = s.left == 0;
        const struct writer_outcome outcome = writer_run(writer, &s.job);
        if (outcome.err.status != RK_OK) {
            sweep(writer, s.row.id);
            return rk_fail(err, outcome.err.status, "%s", outcome.err.text);
        }
        s.left = start_of(&s);
    } while (!with_row);
    *row = s.row;
    return RK_OK;
}
