/*
 * A model's configuration as users write it (models.md): one table with key, kind, range and text
 * reads it, fills in defaults, writes it back, and prints itself into the README and the OpenAPI
 * document.
 */
#ifndef RANKD_SERVER_MODEL_CONFIG_H
#define RANKD_SERVER_MODEL_CONFIG_H

#include "emit.h"
#include "json.h"
#include "problem.h"

#include <rankd/model.h>
#include <stdbool.h>
#include <stdint.h>

#define MODEL_LABELS_MAX 64
#define MODEL_GRADE_MAX  31.0
#define MODEL_TYPE_MAX   64

/* What an event type is worth. */
struct model_label {
    char type[MODEL_TYPE_MAX + 1];
    double grade;
};

enum model_negatives {
    MODEL_NEGATIVES_SHOWN,
    MODEL_NEGATIVES_EXAMINED
};

struct model_training {
    bool enabled;
    int64_t update_groups; /* lists per optimizer update */
    int64_t batch_groups;  /* lists per step at most */
    int64_t attribution_s; /* 0 = learn from a click at once */
    enum model_negatives negatives;
};

struct model_config {
    struct rk_model_config model;
    struct model_label label[MODEL_LABELS_MAX];
    size_t n_labels;
    struct model_training training;
};

/** The configuration of kind fm with all defaults: what an empty database is given as `default`. */
void model_config_default(struct model_config *config);

/**
 * Reads a configuration and fills in defaults.
 *
 * @param node     the object; unknown members are refused unless lenient.
 * @param problem  PROBLEM_INVALID_MODEL and friends with the place.
 */
bool model_config_read(const struct json_node *node, bool lenient, struct model_config *config,
                       struct problem *problem);

/** Reads what model_config_write wrote, from text. */
bool model_config_parse(const char *text, size_t n, struct model_config *config,
                        struct problem *problem);

/**
 * Writes it with all defaults filled in, in the table's order: equal configurations give equal
 * text.
 */
void model_config_write(const struct model_config *config, struct emit *out);

/**
 * The grade of an event: min(31, labels[type] * value); negative for a type that is not in the
 * table.
 */
double model_config_grade(const struct model_config *config, const char *type, double value);

/** Prints the table as Markdown for the README. */
void model_config_markdown(struct emit *out);

#endif
