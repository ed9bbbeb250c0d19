/*
 * Optimizers: constants worked out by hand, and laws.
 */
#include "optim_fixture.h"
#include "test.h"

/* An optimizer with every option off, so that a test names what it is about. */
static struct rk_optim bare(enum rk_optim_name name, double learning_rate)
{
    struct rk_optim optim = {.name = name, .learning_rate = learning_rate};
    return optim;
}

/* One coordinate from p through n gradients; returns where it ends. */
static double run(const struct rk_optim *optim, float p, const double *grads, size_t n,
                  struct optim_learned *learned)
{
    *learned = (struct optim_learned){.p = {p}, .n = 1};
    optim_start(optim, learned);
    for (size_t i = 0; i < n; i++) {
        optim_update(optim, i + 1, learned, &grads[i]);
    }
    return (double)learned->p[0];
}

static void defaults_are_those_of_the_documentation(void **state)
{
    (void)state;
    static const char *const names[] = {"sgd", "adagrad", "adam", "adamw", "sparse_adam", "ftrl"};
    for (size_t i = 0; i < RK_N_OPTIMS; i++) {
        const struct rk_optim optim = optim_named(names[i]);
        assert_int_equal(optim.name, i);
        assert_string_equal(rk_optim_text(optim.name), names[i]);
        assert_true(optim.learning_rate == 0.2 && optim.l2 == 1e-6);
        assert_true(optim.beta1 == 0.9 && optim.beta2 == 0.999 && optim.beta == 1);
        assert_true(optim.momentum == 0 && optim.init_acc == 0 && optim.l1 == 0);
        assert_true(optim.eps == (strstr(names[i], "adam") != NULL ? 1e-8 : 1e-10));
    }
}

static void unknown_name_is_not_found_and_changes_nothing(void **state)
{
    (void)state;
    struct rk_error err = {0};
    struct rk_optim optim = bare(RK_FTRL, 7);
    assert_status(rk_optim_default("rmsprop", &optim, &err), RK_NOTFOUND);
    assert_string_equal(err.text, "no optimizer is called \"rmsprop\"");
    assert_int_equal(optim.name, RK_FTRL);
    assert_status(rk_optim_default("", &optim, NULL), RK_NOTFOUND);
    assert_status(rk_optim_default("ada", &optim, NULL), RK_NOTFOUND);
}

static void slots_are_named_as_pytorch_names_them(void **state)
{
    (void)state;
    struct rk_optim optim = bare(RK_SGD, 1);
    assert_int_equal(rk_optim_slots(&optim), 0);
    optim.momentum = 0.9;
    assert_int_equal(rk_optim_slots(&optim), 1);
    assert_string_equal(rk_optim_slot_text(&optim, 0), "momentum_buffer");
    optim.name = RK_ADAGRAD;
    assert_int_equal(rk_optim_slots(&optim), 1);
    assert_string_equal(rk_optim_slot_text(&optim, 0), "sum");
    for (int name = RK_ADAM; name <= RK_SPARSE_ADAM; name++) {
        optim.name = (enum rk_optim_name)name;
        assert_int_equal(rk_optim_slots(&optim), 2);
        assert_string_equal(rk_optim_slot_text(&optim, 0), "exp_avg");
        assert_string_equal(rk_optim_slot_text(&optim, 1), "exp_avg_sq");
    }
    optim.name = RK_FTRL;
    assert_int_equal(rk_optim_slots(&optim), 2);
    assert_string_equal(rk_optim_slot_text(&optim, 0), "z");
    assert_string_equal(rk_optim_slot_text(&optim, 1), "n");
}

/* From 2 with g = 1: the decayed gradient is 1 + 0.5 * 2 = 2. */
static void sgd_adds_decay_to_the_gradient(void **state)
{
    (void)state;
    struct optim_learned learned;
    struct rk_optim optim = bare(RK_SGD, 0.25);
    assert_true(run(&optim, 2, (const double[]){1}, 1, &learned) == 1.75);
    optim.l2 = 0.5;
    assert_true(run(&optim, 2, (const double[]){1}, 1, &learned) == 1.5);
}

