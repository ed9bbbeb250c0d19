/*
 * Standardised numbers, through the learner that keeps their statistics and the model that scores
 * with them.
 */
#include "sample_groups.h"
#include "test.h"

/* A model with standardised numbers and its learner; every price lies in one row. */
struct fixture {
    struct rk_model *model;
    struct rk_learner *learner;
    float *theta;
    float *statistics; /* of item.price: count, mean, variance */
    float *weight;     /* linear weight of item.price */
};

static struct rk_feature price(float value)
{
    return rk_feature_number(RK_ITEM, "price", 5, value);
}

static void make(struct fixture *f, const struct rk_model_config *config)
{
    const struct rk_feature feature = price(0.0F);
    uint32_t row;

    f->model = sample_model(config);
    f->theta = sample_start(f->model);
    assert_ok(rk_learner_create(f->model, f->theta, &f->learner, NULL));
    assert_ok(rk_space_row(&config->features, &feature, &row, NULL));
    f->statistics = f->theta + sample_tensor(f->model, "numbers.weight") + (size_t)row * 3;
    f->weight = f->theta + sample_tensor(f->model, "linear.weight") + row;
}

static int set_up(void **state)
{
    const struct rk_model_config config = sample_hashed_config("pairwise_logistic", "adagrad");
    struct fixture *f = malloc(sizeof *f);

    make(f, &config);
    *state = f;
    return 0;
}

static void end(struct fixture *f)
{
    rk_learner_destroy(&f->learner);
    rk_model_destroy(&f->model);
    free(f->theta);
}

static int tear_down(void **state)
{
    end(*state);
    free(*state);
    return 0;
}

/* A list of two prices, the first one clicked. */
static struct rk_group *two_prices(const struct fixture *f, float a, float b)
{
    const struct rk_feature own[] = {price(a), price(b)};

    return sample_list(f->model, 2, own, (float[]){1, 0});
}

static void learn(struct fixture *f, float a, float b)
{
    struct rk_group *group = two_prices(f, a, b);

    (void)sample_update(f->learner, f->theta, group);
    rk_group_destroy(&group);
}

/* What the model makes of a price: the score, with a weight of 1 and no embeddings. */
static double seen_as(const struct fixture *f, float value)
{
    struct rk_group *group = two_prices(f, value, 0.0F);
    float *theta = malloc(rk_model_params(f->model) * sizeof *theta);
    double score[2];

    memcpy(theta, f->theta, rk_model_params(f->model) * sizeof *theta);
    memset(theta, 0, rk_model_learned(f->model) * sizeof *theta);
    theta[f->weight - f->theta] = 1.0F;
    sample_score(f->model, theta, group, score);
    free(theta);
    rk_group_destroy(&group);
    return score[0];
}

static void set_statistics(struct fixture *f, float count, float mean, float variance)
{
    f->statistics[0] = count;
    f->statistics[1] = mean;
    f->statistics[2] = variance;
}

static void assert_two_pass(struct fixture *f, double centre, double scale)
{
    enum {
        N = 4000
    };
    struct rk_random random = {7};
    double *x = malloc(N * sizeof *x), mean = 0, variance = 0;

    print_message("seed 7, %g +- %g\n", centre, scale);
    for (size_t i = 0; i < N; i += 2) {
        const float a = (float)(centre + scale * rk_random_normal(&random));
        const float b = (float)(centre + scale * exp(rk_random_normal(&random)));
        x[i] = (double)a;
        x[i + 1] = (double)b;
        learn(f, a, b);
        mean += (x[i] + x[i + 1]) / N;
    }
    for (size_t i = 0; i < N; i++) {
        variance += (x[i] - mean) * (x[i] - mean) / N;
    }
    assert_true(f->statistics[0] == (float)N);
    assert_close((double)f->statistics[1], mean, 1e-4, 1e-4 * scale);
    assert_close((double)f->statistics[2], variance, 1e-3, 0);
    free(x);
}

