/*
 * A model's configuration as users write it (models.md): one table with key, kind, range and text
 * reads it, fills in defaults, writes it back, and prints itself into the README. The OpenAPI
 * document says the same by hand.
 */
#ifndef RANKD_SERVER_MODEL_CONFIG_H
#define RANKD_SERVER_MODEL_CONFIG_H

#include "emit.h"
#include "json.h"
#include "problem.h"

#include <rankd/model.h>
#include <stdbool.h>
#include <stdint.h>

#define MODEL_LABELS_MAX        64
#define MODEL_GRADE_MAX         31.0
#define MODEL_TYPE_MAX          64
#define MODEL_NAME_MAX          64
#define MODEL_FIELD_COLUMNS_MAX 65536 /* columns whose fields can be told */

/* What an event type is worth. */
struct model_label {
    char type[MODEL_TYPE_MAX + 1];
    double grade;
};

enum model_negatives {
    MODEL_NEGATIVES_SHOWN,
    MODEL_NEGATIVES_EXAMINED
};

/* Whose lists a model learns from. */
enum model_source {
    MODEL_SOURCE_OWN, /* rankings it served, and batches that name it */
    MODEL_SOURCE_ALL  /* those of all models whose features are hashed, its own among them */
};

struct model_training {
    bool enabled;
    enum model_source source;
    int64_t update_groups; /* lists per optimizer update */
    int64_t batch_groups;  /* lists per step at most */
    int64_t attribution_s; /* 0 = learn from a click at once */
    enum model_negatives negatives;
};

struct model_config {
    struct rk_model_config model;     /* its fields point to column_field: model_config_copy */
    bool mixed;                       /* the loss "joint": model.alpha mixes a click loss in */
    bool on_embeddings;               /* joint's n_pair looks at embeddings */
    char teacher[MODEL_NAME_MAX + 1]; /* distillation: the model that teaches; "" = batches do */
    struct model_label label[MODEL_LABELS_MAX];
    size_t n_labels;
    struct model_training training;
    size_t n_columns;                              /* whose fields are told */
    uint8_t column_field[MODEL_FIELD_COLUMNS_MAX]; /* (n_columns) ffm, deepfm on indexed spaces */
};

/** Is it a model's name: 1 to 64 of a-z, 0-9, _ and -? */
bool model_name_valid(const char *name);

/** Copies a configuration, whose inner pointers an assignment would leave in the old one. */
void model_config_copy(struct model_config *to, const struct model_config *from);

/**
 * Takes over what PATCH can change, and nothing else is written: labels, training and the learning
 * rate. @pre the rest is equal.
 */
void model_config_adopt(struct model_config *to, const struct model_config *from);

/**
 * Changes a configuration as another one was changed, wherever the two were alike before: each member
 * that PATCH can change, and the labels as one.
 */
void model_config_follow(struct model_config *config, const struct model_config *before,
                         const struct model_config *after);

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

/**
 * Changes a configuration by a JSON merge patch (RFC 7396) of `labels`, `training` and
 * `learning_rate` (or `optimizer.learning_rate`). Null takes a label out of the table; elsewhere it is
 * refused, as is every other member.
 *
 * @param config   in/out; undefined on false.
 * @param problem  with the place in the patch.
 */
bool model_config_patch(const char *text, size_t n, bool lenient, struct model_config *config,
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
