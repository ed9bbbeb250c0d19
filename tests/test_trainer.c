/*
 * The trainer thread: what it learns by itself, what it is told to do, and what is left when it
 * ends - by order or not.
 */
#include "store_fixture.h"
#include "test.h"
#include "trainer_fixture.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SMALL   "{\"kind\":\"fm\"," LEARNING_SMALL "}"
#define STEPS_8 "{\"kind\":\"fm\"," LEARNING_SMALL ",\"training\":{\"batch_groups\":8}}"
#define LARGE   "{\"kind\":\"fm\",\"features\":{\"bits\":17},\"dim\":4}" /* many chunks */

/* ---- by itself ---- */

static void empty_store_is_given_the_default_model(void **state)
{
    struct training *s = *state;
    training_stop(s);
    fixture_run_sql(s->l.path, "DELETE FROM checkpoint; DELETE FROM model");
    assert_ok(training_start(s));
    assert_int_equal(training_version(s, "default"), 0);
    assert_string_equal(training_state(s, "default"), "idle");
    struct training_newest init = training_newest(s, training_model(s, "default")->id);
    assert_int_equal(init.version, 0);
    training_stop(s);
    assert_ok(training_start(s));
    assert_int_equal(models_now(&s->models)->n, 1); /* once */
}

static void committed_lists_are_learned_from_without_being_asked(void **state)
{
    struct training *s = *state;
    for (uint64_t round = 1; round <= 5; round++) {
        training_stream(s, "default", 3, round);
        training_await(s, "default");
        assert_true(training_version(s, "default") >= (int64_t)round);
    }
    assert_int_equal(atomic_load(&s->l.metrics.counter[METRIC_LISTS_LEARNED]), 15);
}

static bool has_checkpoint_5(void *context)
{
    return atomic_load(&((struct served *)context)->checkpoint_version) >= 5;
}

static void checkpoints_are_stored_as_time_goes_by(void **state)
{
    struct training *s = *state;
    training_stop(s);
    s->checkpoint_s = 0;
    assert_ok(training_start(s));
    training_check(training_create(s, "m", STEPS_8), "");
    training_stream(s, "m", 40, 1);
    await(has_checkpoint_5, training_model(s, "m"));
    assert_int_equal(training_newest(s, training_model(s, "m")->id).version, 5);
}

/* ---- its budget ---- */

static void restart_with(struct training *s, int64_t cpu_percent, int64_t score_p99_ms)
{
    training_stop(s);
    s->pace = (struct pace_limits){cpu_percent, score_p99_ms};
    assert_ok(training_start(s));
}

static bool has_waited_for_its_share(void *context)
{
    const struct training *s = context;
    return atomic_load(&s->l.metrics.counter[METRIC_TRAINER_WAITS_SHARE]) > 0;
}

static void learning_waits_for_its_share_and_is_told_things_meanwhile(void **state)
{
    struct training *s = *state;
    restart_with(s, 1, 0);
    training_check(training_create(s, "m", STEPS_8), "");
    training_stream(s, "m", 400, 1);
    await(has_waited_for_its_share, s);
    training_check(training_tell(s, TRAINER_PAUSE, "m"), "");
    assert_int_equal(atomic_load(&s->l.metrics.counter[METRIC_TRAINER_WAITS_LATENCY]), 0);
    training_check(training_tell(s, TRAINER_RESUME, "m"), "");
    restart_with(s, 100, 0); /* the end came soon, and nothing was lost by it */
    training_await(s, "m");
}

/* Scoring is slow as long as this is asked. */
static bool has_paused(void *context)
{
    struct training *s = context;
    for (int i = 0; i < PACE_REQUESTS_MIN; i++) {
        metrics_observe(&s->l.metrics.request[0], 1000000000);
    }
    return atomic_load(&s->l.metrics.counter[METRIC_TRAINER_WAITS_LATENCY]) > 0;
}

static void learning_pauses_while_scoring_is_slow(void **state)
{
    struct training *s = *state;
    restart_with(s, 100, 50);
    training_check(training_create(s, "m",
                                   "{\"kind\":\"fm\"," LEARNING_SMALL
                                   ",\"training\":{\"attribution_s\":1}}"),
                   ""); /* it looks for what has become due all the time */
    await(has_paused, s);
    training_check(training_tell(s, TRAINER_TRAIN, "m"), "");
    training_stream(s, "default", 10, 1);
    training_await(s, "default"); /* scoring is not slow any more */
    assert_int_equal(atomic_load(&s->l.metrics.counter[METRIC_TRAINER_WAITS_SHARE]), 0);
}

