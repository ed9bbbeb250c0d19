/*
 * What the trainer is told to do: create, delete, train, pause, resume, activate.
 */
#include "store_fixture.h"
#include "test.h"
#include "trainer_fixture.h"

#define SMALL    "{\"kind\":\"fm\"," LEARNING_SMALL "}"
#define STEPS_8  "{\"kind\":\"fm\"," LEARNING_SMALL ",\"training\":{\"batch_groups\":8}}"
#define DISABLED "{\"kind\":\"fm\"," LEARNING_SMALL ",\"training\":{\"enabled\":false}}"

/* ---- commands ---- */

static void model_is_created_once_and_again_only_with_the_same_configuration(void **state)
{
    struct training *s = *state;
    struct trainer_command command = training_create(s, "m", SMALL);
    training_check(command, "");
    assert_true(command.created);
    assert_int_equal(training_version(s, "m"), 0);
    command = training_create(s, "m", SMALL);
    training_check(command, "");
    assert_false(command.created);
    training_check(training_create(s, "m", STEPS_8), "model-exists");
    training_check(
        training_create(s, "huge", "{\"kind\":\"fm\",\"features\":{\"bits\":28},\"dim\":256}"),
        "model-too-large");
    assert_int_equal(models_now(&s->models)->n, 2);
}

static void deleted_name_can_be_made_again_as_a_new_model(void **state)
{
    struct training *s = *state;
    training_check(training_create(s, "m", SMALL), "");
    int64_t first = training_model(s, "m")->id;
    training_stream(s, "m", 20, 1);
    training_await(s, "m");
    training_check(training_tell(s, TRAINER_DELETE, "m"), "");
    assert_null(models_find(models_now(&s->models), "m"));
    training_check(training_tell(s, TRAINER_DELETE, "m"), "unknown-model");
    training_check(training_create(s, "m", STEPS_8), "");
    assert_true(training_model(s, "m")->id != first);
    assert_int_equal(training_version(s, "m"), 0);
    training_stop(s);
    assert_ok(training_start(s));
    assert_int_equal(models_now(&s->models)->n, 2);
    assert_int_equal(training_version(s, "m"), 0);
}

#define STUDENT(more)                                                                              \
    "{\"kind\":\"fm\"," LEARNING_SMALL ",\"loss\":{\"name\":\"distill_listwise\"}" more "}"
#define OF_DEFAULT ",\"teacher\":\"default\""

static void model_with_an_unknown_teacher_or_itself_is_refused(void **state)
{
    static const char *const teachers[] = {STUDENT(",\"teacher\":\"nobody\""),
                                           STUDENT(",\"teacher\":\"s\"")};
    struct training *s = *state;
    const int64_t end = learning_end(&s->l);
    for (size_t i = 0; i < 2; i++) {
        const struct trainer_command command = training_create(s, "s", teachers[i]);
        training_check(command, "invalid-model");
        assert_string_equal(command.problem.pointer, "/teacher");
        assert_false(command.created);
    }
    assert_int_equal(learning_end(&s->l), end);
    assert_int_equal(models_now(&s->models)->n, 1);
    training_check(training_create(s, "s", STUDENT(OF_DEFAULT)), "");
    training_check(training_create(s, "s", teachers[1]), "model-exists");
}

/* And one whose teacher is deleted since is the same model still. */
static void student_learns_from_a_model_of_the_server_until_that_is_deleted(void **state)
{
    static const char taught[] = STUDENT(",\"teacher\":\"t\"");
    struct training *s = *state;
    training_check(training_create(s, "t", SMALL), "");
    training_check(training_create(s, "s", taught), "");
    training_stream(s, "s", 10, 1);
    training_await(s, "s");
    assert_int_equal(training_version(s, "s"), 0); /* the teacher is at version 0 */
    training_stream(s, "t", 40, 2);
    training_await(s, "t");
    training_stream(s, "s", 40, 3);
    training_await(s, "s");
    const int64_t learned = training_version(s, "s");
    assert_true(learned > 0);
    training_check(training_tell(s, TRAINER_DELETE, "t"), "");
    training_stream(s, "s", 10, 4);
    training_await(s, "s");
    assert_int_equal(training_version(s, "s"), learned);
    training_check(training_create(s, "s", taught), "");
    training_stop(s);
    assert_ok(training_start(s));
    assert_int_equal(training_version(s, "s"), learned);
}

