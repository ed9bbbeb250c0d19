/*
 * DeepFM against its definition: sums over pairs, and a plain MLP over the field sums.
 */
#include "gradient_check.h"
#include "test.h"

#define ITEMS 7
#define WIDTH 16

/* The MLP of a model by its tensors' names. */
static double plain_mlp(const struct rk_model *model, const float *theta, const double *input)
{
    const struct rk_model_config *config = rk_model_config(model);
    double in[SAMPLE_FIELDS * WIDTH], out[SAMPLE_FIELDS * WIDTH];
    size_t n_in = SAMPLE_FIELDS * config->dim;

    memcpy(in, input, n_in * sizeof *in);
    for (uint32_t l = 0; l <= config->n_hidden; l++) {
        const bool hidden = l < config->n_hidden;
        const size_t n_out = hidden ? config->hidden[l] : 1;
        char weight[32], bias[32];
        snprintf(weight, sizeof weight, "mlp.%u.weight", (unsigned)(2 * l));
        snprintf(bias, sizeof bias, "mlp.%u.bias", (unsigned)(2 * l));
        sample_layer(theta + sample_tensor(model, weight), theta + sample_tensor(model, bias), in,
                     n_in, n_out, hidden, out);
        memcpy(in, out, n_out * sizeof *in);
        n_in = n_out;
    }
    return in[0];
}

/* Pairs one by one, then the MLP. */
static double brute_force(const struct rk_model *model, const float *theta,
                          const struct rk_group *group, size_t item)
{
    const size_t k = rk_model_config(model)->dim;
    const float *w = theta + sample_tensor(model, "linear.weight");
    const float *v = theta + sample_tensor(model, "embedding.weight");
    double y = (double)theta[0], sum[SAMPLE_FIELDS * WIDTH] = {0};
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
        for (size_t d = 0; d < k; d++) {
            sum[sample_fields[i] * k + d] += (double)v[i * k + d] * x;
            for (size_t b = a + 1; b < n; b++) {
                y += (double)v[i * k + d] * (double)v[group->index[entry[b]] * k + d] * x *
                     (double)group->value[entry[b]];
            }
        }
    }
    return y + plain_mlp(model, theta, sum);
}

static struct rk_model_config deep_config(const char *loss, uint32_t n_hidden)
{
    struct rk_model_config config = checked_config("deepfm", RK_INDEXED, loss);

    config.n_hidden = n_hidden;
    memcpy(config.hidden, (uint32_t[]){7, 4, 5}, sizeof config.hidden);
    return config;
}

static void score_equals_brute_force(void **state)
{
    (void)state;
    const struct sample_shape shape = {.n_items = ITEMS, .n_shared = 2, .n_own = 3, .grades = 2};

    for (uint32_t layers = 1; layers <= RK_HIDDEN_MAX; layers++) {
        const struct rk_model_config config = deep_config("pairwise_logistic", layers);
        struct rk_random random = {400 + layers};
        double score[ITEMS];
        print_message("seed %u\n", 400 + (unsigned)layers);
        struct rk_model *model = sample_model(&config);
        float *theta = sample_theta(model, 400 + layers);
        struct rk_group *group = sample_group(model, &shape, &random);
        sample_score(model, theta, group, score);
        for (size_t i = 0; i < ITEMS; i++) {
            assert_close(score[i], brute_force(model, theta, group, i), 1e-12, 1e-12);
        }
        free(theta);
        rk_group_destroy(&group);
        rk_model_destroy(&model);
    }
}

static void gradient_equals_central_differences_at_every_depth(void **state)
{
    (void)state;
    static const char *const losses[] = {"pairwise_logistic", "distill_pointwise"};

    for (uint32_t layers = 1; layers <= RK_HIDDEN_MAX; layers++) {
        for (size_t l = 0; l < 2; l++) {
            const struct rk_model_config config = deep_config(losses[l], layers);
            assert_gradient(&config, 410 + 2 * layers + l);
        }
    }
}

static void shift_free_losses_leave_both_biases_alone(void **state)
{
    (void)state;
    static const char *const losses[] = {"pairwise_logistic", "listwise_softmax",
                                         "bce_with_logits"};

    for (size_t l = 0; l < 3; l++) {
        const struct rk_model_config config = deep_config(losses[l], 2);
        struct learner_fixture f;
        checked_make(&f, &config, 420);
        const size_t last = sample_tensor(f.model, "mlp.4.bias");
        const size_t hidden = sample_tensor(f.model, "mlp.0.bias");
        double *grad = objective_gradient(&f, 4), sum = 0;
        for (size_t i = 0; i < 7; i++) {
            sum += fabs(grad[hidden + i]);
        }
        assert_true((grad[0] == 0.0) == (l < 2) && (grad[last] == 0.0) == (l < 2));
        assert_true(sum > 0);
        free(grad);
        learner_end(&f);
    }
}

