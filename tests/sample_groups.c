/*
 * Models and random groups for tests of the core.
 */
#include "sample_groups.h"

#include "test.h"

#define ITEMS_MAX   64
#define ENTRIES_MAX 512

struct rk_model_config sample_config(const char *loss, const char *optim)
{
    struct rk_model_config config;

    assert_ok(rk_model_default("fm", &config, NULL));
    config.features = (struct rk_space){.kind = RK_INDEXED, .size = SAMPLE_COLUMNS};
    config.dim = 4;
    assert_ok(rk_loss_default(loss, &config.loss, NULL));
    assert_ok(rk_optim_default(optim, &config.optim, NULL));
    config.optim.l2 = 0;
    return config;
}

struct rk_model_config sample_hashed_config(const char *loss, const char *optim)
{
    struct rk_model_config config = sample_config(loss, optim);

    config.features = (struct rk_space){.kind = RK_HASHED, .bits = 5};
    return config;
}

const char *const sample_kinds[SAMPLE_KINDS] = {"fm", "ffm", "deepfm", "joint"};

const uint8_t sample_fields[SAMPLE_COLUMNS] = {0, 1, 2, 3, 3, 1, 0, 2, 1, 1, 0, 3,
                                               2, 0, 3, 1, 2, 2, 0, 3, 0, 1, 2, 3};

void sample_kind(struct rk_model_config *config, const char *kind)
{
    const bool indexed = config->features.kind == RK_INDEXED;

    memcpy(config->kind, kind, strlen(kind) + 1);
    config->dim = 3;
    config->fields = indexed ? sample_fields : NULL;
    config->n_fields = indexed ? SAMPLE_FIELDS : 0;
    config->max_fields = SAMPLE_FIELDS + 1;
    config->n_hidden = 2;
    config->hidden[0] = 5;
    config->hidden[1] = 3;
    config->users = (struct rk_space){.kind = RK_INDEXED, .size = SAMPLE_USERS};
    config->items = (struct rk_space){.kind = RK_HASHED, .bits = 3};
}

struct rk_model *sample_model(const struct rk_model_config *config)
{
    struct rk_model *model = NULL;

    assert_ok(rk_model_create(config, 0, &model, NULL));
    return model;
}

float *sample_start(const struct rk_model *model)
{
    float *theta = malloc(rk_model_params(model) * sizeof *theta);

    assert_non_null(theta);
    rk_model_init(model, theta);
    return theta;
}

float *sample_theta(const struct rk_model *model, uint64_t seed)
{
    float *theta = sample_start(model);
    struct rk_random random = {seed};

    for (size_t i = 0; i < rk_model_learned(model); i++) {
        const float size = (float)(1 + rk_random_below(&random, 512)) / 1024;
        theta[i] = rk_random_below(&random, 2) == 0 ? size : -size;
    }
    const struct rk_model_config *config = rk_model_config(model);
    const size_t first = rk_model_learned(model), rows = rk_space_rows(&config->features);
    for (size_t i = first;
         config->standardize && i < rk_model_params(model) && i < first + 3 * rows; i += 3) {
        theta[i] = 50;
        theta[i + 1] = (float)rk_random_normal(&random);
        theta[i + 2] = 0.5F + (float)rk_random_uniform(&random);
    }
    return theta;
}

size_t sample_tensor(const struct rk_model *model, const char *name)
{
    size_t n;
    const struct rk_tensor *tensor = rk_model_tensors(model, &n);

    for (size_t t = 0; t < n; t++) {
        if (strcmp(tensor[t].name, name) == 0) {
            return tensor[t].offset;
        }
    }
    fail_msg("no tensor %s", name);
    return 0;
}

static struct rk_feature draw_feature(const struct rk_space *space, enum rk_side side,
                                      struct rk_random *random)
{
    const float value = (float)rk_random_normal(random);
    const char name = (char)('a' + rk_random_below(random, 8));

    if (space->kind == RK_INDEXED) {
        return rk_feature_column(rk_random_below(random, space->size), value);
    }
    switch (rk_random_below(random, 3)) {
    case 0:
        return rk_feature_number(side, &name, 1, value);
    case 1:
        return rk_feature_flag(side, &name, 1, 1.0F);
    default:
        return rk_feature_category(side, "brand", 5, &name, 1, 1.0F);
    }
}

