/*
 * Optimizers: constants worked out by hand, golden numbers made with PyTorch where they are at hand, and laws.
 */
#include "test.h"

#include <jansson.h>
#include <rankd/optim.h>
#include <stdbool.h>

#define GOLDEN "../shared/golden/optimizers.json"

enum {
    COORDINATES_MAX = 16
};

/* Parameters with their optimizer state. */
struct learned {
    float p[COORDINATES_MAX];
    float slot[RK_OPTIM_SLOTS_MAX][COORDINATES_MAX];
    size_t n;
};

static struct rk_optim optim_named(const char *name)
{
    struct rk_optim optim;
    assert_ok(rk_optim_default(name, &optim, NULL));
    return optim;
}

/* An optimizer with every option off, so that a test names what it is about. */
static struct rk_optim bare(enum rk_optim_name name, double learning_rate)
{
    struct rk_optim optim = {.name = name, .learning_rate = learning_rate};
    return optim;
}

static void start(const struct rk_optim *optim, struct learned *learned)
{
    float *const slots[] = {learned->slot[0], learned->slot[1]};
    rk_optim_init(optim, learned->p, slots, learned->n);
}

static void update(const struct rk_optim *optim, uint64_t step, struct learned *learned,
                   const double *grad)
{
    float *const slots[] = {learned->slot[0], learned->slot[1]};
    rk_optim_update(optim, step, learned->p, slots, grad, learned->n);
}

/* One coordinate from p through n gradients; returns where it ends. */
static double run(const struct rk_optim *optim, float p, const double *grads, size_t n,
                  struct learned *learned)
{
    *learned = (struct learned){.p = {p}, .n = 1};
    start(optim, learned);
    for (size_t i = 0; i < n; i++) {
        update(optim, i + 1, learned, &grads[i]);
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
    struct learned learned;
    struct rk_optim optim = bare(RK_SGD, 0.25);
    assert_true(run(&optim, 2, (const double[]){1}, 1, &learned) == 1.75);
    optim.l2 = 0.5;
    assert_true(run(&optim, 2, (const double[]){1}, 1, &learned) == 1.5);
}

/* Buffers 1, 1.5; with decay 0.5 from 1: buffers 1.5, then 0.75 + (1 + 0.5 * 0.25) = 1.875. */
static void sgd_momentum_starts_with_the_first_gradient(void **state)
{
    (void)state;
    struct learned learned;
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
    struct learned learned;
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
    struct learned learned;
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
    struct learned learned;
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
    struct learned learned;
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
    struct learned learned;
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
    struct learned learned;
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
        struct learned learned = {.n = 5};
        memcpy(learned.p, initial, sizeof initial);
        start(&optim, &learned);
        assert_memory_equal(learned.p, initial, sizeof initial);
        update(&optim, 1, &learned, none);
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
        struct learned learned = {.n = 2, .slot = {{7, 7, 7}, {7, 7, 7}}};
        start(&optim, &learned);
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
            struct learned learned = {.p = {0.1f, -3e-30f, 1e30f}, .n = 3};
            start(&optim, &learned);
            const struct learned before = learned;
            update(&optim, 1, &learned, none);
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
        struct learned learned = {.p = {1, 2, 3}, .n = 2};
        start(&optim, &learned);
        update(&optim, 1, &learned, grad);
        assert_true(learned.p[0] < 1 && learned.p[1] > 2 && learned.p[2] == 3);
        assert_true(learned.slot[0][2] == 0 && learned.slot[1][2] == 0);
    }
}

/* Curvatures from 0.5 to 4, minima from -1 to 2; p after steps updates with the exact gradient. */
static struct learned descend(const struct rk_optim *optim, uint64_t steps)
{
    struct learned learned = {.n = 8};
    for (size_t i = 0; i < learned.n; i++) {
        learned.p[i] = i % 2 == 0 ? 0.5f : -0.5f;
    }
    start(optim, &learned);
    for (uint64_t step = 1; step <= steps; step++) {
        double grad[8];
        for (size_t i = 0; i < learned.n; i++) {
            grad[i] = 0.5 * (double)(i + 1) * ((double)learned.p[i] - (3.0 * (double)i / 7 - 1));
        }
        update(optim, step, &learned, grad);
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
            const struct learned learned = descend(&optim, 3000);
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
        const struct learned once = descend(&optim, 50);
        const struct learned twice = descend(&optim, 50);
        const struct learned longer = descend(&optim, 51);
        assert_memory_equal(&once, &twice, sizeof once);
        assert_memory_not_equal(&once, &longer, sizeof once);
    }
}

/* --- golden numbers --- */

static double option(const json_t *hyper, const char *key, double otherwise)
{
    const json_t *value = json_object_get(hyper, key);
    return value == NULL ? otherwise : json_number_value(value);
}

static struct rk_optim golden_optim(const json_t *test)
{
    const json_t *hyper = json_object_get(test, "hyper");
    struct rk_optim optim = optim_named(json_string_value(json_object_get(test, "optimizer")));
    optim.learning_rate = option(hyper, "lr", option(hyper, "alpha", NAN));
    optim.l2 = option(hyper, "weight_decay", option(hyper, "l2", 0));
    optim.l1 = option(hyper, "l1", 0);
    optim.momentum = option(hyper, "momentum", 0);
    optim.eps = option(hyper, "eps", optim.eps);
    optim.init_acc = option(hyper, "init_acc", 0);
    optim.beta1 = option(hyper, "beta1", optim.beta1);
    optim.beta2 = option(hyper, "beta2", optim.beta2);
    optim.beta = option(hyper, "beta", optim.beta);
    return optim;
}

