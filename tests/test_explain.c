/*
 * Explanations against a brute-force twin: every linear term and every pair of an item in double,
 * sorted by magnitude.
 */
#include "sample_groups.h"
#include "test.h"

#include <rankd/explain.h>

#define PARTS_MAX  8192
#define MAX_ITEMS  8
#define FIELDS     3
#define MORE_SEEDS 12

/* A model, its parameters and a group. */
struct fixture {
    struct rk_model *model;
    float *theta;
    struct rk_group *group;
    double score[MAX_ITEMS];
    double head[RK_MODEL_HEADS_MAX * MAX_ITEMS];
};

/* All parts of one item, the plain way. */
struct twin {
    struct rk_part part[PARTS_MAX];
    size_t n;
    double sum;
};

static uint8_t column_field[SAMPLE_COLUMNS];

/* ---- models and groups ---- */

static struct rk_model_config indexed_config(const char *kind)
{
    struct rk_model_config config = sample_config("pairwise_logistic", "adagrad");

    memcpy(config.kind, kind, strlen(kind) + 1);
    for (size_t i = 0; i < SAMPLE_COLUMNS; i++) {
        column_field[i] = (uint8_t)(i * 7 % FIELDS);
    }
    config.fields = column_field;
    config.n_fields = FIELDS;
    config.hidden[0] = 5;
    config.hidden[1] = 3;
    return config;
}

/* Numbers are standardised, and there are fewer fields than names. */
static struct rk_model_config hashed_config(const char *kind)
{
    struct rk_model_config config = indexed_config(kind);

    config.features = (struct rk_space){.kind = RK_HASHED, .bits = 5};
    config.max_fields = 4;
    return config;
}

/* The scores of the whole list. */
static void score_group(struct fixture *f)
{
    const size_t n = f->group->n_items;

    sample_score(f->model, f->theta, f->group, f->head);
    rk_model_scores(f->model, f->head, n, f->score);
}

static void fixture_make(struct fixture *f, const struct rk_model_config *config, size_t n_shared,
                         size_t n_own, uint64_t seed)
{
    const struct sample_shape shape = {
        .n_items = 4, .n_shared = n_shared, .n_own = n_own, .grades = 3};
    struct rk_random random = {seed};
    struct rk_learner *learner = NULL;

    f->model = sample_model(config);
    f->theta = sample_start(f->model);
    for (size_t i = 0; i < rk_model_learned(f->model); i++) {
        f->theta[i] = (float)rk_random_normal(&random);
    }
    assert_ok(rk_learner_create(f->model, f->theta, &learner, NULL));
    for (size_t i = 0; i < MORE_SEEDS; i++) { /* numbers and fields are met by learning */
        struct rk_group *group = sample_group(f->model, &shape, &random);
        (void)sample_update(learner, f->theta, group);
        rk_group_destroy(&group);
    }
    rk_learner_destroy(&learner);
    f->group = sample_group(f->model, &shape, &random);
    score_group(f);
}

static void fixture_end(struct fixture *f)
{
    rk_group_destroy(&f->group);
    free(f->theta);
    rk_model_destroy(&f->model);
}

/* With work memory of exactly the promised size. */
static void explain(const struct fixture *f, size_t item, struct rk_explanation *explanation)
{
    const uint32_t *offset = f->group->offset;
    const size_t nnz = offset[1] - offset[0] + offset[item + 2] - offset[item + 1];
    void *work = malloc(rk_explain_work(f->model, nnz));

    assert_non_null(work);
    assert_ok(rk_model_explain(f->model, f->theta, f->group, item, work, explanation, NULL));
    free(work);
}

static double sum_of(const struct rk_explanation *explanation)
{
    double sum = explanation->bias + explanation->mlp + explanation->dot + explanation->rest;

    for (size_t i = 0; i < explanation->n; i++) {
        sum += explanation->part[i].weight;
    }
    return sum;
}

/* ---- the twin ---- */

static double value_of(const struct fixture *f, uint32_t entry)
{
    const float *row;
    double variance;

    for (size_t i = 0; i < f->group->n_numbers; i++) {
        if (f->group->number[i] == entry) {
            row = f->theta + sample_tensor(f->model, "numbers.weight") +
                  3 * (size_t)f->group->index[entry];
            variance = (double)row[2];
            return variance > 0
                       ? (double)(float)fmax(
                             -5, fmin(5, ((double)f->group->value[entry] - (double)row[1]) /
                                             sqrt(variance)))
                       : 0;
        }
    }
    return (double)f->group->value[entry];
}

