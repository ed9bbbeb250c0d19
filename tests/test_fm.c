/*
 * Factorization machines against the O(n^2) sum over pairs, and their gradient against central
 * differences.
 */
#include "sample_groups.h"
#include "test.h"

#define N_GROUPS 4

/* The definition (Rendle 2010, eq. 1) over the entries of row 0 and an item's row side by side. */
static double brute_force(const struct rk_model *model, const float *theta,
                          const struct rk_group *group, size_t item)
{
    const float *w = theta + sample_tensor(model, "linear.weight");
    const float *v = theta + sample_tensor(model, "embedding.weight");
    const size_t k = rk_model_config(model)->dim;
    uint32_t entry[200];
    size_t n = 0;
    double y = (double)theta[0];

    for (uint32_t e = group->offset[0]; e < group->offset[1]; e++) {
        entry[n++] = e;
    }
    for (uint32_t e = group->offset[item + 1]; e < group->offset[item + 2]; e++) {
        entry[n++] = e;
    }
    for (size_t a = 0; a < n; a++) {
        const size_t i = group->index[entry[a]];
        const double x = (double)group->value[entry[a]];
        y += (double)w[i] * x;
        for (size_t b = a + 1; b < n; b++) {
            const size_t j = group->index[entry[b]];
            for (size_t f = 0; f < k; f++) {
                y += (double)v[i * k + f] * (double)v[j * k + f] * x *
                     (double)group->value[entry[b]];
            }
        }
    }
    return y;
}

