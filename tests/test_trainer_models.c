/*
 * Models that are behind after a start: commands find what was learned last, and one that cannot get
 * there is halted and goes on from another version.
 */
#include "store_fixture.h"
#include "test.h"
#include "trainer_fixture.h"

#define PLAIN "{\"kind\":\"fm\"," LEARNING_SMALL ",\"training\":{\"batch_groups\":4}}"

/* Starts again with `m` as far back as it can be, after 30 steps. @param sql  done in between. */
static void restart_behind(struct training *s, const char *sql)
{
    training_check(training_create(s, "m", PLAIN), "");
    training_stream(s, "m", 120, 1);
    training_await(s, "m");
    training_stop(s);
    fixture_run_sql(s->l.path, "DELETE FROM checkpoint WHERE source = 'training'");
    fixture_run_sql(s->l.path, sql);
    assert_ok(training_start(s));
}

static void command_right_after_a_start_finds_what_was_learned_last(void **state)
{
    (void)state;
    static const enum trainer_verb verbs[] = {TRAINER_TRAIN, TRAINER_CONFIGURE, TRAINER_ACTIVATE};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        void *own = NULL;
        assert_int_equal(training_setup(&own), 0);
        struct training *s = own;
        restart_behind(s, "");
        training_check(verbs[i] == TRAINER_CONFIGURE
                           ? training_configure(s, "m", "{\"labels\":{\"click\":2}}")
                           : training_command(s, verbs[i], "m", NULL, 0),
                       "");
        assert_int_equal(training_version(s, "m"), verbs[i] == TRAINER_ACTIVATE ? 0 : 30);
        assert_int_equal(fixture_read_number(s->l.path, "SELECT count(*) FROM step"), 30);
        training_stream(s, "m", 4, 2);
        training_await(s, "m");
        assert_int_equal(training_version(s, "m"), 31);
        assert_int_equal(training_teardown(&own), 0);
    }
}

static bool has_recovered(void *context)
{
    return !atomic_load(&training_model(context, "m")->behind);
}

static void paused_model_gets_what_it_had_and_nothing_new(void **state)
{
    struct training *s = *state;
    restart_behind(s, "UPDATE model SET paused = 1 WHERE name = 'm'");
    training_stream(s, "m", 4, 2);
    await(has_recovered, s);
    assert_string_equal(training_state(s, "m"), "paused");
    training_check(training_tell(s, TRAINER_TRAIN, "m"), "training-paused");
    training_check(training_tell(s, TRAINER_RESUME, "m"), "");
    training_await(s, "m");
    assert_int_equal(training_version(s, "m"), 31);
}

static void stop_while_it_is_behind_stores_nothing_and_loses_nothing(void **state)
{
    struct training *s = *state;
    restart_behind(s, "");
    training_stop(s);
    assert_ok(training_start(s));
    await(has_recovered, s);
    training_stop(s);
    assert_int_equal(fixture_read_number(s->l.path, "SELECT max(version) FROM checkpoint"), 30);
}

static bool is_halted(void *context)
{
    return strcmp(training_state(context, "m"), "halted") == 0;
}

static void halted_model_serves_is_told_nothing_and_goes_on_from_another_version(void **state)
{
    struct training *s = *state;
    restart_behind(s, "UPDATE step SET lists = 9 WHERE version = 12");
    await(is_halted, s);
    assert_int_equal(training_version(s, "m"), 11);
    training_check(training_tell(s, TRAINER_TRAIN, "m"), "training-halted");
    training_check(training_configure(s, "m", "{\"learning_rate\":0.1}"), "training-halted");
    training_stop(s); /* it stores nothing that would hide the trouble */
    assert_int_equal(fixture_read_number(s->l.path, "SELECT count(*) FROM checkpoint WHERE "
                                                    "source = 'training' AND version < 30"),
                     0);
    assert_ok(training_start(s));
    training_check(training_command(s, TRAINER_ACTIVATE, "m", NULL, 0), "");
    assert_string_equal(training_state(s, "m"), "idle");
    training_stream(s, "m", 4, 2);
    training_await(s, "m");
    assert_int_equal(training_version(s, "m"), 31); /* a number that was never used */
    training_stop(s);
    assert_ok(training_start(s));
    assert_int_equal(training_version(s, "m"), 31);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_right_after_a_start_finds_what_was_learned_last),
        TRAINING_TEST(paused_model_gets_what_it_had_and_nothing_new),
        TRAINING_TEST(stop_while_it_is_behind_stores_nothing_and_loses_nothing),
        TRAINING_TEST(halted_model_serves_is_told_nothing_and_goes_on_from_another_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
