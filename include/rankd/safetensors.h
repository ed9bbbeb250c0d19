/*
 * safetensors: the one format for parameters, in files, over HTTP and in the store.
 *     u64 little-endian header length | JSON header {"name": {"dtype", "shape", "data_offsets"},
 * "__metadata__": {...}} | data Source: the format page of the safetensors project. Written as F32
 * only, header padded with spaces to 8 bytes; read strictly.
 */
#ifndef RANKD_SAFETENSORS_H
#define RANKD_SAFETENSORS_H

#include <rankd/status.h>
#include <stddef.h>
#include <stdint.h>

#define RK_ST_RANK_MAX     4
#define RK_ST_NAME_MAX     128
#define RK_ST_TENSORS_MAX  256
#define RK_ST_METADATA_MAX 64
#define RK_ST_HEADER_MAX   1048576 /* bytes */

enum rk_dtype {
    RK_F64,
    RK_F32,
    RK_F16,
    RK_BF16
};

struct rk_st_tensor {
    char name[RK_ST_NAME_MAX]; /* NUL-terminated UTF-8 */
    enum rk_dtype dtype;
    uint32_t rank;
    size_t shape[RK_ST_RANK_MAX];
    const void *
        data; /* the elements, little-endian; when reading: inside the file's bytes, maybe unaligned */
    size_t bytes; /* length of data */
};

struct rk_st_pair {
    const char *key;
    const char *value;
};

/* Receives the file in order. Returns RK_OK to go on. */
typedef enum rk_status (*rk_st_sink)(void *context, const void *bytes, size_t n,
                                     struct rk_error *err);

/**
 * Writes a file. Tensors are written in the order given, F32 only.
 *
 * @param metadata  n_metadata pairs for __metadata__, in order; printable ASCII without quotes and
 * backslashes.
 * @return RK_OK; RK_INVALID: a name or shape that cannot be written; RK_NOMEM; what sink returned.
 * Same input, same bytes.
 */
RK_MUST_CHECK enum rk_status rk_safetensors_write(const struct rk_st_tensor *tensors, size_t n,
                                                  const struct rk_st_pair *metadata,
                                                  size_t n_metadata, rk_st_sink sink, void *context,
                                                  struct rk_error *err);

struct rk_safetensors {
    struct rk_st_tensor tensor[RK_ST_TENSORS_MAX]; /* in the order of their data */
    size_t n_tensors;
    struct rk_st_pair metadata[RK_ST_METADATA_MAX]; /* point into text */
    size_t n_metadata;
    char *text; /* owned */
};

/**
 * Reads a file's header and checks every rule of the format: header length and JSON, duplicate
 * names, known dtypes, products that overflow, offsets that leave holes, overlap or pass the end,
 * and bytes behind the last tensor.
 *
 * @param bytes  n bytes of the whole file, borrowed: the tensors point into it.
 * @param file   out, on the heap's or stack's memory of the caller; close it with
 * rk_safetensors_close.
 * @return RK_OK; RK_CORRUPT with the rule and the place; RK_TOOBIG: more tensors, names or header
 * than the limits; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status rk_safetensors_read(const void *bytes, size_t n,
                                                 struct rk_safetensors *file, struct rk_error *err);

/** Frees what a read file owns. */
void rk_safetensors_close(struct rk_safetensors *file);

/** The tensor of a name, or NULL. */
const struct rk_st_tensor *rk_safetensors_find(const struct rk_safetensors *file, const char *name);

/** The metadata value of a key, or NULL. */
const char *rk_safetensors_metadata(const struct rk_safetensors *file, const char *key);

/** Elements of a tensor: the product of its shape. */
size_t rk_st_elements(const struct rk_st_tensor *tensor);

/**
 * Converts a tensor's elements to float: F64 rounded to nearest, F16 and BF16 exactly.
 *
 * @param to  out, (rk_st_elements).
 * @return RK_OK; RK_INVALID: an element is not finite as a float, with its position.
 */
RK_MUST_CHECK enum rk_status rk_st_floats(const struct rk_st_tensor *tensor, float *to,
                                          struct rk_error *err);

#endif
