/*
 * The ring of lists held back: first in, first out, and a step taken back leaves it as it was.
 */
#include "held.h"
#include "test.h"

static const struct rk_space columns = {.kind = RK_INDEXED, .size = 4};

/* A group of one item that nothing is known of. */
static struct rk_group *make_group(void)
{
    struct rk_group_builder builder;
    struct rk_group view, *group = NULL;

    rk_group_builder_init(&builder);
    assert_ok(rk_group_begin(&builder, &columns, 0, NULL));
    assert_ok(rk_group_begin_item(&builder, 0, NULL));
    assert_ok(rk_group_end(&builder, true, &view, NULL));
    assert_ok(rk_group_copy(&view, &group, NULL));
    rk_group_builder_deinit(&builder);
    return group;
}

/* Enters the lists at from ... to - 1. @return the last that left for one; -1: none did. */
static int64_t enter(struct held *held, int64_t from, int64_t to)
{
    int64_t last = -1;

    for (int64_t seq = from; seq < to; seq++) {
        struct rk_group *group = make_group();
        struct held_list left;
        assert_ok(
            held_enter(held, &group, &(struct cut_list){.seq = seq, .upto = to}, &left, NULL));
        assert_null(group);
        last = left.group != NULL ? left.at.seq : last;
    }
    return last;
}

static char *text_of(const struct held *held)
{
    struct emit out = {0};

    held_write(held, &out);
    return emit_take(&out, &(size_t){0});
}

static void every_twentieth_list_has_its_turn(void **state)
{
    struct held held = {0};

    (void)state;
    for (int i = 1; i <= 100; i++) {
        assert_int_equal(held_turn(&held), i % HELD_EVERY == 0);
    }
    held_deinit(&held);
}

static void first_that_entered_leaves_first_once_the_ring_is_full(void **state)
{
    struct held held = {0};

    (void)state;
    held_begin(&held);
    assert_int_equal(enter(&held, 0, HELD_LISTS), -1);
    for (int64_t seq = HELD_LISTS; seq < 3 * HELD_LISTS; seq++) {
        if (seq % 3 == 0) {
            held_begin(&held);
        }
        assert_int_equal(enter(&held, seq, seq + 1), seq - HELD_LISTS);
        assert_int_equal(held.n, HELD_LISTS);
    }
    held_deinit(&held);
}

static void step_taken_back_leaves_the_ring_as_it_was(void **state)
{
    struct held held = {0};

    (void)state;
    held_begin(&held);
    (void)enter(&held, 0, HELD_LISTS - 5);
    held_publish(&held);
    char *before = text_of(&held);
    for (int64_t more = 1; more < 2 * HELD_LISTS; more += 100) { /* few; and all of it leaves */
        held_begin(&held);
        for (int i = 0; i < 7; i++) {
            (void)held_turn(&held);
        }
        (void)enter(&held, 1000, 1000 + more);
        held_undo(&held);
        char *after = text_of(&held);
        assert_string_equal(after, before);
        free(after);
    }
    free(before);
    held_deinit(&held);
}

static void lists_of_a_refused_step_count_and_what_would_have_left_goes_to_the_end(void **state)
{
    struct held held = {0};

    (void)state;
    held_begin(&held);
    (void)enter(&held, 0, HELD_LISTS - 1);
    held.seen = HELD_EVERY - 1;
    held_pass(&held, 1); /* there was room for one more */
    assert_int_equal(held.seen, HELD_EVERY);
    assert_int_equal(held.list[0].at.seq, 0);
    held_pass(&held, 2 * HELD_EVERY); /* one of two */
    assert_int_equal(held.n, HELD_LISTS - 1);
    assert_int_equal(held.list[0].at.seq, 1);
    assert_int_equal(held.list[HELD_LISTS - 2].at.seq, 0);
    held_pass(&held, HELD_EVERY - 1);
    assert_int_equal(held.list[0].at.seq, 1);
    held_deinit(&held);
}

static void losses_of_the_judge_are_those_before_the_next_step(void **state)
{
    struct held held = {0};

    (void)state;
    held_begin(&held);
    (void)enter(&held, 0, 2);
    held_publish(&held);
    held_begin(&held);
    (void)enter(&held, 2, 3); /* it is not asked of its own step */
    held.list[0].after = 0.25;
    held.list[1].after = 0.75;
    held.judged = true;
    held_publish(&held);
    assert_true(held.list[1].known && held.list[1].before == 0.75);
    assert_false(held.list[2].known);
    held_begin(&held);
    held_publish(&held); /* the judge did not look */
    assert_false(held.list[0].known || held.list[1].known);
    held_deinit(&held);
}

static void text_that_is_no_ring_is_told_and_leaves_it_empty(void **state)
{
    static const char *const bad[] = {"{",
                                      "[]",
                                      "{\"seen\":1}",
                                      "{\"seen\":-1,\"lists\":[]}",
                                      "{\"seen\":1,\"lists\":[[1]]}",
                                      "{\"seen\":1,\"lists\":[[1,\"x\"]]}"};
    struct held held = {0};
    const struct held_source nowhere = {0};
    struct cut cut = {0};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        (void)enter(&held, 0, 3);
        assert_status(held_read(&held, bad[i], &nowhere, &cut, NULL), RK_CORRUPT);
        assert_int_equal(held.n, 0);
    }
    (void)enter(&held, 0, 3);
    assert_ok(held_read(&held, "", &nowhere, &cut, NULL));
    assert_int_equal(held.n, 0);
    cut_deinit(&cut);
    held_deinit(&held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_twentieth_list_has_its_turn),
        cmocka_unit_test(first_that_entered_leaves_first_once_the_ring_is_full),
        cmocka_unit_test(step_taken_back_leaves_the_ring_as_it_was),
        cmocka_unit_test(lists_of_a_refused_step_count_and_what_would_have_left_goes_to_the_end),
        cmocka_unit_test(losses_of_the_judge_are_those_before_the_next_step),
        cmocka_unit_test(text_that_is_no_ring_is_told_and_leaves_it_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