static void train_learns_publishes_and_stores_before_it_answers(void **state)
{
    struct training *s = *state;
    training_check(training_create(s, "m", STEPS_8), "");
    training_check(training_tell(s, TRAINER_PAUSE, "m"), "");
    training_stream(s, "m", 20, 1);
    training_check(training_tell(s, TRAINER_RESUME, "m"), "");
    struct trainer_command command = training_tell(s, TRAINER_TRAIN, "m");
    training_check(command, "");
    assert_true(command.steps <= 3 && command.lists <= 20); /* the loop may have been first */
    assert_false(command.unfinished);
    assert_int_equal(command.served_version, 3);
    assert_int_equal(atomic_load(&training_model(s, "m")->checkpoint_version), 3);
    assert_int_equal(training_newest(s, training_model(s, "m")->id).version, 3);
    command = training_tell(s, TRAINER_TRAIN, "m");
    training_check(command, "");
    assert_int_equal(command.steps, 0); /* nothing new, and no second checkpoint */
    assert_int_equal(atomic_load(&s->l.metrics.counter[METRIC_CHECKPOINTS]), 1);
}

static void train_is_refused_where_it_may_not(void **state)
{
    struct training *s = *state;
    training_check(training_create(s, "off", DISABLED), "");
    training_check(training_tell(s, TRAINER_TRAIN, "off"), "training-disabled");
    training_check(training_tell(s, TRAINER_TRAIN, "nobody"), "unknown-model");
    training_check(training_tell(s, TRAINER_PAUSE, "default"), "");
    training_check(training_tell(s, TRAINER_TRAIN, "default"), "training-paused");
    training_check(training_tell(s, TRAINER_PAUSE, "nobody"), "unknown-model");
}

static void paused_model_does_not_learn_and_catches_up_when_it_may_again(void **state)
{
    struct training *s = *state;
    training_check(training_create(s, "m", SMALL), "");
    training_check(training_tell(s, TRAINER_PAUSE, "m"), "");
    assert_string_equal(training_state(s, "m"), "paused");
    int64_t position = atomic_load(&training_model(s, "m")->position);
    training_stream(s, "m", 20, 1);
    training_stream(s, "default", 20, 1);
    training_await(s, "default");
    training_check(training_tell(s, TRAINER_TRAIN, "default"),
                   ""); /* the round it was in is over */
    assert_int_equal(atomic_load(&training_model(s, "m")->position), position);
    assert_int_equal(training_version(s, "m"), 0);
    training_check(training_tell(s, TRAINER_RESUME, "m"), "");
    training_await(s, "m");
    assert_int_equal(training_version(s, "m"), 1);
}

static void pause_survives_a_restart(void **state)
{
    struct training *s = *state;
    training_check(training_create(s, "m", SMALL), "");
    training_check(training_tell(s, TRAINER_PAUSE, "m"), "");
    training_stream(s, "m", 20, 1);
    training_stop(s);
    assert_ok(training_start(s));
    assert_string_equal(training_state(s, "m"), "paused");
    training_check(training_tell(s, TRAINER_TRAIN, "m"), "training-paused");
    assert_int_equal(training_version(s, "m"), 0);
    training_check(training_tell(s, TRAINER_RESUME, "m"), "");
    training_stop(s);
    assert_ok(training_start(s));
    training_await(s, "m");
    assert_int_equal(training_version(s, "m"), 1);
}

/* ---- activate ---- */

static struct trainer_command activate(struct training *s, const char *model, int64_t number)
{
    return training_command(s, TRAINER_ACTIVATE, model, NULL, number);
}

static void older_version_is_served_at_once_and_after_a_restart_and_learned_on_from(void **state)
{
    struct training *s = *state;
    training_check(training_create(s, "m", SMALL), "");
    for (uint64_t round = 1; round <= 3; round++) {
        training_stream(s, "m", 20, round);
        training_await(s, "m");
        training_check(training_tell(s, TRAINER_TRAIN, "m"), "");
    }
    int64_t last = training_version(s, "m"), older = last - 1;
    struct trainer_command command = activate(s, "m", older);
    training_check(command, "");
    assert_int_equal(command.served_version, older);
    assert_int_equal(training_version(s, "m"), older);
    training_stop(s);
    assert_ok(training_start(s));
    assert_int_equal(training_version(s, "m"), older);
    training_stream(s, "m", 20, 9);
    training_await(s, "m");
    assert_int_equal(training_version(s, "m"), last + 1);
    int64_t id = training_model(s, "m")->id;
    training_stop(s);
    struct training_newest before = training_newest(s, id);
    assert_int_equal(before.version, last + 1);
    assert_ok(training_start(s));
    assert_int_equal(training_version(s, "m"), last + 1);
}