/* Numbers of an array or of an array of arrays, one after the other. */
static size_t flatten(const json_t *array, double *to)
{
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *value = json_array_get(array, i);
        if (json_is_array(value)) {
            n += flatten(value, to + n);
        } else {
            to[n++] = json_number_value(value);
        }
    }
    assert_in_range(n, 1, COORDINATES_MAX);
    return n;
}

static void assert_golden(const char *id, const float *actual, const json_t *expected)
{
    double numbers[COORDINATES_MAX];
    const size_t n = flatten(expected, numbers);
    for (size_t i = 0; i < n; i++) {
        if (!(fabs((double)actual[i] - numbers[i]) <= 1e-6 + 1e-5 * fabs(numbers[i]))) {
            fail_msg("%s[%zu]: %.9g, expected %.17g", id, i, (double)actual[i], numbers[i]);
        }
    }
}

static void start_golden(const json_t *test, const struct rk_optim *optim, struct learned *learned)
{
    double numbers[COORDINATES_MAX];
    *learned = (struct learned){.n = flatten(json_object_get(test, "p0"), numbers)};
    for (size_t i = 0; i < learned->n; i++) {
        learned->p[i] = (float)numbers[i];
    }
    start(optim, learned);
}

static void assert_golden_state(const json_t *test, const struct rk_optim *optim,
                                const struct learned *learned)
{
    const char *id = json_string_value(json_object_get(test, "id"));
    const json_t *after = json_object_get(test, "state_after_last");
    for (size_t s = 0; s < rk_optim_slots(optim); s++) {
        const json_t *expected = json_object_get(after, rk_optim_slot_text(optim, s));
        if (optim->name == RK_FTRL) {
            const json_t *z = json_object_get(test, "z_after");
            expected = s == 0 ? json_array_get(z, json_array_size(z) - 1)
                              : json_object_get(test, "n_after_last");
        }
        assert_golden(id, learned->slot[s], expected);
    }
}

static void check_dense_case(const json_t *test)
{
    const char *id = json_string_value(json_object_get(test, "id"));
    const struct rk_optim optim = golden_optim(test);
    const json_t *grads = json_object_get(test, "grads");
    struct learned learned;
    start_golden(test, &optim, &learned);
    for (size_t t = 0; t < json_array_size(grads); t++) {
        double grad[COORDINATES_MAX];
        assert_int_equal(flatten(json_array_get(grads, t), grad), learned.n);
        update(&optim, t + 1, &learned, grad);
        assert_golden(id, learned.p, json_array_get(json_object_get(test, "params_after"), t));
    }
    assert_golden_state(test, &optim, &learned);
}

/* Updates each row a step names once, with its gradients summed, as rows of 2. */
static void update_rows(const struct rk_optim *optim, const json_t *step, uint64_t number,
                        struct learned *learned)
{
    double rows[COORDINATES_MAX], grads[COORDINATES_MAX], sum[COORDINATES_MAX] = {0};
    bool named[COORDINATES_MAX] = {false};
    const size_t n = flatten(json_object_get(step, "rows"), rows);
    assert_int_equal(flatten(json_object_get(step, "grad_rows"), grads), 2 * n);
    for (size_t i = 0; i < n; i++) {
        const size_t row = (size_t)rows[i];
        named[row] = true;
        sum[2 * row] += grads[2 * i];
        sum[2 * row + 1] += grads[2 * i + 1];
    }
    for (size_t row = 0; row < learned->n / 2; row++) {
        float *const slots[] = {learned->slot[0] + 2 * row, learned->slot[1] + 2 * row};
        if (named[row]) {
            rk_optim_update(optim, number, learned->p + 2 * row, slots, sum + 2 * row, 2);
        }
    }
}

static void check_sparse_case(const json_t *test)
{
    const char *id = json_string_value(json_object_get(test, "id"));
    const struct rk_optim optim = golden_optim(test);
    const json_t *steps = json_object_get(test, "steps");
    struct learned learned;
    start_golden(test, &optim, &learned);
    for (size_t t = 0; t < json_array_size(steps); t++) {
        update_rows(&optim, json_array_get(steps, t), t + 1, &learned);
        assert_golden(id, learned.p, json_array_get(json_object_get(test, "params_after"), t));
    }
}

static void golden_numbers_are_met_after_every_step(void **state)
{
    (void)state;
    FILE *file = fopen(GOLDEN, "r");
    if (file == NULL) {
        print_message("SKIP: no " GOLDEN " here\n");
        skip();
    }
    json_t *golden = json_loadf(file, 0, NULL);
    (void)fclose(file);
    const json_t *cases = json_object_get(golden, "cases");
    assert_true(json_array_size(cases) > 0);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *test = json_array_get(cases, i);
        if (json_object_get(test, "steps") != NULL) {
            check_sparse_case(test);
        } else {
            check_dense_case(test);
        }
    }
    print_message("%zu golden cases\n", json_array_size(cases));
    json_decref(golden);
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
        cmocka_unit_test(golden_numbers_are_met_after_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
