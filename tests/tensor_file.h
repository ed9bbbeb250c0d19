/*
 * Safetensors files as others write them, tensor by tensor in any dtype: good ones, and with raw
 * bytes bad ones.
 */
#ifndef RANKD_TENSOR_FILE_H
#define RANKD_TENSOR_FILE_H

#include <stddef.h>
#include <stdint.h>

struct tensor_file {
    char header[8192];
    char *data; /* (data_n of data_room) owned */
    size_t data_n, data_room;
};

/* Adds a tensor; dtype "F64", "F32", "F16" or "BF16"; the two halves only take what they hold
 * exactly. */
void tensor_add(struct tensor_file *file, const char *name, const char *dtype, const char *shape,
                const double *values, size_t n);

/* Adds __metadata__ with one pair. */
void tensor_note(struct tensor_file *file, const char *key, const char *value);

/* The whole file; malloc'ed. The file is empty then. */
char *tensor_bytes(struct tensor_file *file, size_t *n);

#endif