/* Buffers 1, 1.5; with decay 0.5 from 1: buffers 1.5, then 0.75 + (1 + 0.5 * 0.25) = 1.875. */
static void sgd_momentum_starts_with_the_first_gradient(void **state)
{
    (void)state;
    struct optim_learned learned;
    struct rk_optim optim = bare(RK_SGD, 0.5);
    optim.momentum = 0.5;
    assert_true(run(&optim, 1, (const double[]){1, 1}, 2, &learned) == -0.25);
    assert_true(learned.slot[0][0] == 1.5f);
    optim.l2 = 0.5;
    assert_true(run(&optim, 1, (const double[]){1, 1}, 2, &learned) == -0.6875);
    assert_true(learned.slot[0][0] == 1.875f);
}

/* Accumulator 9 + 4^2 = 25, so the step is 4 / (5 + 1). */
static void adagrad_adds_eps_outside_the_root(void **state)
{
    (void)state;
    struct optim_learned learned;
    struct rk_optim optim = bare(RK_ADAGRAD, 1);
    optim.init_acc = 9;
    optim.eps = 1;
    assert_close(run(&optim, 1, (const double[]){4}, 1, &learned), 1.0 - 4.0 / 6, 1e-7, 0);
    assert_true(learned.slot[0][0] == 25);
    optim.l2 = 2; /* g = 2 + 2 * 1 = 4 */
    assert_close(run(&optim, 1, (const double[]){2}, 1, &learned), 1.0 - 4.0 / 6, 1e-7, 0);
}

/* g = 2, 1: m = 1, 1; v = 1, 1; corrections (1/2, 1/4), (3/4, 7/16): steps 2/2 and (4/3)/sqrt(16/7). */
static void adam_corrects_both_biases(void **state)
{
    (void)state;
    struct optim_learned learned;
    struct rk_optim optim = bare(RK_ADAM, 1);
    optim.beta1 = 0.5;
    optim.beta2 = 0.75;
    const double grads[] = {2, 1};
    assert_close(run(&optim, 0, grads, 1, &learned), -1, 1e-7, 0);
    assert_close(run(&optim, 0, grads, 2, &learned), -1 - 4.0 / 3 * sqrt(7.0 / 16), 1e-7, 0);
    assert_true(learned.slot[0][0] == 1 && learned.slot[1][0] == 1);
}

/* First step with g = 2, eps = 1: Adam 2 / (2 + 1); SparseAdam, whose eps meets the raw sqrt(v) = 1, 1 / (1 + 1). */
static void sparse_adam_adds_eps_before_the_correction(void **state)
{
    (void)state;
    struct optim_learned learned;
    struct rk_optim optim = bare(RK_ADAM, 1);
    optim.beta1 = 0.5;
    optim.beta2 = 0.75;
    optim.eps = 1;
    assert_close(run(&optim, 0, (const double[]){2}, 1, &learned), -2.0 / 3, 1e-7, 0);
    optim.name = RK_SPARSE_ADAM;
    assert_close(run(&optim, 0, (const double[]){2}, 1, &learned), -0.5, 1e-7, 0);
}

/* From 2, rate 0.5, l2 0.5, g = 1: adamw 2 * 0.75 - 0.5 with m = 0.5; adam 2 - 0.5 with m = (1 + 1) / 2. */
static void adamw_decays_beside_the_gradient(void **state)
{
    (void)state;
    struct optim_learned learned;
    struct rk_optim optim = bare(RK_ADAMW, 0.5);
    optim.beta1 = 0.5;
    optim.beta2 = 0.5;
    optim.l2 = 0.5;
    assert_close(run(&optim, 2, (const double[]){1}, 1, &learned), 1, 1e-7, 0);
    assert_true(learned.slot[0][0] == 0.5f);
    optim.name = RK_ADAM;
    assert_close(run(&optim, 2, (const double[]){1}, 1, &learned), 1.5, 1e-7, 0);
    assert_true(learned.slot[0][0] == 1);
}

