/*
 * Reading features: an object of names, a dense array, or {"indices", "values"}.
 */
#include "grow.h"
#include "list.h"

#include <stdlib.h>
#include <string.h>

/* Where features go, and by what rules. */
struct target {
    enum rk_side side;
    const struct rk_space *space;
    struct list *list;
};

/* Where the next feature of the list goes; NULL: there is no memory for it. */
static inline struct rk_feature *next(struct pull *pull, const struct target *to)
{
    struct list *list = to->list;

    if (list->n_features == list->cap_features &&
        !grow_reserve(&list->feature, &list->cap_features, list->n_features + 1)) {
        (void)pull_problem(pull, PROBLEM_OUT_OF_MEMORY, "no memory for %zu features",
                           list->n_features + 1);
        return NULL;
    }
    return &list->feature[list->n_features];
}

/* Does the space take a feature? */
static bool fits(struct pull *pull, const struct rk_space *space, const struct rk_feature *feature)
{
    struct rk_error err = {0};
    uint32_t row;
    enum rk_status status;

    if (space->kind == RK_INDEXED && feature->kind == RK_CATEGORY) {
        return pull_problem(pull, PROBLEM_VALIDATION_FAILED,
                            "a column of this model takes a number");
    }
    status = rk_space_row(space, feature, &row, &err);
    return status == RK_OK ||
           pull_problem(pull,
                        status == RK_MISMATCH ? PROBLEM_INDEX_OUTSIDE : PROBLEM_VALIDATION_FAILED,
                        "%s", err.text);
}

/* The next feature is there: it counts if the space takes it. */
static inline bool add(struct pull *pull, const struct target *to)
{
    struct list *list = to->list;

    if (to->space != NULL && !fits(pull, to->space, &list->feature[list->n_features])) {
        return false;
    }
    list->n_features++;
    return true;
}

/* One text under a name. */
static bool add_category(struct pull *pull, const struct target *to, struct rk_name name,
                         struct span text, float weight)
{
    struct rk_feature *feature = next(pull, to);

    if (feature == NULL) {
        return false;
    }
    *feature = rk_name_category(name, text.at, text.n, weight);
    return add(pull, to);
}

static bool add_column(struct pull *pull, const struct target *to, uint32_t column, float value)
{
    struct rk_feature *feature = next(pull, to);

    if (feature == NULL) {
        return false;
    }
    *feature = rk_feature_column(column, value);
    return add(pull, to);
}

static bool read_value(struct pull *pull, float *value)
{
    double number;

    if (!pull_number(pull, -JSON_NUMBER_MAX, JSON_NUMBER_MAX, &number)) {
        return false;
    }
    *value = (float)number;
    return true;
}

/* ---- by name ---- */

/*
 * A key that was given empty still takes the place of the stored one: a feature of weight 0, which
 * no model sees, stands for it.
 */
static bool mark_empty(struct pull *pull, const struct target *to, struct rk_name name,
                       size_t n_before)
{
    return pull_good(pull) && (to->list->n_features > n_before ||
                               add_category(pull, to, name, (struct span){"", 0}, 0.0F));
}

/* ["new", "sale"]: multi-hot. */
static bool add_texts(struct pull *pull, const struct target *to, struct rk_name name)
{
    const size_t n_before = to->list->n_features;

    if (!pull_array(pull)) {
        return false;
    }
    while (pull_element(pull)) {
        struct span text;
        if (!pull_span(pull, 0, LIST_TEXT_MAX, &text) ||
            !add_category(pull, to, name, text, 1.0F)) {
            return false;
        }
    }
    return mark_empty(pull, to, name, n_before);
}

/* {"jazz": 0.7, "rock": 0.3}: weighted multi-hot. */
static bool add_weighted(struct pull *pull, const struct target *to, struct rk_name name)
{
    const size_t n_before = to->list->n_features;
    struct span text;

    if (!pull_object(pull)) {
        return false;
    }
    while (pull_member(pull, &text)) {
        float value;
        if (pull_null(pull)) {
            continue;
        }
        if (text.n > LIST_TEXT_MAX) {
            return pull_problem_around(pull, PROBLEM_LIMIT_EXCEEDED,
                                       "has a key of more than %d bytes", LIST_TEXT_MAX);
        }
        if (!read_value(pull, &value) || !add_category(pull, to, name, text, value)) {
            return false;
        }
    }
    return mark_empty(pull, to, name, n_before);
}

