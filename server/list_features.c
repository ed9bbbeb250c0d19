/*
 * Reading features from a JSON node: an object of names, a dense array, or {"indices", "values"}.
 */
#include "grow.h"
#include "list.h"

#include <stdlib.h>
#include <string.h>

static const char *const sparse_members[] = {"indices", "values", NULL};

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
    if (!grow_reserve(&list->feature, &list->cap_features, list->n_features + 1)) {
        return problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for %zu features",
                           list->n_features + 1);
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

/*
 * A key that was given empty still takes the place of the stored one: a feature of weight 0, which
 * no model sees, stands for it.
 */
static bool mark_empty(const struct json_node *node, enum rk_side side,
                       const struct rk_space *space, struct list *list, struct problem *problem)
{
    const struct rk_feature nothing =
        rk_feature_category(side, node->key, strlen(node->key), "", 0, 0.0F);

    return add(node, &nothing, space, list, problem);
}

/* One member of a feature object, whatever kind of value it has. */
static bool add_named(const struct json_node *node, enum rk_side side, const struct rk_space *space,
                      struct list *list, struct problem *problem)
{
    const size_t n = strlen(node->key), first = list->n_features;
    struct rk_feature feature;
    const char *text;
    size_t length;
    float value;
    bool flag;

    if (n < 1 || n > LIST_NAME_MAX) {
        return json_problem(node->parent,
                            n < 1 ? PROBLEM_VALIDATION_FAILED : PROBLEM_LIMIT_EXCEEDED, problem,
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
        return add_texts(node, side, space, list, problem) &&
               (list->n_features > first || mark_empty(node, side, space, list, problem));
    case JSON_NODE_OBJECT:
        return add_weighted(node, side, space, list, problem) &&
               (list->n_features > first || mark_empty(node, side, space, list, problem));
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
        if (!json_as_integer(&index, INT64_MIN, INT64_MAX, &column, problem) ||
            !read_value(&element, &value, problem)) {
            return false;
        }
        if (column < 0 || column >= RK_SIZE_MAX) {
            return json_problem(&index, PROBLEM_INDEX_OUTSIDE, problem, "is outside any space");
        }
        feature = rk_feature_column((uint32_t)column, value);
        if (!add(&index, &feature, space, list, problem)) {
            return false;
        }
    }
    return true;
}

static bool holds_numbers(const struct json_node *array)
{
    struct json_node first;

    if (json_count(array) == 0) {
        return false;
    }
    json_element(array, 0, &first);
    return json_kind(&first) == JSON_NODE_NUMBER;
}

/*
 * Is an object of features the sparse form? Only numbers in its arrays make it so, or that there is
 * nothing else in it: names are free.
 */
static bool is_sparse(const struct json_node *node, struct json_node *indices,
                      struct json_node *values)
{
    if (!json_member(node, "indices", indices) || !json_member(node, "values", values) ||
        json_kind(indices) != JSON_NODE_ARRAY || json_kind(values) != JSON_NODE_ARRAY) {
        return false;
    }
    if (json_count(indices) == 0 && json_count(values) == 0) {
        return json_count(node) == 2;
    }
    return holds_numbers(indices) || holds_numbers(values);
}

static bool add_object(const struct json_node *node, enum rk_side side,
                       const struct rk_space *space, struct list *list, struct problem *problem)
{
    const size_t first = list->n_features;
    struct json_iterator iterator = {0};
    struct json_node member;

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
