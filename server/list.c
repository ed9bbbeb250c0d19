/*
 * Reading lists from JSON nodes: user, context and items, with every limit checked where it is met.
 */
#include "list.h"

#include "grow.h"

#include <stdlib.h>
#include <string.h>

#define WEIGHT_MAX 1e6

static const char *const entity_members[] = {"id", "features", NULL};
static const char *const labelled_members[] = {"id",     "features", "label",
                                               "weight", "teacher",  NULL};

void list_deinit(struct list *list)
{
    free(list->item);
    free(list->feature);
    free(list->set);
    *list = (struct list){0};
}

void list_reset(struct list *list)
{
    list->user = list->context = (struct list_entity){0};
    list->n_items = 0;
    list->n_taught = 0;
    list->n_features = 0;
}

uint64_t list_id_hash(enum rk_side side, const char *id, size_t n)
{
    return rk_feature_category(side, "id", 2, id, n, 1.0F).hash;
}

int list_hash_order(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

enum rk_status list_key(const struct rk_space *space, const struct list_entity *entity,
                        uint64_t *key, struct rk_error *err)
{
    struct rk_feature feature;
    uint32_t row;

    *key = 0;
    if (entity->id == NULL) {
        return RK_OK;
    }
    /* An id is a decimal number exactly where a name is a column's. */
    feature = rk_feature_number(RK_USER, entity->id, entity->id_n, 1);
    feature.hash = entity->hash;
    if (rk_space_row(space, &feature, &row, NULL) != RK_OK) {
        return rk_fail(err, RK_MISMATCH, "the id is no row of the model's table of %u",
                       (unsigned)space->size);
    }
    *key = (uint64_t)row + 1;
    return RK_OK;
}

bool list_read_id(const struct json_node *node, enum rk_side side, struct list_entity *entity,
                  struct problem *problem)
{
    if (!json_as_string(node, 1, LIST_ID_MAX, &entity->id, &entity->id_n, problem)) {
        return false;
    }
    entity->hash = list_id_hash(side, entity->id, entity->id_n);
    return true;
}

/* {"id", "features"}: both may be absent for a user. */
static bool read_entity(const struct json_node *node, enum rk_side side,
                        const struct rk_space *space, struct list *list, struct list_entity *entity,
                        struct problem *problem)
{
    struct json_node member;

    entity->first = list->n_features;
    if (json_member(node, "id", &member) && !list_read_id(&member, side, entity, problem)) {
        return false;
    }
    return !json_member(node, "features", &member) ||
           list_read_features(&member, side, space, list, entity, problem);
}

static bool read_user(const struct json_node *node, const struct rk_space *space, bool lenient,
                      struct list *list, struct problem *problem)
{
    struct json_node user;

    if (!json_member(node, "user", &user)) {
        return true;
    }
    return json_only(&user, entity_members, lenient, problem) &&
           read_entity(&user, RK_USER, space, list, &list->user, problem);
}

static bool read_context(const struct json_node *node, const struct rk_space *space,
                         struct list *list, struct problem *problem)
{
    struct json_node context;

    return !json_member(node, "context", &context) ||
           list_read_features(&context, RK_CONTEXT, space, list, &list->context, problem);
}

static bool read_label(const struct json_node *node, struct list *list, struct list_item *item,
                       struct problem *problem)
{
    struct json_node member;
    double number;

    if (json_member(node, "label", &member)) {
        if (!json_as_number(&member, 0, LIST_LABEL_MAX, &number, problem)) {
            return false;
        }
        item->label = (float)number;
    }
    if (json_member(node, "weight", &member)) {
        if (!json_as_number(&member, 0, WEIGHT_MAX, &number, problem)) {
            return false;
        }
        item->weight = (float)number;
    }
    if (json_member(node, "teacher", &member)) {
        if (!json_as_number(&member, -JSON_NUMBER_MAX, JSON_NUMBER_MAX, &number, problem)) {
            return false;
        }
        item->teacher = (float)number;
        list->n_taught++;
    }
    return true;
}

/* A bare string is an item with no features of its own. */
static bool read_item(const struct json_node *node, const struct rk_space *space, bool labelled,
                      bool lenient, struct list *list, struct list_item *item,
                      struct problem *problem)
{
    *item = (struct list_item){.weight = 1.0F, .entity.first = list->n_features};
    if (json_kind(node) == JSON_NODE_STRING) {
        return list_read_id(node, RK_ITEM, &item->entity, problem);
    }
    if (!json_only(node, labelled ? labelled_members : entity_members, lenient, problem) ||
        !read_entity(node, RK_ITEM, space, list, &item->entity, problem)) {
        return false;
    }
    if (item->entity.id == NULL) {
        return json_problem(node, PROBLEM_VALIDATION_FAILED, problem, "an item needs an id");
    }
    return !labelled || read_label(node, list, item, problem);
}

/* Room for n items, and a set with at least twice as many places, empty. */
static bool reserve_items(struct list *list, size_t n, struct problem *problem)
{
    size_t places = 16;

    while (places < 2 * n) {
        places *= 2;
    }
    if (!grow_reserve(&list->item, &list->cap_items, n)) {
        return problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for %zu items", n);
    }
    if (places > list->cap_set) { /* a power of two */
        if (!grow_resize(&list->set, places)) {
            return problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for %zu items", n);
        }
        list->cap_set = places;
    }
    memset(list->set, 0, list->cap_set * sizeof *list->set);
    return true;
}

/* The place of an id in the set: where it stands, or the free place where it would. */
static uint32_t *set_place(const struct list *list, uint64_t hash, const char *id)
{
    for (size_t i = hash & (list->cap_set - 1);; i = (i + 1) & (list->cap_set - 1)) {
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

static bool read_items(const struct json_node *node, const struct rk_space *space, bool labelled,
                       bool lenient, struct list *list, struct problem *problem)
{
    struct json_node items;
    size_t n;

    if (!json_member(node, "items", &items)) {
        return json_problem(node, PROBLEM_VALIDATION_FAILED, problem, "a list needs items");
    }
    if (!json_as_array(&items, problem)) {
        return false;
    }
    n = json_count(&items);
    if (n > LIST_ITEMS_MAX) {
        return json_problem(&items, PROBLEM_LIMIT_EXCEEDED, problem,
                            "has %zu items, at most %d are taken", n, LIST_ITEMS_MAX);
    }
    if (!reserve_items(list, n, problem)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct json_node element;
        uint32_t *place;
        json_element(&items, i, &element);
        if (!read_item(&element, space, labelled, lenient, list, &list->item[i], problem)) {
            return false;
        }
        place = set_place(list, list->item[i].entity.hash, list->item[i].entity.id);
        if (*place != 0) {
            return json_problem(&element, PROBLEM_DUPLICATE_ITEM, problem, "has the id of item %u",
                                (unsigned)*place - 1);
        }
        list->n_items++;
        *place = (uint32_t)list->n_items;
    }
    return true;
}

bool list_read(const struct json_node *node, const struct rk_space *space, bool labelled,
               bool lenient, struct list *list, struct problem *problem)
{
    list_reset(list);
    return read_user(node, space, lenient, list, problem) &&
           read_context(node, space, list, problem) &&
           read_items(node, space, labelled, lenient, list, problem);
}
