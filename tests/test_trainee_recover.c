/*
 * Recovery: whatever checkpoint is left, the same bytes come out as were served.
 */
#include "store_fixture.h"
#include "test.h"
#include "trainee_fixture.h"

#define TRAINING ",\"training\":{\"batch_groups\":16}}"
#define FM       "{\"kind\":\"fm\"," LEARNING_SMALL
#define PLAIN    FM TRAINING

static const char *const configs[] = {
    PLAIN,
    FM ",\"optimizer\":{\"name\":\"sgd\",\"momentum\":0.9,\"learning_rate\":0.05}" TRAINING,
    FM ",\"optimizer\":{\"name\":\"adam\",\"learning_rate\":0.01}" TRAINING,
    FM ",\"optimizer\":{\"name\":\"ftrl\",\"l1\":0.01}" TRAINING,
    FM
    ",\"loss\":{\"name\":\"lambdarank\"},\"training\":{\"update_groups\":4,\"batch_groups\":10}}",
    FM ",\"loss\":{\"name\":\"bce_with_logits\"},\"training\":{\"batch_groups\":16,"
       "\"attribution_s\":5,\"negatives\":\"examined\"}}",
};

/* Rankings with clicks, one of them in two goes, and a list without a pair. */
static void put_odds(struct learning *l, int from)
{
    char id[16];
    for (int i = from; i < from + 12; i++) {
        (void)snprintf(id, sizeof id, "r%d", i);
        (void)learning_ranking(l, id, "[\"a\",{\"id\":\"b\",\"features\":{\"price\":3.5}},\"c\"]",
                               "b c a");
        if (i % 3 > 0) {
            (void)learning_event(l, id, i % 3 == 1 ? "a" : "c", "click", 1);
        }
    }
    (void)learning_event(l, id, "b", "click", 1);
    (void)learning_batch(l, "{\"items\":[\"a\",\"b\"]}");
}

/* A life with two checkpoints, each followed by more. */
static void live_on(struct learning *l, struct trainee *t)
{
    learning_stream(l, 120, 1);
    trained_catch_up(l, t);
    (void)trained_store(l, t);
    put_odds(l, 0);
    learning_stream(l, 60, 2);
    trained_catch_up(l, t);
    (void)trained_store(l, t);
    (void)learning_event(l, "r1", "c", "click", 1); /* of a list that is in a checkpoint */
    put_odds(l, 12);
    learning_stream(l, 90, 3);
    trained_catch_up(l, t);
}

/* Ends without a checkpoint and recovers: the same state? */
static void check_again(struct learning *l, struct trainee **t)
{
    struct checkpoint_bytes expected = trained_bytes(*t);
    int64_t last_version = (*t)->last_version, step = (*t)->step;
    enum rk_status status;
    trained_free(t);
    *t = trained_find_again(l, &status);
    assert_ok(status);
    trained_compare(*t, &expected);
    assert_int_equal((*t)->last_version, last_version);
    assert_int_equal((*t)->step, step);
    free(expected.bytes);
}

static int64_t newest(struct learning *l)
{
    return fixture_read_number(l->path, "SELECT max(id) FROM checkpoint");
}

/* ---- no activation ---- */

static void same_bytes_come_from_the_newest_the_one_before_and_the_beginning(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        void *own = NULL;
        assert_int_equal(learning_setup(&own), 0);
        struct learning *l = own;
        struct trainee *t = trained_make(l, configs[i]);
        live_on(l, t);
        assert_true(live_version(&t->served->live) > 10);
        check_again(l, &t);
        assert_int_equal(atomic_load(&t->served->checkpoint_version) > 0, 1);
        trained_damage(l, newest(l));
        check_again(l, &t);
        trained_damage(l, newest(l) - 1);
        check_again(l, &t);
        assert_int_equal(atomic_load(&t->served->checkpoint_version), 0);
        trained_check_refold(l, &t);
        trained_free(&t);
        assert_int_equal(learning_teardown(&own), 0);
    }
}

