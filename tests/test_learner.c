/*
 * The learning step: what an update changes and what it leaves alone.
 */
#include "learner_fixture.h"
#include "test.h"

static void update_without_pairs_changes_nothing(void **state)
{
    (void)state;
    for (size_t o = 0; o < LEARNER_OPTIMS; o++) {
        const struct rk_model_config config = learner_config(o);
        const struct sample_shape flat = {.n_items = 5, .n_shared = 3, .n_own = 4, .grades = 1};
        struct rk_random random = {10};
        struct learner_fixture f;
        size_t n;
        learner_make(&f, &config, 10);
        (void)learner_update(&f, 0, 2);
        struct rk_group *group = sample_group(f.model, &flat, &random);
        struct learner_copy before = learner_copy(&f);
        rk_learner_begin(f.learner);
        const struct rk_learned learned = sample_update(f.learner, f.theta, group);
        assert_true(learned.updates == 0 && learned.pairs == 0 && learned.lists == 0);
        (void)rk_learner_touched(f.learner, &n);
        assert_int_equal(n, 0);
        learner_assert_as(&f, before);
        rk_group_destroy(&group);
        learner_end(&f);
    }
}

static void empty_mini_batch_and_empty_list_change_nothing(void **state)
{
    (void)state;
    const struct rk_model_config config = learner_config(2);
    const struct sample_shape none = {.n_shared = 3, .grades = 2};
    struct rk_random random = {11};
    struct learner_fixture f;

    learner_make(&f, &config, 11);
    struct rk_group *group = sample_group(f.model, &none, &random);
    struct learner_copy before = learner_copy(&f);
    (void)learner_update(&f, 0, 0);
    (void)sample_update(f.learner, f.theta, group);
    learner_assert_as(&f, before);
    rk_group_destroy(&group);
    learner_end(&f);
}

/*
 * Weight decay was once applied to rows with nothing to learn, which AdaGrad turned into full
 * steps.
 */
static void pairs_that_are_content_leave_all_rows_alone(void **state)
{
    (void)state;
    struct rk_model_config config = sample_config("margin_ranking", "adagrad");
    struct learner_fixture f;

    config.optim.l2 = 1e-6;
    config.loss.margin = 1e-3;
    learner_make(&f, &config, 12);
    const struct rk_feature own[] = {rk_feature_column(1, 1.0F), rk_feature_column(2, 1.0F)};
    struct rk_group *group = sample_list(f.model, 2, own, (float[]){1, 0});
    f.theta[1 + 1] = 1.0F;
    struct learner_copy before = learner_copy(&f);
    const struct rk_learned learned = sample_update(f.learner, f.theta, group);
    assert_true(learned.pairs == 1 && learned.loss == 0.0);
    assert_true(!learner_differs(&f, &before));
    learner_copy_free(&before);
    rk_group_destroy(&group);
    learner_end(&f);
}

/* Learns from 200 lists drawn from a seed; a new block. */
static float *learn_200(const struct rk_model_config *config, uint64_t seed)
{
    const struct sample_shape shape = {.n_items = 8, .n_shared = 4, .n_own = 5, .grades = 3};
    struct rk_model *model = sample_model(config);
    float *theta = sample_start(model);
    struct rk_learner *learner;
    struct rk_random random = {seed};

    assert_ok(rk_learner_create(model, theta, &learner, NULL));
    for (int i = 0; i < 200; i++) {
        struct rk_group *group = sample_group(model, &shape, &random);
        rk_learner_begin(learner);
        (void)sample_update(learner, theta, group);
        rk_group_destroy(&group);
    }
    rk_learner_destroy(&learner);
    rk_model_destroy(&model);
    return theta;
}

static void same_lists_give_the_same_bytes(void **state)
{
    (void)state;
    for (size_t o = 0; o < LEARNER_OPTIMS; o++) {
        const struct rk_model_config config = learner_config(o);
        struct rk_model *model = sample_model(&config);
        const size_t bytes = rk_model_params(model) * sizeof(float);
        float *first = learn_200(&config, 1), *second = learn_200(&config, 1);
        float *other = learn_200(&config, 2);
        assert_memory_equal(first, second, bytes);
        assert_memory_not_equal(first, other, bytes);
        free(first);
        free(second);
        free(other);
        rk_model_destroy(&model);
    }
}

