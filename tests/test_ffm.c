/*
 * Field-aware factorization machines against the direct sum over pairs of features.
 */
#include "gradient_check.h"
#include "test.h"

#define ITEMS 7

static double dot(const float *a, const float *b, size_t k)
{
    double sum = 0;

    for (size_t i = 0; i < k; i++) {
        sum += (double)a[i] * (double)b[i];
    }
    return sum;
}

/* The definition (Juan 2016, eq. 4), over the entries of row 0 and an item's side by side. */
static double brute_force(const struct rk_model *model, const float *theta,
                          const struct rk_group *group, size_t item)
{
    const size_t k = rk_model_config(model)->dim, width = SAMPLE_FIELDS * k;
    const float *w = theta + sample_tensor(model, "linear.weight");
    const float *v = theta + sample_tensor(model, "embedding.weight");
    double y = (double)theta[0], pairs = 0, norm = 0;
    uint32_t entry[100];
    size_t n = 0;

    for (uint32_t e = 0; e < group->offset[group->n_items + 1]; e++) {
        if (e < group->offset[1] || (e >= group->offset[item + 1] && e < group->offset[item + 2])) {
            entry[n++] = e;
        }
    }
    for (size_t a = 0; a < n; a++) {
        const size_t i = group->index[entry[a]];
        const double x = (double)group->value[entry[a]];
        y += (double)w[i] * x;
        norm += x * x;
        for (size_t b = a + 1; b < n; b++) {
            const size_t j = group->index[entry[b]];
            pairs +=
                dot(v + i * width + sample_fields[j] * k, v + j * width + sample_fields[i] * k, k) *
                x * (double)group->value[entry[b]];
        }
    }
    return y + (rk_model_config(model)->normalize && norm > 0 ? pairs / norm : pairs);
}

static void assert_brute_force(uint32_t dim, bool normalize, uint64_t seed)
{
    const struct sample_shape shape = {.n_items = ITEMS, .n_shared = 8, .n_own = 9, .grades = 2};
    struct rk_model_config config = checked_config("ffm", RK_INDEXED, "pairwise_logistic");
    struct rk_random random = {seed};
    double score[ITEMS];

    config.dim = dim;
    config.normalize = normalize;
    print_message("dim %u, seed %llu\n", (unsigned)dim, (unsigned long long)seed);
    struct rk_model *model = sample_model(&config);
    float *theta = sample_theta(model, seed);
    struct rk_group *group = sample_group(model, &shape, &random);
    sample_score(model, theta, group, score);
    for (size_t i = 0; i < ITEMS; i++) {
        assert_close(score[i], brute_force(model, theta, group, i), 1e-12, 1e-12);
    }
    free(theta);
    rk_group_destroy(&group);
    rk_model_destroy(&model);
}

/* 17 features of 24 columns: some rows are met on both sides. */
static void score_equals_brute_force_pair_sum(void **state)
{
    (void)state;
    static const uint32_t dims[] = {1, 4, 16, RK_DIM_MAX};

    for (size_t d = 0; d < 4; d++) {
        assert_brute_force(dims[d], false, 300 + d);
        assert_brute_force(dims[d], true, 310 + d);
    }
}

static void gradient_of_normalised_pairs_equals_central_differences(void **state)
{
    (void)state;
    static const char *const losses[] = {"pairwise_logistic", "bce_with_logits"};

    for (size_t l = 0; l < 2; l++) {
        struct rk_model_config config = checked_config("ffm", RK_INDEXED, losses[l]);
        config.normalize = true;
        assert_gradient(&config, 320 + l);
        config = checked_config("ffm", RK_HASHED, losses[l]);
        config.normalize = true;
        assert_gradient(&config, 322 + l);
    }
}

static void normalised_item_without_features_scores_the_bias(void **state)
{
    (void)state;
    struct rk_model_config config = checked_config("ffm", RK_INDEXED, "pairwise_logistic");
    const struct sample_shape bare = {.n_items = 2, .grades = 2};
    struct rk_random random = {330};
    double score[2];

    config.normalize = true;
    struct rk_model *model = sample_model(&config);
    float *theta = sample_theta(model, 330);
    struct rk_group *group = sample_group(model, &bare, &random);
    sample_score(model, theta, group, score);
    assert_true(score[0] == (double)theta[0] && score[1] == (double)theta[0]);
    free(theta);
    rk_group_destroy(&group);
    rk_model_destroy(&model);
}