static void recovered_model_learns_on_as_if_nothing_had_been(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, PLAIN);
    live_on(l, t);
    int64_t version = live_version(&t->served->live);
    check_again(l, &t);
    put_odds(l, 24);
    learning_stream(l, 40, 4);
    trained_catch_up(l, t);
    assert_true(live_version(&t->served->live) > version);
    assert_int_equal(live_version(&t->served->live), t->last_version);
    check_again(l, &t);
    trained_check_refold(l, &t); /* one life of all steps */
    trained_free(&t);
}

static void more_steps_than_a_page_are_taken_again(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, FM ",\"training\":{\"batch_groups\":1}}");
    learning_stream(l, 530, 1);
    trained_catch_up(l, t);
    assert_int_equal(live_version(&t->served->live), 530 - 530 / HELD_EVERY);
    check_again(l, &t);
    trained_free(&t);
}

static void steps_without_a_version_are_taken_again_and_change_nothing(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, PLAIN);
    for (int i = 0; i < 3; i++) {
        (void)learning_batch(l, "{\"items\":[\"a\",\"b\"]}");
        trained_catch_up(l, t);
    }
    assert_int_equal(live_version(&t->served->live), 0);
    check_again(l, &t);
    assert_int_equal(t->seq, learning_end(l));
    trained_free(&t);
}

static void stored_features_are_learned_again_as_they_were(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, PLAIN);
    l->catalogue_seq = learning_features(l, STORE_ITEM, "i11", "{\"price\":7,\"brand\":\"b9\"}");
    learning_stream(l, 50, 1);
    l->catalogue_seq = learning_features(l, STORE_USER, "u3", "{\"age\":31}");
    learning_stream(l, 50, 2);
    trained_catch_up(l, t);
    (void)learning_features(l, STORE_ITEM, "i11", "{\"price\":70}");
    (void)learning_features(l, STORE_USER, "u3", NULL);
    check_again(l, &t);
    trained_free(&t);
}

/* ---- behind ---- */

/* A model whose last steps are in no checkpoint, as it is found by a start. @param last  its bytes. */
static struct trainee *find_behind(struct learning *l, struct checkpoint_bytes *last)
{
    struct trainee *t = trained_make(l, PLAIN);
    live_on(l, t);
    *last = trained_bytes(t);
    trained_free(&t);
    t = trained_find(l);
    assert_ok(trainee_load_newest(t, l->reader, NULL));
    return t;
}

static void every_version_served_on_the_way_is_the_one_that_is_reproduced(void **state)
{
    struct learning *l = *state;
    struct checkpoint_bytes last;
    struct trainee *t = find_behind(l, &last), *other = trained_find(l);
    int on_the_way = 0;
    assert_int_equal(live_version(&t->served->live), t->served->checkpoint_version);
    for (int64_t most = t->last_version; t->behind; on_the_way++) {
        assert_ok(trainee_reach(other, l->reader, live_version(&t->served->live), NULL));
        struct checkpoint_bytes reached = trained_bytes(other);
        trained_compare(t, &reached);
        free(reached.bytes);
        assert_true(live_version(&t->served->live) < most || t->seq == learning_end(l));
        assert_int_equal(t->last_version,
                         most); /* whoever wants a number of its own gets a new one */
        assert_ok(trainee_catch_up(t, l->reader, NULL));
    }
    assert_true(on_the_way > 5);
    trained_compare(t, &last);
    free(last.bytes);
    trained_free(&other);
    trained_free(&t);
}

static void model_whose_last_version_is_stored_is_not_behind(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, PLAIN);
    learning_stream(l, 40, 1);
    trained_catch_up(l, t);
    (void)trained_store(l, t);
    trained_free(&t);
    t = trained_find(l);
    assert_ok(trainee_load_newest(t, l->reader, NULL));
    assert_false(t->behind);
    trained_free(&t);
}

static void the_newest_configuration_is_shown_while_steps_are_taken_by_older_ones(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, PLAIN);
    learning_stream(l, 40, 1);
    trained_catch_up(l, t);
    trained_configure(l, t, "{\"labels\":{\"click\":2}}");
    trained_free(&t);
    t = trained_find(l);
    assert_ok(trainee_load_newest(t, l->reader, NULL));
    const char *shown = t->served->config_text;
    assert_non_null(strstr(shown, "\"click\":2"));
    for (int64_t newest = t->config; t->behind; assert_int_equal(t->config == newest, !t->behind)) {
        assert_ok(trainee_catch_up(t, l->reader, NULL));
        assert_ptr_equal(t->served->config_text, shown);
    }
    trained_free(&t);
}

