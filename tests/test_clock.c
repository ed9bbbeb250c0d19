/*
 * Server time: with the wall clock, but never back, and no jump at once.
 */
#include "clock.h"
#include "test.h"

#include <time.h>

#define MINUTE INT64_C(60000)
#define YEAR   (INT64_C(365) * 24 * 60 * MINUTE)

static int64_t wall_ms(void)
{
    return (int64_t)time(NULL) * 1000;
}

static void a_small_difference_forward_is_followed_at_once(void **state)
{
    (void)state;
    assert_int_equal(clock_correction_ms(0, 1000), 0);
    assert_int_equal(clock_correction_ms(5, 1000), 5);
    assert_int_equal(clock_correction_ms(MINUTE, 1000), MINUTE);
}

static void any_other_difference_is_made_up_for_by_a_tenth_of_the_time_that_goes_by(void **state)
{
    (void)state;
    assert_int_equal(clock_correction_ms(10 * YEAR, 1000), 100);
    assert_int_equal(clock_correction_ms(-10 * YEAR, 1000), -100);
    assert_int_equal(clock_correction_ms(MINUTE + 1, 1000 * MINUTE), MINUTE + 1);
    assert_int_equal(clock_correction_ms(-5, 1000), -5);
    assert_int_equal(clock_correction_ms(-5, 0), 0);
}

/* Whatever the wall clock does, by these corrections it goes on. */
static void server_time_never_goes_back(void **state)
{
    (void)state;
    for (int64_t difference = -2 * MINUTE; difference <= 2 * MINUTE; difference += 7) {
        for (int64_t elapsed = 1; elapsed < 3000; elapsed += 100) {
            assert_true(elapsed + clock_correction_ms(difference, elapsed) > 0);
        }
    }
}

static void it_starts_with_the_wall_clock_but_not_before_the_end_of_the_log(void **state)
{
    const int64_t future_ms = wall_ms() + YEAR;
    int64_t behind_ms;

    (void)state;
    assert_int_equal(clock_start(0), 0);
    assert_true(clock_unix_ms() - wall_ms() >= 0 && clock_unix_ms() - wall_ms() < MINUTE);
    assert_int_equal(clock_start(wall_ms() - YEAR), 0);
    assert_true(clock_unix_ms() - wall_ms() >= 0 && clock_unix_ms() - wall_ms() < MINUTE);
    behind_ms = clock_start(future_ms);
    assert_true(behind_ms < -YEAR + MINUTE && behind_ms >= -YEAR);
    assert_true(clock_unix_ms() >= future_ms && clock_unix_ms() < future_ms + MINUTE);
    assert_int_equal(clock_steer(), 0); /* what was told at the start is not told again */
    assert_true(clock_unix_ms() >= future_ms);
    assert_int_equal(clock_start(0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_difference_forward_is_followed_at_once),
        cmocka_unit_test(any_other_difference_is_made_up_for_by_a_tenth_of_the_time_that_goes_by),
        cmocka_unit_test(server_time_never_goes_back),
        cmocka_unit_test(it_starts_with_the_wall_clock_but_not_before_the_end_of_the_log),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
