/*
 * Sets of rows against an array of all rows.
 */
#include "test.h"

#include <rankd/random.h>
#include <rankd/row_map.h>

#define ROWS   5000
#define ROUNDS 40

/* Adds n rows drawn at random; number[r] is what r is numbered by, or SIZE_MAX. */
static void add_at_random(struct rk_row_map *map, size_t n, size_t number[ROWS],
                          struct rk_random *random)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t row = rk_random_below(random, ROWS);
        const size_t expected = number[row] != SIZE_MAX ? number[row] : map->n;
        assert_true(rk_row_map_reserve(map, map->n + 1));
        assert_int_equal(rk_row_map_add(map, row), expected);
        assert_int_equal(map->row[expected], row);
        number[row] = expected;
    }
}

static void rows_are_numbered_as_they_are_met_whatever_was_there_before(void **state)
{
    (void)state;
    struct rk_random random = {12};
    struct rk_row_map map = {0};
    size_t number[ROWS];

    print_message("seed 12\n");
    for (size_t round = 0; round < ROUNDS; round++) {
        memset(number, 0xff, sizeof number);
        add_at_random(&map, rk_random_below(&random, round % 2 == 0 ? 20 : ROWS), number, &random);
        rk_row_map_clear(&map);
        assert_int_equal(map.n, 0);
    }
    rk_row_map_deinit(&map);
}

static void reserved_room_is_as_large_as_it_says(void **state)
{
    (void)state;
    struct rk_row_map map = {0};

    assert_true(rk_row_map_reserve(&map, ROWS));
    const uint32_t *place = map.place, *row = map.row;
    for (uint32_t r = 0; r < ROWS; r++) {
        assert_int_equal(rk_row_map_add(&map, r << 16), r);
    }
    assert_ptr_equal(map.place, place);
    assert_ptr_equal(map.row, row);
    rk_row_map_deinit(&map);
}

static void empty_set_can_be_cleared_and_freed(void **state)
{
    (void)state;
    struct rk_row_map map = {0};

    rk_row_map_clear(&map);
    rk_row_map_deinit(&map);
    assert_null(map.place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_numbered_as_they_are_met_whatever_was_there_before),
        cmocka_unit_test(reserved_room_is_as_large_as_it_says),
        cmocka_unit_test(empty_set_can_be_cleared_and_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
