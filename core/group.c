/*
 * Building a group: features are collected row by row, and a closing row sorts and sums them into
 * the CSR arrays.
 */
#include "clones.h"
#include "grow.h"

#include <float.h>
#include <rankd/group.h>
#include <stdlib.h>
#include <string.h>

#define FEW 48 /* features of a row */

void rk_group_builder_init(struct rk_group_builder *builder)
{
    *builder = (struct rk_group_builder){0};
}

void rk_group_builder_deinit(struct rk_group_builder *builder)
{
    free(builder->entry);
    free(builder->key);
    free(builder->index);
    free(builder->value);
    free(builder->name);
    free(builder->number);
    free(builder->offset);
    free(builder->id);
    free(builder->label);
    free(builder->weight);
    free(builder->teacher);
    *builder = (struct rk_group_builder){0};
}

static bool reserve_rows(struct rk_group_builder *b, size_t rows)
{
    if (rows > b->cap_rows) {
        const size_t cap = rk_grown(b->cap_rows, rows);
        if (!rk_resize(&b->offset, cap + 1) || !rk_resize(&b->id, cap) ||
            !rk_resize(&b->label, cap) || !rk_resize(&b->weight, cap) ||
            !rk_resize(&b->teacher, cap)) {
            return false;
        }
        b->cap_rows = cap;
    }
    return true;
}

static bool reserve_nnz(struct rk_group_builder *b, size_t nnz)
{
    if (nnz > b->cap_nnz) {
        const size_t cap = rk_grown(b->cap_nnz, nnz);
        if (!rk_resize(&b->index, cap) || !rk_resize(&b->value, cap) || !rk_resize(&b->name, cap) ||
            !rk_resize(&b->number, cap)) {
            return false;
        }
        b->cap_nnz = cap;
    }
    return true;
}

/*
 * The order of keys: by index, and where features meet in one index by name and value, so that
 * neither the sum nor its name depends on the order in which a request happens to give them.
 */
static bool follows(const struct rk_group_entry *entry, uint64_t a, uint64_t b)
{
    const struct rk_group_entry *x = &entry[(uint32_t)a];
    const struct rk_group_entry *y = &entry[(uint32_t)b];

    if (a >> 32 != b >> 32) {
        return a > b;
    }
    return x->name != y->name ? x->name > y->name : x->value > y->value;
}

/*
 * Shell sort (Ciura's gaps, continued): rows are short or nearly sorted already, and it needs no
 * memory.
 */
static void sort_many(uint64_t *key, size_t n, const struct rk_group_entry *entry)
{
    static const size_t gaps[] = {40412, 17961, 7983, 3548, 1577, 701, 301, 132, 57, 23, 10, 4, 1};

    size_t g = 0;

    while (gaps[g] > 1 && gaps[g] >= n) {
        g++;
    }
    for (; g < sizeof gaps / sizeof *gaps; g++) {
        const size_t gap = gaps[g];
        for (size_t i = gap; i < n; i++) {
            const uint64_t moving = key[i];
            size_t j = i;
            while (j >= gap && follows(entry, key[j - gap], moving)) {
                key[j] = key[j - gap];
                j -= gap;
            }
            key[j] = moving;
        }
    }
}

typedef int64_t four __attribute__((vector_size(32)));

/*
 * Puts each key where as many are below it. Keys are below 2^63 and distinct; hashes are in no order
 * that a branch could be foretold of, so that comparing all with all is faster.
 */
RK_CLONES static void sort_few(uint64_t *restrict key, size_t n)
{
    four all[FEW / 4];
    int64_t sorted[FEW];
    const size_t vectors = (n + 3) / 4;

    for (size_t i = 0; i < 4 * vectors; i++) {
        all[i / 4][i % 4] = i < n ? (int64_t)key[i] : INT64_MAX;
    }
    for (size_t i = 0; i < n; i++) {
        const int64_t one = (int64_t)key[i];
        four below = {0};
        for (size_t v = 0; v < vectors; v++) {
            below -= all[v] < one;
        }
        sorted[below[0] + below[1] + below[2] + below[3]] = one;
    }
    memcpy(key, sorted, n * sizeof *key);
}

