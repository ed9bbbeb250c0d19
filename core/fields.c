/*
 * The table of field names.
 */
#include "fields.h"

void rk_fields_lay_out(struct rk_model *model)
{
    const size_t n = model->config.max_fields;

    if (model->config.features.kind == RK_HASHED) {
        rk_model_add_tensor(model, "fields.weight", 2, (size_t[]){n, RK_FIELDS_COLS},
                            RK_FIELDS_COLS);
        model->fields = &model->tensor[model->n_tensors - 1];
    }
}

static uint64_t read_name(const float *row)
{
    uint64_t name = 0;

    for (size_t c = 0; c < RK_FIELDS_COLS; c++) {
        /* what was imported may be any float; only these are converted without overflow */
        name = name << 16 | (row[c] >= 0 && row[c] < 0x1p16F ? (uint64_t)row[c] : 0);
    }
    return name;
}

void rk_fields_write(float *row, uint64_t name)
{
    for (size_t c = 0; c < RK_FIELDS_COLS; c++) {
        row[c] = (float)(name >> (48 - 16 * c) & 0xffff);
    }
}

void rk_fields_read(const struct rk_model *model, const float *theta, struct rk_fields *fields)
{
    const struct rk_tensor *table = model->fields;

    fields->of_column = table == NULL ? model->config.fields : NULL;
    fields->n = 0;
    while (table != NULL && fields->n < table->rows) {
        const uint64_t name = read_name(theta + table->offset + fields->n * RK_FIELDS_COLS);
        if (name == 0) {
            break;
        }
        fields->name[fields->n++] = name;
    }
}

uint32_t rk_fields_find(const struct rk_fields *fields, const struct rk_group *group,
                        uint32_t entry)
{
    if (fields->of_column != NULL) {
        return fields->of_column[group->index[entry]];
    }
    for (size_t i = 0; i < fields->n; i++) {
        if (fields->name[i] == group->name[entry]) {
            return (uint32_t)i;
        }
    }
    return RK_NO_FIELD;
}