/* Normalisation takes the size out of the pair term. */
static void normalised_pairs_do_not_grow_with_the_values(void **state)
{
    (void)state;
    struct rk_model_config config = checked_config("ffm", RK_INDEXED, "pairwise_logistic");
    double score[2];

    config.normalize = true;
    struct rk_model *model = sample_model(&config);
    float *theta = sample_theta(model, 331);
    memset(theta, 0, (1 + SAMPLE_COLUMNS) * sizeof *theta);
    for (size_t i = 0; i < 2; i++) {
        struct rk_group_builder builder = {0};
        struct rk_group group;
        assert_ok(rk_group_begin(&builder, &config.features, 0, NULL));
        assert_ok(rk_group_begin_item(&builder, 0, NULL));
        for (uint32_t j = 0; j < 5; j++) {
            const struct rk_feature f = rk_feature_column(j, (i == 0 ? 1.0F : 1e12F) * (float)j);
            assert_ok(rk_group_add(&builder, &f, NULL));
        }
        assert_ok(rk_group_end(&builder, false, &group, NULL));
        sample_score(model, theta, &group, &score[i]);
        rk_group_builder_deinit(&builder);
    }
    assert_true(fabs(score[0]) > 0.01);
    assert_close(score[1], score[0], 1e-6, 0);
    free(theta);
    rk_model_destroy(&model);
}

/* Lists of one feature an item: there is no pair, so V must not move by a bit. */
static void feature_with_nothing_to_pair_with_has_an_embedding_gradient_of_exactly_0(void **state)
{
    (void)state;
    for (int normalize = 0; normalize < 2; normalize++) {
        struct rk_model_config config = checked_config("ffm", RK_INDEXED, "pairwise_logistic");
        config.normalize = normalize;
        struct learner_fixture f;
        checked_make(&f, &config, 340);
        struct learner_copy before = learner_copy(&f);
        const size_t v = sample_tensor(f.model, "embedding.weight");
        for (uint32_t j = 0; j + 1 < SAMPLE_COLUMNS; j++) {
            const struct rk_feature own[] = {rk_feature_column(j, 0.3F),
                                             rk_feature_column(j + 1, 1.7F)};
            struct rk_group *group = sample_list(f.model, 2, own, (float[]){1, 0});
            (void)sample_update(f.learner, f.theta, group);
            rk_group_destroy(&group);
        }
        assert_true(learner_differs(&f, &before));
        assert_memory_equal(f.theta + v, before.theta + v,
                            (rk_model_params(f.model) - v) * sizeof(float));
        learner_copy_free(&before);
        learner_end(&f);
    }
}

/* A shared feature pairs with no vector of items that have no features. */
static void shared_feature_without_items_features_keeps_its_bytes(void **state)
{
    (void)state;
    const struct sample_shape shape = {.n_items = 4, .n_shared = 1, .grades = 2};
    struct rk_model_config config = checked_config("ffm", RK_INDEXED, "bce_with_logits");
    struct rk_random random = {341};
    struct learner_fixture f;

    config.normalize = true;
    checked_make(&f, &config, 341);
    struct rk_group *group = sample_group(f.model, &shape, &random);
    struct learner_copy before = learner_copy(&f);
    const size_t v = sample_tensor(f.model, "embedding.weight");
    (void)sample_update(f.learner, f.theta, group);
    assert_true(f.theta[0] != before.theta[0]);
    assert_memory_equal(f.theta + v, before.theta + v,
                        (rk_model_params(f.model) - v) * sizeof(float));
    learner_copy_free(&before);
    rk_group_destroy(&group);
    learner_end(&f);
}

static void tensors_have_the_names_and_shapes_of_pytorch(void **state)
{
    (void)state;
    const struct rk_model_config config = checked_config("ffm", RK_INDEXED, "pairwise_logistic");
    struct rk_model *model = sample_model(&config);
    size_t n;
    const struct rk_tensor *t = rk_model_tensors(model, &n);

    assert_int_equal(n, 3);
    assert_string_equal(t[0].name, "linear.bias");
    assert_string_equal(t[1].name, "linear.weight");
    assert_string_equal(t[2].name, "embedding.weight");
    assert_true(t[2].rank == 3 && t[2].shape[0] == SAMPLE_COLUMNS);
    assert_true(t[2].shape[1] == SAMPLE_FIELDS && t[2].shape[2] == 3);
    assert_true(t[2].rows == SAMPLE_COLUMNS && t[2].cols == 3 * SAMPLE_FIELDS);
    rk_model_destroy(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(score_equals_brute_force_pair_sum),
        cmocka_unit_test(gradient_of_normalised_pairs_equals_central_differences),
        cmocka_unit_test(normalised_item_without_features_scores_the_bias),
        cmocka_unit_test(normalised_pairs_do_not_grow_with_the_values),
        cmocka_unit_test(feature_with_nothing_to_pair_with_has_an_embedding_gradient_of_exactly_0),
        cmocka_unit_test(shared_feature_without_items_features_keeps_its_bytes),
        cmocka_unit_test(tensors_have_the_names_and_shapes_of_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
