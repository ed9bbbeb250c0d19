/*
 * Checkpoints: a model's whole learned state as one safetensors file, into the store in chunks
 * between other commits, and back.
 */
#ifndef RANKD_SERVER_CHECKPOINT_H
#define RANKD_SERVER_CHECKPOINT_H

#include "store_registry.h"
#include "writer.h"

#include <rankd/learner.h>
#include <rankd/model.h>
#include <rankd/safetensors.h>
#include <rankd/status.h>
#include <stddef.h>
#include <stdint.h>

struct checkpoint_bytes {
    char *bytes; /* owned */
    size_t n;
    size_t capacity;
};

/**
 * Writes parameters, optimizer slots ("optimizer.<slot>.<tensor>") and step count as a safetensors
 * file, each tensor in the order of its shape. Same state, same bytes.
 *
 * @param learner  NULL: parameters alone, for export.
 */
RK_MUST_CHECK enum rk_status checkpoint_write(const struct rk_model *model, const float *theta,
                                              struct rk_learner *learner, int64_t version,
                                              struct checkpoint_bytes *out, struct rk_error *err);

/**
 * Reads such a file back. Every tensor must be there with its shape, and nothing else.
 *
 * @param theta    out, (params). With RK_INVALID and RK_NOMEM it and the slots are undefined.
 * @param learner  its slots and step count are set.
 * @return RK_OK; RK_CORRUPT; RK_MISMATCH: another model's; RK_INVALID: a number is not finite;
 *         RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status checkpoint_read(const struct rk_model *model, const void *bytes,
                                             size_t n, float *theta, struct rk_learner *learner,
                                             struct rk_error *err);

/**
 * What a tensor is called in a file: its name, behind "optimizer.<slot>." where it is one of an
 * optimizer's.
 *
 * @param slot  SIZE_MAX: the parameters.
 */
void checkpoint_name(const struct rk_model *model, const struct rk_tensor *tensor, size_t slot,
                     char name[RK_ST_NAME_MAX]);

/**
 * The elements of a stored tensor, which has the shape of the model's, in the order of its block.
 *
 * @return RK_OK; RK_INVALID: a number is not finite; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status checkpoint_elements(const struct rk_st_tensor *stored,
                                                 const struct rk_tensor *tensor, float *to,
                                                 struct rk_error *err);

/** Fills sha256 and bytes of a row from a file. @return RK_OK; RK_NOMEM. */
RK_MUST_CHECK enum rk_status checkpoint_seal(const struct checkpoint_bytes *file,
                                             struct store_checkpoint *row, struct rk_error *err);

/**
 * Loads a stored checkpoint and checks its checksum. One without bytes is the untrained start.
 *
 * @return RK_OK; RK_CORRUPT: a checksum or chunk is wrong; RK_MISMATCH; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status checkpoint_load(struct store *store,
                                             const struct store_checkpoint *row,
                                             const struct rk_model *model, float *theta,
                                             struct rk_learner *learner, struct rk_error *err);

/** Checks a stored checkpoint's checksum without loading it. */
RK_MUST_CHECK enum rk_status
checkpoint_verify(struct store *store, const struct store_checkpoint *row, struct rk_error *err);

/**
 * Starts removing the chunks of checkpoints that have lost their rows, one a transaction. Where the
 * writer does not take more it ends early: the next sweep goes on with what is left. Threads: any.
 */
void checkpoint_sweep(struct writer *writer);

/*
 * Called when a checkpoint is in the store (err->status RK_OK) or could not be put there. In the
 * writer thread.
 */
typedef void (*checkpoint_stored)(void *context, const struct store_checkpoint *row,
                                  const struct rk_error *err);

/**
 * Starts storing a file, chunk after chunk, each in a transaction with whatever else waits, the row
 * last.
 *
 * @param file  taken. @param row  copied, but row->metrics and row->held are taken; its id is made.
 * @return RK_OK: stored is called once; RK_NOMEM: it is not.
 */
RK_MUST_CHECK enum rk_status checkpoint_store(struct writer *writer, struct checkpoint_bytes *file,
                                              const struct store_checkpoint *row,
                                              checkpoint_stored stored, void *context,
                                              struct rk_error *err);

/**
 * Stores a file and waits for it: chunk after chunk, and last the row together with its activation.
 *
 * @param row         its id is made. @param activation  NULL: none; else what is out is filled in.
 * @return RK_OK; what the writer met: then there is neither row nor activation. Not in its thread.
 */
RK_MUST_CHECK enum rk_status checkpoint_put(struct writer *writer,
                                            const struct checkpoint_bytes *file,
                                            struct store_checkpoint *row,
                                            struct store_activation *activation,
                                            struct rk_error *err);

#endif
