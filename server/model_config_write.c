/*
 * Writing a model's configuration by its table: as JSON, and the table itself as Markdown.
 */
#include "model_config_impl.h"

#include <stdlib.h>
#include <string.h>

static void write_value(const struct model_field *field, const struct model_config *config,
                        struct emit *out)
{
    const char *place = (const char *)config + field->offset;

    switch (field->kind) {
    case FIELD_BOOLEAN:
        emit_boolean(out, *(const bool *)place);
        break;
    case FIELD_U32:
    case FIELD_SIZE:
        emit_integer(out, *(const uint32_t *)(const void *)place);
        break;
    case FIELD_U64:
    case FIELD_I64:
        emit_integer(out, *(const int64_t *)(const void *)place);
        break;
    case FIELD_REAL:
        emit_double(out, *(const double *)(const void *)place);
        break;
    case FIELD_CHOICE:
    case FIELD_EITHER:
        emit_string(out, field->choices[model_field_choice(field, config)]);
        break;
    case FIELD_NAME:
        emit_string(out, *place != '\0' ? place : NULL);
        break;
    case FIELD_WIDTHS:
        emit_open(out, '[');
        for (uint32_t l = 0; l < config->model.n_hidden; l++) {
            emit_integer(out, config->model.hidden[l]);
        }
        emit_close(out, ']');
        break;
    case FIELD_COLUMNS:
        emit_open(out, '[');
        for (size_t c = 0; c < config->n_columns; c++) {
            emit_integer(out, config->column_field[c]);
        }
        emit_close(out, ']');
        break;
    }
}

/* Is it a row of the group (NULL: of the configuration itself) that applies? */
static bool is_of(const struct model_field *field, const char *group,
                  const struct model_config *config)
{
    const size_t n = group != NULL ? strlen(group) : 0;
    const bool of = group == NULL ? strchr(field->path, '.') == NULL
                                  : strncmp(field->path, group, n) == 0 && field->path[n] == '.';

    return of && model_field_applies(field, config);
}

static void write_members(const struct model_config *config, const char *group, struct emit *out)
{
    for (size_t i = 0; i < model_n_fields; i++) {
        if (is_of(&model_fields[i], group, config)) {
            emit_key(out, model_fields[i].path + (group != NULL ? strlen(group) + 1 : 0));
            write_value(&model_fields[i], config, out);
        }
    }
}

static bool has_members(const struct model_config *config, const char *group)
{
    for (size_t i = 0; i < model_n_fields; i++) {
        if (is_of(&model_fields[i], group, config)) {
            return true;
        }
    }
    return false;
}

/* An object; not at all where it would be empty. */
static void write_group(const struct model_config *config, const char *group, const char *name,
                        struct emit *out)
{
    if (name == NULL && !has_members(config, group)) {
        return;
    }
    emit_key(out, group);
    emit_open(out, '{');
    if (name != NULL) {
        emit_key(out, "name");
        emit_string(out, name);
    }
    write_members(config, group, out);
    emit_close(out, '}');
}

/* The loss; the one named "joint" holds another with its options. */
static void write_loss(const struct model_config *config, struct emit *out)
{
    const char *name = rk_loss_text(config->model.loss.name);

    if (!config->mixed) {
        write_group(config, "loss", config->model.embedding_loss == RK_TRIPLET ? "triplet" : name,
                    out);
        return;
    }
    emit_key(out, "loss");
    emit_open(out, '{');
    emit_key(out, "name");
    emit_string(out, "joint");
    emit_key(out, "alpha");
    emit_double(out, config->model.alpha);
    emit_key(out, "rank");
    emit_string(out, name);
    emit_key(out, "rank_params");
    emit_open(out, '{');
    write_members(config, "loss", out);
    emit_close(out, '}');
    emit_close(out, '}');
}