static void the_trainer_alone_has_a_lower_priority(void **state)
{
    DIR *tasks = opendir("/proc/self/task");
    size_t lower = 0;
    training_check(training_tell(*state, TRAINER_TRAIN, "default"), ""); /* it runs */
    assert_non_null(tasks);
    for (const struct dirent *task; (task = readdir(tasks)) != NULL;) {
        const long id = strtol(task->d_name, NULL, 10);
        lower += id > 0 && getpriority(PRIO_PROCESS, (id_t)id) == 10;
    }
    (void)closedir(tasks);
    assert_int_equal(lower, 1);
}

/* ---- while others read ---- */

struct reader {
    pthread_t thread;
    struct training *s;
    size_t slot;
    _Atomic bool *over;
    uint64_t reads, backwards;
};

/* As a score request does it, and as GET does. */
static void *read_models(void *context)
{
    struct reader *reader = context;
    int64_t last = 0;
    do {
        const struct models_copy *copy = models_read(&reader->s->models, reader->slot);
        for (size_t i = 0; i < copy->n; i++) {
            struct served *served = copy->model[i];
            struct live_view view = live_read(&served->live, reader->slot);
            reader->reads += view.theta[0] <= 1e9F && served_state_text(served)[0] != '\0' &&
                             live_version(&served->live) >= view.version;
            reader->backwards += strcmp(served->name, "default") == 0 && view.version < last;
            last = strcmp(served->name, "default") == 0 ? view.version : last;
            live_done(&served->live, reader->slot, &view);
        }
        models_done(&reader->s->models, reader->slot, copy);
        sched_yield(); /* lets go of the core between two reads, not in one */
    } while (!atomic_load(reader->over));
    return NULL;
}

static void models_come_learn_and_go_while_others_read(void **state)
{
    struct training *s = *state;
    struct reader reader[TRAINING_SLOTS - 1];
    _Atomic bool over = false;
    for (size_t r = 0; r < TRAINING_SLOTS - 1; r++) {
        reader[r] = (struct reader){.s = s, .slot = r + 1, .over = &over}; /* 0 is the test's own */
        assert_int_equal(pthread_create(&reader[r].thread, NULL, read_models, &reader[r]), 0);
    }
    for (uint64_t round = 1; round <= 15; round++) {
        training_check(training_create(s, "m", STEPS_8), "");
        training_stream(s, "m", 20, round);
        training_stream(s, "default", 20, round);
        training_await(s, "m");
        training_check(training_tell(s, TRAINER_DELETE, "m"), "");
    }
    atomic_store(&over, true);
    for (size_t r = 0; r < TRAINING_SLOTS - 1; r++) {
        assert_int_equal(pthread_join(reader[r].thread, NULL), 0);
        assert_true(reader[r].reads > 0);
        assert_int_equal(reader[r].backwards, 0);
    }
}

/* ---- the end ---- */

static void stop_stores_what_was_learned_and_a_restart_serves_it(void **state)
{
    struct training *s = *state;
    training_check(training_create(s, "m", STEPS_8), "");
    training_stream(s, "m", 30, 1);
    training_await(s, "m");
    int64_t id = training_model(s, "m")->id, served = training_version(s, "m");
    training_stop(s);
    assert_int_equal(training_newest(s, id).version, served);
    assert_ok(training_start(s));
    assert_int_equal(training_version(s, "m"), served);
    training_stop(s);
    assert_int_equal(training_newest(s, id).version, served); /* nothing new, nothing more stored */
    assert_int_equal(fixture_read_number(s->l.path, "SELECT count(*) FROM checkpoint "
                                                    "WHERE source = 'training'"),
                     1);
    assert_ok(training_start(s));
}

static bool is_learned(void *context)
{
    return live_version(&((struct served *)context)->live) > 0;
}

static void checkpoint_under_way_at_the_end_is_finished_and_the_last_version_stored(void **state)
{
    struct training *s = *state;
    training_stop(s);
    s->checkpoint_s = 0; /* after each round of steps */
    assert_ok(training_start(s));
    training_check(training_create(s, "m", LARGE), "");
    int64_t id = training_model(s, "m")->id;
    for (uint64_t round = 1; round <= 5; round++) {
        training_stream(s, "m", 10, round);
        await(is_learned, training_model(s, "m"));
        training_stop(s); /* while chunks are being written */
        struct training_newest newest = training_newest(s, id);
        assert_ok(training_start(s));
        assert_int_equal(training_version(s, "m"), newest.version);
        training_await(s, "m");
    }
}

