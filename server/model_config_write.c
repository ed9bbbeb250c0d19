/*
 * What is asked of a configuration: its text, the grade of an event, and the table itself.
 */
#include "model_config_impl.h"

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
        emit_string(out, field->choices[model_field_choice(field, config)]);
        break;
    }
}

static void write_group(const struct model_config *config, const char *group, const char *name,
                        struct emit *out)
{
    const size_t n = strlen(group);

    emit_key(out, group);
    emit_open(out, '{');
    if (name != NULL) {
        emit_key(out, "name");
        emit_string(out, name);
    }
    for (size_t i = 0; i < model_n_fields; i++) {
        if (strncmp(model_fields[i].path, group, n) == 0 && model_fields[i].path[n] == '.' &&
            model_field_applies(&model_fields[i], config)) {
            emit_key(out, model_fields[i].path + n + 1);
            write_value(&model_fields[i], config, out);
        }
    }
    emit_close(out, '}');
}

void model_config_write(const struct model_config *config, struct emit *out)
{
    emit_open(out, '{');
    emit_key(out, "kind");
    emit_string(out, config->model.kind);
    for (size_t i = 0; i < model_n_fields; i++) {
        if (strchr(model_fields[i].path, '.') == NULL &&
            model_field_applies(&model_fields[i], config)) {
            emit_key(out, model_fields[i].path);
            write_value(&model_fields[i], config, out);
        }
    }
    write_group(config, "features", NULL, out);
    write_group(config, "loss", rk_loss_text(config->model.loss.name), out);
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

void model_config_markdown(struct emit *out)
{
    struct model_config defaults;

    emit_format(out, "| key | default | values | meaning |\n|---|---|---|---|\n");
    model_config_default(&defaults);
    for (size_t i = 0; i < model_n_fields; i++) {
        const struct model_field *field = &model_fields[i];
        emit_format(out, "| `%s` | ", field->path);
        if (model_field_applies(field, &defaults)) {
            out->comma = false;
            write_value(field, &defaults, out);
        }
        if (field->kind == FIELD_CHOICE) {
            emit_format(out, " | ");
            for (size_t c = 0; field->choices[c] != NULL; c++) {
                emit_format(out, "%s%s", c > 0 ? ", " : "", field->choices[c]);
            }
        } else if (field->kind == FIELD_BOOLEAN) {
            emit_format(out, " | true, false");
        } else {
            emit_format(out, " | %.10g to %.10g", field->min, field->max);
        }
        emit_format(out, " | %s |\n", field->help);
    }
    out->comma = false;
}
