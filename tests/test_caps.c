/*
 * Caps, minute by minute.
 */
#include "caps.h"
#include "test.h"

#define MINUTE INT64_C(60000)

/* Is one more event taken? */
static bool taken(struct caps *caps, const struct caps_rules *rules, uint32_t token, uint64_t user,
                  uint64_t item, int64_t now_ms)
{
    const struct caps_event event = {token, user, item};
    bool capped = true;
    assert_true(caps_take(caps, rules, &event, now_ms, &capped));
    return !capped;
}

static void without_caps_nothing_is_capped(void **state)
{
    const struct caps_rules none = {0};
    struct caps caps = {0};
    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_true(taken(&caps, &none, 1, 2, 3, 0));
    }
    caps_deinit(&caps);
}

static void each_cap_holds_exactly_and_for_its_own_alone(void **state)
{
    const struct caps_rules rules = {
        .events_per_minute = 5, .user_per_minute = 3, .item_per_minute = 2};
    struct caps caps = {0};
    (void)state;
    assert_true(taken(&caps, &rules, 1, 7, 70, 0) && taken(&caps, &rules, 1, 7, 70, 0));
    assert_false(taken(&caps, &rules, 1, 7, 70, 0)); /* the item's */
    assert_true(taken(&caps, &rules, 1, 7, 71, 0));
    assert_false(taken(&caps, &rules, 1, 7, 72, 0)); /* the user's */
    assert_true(taken(&caps, &rules, 1, 8, 72, 0) && taken(&caps, &rules, 1, 8, 72, 59999));
    assert_false(taken(&caps, &rules, 1, 9, 73, 59999)); /* the token's */
    assert_true(taken(&caps, &rules, 2, 7, 70, 59999));  /* of another token */
    caps_deinit(&caps);
}

static void a_capped_event_counts_nowhere(void **state)
{
    const struct caps_rules rules = {.user_per_minute = 1, .item_per_minute = 3};
    struct caps caps = {0};
    (void)state;
    assert_true(taken(&caps, &rules, 1, 1, 5, 0));
    for (int i = 0; i < 10; i++) {
        assert_false(taken(&caps, &rules, 1, 1, 5, 0));
    }
    assert_true(taken(&caps, &rules, 1, 2, 5, 0) && taken(&caps, &rules, 1, 3, 5, 0));
    assert_false(taken(&caps, &rules, 1, 4, 5, 0));
    caps_deinit(&caps);
}

static void nobody_has_no_cap_of_a_user(void **state)
{
    const struct caps_rules rules = {.user_per_minute = 1};
    struct caps caps = {0};
    (void)state;
    for (uint64_t i = 0; i < 100; i++) {
        assert_true(taken(&caps, &rules, 1, 0, i, 0));
    }
    caps_deinit(&caps);
}

static void a_minute_begins_anew(void **state)
{
    const struct caps_rules rules = {.events_per_minute = 2};
    struct caps caps = {0};
    (void)state;
    for (int64_t minute = 100; minute < 110; minute++) {
        assert_true(taken(&caps, &rules, 1, 0, 0, minute * MINUTE));
        assert_true(taken(&caps, &rules, 1, 0, 0, minute * MINUTE + 59999));
        assert_false(taken(&caps, &rules, 1, 0, 0, minute * MINUTE + 59999));
    }
    caps_deinit(&caps);
}

static void what_is_given_back_can_be_taken_again(void **state)
{
    const struct caps_rules rules = {.user_per_minute = 2, .item_per_minute = 2};
    const struct caps_event event = {1, 2, 3}, other = {1, 8, 9};
    struct caps caps = {0};
    (void)state;
    caps_give_back(&caps, &rules, &event, 0); /* of a minute that never was */
    assert_true(taken(&caps, &rules, 1, 2, 3, 0) && taken(&caps, &rules, 1, 2, 3, 0));
    caps_give_back(&caps, &rules, &other, 0);
    assert_false(taken(&caps, &rules, 1, 2, 3, 0));
    caps_give_back(&caps, &rules, &event, 0);
    assert_true(taken(&caps, &rules, 1, 2, 3, 0));
    assert_false(taken(&caps, &rules, 1, 2, 3, 0));
    assert_true(taken(&caps, &rules, 1, 2, 3, MINUTE));
    caps_give_back(&caps, &rules, &event, 0); /* of the minute before */
    assert_true(taken(&caps, &rules, 1, 2, 3, MINUTE));
    assert_false(taken(&caps, &rules, 1, 2, 3, MINUTE));
    caps_deinit(&caps);
}

static void caps_hold_for_many_at_once_and_their_memory_is_given_back(void **state)
{
    const struct caps_rules rules = {.user_per_minute = 1};
    struct caps caps = {0};
    (void)state;
    for (uint64_t user = 1; user <= 50000; user++) {
        assert_true(taken(&caps, &rules, 1, user, 0, 0));
    }
    for (uint64_t user = 1; user <= 50000; user++) {
        assert_false(taken(&caps, &rules, 1, user, 0, 1));
    }
    assert_true(caps.room > 50000);
    assert_true(taken(&caps, &rules, 1, 1, 0, MINUTE));
    assert_true(caps.room <= 1024);
    caps_deinit(&caps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_caps_nothing_is_capped),
        cmocka_unit_test(each_cap_holds_exactly_and_for_its_own_alone),
        cmocka_unit_test(a_capped_event_counts_nowhere),
        cmocka_unit_test(nobody_has_no_cap_of_a_user),
        cmocka_unit_test(a_minute_begins_anew),
        cmocka_unit_test(what_is_given_back_can_be_taken_again),
        cmocka_unit_test(caps_hold_for_many_at_once_and_their_memory_is_given_back),
    };
    return cmocka_run_group_tests_name("caps", tests, NULL, NULL);
}