/* With a silent MLP, V gets gradients from pairs alone: lists of one feature an item have none. */
static void feature_with_nothing_to_pair_with_has_an_embedding_gradient_of_exactly_0(void **state)
{
    (void)state;
    const struct rk_model_config config = deep_config("pairwise_logistic", 2);
    struct learner_fixture f;

    checked_make(&f, &config, 430);
    const size_t v = sample_tensor(f.model, "embedding.weight");
    const size_t mlp = sample_tensor(f.model, "mlp.0.weight");
    for (size_t i = mlp; i < rk_model_params(f.model); i++) {
        f.theta[i] = 0;
    }
    struct learner_copy before = learner_copy(&f);
    for (uint32_t j = 0; j + 1 < SAMPLE_COLUMNS; j++) {
        const struct rk_feature own[] = {rk_feature_column(j, 0.3F),
                                         rk_feature_column(j + 1, 1.7F)};
        struct rk_group *group = sample_list(f.model, 2, own, (float[]){1, 0});
        (void)sample_update(f.learner, f.theta, group);
        rk_group_destroy(&group);
    }
    assert_true(learner_differs(&f, &before));
    assert_memory_equal(f.theta + v, before.theta + v, (mlp - v) * sizeof(float));
    learner_copy_free(&before);
    learner_end(&f);
}

static void tensors_have_the_names_and_shapes_of_pytorch(void **state)
{
    (void)state;
    static const char *const names[] = {"linear.bias",  "linear.weight", "embedding.weight",
                                        "mlp.0.weight", "mlp.0.bias",    "mlp.2.weight",
                                        "mlp.2.bias",   "mlp.4.weight",  "mlp.4.bias"};
    const struct rk_model_config config = deep_config("pairwise_logistic", 2);
    struct rk_model *model = sample_model(&config);
    size_t n;
    const struct rk_tensor *t = rk_model_tensors(model, &n);

    assert_int_equal(n, 9);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(t[i].name, names[i]);
        assert_false(t[i].transposed);
    }
    assert_true(t[3].rank == 2 && t[3].shape[0] == 7 && t[3].shape[1] == 3 * SAMPLE_FIELDS);
    assert_true(t[4].rank == 1 && t[4].shape[0] == 7);
    assert_true(t[7].shape[0] == 1 && t[7].shape[1] == 4 && t[8].shape[0] == 1);
    rk_model_destroy(&model);
}

/* U(-1/sqrt(in), 1/sqrt(in)), weights and biases. */
static void layers_start_as_those_of_pytorch(void **state)
{
    (void)state;
    struct rk_model_config config = deep_config("pairwise_logistic", 1);

    config.hidden[0] = RK_WIDTH_MAX;
    struct rk_model *model = sample_model(&config);
    float *theta = sample_start(model);
    const float *weight = theta + sample_tensor(model, "mlp.0.weight");
    const size_t n = 3 * SAMPLE_FIELDS * RK_WIDTH_MAX;
    const double bound = 1 / sqrt(3 * SAMPLE_FIELDS);
    double squares = 0, largest = 0;

    for (size_t i = 0; i < n + RK_WIDTH_MAX; i++) { /* and the biases behind */
        largest = fmax(largest, fabs((double)weight[i]));
        squares += (double)weight[i] * (double)weight[i] / (double)(n + RK_WIDTH_MAX);
    }
    assert_true(largest <= bound && largest > 0.999 * bound);
    assert_close(squares, bound * bound / 3, 0.03, 0);
    free(theta);
    rk_model_destroy(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(score_equals_brute_force),
        cmocka_unit_test(gradient_equals_central_differences_at_every_depth),
        cmocka_unit_test(shift_free_losses_leave_both_biases_alone),
        cmocka_unit_test(feature_with_nothing_to_pair_with_has_an_embedding_gradient_of_exactly_0),
        cmocka_unit_test(tensors_have_the_names_and_shapes_of_pytorch),
        cmocka_unit_test(layers_start_as_those_of_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
