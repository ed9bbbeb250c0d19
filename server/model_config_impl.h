/*
 * The table of a model's configuration, for the files that read and write by it.
 *
 * A row names a member by its path ("loss.margin"), says where its value lies and what values it
 * takes, and when it applies: an option that the chosen loss, optimizer or feature space does not
 * know is refused when given and left out when written.
 */
#ifndef RANKD_SERVER_MODEL_CONFIG_IMPL_H
#define RANKD_SERVER_MODEL_CONFIG_IMPL_H

#include "model_config.h"

#include <stddef.h>

#define MODEL_CONFIG_AT(member) offsetof(struct model_config, member)

enum model_field_kind {
    FIELD_BOOLEAN,
    FIELD_U32,
    FIELD_U64,
    FIELD_I64,
    FIELD_REAL,
    FIELD_CHOICE
};

/* When a row applies. */
enum model_field_when {
    ALWAYS,
    WHEN_HASHED,
    WHEN_INDEXED,
    WHEN_LOSS,
    WHEN_OPTIM
};

struct model_field {
    const char *path; /* "member" or "object.member" */
    enum model_field_kind kind;
    size_t offset; /* in struct model_config */
    double min, max;
    const char *const *choices; /* FIELD_CHOICE: texts of 0, 1, ...; NULL-terminated */
    enum model_field_when when;
    uint32_t of; /* WHEN_LOSS, WHEN_OPTIM: bits of the names it belongs to */
    const char *help;
};

extern const struct model_field model_fields[];
extern const size_t model_n_fields;

/* Does a row apply to a configuration, as its names are? */
bool model_field_applies(const struct model_field *field, const struct model_config *config);

/* The number of a FIELD_CHOICE's text. */
int model_field_choice(const struct model_field *field, const struct model_config *config);

#endif
