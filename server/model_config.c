/*
 * Reading a model's configuration by its table.
 */
#include "model_config_impl.h"

#include <stdlib.h>
#include <string.h>

#define ATTRIBUTION_POINTWISE_S 600
#define CONFIG_BUDGET           ((size_t)1 << 20)

static const char *const top_members[] = {"kind",      "features", "dim",    "use_ids",  "loss",
                                          "optimizer", "init",     "labels", "training", NULL};
static const char *const groups[] = {"features", "loss", "optimizer", "init", "training"};

static void *place_of(const struct model_field *field, struct model_config *config)
{
    return (char *)config + field->offset;
}

/* A choice lies in an enum, or in the bool `standardize`: both hold 0, 1, ... */
static void set_choice(const struct model_field *field, struct model_config *config, int choice)
{
    if (field->offset == MODEL_CONFIG_AT(model.standardize)) {
        config->model.standardize = choice != 0;
    } else {
        memcpy(place_of(field, config), &choice, sizeof choice);
    }
}

static bool read_choice(const struct model_field *field, const struct json_node *node,
                        struct model_config *config, struct problem *problem)
{
    const char *text;
    size_t n;

    if (!json_as_string(node, 1, 64, &text, &n, problem)) {
        return false;
    }
    for (int i = 0; field->choices[i] != NULL; i++) {
        if (strcmp(field->choices[i], text) == 0) {
            set_choice(field, config, i);
            return true;
        }
    }
    return json_problem(node, PROBLEM_INVALID_MODEL, problem, "must be \"%s\"%s%s%s and the like",
                        field->choices[0], field->choices[1] != NULL ? " or \"" : "",
                        field->choices[1] != NULL ? field->choices[1] : "",
                        field->choices[1] != NULL ? "\"" : "");
}

static bool read_value(const struct model_field *field, const struct json_node *node,
                       struct model_config *config, struct problem *problem)
{
    void *place = place_of(field, config);
    int64_t integer;

    switch (field->kind) {
    case FIELD_BOOLEAN:
        return json_as_boolean(node, place, problem);
    case FIELD_REAL:
        return json_as_number(node, field->min, field->max, place, problem);
    case FIELD_CHOICE:
        return read_choice(field, node, config, problem);
    case FIELD_U32:
    case FIELD_U64:
    case FIELD_I64:
        break;
    }
    if (!json_as_integer(node, (int64_t)field->min, (int64_t)field->max, &integer, problem)) {
        return false;
    }
    if (field->kind == FIELD_U32) {
        *(uint32_t *)place = (uint32_t)integer;
    } else {
        memcpy(place, &integer, sizeof integer); /* int64_t or uint64_t */
    }
    return true;
}

/* The row of a member that applies; if only rows that do not apply have its name, *known is set. */
static const struct model_field *field_find(const char *group, const char *member,
                                            const struct model_config *config, bool *known)
{
    const size_t n = group != NULL ? strlen(group) : 0;

    *known = false;
    for (size_t i = 0; i < model_n_fields; i++) {
        const char *path = model_fields[i].path;
        const bool same = group == NULL ? strcmp(path, member) == 0
                                        : strncmp(path, group, n) == 0 && path[n] == '.' &&
                                              strcmp(path + n + 1, member) == 0;
        if (same && model_field_applies(&model_fields[i], config)) {
            return &model_fields[i];
        }
        *known = *known || same;
    }
    return NULL;
}

static bool read_member(const char *group, const struct json_node *node, bool lenient,
                        struct model_config *config, struct problem *problem)
{
    bool known;
    const struct model_field *field = field_find(group, node->key, config, &known);

    if (json_kind(node) == JSON_NODE_NULL) {
        return true;
    }
    if (field != NULL) {
        return read_value(field, node, config, problem);
    }
    if (known) {
        return json_problem(node, PROBLEM_INVALID_MODEL, problem,
                            "does not go with the chosen loss, optimizer or feature space");
    }
    return lenient || json_problem(node, PROBLEM_UNKNOWN_FIELD, problem, "is not known");
}

/*
 * All members of one object of the configuration; `name` inside loss and optimizer is read before.
 */
static bool read_group(const struct json_node *root, const char *group, bool lenient,
                       struct model_config *config, struct problem *problem)
{
    struct json_node node, member;
    struct json_iterator iterator = {0};

    if (!json_member(root, group, &node)) {
        return true;
    }
    if (!json_as_object(&node, problem)) {
        return false;
    }
    while (json_next(&node, &iterator, &member)) {
        if (strcmp(member.key, "name") == 0 &&
            (strcmp(group, "loss") == 0 || strcmp(group, "optimizer") == 0)) {
            continue;
        }
        if (!read_member(group, &member, lenient, config, problem)) {
            return false;
        }
    }
    return true;
}

/* The text of root.group.member, or NULL when it is absent. */
static bool read_name(const struct json_node *root, const char *group, const char *member,
                      struct json_node *node, const char **name, struct problem *problem)
{
    struct json_node object = {0};
    size_t n;

    *name = NULL;
    if (group != NULL && !json_member(root, group, &object)) {
        return true;
    }
    if (group != NULL && !json_as_object(&object, problem)) {
        return false;
    }
    if (!json_member(group != NULL ? &object : root, member, node)) {
        return true;
    }
    if (!json_as_string(node, 1, 64, name, &n, problem)) {
        return false;
    }
    node->parent = NULL; /* `object` ends here; the name alone is enough of a place */
    return true;
}