static void checkpoint_that_storage_refuses_is_told_and_tried_again(void **state)
{
    struct training *s = *state;
    training_check(training_create(s, "m", SMALL), "");
    fixture_run_sql(s->l.path, "CREATE TRIGGER refuse BEFORE INSERT ON checkpoint BEGIN "
                               "SELECT RAISE(ABORT, 'refused'); END");
    training_stream(s, "m", 20, 1);
    training_await(s, "m");
    training_check(training_tell(s, TRAINER_TRAIN, "m"), "storage-error");
    assert_int_equal(training_version(s, "m"), 1); /* what was learned is served all the same */
    fixture_run_sql(s->l.path, "DROP TRIGGER refuse");
    training_check(training_tell(s, TRAINER_TRAIN, "m"), "");
    assert_int_equal(training_newest(s, training_model(s, "m")->id).version, 1);
}

/* Commits all the time, and every commit wakes the trainer. */
struct committer {
    pthread_t thread;
    struct training *s;
    _Atomic bool over;
};

static enum rk_status nothing_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    (void)job;
    (void)store;
    (void)err;
    return RK_OK;
}

static void *commit_on(void *context)
{
    struct committer *committer = context;
    while (!atomic_load(&committer->over)) {
        struct writer_job job = {.run = nothing_run, .weight = 1};
        (void)writer_run(committer->s->l.writer, &job);
    }
    return NULL;
}

static void commits_at_the_end_do_not_wake_a_trainer_that_is_gone(void **state)
{
    struct training *s = *state;
    for (int round = 0; round < 40; round++) {
        struct committer committer = {.s = s};
        assert_int_equal(pthread_create(&committer.thread, NULL, commit_on, &committer), 0);
        uint64_t commits = atomic_load(&s->l.metrics.counter[METRIC_COMMITS]);
        while (atomic_load(&s->l.metrics.counter[METRIC_COMMITS]) < commits + 3) {
            sched_yield();
        }
        struct trainer *trainer = atomic_exchange(&s->trainer, NULL);
        trainer_stop(&trainer);
        assert_null(trainer);
        atomic_store(&committer.over, true);
        assert_int_equal(pthread_join(committer.thread, NULL), 0);
        training_stop(s);
        assert_ok(training_start(s));
    }
}

static void count_done(struct trainer_command *command)
{
    command->created = true;
    command->version++;
}

static void every_command_that_was_taken_is_answered_before_the_end(void **state)
{
    struct training *s = *state;
    static struct trainer_command commands[50];
    training_stream(s, "default", 300, 1);
    for (size_t i = 0; i < 50; i++) {
        commands[i] = (struct trainer_command){.verb = i % 2 == 0 ? TRAINER_TRAIN : TRAINER_DELETE,
                                               .done = count_done};
        (void)strcpy(commands[i].model, i % 2 == 0 ? "default" : "nobody");
        assert_true(trainer_submit(atomic_load(&s->trainer), &commands[i]));
    }
    training_stop(s);
    for (size_t i = 0; i < 50; i++) {
        assert_int_equal(commands[i].version, 1);
        assert_string_equal(training_problem(&commands[i]), i % 2 == 0 ? "" : "unknown-model");
    }
    assert_ok(training_start(s));
}

/* ---- the end that is not by order ---- */

#define KILL_LISTS 600

/* Learns until it is killed; says so once the model has come to a version. */
static void live_and_die(struct training *s, int told, int64_t at_version)
{
    s->checkpoint_s = 0;
    if (training_start(s) != RK_OK) {
        _exit(1);
    }
    const struct served *served = models_find(models_now(&s->models), "m");
    while (live_version(&served->live) < at_version) {
        sched_yield();
    }
    if (write(told, "x", 1) != 1) {
        _exit(1);
    }
    for (;;) {
        (void)pause();
    }
}

/* Runs a process on the database until its model has come to a version, and kills it. */
static void run_and_kill(struct training *s, int64_t at_version)
{
    int pipes[2], status = 0;
    char byte;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        live_and_die(s, pipes[1], at_version);
    }
    (void)close(pipes[1]);
    assert_int_equal(read(pipes[0], &byte, 1), 1); /* 0 if it died by itself */
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    (void)close(pipes[0]);
}

