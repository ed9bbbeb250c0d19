/*
 * Building groups: rows against dense sums, and what must not depend on the order of features.
 */
#include "test.h"

#include <float.h>
#include <rankd/group.h>
#include <rankd/random.h>

#define COLUMNS 40

static const struct rk_space indexed = {.kind = RK_INDEXED, .size = COLUMNS};
static const struct rk_space hashed = {.kind = RK_HASHED, .bits = 20};

static int make_builder(void **state)
{
    struct rk_group_builder *builder = malloc(sizeof *builder);

    rk_group_builder_init(builder);
    *state = builder;
    return 0;
}

static int end_builder(void **state)
{
    rk_group_builder_deinit(*state);
    free(*state);
    return 0;
}

static void add(struct rk_group_builder *builder, struct rk_feature feature)
{
    assert_ok(rk_group_add(builder, &feature, NULL));
}

static void add_column(struct rk_group_builder *builder, uint32_t column, float value)
{
    add(builder, rk_feature_column(column, value));
}

static struct rk_group end(struct rk_group_builder *builder)
{
    struct rk_group group;

    assert_ok(rk_group_end(builder, true, &group, NULL));
    return group;
}

static void begin(struct rk_group_builder *builder, const struct rk_space *space)
{
    assert_ok(rk_group_begin(builder, space, 0, NULL));
}

static void begin_item(struct rk_group_builder *builder)
{
    assert_ok(rk_group_begin_item(builder, 0, NULL));
}

/* A row's entries ascend, and are what is not 0 in the dense row. */
static void assert_row(const struct rk_group *group, size_t row, const double *dense)
{
    uint32_t e = group->offset[row];

    for (uint32_t j = 0; j < COLUMNS; j++) {
        if (dense[j] != 0.0) {
            assert_true(e < group->offset[row + 1]);
            assert_int_equal(group->index[e], j);
            assert_close((double)group->value[e], dense[j], 1e-6, 0);
            e++;
        }
    }
    assert_int_equal(e, group->offset[row + 1]);
}

static void rows_are_sorted_and_repeated_features_summed(void **state)
{
    struct rk_group_builder *builder = *state;
    struct rk_random random = {3};
    double dense[8][COLUMNS] = {{0}};

    print_message("seed 3\n");
    begin(builder, &indexed);
    for (size_t row = 0; row < 8; row++) {
        if (row > 0) {
            begin_item(builder);
        }
        for (size_t i = 0; i < 10 * row; i++) {
            const uint32_t column = rk_random_below(&random, COLUMNS);
            const float value = (float)rk_random_normal(&random);
            add_column(builder, column, value);
            dense[row][column] += (double)value;
        }
    }
    const struct rk_group group = end(builder);
    assert_int_equal(group.n_items, 7);
    assert_int_equal(group.offset[0], 0);
    for (size_t row = 0; row < 8; row++) {
        assert_row(&group, row, dense[row]);
    }
}

static void same_row_on_both_sides_stays_two_features(void **state)
{
    struct rk_group_builder *builder = *state;

    begin(builder, &indexed);
    add_column(builder, 5, 2.0F);
    begin_item(builder);
    add_column(builder, 5, 3.0F);
    const struct rk_group group = end(builder);
    assert_int_equal(group.offset[1], 1);
    assert_int_equal(group.offset[2], 2);
    assert_true(group.value[0] == 2.0F && group.value[1] == 3.0F);
    assert_true(group.index[0] == 5 && group.index[1] == 5);
}

static void zero_and_cancelling_values_vanish(void **state)
{
    struct rk_group_builder *builder = *state;

    begin(builder, &indexed);
    add_column(builder, 1, 0.0F);
    add_column(builder, 2, 1.5F);
    add_column(builder, 3, 1.0F);
    add_column(builder, 2, -1.5F);
    const struct rk_group group = end(builder);
    assert_int_equal(group.offset[1], 1);
    assert_int_equal(group.index[0], 3);
}

static void raw_numbers_are_flagged_and_kept_when_zero(void **state)
{
    struct rk_group_builder *builder = *state;
    const uint64_t price = rk_feature_name(RK_ITEM, "price", 5);

    begin(builder, &hashed);
    begin_item(builder);
    add(builder, rk_feature_category(RK_ITEM, "brand", 5, "acme", 4, 1.0F));
    add(builder, rk_feature_number(RK_ITEM, "price", 5, 0.0F));
    add(builder, rk_feature_flag(RK_ITEM, "sale", 4, 1.0F));
    add(builder, rk_feature_flag(RK_ITEM, "new", 3, 0.0F));
    begin_item(builder);
    add(builder, rk_feature_number(RK_ITEM, "price", 5, 9.5F));
    const struct rk_group group = end(builder);
    assert_int_equal(group.offset[2], 3);
    assert_int_equal(group.n_numbers, 2);
    assert_true(group.number[0] < 3 && group.number[1] == 3);
    assert_true(group.name[group.number[0]] == price && group.name[3] == price);
    assert_true(group.value[group.number[0]] == 0.0F && group.value[3] == 9.5F);
}