/* Two of five columns an item, of which column 0 says what is clicked. */
static struct rk_group *separable_group(const struct rk_model *model, struct rk_random *random)
{
    struct rk_feature own[6];
    float label[6];

    for (size_t i = 0; i < 6; i++) {
        const bool clicked = i == 0 || rk_random_below(random, 4) == 0;
        label[i] = clicked && i < 5 ? 1.0F : 0.0F;
        own[i] = rk_feature_column(
            label[i] > 0 ? rk_random_below(random, 3) : 3 + rk_random_below(random, 3), 1.0F);
    }
    return sample_list(model, 6, own, label);
}

static void loss_falls_on_separable_lists_with_every_optimizer(void **state)
{
    (void)state;
    print_message("seed 14\n");
    for (size_t o = 0; o < LEARNER_OPTIMS; o++) {
        struct rk_model_config config = sample_config("pairwise_logistic", learner_optims[o]);
        struct rk_random random = {14};
        struct learner_fixture f;
        double first = 0, last = 0;
        config.optim.momentum = o == 1 ? 0.9 : 0.0;
        learner_make(&f, &config, 14);
        for (int i = 0; i < 300; i++) {
            struct rk_group *group = separable_group(f.model, &random);
            const double loss = sample_update(f.learner, f.theta, group).loss;
            first += i < 5 ? loss / 5 : 0;
            last += i >= 280 ? loss / 20 : 0;
            rk_group_destroy(&group);
        }
        print_message("%s: %.3f to %.3f\n", learner_optims[o], first, last);
        assert_true(last < 0.25 * first);
        learner_end(&f);
    }
}

/* Plain sgd with rate 1: the change is the gradient, rounded to floats. */
static void mini_batch_steps_along_the_gradient_of_the_mean_loss(void **state)
{
    (void)state;
    struct rk_model_config config = sample_config("pairwise_logistic", "sgd");
    const struct rk_group *const *groups;
    struct learner_fixture f;

    config.optim.learning_rate = 1;
    learner_make(&f, &config, 15);
    groups = (const struct rk_group *const *)f.group;
    const size_t n = rk_model_params(f.model);
    double *batch = malloc(n * sizeof *batch), *one = malloc(n * sizeof *one);
    double *mean = calloc(n, sizeof *mean), loss = 0;
    struct learner_copy before = learner_copy(&f);
    for (size_t g = 0; g < 8; g++) {
        loss += sample_loss(f.model, f.theta, groups + g, 1, one, NULL) / 8;
        for (size_t i = 0; i < n; i++) {
            mean[i] += one[i] / 8;
        }
    }
    assert_close(sample_loss(f.model, f.theta, groups, 8, batch, NULL), loss, 1e-12, 0);
    const struct rk_learned learned = learner_update(&f, 0, 8);
    assert_close(learned.loss, loss, 1e-12, 0);
    assert_true(learned.updates == 1 && learned.lists == 8);
    for (size_t i = 0; i < n; i++) {
        assert_close(batch[i], mean[i], 1e-12, 1e-14);
        assert_close((double)f.theta[i], (double)before.theta[i] - mean[i], 1e-7, 0);
    }
    learner_copy_free(&before);
    free(batch);
    free(one);
    free(mean);
    learner_end(&f);
}

static double change(const struct learner_fixture *f, const struct learner_copy *before)
{
    double squares = 0;

    for (size_t i = 0; i < rk_model_params(f->model); i++) {
        const double d = (double)f->theta[i] - (double)before->theta[i];
        squares += d * d;
    }
    return sqrt(squares);
}

static void clip_norm_bounds_the_change(void **state)
{
    (void)state;
    struct rk_model_config config = sample_config("pairwise_logistic", "sgd");
    struct learner_fixture f, free_one;

    config.optim.learning_rate = 0.5;
    learner_make(&free_one, &config, 16);
    config.clip_norm = 0.01;
    learner_make(&f, &config, 16);
    for (size_t g = 0; g < LEARNER_GROUPS; g++) {
        struct learner_copy before = learner_copy(&f);
        const struct rk_learned learned = learner_update(&f, g, 1);
        assert_true(learned.grad_norm > 0.01);
        assert_close(change(&f, &before), 0.5 * 0.01, 1e-4, 0);
        memcpy(free_one.theta, before.theta, rk_model_params(f.model) * sizeof(float));
        assert_true(learner_update(&free_one, g, 1).grad_norm == learned.grad_norm);
        assert_close(change(&free_one, &before), 0.5 * learned.grad_norm, 1e-4, 0);
        learner_copy_free(&before);
    }
    learner_end(&f);
    learner_end(&free_one);
}