static void add_features(struct rk_group_builder *builder, enum rk_side side, size_t n,
                         struct rk_random *random)
{
    for (size_t i = 0; i < n; i++) {
        const struct rk_feature feature = draw_feature(&builder->space, side, random);
        assert_ok(rk_group_add(builder, &feature, NULL));
    }
}

static uint64_t draw_id(const struct rk_space *space, struct rk_random *random)
{
    return 1 + rk_random_below(random, rk_space_rows(space));
}

/* Ends the group, copies it out of its builder and ends that. */
static struct rk_group *taken(struct rk_group_builder *builder)
{
    struct rk_group view, *copy = NULL;

    assert_ok(rk_group_end(builder, true, &view, NULL));
    assert_ok(rk_group_copy(&view, &copy, NULL));
    rk_group_builder_deinit(builder);
    return copy;
}

struct rk_group *sample_group(const struct rk_model *model, const struct sample_shape *shape,
                              struct rk_random *random)
{
    const struct rk_model_config *config = rk_model_config(model);
    const bool ids = strcmp(config->kind, "joint") == 0;
    struct rk_group_builder builder;

    rk_group_builder_init(&builder);
    assert_ok(rk_group_begin(&builder, &config->features, ids ? draw_id(&config->users, random) : 0,
                             NULL));
    add_features(&builder, RK_USER, shape->n_shared, random);
    for (size_t i = 0; i < shape->n_items; i++) {
        const uint64_t id = ids ? draw_id(&config->items, random) : i + 1;
        assert_ok(rk_group_begin_item(&builder, id, NULL));
        add_features(&builder, RK_ITEM, shape->n_own, random);
        rk_group_label(&builder, (float)rk_random_below(random, shape->grades),
                       0.5F + (float)rk_random_uniform(random));
        rk_group_teacher(&builder, (float)rk_random_normal(random));
    }
    return taken(&builder);
}

void sample_groups(const struct rk_model *model, struct rk_group **groups, size_t n, uint64_t seed)
{
    const struct sample_shape shape = {.n_items = 6, .n_shared = 3, .n_own = 4, .grades = 3};
    struct rk_random random = {seed};

    print_message("groups of seed %llu\n", (unsigned long long)seed);
    for (size_t g = 0; g < n; g++) {
        groups[g] = sample_group(model, &shape, &random);
    }
}

void sample_groups_destroy(struct rk_group **groups, size_t n)
{
    for (size_t g = 0; g < n; g++) {
        rk_group_destroy(&groups[g]);
    }
}

struct rk_group *sample_list(const struct rk_model *model, size_t n, const struct rk_feature *own,
                             const float *label)
{
    struct rk_group_builder builder;

    rk_group_builder_init(&builder);
    assert_ok(rk_group_begin(&builder, &rk_model_config(model)->features, 0, NULL));
    for (size_t i = 0; i < n; i++) {
        assert_ok(rk_group_begin_item(&builder, 0, NULL));
        assert_ok(rk_group_add(&builder, &own[i], NULL));
        rk_group_label(&builder, label[i], 1.0F);
    }
    return taken(&builder);
}

/* The arrays of a group. */
struct arrays {
    uint32_t offset[ITEMS_MAX + 2], index[ENTRIES_MAX], number[ENTRIES_MAX];
    float value[ENTRIES_MAX], label[ITEMS_MAX], weight[ITEMS_MAX], teacher[ITEMS_MAX];
    uint64_t name[ENTRIES_MAX], id[ITEMS_MAX + 1];
    size_t n_numbers;
};

/* Appends a row's entries as row `to`. */
static void append_row(const struct rk_group *group, size_t row, size_t to, struct arrays *a)
{
    uint32_t n = a->offset[to];

    for (uint32_t e = group->offset[row]; e < group->offset[row + 1]; e++, n++) {
        a->index[n] = group->index[e];
        a->value[n] = group->value[e];
        a->name[n] = group->name[e];
        for (size_t i = 0; i < group->n_numbers; i++) {
            if (group->number[i] == e) {
                a->number[a->n_numbers++] = n;
            }
        }
    }
    a->offset[to + 1] = n;
    a->id[to] = group->id[row];
}

struct rk_group *sample_reversed(const struct rk_group *group)
{
    const size_t n = group->n_items;
    struct arrays a = {.n_numbers = 0};
    struct rk_group view, *copy = NULL;

