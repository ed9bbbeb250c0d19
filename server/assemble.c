/*
 * Laying request features over stored ones, key by key.
 */
#include "assemble.h"

#include <stdlib.h>

/*
 * The key of a feature is its name on a hashed space and its column on an indexed one: there a
 * decimal name and a bare column mean the same.
 */
static int by_name(const void *a, const void *b)
{
    const uint64_t x = ((const struct rk_feature *)a)->name;
    const uint64_t y = ((const struct rk_feature *)b)->name;

    return (x > y) - (x < y);
}

static int by_column(const void *a, const void *b)
{
    const uint32_t x = ((const struct rk_feature *)a)->column;
    const uint32_t y = ((const struct rk_feature *)b)->column;

    return (x > y) - (x < y);
}

typedef int by_key(const void *a, const void *b);

/* Dense columns come sorted: then nothing is moved. */
static void sort(struct rk_feature *features, size_t n, by_key *compare)
{
    size_t i = 1;

    while (i < n && compare(&features[i - 1], &features[i]) <= 0) {
        i++;
    }
    if (i < n) {
        qsort(features, n, sizeof *features, compare);
    }
}

/* What all entities of a list go by. */
struct assembly {
    const struct rk_model_config *config;
    const struct assemble_source *source;
    struct rk_group_builder *builder;
};

/*
 * Those stored features whose key the request does not have. One catalogue serves models of both
 * spaces: what has no place in this model's is left out.
 */
static enum rk_status add_stored(const struct assembly *to, const struct rk_feature *stored,
                                 size_t n_stored, struct rk_feature *own, size_t n,
                                 struct rk_error *err)
{
    const struct rk_space *space = &to->config->features;
    by_key *const compare = space->kind == RK_HASHED ? by_name : by_column;
    enum rk_status status = RK_OK;

    if (n_stored > 0) {
        sort(own, n, compare);
    }
    for (size_t i = 0; i < n_stored && status == RK_OK; i++) {
        uint32_t row;
        if (rk_space_row(space, &stored[i], &row, NULL) != RK_INVALID &&
            (n == 0 || bsearch(&stored[i], own, n, sizeof *own, compare) == NULL)) {
            status = rk_group_add(to->builder, &stored[i], err);
        }
    }
    return status;
}

/* The id, the request's features, and what is stored under them. */
static enum rk_status add_entity(const struct assembly *to, struct list *list,
                                 const struct list_entity *entity, enum rk_side side,
                                 struct rk_error *err)
{
    struct rk_feature *own = entity->n > 0 ? list->feature + entity->first : NULL;
    const struct rk_feature *stored = NULL;
    size_t n_stored = 0;
    enum rk_status status = RK_OK;

    if (entity->id != NULL && to->config->use_ids && to->config->features.kind == RK_HASHED) {
        const struct rk_feature id =
            rk_feature_category(side, "id", 2, entity->id, entity->id_n, 1.0F);
        status = rk_group_add(to->builder, &id, err);
    }
    for (size_t i = 0; i < entity->n && status == RK_OK; i++) {
        status = rk_group_add(to->builder, &own[i], err);
    }
    if (status == RK_OK && entity->id != NULL) {
        status = to->source->find(to->source->context, side, entity, &stored, &n_stored, err);
    }
    return status == RK_OK ? add_stored(to, stored, n_stored, own, entity->n, err) : status;
}

enum rk_status assemble_group(struct list *list, const struct rk_model_config *config,
                              const struct assemble_source *source, const uint32_t *which, size_t n,
                              bool labelled, struct rk_group_builder *builder,
                              struct rk_group *group, size_t *where, struct rk_error *err)
{
    const struct assembly to = {config, source, builder};
    uint64_t key;
    enum rk_status status = list_key(&config->users, &list->user, &key, err);

    *where = SIZE_MAX;
    if (status == RK_OK) {
        status = rk_group_begin(builder, &config->features, key, err);
    }
    if (status == RK_OK) {
        status = add_entity(&to, list, &list->user, RK_USER, err);
    }
    if (status == RK_OK) {
        status = add_entity(&to, list, &list->context, RK_CONTEXT, err);
    }
    for (size_t i = 0; i < n && status == RK_OK; i++) {
        const struct list_item *item = &list->item[which[i]];
        *where = which[i];
        status = list_key(&config->items, &item->entity, &key, err);
        if (status == RK_OK) {
            status = rk_group_begin_item(builder, key, err);
        }
        if (status == RK_OK) {
            rk_group_label(builder, item->label, item->weight);
            rk_group_teacher(builder, item->teacher);
            status = add_entity(&to, list, &item->entity, RK_ITEM, err);
        }
    }
    return status == RK_OK ? rk_group_end(builder, labelled, group, err) : status;
}
