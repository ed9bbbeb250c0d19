/*
 * Growing an array.
 */
#include "grow.h"
#include "test.h"

static void growing_keeps_what_is_there_and_counts_the_capacity(void **state)
{
    uint32_t *array = NULL;
    size_t capacity = 0;
    (void)state;
    for (uint32_t i = 0; i < 5000; i++) {
        assert_true(grow_reserve(&array, &capacity, i + 1));
        assert_true(capacity > i);
        array[i] = i;
    }
    for (uint32_t i = 0; i < 5000; i++) {
        assert_int_equal(array[i], i);
    }
    free(array);
}

static void appending_one_by_one_moves_the_array_seldom(void **state)
{
    char *array = NULL;
    size_t capacity = 0, before = 0, moved = 0;
    (void)state;
    for (size_t i = 1; i <= 1 << 20; i++) {
        assert_true(grow_reserve(&array, &capacity, i));
        moved += capacity != before;
        before = capacity;
    }
    assert_true(moved <= 12);
    free(array);
}

static void room_that_cannot_be_had_leaves_the_array_as_it_was(void **state)
{
    double *array = NULL;
    size_t capacity = 0;
    (void)state;
    assert_true(grow_reserve(&array, &capacity, 1));
    array[0] = 7;
    const size_t before = capacity;
    assert_false(grow_reserve(&array, &capacity, SIZE_MAX / 4)); /* times 8 is more than there is */
    assert_false(grow_resize(&array, SIZE_MAX / sizeof *array + 1));
    assert_int_equal(capacity, before);
    assert_true(array[0] == 7);
    free(array);
}

static void array_of_nothing_is_an_array(void **state)
{
    int *array = NULL;
    (void)state;
    assert_true(grow_resize(&array, 0));
    assert_non_null(array);
    free(array);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(growing_keeps_what_is_there_and_counts_the_capacity),
        cmocka_unit_test(appending_one_by_one_moves_the_array_seldom),
        cmocka_unit_test(room_that_cannot_be_had_leaves_the_array_as_it_was),
        cmocka_unit_test(array_of_nothing_is_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
