/*
 * Fields: which of a field-aware model's vectors a feature uses. On an indexed space the
 * configuration says each column's field; on a hashed one a feature's field is its full name before
 * '=', numbered as learning meets it, and the table of names is a tensor behind the learned ones:
 * part of version, checkpoint, undo and publishing.
 */
#ifndef RANKD_CORE_FIELDS_H
#define RANKD_CORE_FIELDS_H

#include "model_impl.h"

#define RK_NO_FIELD UINT32_MAX

/* Columns of the table: a 64-bit name hash in four floats of 16 bits each, which are exact. */
enum {
    RK_FIELDS_COLS = 4
};

struct rk_fields {
    const uint8_t *of_column;     /* indexed: field of each column; NULL: by name */
    uint64_t name[RK_FIELDS_MAX]; /* (n) */
    size_t n;
};

/* Adds the table where the space is hashed. */
void rk_fields_lay_out(struct rk_model *model);

/* Reads the table of a parameter block. */
void rk_fields_read(const struct rk_model *model, const float *theta, struct rk_fields *fields);

/* The field of an entry of a group, or RK_NO_FIELD: then it has a linear term only. */
uint32_t rk_fields_find(const struct rk_fields *fields, const struct rk_group *group,
                        uint32_t entry);

/* Writes a name into its row of the table. */
void rk_fields_write(float *row, uint64_t name);

#endif
