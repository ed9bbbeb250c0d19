/*
 * The table of a model's configuration, for the files that read and write by it.
 *
 * A row names a member by its path ("loss.margin"), says where its value lies and what values it
 * takes, and when it applies: an option that the chosen kind, loss, optimizer or feature space does
 * not know is refused when given and left out when written.
 */
#ifndef RANKD_SERVER_MODEL_CONFIG_IMPL_H
#define RANKD_SERVER_MODEL_CONFIG_IMPL_H

#include "model_config.h"

#include <stddef.h>

enum model_field_kind {
    FIELD_BOOLEAN,
    FIELD_U32,
    FIELD_SIZE, /* a uint32_t that has no default: an indexed space needs it */
    FIELD_U64,
    FIELD_I64,
    FIELD_REAL,
    FIELD_CHOICE, /* an enum */
    FIELD_EITHER, /* a bool with a text for false and one for true */
    FIELD_NAME,   /* a text of at most MODEL_NAME_MAX bytes */
    FIELD_WIDTHS, /* widths of layers: model.hidden and model.n_hidden */
    FIELD_COLUMNS /* fields of columns: column_field */
};

struct model_field {
    const char *path; /* "member" or "object.member" */
    enum model_field_kind kind;
    size_t offset; /* in struct model_config */
    double min, max;
    const char *const *choices; /* texts of 0, 1, ...; NULL-terminated */
    bool (*applies)(const struct model_config *config, uint32_t of);
    uint32_t of; /* bits of the kinds, losses or optimizers it belongs to */
    const char *help;
};

extern const struct model_field model_fields[];
extern const size_t model_n_fields;

/* Configurations such that every row applies to one of them, the default first. */
extern const char *const model_examples[];
extern const size_t model_n_examples;

/* Does a row apply to a configuration, as its names are? */
bool model_field_applies(const struct model_field *field, const struct model_config *config);

/*
 * The row of a member that applies, group NULL: of the configuration itself. Where only rows that
 * do not apply have its name, NULL with *known set.
 */
const struct model_field *model_field_find(const char *group, const char *member,
                                           const struct model_config *config, bool *known);

/* The number of a choice's text. */
int model_field_choice(const struct model_field *field, const struct model_config *config);

/* Reads a row's value, which is not null. */
bool model_field_read(const struct model_field *field, const struct json_node *node,
                      struct model_config *config, struct problem *problem);

/* Is a row's value the same in both? Copies it. Not of texts and arrays. */
bool model_field_equal(const struct model_field *field, const struct model_config *a,
                       const struct model_config *b);
void model_field_copy(const struct model_field *field, struct model_config *to,
                      const struct model_config *from);

/* A number in [min, max]; -0 is 0. */
bool model_real_read(const struct json_node *node, double min, double max, double *value,
                     struct problem *problem);

/* The text of a member that names something; NULL where it is absent. */
bool model_name_member(const struct json_node *object, const char *member, struct json_node *node,
                       const char **text, struct problem *problem);

/* The members of an object by a group's rows; named: its "name" has been read before. */
bool model_members_read(const struct json_node *object, const char *group, bool named, bool lenient,
                        struct model_config *config, struct problem *problem);

/* Takes the loss that is named: it decides which options there are, and their defaults. */
bool model_loss_choose(const struct json_node *root, struct model_config *config,
                       struct problem *problem);

/* The options of the chosen loss. */
bool model_loss_read(const struct json_node *root, bool lenient, struct model_config *config,
                     struct problem *problem);

/* Is it a member of a configuration? */
bool model_member_known(const char *key);

/* What several members say together; root is where to point at. */
bool model_config_check(const struct json_node *root, const struct model_config *config,
                        struct problem *problem);

/* Puts labels into the table. @param null_removes  those that are null are taken out; else refused. */
bool model_labels_merge(const struct json_node *labels, bool null_removes,
                        struct model_config *config, struct problem *problem);

/* The table of labels. */
bool model_labels_read(const struct json_node *root, struct model_config *config,
                       struct problem *problem);

#endif