static void step_that_does_not_repeat_halts_a_model_that_serves_what_was_before_it(void **state)
{
    struct learning *l = *state;
    struct checkpoint_bytes last, halted;
    struct trainee *t = find_behind(l, &last), *other = trained_find(l);
    const int64_t bad = t->served->checkpoint_version + 2;
    char text[96];
    (void)snprintf(text, sizeof text, "UPDATE step SET lists = lists + 1 WHERE version = %lld",
                   (long long)bad);
    fixture_run_sql(l->path, text);
    assert_ok(trainee_catch_up(t, l->reader, NULL));
    assert_status(trainee_catch_up(t, l->reader, NULL), RK_MISMATCH);
    assert_true(t->behind && t->halted);
    assert_ok(trainee_reach(other, l->reader, bad - 1, NULL));
    halted = trained_bytes(other);
    trained_compare(t, &halted);
    free(halted.bytes);
    free(last.bytes);
    trained_free(&other);
    trained_free(&t);
}

static void step_that_cannot_be_read_now_is_taken_again_later(void **state)
{
    struct learning *l = *state;
    struct checkpoint_bytes last;
    struct trainee *t = find_behind(l, &last);
    assert_ok(trainee_catch_up(t, l->reader, NULL));
    fixture_run_sql(l->path, "ALTER TABLE batch RENAME TO elsewhere");
    assert_status(trainee_catch_up(t, l->reader, NULL), RK_IO);
    assert_true(t->behind && !t->halted);
    fixture_run_sql(l->path, "ALTER TABLE elsewhere RENAME TO batch");
    while (t->behind) {
        assert_ok(trainee_catch_up(t, l->reader, NULL));
    }
    trained_compare(t, &last);
    free(last.bytes);
    trained_free(&t);
}

/* ---- what cannot be recovered ---- */

static void step_that_does_not_repeat_as_recorded_is_told(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, PLAIN);
    enum rk_status status;
    learning_stream(l, 30, 1);
    trained_catch_up(l, t);
    trained_free(&t);
    fixture_run_sql(l->path, "UPDATE step SET outcome = 'no_op' WHERE version = 2");
    t = trained_find_again(l, &status);
    assert_status(status, RK_MISMATCH);
    trained_free(&t);
}

static void model_without_any_checkpoint_is_told_as_damaged(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, PLAIN);
    enum rk_status status;
    learning_stream(l, 30, 1);
    trained_catch_up(l, t);
    int64_t id = trained_store(l, t).id;
    trained_free(&t);
    trained_damage(l, id);
    fixture_run_sql(l->path, "DELETE FROM checkpoint WHERE source = 'init'");
    t = trained_find_again(l, &status);
    assert_status(status, RK_CORRUPT);
    trained_free(&t);
}

/* ---- activation ---- */

/* Learns, stores, learns more, goes back to what was stored, and learns something else. */
static struct trainee *go_back(struct learning *l, struct store_checkpoint *back)
{
    struct trainee *t = trained_make(l, PLAIN);
    learning_stream(l, 80, 1);
    trained_catch_up(l, t);
    *back = trained_store(l, t);
    learning_stream(l, 80, 2);
    trained_catch_up(l, t);
    (void)trained_store(l, t);
    learning_stream(l, 20, 3);
    trained_catch_up(l, t); /* a version that is in no checkpoint */
    int64_t most = live_version(&t->served->live);
    learning_stream(l, 10, 4); /* not learned from before: never after */
    trained_activate(l, t, back);
    assert_int_equal(live_version(&t->served->live), back->version);
    assert_int_equal(t->last_version, most);
    return t;
}