static bool read_kind(const struct json_node *root, struct model_config *config,
                      struct problem *problem)
{
    struct json_node node;
    const char *name;
    struct rk_error err = {0};

    model_config_default(config);
    if (!read_name(root, NULL, "kind", &node, &name, problem)) {
        return false;
    }
    if (name == NULL) {
        return json_problem(root, PROBLEM_INVALID_MODEL, problem, "a model needs a kind");
    }
    if (rk_model_default(name, &config->model, &err) != RK_OK) {
        return json_problem(&node, PROBLEM_INVALID_MODEL, problem, "%s", err.text);
    }
    return true;
}

/*
 * Loss, optimizer and space decide which other members there are, and their defaults: they are read
 * first.
 */
static bool read_names(const struct json_node *root, struct model_config *config,
                       struct problem *problem)
{
    struct json_node node;
    const char *name;
    struct rk_error err = {0};
    static const struct model_field *const space = &model_fields[0];

    if (!read_name(root, "loss", "name", &node, &name, problem)) {
        return false;
    }
    if (name != NULL && rk_loss_default(name, &config->model.loss, &err) != RK_OK) {
        return json_problem(&node, PROBLEM_INVALID_MODEL, problem, "there is no loss of this name");
    }
    if (rk_loss_needs_teacher(&config->model.loss)) {
        return json_problem(
            &node, PROBLEM_INVALID_MODEL, problem,
            "a distillation loss needs a teacher, which this version does not take");
    }
    if (!read_name(root, "optimizer", "name", &node, &name, problem)) {
        return false;
    }
    if (name != NULL && rk_optim_default(name, &config->model.optim, &err) != RK_OK) {
        return json_problem(&node, PROBLEM_INVALID_MODEL, problem,
                            "there is no optimizer of this name");
    }
    if (!read_name(root, "features", "space", &node, &name, problem) ||
        (name != NULL && !read_choice(space, &node, config, problem))) {
        return false;
    }
    if (config->model.features.kind == RK_INDEXED) {
        config->model.use_ids = false;
        config->model.standardize = false;
    }
    if (config->model.loss.name == RK_BCE_WITH_LOGITS) {
        config->training.attribution_s = ATTRIBUTION_POINTWISE_S;
    }
    return true;
}

/* Labels are kept in order of their types, so that equal tables are written equally. */
static void insert_label(struct model_config *config, const char *type, double grade)
{
    size_t i = config->n_labels++;

    for (; i > 0 && strcmp(config->label[i - 1].type, type) > 0; i--) {
        config->label[i] = config->label[i - 1];
    }
    memcpy(config->label[i].type, type, strlen(type) + 1);
    config->label[i].grade = grade;
}

static bool read_labels(const struct json_node *root, struct model_config *config,
                        struct problem *problem)
{
    struct json_node node, member;
    struct json_iterator iterator = {0};

    if (!json_member(root, "labels", &node)) {
        return true;
    }
    if (!json_as_object(&node, problem)) {
        return false;
    }
    config->n_labels = 0;
    while (json_next(&node, &iterator, &member)) {
        const size_t n = strlen(member.key);
        double grade;
        if (config->n_labels == MODEL_LABELS_MAX || n == 0 || n > MODEL_TYPE_MAX) {
            return json_problem(&member, PROBLEM_LIMIT_EXCEEDED, problem,
                                "at most %d labels, their names 1 to %d bytes", MODEL_LABELS_MAX,
                                MODEL_TYPE_MAX);
        }
        if (!json_as_number(&member, 0, MODEL_GRADE_MAX, &grade, problem)) {
            return false;
        }
        insert_label(config, member.key, grade);
    }
    return true;
}

void model_config_default(struct model_config *config)
{
    *config = (struct model_config){
        .label = {{.type = "click", .grade = 1}},
        .n_labels = 1,
        .training = {.enabled = true, .update_groups = 1, .batch_groups = 64},
    };
    if (rk_model_default("fm", &config->model, NULL) != RK_OK) {
        abort(); /* the library always has fm */
    }
}

bool model_config_read(const struct json_node *node, bool lenient, struct model_config *config,
                       struct problem *problem)
{
    struct json_node member;
    struct json_iterator iterator = {0};

    if (!json_as_object(node, problem) || !json_only(node, top_members, lenient, problem) ||
        !read_kind(node, config, problem) || !read_names(node, config, problem)) {
        return false;
    }
    while (json_next(node, &iterator, &member)) {
        bool known;
        if (field_find(NULL, member.key, config, &known) != NULL || known) {
            if (!read_member(NULL, &member, lenient, config, problem)) {
                return false;
            }
        }
    }
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if (!read_group(node, groups[i], lenient, config, problem)) {
            return false;
        }
    }
    if (config->model.features.kind == RK_INDEXED && config->model.features.size == 0) {
        return json_problem(node, PROBLEM_INVALID_MODEL, problem,
                            "an indexed space needs features.size");
    }
    return read_labels(node, config, problem);
}

bool model_config_parse(const char *text, size_t n, struct model_config *config,
                        struct problem *problem)
{
    struct json_document document = {0};
    struct json_node root;
    bool read = json_parse(text, n, CONFIG_BUDGET, &document, &root, problem) &&
                model_config_read(&root, false, config, problem);

    json_close(&document);
    return read;
}