/* -1: none. */
static int field_of(const struct fixture *f, uint32_t entry)
{
    const struct rk_model_config *config = rk_model_config(f->model);
    const float *table;

    if (config->features.kind == RK_INDEXED) {
        return config->fields[f->group->index[entry]];
    }
    table = f->theta + sample_tensor(f->model, "fields.weight");
    for (int i = 0; i < (int)config->max_fields; i++) {
        uint64_t name = 0;
        for (int c = 0; c < 4; c++) {
            name = name * 65536 + (uint64_t)table[4 * i + c];
        }
        if (name == f->group->name[entry]) {
            return i;
        }
    }
    return -1;
}

static void twin_add(struct twin *twin, uint32_t a, uint32_t b, double weight)
{
    assert_true(twin->n < PARTS_MAX);
    twin->part[twin->n++] = (struct rk_part){a, b, weight};
    twin->sum += weight;
}

/* What two entries do together, without normalisation; false: no pair. */
static bool pair_of(const struct fixture *f, uint32_t a, uint32_t b, double *weight)
{
    const struct rk_model_config *config = rk_model_config(f->model);
    const bool has_fields = strcmp(config->kind, "fm") != 0;
    const bool by_field = strcmp(config->kind, "ffm") == 0;
    const size_t fields =
        config->features.kind == RK_INDEXED ? config->n_fields : config->max_fields;
    const int field_a = has_fields ? field_of(f, a) : 0, field_b = has_fields ? field_of(f, b) : 0;
    const float *v = f->theta + sample_tensor(f->model, "embedding.weight");
    const size_t k = config->dim, cols = by_field ? fields * k : k;
    double dot = 0;

    if (field_a < 0 || field_b < 0) {
        return false;
    }
    for (size_t i = 0; i < k; i++) {
        const size_t at_a = f->group->index[a] * cols + (by_field ? (size_t)field_b * k : 0) + i;
        const size_t at_b = f->group->index[b] * cols + (by_field ? (size_t)field_a * k : 0) + i;
        dot += (double)v[at_a] * (double)v[at_b];
    }
    *weight = dot * value_of(f, a) * value_of(f, b);
    return true;
}

static int by_magnitude(const void *a, const void *b)
{
    const double x = fabs(((const struct rk_part *)a)->weight);
    const double y = fabs(((const struct rk_part *)b)->weight);

    return (x < y) - (x > y);
}

/* The entries of row 0 and the item's row. @return how many. */
static size_t entries_of(const struct fixture *f, size_t item, uint32_t *entry)
{
    const uint32_t *offset = f->group->offset;
    size_t n = 0;

    for (uint32_t e = offset[0]; e < offset[1]; e++) {
        entry[n++] = e;
    }
    for (uint32_t e = offset[item + 1]; e < offset[item + 2]; e++) {
        entry[n++] = e;
    }
    return n;
}

static void twin_make(const struct fixture *f, size_t item, struct twin *twin)
{
    const struct rk_model_config *config = rk_model_config(f->model);
    const float *w = f->theta + sample_tensor(f->model, "linear.weight");
    uint32_t entry[PARTS_MAX];
    const size_t n = entries_of(f, item, entry);
    double norm = 0, weight;

    twin->n = 0;
    twin->sum = 0;
    for (size_t i = 0; i < n; i++) {
        const double x = value_of(f, entry[i]);
        norm += strcmp(config->kind, "fm") == 0 || field_of(f, entry[i]) >= 0 ? x * x : 0;
        twin_add(twin, entry[i], RK_NO_ENTRY, (double)w[f->group->index[entry[i]]] * x);
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i + 1; j < n; j++) {
            if (pair_of(f, entry[i], entry[j], &weight)) {
                twin_add(twin, entry[i], entry[j],
                         config->normalize && norm > 0 ? weight / norm : weight);
            }
        }
    }
    qsort(twin->part, twin->n, sizeof *twin->part, by_magnitude);
}

static double twin_weight(const struct twin *twin, const struct rk_part *part)
{
    for (size_t i = 0; i < twin->n; i++) {
        if (twin->part[i].a == part->a && twin->part[i].b == part->b) {
            return twin->part[i].weight;
        }
    }
    fail_msg("there is no part of %u and %u", (unsigned)part->a, (unsigned)part->b);
    return 0;
}

