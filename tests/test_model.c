/*
 * The shape of a model: options, limits, tensors and rows, and the untrained start.
 */
#include "sample_groups.h"
#include "test.h"

static struct rk_model_config defaults(void)
{
    struct rk_model_config config;

    assert_ok(rk_model_default("fm", &config, NULL));
    return config;
}

static void defaults_are_those_of_the_documentation(void **state)
{
    (void)state;
    const struct rk_model_config config = defaults();

    assert_string_equal(config.kind, "fm");
    assert_true(config.features.kind == RK_HASHED && config.features.bits == 18);
    assert_true(config.standardize && config.use_ids);
    assert_int_equal(config.dim, 16);
    assert_int_equal(config.loss.name, RK_PAIRWISE_LOGISTIC);
    assert_int_equal(config.optim.name, RK_ADAGRAD);
    assert_true(config.init_std == 0.05 && config.init_seed == 1 && config.clip_norm == 0.0);
}

static void unknown_kind_is_not_found(void **state)
{
    (void)state;
    struct rk_model_config config = defaults();
    struct rk_model *model = NULL;

    assert_status(rk_model_default("mf", &config, NULL), RK_NOTFOUND);
    assert_string_equal(config.kind, "fm");
    strcpy(config.kind, "mf");
    assert_status(rk_model_create(&config, 0, &model, NULL), RK_NOTFOUND);
    assert_null(model);
}

/* Half a terabyte of parameters: only a shape that allocates none of them can be made. */
static void largest_shape_allocates_no_parameters(void **state)
{
    (void)state;
    struct rk_model_config config = defaults();
    struct rk_model *model = NULL;

    config.features.bits = RK_BITS_MAX;
    config.dim = RK_DIM_MAX;
    assert_ok(rk_model_create(&config, 0, &model, NULL));
    assert_true(rk_model_params(model) == 1 + ((size_t)1 << 28) * (1 + 256 + 3));
    assert_true(rk_model_rows(model) == 1 + ((size_t)3 << 28));
    rk_model_destroy(&model);
    assert_null(model);
}

static void model_above_the_limit_is_too_big(void **state)
{
    (void)state;
    const struct rk_model_config config = sample_config("pairwise_logistic", "sgd");
    const size_t bytes = 4 * (1 + SAMPLE_COLUMNS * 5);
    struct rk_model *model = NULL;
    struct rk_error err = {0};

    assert_status(rk_model_create(&config, bytes - 1, &model, &err), RK_TOOBIG);
    assert_non_null(strstr(err.text, "121"));
    assert_null(model);
    assert_ok(rk_model_create(&config, bytes, &model, NULL));
    rk_model_destroy(&model);
    rk_model_destroy(&model);
}

static void assert_refused(const struct rk_model_config *config)
{
    struct rk_model *model = NULL;
    struct rk_error err = {0};

    assert_status(rk_model_create(config, 0, &model, &err), RK_INVALID);
    assert_true(err.text[0] != '\0');
    assert_null(model);
}

static void sizes_outside_their_ranges_are_refused(void **state)
{
    (void)state;
    static const uint32_t bits[] = {0, 29, UINT32_MAX}, sizes[] = {0, RK_SIZE_MAX + 1},
                          dims[] = {0, 257};

    for (size_t i = 0; i < 3; i++) {
        struct rk_model_config config = defaults();
        config.features.bits = bits[i];
        assert_refused(&config);
    }
    for (size_t i = 0; i < 2; i++) {
        struct rk_model_config config = defaults();
        config.dim = dims[i];
        assert_refused(&config);
        config = sample_config("pairwise_logistic", "sgd");
        config.features.size = sizes[i];
        assert_refused(&config);
    }
}

static void init_std_that_would_leave_all_zero_is_refused(void **state)
{
    (void)state;
    static const double values[] = {0.0, -0.05, 1e-50, 10.5, (double)INFINITY, (double)NAN};

    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct rk_model_config config = defaults();
        config.init_std = values[i];
        assert_refused(&config);
    }
}

/* Where an option lies in a config, for which loss or optimizer, and one value it must not have. */
struct bad_option {
    const char *loss, *optim;
    size_t offset;
    double value;
};

#define LOSS(name, option, x)                                                                      \
    {                                                                                              \
        name, "sgd", offsetof(struct rk_model_config, loss.option), x                              \
    }
#define OPTIM(name, option, x)                                                                     \
    {                                                                                              \
        "pairwise_logistic", name, offsetof(struct rk_model_config, optim.option), x               \
    }

