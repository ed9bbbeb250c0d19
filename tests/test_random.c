/*
 * The random sequence never changes: its first values are pinned, as an independent program computed them.
 */
#include "test.h"

#include <rankd/random.h>

enum {
    DRAWS = 200000
};

#define SEED 20240917

static void splitmix64_starts_as_published(void **state)
{
    (void)state;
    static const uint64_t from0[] = {0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x06c45d188009454f,
                                     0xf88bb8a8724c81ec, 0x1b39896a51a8749b};
    static const uint64_t from1[] = {0x910a2dec89025cc1, 0xbeeb8da1658eec67, 0xf893a2eefb32555e,
                                     0x71c18690ee42c90b, 0x71bb54d8d101b5b9};
    struct rk_random zero = {0}, one = {1};
    for (size_t i = 0; i < 5; i++) {
        assert_true(rk_random_bits(&zero) == from0[i]);
        assert_true(rk_random_bits(&one) == from1[i]);
    }
}

static void uniform_takes_the_upper_53_bits(void **state)
{
    (void)state;
    struct rk_random random = {1};
    assert_true(rk_random_uniform(&random) == 0.5665615751722809);
    assert_true(rk_random_uniform(&random) == 0.7457817572627011);
    assert_true(rk_random_uniform(&random) == 0.9710027535867962);
}

static void bounded_numbers_are_pinned(void **state)
{
    (void)state;
    static const uint32_t expected[] = {566, 745, 971, 444, 444, 762};
    struct rk_random random = {1};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(rk_random_below(&random, 1000), expected[i]);
    }
}

/* The logarithm may differ in its last bit between C libraries. */
static void normal_numbers_are_pinned(void **state)
{
    (void)state;
    static const double expected[] = {0.42945220538400686, 0.4564552075888475, -0.3268385200683801,
                                      1.0555239041168596};
    struct rk_random random = {1};
    for (size_t i = 0; i < 4; i++) {
        assert_close(rk_random_normal(&random), expected[i], 1e-14, 0);
    }
}

static void shuffle_is_pinned(void **state)
{
    (void)state;
    static const uint32_t expected[] = {9, 0, 1, 4, 8, 2, 3, 7, 6, 5};
    uint32_t index[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    struct rk_random random = {1};
    rk_random_shuffle(&random, index, 10);
    assert_memory_equal(index, expected, sizeof expected);
}

/* Moments within 6 standard errors: a false alarm would be one in a billion, and the seed is fixed. */
static void uniform_has_the_moments_of_a_uniform(void **state)
{
    (void)state;
    struct rk_random random = {SEED};
    double sum = 0, squares = 0, low = 1, high = 0;
    for (size_t i = 0; i < DRAWS; i++) {
        const double u = rk_random_uniform(&random);
        assert_true(u >= 0 && u < 1);
        sum += u;
        squares += u * u;
        low = fmin(low, u);
        high = fmax(high, u);
    }
    assert_close(sum / DRAWS, 0.5, 0, 6 * sqrt(1.0 / 12 / DRAWS));
    assert_close(squares / DRAWS, 1.0 / 3, 0, 6 * sqrt(4.0 / 45 / DRAWS));
    assert_true(low < 1e-3 && high > 1 - 1e-3);
}

static void normal_has_the_moments_of_a_normal(void **state)
{
    (void)state;
    struct rk_random random = {SEED};
    double power[5] = {0};
    for (size_t i = 0; i < DRAWS; i++) {
        const double x = rk_random_normal(&random);
        for (int k = 1; k <= 4; k++) {
            power[k] += pow(x, k) / DRAWS;
        }
    }
    assert_close(power[1], 0, 0, 6 * sqrt(1.0 / DRAWS));
    assert_close(power[2], 1, 0, 6 * sqrt(2.0 / DRAWS));
    assert_close(power[3], 0, 0, 6 * sqrt(15.0 / DRAWS));
    assert_close(power[4], 3, 0, 6 * sqrt(96.0 / DRAWS));
}

/*
 * n = 3 * 2^30 shows both common faults: bits % n draws the lower third twice as often, and a product without rejection
 * draws every third number twice as often.
 */
static void bounded_numbers_are_unbiased(void **state)
{
    (void)state;
    const uint32_t n = 3u << 30;
    const double tolerance = 6 * sqrt(2.0 / 9 / DRAWS);
    struct rk_random random = {SEED};
    double third[3] = {0}, residue[3] = {0};
    for (size_t i = 0; i < DRAWS; i++) {
        const uint32_t drawn = rk_random_below(&random, n);
        assert_true(drawn < n);
        third[drawn >> 30] += 1.0 / DRAWS;
        residue[drawn % 3] += 1.0 / DRAWS;
    }
    for (size_t i = 0; i < 3; i++) {
        assert_close(third[i], 1.0 / 3, 0, tolerance);
        assert_close(residue[i], 1.0 / 3, 0, tolerance);
    }
}

static void below_one_is_zero(void **state)
{
    (void)state;
    struct rk_random random = {SEED};
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(rk_random_below(&random, 1), 0);
    }
}

static void below_reaches_every_number(void **state)
{
    (void)state;
    struct rk_random random = {SEED};
    double share[7] = {0};
    for (size_t i = 0; i < DRAWS; i++) {
        share[rk_random_below(&random, 7)] += 1.0 / DRAWS;
    }
    for (size_t i = 0; i < 7; i++) {
        assert_close(share[i], 1.0 / 7, 0, 6 * sqrt(6.0 / 49 / DRAWS));
    }
}

static void shuffle_makes_every_order_equally_often(void **state)
{
    (void)state;
    struct rk_random random = {SEED};
    double share[27] = {0};
    for (size_t i = 0; i < DRAWS; i++) {
        uint32_t index[] = {0, 1, 2};
        rk_random_shuffle(&random, index, 3);
        share[index[0] * 9 + index[1] * 3 + index[2]] += 1.0 / DRAWS;
    }
    static const size_t orders[] = {5, 7, 11, 15, 19, 21}; /* 012 021 102 120 201 210 */
    for (size_t i = 0; i < 6; i++) {
        assert_close(share[orders[i]], 1.0 / 6, 0, 6 * sqrt(5.0 / 36 / DRAWS));
    }
}

static void shuffle_of_nothing_and_of_one_draws_nothing(void **state)
{
    (void)state;
    struct rk_random random = {SEED};
    uint32_t index[] = {7};
    rk_random_shuffle(&random, index, 0);
    rk_random_shuffle(&random, index, 1);
    assert_int_equal(index[0], 7);
    assert_true(random.state == SEED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splitmix64_starts_as_published),
        cmocka_unit_test(uniform_takes_the_upper_53_bits),
        cmocka_unit_test(bounded_numbers_are_pinned),
        cmocka_unit_test(normal_numbers_are_pinned),
        cmocka_unit_test(shuffle_is_pinned),
        cmocka_unit_test(uniform_has_the_moments_of_a_uniform),
        cmocka_unit_test(normal_has_the_moments_of_a_normal),
        cmocka_unit_test(bounded_numbers_are_unbiased),
        cmocka_unit_test(below_one_is_zero),
        cmocka_unit_test(below_reaches_every_number),
        cmocka_unit_test(shuffle_makes_every_order_equally_often),
        cmocka_unit_test(shuffle_of_nothing_and_of_one_draws_nothing),
    };
    printf("seed %d\n", SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