static void running_mean_and_variance_equal_two_passes(void **state)
{
    (void)state;
    static const double centres[] = {0.0, 40.0, 2000.0, 3e7}, scales[] = {1.0, 15.0, 10.0, 1e7};

    for (size_t i = 0; i < 4; i++) {
        struct fixture *f = NULL;
        (void)set_up((void **)&f);
        assert_two_pass(f, centres[i], scales[i]);
        (void)tear_down((void **)&f);
    }
}

static void number_is_seen_in_deviations_from_its_mean(void **state)
{
    set_statistics(*state, 100.0F, 10.0F, 4.0F);
    assert_close(seen_as(*state, 14.0F), 2.0, 1e-6, 0);
    assert_close(seen_as(*state, 9.0F), -0.5, 1e-6, 0);
    assert_true(seen_as(*state, 10.0F) == 0.0);
}

static void number_is_clipped_at_five_deviations(void **state)
{
    set_statistics(*state, 100.0F, 10.0F, 4.0F);
    assert_true(seen_as(*state, 20.5F) == 5.0);
    assert_true(seen_as(*state, 3e38F) == 5.0);
    assert_true(seen_as(*state, -3e38F) == -5.0);
    assert_close(seen_as(*state, 19.9F), 4.95, 1e-6, 0);
}

static void number_scores_as_zero_until_two_values_of_it_were_seen(void **state)
{
    struct fixture *f = *state;

    assert_true(seen_as(f, 1e6F) == 0.0);
    set_statistics(f, 1.0F, 7.0F, 0.0F);
    assert_true(seen_as(f, 1e6F) == 0.0);
    set_statistics(f, 0.0F, 0.0F, 0.0F);
    learn(f, 0.1F, 0.1F);
    learn(f, 0.1F, 0.1F);
    assert_true(f->statistics[0] == 4.0F && f->statistics[2] == 0.0F);
    assert_true(seen_as(f, 0.2F) == 0.0);
    learn(f, 0.1F, 0.2F);
    assert_true(seen_as(f, 0.2F) > 1.0);
}

static void statistics_stop_counting_so_that_old_values_fade(void **state)
{
    struct fixture *f = *state;

    set_statistics(f, 100000.0F, 0.0F, 1.0F);
    learn(f, 1000.0F, 1000.0F);
    assert_true(f->statistics[0] == 100000.0F);
    assert_close((double)f->statistics[1], 0.02, 1e-3, 0);
    assert_close((double)f->statistics[2], 1.0 + 20.0, 1e-3, 0);
}

static void list_without_a_pair_leaves_statistics_alone(void **state)
{
    struct fixture *f = *state;
    const struct rk_feature own[] = {price(1.0F), price(2.0F)};
    struct rk_group *group = sample_list(f->model, 2, own, (float[]){0, 0});
    const struct rk_learned learned = sample_update(f->learner, f->theta, group);

    assert_int_equal(learned.updates, 0);
    assert_true(f->statistics[0] == 0.0F);
    rk_group_destroy(&group);
}

/*
 * Weight decay was once all of their gradient, and AdaGrad made a step of 0.2 from an embedding of
 * 0.05.
 */
static void numbers_not_known_yet_leave_their_parameters_alone(void **state)
{
    (void)state;
    struct rk_model_config config = sample_hashed_config("pairwise_logistic", "adagrad");
    struct fixture f;

    config.optim.l2 = 1e-6;
    make(&f, &config);
    const size_t bytes = rk_model_learned(f.model) * sizeof(float);
    float *before = sample_start(f.model);
    learn(&f, 3.0F, 8.0F);
    assert_memory_equal(f.theta, before, bytes);
    assert_true(f.statistics[0] == 2.0F);
    learn(&f, 3.0F, 8.0F);
    assert_true(*f.weight < -0.1F);
    free(before);
    end(&f);
}

static void statistics_are_taken_back_by_undo(void **state)
{
    struct fixture *f = *state;
    float *before = malloc(rk_model_params(f->model) * sizeof *before);

    learn(f, 1.0F, 4.0F);
    memcpy(before, f->theta, rk_model_params(f->model) * sizeof *before);
    rk_learner_begin(f->learner);
    learn(f, 10.0F, 40.0F);
    learn(f, 20.0F, -40.0F);
    assert_true(f->statistics[0] == 6.0F);
    rk_learner_undo(f->learner, f->theta);
    assert_memory_equal(before, f->theta, rk_model_params(f->model) * sizeof *before);
    free(before);
}