static const struct bad_option bad_options[] = {
    LOSS("pairwise_logistic", sigma, 0.0),
    LOSS("lambdarank", sigma, -1.0),
    LOSS("margin_ranking", margin, -0.5),
    LOSS("smooth_hinge", margin, 0.0),
    LOSS("approx_ndcg", tau, 0.0),
    LOSS("bce_with_logits", pos_weight, -1.0),
    LOSS("distill_pointwise", temperature, 0.0),
    LOSS("distill_listwise", temperature, (double)NAN),
    LOSS("ranking_distillation", lambda, 0.0),
    LOSS("ranking_distillation", mu, -0.1),
    OPTIM("sgd", learning_rate, 0.0),
    OPTIM("adagrad", learning_rate, (double)INFINITY),
    OPTIM("adagrad", l2, -1e-6),
    OPTIM("sgd", momentum, 1.0),
    OPTIM("adagrad", eps, 0.0),
    OPTIM("adagrad", init_acc, -1.0),
    OPTIM("adam", eps, 0.0),
    OPTIM("adamw", beta1, 1.0),
    OPTIM("sparse_adam", beta2, 1.0),
    OPTIM("ftrl", l1, -1.0),
    OPTIM("ftrl", beta, -1.0),
    {"pairwise_logistic", "sgd", offsetof(struct rk_model_config, clip_norm), -1.0},
    {"pairwise_logistic", "sgd", offsetof(struct rk_model_config, clip_norm), (double)NAN},
};

/* They once went unchecked, beta1 = 1 into a division by 0 at the first update. */
static void options_of_loss_and_optimizer_outside_their_ranges_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_options / sizeof *bad_options; i++) {
        const struct bad_option *bad = &bad_options[i];
        struct rk_model_config config = sample_config(bad->loss, bad->optim);
        struct rk_model *model = sample_model(&config);
        rk_model_destroy(&model);
        memcpy((char *)&config + bad->offset, &bad->value, sizeof bad->value);
        print_message("%s %s %g\n", bad->loss, bad->optim, bad->value);
        assert_refused(&config);
    }
}

static void option_that_a_loss_does_not_know_is_ignored(void **state)
{
    (void)state;
    struct rk_model_config config = sample_config("pairwise_logistic", "adagrad");

    config.loss.tau = config.loss.margin = -1.0;
    config.optim.momentum = config.optim.beta1 = 2.0;
    struct rk_model *model = sample_model(&config);
    rk_model_destroy(&model);
}

static void fm_tensors_have_the_names_and_shapes_of_pytorch(void **state)
{
    (void)state;
    const struct rk_model_config config = sample_config("pairwise_logistic", "sgd");
    struct rk_model *model = sample_model(&config);
    size_t n;
    const struct rk_tensor *t = rk_model_tensors(model, &n);

    assert_int_equal(n, 3);
    assert_string_equal(t[0].name, "linear.bias");
    assert_true(t[0].rank == 1 && t[0].shape[0] == 1);
    assert_string_equal(t[1].name, "linear.weight");
    assert_true(t[1].rank == 2 && t[1].shape[0] == 1 && t[1].shape[1] == SAMPLE_COLUMNS);
    assert_true(t[1].rows == SAMPLE_COLUMNS && t[1].cols == 1);
    assert_string_equal(t[2].name, "embedding.weight");
    assert_true(t[2].rank == 2 && t[2].shape[0] == SAMPLE_COLUMNS && t[2].shape[1] == 4);
    assert_int_equal(rk_model_learned(model), rk_model_params(model));
    assert_int_equal(rk_model_heads(model), 1);
    rk_model_destroy(&model);
}

static void deepfm_and_joint_alone_have_layers(void **state)
{
    static const char *const kinds[] = {"fm", "ffm", "deepfm", "joint"};
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct rk_model_config config;
        struct rk_model *model = NULL;
        assert_ok(rk_model_default(kinds[i], &config, NULL));
        assert_ok(rk_model_create(&config, 0, &model, NULL));
        assert_int_equal(rk_model_is_layered(model), i >= 2);
        rk_model_destroy(&model);
    }
}

static void statistics_of_numbers_lie_behind_what_is_learned(void **state)
{
    (void)state;
    struct rk_model_config config = sample_hashed_config("pairwise_logistic", "sgd");
    struct rk_model *model = sample_model(&config);

    assert_int_equal(sample_tensor(model, "numbers.weight"), rk_model_learned(model));
    assert_int_equal(rk_model_params(model) - rk_model_learned(model), 3 * 32);
    rk_model_destroy(&model);
    config.standardize = false;
    model = sample_model(&config);
    assert_int_equal(rk_model_params(model), rk_model_learned(model));
    rk_model_destroy(&model);
}

static void rows_tile_the_block_without_gap_or_overlap(void **state)
{
    (void)state;
    const struct rk_model_config config = sample_hashed_config("pairwise_logistic", "sgd");
    struct rk_model *model = sample_model(&config);
    size_t n, next = 0;
    const struct rk_tensor *t = rk_model_tensors(model, &n);

    for (uint32_t row = 0; row < rk_model_rows(model); row++) {
        size_t length;
        assert_int_equal(rk_model_row(model, row, &length), next);
        next += length;
    }
    assert_int_equal(next, rk_model_params(model));
    for (size_t i = 0; i < n; i++) {
        for (size_t r = 0; r < t[i].rows; r++) {
            size_t length, at = rk_model_row(model, (uint32_t)(t[i].first_row + r), &length);
            assert_int_equal(at, t[i].offset + r * t[i].cols);
            assert_int_equal(length, t[i].cols);
        }
    }
    rk_model_destroy(&model);
}

