/*
 * Paired differences, against sums over all of them at once.
 */
#include "test.h"

#include <rankd/paired.h>

static void mean_and_error_are_those_of_all_differences_at_once(void **state)
{
    const double difference[] = {0.25, -1.5, 3, 0, 0.125};
    struct rk_paired paired = {0};
    double mean = 0, squares = 0;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        rk_paired_add(&paired, difference[i]);
        mean += difference[i] / 5;
    }
    for (size_t i = 0; i < 5; i++) {
        squares += (difference[i] - mean) * (difference[i] - mean);
    }
    assert_int_equal(paired.n, 5);
    assert_close(paired.mean, mean, 1e-14, 0);
    assert_close(rk_paired_error(&paired), sqrt(squares / 4 / 5), 1e-14, 0);
}

static void what_is_not_a_number_is_left_out(void **state)
{
    struct rk_paired paired = {0};

    (void)state;
    rk_paired_add(&paired, 1);
    rk_paired_add(&paired, (double)NAN);
    rk_paired_add(&paired, 2);
    assert_int_equal(paired.n, 2);
    assert_close(paired.mean, 1.5, 1e-15, 0);
    assert_close(rk_paired_error(&paired), 0.5, 1e-15, 0);
}

static void fewer_than_two_have_no_error(void **state)
{
    struct rk_paired paired = {0};

    (void)state;
    assert_true(isnan(rk_paired_error(&paired)));
    rk_paired_add(&paired, 1);
    assert_true(isnan(rk_paired_error(&paired)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean_and_error_are_those_of_all_differences_at_once),
        cmocka_unit_test(what_is_not_a_number_is_left_out),
        cmocka_unit_test(fewer_than_two_have_no_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