/*
 * alpha = l1 = 0.5, beta = l2 = 1, g = 3, 4. z = 3, n = 9, w = -2.5 / 9. Then sigma = (5 - 3) / 0.5 = 4,
 * z = 3 + 4 + 4 * 2.5 / 9, n = 25, w = -(z - 0.5) / 13.
 */
static void ftrl_follows_mcmahan(void **state)
{
    (void)state;
    struct optim_learned learned;
    struct rk_optim optim = bare(RK_FTRL, 0.5);
    optim.beta = 1;
    optim.l1 = 0.5;
    optim.l2 = 1;
    const double grads[] = {3, 4};
    assert_close(run(&optim, 0, grads, 1, &learned), -2.5 / 9, 1e-7, 0);
    const double z = 7 + 10.0 / 9;
    assert_close(run(&optim, 0, grads, 2, &learned), -(z - 0.5) / 13, 1e-7, 0);
    assert_close((double)learned.slot[0][0], z, 1e-7, 0);
    assert_true(learned.slot[1][0] == 25);
}

static void ftrl_is_exactly_zero_up_to_l1(void **state)
{
    (void)state;
    struct optim_learned learned;
    struct rk_optim optim = bare(RK_FTRL, 0.1);
    optim.beta = 1;
    optim.l1 = 0.5;
    assert_true(1 / run(&optim, 0, (const double[]){0.5}, 1, &learned) == HUGE_VAL); /* not -0 */
    assert_true(1 / run(&optim, 0, (const double[]){-0.5}, 1, &learned) == HUGE_VAL);
    assert_true(run(&optim, 0, (const double[]){0.5000001}, 1, &learned) < 0);
    assert_true(run(&optim, 0, (const double[]){-0.5000001}, 1, &learned) > 0);
}

static void ftrl_starts_from_the_initial_parameters(void **state)
{
    (void)state;
    static const float initial[] = {0.3f, -0.02f, 0, 5, -1e-3f};
    static const double none[5] = {0};
    struct rk_optim optim = optim_named("ftrl");
    for (int l1 = 0; l1 < 3; l1++) {
        optim.l1 = 0.5 * l1;
        struct optim_learned learned = {.n = 5};
        memcpy(learned.p, initial, sizeof initial);
        optim_start(&optim, &learned);
        assert_memory_equal(learned.p, initial, sizeof initial);
        optim_update(&optim, 1, &learned, none);
        for (size_t i = 0; i < 5; i++) {
            /* z is a float around l1: half a unit in its last place divided by beta/alpha + l2 = 5 */
            assert_close((double)learned.p[i], (double)initial[i], 1e-6, 0.2 * 6e-8);
        }
    }
}

static void adagrad_starts_from_its_accumulator_and_others_from_zero(void **state)
{
    (void)state;
    for (int name = 0; name < RK_N_OPTIMS; name++) {
        struct rk_optim optim = optim_named(rk_optim_text((enum rk_optim_name)name));
        optim.momentum = 0.9;
        optim.init_acc = 0.25;
        struct optim_learned learned = {.n = 2, .slot = {{7, 7, 7}, {7, 7, 7}}};
        optim_start(&optim, &learned);
        for (size_t s = 0; s < RK_OPTIM_SLOTS_MAX; s++) {
            const float first = name == RK_ADAGRAD ? 0.25f : 0;
            const float expected = s < rk_optim_slots(&optim) ? first : 7;
            assert_true(learned.slot[s][0] == expected && learned.slot[s][1] == expected);
            assert_true(learned.slot[s][2] == 7);
        }
    }
}

static void zero_gradient_without_decay_changes_nothing(void **state)
{
    (void)state;
    static const double none[3] = {0};
    for (int name = RK_SGD; name <= RK_ADAGRAD; name++) {
        for (int momentum = 0; momentum < 2; momentum++) {
            struct rk_optim optim = optim_named(rk_optim_text((enum rk_optim_name)name));
            optim.l2 = 0;
            optim.momentum = 0.5 * momentum;
            struct optim_learned learned = {.p = {0.1f, -3e-30f, 1e30f}, .n = 3};
            optim_start(&optim, &learned);
            const struct optim_learned before = learned;
            optim_update(&optim, 1, &learned, none);
            assert_memory_equal(&learned, &before, sizeof before);
        }
    }
}

