/*
 * Feature hashing, held to the published vectors, and feature spaces.
 */
#include "test.h"

#include <rankd/feature.h>

static const struct rk_space hashed = {.kind = RK_HASHED, .bits = 18};
static const struct rk_space indexed = {.kind = RK_INDEXED, .size = 100};

static struct rk_feature number(const char *name)
{
    return rk_feature_number(RK_ITEM, name, strlen(name), 1.5F);
}

static void number_hashes_to_the_published_vector(void **state)
{
    (void)state;
    const struct rk_feature feature = rk_feature_number(RK_ITEM, "price", 5, 9.5F);

    assert_true(feature.hash == UINT64_C(0x0ee82a830b7c87cf));
    assert_true(feature.name == feature.hash);
    assert_int_equal(feature.kind, RK_NUMBER);
    assert_true(feature.value == 9.5F);
}

static void category_hashes_to_the_published_vector(void **state)
{
    (void)state;
    const struct rk_feature feature = rk_feature_category(RK_ITEM, "brand", 5, "acme", 4, 0.25F);

    assert_true(feature.hash == UINT64_C(0x5111577f70f9004d));
    assert_true(feature.name == rk_feature_name(RK_ITEM, "brand", 5));
    assert_int_equal(feature.kind, RK_CATEGORY);
    assert_true(feature.value == 0.25F);
}

static void user_id_hashes_to_the_published_vector(void **state)
{
    (void)state;
    const struct rk_feature feature = rk_feature_category(RK_USER, "id", 2, "u1", 2, 1.0F);

    assert_true(feature.hash == UINT64_C(0x76da022d9ce45545));
}

static void flag_hashes_like_a_number_of_its_name(void **state)
{
    (void)state;
    const struct rk_feature feature = rk_feature_flag(RK_ITEM, "price", 5, 1.0F);

    assert_true(feature.hash == UINT64_C(0x0ee82a830b7c87cf));
    assert_int_equal(feature.kind, RK_FLAG);
}

static void side_is_part_of_the_name(void **state)
{
    (void)state;
    const uint64_t user = rk_feature_name(RK_USER, "age", 3);
    const uint64_t context = rk_feature_name(RK_CONTEXT, "age", 3);
    const uint64_t item = rk_feature_name(RK_ITEM, "age", 3);

    assert_true(user != context && context != item && user != item);
}

static void last_byte_of_the_longest_name_counts(void **state)
{
    (void)state;
    char name[256];

    memset(name, 'n', sizeof name);
    const uint64_t before = rk_feature_name(RK_CONTEXT, name, sizeof name);
    name[255] = 'm';
    assert_true(rk_feature_name(RK_CONTEXT, name, sizeof name) != before);
}

static void decimal_names_are_columns(void **state)
{
    (void)state;
    assert_int_equal(number("0").column, 0);
    assert_int_equal(number("17").column, 17);
    assert_int_equal(number("268435455").column, RK_SIZE_MAX - 1);
    assert_int_equal(rk_feature_flag(RK_USER, "7", 1, 1.0F).column, 7);
}

static void names_that_are_not_plain_decimals_are_no_columns(void **state)
{
    (void)state;
    static const char *const names[] = {"",    "00", "01", "+1", "-1", "1.0",
                                        "1e3", " 1", "1 ", "x",  "1x"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (number(names[i]).column != RK_NO_COLUMN) {
            fail_msg("\"%s\" is column %u", names[i], (unsigned)number(names[i]).column);
        }
    }
    assert_int_equal(rk_feature_category(RK_ITEM, "7", 1, "a", 1, 1.0F).column, RK_NO_COLUMN);
}