static void assert_brute_force(uint32_t dim, uint64_t seed)
{
    const struct sample_shape shape = {.n_items = 12, .n_shared = 8, .n_own = 9, .grades = 2};
    struct rk_model_config config = sample_config("pairwise_logistic", "sgd");
    struct rk_random random = {seed};
    double score[12];

    print_message("dim %u, seed %llu\n", (unsigned)dim, (unsigned long long)seed);
    config.dim = dim;
    struct rk_model *model = sample_model(&config);
    float *theta = sample_theta(model, seed);
    struct rk_group *group = sample_group(model, &shape, &random);
    sample_score(model, theta, group, score);
    for (size_t i = 0; i < 12; i++) {
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
    static const uint32_t dims[] = {1, 3, 16, RK_DIM_MAX};

    for (uint64_t i = 0; i < 4; i++) {
        assert_brute_force(dims[i], i + 1);
    }
}

/* The group with row 0 emptied and its features given to every item. */
static struct rk_group *unshared(const struct rk_model *model, const struct rk_group *group)
{
    struct rk_group_builder builder = {0};
    struct rk_group view, *copy;

    assert_ok(rk_group_begin(&builder, &rk_model_config(model)->features, 0, NULL));
    for (size_t i = 0; i < group->n_items; i++) {
        assert_ok(rk_group_begin_item(&builder, 0, NULL));
        rk_group_label(&builder, group->label[i], group->weight[i]);
        for (uint32_t e = 0; e < group->offset[group->n_items + 1]; e++) {
            const bool shared = e < group->offset[1];
            const bool own = e >= group->offset[i + 1] && e < group->offset[i + 2];
            const struct rk_feature feature = rk_feature_column(group->index[e], group->value[e]);
            if (shared || own) {
                assert_ok(rk_group_add(&builder, &feature, NULL));
            }
        }
    }
    assert_ok(rk_group_end(&builder, true, &view, NULL));
    assert_ok(rk_group_copy(&view, &copy, NULL));
    rk_group_builder_deinit(&builder);
    return copy;
}

/* Columns 0 to 4 for row 0, the others for items, so that no row is on both sides. */
static struct rk_group *two_sided(const struct rk_model *model, struct rk_random *random)
{
    struct rk_group_builder builder = {0};
    struct rk_group view, *copy;

    assert_ok(rk_group_begin(&builder, &rk_model_config(model)->features, 0, NULL));
    for (uint32_t i = 0; i < 36; i++) {
        const uint32_t column = i < 6 ? i % 5 : 5 + rk_random_below(random, SAMPLE_COLUMNS - 5);
        const struct rk_feature f = rk_feature_column(column, (float)rk_random_normal(random));
        if (i >= 6 && i % 6 == 0) {
            assert_ok(rk_group_begin_item(&builder, 0, NULL));
            rk_group_label(&builder, (float)(i % 12 / 6), 1.0F);
        }
        assert_ok(rk_group_add(&builder, &f, NULL));
    }
    assert_ok(rk_group_end(&builder, true, &view, NULL));
    assert_ok(rk_group_copy(&view, &copy, NULL));
    rk_group_builder_deinit(&builder);
    return copy;
}

static void shared_part_apart_equals_everything_inside_each_item(void **state)
{
    (void)state;
    const struct rk_model_config config = sample_config("bce_with_logits", "sgd");
    struct rk_model *model = sample_model(&config);
    struct rk_random random = {21};
    float *theta = sample_theta(model, 21);
    struct rk_group *apart = two_sided(model, &random), *inside = unshared(model, apart);
    double score[2][5], *grad = calloc(2 * rk_model_params(model), sizeof *grad);
    double *second = grad + rk_model_params(model);

    print_message("seed 21\n");
    sample_score(model, theta, apart, score[0]);
    sample_score(model, theta, inside, score[1]);
    (void)sample_loss(model, theta, (const struct rk_group *const *)&apart, 1, grad, NULL);
    (void)sample_loss(model, theta, (const struct rk_group *const *)&inside, 1, second, NULL);
    for (size_t i = 0; i < 5; i++) {
        assert_close(score[0][i], score[1][i], 1e-12, 1e-12);
    }
    for (size_t i = 0; i < rk_model_params(model); i++) {
        assert_close(grad[i], second[i], 1e-10, 1e-12);
    }
    free(grad);
    free(theta);
    rk_group_destroy(&apart);
    rk_group_destroy(&inside);
    rk_model_destroy(&model);
}

static void item_without_features_scores_bias_and_shared_part(void **state)
{
    (void)state;
    const struct rk_model_config config = sample_config("pairwise_logistic", "sgd");
    const struct sample_shape bare = {.n_items = 3, .grades = 2};
    const struct sample_shape shared = {.n_items = 3, .n_shared = 5, .grades = 2};
    struct rk_model *model = sample_model(&config);
    struct rk_random random = {4};
    float *theta = sample_theta(model, 4);
    struct rk_group *empty = sample_group(model, &bare, &random);
    struct rk_group *user = sample_group(model, &shared, &random);
    double score[3];

    sample_score(model, theta, empty, score);
    assert_true(score[0] == (double)theta[0] && score[2] == (double)theta[0]);
    sample_score(model, theta, user, score);
    assert_close(score[1], brute_force(model, theta, user, 1), 1e-12, 1e-12);
    assert_true(score[0] == score[1]);
    free(theta);
    rk_group_destroy(&empty);
    rk_group_destroy(&user);
    rk_model_destroy(&model);
}

/* No pair within reach of the step sits where the margin's slope jumps. */
static void assert_no_kink(const struct rk_model *model, const float *theta,
                           struct rk_group *const *groups)
{
    for (size_t g = 0; g < N_GROUPS; g++) {
        double score[6];
        sample_score(model, theta, groups[g], score);
        for (size_t i = 0; i < 36; i++) {
            const double d = score[i / 6] - score[i % 6];
            assert_true(fabs(rk_model_config(model)->loss.margin - d) > 0.002);
        }
    }
}

/*
 * theta lies on a grid that the step is part of: both differences are exact, so the error is
 * O(step^2).
 */
static void assert_gradient(const struct rk_model_config *config, uint64_t seed)
{
    const float step = 0x1p-12F;
    struct rk_model *model = sample_model(config);
    float *theta = sample_theta(model, seed);
    struct rk_group *groups[N_GROUPS];
    const struct rk_group *const *borrowed = (const struct rk_group *const *)groups;
    double *grad = malloc(rk_model_params(model) * sizeof *grad);

    sample_groups(model, groups, N_GROUPS, seed);
    if (config->loss.name == RK_MARGIN_RANKING) {
        assert_no_kink(model, theta, groups);
    }
    assert_true(sample_loss(model, theta, borrowed, N_GROUPS, grad, NULL) > 0.0);
    for (size_t i = 0; i < rk_model_learned(model); i++) {
        const float kept = theta[i];
        theta[i] = kept + step;
        const double up = sample_loss(model, theta, borrowed, N_GROUPS, NULL, NULL);
        theta[i] = kept - step;
        const double down = sample_loss(model, theta, borrowed, N_GROUPS, NULL, NULL);
        theta[i] = kept;
        assert_close(grad[i], (up - down) / (2 * (double)step), 1e-5, 1e-6);
    }
    free(grad);
    free(theta);
    sample_groups_destroy(groups, N_GROUPS);
    rk_model_destroy(&model);
}

static void gradient_equals_central_differences(void **state)
{
    (void)state;
    static const char *const losses[] = {"pairwise_logistic", "margin_ranking", "bce_with_logits"};

    for (size_t l = 0; l < 3; l++) {
        for (int binary = 0; binary < 2; binary++) {
            struct rk_model_config config = sample_config(losses[l], "sgd");
            config.loss.pairs = binary ? RK_PAIRS_BINARY : RK_PAIRS_GRADED;
            config.dim = binary ? 1 : 4;
            print_message("%s %s\n", losses[l], binary ? "binary" : "graded");
            assert_gradient(&config, 31 + l);
        }
    }
}

static void gradient_with_standardised_numbers_equals_central_differences(void **state)
{
    (void)state;
    const struct rk_model_config pairwise = sample_hashed_config("pairwise_logistic", "sgd");
    const struct rk_model_config pointwise = sample_hashed_config("bce_with_logits", "sgd");

    assert_gradient(&pairwise, 41);
    assert_gradient(&pointwise, 42);
}

/*
 * Which linear rows one group's gradient has: of bias, of columns met in row 0 only, of columns
 * met in items.
 */
static void assert_linear_rows(const char *loss, bool with_shared)
{
    struct rk_model_config config = sample_config(loss, "sgd");
    struct rk_random random = {51};

    config.loss.margin = 100; /* every pair pulls */
    struct rk_model *model = sample_model(&config);
    float *theta = sample_theta(model, 51);
    struct rk_group *group = two_sided(model, &random);
    double *grad = malloc(rk_model_params(model) * sizeof *grad);
    bool met[1 + 2 * SAMPLE_COLUMNS];

    (void)sample_loss(model, theta, (const struct rk_group *const *)&group, 1, grad, met);
    assert_int_equal(met[0], with_shared);
    for (size_t e = 0; e < group->offset[group->n_items + 1]; e++) {
        const size_t j = group->index[e];
        assert_int_equal(met[1 + j], j >= 5 || with_shared);
        assert_true(met[1 + SAMPLE_COLUMNS + j]);
    }
    free(grad);
    free(theta);
    rk_group_destroy(&group);
    rk_model_destroy(&model);
}

static void shift_free_losses_leave_bias_and_shared_linear_rows_alone(void **state)
{
    (void)state;
    assert_linear_rows("pairwise_logistic", false);
    assert_linear_rows("margin_ranking", false);
    assert_linear_rows("listwise_softmax", false);
}

static void pointwise_losses_learn_bias_and_shared_linear_rows(void **state)
{
    (void)state;
    assert_linear_rows("bce_with_logits", true);
}

/* The group with its items in reverse. */
static struct rk_group *reversed(const struct rk_model *model, const struct rk_group *group)
{
    const size_t n = group->n_items;
    struct rk_group_builder builder = {0};
    struct rk_group view, *copy;

    assert_ok(rk_group_begin(&builder, &rk_model_config(model)->features, 0, NULL));
    for (size_t r = 0; r <= n; r++) {
        const size_t row = r == 0 ? 0 : n + 1 - r;
        if (r > 0) {
            assert_ok(rk_group_begin_item(&builder, 0, NULL));
            rk_group_label(&builder, group->label[row - 1], group->weight[row - 1]);
        }
        for (uint32_t e = group->offset[row]; e < group->offset[row + 1]; e++) {
            const struct rk_feature feature = rk_feature_column(group->index[e], group->value[e]);
            assert_ok(rk_group_add(&builder, &feature, NULL));
        }
    }
    assert_ok(rk_group_end(&builder, true, &view, NULL));
    assert_ok(rk_group_copy(&view, &copy, NULL));
    rk_group_builder_deinit(&builder);
    return copy;
}

static void order_of_items_changes_neither_scores_nor_gradient(void **state)
{
    (void)state;
    const struct rk_model_config config = sample_config("pairwise_logistic", "sgd");
    struct rk_model *model = sample_model(&config);
    float *theta = sample_theta(model, 61);
    struct rk_group *group, *back;
    double score[2][6], *grad = calloc(2 * rk_model_params(model), sizeof *grad);
    double *second = grad + rk_model_params(model);

    sample_groups(model, &group, 1, 61);
    back = reversed(model, group);
    sample_score(model, theta, group, score[0]);
    sample_score(model, theta, back, score[1]);
    for (size_t i = 0; i < 6; i++) {
        assert_true(score[0][i] == score[1][5 - i]);
    }
    (void)sample_loss(model, theta, (const struct rk_group *const *)&group, 1, grad, NULL);
    (void)sample_loss(model, theta, (const struct rk_group *const *)&back, 1, second, NULL);
    for (size_t i = 0; i < rk_model_params(model); i++) {
        assert_close(grad[i], second[i], 1e-12, 1e-14);
    }
    free(grad);
    free(theta);
    rk_group_destroy(&group);
    rk_group_destroy(&back);
    rk_model_destroy(&model);
}

/* Its two halves were once rounded differently, and AdaGrad made full steps of the difference. */
static void feature_with_nothing_to_pair_with_has_an_embedding_gradient_of_exactly_0(void **state)
{
    (void)state;
    const struct rk_model_config config = sample_config("pairwise_logistic", "sgd");
    struct rk_model *model = sample_model(&config);
    const size_t v = sample_tensor(model, "embedding.weight");
    float *theta = sample_start(model);
    double *grad = malloc(rk_model_params(model) * sizeof *grad);

    for (uint32_t j = 0; j < SAMPLE_COLUMNS; j++) {
        theta[1 + j] = 0.1F * (float)(j % 7); /* gradients that are no powers of two */
    }
    for (uint32_t j = 0; j + 1 < SAMPLE_COLUMNS; j++) {
        const struct rk_feature own[] = {rk_feature_column(j, 0.3F),
                                         rk_feature_column(j + 1, 1.7F)};
        struct rk_group *group = sample_list(model, 2, own, (float[]){1, 0});
        (void)sample_loss(model, theta, (const struct rk_group *const *)&group, 1, grad, NULL);
        assert_true(grad[1 + j] != 0.0);
        for (size_t i = v; i < rk_model_params(model); i++) {
            assert_true(grad[i] == 0.0);
        }
        rk_group_destroy(&group);
    }
    free(grad);
    free(theta);
    rk_model_destroy(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(score_equals_brute_force_pair_sum),
        cmocka_unit_test(shared_part_apart_equals_everything_inside_each_item),
        cmocka_unit_test(item_without_features_scores_bias_and_shared_part),
        cmocka_unit_test(gradient_equals_central_differences),
        cmocka_unit_test(gradient_with_standardised_numbers_equals_central_differences),
        cmocka_unit_test(shift_free_losses_leave_bias_and_shared_linear_rows_alone),
        cmocka_unit_test(pointwise_losses_learn_bias_and_shared_linear_rows),
        cmocka_unit_test(order_of_items_changes_neither_scores_nor_gradient),
        cmocka_unit_test(feature_with_nothing_to_pair_with_has_an_embedding_gradient_of_exactly_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
