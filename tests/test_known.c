/*
 * The table of known items: what is noted is found until a row it depends on is touched.
 */
#include "known.h"
#include "test.h"

#include <rankd/model.h>

#define ROWS 16

struct fixture {
    struct rk_model *model;
    struct known *known;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct rk_model_config config;
    assert_non_null(f);
    assert_ok(rk_model_default("fm", &config, NULL));
    config.features = (struct rk_space){.kind = RK_INDEXED, .size = 1 << ROWS};
    config.dim = 3;
    assert_ok(rk_model_create(&config, 0, &f->model, NULL));
    f->known = known_create(f->model, 64);
    assert_non_null(f->known);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    known_destroy(&f->known);
    known_destroy(&f->known);
    rk_model_destroy(&f->model);
    free(f);
    return 0;
}

/* Notes an entry of the given rows, its sums all being its number. */
static bool note(struct fixture *f, uint64_t number, const uint32_t *rows, size_t n)
{
    uint32_t place;
    assert_null(known_find(f->known, number, &place));
    if (place == KNOWN_NONE) {
        return false;
    }
    for (size_t i = 0; i < rk_model_item_sums(f->model); i++) {
        known_room(f->known, place)[i] = (double)number;
    }
    known_note(f->known, place, rows, n);
    return true;
}

/* What is known of an entry is right. */
static bool is_known(struct fixture *f, uint64_t number)
{
    uint32_t place;
    const double *sums = known_find(f->known, number, &place);
    for (size_t i = 0; i < rk_model_item_sums(f->model) && sums != NULL; i++) {
        assert_true(sums[i] == (double)number);
    }
    if (place != KNOWN_NONE) {
        known_leave(f->known, place);
    }
    return sums != NULL;
}

/* Touches a feature's linear weight (tensor 1) or vector (2). */
static void touch(struct fixture *f, size_t tensor, uint32_t row)
{
    size_t n;
    const uint32_t touched = (uint32_t)rk_model_tensors(f->model, &n)[tensor].first_row + row;
    known_forget(f->known, &touched, 1);
}

static void what_is_noted_is_found_by_its_number(void **state)
{
    struct fixture *f = *state;
    for (uint64_t number = 1; number <= 40; number++) {
        assert_false(is_known(f, number));
        assert_true(note(f, number, (uint32_t[]){1, 2}, 2));
    }
    for (uint64_t number = 1; number <= 40; number++) {
        assert_true(is_known(f, number));
        assert_false(is_known(f, number + 64));
    }
}

static void touching_a_row_forgets_who_depends_on_it_and_nobody_else(void **state)
{
    struct fixture *f = *state;
    for (size_t tensor = 1; tensor <= 2; tensor++) {
        known_forget_all(f->known);
        assert_true(note(f, 1, (uint32_t[]){5, 9}, 2));
        assert_true(note(f, 2, (uint32_t[]){9, 70}, 2)); /* 70 falls together with 6 */
        assert_true(note(f, 3, (uint32_t[]){6}, 1));
        touch(f, 0, 0); /* the bias is in no item's sums */
        touch(f, tensor, 4);
        assert_true(is_known(f, 1) && is_known(f, 2) && is_known(f, 3));
        touch(f, tensor, 70);
        assert_true(is_known(f, 1) && !is_known(f, 2) && is_known(f, 3));
        assert_true(note(f, 2, (uint32_t[]){9, 70}, 2));
        touch(f, tensor, 9);
        assert_true(!is_known(f, 1) && !is_known(f, 2) && is_known(f, 3));
    }
    known_forget_all(f->known);
    assert_false(is_known(f, 3));
    known_forget(NULL, NULL, 0);
    known_forget_all(NULL);
}

static void a_place_is_claimed_by_one_at_a_time(void **state)
{
    struct fixture *f = *state;
    uint32_t place, other;
    assert_null(known_find(f->known, 7, &place));
    assert_int_not_equal(place, KNOWN_NONE);
    assert_null(known_find(f->known, 7, &other));
    assert_int_equal(other, KNOWN_NONE);
    known_leave(f->known, place);
    assert_null(known_find(f->known, 7, &other));
    assert_int_equal(other, place);
    known_refuse(f->known, other);
    assert_null(known_find(f->known, 7, &other));
    assert_int_equal(other, KNOWN_NONE);
}

/* More items than a row leads to: those beyond go stale too, and only with rows that many share. */
static void a_row_that_many_share_forgets_them_all(void **state)
{
    struct fixture *f = *state;
    known_destroy(&f->known);
    f->known = known_create(f->model, 4096);
    for (uint32_t i = 0; i < KNOWN_SHARED + 50; i++) {
        assert_true(note(f, 1 + i, (uint32_t[]){3, 100 + i}, 2));
    }
    touch(f, 1, 100);
    assert_true(!is_known(f, 1) && is_known(f, 2) && is_known(f, KNOWN_SHARED + 50));
    touch(f, 2, 3);
    for (uint32_t i = 0; i < KNOWN_SHARED + 50; i++) {
        assert_false(is_known(f, 1 + i));
        assert_true(note(f, 1 + i, (uint32_t[]){3, 100 + i}, 2));
        assert_true(is_known(f, 1 + i));
    }
    touch(f, 2, 3);
    assert_true(!is_known(f, 1) && !is_known(f, KNOWN_SHARED + 50));
}

/* Entries that are no more make room when a table has long been full. */
static void a_full_table_is_emptied_after_a_while(void **state)
{
    struct fixture *f = *state;
    for (uint64_t number = 1; number <= 64; number++) {
        (void)note(f, number, (uint32_t[]){1}, 1);
    }
    for (uint64_t number = 65; number <= 300; number++) {
        assert_false(is_known(f, number));
    }
    assert_true(is_known(f, 64));
    for (size_t i = 0; i < 300; i++) {
        touch(f, 1, 2);
    }
    assert_false(is_known(f, 64));
    assert_true(note(f, 300, (uint32_t[]){1}, 1));
    assert_true(is_known(f, 300));
}

/* With so many rows an item that the index has no room for all, some are not known; none is wrong. */
static void what_the_index_has_no_room_for_is_not_known(void **state)
{
    struct fixture *f = *state;
    uint32_t rows[40];
    size_t known = 0;
    for (uint64_t number = 1; number <= 64; number++) {
        for (uint32_t i = 0; i < 40; i++) {
            rows[i] = (uint32_t)number * 40 + i;
        }
        assert_true(note(f, number, rows, 40));
        known += is_known(f, number);
    }
    assert_in_range(known, 10, 14);
    for (uint64_t number = 1; number <= 64; number++) {
        touch(f, 1, (uint32_t)number * 40 + 39);
        assert_false(is_known(f, number));
    }
}

static void models_of_other_kinds_know_no_items(void **state)
{
    static const char *const kinds[] = {"ffm", "deepfm", "joint"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct rk_model_config config;
        struct rk_model *model = NULL;
        assert_ok(rk_model_default(kinds[i], &config, NULL));
        assert_ok(rk_model_create(&config, 0, &model, NULL));
        assert_int_equal(rk_model_item_sums(model), 0);
        assert_null(known_create(model, 64));
        rk_model_destroy(&model);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_noted_is_found_by_its_number),
        TEST(touching_a_row_forgets_who_depends_on_it_and_nobody_else),
        TEST(a_place_is_claimed_by_one_at_a_time),
        TEST(a_row_that_many_share_forgets_them_all),
        TEST(a_full_table_is_emptied_after_a_while),
        TEST(what_the_index_has_no_room_for_is_not_known),
        cmocka_unit_test(models_of_other_kinds_know_no_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