static void version_that_is_not_stored_or_damaged_is_not_activated(void **state)
{
    struct training *s = *state;
    training_check(training_create(s, "m", SMALL), "");
    training_stream(s, "m", 20, 1);
    training_await(s, "m");
    training_check(training_tell(s, TRAINER_TRAIN, "m"), "");
    training_check(activate(s, "m", 77), "unknown-version");
    training_check(activate(s, "nobody", 1), "unknown-model");
    fixture_run_sql(s->l.path, "UPDATE checkpoint_chunk SET bytes = zeroblob(length(bytes))");
    training_check(activate(s, "m", 1), "storage-corrupt");
    assert_int_equal(training_version(s, "m"), 1);
    assert_int_equal(fixture_read_number(s->l.path, "SELECT count(*) FROM activation"), 0);
    training_check(activate(s, "m", 0), ""); /* the untrained start */
    assert_int_equal(training_version(s, "m"), 0);
}

/* Puts another model's checkpoint under m's name as version 50: whole, but it cannot be loaded. */
static void put_foreign_checkpoint(struct training *s)
{
    training_check(
        training_create(s, "other", "{\"kind\":\"fm\",\"features\":{\"bits\":9},\"dim\":2}"), "");
    training_stream(s, "other", 20, 1);
    training_await(s, "other");
    training_check(training_tell(s, TRAINER_TRAIN, "other"), "");
    fixture_run_sql(s->l.path,
                    "UPDATE checkpoint SET model = (SELECT id FROM model WHERE name = 'm'), "
                    "version = 50 WHERE id = (SELECT max(id) FROM checkpoint)");
}

/* What it serves and learns on is as it was before it was told. */
static void version_that_cannot_be_loaded_changes_nothing(void **state)
{
    struct training *s = *state;
    training_check(training_create(s, "m", SMALL), "");
    training_stream(s, "m", 20, 1);
    training_await(s, "m");
    training_check(training_tell(s, TRAINER_TRAIN, "m"), "");
    put_foreign_checkpoint(s);
    training_stream(s, "m", 20, 2);
    training_await(s, "m");
    struct trainer_command command = activate(s, "m", 50);
    assert_string_not_equal(training_problem(&command), "");
    assert_int_equal(fixture_read_number(s->l.path, "SELECT count(*) FROM activation"), 0);
    assert_int_equal(training_version(s, "m"), 2);
    training_stream(s, "m", 20, 3);
    training_await(s, "m");
    assert_int_equal(training_version(s, "m"), 3);
    fixture_run_sql(s->l.path, "DELETE FROM checkpoint WHERE version = 50");
    training_stop(s);
    assert_ok(training_start(s));
    assert_int_equal(training_version(s, "m"), 3);
}

/* ---- retry ---- */

static void retry_of_a_step_that_cannot_be_read_says_so(void **state)
{
    struct training *s = *state;
    fixture_run_sql(s->l.path, "ALTER TABLE step RENAME TO elsewhere");
    training_check(training_tell(s, TRAINER_RETRY, "default"), "storage-error");
    fixture_run_sql(s->l.path, "ALTER TABLE elsewhere RENAME TO step");
    training_check(training_tell(s, TRAINER_RETRY, "default"), "unknown-quarantine");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TRAINING_TEST(model_is_created_once_and_again_only_with_the_same_configuration),
        TRAINING_TEST(deleted_name_can_be_made_again_as_a_new_model),
        TRAINING_TEST(model_with_an_unknown_teacher_or_itself_is_refused),
        TRAINING_TEST(student_learns_from_a_model_of_the_server_until_that_is_deleted),
        TRAINING_TEST(train_learns_publishes_and_stores_before_it_answers),
        TRAINING_TEST(train_is_refused_where_it_may_not),
        TRAINING_TEST(paused_model_does_not_learn_and_catches_up_when_it_may_again),
        TRAINING_TEST(pause_survives_a_restart),
        TRAINING_TEST(older_version_is_served_at_once_and_after_a_restart_and_learned_on_from),
        TRAINING_TEST(version_that_is_not_stored_or_damaged_is_not_activated),
        TRAINING_TEST(version_that_cannot_be_loaded_changes_nothing),
        TRAINING_TEST(retry_of_a_step_that_cannot_be_read_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