static bool ascend(const uint64_t *key, size_t n)
{
    size_t i = 1;

    while (i < n && key[i - 1] >> 32 < key[i] >> 32) {
        i++;
    }
    return i >= n;
}

static void sort_keys(uint64_t *key, size_t n, const struct rk_group_entry *entry)
{
    if (ascend(key, n)) {
        return;
    }
    if (n <= FEW) {
        sort_few(key, n);
    }
    if (n > FEW ||
        !ascend(key, n)) { /* features that meet in an index have an order of their own */
        sort_many(key, n, entry);
    }
}

/*
 * Appends one summed feature. A zero adds nothing to any model; a raw number may stand for anything
 * but its mean.
 */
static void append(struct rk_group_builder *b, const struct rk_group_entry *entry)
{
    if (entry->value == 0.0F && !entry->number) {
        return;
    }
    if (entry->number) {
        b->number[b->n_numbers++] = (uint32_t)b->nnz;
    }
    b->index[b->nnz] = entry->index;
    b->value[b->nnz] = entry->value;
    b->name[b->nnz] = entry->name;
    b->nnz++;
}

/* Sorts the open row by index, sums what stands twice, and appends it to the closed rows. */
static bool close_row(struct rk_group_builder *b)
{
    if (!reserve_nnz(b, b->nnz + b->n_entries)) {
        return false;
    }
    for (size_t i = 0; i < b->n_entries; i++) {
        b->key[i] = (uint64_t)b->entry[i].index << 32 | i;
    }
    sort_keys(b->key, b->n_entries, b->entry);
    for (size_t i = 0; i < b->n_entries;) {
        struct rk_group_entry met = b->entry[(uint32_t)b->key[i]];
        double sum = (double)met.value;
        for (i++; i < b->n_entries && b->key[i] >> 32 == met.index; i++) {
            const struct rk_group_entry *more = &b->entry[(uint32_t)b->key[i]];
            sum += (double)more->value;
            met.number = met.number || more->number;
        }
        met.value = (float)(sum > (double)FLT_MAX    ? (double)FLT_MAX
                            : sum < -(double)FLT_MAX ? -(double)FLT_MAX
                                                     : sum);
        append(b, &met);
    }
    b->n_entries = 0;
    return true;
}

static enum rk_status begin_row(struct rk_group_builder *b, uint64_t id, struct rk_error *err)
{
    if (!reserve_rows(b, b->n_rows + 1) || !close_row(b)) {
        return rk_fail(err, RK_NOMEM, "out of memory for a list of %zu items", b->n_rows);
    }
    b->offset[b->n_rows] = (uint32_t)b->nnz;
    b->id[b->n_rows] = id;
    b->label[b->n_rows] = 0.0F;
    b->weight[b->n_rows] = 1.0F;
    b->teacher[b->n_rows] = 0.0F;
    b->n_rows++;
    return RK_OK;
}

enum rk_status rk_group_begin(struct rk_group_builder *builder, const struct rk_space *space,
                              uint64_t user_id, struct rk_error *err)
{
    builder->space = *space;
    builder->mask = rk_space_rows(space) - 1;
    builder->n_entries = builder->nnz = builder->n_numbers = builder->n_rows = 0;
    return begin_row(builder, user_id, err);
}

enum rk_status rk_group_begin_item(struct rk_group_builder *builder, uint64_t item_id,
                                   struct rk_error *err)
{
    return begin_row(builder, item_id, err);
}

enum rk_status rk_group_add(struct rk_group_builder *builder, const struct rk_feature *feature,
                            struct rk_error *err)
{
    struct rk_group_builder *b = builder;
    uint32_t index = (uint32_t)feature->hash & b->mask;