/*
 * The name of a key. Entities that follow each other have the same keys, which the reader then gives
 * from the same place in the text: so each is hashed once.
 */
static struct rk_name name_of(const struct target *to, const struct span *key)
{
    struct list_name *kept = &to->list->name[((uintptr_t)key->at >> 2) % LIST_NAMES];

    if (kept->at != key->at) {
        *kept = (struct list_name){key->at, rk_name(to->side, key->at, key->n)};
    }
    return kept->name;
}

/* One number under a name. */
static bool add_number(struct pull *pull, const struct target *to, struct rk_name name)
{
    struct rk_feature *feature = next(pull, to);
    float value;

    if (feature == NULL || !read_value(pull, &value)) {
        return false;
    }
    *feature = rk_name_number(name, value);
    return add(pull, to);
}

static bool add_flag(struct pull *pull, const struct target *to, struct rk_name name)
{
    struct rk_feature *feature = next(pull, to);
    bool flag;

    if (feature == NULL || !pull_boolean(pull, &flag)) {
        return false;
    }
    *feature = rk_name_flag(name, flag ? 1.0F : 0.0F);
    return add(pull, to);
}

/* One member of a feature object, whatever kind of value it has. */
static bool add_named(struct pull *pull, const struct target *to, const struct span *key)
{
    struct rk_name name;
    struct span text;

    if (key->n < 1 || key->n > LIST_NAME_MAX) {
        return pull_problem_around(pull,
                                   key->n < 1 ? PROBLEM_VALIDATION_FAILED : PROBLEM_LIMIT_EXCEEDED,
                                   "has a feature name that is not 1 to %d bytes", LIST_NAME_MAX);
    }
    name = name_of(to, key);
    switch (pull_kind(pull)) {
    case JSON_NODE_NULL:
        return pull_null(pull);
    case JSON_NODE_BOOLEAN:
        return add_flag(pull, to, name);
    case JSON_NODE_NUMBER:
        return add_number(pull, to, name);
    case JSON_NODE_STRING:
        return pull_span(pull, 0, LIST_TEXT_MAX, &text) && add_category(pull, to, name, text, 1.0F);
    case JSON_NODE_ARRAY:
        return add_texts(pull, to, name);
    case JSON_NODE_OBJECT:
        return add_weighted(pull, to, name);
    }
    return false;
}

static bool add_object(struct pull *pull, const struct target *to)
{
    const size_t first = to->list->n_features;
    struct span name;

    if (!pull_object(pull)) {
        return false;
    }
    while (pull_member(pull, &name)) {
        if (!add_named(pull, to, &name)) {
            return false;
        }
        if (to->list->n_features - first > LIST_FEATURES_MAX) {
            return pull_problem_around(pull, PROBLEM_LIMIT_EXCEEDED, "has more than %d features",
                                       LIST_FEATURES_MAX);
        }
    }
    return pull_good(pull);
}

/* ---- columns ---- */

static bool too_many_columns(struct pull *pull)
{
    return pull_problem_around(pull, PROBLEM_LIMIT_EXCEEDED, "has more than %d columns",
                               LIST_COLUMNS_MAX);
}

/* [0.1, 0.2]: columns 0, 1, ... */
static bool add_dense(struct pull *pull, const struct target *to)
{
    if (!pull_array(pull)) {
        return false;
    }
    for (uint32_t column = 0; pull_element(pull); column++) {
        float value;
        if (column == LIST_COLUMNS_MAX) {
            return too_many_columns(pull);
        }
        if (!read_value(pull, &value) || !add_column(pull, to, column, value)) {
            return false;
        }
    }
    return pull_good(pull);
}

/* The two arrays of the sparse form, each with a reader of its own. */
struct sparse {
    struct pull indices, values;
    bool has_indices, has_values;
    bool has_numbers; /* one of them begins with one */
    bool has_more;    /* than nothing in them, or than them */
};