static void clip_norm_above_the_gradient_changes_no_bit(void **state)
{
    (void)state;
    struct rk_model_config config = sample_config("pairwise_logistic", "sgd");
    struct learner_fixture f, clipped;

    learner_make(&f, &config, 17);
    config.clip_norm = 100;
    learner_make(&clipped, &config, 17);
    for (size_t g = 0; g < LEARNER_GROUPS; g++) {
        (void)learner_update(&f, g, 1);
        (void)learner_update(&clipped, g, 1);
    }
    learner_assert_as(&clipped, learner_copy(&f));
    learner_end(&f);
    learner_end(&clipped);
}

/* From -l2 p on rows with a gradient of the loss; all other rows keep their bytes. */
static void l2_acts_on_touched_rows_only(void **state)
{
    (void)state;
    struct rk_model_config config = sample_config("bce_with_logits", "sgd");
    const struct sample_shape small = {.n_items = 2, .n_shared = 1, .n_own = 2, .grades = 2};
    struct rk_random random = {18};
    struct learner_fixture f, plain;

    config.optim.learning_rate = 0.5;
    learner_make(&plain, &config, 18);
    config.optim.l2 = 0.25;
    learner_make(&f, &config, 18);
    free(f.theta);
    f.theta = sample_theta(f.model, 18);
    memcpy(plain.theta, f.theta, rk_model_params(f.model) * sizeof(float));
    struct learner_copy before = learner_copy(&f);
    struct rk_group *group = sample_group(f.model, &small, &random);
    bool *met = calloc(rk_model_rows(f.model), sizeof *met);
    double *grad = malloc(rk_model_params(f.model) * sizeof *grad);
    (void)sample_loss(f.model, f.theta, (const struct rk_group *const *)&group, 1, grad, met);
    (void)sample_update(f.learner, f.theta, group);
    (void)sample_update(plain.learner, plain.theta, group);
    for (uint32_t r = 0; r < rk_model_rows(f.model); r++) {
        size_t length;
        const size_t at = rk_model_row(f.model, r, &length);
        for (size_t i = at; i < at + length; i++) {
            const double p = (double)before.theta[i], decay = met[r] ? 0.5 * 0.25 * p : 0;
            assert_close((double)f.theta[i], (double)plain.theta[i] - decay, 1e-6, 1e-7);
        }
    }
    assert_true(met[0]);
    rk_group_destroy(&group);
    free(met);
    free(grad);
    learner_copy_free(&before);
    learner_end(&f);
    learner_end(&plain);
}

static void list_without_the_teacher_its_loss_needs_is_refused(void **state)
{
    (void)state;
    const struct rk_model_config config = sample_config("distill_listwise", "adagrad");
    struct rk_learned learned = {0};
    struct learner_fixture f;

    learner_make(&f, &config, 19);
    struct learner_copy before = learner_copy(&f);
    struct rk_group untaught = *f.group[0];
    const struct rk_group *group = &untaught;
    untaught.teacher = NULL;
    assert_status(rk_learner_update(f.learner, f.theta, &group, 1, &learned, NULL), RK_INVALID);
    learner_assert_as(&f, before);
    assert_int_equal(learner_update(&f, 0, 1).updates, 1);
    learner_end(&f);
}

static void learned_sums_over_updates(void **state)
{
    (void)state;
    const struct rk_model_config config = learner_config(2);
    struct rk_learned learned = {0};
    double loss = 0, norm = 0;
    uint64_t pairs = 0;
    struct learner_fixture f, twin;

    learner_make(&f, &config, 23);
    learner_make(&twin, &config, 23);
    for (size_t g = 0; g < 4; g++) {
        const struct rk_learned one = learner_update(&twin, g, 1);
        assert_ok(rk_learner_update(f.learner, f.theta, (const struct rk_group *const *)f.group + g,
                                    1, &learned, NULL));
        loss += one.loss;
        pairs += one.pairs;
        norm = fmax(norm, one.grad_norm);
    }
    assert_true(learned.updates == 4 && learned.lists == 4 && learned.pairs == pairs);
    assert_true(learned.loss == loss && learned.grad_norm == norm);
    learner_end(&f);
    learner_end(&twin);
}