    if (b->space.kind != RK_HASHED || feature->kind == RK_COLUMN) {
        const enum rk_status status = rk_space_row(&b->space, feature, &index, err);
        if (status != RK_OK) {
            return status;
        }
    }
    if (b->n_entries == b->cap_entries) {
        const size_t cap = rk_grown(b->cap_entries, b->n_entries + 1);
        if (!rk_resize(&b->entry, cap) || !rk_resize(&b->key, cap)) {
            return rk_fail(err, RK_NOMEM, "out of memory for %zu features", cap);
        }
        b->cap_entries = cap;
    }
    b->entry[b->n_entries++] =
        (struct rk_group_entry){.name = feature->name,
                                .index = index,
                                .value = feature->value,
                                .number = b->space.kind == RK_HASHED && feature->kind == RK_NUMBER};
    return RK_OK;
}

void rk_group_label(struct rk_group_builder *builder, float label, float weight)
{
    builder->label[builder->n_rows - 1] = label;
    builder->weight[builder->n_rows - 1] = weight;
}

void rk_group_teacher(struct rk_group_builder *builder, float teacher)
{
    builder->teacher[builder->n_rows - 1] = teacher;
}

enum rk_status rk_group_end(struct rk_group_builder *builder, bool labelled, struct rk_group *group,
                            struct rk_error *err)
{
    struct rk_group_builder *b = builder;

    if (!close_row(b)) {
        return rk_fail(err, RK_NOMEM, "out of memory for a list of %zu items", b->n_rows - 1);
    }
    b->offset[b->n_rows] = (uint32_t)b->nnz;
    *group = (struct rk_group){.n_items = b->n_rows - 1,
                               .offset = b->offset,
                               .index = b->index,
                               .value = b->value,
                               .name = b->name,
                               .number = b->number,
                               .n_numbers = b->n_numbers,
                               .id = b->id,
                               .label = labelled ? b->label + 1 : NULL,
                               .weight = labelled ? b->weight + 1 : NULL,
                               .teacher = labelled ? b->teacher + 1 : NULL};
    return RK_OK;
}

/* Takes n elements of an array into the block at *at and moves *at behind them; NULL stays NULL. */
static void *packed(char **at, const void *array, size_t bytes)
{
    char *place = *at;

    if (array == NULL) {
        return NULL;
    }
    if (bytes > 0) {
        memcpy(place, array, bytes);
    }
    *at += (bytes + 7) & ~(size_t)7;
    return place;
}

enum rk_status rk_group_copy(const struct rk_group *group, struct rk_group **copy,
                             struct rk_error *err)
{
    const size_t n = group->n_items;
    const size_t nnz = group->offset[n + 1];
    const size_t bytes = sizeof(struct rk_group) + nnz * (sizeof(float) + 4 + 8) +
                         group->n_numbers * 4 + (n + 1) * 8 + (n + 2) * 4 + 3 * n * sizeof(float) +
                         9 * 8;
    struct rk_group *g = malloc(bytes);
    char *at;

    if (g == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for a list of %zu items", n);
    }
    *g = *group;
    at = (char *)(g + 1);
    g->name = packed(&at, group->name, nnz * sizeof *g->name);
    g->id = packed(&at, group->id, (n + 1) * sizeof *g->id);
    g->offset = packed(&at, group->offset, (n + 2) * sizeof *g->offset);
    g->index = packed(&at, group->index, nnz * sizeof *g->index);
    g->value = packed(&at, group->value, nnz * sizeof *g->value);
    g->number = packed(&at, group->number, g->n_numbers * sizeof *g->number);
    g->label = packed(&at, group->label, n * sizeof *g->label);
    g->weight = packed(&at, group->weight, n * sizeof *g->weight);
    g->teacher = packed(&at, group->teacher, n * sizeof *g->teacher);
    *copy = g;
    return RK_OK;
}

void rk_group_destroy(struct rk_group **group)
{
    free(*group);
    *group = NULL;
}
