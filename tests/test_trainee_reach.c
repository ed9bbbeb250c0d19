/*
 * Any version that was served comes out again, to the bit, from whatever checkpoints are kept.
 */
#include "lineage.h"
#include "store_fixture.h"
#include "test.h"
#include "trainee_fixture.h"

#define SMALL_STEPS "{\"kind\":\"fm\"," LEARNING_SMALL ",\"training\":{\"batch_groups\":8}}"
#define VERSIONS    64

/* What each version was, while it was served. */
struct served_states {
    struct checkpoint_bytes of[VERSIONS];
    int64_t last;
};

static void note(struct served_states *states, struct trainee *t)
{
    const int64_t version = live_version(&t->served->live);
    assert_true(version < VERSIONS);
    if (states->of[version].bytes == NULL) {
        states->of[version] = trained_bytes(t);
    }
    states->last = version > states->last ? version : states->last;
}

static void forget(struct served_states *states)
{
    for (size_t i = 0; i < VERSIONS; i++) {
        free(states->of[i].bytes);
    }
}

/* Learns from n lists step by step. */
static void learn(struct learning *l, struct trainee *t, size_t n, struct served_states *states)
{
    const struct trainee_tools tools = {
        .store = l->reader, .writer = l->writer, .metrics = &l->metrics};
    bool more = true;
    learning_stream(l, n, (uint64_t)states->last + 1);
    while (more) {
        assert_ok(trainee_step(t, &tools, learning_end(l), &more, NULL));
        note(states, t);
    }
}

/* A life with three branches: back to a checkpoint, learned on, and back to the untrained start. */
static struct trainee *branch_out(struct learning *l, struct served_states *states)
{
    struct trainee *t = trained_make(l, SMALL_STEPS);
    struct store_checkpoint init = {.id = 1, .model = t->served->id}, back;
    note(states, t);
    learn(l, t, 30, states);
    back = trained_store(l, t);
    learn(l, t, 30, states);
    (void)trained_store(l, t);
    learn(l, t, 20, states);
    trained_activate(l, t, &back);
    learn(l, t, 30, states);
    (void)trained_store(l, t);
    learn(l, t, 20, states);
    trained_activate(l, t, &init);
    learn(l, t, 30, states);
    return t;
}

/* Brings one trainee to every version in an order that goes to and fro. */
static void check_all(struct learning *l, const struct served_states *states)
{
    struct trainee *t = trained_find(l);
    const int64_t n = states->last + 1, stride = 37;
    assert_true(n % stride != 0);
    for (int64_t i = 0; i < 2 * n; i++) {
        const int64_t version = i < n ? i : i * stride % n;
        assert_ok(trainee_reach(t, l->reader, version, NULL));
        assert_int_equal(live_version(&t->served->live), version);
        trained_compare(t, &states->of[version]);
        assert_ok(lineage_reaches(l->reader, t->served->id, version, NULL));
    }
    trained_free(&t);
}

static void every_version_of_every_branch_comes_out_as_it_was_served(void **state)
{
    struct served_states states = {0};
    struct trainee *t = branch_out(*state, &states);
    assert_true(states.last > 20);
    check_all(*state, &states);
    trained_free(&t);
    forget(&states);
}

static void damaged_checkpoints_are_made_again_on_the_way_to_a_version(void **state)
{
    struct learning *l = *state;
    struct served_states states = {0};
    struct trainee *t = branch_out(l, &states);
    for (int64_t id = 2; id <= fixture_read_number(l->path, "SELECT max(id) FROM checkpoint");
         id++) {
        trained_damage(l, id);
        check_all(l, &states);
    }
    trained_free(&t);
    forget(&states);
}

static void version_whose_steps_are_gone_is_not_found(void **state)
{
    struct learning *l = *state;
    struct served_states states = {0};
    struct trainee *t = branch_out(l, &states);
    fixture_run_sql(l->path, "DELETE FROM step WHERE version = 3");
    assert_status(trainee_reach(t, l->reader, 3, NULL), RK_NOTFOUND);
    assert_status(lineage_reaches(l->reader, t->served->id, 3, NULL), RK_NOTFOUND);
    assert_status(trainee_reach(t, l->reader, 1000, NULL), RK_NOTFOUND);
    assert_ok(trainee_reach(t, l->reader, 2, NULL));
    trained_compare(t, &states.of[2]);
    trained_free(&t);
    forget(&states);
}

static void version_without_a_checkpoint_before_it_is_not_found(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, SMALL_STEPS);
    struct served_states states = {0};
    learn(l, t, 30, &states);
    (void)trained_store(l, t);
    learn(l, t, 10, &states);
    fixture_run_sql(l->path, "DELETE FROM checkpoint WHERE source = 'init'");
    assert_status(lineage_reaches(l->reader, t->served->id, 2, NULL), RK_NOTFOUND);
    assert_status(trainee_reach(t, l->reader, 2, NULL), RK_NOTFOUND);
    assert_ok(lineage_reaches(l->reader, t->served->id, states.last, NULL));
    trained_free(&t);
    forget(&states);
}