void model_config_write(const struct model_config *config, struct emit *out)
{
    emit_open(out, '{');
    emit_key(out, "kind");
    emit_string(out, config->model.kind);
    write_group(config, "features", NULL, out);
    write_members(config, NULL, out);
    write_group(config, "users", NULL, out);
    write_group(config, "items", NULL, out);
    write_loss(config, out);
    write_group(config, "optimizer", rk_optim_text(config->model.optim.name), out);
    write_group(config, "init", NULL, out);
    emit_key(out, "labels");
    emit_open(out, '{');
    for (size_t i = 0; i < config->n_labels; i++) {
        emit_key(out, config->label[i].type);
        emit_double(out, config->label[i].grade);
    }
    emit_close(out, '}');
    write_group(config, "training", NULL, out);
    emit_close(out, '}');
}

/* ---- the table ---- */

/* The default of a row, from the first example it applies to. */
static void write_default(const struct model_field *field, struct emit *out)
{
    struct model_config config;
    struct problem problem;
    size_t i = 0;

    if (field->kind == FIELD_SIZE || field->kind == FIELD_COLUMNS) {
        emit_format(out, "needed");
        return;
    }
    do {
        if (!model_config_parse(model_examples[i], strlen(model_examples[i]), &config, &problem)) {
            abort(); /* the examples are good */
        }
    } while (!model_field_applies(field, &config) && ++i < model_n_examples);
    out->comma = false;
    write_value(field, &config, out);
}

static void write_choices(const char *const *choices, struct emit *out)
{
    for (size_t c = 0; choices[c] != NULL; c++) {
        emit_format(out, "%s%s", c > 0 ? ", " : "", choices[c]);
    }
}

static void write_range(const struct model_field *field, struct emit *out)
{
    switch (field->kind) {
    case FIELD_CHOICE:
    case FIELD_EITHER:
        write_choices(field->choices, out);
        break;
    case FIELD_BOOLEAN:
        emit_format(out, "true, false");
        break;
    case FIELD_NAME:
        emit_format(out, "a model's name");
        break;
    default:
        out->comma = false;
        emit_double(out, field->min);
        emit_format(out, " to ");
        emit_double(out, field->max);
    }
}

/* What is not in the table: names, and what does not have one value. */
static void write_names(struct emit *out)
{
    emit_format(out, "| `kind` | needed | fm, ffm, deepfm, joint | factorization machine, "
                     "field-aware, with an MLP, clicks and ranking |\n"
                     "| `labels` | {\"click\":1} | 0 to 31 | what an event of a type is worth |\n"
                     "| `loss.name` | \"pairwise_logistic\" | ");
    for (int i = 0; i < RK_N_LOSSES; i++) {
        emit_format(out, "%s, ", rk_loss_text((enum rk_loss_name)i));
    }
    emit_format(out,
                "triplet, joint | the loss; triplet is for the kind joint, joint for the "
                "others |\n"
                "| `loss.alpha` | %g | 0 to 1 | joint: alpha ranking loss + (1 - alpha) "
                "bce_with_logits |\n"
                "| `loss.rank` | \"pairwise_logistic\" | as `loss.name` | joint: the ranking "
                "loss |\n"
                "| `loss.rank_params` |  | an object | joint: the ranking loss's options |\n"
                "| `optimizer.name` | \"adagrad\" | ",
                RK_ALPHA_DEFAULT);
    for (int i = 0; i < RK_N_OPTIMS; i++) {
        emit_format(out, "%s%s", i > 0 ? ", " : "", rk_optim_text((enum rk_optim_name)i));
    }
    emit_format(out, " | the optimizer |\n");
}

void model_config_markdown(struct emit *out)
{
    emit_format(out, "| key | default | values | meaning |\n|---|---|---|---|\n");
    write_names(out);
    for (size_t i = 0; i < model_n_fields; i++) {
        emit_format(out, "| `%s` | ", model_fields[i].path);
        write_default(&model_fields[i], out);
        emit_format(out, " | ");
        write_range(&model_fields[i], out);
        emit_format(out, " | %s |\n", model_fields[i].help);
    }
    out->comma = false;
}
