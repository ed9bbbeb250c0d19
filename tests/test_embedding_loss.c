/*
 * Losses on embeddings: gradients against central differences, laws, and extreme vectors.
 */
#include "test.h"

#include <rankd/embedding_loss.h>
#include <rankd/random.h>

#define N 5
#define D 4

/* Random vectors for every role, and the gradients. */
struct vectors {
    double v[3][N * D];
    double grad[3][N * D];
};

static struct vectors drawn(uint64_t seed, double size)
{
    struct rk_random random = {seed};
    struct vectors vectors = {0};

    print_message("seed %llu\n", (unsigned long long)seed);
    for (size_t i = 0; i < 3 * N * D; i++) {
        vectors.v[i / (N * D)][i % (N * D)] = size * rk_random_normal(&random);
    }
    return vectors;
}

static double triplet(struct vectors *x, double margin, bool squared, double scale)
{
    return rk_triplet(x->v[0], x->v[1], x->v[2], D, margin, squared, scale, x->grad[0], x->grad[1],
                      x->grad[2]);
}

static const uint64_t classes[N] = {1, 2, 1, 3, UINT64_MAX};

static double n_pair(struct vectors *x, double l2, double scale)
{
    return rk_n_pair(x->v[0], x->v[1], classes, N, D, l2, scale, x->grad[0], x->grad[1]);
}

static double value_of(struct vectors *x, int loss)
{
    struct vectors copy = *x;

    return loss < 2 ? triplet(&copy, 30, loss == 0, 1) : n_pair(&copy, 0.25, 1);
}

static void gradients_equal_central_differences(void **state)
{
    (void)state;
    const double step = 0x1p-20;

    for (int loss = 0; loss < 3; loss++) {
        struct vectors x = drawn(700 + (uint64_t)loss, 1);
        double largest = 0;
        assert_true((loss < 2 ? triplet(&x, 30, loss == 0, 1) : n_pair(&x, 0.25, 1)) > 0);
        for (size_t r = 0; r < 3; r++) {
            for (size_t i = 0; i < N * D; i++) {
                const double kept = x.v[r][i];
                x.v[r][i] = kept + step;
                const double up = value_of(&x, loss);
                x.v[r][i] = kept - step;
                const double down = value_of(&x, loss);
                x.v[r][i] = kept;
                assert_close(x.grad[r][i], (up - down) / (2 * step), 1e-6, 1e-7);
                largest = fmax(largest, fabs(x.grad[r][i]));
            }
        }
        assert_true(largest > 0.1);
    }
}

static void gradients_are_added_times_scale(void **state)
{
    (void)state;
    for (int loss = 0; loss < 3; loss++) {
        struct vectors one = drawn(710 + (uint64_t)loss, 1), twice = one;
        const double value = loss < 2 ? triplet(&one, 30, loss == 0, 1) : n_pair(&one, 0.25, 1);
        for (int i = 0; i < 2; i++) {
            const double again =
                loss < 2 ? triplet(&twice, 30, loss == 0, 1.5) : n_pair(&twice, 0.25, 1.5);
            assert_true(again == value);
        }
        for (size_t i = 0; i < N * D; i++) {
            assert_close(twice.grad[0][i], 3 * one.grad[0][i], 1e-14, 1e-15);
            assert_close(twice.grad[1][i], 3 * one.grad[1][i], 1e-14, 1e-15);
        }
    }
}

static bool all_zero(const struct vectors *x)
{
    const struct vectors none = {0};

    return memcmp(x->grad, none.grad, sizeof none.grad) == 0;
}

static void content_triplet_is_exactly_0(void **state)
{
    (void)state;
    for (int squared = 0; squared < 2; squared++) {
        struct vectors x = drawn(720, 1);
        memcpy(x.v[1], x.v[0], sizeof x.v[0]);
        assert_true(triplet(&x, 1e-6, squared, 1) == 0);
        assert_true(all_zero(&x));
    }
}

