/*
 * Models, parameters and groups as models.json and train_trace.json write them; every size comes
 * from the data.
 *
 * An item is [[index, value], ...] (fm), [[field, index, value], ...] (ffm, deepfm) or
 * {"id": row, "x": [...]} (joint, whose groups may name a user).
 */
#ifndef RANKD_GOLDEN_READ_H
#define RANKD_GOLDEN_READ_H

#include "golden_losses.h"

#include <rankd/learner.h>

/* The key of an id that may be missing. */
static uint64_t id_key(const json_t *id)
{
    return json_is_integer(id) ? (uint64_t)json_integer_value(id) + 1 : 0;
}

/* Entry f of an item: a dense value, or the last two numbers of an array. */
static struct rk_feature read_feature(const json_t *item, size_t f)
{
    const json_t *x = json_object_get(item, "x"), *entry = json_array_get(item, f);
    size_t last = json_array_size(entry) - 1;
    if (x != NULL) {
        return rk_feature_column((uint32_t)f, (float)json_number_value(json_array_get(x, f)));
    }
    return rk_feature_column((uint32_t)json_integer_value(json_array_get(entry, last - 1)),
                             (float)json_number_value(json_array_get(entry, last)));
}

static enum rk_status add_item(struct rk_group_builder *builder, const json_t *item, float label,
                               struct rk_error *err)
{
    const json_t *x = json_object_get(item, "x");
    size_t n = json_array_size(x == NULL ? item : x);
    enum rk_status status = rk_group_begin_item(builder, id_key(json_object_get(item, "id")), err);
    for (size_t f = 0; status == RK_OK && f < n; f++) {
        struct rk_feature feature = read_feature(item, f);
        status = rk_group_add(builder, &feature, err);
    }
    if (status == RK_OK) {
        rk_group_label(builder, label, 1.0F);
    }
    return status;
}

static enum rk_status read_group(struct run *run, const json_t *group, struct rk_space space,
                                 struct rk_group_builder *builder, struct rk_group **copy,
                                 struct rk_error *err)
{
    const json_t *items = json_object_get(group, "items");
    struct numbers label = numbers_of(run, json_object_get(group, "labels"));
    struct rk_group view;
    enum rk_status status =
        rk_group_begin(builder, &space, id_key(json_object_get(group, "user")), err);
    for (size_t i = 0; status == RK_OK && i < label.n; i++) {
        status = add_item(builder, json_array_get(items, i), (float)label.v[i], err);
    }
    if (status == RK_OK) {
        status = rk_group_end(builder, true, &view, err);
    }
    return status == RK_OK ? rk_group_copy(&view, copy, err) : status;
}

static struct rk_group **read_groups(struct run *run, const json_t *groups, struct rk_space space)
{
    size_t n = json_array_size(groups);
    struct rk_group **copies = keep(run, n * sizeof *copies);
    struct rk_group_builder builder;
    struct rk_error err = {0};
    enum rk_status status = RK_OK;
    rk_group_builder_init(&builder);
    for (size_t g = 0; status == RK_OK && g < n; g++) {
        status = read_group(run, json_array_get(groups, g), space, &builder, &copies[g], &err);
    }
    if (status != RK_OK) {
        trouble(run, "group", &err);
    }
    rk_group_builder_deinit(&builder);
    return copies;
}

/* The field that the entries of an item name for their columns. */
static void read_item_fields(struct run *run, const json_t *item, uint8_t *fields, size_t size)
{
    for (size_t f = 0; f < json_array_size(item); f++) {
        const json_t *entry = json_array_get(item, f);
        size_t column = (size_t)json_integer_value(json_array_get(entry, 1));
        uint8_t field = (uint8_t)json_integer_value(json_array_get(entry, 0));
        if (column >= size || (fields[column] != UINT8_MAX && fields[column] != field)) {
            trouble(run, "a column's field", NULL);
            return;
        }
        fields[column] = field;
    }
}

/* Each column's field; one that no item has is in field 0. */
static uint8_t *read_fields(struct run *run, const json_t *groups, size_t size)
{
    uint8_t *fields = keep(run, size);
    memset(fields, UINT8_MAX, size);
    for (size_t g = 0; g < json_array_size(groups); g++) {
        const json_t *items = json_object_get(json_array_get(groups, g), "items");
        for (size_t i = 0; i < json_array_size(items); i++) {
            read_item_fields(run, json_array_get(items, i), fields, size);
        }
    }
    for (size_t c = 0; c < size; c++) {
        fields[c] = fields[c] == UINT8_MAX ? 0 : fields[c];
    }
    return fields;
}

/* Length of a nested array's dimension. */
static uint32_t extent(const json_t *json, size_t dimension)
{
    for (size_t d = 0; d < dimension; d++) {
        json = json_array_get(json, 0);
    }
    return (uint32_t)json_array_size(json);
}

static const json_t *layer(const json_t *params, size_t number)
{
    char key[32];
    snprintf(key, sizeof key, "W%zu", number);
    return json_object_get(params, key);
}

static void read_shape(struct run *run, const json_t *groups, const json_t *params,
                       struct rk_model_config *config)
{
    const json_t *V = json_object_get(params, "V"), *U = json_object_get(params, "U");
    const json_t *I = json_object_get(params, "I"), *W0 = layer(params, 0);
    const bool field_aware = strcmp(config->kind, "ffm") == 0;
    uint32_t size = V == NULL ? extent(W0, 1) : extent(V, 0);
    config->dim = V == NULL ? extent(U, 1) : extent(V, field_aware ? 2 : 1);
    config->features = (struct rk_space){.kind = RK_INDEXED, .size = size};
    config->users = (struct rk_space){.kind = RK_INDEXED, .size = U == NULL ? 1 : extent(U, 0)};
    config->items = (struct rk_space){.kind = RK_INDEXED, .size = I == NULL ? 1 : extent(I, 0)};
    config->standardize = config->use_ids = false;
    for (uint32_t l = 0; W0 != NULL && l < RK_HIDDEN_MAX && layer(params, l + 1) != NULL; l++) {
        config->hidden[l] = extent(layer(params, l), 0);
        config->n_hidden = l + 1;
    }
    if (field_aware || strcmp(config->kind, "deepfm") == 0) {
        config->n_fields = field_aware ? extent(V, 1) : extent(W0, 1) / config->dim;
        config->fields = read_fields(run, groups, size);
    }
}