static void look_at_array(struct pull *pull, struct sparse *sparse)
{
    struct problem problem = {0};
    struct pull look = *pull;

    look.problem = &problem;
    if (pull_array(&look) && pull_element(&look)) {
        sparse->has_more = true;
        sparse->has_numbers = sparse->has_numbers || pull_kind(&look) == JSON_NODE_NUMBER;
    }
}

static const char *const sparse_members[] = {"indices", "values", NULL};

/*
 * Is an object of features, which begins as one could, the sparse form? Only numbers in its arrays
 * make it so, or that there is nothing else in it: names are free. What is wrong in it is found by
 * who reads it then.
 */
static bool is_sparse(const struct pull *pull, struct sparse *sparse)
{
    struct problem problem = {0};
    struct pull look = *pull;
    struct span key;
    bool good = true;

    look.problem = &problem;
    *sparse = (struct sparse){0};
    (void)pull_object(&look);
    while (good && pull_member(&look, &key)) {
        const size_t which = pull_which(key, sparse_members);
        const bool array = pull_kind(&look) == JSON_NODE_ARRAY;
        if (sparse_members[which] != NULL && array) {
            *(which == 0 ? &sparse->indices : &sparse->values) = look;
            *(which == 0 ? &sparse->has_indices : &sparse->has_values) = true;
            look_at_array(&look, sparse);
        } else {
            sparse->has_more = true;
        }
        good = pull_skip(&look);
    }
    return good && sparse->has_indices && sparse->has_values &&
           (sparse->has_numbers || !sparse->has_more);
}

/* Both arrays side by side. */
static bool add_pairs(struct sparse *sparse, const struct target *to)
{
    struct pull *indices = &sparse->indices, *values = &sparse->values;
    size_t n = 0;

    if (!pull_array(indices) || !pull_array(values)) {
        return false;
    }
    for (; pull_element(indices); n++) {
        int64_t column;
        float value;
        if (n == LIST_COLUMNS_MAX) {
            return too_many_columns(indices);
        }
        if (!pull_element(values)) {
            return pull_problem(values, PROBLEM_VALIDATION_FAILED, "must be as long as indices");
        }
        if (!pull_integer(indices, INT64_MIN, INT64_MAX, &column) || !read_value(values, &value)) {
            return false;
        }
        if (column < 0 || column >= RK_SIZE_MAX) {
            return pull_problem(indices, PROBLEM_INDEX_OUTSIDE, "is outside any space");
        }
        if (!add_column(indices, to, (uint32_t)column, value)) {
            return false;
        }
    }
    return pull_good(indices) &&
           (!pull_element(values) ||
            pull_problem_around(values, PROBLEM_VALIDATION_FAILED, "must be as long as indices"));
}

/* {"indices": [..], "values": [..]}. */
static bool add_sparse(struct pull *pull, struct sparse *sparse, const struct target *to)
{
    struct span key;

    (void)pull_object(pull);
    while (pull_member(pull, &key)) {
        if (!(sparse_members[pull_which(key, sparse_members)] != NULL
                  ? pull_skip(pull)
                  : pull_unknown(pull, false))) {
            return false;
        }
    }
    sparse->indices.problem = sparse->values.problem = pull->problem;
    return add_pairs(sparse, to);
}

/* One that may be sparse. */
static bool add_either(struct pull *pull, const struct target *to)
{
    struct sparse sparse;

    return is_sparse(pull, &sparse) ? add_sparse(pull, &sparse, to) : add_object(pull, to);
}

bool list_read_features(struct pull *pull, enum rk_side side, const struct rk_space *space,
                        struct list *list, struct list_entity *entity)
{
    const struct target to = {side, space, list};
    bool read;

    entity->first = list->n_features;
    if (pull_kind(pull) == JSON_NODE_ARRAY) {
        read = add_dense(pull, &to);
    } else {
        read =
            pull_begins_with(pull, sparse_members) ? add_either(pull, &to) : add_object(pull, &to);
    }
    entity->n = list->n_features - entity->first;
    return read;
}