static void activated_version_is_served_after_a_restart_too(void **state)
{
    struct learning *l = *state;
    struct store_checkpoint back;
    struct trainee *t = go_back(l, &back);
    check_again(l, &t);
    assert_int_equal(live_version(&t->served->live), back.version);
    trained_catch_up(l, t);
    assert_int_equal(live_version(&t->served->live), back.version); /* what lay before it is past */
    trained_free(&t);
}

static void learning_goes_on_from_the_activated_version_with_new_numbers(void **state)
{
    struct learning *l = *state;
    struct store_checkpoint back;
    struct trainee *t = go_back(l, &back);
    int64_t most = t->last_version;
    learning_stream(l, 16, 5);
    trained_catch_up(l, t);
    assert_int_equal(live_version(&t->served->live), most + 1);
    check_again(l, &t);
    learning_stream(l, 30, 6);
    trained_catch_up(l, t);
    struct store_checkpoint row = trained_store(l, t);
    assert_int_equal(row.parent, back.version);
    learning_stream(l, 30, 7);
    trained_catch_up(l, t);
    check_again(l, &t);
    trained_damage(l, row.id); /* the activated one is next */
    check_again(l, &t);
    trained_free(&t);
}

static void activated_checkpoint_that_is_damaged_is_made_again_from_one_before_it(void **state)
{
    struct learning *l = *state;
    struct store_checkpoint back;
    struct trainee *t = go_back(l, &back);
    trained_damage(l, back.id);
    check_again(l, &t);
    learning_stream(l, 30, 5);
    trained_catch_up(l, t);
    check_again(l, &t);
    trained_free(&t);
}

static void activated_checkpoint_that_cannot_be_made_again_is_told_as_damaged(void **state)
{
    struct learning *l = *state;
    struct store_checkpoint back;
    struct trainee *t = go_back(l, &back);
    enum rk_status status;
    trained_free(&t);
    trained_damage(l, back.id);
    fixture_run_sql(l->path, "UPDATE checkpoint SET sha256 = zeroblob(32) WHERE source <> 'init'");
    t = trained_find_again(l, &status);
    assert_status(status, RK_CORRUPT);
    trained_free(&t);
}

static void untrained_start_can_be_activated(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, PLAIN);
    struct store_checkpoint init = {.id = 1, .model = t->served->id};
    struct checkpoint_bytes untrained = trained_bytes(t);
    learning_stream(l, 40, 1);
    trained_catch_up(l, t);
    trained_activate(l, t, &init);
    trained_compare(t, &untrained);
    check_again(l, &t);
    learning_stream(l, 40, 2);
    trained_catch_up(l, t);
    assert_int_equal(live_version(&t->served->live), 6);
    check_again(l, &t);
    free(untrained.bytes);
    trained_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bytes_come_from_the_newest_the_one_before_and_the_beginning),
        LEARNING_TEST(recovered_model_learns_on_as_if_nothing_had_been),
        LEARNING_TEST(more_steps_than_a_page_are_taken_again),
        LEARNING_TEST(steps_without_a_version_are_taken_again_and_change_nothing),
        LEARNING_TEST(stored_features_are_learned_again_as_they_were),
        LEARNING_TEST(every_version_served_on_the_way_is_the_one_that_is_reproduced),
        LEARNING_TEST(model_whose_last_version_is_stored_is_not_behind),
        LEARNING_TEST(the_newest_configuration_is_shown_while_steps_are_taken_by_older_ones),
        LEARNING_TEST(step_that_does_not_repeat_halts_a_model_that_serves_what_was_before_it),
        LEARNING_TEST(step_that_cannot_be_read_now_is_taken_again_later),
        LEARNING_TEST(step_that_does_not_repeat_as_recorded_is_told),
        LEARNING_TEST(model_without_any_checkpoint_is_told_as_damaged),
        LEARNING_TEST(activated_version_is_served_after_a_restart_too),
        LEARNING_TEST(learning_goes_on_from_the_activated_version_with_new_numbers),
        LEARNING_TEST(activated_checkpoint_that_is_damaged_is_made_again_from_one_before_it),
        LEARNING_TEST(activated_checkpoint_that_cannot_be_made_again_is_told_as_damaged),
        LEARNING_TEST(untrained_start_can_be_activated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
