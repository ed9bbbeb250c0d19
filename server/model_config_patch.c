/*
 * Changing a configuration: by a patch, or as another one was changed. What decides about a model's shape, and about what its
 * parameters mean, is fixed when it is made.
 */
#include "model_config_impl.h"

#include <string.h>

#define PATCH_BUDGET ((size_t)16 << 20) /* as of a configuration */

/* A member that cannot be changed: one of a configuration, or of nothing. */
static bool refuse(const struct json_node *member, bool known, bool lenient,
                   struct problem *problem)
{
    if (known) {
        return json_problem(member, PROBLEM_INVALID_MODEL, problem,
                            "is fixed when a model is made: labels, training and learning_rate "
                            "can be changed");
    }
    return lenient || json_problem(member, PROBLEM_UNKNOWN_FIELD, problem, "is not known");
}

static bool read_rate(const struct json_node *node, struct model_config *config,
                      struct problem *problem)
{
    bool known;
    const struct model_field *field =
        model_field_find("optimizer", "learning_rate", config, &known);

    return model_field_read(field, node, config, problem);
}

static bool patch_optimizer(const struct json_node *node, bool lenient, struct model_config *config,
                            struct problem *problem)
{
    struct json_node member;
    struct json_iterator iterator = {0};
    bool known, read = json_as_object(node, problem);

    while (read && json_next(node, &iterator, &member)) {
        if (strcmp(member.key, "learning_rate") == 0) {
            read = read_rate(&member, config, problem);
        } else {
            (void)model_field_find("optimizer", member.key, config, &known);
            read = refuse(&member, known || strcmp(member.key, "name") == 0, lenient, problem);
        }
    }
    return read;
}

static bool patch_training(const struct json_node *node, bool lenient, struct model_config *config,
                           struct problem *problem)
{
    struct json_node member;
    struct json_iterator iterator = {0};

    if (!json_as_object(node, problem)) {
        return false;
    }
    while (json_next(node, &iterator, &member)) {
        if (json_kind(&member) == JSON_NODE_NULL) {
            return json_problem(&member, PROBLEM_VALIDATION_FAILED, problem, "needs a value");
        }
    }
    return model_members_read(node, "training", false, lenient, config, problem);
}

static bool patch_member(const struct json_node *member, bool lenient, struct model_config *config,
                         struct problem *problem)
{
    if (strcmp(member->key, "labels") == 0) {
        return model_labels_merge(member, true, config, problem);
    }
    if (strcmp(member->key, "training") == 0) {
        return patch_training(member, lenient, config, problem);
    }
    if (strcmp(member->key, "optimizer") == 0) {
        return patch_optimizer(member, lenient, config, problem);
    }
    if (strcmp(member->key, "learning_rate") == 0) {
        return read_rate(member, config, problem);
    }
    return refuse(member, model_member_known(member->key), lenient, problem);
}

/* The learning rate has two names; given by both it would depend on their order. */
static bool check_rates(const struct json_node *root, struct problem *problem)
{
    struct json_node optimizer, rate;

    return !json_member(root, "optimizer", &optimizer) ||
           json_kind(&optimizer) != JSON_NODE_OBJECT ||
           !json_member(&optimizer, "learning_rate", &rate) ||
           !json_member(root, "learning_rate", &rate) ||
           json_problem(&rate, PROBLEM_VALIDATION_FAILED, problem,
                        "is given in optimizer too: once is enough");
}

bool model_config_patch(const char *text, size_t n, bool lenient, struct model_config *config,
                        struct problem *problem)
{
    struct json_document document = {0};
    struct json_node root, member;
    struct json_iterator iterator = {0};
    bool read = json_parse(text, n, PATCH_BUDGET, &document, &root, problem) &&
                json_as_object(&root, problem) && check_rates(&root, problem);

    while (read && json_next(&root, &iterator, &member)) {
        read = patch_member(&member, lenient, config, problem);
    }
    read = read && model_config_check(&root, config, problem);
    json_close(&document);
    return read;
}

static bool labels_equal(const struct model_config *a, const struct model_config *b)
{
    bool equal = a->n_labels == b->n_labels;

    for (size_t i = 0; i < a->n_labels && equal; i++) {
        equal = strcmp(a->label[i].type, b->label[i].type) == 0 &&
                a->label[i].grade == b->label[i].grade;
    }
    return equal;
}

void model_config_follow(struct model_config *config, const struct model_config *before,
                         const struct model_config *after)
{
    if (labels_equal(config, before)) {
        memcpy(config->label, after->label, sizeof config->label);
        config->n_labels = after->n_labels;
    }
    for (size_t i = 0; i < model_n_fields; i++) {
        const struct model_field *field = &model_fields[i];
        if ((strncmp(field->path, "training.", strlen("training.")) == 0 ||
             strcmp(field->path, "optimizer.learning_rate") == 0) &&
            model_field_equal(field, config, before)) {
            model_field_copy(field, config, after);
        }
    }
}