/* Rounding of sums in another order: 1e-12 of terms of about 1. */
static void assert_as_twin(const struct fixture *f, size_t item)
{
    static struct twin twin;
    struct rk_explanation explanation;
    double shown = 0;

    explain(f, item, &explanation);
    twin_make(f, item, &twin);
    assert_int_equal(explanation.n, twin.n < RK_EXPLAIN_PARTS_MAX ? twin.n : RK_EXPLAIN_PARTS_MAX);
    for (size_t i = 0; i < explanation.n; i++) {
        const struct rk_part *part = &explanation.part[i];
        assert_close(part->weight, twin_weight(&twin, part), 1e-12, 1e-12);
        assert_close(fabs(part->weight), fabs(twin.part[i].weight), 1e-12, 1e-12);
        shown += part->weight;
    }
    assert_close(explanation.rest, twin.sum - shown, 1e-9, 1e-9);
    assert_close(explanation.bias, (double)f->theta[sample_tensor(f->model, "linear.bias")], 0, 0);
    assert_close(explanation.score, f->score[item], 1e-12, 1e-12);
    assert_close(sum_of(&explanation), f->score[item], 1e-9, 1e-9);
}

/* Lists with everything from no feature to hundreds of pairs. */
static void assert_config(const struct rk_model_config *config)
{
    static const size_t shared[] = {0, 3, 0, 2, 30}, own[] = {0, 0, 1, 3, 30};

    for (size_t s = 0; s < sizeof shared / sizeof *shared; s++) {
        for (uint64_t seed = 1; seed <= 5; seed++) {
            struct fixture f;
            print_message("%s, shape %zu, seed %llu\n", config->kind, s, (unsigned long long)seed);
            fixture_make(&f, config, shared[s], own[s], seed);
            for (size_t i = 0; i < f.group->n_items; i++) {
                assert_as_twin(&f, i);
            }
            fixture_end(&f);
        }
    }
}

/* ---- the tests ---- */

static void fm_parts_are_the_largest_of_all_terms_and_pairs(void **state)
{
    const struct rk_model_config indexed = indexed_config("fm"), hashed = hashed_config("fm");
    (void)state;
    assert_config(&indexed);
    assert_config(&hashed);
}

static void ffm_pairs_use_the_vectors_of_each_others_fields(void **state)
{
    const struct rk_model_config indexed = indexed_config("ffm"), hashed = hashed_config("ffm");
    (void)state;
    assert_config(&indexed);
    assert_config(&hashed);
}

static void ffm_pairs_are_normalised_where_the_model_is(void **state)
{
    struct rk_model_config indexed = indexed_config("ffm"), hashed = hashed_config("ffm");
    (void)state;
    indexed.normalize = hashed.normalize = true;
    assert_config(&indexed);
    assert_config(&hashed);
}

static void deepfm_parts_are_those_of_its_fm_and_the_mlp_as_a_whole(void **state)
{
    const struct rk_model_config indexed = indexed_config("deepfm"),
                                 hashed = hashed_config("deepfm");
    struct rk_explanation explanation;
    struct fixture f;
    (void)state;
    assert_config(&indexed);
    assert_config(&hashed);
    fixture_make(&f, &indexed, 2, 3, 1);
    explain(&f, 0, &explanation);
    assert_true(explanation.has_mlp && explanation.mlp != 0.0 && !explanation.has_dot);
    fixture_end(&f);
}

/* u.i of the first item's ids, times w_dot, and the click logit, times w_mlp. */
static void assert_joint(bool separate, double w_dot, double w_mlp)
{
    struct rk_model_config config = indexed_config("joint");
    const uint64_t ids[] = {4, 7, 0, 2, 3};
    struct rk_explanation explanation;
    struct fixture f;
    double dot = 0;
    config.separate = separate;
    config.alpha = 0.3;
    fixture_make(&f, &config, 3, 4, 1);
    memcpy((void *)(uintptr_t)f.group->id, ids, sizeof ids); /* the group is this test's */
    score_group(&f);
    for (size_t d = 0; d < config.dim; d++) {
        dot += (double)rk_model_embedding(f.model, f.theta, f.group, 0)[d] *
               (double)rk_model_embedding(f.model, f.theta, f.group, 1)[d];
    }
    explain(&f, 0, &explanation);
    assert_true(explanation.has_mlp && explanation.has_dot && explanation.n == 0);
    assert_close(explanation.dot, w_dot * dot, 1e-12, 0);
    assert_close(explanation.mlp, w_mlp * f.head[4], 1e-12, 0);
    assert_close(explanation.bias + explanation.rest, 0, 0, 0);
    assert_close(sum_of(&explanation), f.score[0], 1e-12, 0);
    explain(&f, 1, &explanation); /* an item without an id */
    assert_close(explanation.dot, 0, 0, 0);
    assert_close(sum_of(&explanation), f.score[1], 1e-12, 0);
    fixture_end(&f);
}

