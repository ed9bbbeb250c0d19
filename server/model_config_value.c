/*
 * One value of a model's configuration, by the kind of its row: reading, comparing, copying.
 */
#include "model_config_impl.h"

#include <stdio.h>
#include <string.h>

static void *place_of(const struct model_field *field, struct model_config *config)
{
    return (char *)config + field->offset;
}

static void set_choice(const struct model_field *field, struct model_config *config, int choice)
{
    if (field->kind == FIELD_EITHER) {
        *(bool *)place_of(field, config) = choice != 0;
    } else {
        memcpy(place_of(field, config), &choice, sizeof choice);
    }
}

static bool read_choice(const struct model_field *field, const struct json_node *node,
                        struct model_config *config, struct problem *problem)
{
    char all[128] = "";
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
    for (int i = 0; field->choices[i] != NULL; i++) {
        const size_t used = strlen(all);
        (void)snprintf(all + used, sizeof all - used, "%s\"%s\"", i > 0 ? ", " : "",
                       field->choices[i]);
    }
    return json_problem(node, PROBLEM_INVALID_MODEL, problem, "must be one of %s", all);
}

bool model_real_read(const struct json_node *node, double min, double max, double *value,
                     struct problem *problem)
{
    double number;

    if (!json_as_number(node, min, max, &number, problem)) {
        return false;
    }
    *value = number + 0.0; /* -0 is 0, and written like it */
    return true;
}

static bool read_name(const struct json_node *node, char *to, struct problem *problem)
{
    const char *text;
    size_t n;

    if (!json_as_string(node, 1, MODEL_NAME_MAX, &text, &n, problem)) {
        return false;
    }
    if (!model_name_valid(text)) {
        return json_problem(node, PROBLEM_INVALID_MODEL, problem,
                            "a model's name is made of a-z, 0-9, _ and -");
    }
    memcpy(to, text, n + 1);
    return true;
}

static bool read_widths(const struct model_field *field, const struct json_node *node,
                        struct rk_model_config *config, struct problem *problem)
{
    if (!json_as_array(node, problem)) {
        return false;
    }
    if (json_count(node) < 1 || json_count(node) > RK_HIDDEN_MAX) {
        return json_problem(node, PROBLEM_INVALID_MODEL, problem, "must be 1 to %d layers",
                            RK_HIDDEN_MAX);
    }
    config->n_hidden = (uint32_t)json_count(node);
    for (size_t l = 0; l < config->n_hidden; l++) {
        struct json_node element;
        int64_t width;
        json_element(node, l, &element);
        if (!json_as_integer(&element, (int64_t)field->min, (int64_t)field->max, &width, problem)) {
            return false;
        }
        config->hidden[l] = (uint32_t)width;
    }
    return true;
}

/* The fields of columns 0, 1, ...; that there are as many as columns is looked at in the end. */
static bool read_columns(const struct model_field *field, const struct json_node *node,
                         struct model_config *config, struct problem *problem)
{
    size_t n;

    if (!json_as_array(node, problem)) {
        return false;
    }
    n = json_count(node);
    if (n > MODEL_FIELD_COLUMNS_MAX) {
        return json_problem(node, PROBLEM_LIMIT_EXCEEDED, problem,
                            "the fields of at most %d columns can be told",
                            MODEL_FIELD_COLUMNS_MAX);
    }
    config->model.fields = config->column_field;
    config->model.n_fields = 0;
    config->n_columns = n;
    for (size_t c = 0; c < n; c++) {
        struct json_node element;
        int64_t number;
        json_element(node, c, &element);
        if (!json_as_integer(&element, (int64_t)field->min, (int64_t)field->max, &number,
                             problem)) {
            return false;
        }
        config->column_field[c] = (uint8_t)number;
        if ((uint32_t)number >= config->model.n_fields) {
            config->model.n_fields = (uint32_t)number + 1;
        }
    }
    return true;
}

bool model_field_read(const struct model_field *field, const struct json_node *node,
                      struct model_config *config, struct problem *problem)
{
    void *place = place_of(field, config);
    int64_t integer;

    switch (field->kind) {
    case FIELD_BOOLEAN:
        return json_as_boolean(node, place, problem);
    case FIELD_REAL:
        return model_real_read(node, field->min, field->max, place, problem);
    case FIELD_CHOICE:
    case FIELD_EITHER:
        return read_choice(field, node, config, problem);
    case FIELD_NAME:
        return read_name(node, place, problem);
    case FIELD_WIDTHS:
        return read_widths(field, node, &config->model, problem);
    case FIELD_COLUMNS:
        return read_columns(field, node, config, problem);
    case FIELD_U32:
    case FIELD_SIZE:
    case FIELD_U64:
    case FIELD_I64:
        break;
    }
    if (!json_as_integer(node, (int64_t)field->min, (int64_t)field->max, &integer, problem)) {
        return false;
    }
    if (field->kind == FIELD_U32 || field->kind == FIELD_SIZE) {
        *(uint32_t *)place = (uint32_t)integer;
    } else {
        memcpy(place, &integer, sizeof integer); /* int64_t or uint64_t */
    }
    return true;
}

/* 0: it is no plain value. */
static size_t size_of(const struct model_field *field)
{
    switch (field->kind) {
    case FIELD_BOOLEAN:
    case FIELD_EITHER:
        return sizeof(bool);
    case FIELD_U32:
    case FIELD_SIZE:
        return sizeof(uint32_t);
    case FIELD_U64:
    case FIELD_I64:
        return sizeof(int64_t);
    case FIELD_REAL:
        return sizeof(double);
    case FIELD_CHOICE:
        return sizeof(int);
    case FIELD_NAME:
    case FIELD_WIDTHS:
    case FIELD_COLUMNS:
        break;
    }
    return 0;
}

bool model_field_equal(const struct model_field *field, const struct model_config *a,
                       const struct model_config *b)
{
    return memcmp((const char *)a + field->offset, (const char *)b + field->offset,
                  size_of(field)) == 0;
}

void model_field_copy(const struct model_field *field, struct model_config *to,
                      const struct model_config *from)
{
    memcpy(place_of(field, to), (const char *)from + field->offset, size_of(field));
}
