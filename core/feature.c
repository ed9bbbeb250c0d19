/*
 * Feature hashing and feature spaces.
 */
#include <rankd/feature.h>
#include <string.h>
#define XXH_INLINE_ALL /* calls of a library cost more than hashing a short name */
#include <xxhash.h>

#define FULL_NAME_MAX    320
#define COLUMN_TOO_LARGE (RK_NO_COLUMN - 1)

static const char *const side_prefix[] = {"user.", "context.", "item."};

uint32_t rk_space_rows(const struct rk_space *space)
{
    return space->kind == RK_HASHED ? UINT32_C(1) << space->bits : space->size;
}

uint64_t rk_feature_name(enum rk_side side, const char *name, size_t n)
{
    char full[FULL_NAME_MAX];
    const size_t prefix = strlen(side_prefix[side]);

    if (n > sizeof full - prefix) {
        n = sizeof full - prefix;
    }
    memcpy(full, side_prefix[side], prefix);
    memcpy(full + prefix, name, n);
    return XXH3_64bits(full, prefix + n);
}

/*
 * "0", "17": decimal without sign or leading zero. What is too large for any space stays a column,
 * outside all of them.
 */
static uint32_t column_of(const char *name, size_t n)
{
    uint32_t column = 0;

    if (n == 0 || (n > 1 && name[0] == '0')) {
        return RK_NO_COLUMN;
    }
    for (size_t i = 0; i < n; i++) {
        if (name[i] < '0' || name[i] > '9') {
            return RK_NO_COLUMN;
        }
        column = column < RK_SIZE_MAX ? column * 10 + (uint32_t)(name[i] - '0') : COLUMN_TOO_LARGE;
    }
    return column;
}

struct rk_name rk_name(enum rk_side side, const char *name, size_t n)
{
    return (struct rk_name){rk_feature_name(side, name, n), column_of(name, n)};
}

static struct rk_feature plain(struct rk_name name, float value, enum rk_feature_kind kind)
{
    return (struct rk_feature){
        .name = name.hash, .hash = name.hash, .column = name.column, .kind = kind, .value = value};
}

struct rk_feature rk_name_number(struct rk_name name, float value)
{
    return plain(name, value, RK_NUMBER);
}

struct rk_feature rk_name_flag(struct rk_name name, float value)
{
    return plain(name, value, RK_FLAG);
}

struct rk_feature rk_name_category(struct rk_name name, const char *text, size_t m, float weight)
{
    return (struct rk_feature){.name = name.hash,
                               .hash = XXH3_64bits_withSeed(text, m, name.hash),
                               .column = RK_NO_COLUMN,
                               .kind = RK_CATEGORY,
                               .value = weight};
}

struct rk_feature rk_feature_number(enum rk_side side, const char *name, size_t n, float value)
{
    return rk_name_number(rk_name(side, name, n), value);
}

struct rk_feature rk_feature_flag(enum rk_side side, const char *name, size_t n, float value)
{
    return rk_name_flag(rk_name(side, name, n), value);
}

struct rk_feature rk_feature_category(enum rk_side side, const char *name, size_t n,
                                      const char *text, size_t m, float weight)
{
    return rk_name_category(rk_name(side, name, n), text, m, weight);
}

struct rk_feature rk_feature_column(uint32_t column, float value)
{
    return (struct rk_feature){.column = column, .kind = RK_COLUMN, .value = value};
}

enum rk_status rk_space_row(const struct rk_space *space, const struct rk_feature *feature,
                            uint32_t *row, struct rk_error *err)
{
    if (space->kind == RK_HASHED) {
        if (feature->kind == RK_COLUMN) {
            return rk_fail(err, RK_INVALID, "a column without a name, but the model hashes names");
        }
        *row = (uint32_t)feature->hash & (rk_space_rows(space) - 1);
        return RK_OK;
    }
    if (feature->column == RK_NO_COLUMN) {
        return rk_fail(err, RK_INVALID, "the model's features are columns: names are 0 to %u",
                       (unsigned)space->size - 1);
    }
    if (feature->column >= space->size) {
        return rk_fail(err, RK_MISMATCH, "index %u is outside the space of %u columns",
                       (unsigned)feature->column, (unsigned)space->size);
    }
    *row = feature->column;
    return RK_OK;
}