static void numbers_of_an_indexed_space_are_not_flagged(void **state)
{
    struct rk_group_builder *builder = *state;

    begin(builder, &indexed);
    add(builder, rk_feature_number(RK_USER, "7", 1, 9.5F));
    add(builder, rk_feature_number(RK_USER, "8", 1, 0.0F));
    const struct rk_group group = end(builder);
    assert_int_equal(group.offset[1], 1);
    assert_int_equal(group.n_numbers, 0);
}

/*
 * Forty features in two rows, so that numbers and categories of several names meet, with sizes far
 * apart.
 */
static struct rk_feature crowded_feature(uint32_t i)
{
    const char name = (char)('a' + i % 5);
    const float value = (i % 3 == 0 ? 1e7F : 1.0F) / (float)(i + 1);

    return i % 2 == 0 ? rk_feature_number(RK_ITEM, &name, 1, value)
                      : rk_feature_category(RK_ITEM, &name, 1, &name, 1, -value);
}

static struct rk_group crowded_group(struct rk_group_builder *builder, const uint32_t *order)
{
    const struct rk_space tiny = {.kind = RK_HASHED, .bits = 1};

    begin(builder, &tiny);
    for (size_t i = 0; i < 40; i++) {
        add(builder, crowded_feature(order[i]));
    }
    return end(builder);
}

/* Sum, name and number flag once came from whichever feature was named first. */
static void features_that_meet_in_a_row_are_summed_alike_in_any_order(void **state)
{
    struct rk_group_builder other = {0};
    struct rk_random random = {5};
    uint32_t order[40];

    print_message("seed 5\n");
    for (uint32_t i = 0; i < 40; i++) {
        order[i] = i;
    }
    const struct rk_group group = crowded_group(*state, order);
    assert_int_equal(group.offset[1], 2);
    for (int round = 0; round < 50; round++) {
        rk_random_shuffle(&random, order, 40);
        const struct rk_group shuffled = crowded_group(&other, order);
        assert_int_equal(shuffled.offset[1], 2);
        assert_memory_equal(shuffled.value, group.value, 2 * sizeof *group.value);
        assert_memory_equal(shuffled.name, group.name, 2 * sizeof *group.name);
        assert_int_equal(shuffled.n_numbers, group.n_numbers);
    }
    rk_group_builder_deinit(&other);
}

