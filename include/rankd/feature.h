/*
 * Features: from a name and a value to a row of the model, the same in every language with an
 * xxhash library.
 *
 * A struct rk_feature does not know a model's size, so that one parsed list, or one catalogue item,
 * serves every model. A feature space turns it into a row index. Nothing here allocates.
 */
#ifndef RANKD_FEATURE_H
#define RANKD_FEATURE_H

#include <rankd/status.h>
#include <stddef.h>
#include <stdint.h>

#define RK_BITS_DEFAULT 18
#define RK_BITS_MIN     1
#define RK_BITS_MAX     28
#define RK_SIZE_MAX     (UINT32_C(1) << RK_BITS_MAX)

#define RK_NO_COLUMN UINT32_MAX

/* Where a feature comes from; part of its full name. */
enum rk_side {
    RK_USER,
    RK_CONTEXT,
    RK_ITEM
};

enum rk_feature_kind {
    RK_NUMBER,   /* "item.price": 9.5; a hashed model may standardise it */
    RK_FLAG,     /* true or false: 1 or 0, never standardised */
    RK_CATEGORY, /* "item.brand=acme", with weight `value` */
    RK_COLUMN    /* a column of an indexed space, without a name */
};

struct rk_feature {
    uint64_t name; /* XXH3_64bits of the full name before '=' ("item.brand"); 0 for RK_COLUMN */
    uint64_t
        hash; /* name for RK_NUMBER and RK_FLAG; XXH3_64bits_withSeed(text, name) for RK_CATEGORY */
    uint32_t column; /* the decimal name as a number; RK_NO_COLUMN if the name is not decimal */
    enum rk_feature_kind kind;
    float value;
};

enum rk_space_kind {
    RK_HASHED,
    RK_INDEXED
};

/* The rows a model has for features. */
struct rk_space {
    enum rk_space_kind kind;
    uint32_t bits; /* RK_HASHED: rows = 1 << bits */
    uint32_t size; /* RK_INDEXED: rows */
};

/**
 * The number of rows of a space.
 */
uint32_t rk_space_rows(const struct rk_space *space);

/**
 * Hashes a full feature name: XXH3_64bits of "user.", "context." or "item." and the name.
 *
 * @param name  n bytes, n <= 256. Cost O(n). Threads: any.
 */
uint64_t rk_feature_name(enum rk_side side, const char *name, size_t n);

/* A feature's name, hashed once for many features. */
struct rk_name {
    uint64_t hash;   /* rk_feature_name */
    uint32_t column; /* as of struct rk_feature */
};

/**
 * Hashes a name, without the side, of n bytes. The features made with it are those that the
 * functions below make of the name. Threads: any.
 */
struct rk_name rk_name(enum rk_side side, const char *name, size_t n);
struct rk_feature rk_name_number(struct rk_name name, float value);
struct rk_feature rk_name_flag(struct rk_name name, float value);
struct rk_feature rk_name_category(struct rk_name name, const char *text, size_t m, float weight);

/**
 * Makes the feature of a number. Its column is set where the name is decimal without sign or
 * leading zero.
 *
 * @param name   n bytes, without the side. Threads: any.
 */
struct rk_feature rk_feature_number(enum rk_side side, const char *name, size_t n, float value);

/**
 * Makes the feature of true (1) or false (0). Threads: any.
 */
struct rk_feature rk_feature_flag(enum rk_side side, const char *name, size_t n, float value);

/**
 * Makes the feature of one text under a name, e.g. brand=acme, with a weight.
 * Ids are categorical too: the id "u1" under the name "id" of the side RK_USER.
 *
 * @param name  n bytes; @param text  m bytes. Cost O(n + m). Threads: any.
 */
struct rk_feature rk_feature_category(enum rk_side side, const char *name, size_t n,
                                      const char *text, size_t m, float weight);

/**
 * Makes the feature of a column of an indexed space. Threads: any.
 */
struct rk_feature rk_feature_column(uint32_t column, float value);

/**
 * The row of a feature in a space: the low bits of its hash, or its column.
 *
 * @param row  out, < rk_space_rows(space).
 * @return RK_OK; RK_INVALID: a name that is no column on an indexed space, or a bare column on a
 * hashed one;
 *         RK_MISMATCH: the column is outside the space. Threads: any.
 */
RK_MUST_CHECK enum rk_status rk_space_row(const struct rk_space *space,
                                          const struct rk_feature *feature, uint32_t *row,
                                          struct rk_error *err);

#endif
