/*
 * What all items have alike becomes the list's, and nothing else changes.
 */
#include "test.h"

#include <rankd/group.h>
#include <rankd/random.h>

#define ITEMS  5
#define NAMES  12
#define TRIALS 400
#define ROWS   (ITEMS + 1)
#define ABSENT (-1.0F)

static const struct rk_space hashed = {.kind = RK_HASHED, .bits = 12};

/* Values of numbers and flags by row and name; odd names are flags. */
struct table {
    float value[ROWS][NAMES];
    size_t n_items;
};

static struct rk_feature feature_of(size_t name, float value)
{
    const char text = (char)('a' + name);

    return name % 2 == 0 ? rk_feature_number(RK_ITEM, &text, 1, value)
                         : rk_feature_flag(RK_ITEM, &text, 1, value);
}

static void draw(struct table *table, struct rk_random *random)
{
    table->n_items = rk_random_below(random, ITEMS + 1);
    for (size_t j = 0; j < NAMES; j++) {
        const uint32_t alike = rk_random_below(random, 2);
        const float value = (float)(1 + rk_random_below(random, 3));
        for (size_t row = 0; row < ROWS; row++) {
            const bool is_there = rk_random_below(random, 4) > 0 && row > 0;
            table->value[row][j] = alike == 1 ? value
                                   : is_there ? (float)rk_random_below(random, 3)
                                              : ABSENT;
        }
        table->value[0][j] = rk_random_below(random, 4) == 0 ? value : ABSENT;
    }
}

static struct rk_group *build(const struct table *table, bool share)
{
    struct rk_group_builder builder = {0};
    struct rk_group view, *copy;

    assert_ok(rk_group_begin(&builder, &hashed, 7, NULL));
    for (size_t row = 0; row <= table->n_items; row++) {
        if (row > 0) {
            assert_ok(rk_group_begin_item(&builder, row, NULL));
            rk_group_label(&builder, (float)row, 1.0F);
        }
        for (size_t j = 0; j < NAMES; j++) {
            const struct rk_feature feature = feature_of(j, table->value[row][j]);
            if (table->value[row][j] != ABSENT) {
                assert_ok(rk_group_add(&builder, &feature, NULL));
            }
        }
    }
    assert_ok(rk_group_end(&builder, true, &view, NULL));
    if (share) {
        rk_group_share(&builder, &view);
    }
    assert_ok(rk_group_copy(&view, &copy, NULL));
    rk_group_builder_deinit(&builder);
    return copy;
}

static bool is_number(const struct rk_group *group, uint32_t entry)
{
    for (size_t i = 0; i < group->n_numbers; i++) {
        if (group->number[i] == entry) {
            return true;
        }
    }
    return false;
}

/* The entry of a row with this index, or -1. */
static int64_t find(const struct rk_group *group, size_t row, uint32_t index)
{
    for (uint32_t e = group->offset[row]; e < group->offset[row + 1]; e++) {
        if (group->index[e] == index) {
            return e;
        }
    }
    return -1;
}

static bool alike(const struct rk_group *a, int64_t i, const struct rk_group *b, int64_t j)
{
    return i >= 0 && j >= 0 && a->index[i] == b->index[j] && a->value[i] == b->value[j] &&
           a->name[i] == b->name[j] && is_number(a, (uint32_t)i) == is_number(b, (uint32_t)j);
}

/* Do all items have it alike, and row 0 has it not? */
static bool is_shared(const struct rk_group *plain, uint32_t index)
{
    const int64_t first = plain->n_items > 1 ? find(plain, 1, index) : -1;
    bool shared = first >= 0 && find(plain, 0, index) < 0;

    for (size_t row = 2; row <= plain->n_items && shared; row++) {
        shared = alike(plain, first, plain, find(plain, row, index));
    }
    return shared;
}

/* Each entry of the plain group stands in its row, or in row 0 where it is shared; no other does. */
static void assert_shared(const struct rk_group *plain, const struct rk_group *shared)
{
    size_t n = 0;

    for (size_t row = 0; row <= plain->n_items; row++) {
        for (uint32_t e = plain->offset[row]; e < plain->offset[row + 1]; e++) {
            const bool moved = row > 0 && is_shared(plain, plain->index[e]);
            const int64_t at = find(shared, moved ? 0 : row, plain->index[e]);
            assert_true(alike(plain, e, shared, at));
            n += !moved || row == 1 ? 1 : 0;
        }
        for (uint32_t e = shared->offset[row] + 1; e < shared->offset[row + 1]; e++) {
            assert_true(shared->index[e - 1] < shared->index[e]);
        }
    }
    assert_int_equal(shared->offset[shared->n_items + 1], n);
}

static void what_all_items_have_alike_is_the_lists(void **state)
{
    (void)state;
    struct rk_random random = {41};
    struct table table;

    print_message("seed 41\n");
    for (size_t trial = 0; trial < TRIALS; trial++) {
        draw(&table, &random);
        struct rk_group *plain = build(&table, false), *shared = build(&table, true);
        assert_int_equal(shared->n_items, plain->n_items);
        assert_memory_equal(shared->label, plain->label, plain->n_items * sizeof(float));
        assert_memory_equal(shared->id, plain->id, (plain->n_items + 1) * sizeof(uint64_t));
        assert_shared(plain, shared);
        rk_group_destroy(&plain);
        rk_group_destroy(&shared);
    }
}

static void nothing_of_a_single_item_is_the_lists(void **state)
{
    (void)state;
    struct table table = {.n_items = 1};
    struct rk_group *shared;

    for (size_t j = 0; j < NAMES; j++) {
        table.value[0][j] = ABSENT;
        table.value[1][j] = 2.0F;
    }
    shared = build(&table, true);
    assert_int_equal(shared->offset[1], 0);
    assert_int_equal(shared->offset[2], NAMES);
    rk_group_destroy(&shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_all_items_have_alike_is_the_lists),
        cmocka_unit_test(nothing_of_a_single_item_is_the_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
