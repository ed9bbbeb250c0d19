/*
 * A model is told to learn by another configuration: what is recorded holds, and nothing else does.
 */
#include "store_fixture.h"
#include "test.h"
#include "trainer_fixture.h"

#define PATCH "{\"training\":{\"batch_groups\":3},\"learning_rate\":0.01}"

static int64_t batch_groups(struct training *s)
{
    return training_model(s, "default")->config.training.batch_groups;
}

static void change_is_recorded_and_survives_a_restart(void **state)
{
    struct training *s = *state;
    const int64_t end = learning_end(&s->l);
    training_check(training_configure(s, "default", PATCH), "");
    assert_int_equal(batch_groups(s), 3);
    assert_int_equal(learning_end(&s->l), end + 1);
    training_check(training_configure(s, "default", PATCH), ""); /* nothing new */
    assert_int_equal(learning_end(&s->l), end + 1);
    training_stop(s);
    assert_ok(training_start(s));
    assert_int_equal(batch_groups(s), 3);
    assert_non_null(strstr(training_model(s, "default")->config_text, "\"learning_rate\":0.01,"));
}

static void change_that_cannot_be_recorded_is_not_made(void **state)
{
    struct training *s = *state;
    const int64_t end = learning_end(&s->l);
    fixture_run_sql(s->l.path, "CREATE TRIGGER no_change BEFORE INSERT ON model_config BEGIN "
                               "SELECT RAISE(ABORT, 'refused'); END");
    training_check(training_configure(s, "default", PATCH), "storage-error");
    assert_int_equal(batch_groups(s), 64);
    assert_non_null(strstr(training_model(s, "default")->config_text, "\"batch_groups\":64,"));
    assert_int_equal(learning_end(&s->l), end);
    fixture_run_sql(s->l.path, "DROP TRIGGER no_change");
    training_check(training_configure(s, "default", PATCH), "");
    assert_int_equal(batch_groups(s), 3);
}

static void change_that_is_wrong_is_refused(void **state)
{
    struct training *s = *state;
    const int64_t end = learning_end(&s->l);
    training_check(training_configure(s, "default", "{\"dim\":2}"), "invalid-model");
    training_check(training_configure(s, "default", "{"), "invalid-json");
    training_check(training_configure(s, "nobody", PATCH), "unknown-model");
    assert_int_equal(learning_end(&s->l), end);
}

static void steps_after_the_change_are_taken_by_it(void **state)
{
    struct training *s = *state;
    training_stream(s, "default", 20, 1);
    training_await(s, "default");
    training_check(training_configure(s, "default", PATCH), "");
    training_stream(s, "default", 20, 2);
    training_await(s, "default");
    assert_int_equal(fixture_read_number(s->l.path, "SELECT max(lists) FROM step WHERE config > 0"),
                     3);
    assert_int_equal(fixture_read_number(s->l.path, "SELECT sum(lists) FROM step"), 40);
}

static void paused_model_is_changed_and_stays_paused(void **state)
{
    struct training *s = *state;
    training_check(training_tell(s, TRAINER_PAUSE, "default"), "");
    training_check(training_configure(s, "default", PATCH), "");
    assert_string_equal(training_state(s, "default"), "paused");
    assert_int_equal(batch_groups(s), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TRAINING_TEST(change_is_recorded_and_survives_a_restart),
        TRAINING_TEST(change_that_cannot_be_recorded_is_not_made),
        TRAINING_TEST(change_that_is_wrong_is_refused),
        TRAINING_TEST(steps_after_the_change_are_taken_by_it),
        TRAINING_TEST(paused_model_is_changed_and_stays_paused),
    };
    json_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