/* {"name", "params"}, or {"rank", "rank_params", "alpha", "mode"}. */
static bool read_objective(struct run *run, const json_t *loss, struct rk_model_config *config)
{
    const json_t *rank = json_object_get(loss, "rank"), *mode = json_object_get(loss, "mode");
    const json_t *name = rank == NULL ? json_object_get(loss, "name") : rank;
    if (rank != NULL) {
        config->alpha = json_number_value(json_object_get(loss, "alpha"));
    }
    config->separate = mode != NULL && strcmp(json_string_value(mode), "separate") == 0;
    return read_loss(run, json_string_value(name),
                     json_object_get(loss, rank == NULL ? "params" : "rank_params"), &config->loss);
}

/* w0, w, V, U, I, W<layer> and b<layer>; NULL: the model has no such tensor. */
static const struct rk_tensor *find_tensor(const struct rk_model *model, const char *key)
{
    static const char *const names[][2] = {{"w0", "linear.bias"},
                                           {"w", "linear.weight"},
                                           {"V", "embedding.weight"},
                                           {"U", "user_embedding.weight"},
                                           {"I", "item_embedding.weight"}};
    const bool joint = strcmp(rk_model_config(model)->kind, "joint") == 0;
    char name[RK_TENSOR_NAME_MAX];
    size_t n;
    const struct rk_tensor *tensor = rk_model_tensors(model, &n);
    snprintf(name, sizeof name, "%s.%lu.%s", joint ? "ctrs" : "mlp", 2 * strtoul(key + 1, NULL, 10),
             key[0] == 'W' ? "weight" : "bias");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i][0], key) == 0) {
            snprintf(name, sizeof name, "%s", names[i][1]);
        }
    }
    for (size_t t = 0; t < n; t++) {
        if (strcmp(tensor[t].name, name) == 0) {
            return &tensor[t];
        }
    }
    return NULL;
}

/* Where element i of a tensor as the files write it lies in the block. */
static size_t element_at(const struct rk_tensor *tensor, size_t i)
{
    if (tensor->transposed) {
        i = i % tensor->shape[1] * tensor->shape[0] + i / tensor->shape[1];
    }
    return tensor->offset + i;
}

/* Every tensor must be given, with as many numbers as it has. */
static void read_params(struct run *run, const struct rk_model *model, json_t *params, float *theta)
{
    const char *key;
    json_t *values;
    size_t n_tensors;
    (void)rk_model_tensors(model, &n_tensors);
    if (json_object_size(params) != n_tensors) {
        trouble(run, "params", NULL);
    }
    json_object_foreach(params, key, values)
    {
        const struct rk_tensor *tensor = find_tensor(model, key);
        struct numbers numbers = numbers_of(run, values);
        if (tensor == NULL || tensor->rows * tensor->cols != numbers.n) {
            trouble(run, key, NULL);
            return;
        }
        for (size_t i = 0; i < numbers.n; i++) {
            theta[element_at(tensor, i)] = (float)numbers.v[i];
        }
    }
}

static void compare_params(struct run *run, const struct rk_model *model, const double *got,
                           json_t *want, double atol)
{
    const char *key;
    json_t *values;
    size_t n_tensors;
    (void)rk_model_tensors(model, &n_tensors);
    if (json_object_size(want) != n_tensors) {
        trouble(run, "tensors", NULL);
    }
    json_object_foreach(want, key, values)
    {
        const struct rk_tensor *tensor = find_tensor(model, key);
        size_t n = tensor == NULL ? 0 : tensor->rows * tensor->cols;
        double *as_written = keep(run, n * sizeof *as_written);
        for (size_t i = 0; i < n; i++) {
            as_written[i] = got[element_at(tensor, i)];
        }
        compare(run, key, as_written, n, values, atol);
    }
}

/*
 * Makes the model of a case with its shape taken from parameters and groups; NULL: skipped, or in
 * trouble.
 */
static struct rk_model *read_model(struct run *run, const json_t *test, const char *params_key,
                                   const struct rk_optim *optim, float **theta)
{
    const char *kind = json_string_value(json_object_get(test, "model"));
    const json_t *groups = json_object_get(test, "groups");
    json_t *params = json_object_get(test, params_key);
    struct rk_model_config config;
    struct rk_model *model = NULL;
    struct rk_error err = {0};
    if (kind == NULL || rk_model_default(kind, &config, NULL) != RK_OK) {
        run->check.skip = "model not built";
        return NULL;
    }
    if (!read_objective(run, json_object_get(test, "loss"), &config)) {
        return NULL;
    }
    read_shape(run, groups == NULL ? json_object_get(test, "events") : groups, params, &config);
    config.normalize = json_is_true(json_object_get(json_object_get(test, "hyper"), "normalize"));
    config.optim = *optim;
    if (rk_model_create(&config, 0, &model, &err) != RK_OK) {
        trouble(run, "rk_model_create", &err);
        return NULL;
    }
    *theta = keep(run, rk_model_params(model) * sizeof **theta);
    read_params(run, model, params, *theta);
    return model;
}

#endif
