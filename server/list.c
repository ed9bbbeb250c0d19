/*
 * Reading lists: user, context and items, with every limit checked where it is met.
 */
#include "list.h"

#include "grow.h"

#include <stdlib.h>
#include <string.h>

#define WEIGHT_MAX 1e6

static const char *const list_members[] = {LIST_MEMBERS, NULL};

void list_deinit(struct list *list)
{
    free(list->item);
    free(list->feature);
    free(list->set);
    pull_memory_deinit(&list->memory);
    *list = (struct list){0};
}

void list_reset(struct list *list)
{
    list->user = list->context = (struct list_entity){0};
    list->n_items = 0;
    list->has_items = false;
    list->n_taught = 0;
    list->n_features = 0;
    memset(list->name, 0, sizeof list->name);
}

static struct rk_name id_name(enum rk_side side)
{
    return rk_name(side, "id", 2);
}

uint64_t list_id_hash(enum rk_side side, const char *id, size_t n)
{
    return rk_name_category(id_name(side), id, n, 1.0F).hash;
}

int list_hash_order(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

enum rk_status list_key(const struct rk_space *space, const struct list_entity *entity,
                        uint64_t *key, struct rk_error *err)
{
    struct rk_feature feature = {.hash = entity->hash, .column = RK_NO_COLUMN, .kind = RK_FLAG};
    uint32_t row;

    *key = 0;
    if (entity->id == NULL) {
        return RK_OK;
    }
    if (space->kind == RK_INDEXED) {
        /* An id is a decimal number exactly where a name is a column's. */
        feature.column = rk_name(RK_USER, entity->id, entity->id_n).column;
    }
    if (rk_space_row(space, &feature, &row, NULL) != RK_OK) {
        return rk_fail(err, RK_MISMATCH, "the id is no row of the model's table of %u",
                       (unsigned)space->size);
    }
    *key = (uint64_t)row + 1;
    return RK_OK;
}

bool list_read_id(struct pull *pull, enum rk_side side, struct list_entity *entity)
{
    if (!pull_string(pull, 1, LIST_ID_MAX, &entity->id, &entity->id_n)) {
        return false;
    }
    entity->hash = list_id_hash(side, entity->id, entity->id_n);
    return true;
}

static bool is_row(struct pull *pull, const struct rk_space *table,
                   const struct list_entity *entity)
{
    struct rk_error err = {0};
    uint64_t key;

    return list_key(table, entity, &key, &err) == RK_OK ||
           pull_problem(pull, PROBLEM_INDEX_OUTSIDE, "%s", err.text);
}

/* An id that must be a row of a table, if there is one. */
static bool read_row_id(struct pull *pull, struct rk_name name, const struct rk_space *table,
                        struct list_entity *entity)
{
    if (!pull_string(pull, 1, LIST_ID_MAX, &entity->id, &entity->id_n)) {
        return false;
    }
    entity->hash = rk_name_category(name, entity->id, entity->id_n, 1.0F).hash;
    return table == NULL || is_row(pull, table, entity);
}

/* {"id", "features"}: both may be absent. */
static bool read_user(struct pull *pull, const struct list_rules *rules, struct list *list)
{
    static const char *const names[] = {"id", "features", NULL};
    struct list_entity *user = &list->user;
    struct span key;

    if (!pull_object(pull)) {
        return false;
    }
    while (pull_member(pull, &key)) {
        const size_t which = pull_which(key, names);
        const bool read = names[which] == NULL ? pull_unknown(pull, rules->lenient)
                          : pull_null(pull)    ? true
                          : which == 0
                              ? read_row_id(pull, list->id_name[RK_USER], rules->users, user)
                              : list_read_features(pull, RK_USER, rules->features, list, user);
        if (!read) {
            return false;
        }
    }
    return pull_good(pull);
}

/* ---- items ---- */

enum item_member {
    ITEM_ID,
    ITEM_FEATURES,
    ITEM_LABEL,
    ITEM_WEIGHT,
    ITEM_TEACHER
};

static bool read_float(struct pull *pull, double min, double max, float *value)
{
    double number;

    if (!pull_number(pull, min, max, &number)) {
        return false;
    }
    *value = (float)number;
    return true;
}

static bool read_item_member(struct pull *pull, const struct span *key,
                             const struct list_rules *rules, struct list *list,
                             struct list_item *item)
{
    static const char *const labelled[] = {"id", "features", "label", "weight", "teacher", NULL};
    static const char *const plain[] = {"id", "features", NULL};
    const char *const *names = rules->labelled ? labelled : plain;
    const size_t which = pull_which(*key, names);

    if (names[which] == NULL) {
        return pull_unknown(pull, rules->lenient);
    }
    if (pull_null(pull)) {
        return true;
    }
    switch ((enum item_member)which) {
    case ITEM_ID:
        return read_row_id(pull, list->id_name[RK_ITEM], rules->items, &item->entity);
    case ITEM_FEATURES:
        return list_read_features(pull, RK_ITEM, rules->features, list, &item->entity);
    case ITEM_LABEL:
        return read_float(pull, 0, LIST_LABEL_MAX, &item->label);
    case ITEM_WEIGHT:
        return read_float(pull, 0, WEIGHT_MAX, &item->weight);
    case ITEM_TEACHER:
        list->n_taught++;
        return read_float(pull, -JSON_NUMBER_MAX, JSON_NUMBER_MAX, &item->teacher);
    }
    return false;
}

/* A bare string is an item with no features of its own. */
static bool read_item(struct pull *pull, const struct list_rules *rules, struct list *list,
                      struct list_item *item)
{
    struct span key;

    *item = (struct list_item){.weight = 1.0F, .entity.first = list->n_features};
    if (pull_kind(pull) == JSON_NODE_STRING) {
        return read_row_id(pull, list->id_name[RK_ITEM], rules->items, &item->entity);
    }
    if (!pull_object(pull)) {
        return false;
    }
    while (pull_member(pull, &key)) {
        if (!read_item_member(pull, &key, rules, list, item)) {
            return false;
        }
    }
    return pull_good(pull) &&
           (item->entity.id != NULL ||
            pull_problem(pull, PROBLEM_VALIDATION_FAILED, "an item needs an id"));
}

/* The place of an id in the set: where it stands, or the free place where it would. */
static uint32_t *set_place(const struct list *list, uint64_t hash, const char *id)
{
    for (size_t i = hash % LIST_SET;; i = (i + 1) % LIST_SET) {
        const uint32_t number = list->set[i];
        if (number == 0 || (list->item[number - 1].entity.hash == hash &&
                            strcmp(list->item[number - 1].entity.id, id) == 0)) {
            return &list->set[i];
        }
    }
}

size_t list_find(const struct list *list, const char *id)
{
    if (list->n_items == 0) {
        return SIZE_MAX;
    }
    return (size_t)*set_place(list, list_id_hash(RK_ITEM, id, strlen(id)), id) - 1;
}

/* The item that was just read, among the others. */
static bool add_item(struct pull *pull, struct list *list)
{
    const struct list_entity *entity = &list->item[list->n_items].entity;
    uint32_t *place = set_place(list, entity->hash, entity->id);

    if (*place != 0) {
        return pull_problem(pull, PROBLEM_DUPLICATE_ITEM, "has the id of item %u",
                            (unsigned)*place - 1);
    }
    *place = (uint32_t)++list->n_items;
    return true;
}

static bool read_items(struct pull *pull, const struct list_rules *rules, struct list *list)
{
    list->has_items = true;
    if (!pull_array(pull)) {
        return false;
    }
    while (pull_element(pull)) {
        if (list->n_items == LIST_ITEMS_MAX) {
            return pull_problem_around(pull, PROBLEM_LIMIT_EXCEEDED, "has more than %d items",
                                       LIST_ITEMS_MAX);
        }
        if (!grow_reserve(&list->item, &list->cap_items, list->n_items + 1)) {
            return pull_problem(pull, PROBLEM_OUT_OF_MEMORY, "no memory for %zu items",
                                list->n_items + 1);
        }
        if (!read_item(pull, rules, list, &list->item[list->n_items]) || !add_item(pull, list)) {
            return false;
        }
    }
    return pull_good(pull);
}

/* ---- lists ---- */

bool list_begin(struct list *list, struct problem *problem)
{
    list_reset(list);
    list->id_name[RK_USER] = id_name(RK_USER);
    list->id_name[RK_ITEM] = id_name(RK_ITEM);
    if (list->set == NULL && !grow_resize(&list->set, LIST_SET)) {
        return problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for a list");
    }
    memset(list->set, 0, LIST_SET * sizeof *list->set);
    return true;
}

bool list_read_member(struct pull *pull, enum list_member member, const struct list_rules *rules,
                      struct list *list)
{
    if (member != LIST_OTHER && pull_null(pull)) {
        return true;
    }
    switch (member) {
    case LIST_USER:
        return read_user(pull, rules, list);
    case LIST_CONTEXT:
        return list_read_features(pull, RK_CONTEXT, rules->features, list, &list->context);
    case LIST_ITEMS:
        return read_items(pull, rules, list);
    case LIST_OTHER:
        break;
    }
    return pull_unknown(pull, rules->lenient);
}

bool list_end(struct pull *pull, const struct list *list)
{
    return pull_good(pull) &&
           (list->has_items || pull_problem(pull, PROBLEM_VALIDATION_FAILED, "a list needs items"));
}

bool list_read(struct pull *pull, const struct list_rules *rules, struct list *list)
{
    struct span key;

    if (!list_begin(list, pull->problem) || !pull_object(pull)) {
        return false;
    }
    while (pull_member(pull, &key)) {
        const enum list_member member = (enum list_member)pull_which(key, list_members);
        if (!list_read_member(pull, member, rules, list)) {
            return false;
        }
    }
    return list_end(pull, list);
}