static void list_without_a_pair_is_not_counted_as_learned_from(void **state)
{
    (void)state;
    const struct rk_model_config config = sample_config("pairwise_logistic", "adagrad");
    const struct sample_shape flat = {.n_items = 5, .n_own = 4, .grades = 1};
    struct rk_random random = {24};
    struct rk_learned learned = {0};
    struct learner_fixture f;

    learner_make(&f, &config, 24);
    struct rk_group *group = sample_group(f.model, &flat, &random);
    const struct rk_group *groups[] = {f.group[0], group, f.group[1]};
    assert_ok(rk_learner_update(f.learner, f.theta, groups, 3, &learned, NULL));
    assert_int_equal(learned.lists, 2);
    rk_group_destroy(&group);
    learner_end(&f);
}

static void slots_start_as_the_optimizer_says(void **state)
{
    (void)state;
    static const size_t slots[LEARNER_OPTIMS] = {0, 1, 1, 2, 2, 2, 2};

    for (size_t o = 0; o < LEARNER_OPTIMS; o++) {
        struct rk_model_config config = learner_config(o);
        struct learner_fixture f;
        size_t n;
        config.optim.init_acc = 0.5;
        learner_make(&f, &config, 21);
        float *const *slot = rk_learner_slots(f.learner, &n);
        assert_int_equal(n, slots[o]);
        assert_true(rk_learner_steps(f.learner) == 0);
        if (config.optim.name == RK_ADAGRAD) {
            assert_true(slot[0][0] == 0.5F && slot[0][rk_model_learned(f.model) - 1] == 0.5F);
        }
        learner_end(&f);
    }
}

static void no_learner_can_be_destroyed(void **state)
{
    (void)state;
    struct rk_learner *none = NULL;

    rk_learner_destroy(&none);
    assert_null(none);
}

/* The same as a learner of a model that was made with the rate, from the next update on. */
static void rate_that_is_set_is_that_of_the_next_update_and_slots_stay(void **state)
{
    (void)state;
    for (size_t o = 0; o < LEARNER_OPTIMS; o++) {
        struct rk_model_config config = learner_config(o), other = config;
        struct learner_fixture f, g;
        struct learner_copy before;
        float *const *slots;
        size_t n_slots;
        other.optim.learning_rate = config.optim.learning_rate / 4;
        learner_make(&f, &config, 14);
        learner_make(&g, &other, 14);
        (void)learner_update(&f, 0, 3);
        before = learner_copy(&f);
        rk_learner_set_rate(f.learner, other.optim.learning_rate);
        memcpy(g.theta, before.theta, rk_model_params(g.model) * sizeof *g.theta);
        slots = rk_learner_slots(g.learner, &n_slots);
        for (size_t s = 0; s < n_slots; s++) {
            memcpy(slots[s], before.slot[s], rk_model_learned(g.model) * sizeof **slots);
        }
        rk_learner_set_steps(g.learner, before.steps);
        learner_assert_as(&f, before);
        (void)learner_update(&f, 3, 3);
        (void)learner_update(&g, 3, 3);
        learner_assert_as(&g, learner_copy(&f));
        learner_end(&f);
        learner_end(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(update_without_pairs_changes_nothing),
        cmocka_unit_test(empty_mini_batch_and_empty_list_change_nothing),
        cmocka_unit_test(pairs_that_are_content_leave_all_rows_alone),
        cmocka_unit_test(rate_that_is_set_is_that_of_the_next_update_and_slots_stay),
        cmocka_unit_test(same_lists_give_the_same_bytes),
        cmocka_unit_test(loss_falls_on_separable_lists_with_every_optimizer),
        cmocka_unit_test(mini_batch_steps_along_the_gradient_of_the_mean_loss),
        cmocka_unit_test(clip_norm_bounds_the_change),
        cmocka_unit_test(clip_norm_above_the_gradient_changes_no_bit),
        cmocka_unit_test(l2_acts_on_touched_rows_only),
        cmocka_unit_test(list_without_the_teacher_its_loss_needs_is_refused),
        cmocka_unit_test(learned_sums_over_updates),
        cmocka_unit_test(list_without_a_pair_is_not_counted_as_learned_from),
        cmocka_unit_test(slots_start_as_the_optimizer_says),
        cmocka_unit_test(no_learner_can_be_destroyed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
