/*
 * Parameters from elsewhere, and for elsewhere: between the safetensors files that users have and
 * the checkpoints of a model. Read strictly: a message says which tensor, what and where.
 */
#ifndef RANKD_SERVER_PARAMETERS_H
#define RANKD_SERVER_PARAMETERS_H

#include "checkpoint.h"

/**
 * Makes a checkpoint's file of a safetensors file: exactly the model's tensors, by name and shape, in
 * any of the four dtypes.
 *   - linear.weight may be (n) as well as (1, n);
 *   - the tables behind the learned parameters (numbers.weight, fields.weight) may be left out: 0;
 *   - the optimizer's state ("optimizer.<slot>.<tensor>" and "steps" in the metadata) is there whole
 *     or not at all: then it is that of a fresh start.
 *
 * @param version  of the checkpoint. @param file  out, zeroed before; only filled on RK_OK.
 * @return RK_OK; RK_CORRUPT, RK_TOOBIG: not a safetensors file; RK_MISMATCH: a tensor is missing, is
 *         not the model's or has another shape; RK_INVALID: a number is not finite; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status parameters_import(const struct rk_model *model, const void *bytes,
                                               size_t n, int64_t version,
                                               struct checkpoint_bytes *file, struct rk_error *err);

/**
 * Writes a stored checkpoint for elsewhere, in F32. The untrained start is made anew.
 *
 * @param optimizer  with its state. @param file  out, zeroed before; only filled on RK_OK.
 * @return RK_OK; RK_CORRUPT; RK_MISMATCH; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status parameters_export(struct store *store,
                                               const struct store_checkpoint *row,
                                               const struct rk_model *model, bool optimizer,
                                               struct checkpoint_bytes *file, struct rk_error *err);

#endif