/* Learns all there is without an interruption. @return the last checkpoint. */
static struct training_newest run_to_the_end(struct training *s)
{
    s->checkpoint_s = 86400;
    assert_ok(training_start(s));
    training_await(s, "m");
    int64_t id = training_model(s, "m")->id;
    training_stop(s);
    return training_newest(s, id);
}

static void copy_file(const char *from, const char *to)
{
    char buffer[4096];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    size_t n;
    assert_true(in != NULL && out != NULL);
    while ((n = fread(buffer, 1, sizeof buffer, in)) > 0) {
        assert_int_equal(fwrite(buffer, 1, n, out), n);
    }
    (void)fclose(in);
    assert_int_equal(fclose(out), 0);
}

static void check_killed(const char *json)
{
    static const int64_t moments[] = {1, 17, 60};
    void *own = NULL;
    assert_int_equal(training_setup(&own), 0);
    struct training *s = own, twin = {0};
    training_check(training_create(s, "m", json), "");
    training_check(training_tell(s, TRAINER_PAUSE, "m"), "");
    training_stream(s, "m", KILL_LISTS, 7);
    training_stop(s);
    fixture_run_sql(s->l.path, "UPDATE model SET paused = 0"); /* all lists wait for the start */
    temp_folder_path(&s->l.folder, "twin.db", twin.l.path);
    copy_file(s->l.path, twin.l.path);
    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
        run_and_kill(s, moments[i]);
    }
    struct training_newest killed = run_to_the_end(s), whole = run_to_the_end(&twin);
    assert_int_equal(killed.version, whole.version);
    assert_int_equal(whole.version, KILL_LISTS / 8);
    assert_memory_equal(killed.sha256, whole.sha256, sizeof whole.sha256);
    assert_ok(training_start(s));
    assert_int_equal(training_teardown(&own), 0);
}

static void killed_three_times_comes_to_the_same_bytes_with_adagrad(void **state)
{
    (void)state;
    check_killed(STEPS_8);
}

static void killed_three_times_comes_to_the_same_bytes_with_momentum(void **state)
{
    (void)state;
    check_killed("{\"kind\":\"fm\"," LEARNING_SMALL
                 ",\"optimizer\":{\"name\":\"sgd\",\"momentum\":0.9,"
                 "\"learning_rate\":0.05},\"training\":{\"batch_groups\":8}}");
}

/* ---- the start that fails ---- */

static void start_that_fails_says_why_and_leaves_nothing_behind(void **state)
{
    struct training *s = *state;
    training_check(training_create(s, "m", SMALL), "");
    training_stop(s);
    fixture_run_sql(s->l.path, "UPDATE model SET config = '{\"kind\":\"none\"}' WHERE name = 'm'");
    assert_status(training_start(s), RK_CORRUPT);
    assert_null(atomic_load(&s->trainer));
    training_stop(s);
    fixture_run_sql(s->l.path, "DELETE FROM model WHERE name = 'm'");
    assert_ok(training_start(s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_three_times_comes_to_the_same_bytes_with_adagrad),
        cmocka_unit_test(killed_three_times_comes_to_the_same_bytes_with_momentum),
        TRAINING_TEST(empty_store_is_given_the_default_model),
        TRAINING_TEST(committed_lists_are_learned_from_without_being_asked),
        TRAINING_TEST(checkpoints_are_stored_as_time_goes_by),
        TRAINING_TEST(learning_waits_for_its_share_and_is_told_things_meanwhile),
        TRAINING_TEST(learning_pauses_while_scoring_is_slow),
        TRAINING_TEST(the_trainer_alone_has_a_lower_priority),
        TRAINING_TEST(models_come_learn_and_go_while_others_read),
        TRAINING_TEST(stop_stores_what_was_learned_and_a_restart_serves_it),
        TRAINING_TEST(checkpoint_under_way_at_the_end_is_finished_and_the_last_version_stored),
        TRAINING_TEST(checkpoint_that_storage_refuses_is_told_and_tried_again),
        TRAINING_TEST(commits_at_the_end_do_not_wake_a_trainer_that_is_gone),
        TRAINING_TEST(every_command_that_was_taken_is_answered_before_the_end),
        TRAINING_TEST(start_that_fails_says_why_and_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