/* As PyTorch's clamp_min: else a margin of 0 never parts a positive from its equal. */
static void triplet_exactly_at_its_margin_still_learns(void **state)
{
    (void)state;
    for (int squared = 0; squared < 2; squared++) {
        struct vectors x = drawn(721, 1);
        memcpy(x.v[2], x.v[1], sizeof x.v[1]);
        assert_true(triplet(&x, 0, squared, 1) == 0);
        assert_false(all_zero(&x));
        for (size_t i = 0; i < D; i++) {
            assert_true(x.grad[0][i] == 0 && x.grad[1][i] == -x.grad[2][i]);
        }
    }
}

static void three_equal_vectors_give_the_margin_and_finite_gradients(void **state)
{
    (void)state;
    for (int squared = 0; squared < 2; squared++) {
        struct vectors x = {0};
        assert_close(triplet(&x, 0.5, squared, 1), 0.5, 1e-15, 0);
        for (size_t i = 0; i < D; i++) {
            assert_true(isfinite(x.grad[0][i]) && isfinite(x.grad[1][i]) && isfinite(x.grad[2][i]));
        }
    }
}

/* PyTorch's distance of a vector and the one eps above it is 0, where the norm has no slope. */
static void distance_0_has_no_slope(void **state)
{
    (void)state;
    struct vectors x = {0};

    for (size_t i = 0; i < D; i++) {
        x.v[1][i] = 1e-6;
        x.v[2][i] = 0.25;
    }
    assert_close(triplet(&x, 2, false, 1), 1.5, 1e-5, 0);
    for (size_t i = 0; i < D; i++) {
        assert_true(x.grad[1][i] == 0);
        assert_close(x.grad[2][i], -0.5, 1e-5, 0);
    }
}

static void n_pair_of_one_class_is_exactly_0(void **state)
{
    (void)state;
    static const uint64_t same[N] = {9, 9, 9, 9, 9};
    struct vectors x = drawn(730, 1);

    assert_true(rk_n_pair(x.v[0], x.v[1], same, N, D, 0, 1, x.grad[0], x.grad[1]) == 0);
    assert_true(all_zero(&x));
    assert_true(rk_n_pair(x.v[0], x.v[1], same, 0, D, 0.5, 1, x.grad[0], x.grad[1]) == 0);
    assert_true(all_zero(&x));
}

/* The definition, without the shift. */
static void n_pair_equals_its_plain_sum(void **state)
{
    (void)state;
    struct vectors x = drawn(731, 1);
    double value = 0, squares = 0;

    for (size_t i = 0; i < N; i++) {
        double sum = 1;
        for (size_t j = 0; j < N; j++) {
            double gap = 0;
            for (size_t d = 0; d < D; d++) {
                gap += x.v[0][i * D + d] * (x.v[1][j * D + d] - x.v[1][i * D + d]);
            }
            sum += classes[i] != classes[j] ? exp(gap) : 0;
        }
        value += log(sum) / N;
    }
    for (size_t e = 0; e < N * D; e++) {
        squares += x.v[0][e] * x.v[0][e] + x.v[1][e] * x.v[1][e];
    }
    assert_close(n_pair(&x, 0, 1), value, 1e-13, 0);
    assert_close(n_pair(&x, 0.25, 1), value + 0.25 * squares / N, 1e-13, 0);
}

/* exp of these dot products is not finite. */
static void n_pair_of_huge_dot_products_is_finite(void **state)
{
    (void)state;
    struct vectors x = drawn(732, 1000);
    double largest = 0;

    assert_true(n_pair(&x, 0, 1) > 1e5);
    for (size_t e = 0; e < N * D; e++) {
        assert_true(isfinite(x.grad[0][e]) && isfinite(x.grad[1][e]));
        largest = fmax(largest, fabs(x.grad[0][e]));
    }
    assert_true(largest > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_equal_central_differences),
        cmocka_unit_test(gradients_are_added_times_scale),
        cmocka_unit_test(content_triplet_is_exactly_0),
        cmocka_unit_test(triplet_exactly_at_its_margin_still_learns),
        cmocka_unit_test(three_equal_vectors_give_the_margin_and_finite_gradients),
        cmocka_unit_test(distance_0_has_no_slope),
        cmocka_unit_test(n_pair_of_one_class_is_exactly_0),
        cmocka_unit_test(n_pair_equals_its_plain_sum),
        cmocka_unit_test(n_pair_of_huge_dot_products_is_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