static void joint_parts_are_the_dot_product_and_the_mlp(void **state)
{
    (void)state;
    assert_joint(false, 1, 1);
}

static void joint_parts_of_separate_heads_have_alphas_weights(void **state)
{
    (void)state;
    assert_joint(true, 0.3, 0.7);
}

static void a_rest_of_nothing_is_exactly_0(void **state)
{
    const struct rk_model_config config = indexed_config("fm");
    struct rk_explanation explanation;
    struct fixture f;
    (void)state;
    fixture_make(&f, &config, 2, 3, 9); /* at most 5 terms and 10 pairs */
    explain(&f, 2, &explanation);
    assert_true(explanation.n > 5 && explanation.n <= 15);
    assert_true(explanation.rest == 0.0);
    fixture_end(&f);
}

static void the_same_row_on_both_sides_is_two_features_with_a_pair(void **state)
{
    const struct rk_model_config config = indexed_config("fm");
    const struct rk_feature column = rk_feature_column(5, 2.0F);
    struct rk_group_builder builder;
    struct rk_group view;
    struct rk_explanation explanation;
    struct fixture f = {0};
    (void)state;
    f.model = sample_model(&config);
    f.theta = sample_theta(f.model, 1);
    rk_group_builder_init(&builder);
    assert_ok(rk_group_begin(&builder, &config.features, 0, NULL));
    assert_ok(rk_group_add(&builder, &column, NULL));
    assert_ok(rk_group_begin_item(&builder, 0, NULL));
    assert_ok(rk_group_add(&builder, &column, NULL));
    assert_ok(rk_group_end(&builder, false, &view, NULL));
    f.group = &view;
    score_group(&f);
    explain(&f, 0, &explanation);
    assert_int_equal(explanation.n, 3);
    assert_close(sum_of(&explanation), f.score[0], 1e-12, 0);
    rk_group_builder_deinit(&builder);
    free(f.theta);
    rk_model_destroy(&f.model);
}

static void without_parameters_everything_is_0(void **state)
{
    const struct rk_model_config config = indexed_config("deepfm");
    struct rk_explanation explanation;
    struct fixture f;
    float *theta;
    (void)state;
    fixture_make(&f, &config, 2, 3, 1);
    theta = f.theta;
    f.theta = NULL;
    explain(&f, 1, &explanation);
    assert_int_equal(explanation.n, 0);
    assert_true(explanation.has_mlp && sum_of(&explanation) == 0.0 && explanation.score == 0.0);
    f.theta = theta;
    fixture_end(&f);
}

static void a_score_that_is_not_finite_is_not_explained(void **state)
{
    const struct rk_model_config config = indexed_config("fm");
    struct rk_explanation explanation = {.score = 7};
    struct fixture f;
    void *work;
    (void)state;
    fixture_make(&f, &config, 2, 3, 1);
    f.theta[sample_tensor(f.model, "linear.bias")] = INFINITY;
    work = malloc(rk_explain_work(f.model, f.group->offset[f.group->n_items + 1]));
    assert_status(rk_model_explain(f.model, f.theta, f.group, 0, work, &explanation, NULL),
                  RK_DIVERGED);
    assert_true(explanation.score == 7.0);
    free(work);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fm_parts_are_the_largest_of_all_terms_and_pairs),
        cmocka_unit_test(ffm_pairs_use_the_vectors_of_each_others_fields),
        cmocka_unit_test(ffm_pairs_are_normalised_where_the_model_is),
        cmocka_unit_test(deepfm_parts_are_those_of_its_fm_and_the_mlp_as_a_whole),
        cmocka_unit_test(joint_parts_are_the_dot_product_and_the_mlp),
        cmocka_unit_test(joint_parts_of_separate_heads_have_alphas_weights),
        cmocka_unit_test(a_rest_of_nothing_is_exactly_0),
        cmocka_unit_test(the_same_row_on_both_sides_is_two_features_with_a_pair),
        cmocka_unit_test(without_parameters_everything_is_0),
        cmocka_unit_test(a_score_that_is_not_finite_is_not_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
