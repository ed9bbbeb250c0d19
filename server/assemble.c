/*
 * Laying request features over stored ones, key by key.
 */
#include "assemble.h"

#include <stdlib.h>

#define FEW_FEATURES 16

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

static by_key *comparison(const struct rk_space *space)
{
    return space->kind == RK_HASHED ? by_name : by_column;
}

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
    uint64_t id_name[RK_ITEM + 1]; /* hash of the name of ids, by side */
};

/*
 * One catalogue serves models of both spaces: what has no place in this model's kind is left out. A
 * column outside its size is a mistake, which the builder tells.
 */
static bool has_place(const struct rk_space *space, const struct rk_feature *feature)
{
    return space->kind == RK_HASHED ? feature->kind != RK_COLUMN : feature->column != RK_NO_COLUMN;
}

static uint64_t key_of(const struct rk_space *space, const struct rk_feature *feature)
{
    return space->kind == RK_HASHED ? feature->name : feature->column;
}

/*
 * Few features are compared one by one, beginning where the last was found: what is stored mostly
 * has the order of what is sent. Many were sorted by their keys.
 */
static bool is_among(const struct rk_space *space, const struct rk_feature *features, size_t n,
                     const struct rk_feature *feature, size_t *from)
{
    const uint64_t key = key_of(space, feature);

    if (n > FEW_FEATURES) {
        return bsearch(feature, features, n, sizeof *features, comparison(space)) != NULL;
    }
    for (size_t i = 0; i < n; i++) {
        const size_t at = *from + i < n ? *from + i : *from + i - n;
        if (key_of(space, &features[at]) == key) {
            *from = at + 1 < n ? at + 1 : 0;
            return true;
        }
    }
    return false;
}

/* Those stored features whose key the request does not have. */
static enum rk_status add_stored(const struct assembly *to, const struct rk_feature *stored,
                                 size_t n_stored, struct rk_feature *own, size_t n,
                                 struct rk_error *err)
{
    const struct rk_space *space = &to->config->features;
    enum rk_status status = RK_OK;
    size_t from = 0;

    if (n_stored > 0 && n > FEW_FEATURES) {
        sort(own, n, comparison(space));
    }
    for (size_t i = 0; i < n_stored && status == RK_OK; i++) {
        if (has_place(space, &stored[i]) && !is_among(space, own, n, &stored[i], &from)) {
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
        const struct rk_feature id = {.name = to->id_name[side],
                                      .hash = entity->hash,
                                      .column = RK_NO_COLUMN,
                                      .kind = RK_CATEGORY,
                                      .value = 1.0F};
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

/* The raw numbers of an item that is known. *known: it is. */
static enum rk_status add_known(const struct assembly *to, size_t item,
                                const struct list_entity *entity, bool *known, struct rk_error *err)
{
    const struct rk_feature *features = NULL;
    enum rk_status status = RK_OK;
    size_t n = 0;

    *known = to->source->known != NULL && entity->id != NULL && entity->n == 0 &&
             to->source->known(to->source->context, item, entity, &features, &n);
    for (size_t i = 0; i < n && *known && status == RK_OK; i++) {
        if (to->config->features.kind == RK_HASHED && features[i].kind == RK_NUMBER) {
            status = rk_group_add(to->builder, &features[i], err);
        }
    }
    return status;
}

enum rk_status assemble_group(struct list *list, const struct rk_model_config *config,
                              const struct assemble_source *source, const uint32_t *which, size_t n,
                              bool labelled, struct rk_group_builder *builder,
                              struct rk_group *group, size_t *where, struct rk_error *err)
{
    const struct assembly to = {config,
                                source,
                                builder,
                                {[RK_USER] = rk_feature_name(RK_USER, "id", 2),
                                 [RK_ITEM] = rk_feature_name(RK_ITEM, "id", 2)}};
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
        bool known = false;
        *where = which[i];
        status = list_key(&config->items, &item->entity, &key, err);
        if (status == RK_OK) {
            status = rk_group_begin_item(builder, key, err);
        }
        if (status == RK_OK) {
            rk_group_label(builder, item->label, item->weight);
            rk_group_teacher(builder, item->teacher);
            status = add_known(&to, i, &item->entity, &known, err);
        }
        if (status == RK_OK && !known) {
            status = add_entity(&to, list, &item->entity, RK_ITEM, err);
        }
    }
    return status == RK_OK ? rk_group_end(builder, labelled, group, err) : status;
}