static void copy_rows_copies_those_rows_and_no_others(void **state)
{
    (void)state;
    const struct rk_model_config config = sample_hashed_config("pairwise_logistic", "sgd");
    struct rk_model *model = sample_model(&config);
    static const uint32_t rows[] = {70, 0, 3, 96, 33}; /* of all tensors */
    float *from = sample_theta(model, 1), *to = sample_theta(model, 2),
          *old = sample_theta(model, 2);

    rk_model_copy_rows(model, rows, 5, from, to);
    for (uint32_t row = 0; row < rk_model_rows(model); row++) {
        bool copied = false;
        size_t length;
        const size_t at = rk_model_row(model, row, &length);
        for (size_t i = 0; i < 5; i++) {
            copied = copied || rows[i] == row;
        }
        assert_memory_equal(to + at, (copied ? from : old) + at, length * sizeof *to);
    }
    free(from);
    free(to);
    free(old);
    rk_model_destroy(&model);
}

static void same_seed_starts_with_the_same_bytes(void **state)
{
    (void)state;
    struct rk_model_config config = sample_hashed_config("pairwise_logistic", "sgd");
    struct rk_model *model = sample_model(&config);
    const size_t bytes = rk_model_params(model) * sizeof(float);
    float *first = sample_start(model), *second = sample_start(model);

    assert_memory_equal(first, second, bytes);
    rk_model_destroy(&model);
    free(second);
    config.init_seed = 2;
    model = sample_model(&config);
    second = sample_start(model);
    assert_memory_not_equal(first, second, bytes);
    rk_model_destroy(&model);
    free(first);
    free(second);
}

static void start_draws_embeddings_and_leaves_all_else_zero(void **state)
{
    (void)state;
    struct rk_model_config config = sample_hashed_config("pairwise_logistic", "sgd");

    config.features.bits = 10;
    struct rk_model *model = sample_model(&config);
    float *theta = sample_start(model);
    const size_t v = sample_tensor(model, "embedding.weight"), n = 4 << 10;
    double sum = 0, squares = 0;

    for (size_t i = 0; i < rk_model_params(model); i++) {
        const double x = (double)theta[i];
        if (i < v || i >= v + n) {
            assert_true(x == 0.0);
        }
        sum += x;
        squares += x * x;
    }
    assert_close(sum / (double)n, 0.0, 0, 4 * 0.05 / 64); /* 4 standard errors */
    assert_close(sqrt(squares / (double)n), 0.05, 0.05, 0);
    free(theta);
    rk_model_destroy(&model);
}

static void embeddings_are_never_all_zero(void **state)
{
    (void)state;
    struct rk_model_config config = sample_config("pairwise_logistic", "sgd");

    config.init_std = 1e-9;
    config.features.size = config.dim = 1;
    for (config.init_seed = 0; config.init_seed < 200; config.init_seed++) {
        struct rk_model *model = sample_model(&config);
        float *theta = sample_start(model);
        assert_true(theta[2] != 0.0F);
        free(theta);
        rk_model_destroy(&model);
    }
}

static void score_that_is_not_finite_is_told_with_its_item(void **state)
{
    (void)state;
    const struct rk_model_config config = sample_config("pairwise_logistic", "sgd");
    struct rk_model *model = sample_model(&config);
    const struct rk_feature own[] = {rk_feature_column(1, 1.0F), rk_feature_column(2, 1.0F)};
    struct rk_group *group = sample_list(model, 2, own, (float[]){0, 1});
    float *theta = sample_start(model);
    struct rk_error err = {0};
    double score[2];
    void *work = malloc(rk_model_work(model, 2, 2));

    theta[sample_tensor(model, "linear.weight") + 2] = INFINITY;
    assert_status(rk_model_forward(model, theta, group, work, score, &err), RK_DIVERGED);
    assert_non_null(strstr(err.text, "item 1"));
    free(work);
    free(theta);
    rk_group_destroy(&group);
    rk_model_destroy(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_documentation),
        cmocka_unit_test(deepfm_and_joint_alone_have_layers),
        cmocka_unit_test(unknown_kind_is_not_found),
        cmocka_unit_test(largest_shape_allocates_no_parameters),
        cmocka_unit_test(model_above_the_limit_is_too_big),
        cmocka_unit_test(sizes_outside_their_ranges_are_refused),
        cmocka_unit_test(init_std_that_would_leave_all_zero_is_refused),
        cmocka_unit_test(options_of_loss_and_optimizer_outside_their_ranges_are_refused),
        cmocka_unit_test(option_that_a_loss_does_not_know_is_ignored),
        cmocka_unit_test(fm_tensors_have_the_names_and_shapes_of_pytorch),
        cmocka_unit_test(statistics_of_numbers_lie_behind_what_is_learned),
        cmocka_unit_test(rows_tile_the_block_without_gap_or_overlap),
        cmocka_unit_test(copy_rows_copies_those_rows_and_no_others),
        cmocka_unit_test(same_seed_starts_with_the_same_bytes),
        cmocka_unit_test(start_draws_embeddings_and_leaves_all_else_zero),
        cmocka_unit_test(embeddings_are_never_all_zero),
        cmocka_unit_test(score_that_is_not_finite_is_told_with_its_item),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