    assert_true(n <= ITEMS_MAX && group->offset[n + 1] <= ENTRIES_MAX);
    append_row(group, 0, 0, &a);
    for (size_t i = 0; i < n; i++) {
        append_row(group, n - i, i + 1, &a);
        a.label[i] = group->label[n - 1 - i];
        a.weight[i] = group->weight[n - 1 - i];
        a.teacher[i] = group->teacher[n - 1 - i];
    }
    view = (struct rk_group){n,           a.offset, a.index, a.value,  a.name,   a.number,
                             a.n_numbers, a.id,     a.label, a.weight, a.teacher};
    assert_ok(rk_group_copy(&view, &copy, NULL));
    return copy;
}

static void *forward(const struct rk_model *model, const float *theta, const struct rk_group *group,
                     double *score)
{
    void *work = malloc(rk_model_work(model, group->n_items, group->offset[group->n_items + 1]));

    assert_non_null(work);
    assert_ok(rk_model_forward(model, theta, group, work, score, NULL));
    return work;
}

void sample_score(const struct rk_model *model, const float *theta, const struct rk_group *group,
                  double *score)
{
    free(forward(model, theta, group, score));
}

static void add_dense(const struct rk_model *model, const struct rk_gradient *sparse, double *grad,
                      bool *met)
{
    for (size_t r = 0; r < sparse->rows.n; r++) {
        size_t length;
        const size_t at = rk_model_row(model, sparse->rows.row[r], &length);
        memcpy(grad + at, sparse->sum + sparse->start[r], length * sizeof *grad);
        for (size_t i = 0; met != NULL && i < length; i++) {
            met[sparse->rows.row[r]] = met[sparse->rows.row[r]] || grad[at + i] != 0.0;
        }
    }
}

static void backward(const struct rk_model *model, const float *theta,
                     const struct rk_group *const *groups, size_t n, void **work,
                     const double *score_grad, double *grad, bool *met)
{
    const bool shift_free = rk_loss_shift_invariant(&rk_model_config(model)->loss);
    struct rk_gradient sparse = {0};

    for (size_t g = 0; g < n; g++) {
        const struct rk_output_grad out = {.head = score_grad, .shift_free = shift_free};
        assert_ok(rk_model_backward(model, theta, groups[g], work[g], &out, &sparse, NULL));
        score_grad += groups[g]->n_items;
    }
    memset(grad, 0, rk_model_params(model) * sizeof *grad);
    if (met != NULL) {
        memset(met, 0, rk_model_rows(model) * sizeof *met);
    }
    add_dense(model, &sparse, grad, met);
    rk_gradient_deinit(&sparse);
}

double sample_loss(const struct rk_model *model, const float *theta,
                   const struct rk_group *const *groups, size_t n, double *grad, bool *met)
{
    struct rk_scored list[ITEMS_MAX];
    double score[ITEMS_MAX], score_grad[ITEMS_MAX], loss_work[8 * ITEMS_MAX];
    void *work[ITEMS_MAX];
    struct rk_loss_value value;
    size_t items = 0;

    for (size_t g = 0; g < n; g++) {
        assert_true(items + groups[g]->n_items <= ITEMS_MAX);
        list[g] = (struct rk_scored){.n = groups[g]->n_items,
                                     .score = score + items,
                                     .label = groups[g]->label,
                                     .weight = groups[g]->weight,
                                     .teacher = groups[g]->teacher};
        work[g] = forward(model, theta, groups[g], score + items);
        items += groups[g]->n_items;
    }
    assert_ok(
        rk_loss_eval(&rk_model_config(model)->loss, list, n, loss_work, score_grad, &value, NULL));
    if (grad != NULL) {
        backward(model, theta, groups, n, work, score_grad, grad, met);
    }
    for (size_t g = 0; g < n; g++) {
        free(work[g]);
    }
    return value.value;
}

void sample_layer(const float *weight, const float *bias, const double *in, size_t n_in,
                  size_t n_out, bool hidden, double *out)
{
    for (size_t o = 0; o < n_out; o++) {
        double sum = (double)bias[o];
        for (size_t i = 0; i < n_in; i++) {
            sum += (double)weight[o * n_in + i] * in[i];
        }
        out[o] = hidden && sum < 0 ? 0 : sum;
    }
}

struct rk_learned sample_update(struct rk_learner *learner, float *theta,
                                const struct rk_group *group)
{
    struct rk_learned learned = {0};

    assert_ok(rk_learner_update(learner, theta, &group, 1, &learned, NULL));
    return learned;
}