/* No double holds 1e20 + 1, so that sums taken in order of arrival would be 0 or 1. */
static void repeated_feature_is_summed_alike_in_any_order(void **state)
{
    static const float value[] = {1e20F, 1.0F, -1e20F};
    static const size_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                        {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    uint32_t n[6];

    for (size_t o = 0; o < 6; o++) {
        begin(*state, &indexed);
        for (size_t i = 0; i < 3; i++) {
            add_column(*state, 7, value[orders[o][i]]);
        }
        n[o] = end(*state).offset[1];
        assert_int_equal(n[o], n[0]);
    }
}

static void number_that_meets_a_category_stays_a_number(void **state)
{
    static const uint32_t category_first[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    const struct rk_space tiny = {.kind = RK_HASHED, .bits = 1};
    struct rk_group_builder *builder = *state;

    begin(builder, &tiny);
    for (size_t i = 0; i < 10; i++) {
        add(builder, crowded_feature(category_first[i]));
    }
    const struct rk_group group = end(builder);
    assert_int_equal(group.offset[1], 2);
    assert_int_equal(group.n_numbers, 2);
}

static void sums_beyond_the_range_of_a_float_stay_finite(void **state)
{
    struct rk_group_builder *builder = *state;

    begin(builder, &indexed);
    add_column(builder, 1, FLT_MAX);
    add_column(builder, 1, FLT_MAX);
    add_column(builder, 2, -FLT_MAX);
    add_column(builder, 2, -FLT_MAX);
    add_column(builder, 3, FLT_MAX);
    add_column(builder, 3, FLT_MAX);
    add_column(builder, 3, -FLT_MAX);
    const struct rk_group group = end(builder);
    assert_true(group.value[0] == FLT_MAX);
    assert_true(group.value[1] == -FLT_MAX);
    assert_true(group.value[2] == FLT_MAX);
}

static void items_carry_id_label_weight_and_teacher(void **state)
{
    struct rk_group_builder *builder = *state;

    assert_ok(rk_group_begin(builder, &indexed, 11, NULL));
    assert_ok(rk_group_begin_item(builder, 22, NULL));
    rk_group_label(builder, 3.0F, 0.5F);
    rk_group_teacher(builder, -1.25F);
    assert_ok(rk_group_begin_item(builder, 33, NULL));
    const struct rk_group group = end(builder);
    assert_true(group.id[0] == 11 && group.id[1] == 22 && group.id[2] == 33);
    assert_true(group.label[0] == 3.0F && group.label[1] == 0.0F);
    assert_true(group.weight[0] == 0.5F && group.weight[1] == 1.0F);
    assert_true(group.teacher[0] == -1.25F && group.teacher[1] == 0.0F);
}

static void unlabelled_group_has_no_labels_weights_or_teacher(void **state)
{
    struct rk_group_builder *builder = *state;
    struct rk_group group, *copy;

    begin(builder, &indexed);
    begin_item(builder);
    assert_ok(rk_group_end(builder, false, &group, NULL));
    assert_true(group.label == NULL && group.weight == NULL && group.teacher == NULL);
    assert_ok(rk_group_copy(&group, &copy, NULL));
    assert_true(copy->label == NULL && copy->weight == NULL && copy->teacher == NULL);
    rk_group_destroy(&copy);
    assert_null(copy);
    rk_group_destroy(&copy);
}

static void group_without_items_or_features_is_a_group(void **state)
{
    struct rk_group_builder *builder = *state;
    struct rk_group *copy;

    begin(builder, &indexed);
    const struct rk_group group = end(builder);
    assert_int_equal(group.n_items, 0);
    assert_int_equal(group.offset[1], 0);
    assert_ok(rk_group_copy(&group, &copy, NULL));
    assert_int_equal(copy->n_items, 0);
    assert_int_equal(copy->offset[1], 0);
    rk_group_destroy(&copy);
}

/* A group of n items with all there is, drawn from a seed. */
static struct rk_group full_group(struct rk_group_builder *builder, size_t n, uint64_t seed)
{
    struct rk_random random = {seed};

    assert_ok(rk_group_begin(builder, &hashed, seed, NULL));
    for (size_t i = 0; i < 5 * n; i++) {
        char name = (char)('a' + rk_random_below(&random, 26));
        if (i % 5 == 0) {
            assert_ok(rk_group_begin_item(builder, rk_random_bits(&random), NULL));
            rk_group_label(builder, (float)(i % 3), 1.0F + (float)i);
            rk_group_teacher(builder, (float)rk_random_normal(&random));
        }
        add(builder, i % 2 == 0 ? rk_feature_number(RK_ITEM, &name, 1, (float)i)
                                : rk_feature_category(RK_ITEM, "c", 1, &name, 1, 1.0F));
    }
    return end(builder);
}

static void assert_same(const struct rk_group *a, const struct rk_group *b)
{
    const size_t n = a->n_items, nnz = a->offset[n + 1];

    assert_int_equal(b->n_items, n);
    assert_int_equal(b->n_numbers, a->n_numbers);
    assert_memory_equal(b->offset, a->offset, (n + 2) * sizeof *a->offset);
    assert_memory_equal(b->index, a->index, nnz * sizeof *a->index);
    assert_memory_equal(b->value, a->value, nnz * sizeof *a->value);
    assert_memory_equal(b->name, a->name, nnz * sizeof *a->name);
    assert_memory_equal(b->number, a->number, a->n_numbers * sizeof *a->number);
    assert_memory_equal(b->id, a->id, (n + 1) * sizeof *a->id);
    assert_memory_equal(b->label, a->label, n * sizeof *a->label);
    assert_memory_equal(b->weight, a->weight, n * sizeof *a->weight);
    assert_memory_equal(b->teacher, a->teacher, n * sizeof *a->teacher);
}

static void copy_equals_the_original_and_outlives_its_builder(void **state)
{
    for (size_t n = 1; n < 20; n++) {
        struct rk_group_builder builder = {0};
        struct rk_group *copy;
        const struct rk_group group = full_group(&builder, n, n);
        assert_ok(rk_group_copy(&group, &copy, NULL));
        assert_same(&group, copy);
        rk_group_builder_deinit(&builder);
        const struct rk_group again = full_group(*state, n, n);
        assert_same(&again, copy);
        rk_group_destroy(&copy);
    }
}

static void reused_builder_gives_what_a_fresh_one_gives(void **state)
{
    static const size_t sizes[] = {3, 50, 1, 17};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct rk_group_builder fresh = {0};
        const struct rk_group expected = full_group(&fresh, sizes[i], i + 1);
        const struct rk_group group = full_group(*state, sizes[i], i + 1);
        assert_same(&expected, &group);
        rk_group_builder_deinit(&fresh);
    }
}

static void warm_builder_keeps_its_arrays(void **state)
{
    const struct rk_group first = full_group(*state, 50, 1);
    const struct rk_group second = full_group(*state, 50, 1);

    assert_ptr_equal(first.index, second.index);
    assert_ptr_equal(first.value, second.value);
    assert_ptr_equal(first.offset, second.offset);
    assert_ptr_equal(first.label, second.label);
}

static void feature_outside_the_space_is_refused_and_the_row_goes_on(void **state)
{
    const struct rk_feature outside = rk_feature_column(COLUMNS, 1.0F);
    const struct rk_feature named = rk_feature_number(RK_USER, "price", 5, 1.0F);
    struct rk_group_builder *builder = *state;
    struct rk_error err = {0};

    begin(builder, &indexed);
    assert_status(rk_group_add(builder, &outside, &err), RK_MISMATCH);
    assert_status(rk_group_add(builder, &named, NULL), RK_INVALID);
    assert_true(err.text[0] != '\0');
    add_column(builder, 4, 1.0F);
    const struct rk_group group = end(builder);
    assert_int_equal(group.offset[1], 1);
    assert_int_equal(group.index[0], 4);
}

static void rows_of_a_hundred_thousand_features_are_sorted(void **state)
{
    const uint32_t n = 100000;
    const struct rk_space space = {.kind = RK_INDEXED, .size = n};
    struct rk_group_builder *builder = *state;
    struct rk_random random = {9};
    uint32_t *order = malloc(n * sizeof *order);

    print_message("seed 9\n");
    for (uint32_t i = 0; i < n; i++) {
        order[i] = i;
    }
    rk_random_shuffle(&random, order, n);
    begin(builder, &space);
    for (uint32_t i = 0; i < n; i++) {
        add_column(builder, order[i], (float)(order[i] + 1));
    }
    const struct rk_group group = end(builder);
    assert_int_equal(group.offset[1], n);
    for (uint32_t i = 0; i < n; i++) {
        assert_true(group.index[i] == i && group.value[i] == (float)(i + 1));
    }
    free(order);
}

static void builder_of_zeros_can_be_freed(void **state)
{
    (void)state;
    struct rk_group_builder zero = {0};

    rk_group_builder_deinit(&zero);
    assert_null(zero.index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_sorted_and_repeated_features_summed),
        cmocka_unit_test(same_row_on_both_sides_stays_two_features),
        cmocka_unit_test(zero_and_cancelling_values_vanish),
        cmocka_unit_test(raw_numbers_are_flagged_and_kept_when_zero),
        cmocka_unit_test(numbers_of_an_indexed_space_are_not_flagged),
        cmocka_unit_test(features_that_meet_in_a_row_are_summed_alike_in_any_order),
        cmocka_unit_test(repeated_feature_is_summed_alike_in_any_order),
        cmocka_unit_test(number_that_meets_a_category_stays_a_number),
        cmocka_unit_test(sums_beyond_the_range_of_a_float_stay_finite),
        cmocka_unit_test(items_carry_id_label_weight_and_teacher),
        cmocka_unit_test(unlabelled_group_has_no_labels_weights_or_teacher),
        cmocka_unit_test(group_without_items_or_features_is_a_group),
        cmocka_unit_test(copy_equals_the_original_and_outlives_its_builder),
        cmocka_unit_test(reused_builder_gives_what_a_fresh_one_gives),
        cmocka_unit_test(warm_builder_keeps_its_arrays),
        cmocka_unit_test(feature_outside_the_space_is_refused_and_the_row_goes_on),
        cmocka_unit_test(rows_of_a_hundred_thousand_features_are_sorted),
        cmocka_unit_test(builder_of_zeros_can_be_freed),
    };
    struct CMUnitTest each[sizeof tests / sizeof *tests];

    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        each[i] = tests[i];
        each[i].setup_func = make_builder;
        each[i].teardown_func = end_builder;
    }
    return cmocka_run_group_tests(each, NULL, NULL);
}