static void update_touches_only_the_coordinates_it_was_given(void **state)
{
    (void)state;
    static const double grad[] = {1, -2, 3};
    for (int name = 0; name < RK_N_OPTIMS; name++) {
        struct rk_optim optim = optim_named(rk_optim_text((enum rk_optim_name)name));
        optim.momentum = 0.9;
        struct optim_learned learned = {.p = {1, 2, 3}, .n = 2};
        optim_start(&optim, &learned);
        optim_update(&optim, 1, &learned, grad);
        assert_true(learned.p[0] < 1 && learned.p[1] > 2 && learned.p[2] == 3);
        assert_true(learned.slot[0][2] == 0 && learned.slot[1][2] == 0);
    }
}

/* Curvatures from 0.5 to 4, minima from -1 to 2; p after steps updates with the exact gradient. */
static struct optim_learned descend(const struct rk_optim *optim, uint64_t steps)
{
    struct optim_learned learned = {.n = 8};
    for (size_t i = 0; i < learned.n; i++) {
        learned.p[i] = i % 2 == 0 ? 0.5f : -0.5f;
    }
    optim_start(optim, &learned);
    for (uint64_t step = 1; step <= steps; step++) {
        double grad[8];
        for (size_t i = 0; i < learned.n; i++) {
            grad[i] = 0.5 * (double)(i + 1) * ((double)learned.p[i] - (3.0 * (double)i / 7 - 1));
        }
        optim_update(optim, step, &learned, grad);
    }
    return learned;
}

static void every_optimizer_finds_the_minimum_of_a_quadratic(void **state)
{
    (void)state;
    static const double rate[RK_N_OPTIMS] = {0.05, 0.5, 0.01, 0.01, 0.01, 0.5};
    for (int name = 0; name < RK_N_OPTIMS; name++) {
        for (int momentum = 0; momentum < 2; momentum++) {
            struct rk_optim optim = optim_named(rk_optim_text((enum rk_optim_name)name));
            optim.learning_rate = rate[name];
            optim.momentum = 0.9 * momentum;
            const struct optim_learned learned = descend(&optim, 3000);
            for (size_t i = 0; i < learned.n; i++) {
                assert_close((double)learned.p[i], 3.0 * (double)i / 7 - 1, 0, 1e-3);
            }
        }
    }
}

static void same_input_gives_the_same_bytes(void **state)
{
    (void)state;
    for (int name = 0; name < RK_N_OPTIMS; name++) {
        const struct rk_optim optim = optim_named(rk_optim_text((enum rk_optim_name)name));
        const struct optim_learned once = descend(&optim, 50);
        const struct optim_learned twice = descend(&optim, 50);
        const struct optim_learned longer = descend(&optim, 51);
        assert_memory_equal(&once, &twice, sizeof once);
        assert_memory_not_equal(&once, &longer, sizeof once);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_documentation),
        cmocka_unit_test(unknown_name_is_not_found_and_changes_nothing),
        cmocka_unit_test(slots_are_named_as_pytorch_names_them),
        cmocka_unit_test(sgd_adds_decay_to_the_gradient),
        cmocka_unit_test(sgd_momentum_starts_with_the_first_gradient),
        cmocka_unit_test(adagrad_adds_eps_outside_the_root),
        cmocka_unit_test(adam_corrects_both_biases),
        cmocka_unit_test(sparse_adam_adds_eps_before_the_correction),
        cmocka_unit_test(adamw_decays_beside_the_gradient),
        cmocka_unit_test(ftrl_follows_mcmahan),
        cmocka_unit_test(ftrl_is_exactly_zero_up_to_l1),
        cmocka_unit_test(ftrl_starts_from_the_initial_parameters),
        cmocka_unit_test(adagrad_starts_from_its_accumulator_and_others_from_zero),
        cmocka_unit_test(zero_gradient_without_decay_changes_nothing),
        cmocka_unit_test(update_touches_only_the_coordinates_it_was_given),
        cmocka_unit_test(every_optimizer_finds_the_minimum_of_a_quadratic),
        cmocka_unit_test(same_input_gives_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