/* A variance of infinity was once kept. */
static void number_too_large_for_its_statistics_is_refused(void **state)
{
    struct fixture *f = *state;
    struct rk_group *group = two_prices(f, 3e38F, -3e38F);
    struct rk_learned learned = {0};

    learn(f, 1.0F, 2.0F);
    assert_status(rk_learner_update(f->learner, f->theta, (const struct rk_group *const *)&group, 1,
                                    &learned, NULL),
                  RK_DIVERGED);
    assert_true(f->statistics[0] == 2.0F && f->statistics[1] == 1.5F);
    assert_int_equal(learned.updates, 0);
    rk_group_destroy(&group);
}

static double score_of(const struct rk_model *model, struct rk_feature feature)
{
    struct rk_group *group = sample_list(model, 1, &feature, (float[]){0});
    float *theta = sample_start(model);
    double score;

    memset(theta, 0, rk_model_learned(model) * sizeof *theta);
    for (size_t i = 0; i < 32; i++) {
        theta[sample_tensor(model, "linear.weight") + i] = 1.0F;
    }
    sample_score(model, theta, group, &score);
    free(theta);
    rk_group_destroy(&group);
    return score;
}

static void flags_and_categories_are_not_standardised(void **state)
{
    const struct fixture *f = *state;

    assert_true(score_of(f->model, price(3.0F)) == 0.0);
    assert_true(score_of(f->model, rk_feature_flag(RK_ITEM, "sale", 4, 1.0F)) == 1.0);
    assert_true(score_of(f->model, rk_feature_category(RK_ITEM, "c", 1, "x", 1, 0.25F)) == 0.25);
}

static void raw_numbers_are_what_they_are(void **state)
{
    (void)state;
    struct rk_model_config config = sample_hashed_config("pairwise_logistic", "adagrad");

    config.standardize = false;
    struct rk_model *model = sample_model(&config);
    assert_true(score_of(model, price(3.5F)) == 3.5);
    rk_model_destroy(&model);
}

/* Ten items share the user's age: it is one value, not ten. */
static void shared_number_is_observed_once_a_list(void **state)
{
    struct fixture *f = *state;
    const struct rk_feature age = rk_feature_number(RK_ITEM, "price", 5, 30.0F);
    const struct rk_space *space = &rk_model_config(f->model)->features;
    struct rk_group_builder builder = {0};
    struct rk_group group;

    assert_ok(rk_group_begin(&builder, space, 0, NULL));
    assert_ok(rk_group_add(&builder, &age, NULL));
    for (int i = 0; i < 10; i++) {
        assert_ok(rk_group_begin_item(&builder, 0, NULL));
        rk_group_label(&builder, (float)(i % 2), 1.0F);
    }
    assert_ok(rk_group_end(&builder, true, &group, NULL));
    (void)sample_update(f->learner, f->theta, &group);
    assert_true(f->statistics[0] == 1.0F && f->statistics[1] == 30.0F);
    rk_group_builder_deinit(&builder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(running_mean_and_variance_equal_two_passes),
        TEST(number_is_seen_in_deviations_from_its_mean),
        TEST(number_is_clipped_at_five_deviations),
        TEST(number_scores_as_zero_until_two_values_of_it_were_seen),
        TEST(statistics_stop_counting_so_that_old_values_fade),
        TEST(list_without_a_pair_leaves_statistics_alone),
        cmocka_unit_test(numbers_not_known_yet_leave_their_parameters_alone),
        TEST(statistics_are_taken_back_by_undo),
        TEST(number_too_large_for_its_statistics_is_refused),
        TEST(flags_and_categories_are_not_standardised),
        cmocka_unit_test(raw_numbers_are_what_they_are),
        TEST(shared_number_is_observed_once_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
