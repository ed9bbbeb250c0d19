/*
 * Optimizers: golden numbers made with PyTorch.
 */
#include "optim_fixture.h"
#include "test.h"

#include <jansson.h>
#include <stdbool.h>

#define GOLDEN "../shared/golden/optimizers.json"

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
    assert_in_range(n, 1, OPTIM_COORDINATES_MAX);
    return n;
}

static void assert_golden(const char *id, const float *actual, const json_t *expected)
{
    double numbers[OPTIM_COORDINATES_MAX];
    const size_t n = flatten(expected, numbers);
    for (size_t i = 0; i < n; i++) {
        if (!(fabs((double)actual[i] - numbers[i]) <= 1e-6 + 1e-5 * fabs(numbers[i]))) {
            fail_msg("%s[%zu]: %.9g, expected %.17g", id, i, (double)actual[i], numbers[i]);
        }
    }
}

static void start_golden(const json_t *test, const struct rk_optim *optim,
                         struct optim_learned *learned)
{
    double numbers[OPTIM_COORDINATES_MAX];
    *learned = (struct optim_learned){.n = flatten(json_object_get(test, "p0"), numbers)};
    for (size_t i = 0; i < learned->n; i++) {
        learned->p[i] = (float)numbers[i];
    }
    optim_start(optim, learned);
}

static void assert_golden_state(const json_t *test, const struct rk_optim *optim,
                                const struct optim_learned *learned)
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
    struct optim_learned learned;
    start_golden(test, &optim, &learned);
    for (size_t t = 0; t < json_array_size(grads); t++) {
        double grad[OPTIM_COORDINATES_MAX];
        assert_int_equal(flatten(json_array_get(grads, t), grad), learned.n);
        optim_update(&optim, t + 1, &learned, grad);
        assert_golden(id, learned.p, json_array_get(json_object_get(test, "params_after"), t));
    }
    assert_golden_state(test, &optim, &learned);
}

/* Updates each row a step names once, with its gradients summed, as rows of 2. */
static void update_rows(const struct rk_optim *optim, const json_t *step, uint64_t number,
                        struct optim_learned *learned)
{
    double rows[OPTIM_COORDINATES_MAX], grads[OPTIM_COORDINATES_MAX],
        sum[OPTIM_COORDINATES_MAX] = {0};
    bool named[OPTIM_COORDINATES_MAX] = {false};
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
    struct optim_learned learned;
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
        cmocka_unit_test(golden_numbers_are_met_after_every_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