/* Names of more than nine digits once counted as no column at all. */
static void columns_beyond_any_space_are_outside_not_unnamed(void **state)
{
    (void)state;
    static const char *const names[] = {"268435456",
                                        "999999999",
                                        "1000000000",
                                        "4294967294",
                                        "4294967295",
                                        "4294967297",
                                        "100000000000000000000000000000000"};
    const struct rk_space largest = {.kind = RK_INDEXED, .size = RK_SIZE_MAX};
    uint32_t row = 7;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct rk_feature feature = number(names[i]);
        assert_status(rk_space_row(&largest, &feature, &row, NULL), RK_MISMATCH);
    }
    assert_int_equal(row, 7);
}

static void hashed_row_is_the_low_bits_of_the_hash(void **state)
{
    (void)state;
    const struct rk_feature feature = number("price");

    for (uint32_t bits = RK_BITS_MIN; bits <= RK_BITS_MAX; bits++) {
        const struct rk_space space = {.kind = RK_HASHED, .bits = bits};
        uint32_t row;
        assert_ok(rk_space_row(&space, &feature, &row, NULL));
        assert_true(row == feature.hash % rk_space_rows(&space));
        assert_true(rk_space_rows(&space) == (uint64_t)1 << bits);
    }
}

static void indexed_row_is_the_column(void **state)
{
    (void)state;
    const struct rk_feature bare = rk_feature_column(99, -2.0F), named = number("42");
    uint32_t row;

    assert_int_equal(rk_space_rows(&indexed), 100);
    assert_ok(rk_space_row(&indexed, &bare, &row, NULL));
    assert_int_equal(row, 99);
    assert_true(bare.value == -2.0F && bare.name == 0);
    assert_ok(rk_space_row(&indexed, &named, &row, NULL));
    assert_int_equal(row, 42);
}

static void column_at_the_size_is_outside(void **state)
{
    (void)state;
    const struct rk_feature feature = rk_feature_column(100, 1.0F);
    struct rk_error err = {0};
    uint32_t row = 7;

    assert_status(rk_space_row(&indexed, &feature, &row, &err), RK_MISMATCH);
    assert_non_null(strstr(err.text, "100"));
    assert_int_equal(row, 7);
}

static void name_on_an_indexed_space_is_invalid(void **state)
{
    (void)state;
    const struct rk_feature name = number("price");
    const struct rk_feature category = rk_feature_category(RK_ITEM, "3", 1, "a", 1, 1.0F);
    struct rk_error err = {0};
    uint32_t row = 7;

    assert_status(rk_space_row(&indexed, &name, &row, &err), RK_INVALID);
    assert_non_null(strstr(err.text, "0 to 99"));
    assert_status(rk_space_row(&indexed, &category, &row, NULL), RK_INVALID);
    assert_int_equal(row, 7);
}

static void bare_column_on_a_hashed_space_is_invalid(void **state)
{
    (void)state;
    const struct rk_feature bare = rk_feature_column(3, 1.0F);
    uint32_t row = 7;

    assert_status(rk_space_row(&hashed, &bare, &row, NULL), RK_INVALID);
    assert_int_equal(row, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(number_hashes_to_the_published_vector),
        cmocka_unit_test(category_hashes_to_the_published_vector),
        cmocka_unit_test(user_id_hashes_to_the_published_vector),
        cmocka_unit_test(flag_hashes_like_a_number_of_its_name),
        cmocka_unit_test(side_is_part_of_the_name),
        cmocka_unit_test(last_byte_of_the_longest_name_counts),
        cmocka_unit_test(decimal_names_are_columns),
        cmocka_unit_test(names_that_are_not_plain_decimals_are_no_columns),
        cmocka_unit_test(columns_beyond_any_space_are_outside_not_unnamed),
        cmocka_unit_test(hashed_row_is_the_low_bits_of_the_hash),
        cmocka_unit_test(indexed_row_is_the_column),
        cmocka_unit_test(column_at_the_size_is_outside),
        cmocka_unit_test(name_on_an_indexed_space_is_invalid),
        cmocka_unit_test(bare_column_on_a_hashed_space_is_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
