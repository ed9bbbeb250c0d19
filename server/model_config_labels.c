/*
 * The table of labels in a model's configuration: what an event is worth.
 */
#include "model_config_impl.h"

#include <string.h>

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

static void remove_label(struct model_config *config, const char *type)
{
    for (size_t i = 0; i < config->n_labels; i++) {
        if (strcmp(config->label[i].type, type) == 0) {
            config->n_labels--;
            memmove(&config->label[i], &config->label[i + 1],
                    (config->n_labels - i) * sizeof config->label[0]);
            return;
        }
    }
}

bool model_labels_merge(const struct json_node *labels, bool null_removes,
                        struct model_config *config, struct problem *problem)
{
    struct json_node member;
    struct json_iterator iterator = {0};

    if (!json_as_object(labels, problem)) {
        return false;
    }
    while (json_next(labels, &iterator, &member)) {
        const size_t n = strlen(member.key);
        double grade;
        remove_label(config, member.key);
        if (null_removes && json_kind(&member) == JSON_NODE_NULL) {
            continue;
        }
        if (config->n_labels == MODEL_LABELS_MAX || n == 0 || n > MODEL_TYPE_MAX) {
            return json_problem(&member, PROBLEM_LIMIT_EXCEEDED, problem,
                                "at most %d labels, their names 1 to %d bytes", MODEL_LABELS_MAX,
                                MODEL_TYPE_MAX);
        }
        if (!model_real_read(&member, 0, MODEL_GRADE_MAX, &grade, problem)) {
            return false;
        }
        insert_label(config, member.key, grade);
    }
    return true;
}

bool model_labels_read(const struct json_node *root, struct model_config *config,
                       struct problem *problem)
{
    struct json_node node;

    if (!json_member(root, "labels", &node)) {
        return true;
    }
    config->n_labels = 0;
    return model_labels_merge(&node, false, config, problem);
}

double model_config_grade(const struct model_config *config, const char *type, double value)
{
    for (size_t i = 0; i < config->n_labels; i++) {
        if (strcmp(config->label[i].type, type) == 0) {
            const double grade = config->label[i].grade * value;
            return grade < MODEL_GRADE_MAX ? grade : MODEL_GRADE_MAX;
        }
    }
    return -1;
}
