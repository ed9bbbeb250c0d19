/*
 * Reading lists and features from JSON nodes, with every limit checked where it is met.
 */
#include "list.h"

#include <stdlib.h>
#include <string.h>

#define WEIGHT_MAX 1e6

static const char *const entity_members[] = {"id", "features", NULL};
static const char *const labelled_members[] = {"id",     "features", "label",
                                               "weight", "teacher",  NULL};
static const char *const sparse_members[] = {"indices", "values", NULL};

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
    list->n_features = 0;
}

uint64_t list_id_hash(enum rk_side side, const char *id, size_t n)
{
    return rk_feature_category(side, "id", 2, id, n, 1.0F).hash;
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

/* Appends one feature, if the space takes it. */
static bool add(const struct json_node *node, const struct rk_feature *feature,
                const struct rk_space *space, struct list *list, struct problem *problem)
{
    struct rk_error err = {0};
    uint32_t row;
    enum rk_status status;

    if (space != NULL && space->kind == RK_INDEXED && feature->kind == RK_CATEGORY) {
        return json_problem(node, PROBLEM_VALIDATION_FAILED, problem,
                            "a column of this model takes a number");
    }
    status = space != NULL ? rk_space_row(space, feature, &row, &err) : RK_OK;
    if (status != RK_OK) {
        return json_problem(
            node, status == RK_MISMATCH ? PROBLEM_INDEX_OUTSIDE : PROBLEM_VALIDATION_FAILED,
            problem, "%s", err.text);
    }
    if (list->n_features == list->cap_features) {
        const size_t cap = list->cap_features > 0 ? list->cap_features * 2 : 256;
        struct rk_feature *grown = realloc(list->feature, cap * sizeof *grown);
        if (grown == NULL) {
            return problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for %zu features", cap);
        }
        list->feature = grown;
        list->cap_features = cap;
    }
    list->feature[list->n_features++] = *feature;
    return true;
}

static bool read_value(const struct json_node *node, float *value, struct problem *problem)
{
    double number;

    if (!json_as_number(node, -JSON_NUMBER_MAX, JSON_NUMBER_MAX, &number, problem)) {
        return false;
    }
    *value = (float)number;
    return true;
}

/* ["new", "sale"]: multi-hot. */
static bool add_texts(const struct json_node *node, enum rk_side side, const struct rk_space *space,
                      struct list *list, struct problem *problem)
{
    const size_t n = json_count(node);

    for (size_t i = 0; i < n; i++) {
        struct json_node element;
        struct rk_feature feature;
        const char *text;
        size_t length;
        json_element(node, i, &element);
        if (!json_as_string(&element, 0, LIST_TEXT_MAX, &text, &length, problem)) {
            return false;
        }
        feature = rk_feature_category(side, node->key, strlen(node->key), text, length, 1.0F);
        if (!add(&element, &feature, space, list, problem)) {
            return false;
        }
    }
    return true;
}

/* {"jazz": 0.7, "rock": 0.3}: weighted multi-hot. */
static bool add_weighted(const struct json_node *node, enum rk_side side,
                         const struct rk_space *space, struct list *list, struct problem *problem)
{
    struct json_iterator iterator = {0};
    struct json_node member;

    while (json_next(node, &iterator, &member)) {
        const size_t length = strlen(member.key);
        struct rk_feature feature;
        float value;
        if (json_kind(&member) == JSON_NODE_NULL) {
            continue;
        }
        if (length > LIST_TEXT_MAX) {
            return json_problem(node, PROBLEM_LIMIT_EXCEEDED, problem,
                                "has a key of more than %d bytes", LIST_TEXT_MAX);
        }
        if (!read_value(&member, &value, problem)) {
            return false;
        }
        feature =
            rk_feature_category(side, node->key, strlen(node->key), member.key, length, value);
        if (!add(&member, &feature, space, list, problem)) {
            return false;
        }
    }
    return true;
}

/* One member of a feature object, whatever kind of value it has. */
static bool add_named(const struct json_node *node, enum rk_side side, const struct rk_space *space,
                      struct list *list, struct problem *problem)
{
    const size_t n = strlen(node->key);
    struct rk_feature feature;
    const char *text;
    size_t length;
    float value;
    bool flag;

    if (n < 1 || n > LIST_NAME_MAX) {
        return json_problem(node->parent, PROBLEM_LIMIT_EXCEEDED, problem,
                            "has a feature name that is not 1 to %d bytes", LIST_NAME_MAX);
    }
    switch (json_kind(node)) {
    case JSON_NODE_NULL:
        return true;
    case JSON_NODE_BOOLEAN:
        if (!json_as_boolean(node, &flag, problem)) {
            return false;
        }
        feature = rk_feature_flag(side, node->key, n, flag ? 1.0F : 0.0F);
        return add(node, &feature, space, list, problem);
    case JSON_NODE_NUMBER:
        if (!read_value(node, &value, problem)) {
            return false;
        }
        feature = rk_feature_number(side, node->key, n, value);
        return add(node, &feature, space, list, problem);
    case JSON_NODE_STRING:
        if (!json_as_string(node, 0, LIST_TEXT_MAX, &text, &length, problem)) {
            return false;
        }
        feature = rk_feature_category(side, node->key, n, text, length, 1.0F);
        return add(node, &feature, space, list, problem);
    case JSON_NODE_ARRAY:
        return add_texts(node, side, space, list, problem);
    case JSON_NODE_OBJECT:
        return add_weighted(node, side, space, list, problem);
    }
    return false;
}

/* [0.1, 0.2]: columns 0, 1, ... */
static bool add_dense(const struct json_node *node, const struct rk_space *space, struct list *list,
                      struct problem *problem)
{
    const size_t n = json_count(node);

    if (n > LIST_COLUMNS_MAX) {
        return json_problem(node, PROBLEM_LIMIT_EXCEEDED, problem, "has more than %d columns",
                            LIST_COLUMNS_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        struct json_node element;
        struct rk_feature feature;
        float value;
        json_element(node, i, &element);
        if (!read_value(&element, &value, problem)) {
            return false;
        }
        feature = rk_feature_column((uint32_t)i, value);
        if (!add(&element, &feature, space, list, problem)) {
            return false;
        }
    }
    return true;
}

/* {"indices": [..], "values": [..]}. */
static bool add_sparse(const struct json_node *indices, const struct json_node *values,
                       const struct rk_space *space, struct list *list, struct problem *problem)
{
    const size_t n = json_count(indices);

    if (!json_as_array(values, problem)) {
        return false;
    }
    if (json_count(values) != n) {
        return json_problem(values, PROBLEM_VALIDATION_FAILED, problem,
                            "must be as long as indices");
    }
    if (n > LIST_COLUMNS_MAX) {
        return json_problem(indices, PROBLEM_LIMIT_EXCEEDED, problem, "has more than %d columns",
                            LIST_COLUMNS_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        struct json_node index, element;
        struct rk_feature feature;
        int64_t column;
        float value;
        json_element(indices, i, &index);
        json_element(values, i, &element);
        if (!json_as_integer(&index, 0, RK_SIZE_MAX, &column, problem) ||
            !read_value(&element, &value, problem)) {
            return false;
        }
        feature = rk_feature_column((uint32_t)column, value);
        if (!add(&index, &feature, space, list, problem)) {
            return false;
        }
    }
    return true;
}

/*
 * Is an object of features the sparse form? Only an array of numbers under "indices" makes it so:
 * names are free.
 */
static bool is_sparse(const struct json_node *node, struct json_node *indices,
                      struct json_node *values)
{
    struct json_node first;

    if (!json_member(node, "indices", indices) || !json_member(node, "values", values) ||
        json_kind(indices) != JSON_NODE_ARRAY || json_kind(values) != JSON_NODE_ARRAY) {
        return false;
    }
    if (json_count(indices) == 0) {
        return true;
    }
    json_element(indices, 0, &first);
    return json_kind(&first) == JSON_NODE_NUMBER;
}

static bool add_object(const struct json_node *node, enum rk_side side,
                       const struct rk_space *space, struct list *list, struct problem *problem)
{
    const size_t first = list->n_features;
    struct json_iterator iterator = {0};
    struct json_node member;

    if (json_count(node) > LIST_FEATURES_MAX) {
        return json_problem(node, PROBLEM_LIMIT_EXCEEDED, problem, "has more than %d features",
                            LIST_FEATURES_MAX);
    }
    while (json_next(node, &iterator, &member)) {
        if (!add_named(&member, side, space, list, problem)) {
            return false;
        }
        if (list->n_features - first > LIST_FEATURES_MAX) {
            return json_problem(node, PROBLEM_LIMIT_EXCEEDED, problem, "has more than %d features",
                                LIST_FEATURES_MAX);
        }
    }
    return true;
}

bool list_read_features(const struct json_node *node, enum rk_side side,
                        const struct rk_space *space, struct list *list, struct list_entity *entity,
                        struct problem *problem)
{
    struct json_node indices, values;
    bool read;

    entity->first = list->n_features;
    if (json_kind(node) == JSON_NODE_ARRAY) {
        read = add_dense(node, space, list, problem);
    } else if (!json_as_object(node, problem)) {
        return false;
    } else if (is_sparse(node, &indices, &values)) {
        read = json_only(node, sparse_members, false, problem) &&
               add_sparse(&indices, &values, space, list, problem);
    } else {
        read = add_object(node, side, space, list, problem);
    }
    entity->n = list->n_features - entity->first;
    return read;
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
    return json_as_object(&user, problem) && json_only(&user, entity_members, lenient, problem) &&
           read_entity(&user, RK_USER, space, list, &list->user, problem);
}

static bool read_context(const struct json_node *node, const struct rk_space *space,
                         struct list *list, struct problem *problem)
{
    struct json_node context;

    return !json_member(node, "context", &context) ||
           list_read_features(&context, RK_CONTEXT, space, list, &list->context, problem);
}

static bool read_label(const struct json_node *node, struct list_item *item,
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
    return !json_member(node, "teacher", &member) || read_value(&member, &item->teacher, problem);
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
    if (!json_as_object(node, problem) ||
        !json_only(node, labelled ? labelled_members : entity_members, lenient, problem) ||
        !read_entity(node, RK_ITEM, space, list, &item->entity, problem)) {
        return false;
    }
    if (item->entity.id == NULL) {
        return json_problem(node, PROBLEM_VALIDATION_FAILED, problem, "an item needs an id");
    }
    return !labelled || read_label(node, item, problem);
}

/* Room for n items, and a set with at least twice as many places, empty. */
static bool reserve_items(struct list *list, size_t n, struct problem *problem)
{
    size_t places = 16;

    while (places < 2 * n) {
        places *= 2;
    }
    if (n > list->cap_items) {
        struct list_item *grown = realloc(list->item, n * sizeof *grown);
        if (grown == NULL) {
            return problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for %zu items", n);
        }
        list->item = grown;
        list->cap_items = n;
    }
    if (places > list->cap_set) {
        uint32_t *grown = realloc(list->set, places * sizeof *grown);
        if (grown == NULL) {
            return problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for %zu items", n);
        }
        list->set = grown;
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