/* What a trimmed log leaves: nothing up to where a checkpoint stands. */
static void trim(struct learning *l, int64_t seq)
{
    char text[128];
    (void)snprintf(text, sizeof text, "DELETE FROM step WHERE to_seq <= %lld", (long long)seq);
    fixture_run_sql(l->path, text);
    (void)snprintf(text, sizeof text, "DELETE FROM log WHERE seq <= %lld", (long long)seq);
    fixture_run_sql(l->path, text);
    (void)snprintf(text, sizeof text, "INSERT INTO trimmed VALUES (1, %lld, 0, 0)", (long long)seq);
    fixture_run_sql(l->path, text);
}

/* The untrained start is kept, but the steps that once followed it are not. */
static void steps_are_not_repeated_on_a_checkpoint_whose_log_is_gone(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, SMALL_STEPS);
    struct served_states states = {0};
    struct store_checkpoint kept;
    enum rk_status status;
    learn(l, t, 30, &states);
    kept = trained_store(l, t);
    learn(l, t, 30, &states);
    trim(l, kept.seq);
    assert_status(lineage_reaches(l->reader, t->served->id, kept.version - 1, NULL), RK_NOTFOUND);
    assert_status(trainee_reach(t, l->reader, kept.version - 1, NULL), RK_NOTFOUND);
    assert_ok(lineage_reaches(l->reader, t->served->id, kept.version + 1, NULL));
    assert_ok(trainee_reach(t, l->reader, kept.version + 1, NULL));
    trained_compare(t, &states.of[kept.version + 1]);
    trained_damage(l, kept.id);
    trained_free(&t);
    t = trained_find_again(l, &status);
    assert_status(status, RK_CORRUPT);
    assert_status(trainee_reach(t, l->reader, kept.version + 1, NULL), RK_CORRUPT);
    trained_free(&t);
    forget(&states);
}

/* An idle model does not hold the log. */
static void model_that_never_learned_starts_also_where_the_log_begins_later(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, SMALL_STEPS);
    enum rk_status status;
    (void)learning_features(l, STORE_ITEM, "i1", "{\"price\":7}");
    (void)learning_features(l, STORE_ITEM, "i2", "{\"price\":7}");
    fixture_run_sql(l->path, "DELETE FROM log WHERE seq < 3");
    trained_free(&t);
    t = trained_find_again(l, &status);
    assert_ok(status);
    trained_free(&t);
}

/* ---- what was not learned from the log ---- */

/* A version that came from a file: other parameters in the same place of the log. */
static struct store_checkpoint train_from_file(struct learning *l, struct trainee *t,
                                               struct served_states *states)
{
    float *theta = live_learning(&t->served->live);
    struct store_checkpoint row;
    for (size_t i = 0; i < 10; i++) {
        theta[i] += 0.25F;
    }
    live_publish_all(&t->served->live, ++t->last_version);
    note(states, t);
    row = trained_store(l, t);
    fixture_run_sql(l->path,
                    "UPDATE checkpoint SET source = 'file' WHERE id = (SELECT max(id) FROM "
                    "checkpoint)");
    return row;
}

static void steps_after_a_training_file_are_repeated_on_what_came_of_it(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, SMALL_STEPS);
    struct served_states states = {0};
    note(&states, t);
    learn(l, t, 20, &states);
    (void)train_from_file(l, t, &states);
    learn(l, t, 20, &states);
    check_all(l, &states);
    trained_free(&t);
    forget(&states);
}

/* A bug once: recovery passed over it and repeated the later steps on a model before it. */
static void damaged_result_of_a_training_file_is_told_and_not_passed_over(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, SMALL_STEPS);
    struct served_states states = {0};
    enum rk_status status;
    note(&states, t);
    learn(l, t, 20, &states);
    (void)trained_store(l, t);
    trained_damage(l, train_from_file(l, t, &states).id);
    learn(l, t, 20, &states);
    assert_status(trainee_reach(t, l->reader, states.last - 1, NULL), RK_CORRUPT);
    trained_free(&t);
    t = trained_find_again(l, &status);
    assert_status(status, RK_CORRUPT);
    trained_free(&t);
    forget(&states);
}

static void import_that_was_only_stored_is_no_base_for_steps(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, SMALL_STEPS);
    struct served_states states = {0};
    note(&states, t);
    learn(l, t, 20, &states);
    (void)train_from_file(l, t, &states);
    fixture_run_sql(l->path, "UPDATE checkpoint SET source = 'import' WHERE source = 'file'");
    assert_ok(trainee_reach(t, l->reader, states.last - 1, NULL));
    learn(l, t, 20, &states);
    check_all(l, &states);
    trained_free(&t);
    forget(&states);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEARNING_TEST(every_version_of_every_branch_comes_out_as_it_was_served),
        LEARNING_TEST(damaged_checkpoints_are_made_again_on_the_way_to_a_version),
        LEARNING_TEST(version_whose_steps_are_gone_is_not_found),
        LEARNING_TEST(version_without_a_checkpoint_before_it_is_not_found),
        LEARNING_TEST(steps_are_not_repeated_on_a_checkpoint_whose_log_is_gone),
        LEARNING_TEST(model_that_never_learned_starts_also_where_the_log_begins_later),
        LEARNING_TEST(steps_after_a_training_file_are_repeated_on_what_came_of_it),
        LEARNING_TEST(damaged_result_of_a_training_file_is_told_and_not_passed_over),
        LEARNING_TEST(import_that_was_only_stored_is_no_base_for_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
