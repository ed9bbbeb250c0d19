/*
 * A life lived again step by step comes to every state that was stored, and one that does not is
 * told; a rehearsal with the same configuration is the life itself.
 */
#include "store_fixture.h"
#include "test.h"
#include "trainee_fixture.h"
#include "trainee_walk.h"

#define SMALL_STEPS                                                                                \
    "{\"kind\":\"fm\"," LEARNING_SMALL ",\"training\":{\"batch_groups\":8,\"attribution_s\":5}}"

static void learn(struct learning *l, struct trainee *t, size_t n, uint64_t seed)
{
    learning_stream(l, n, seed);
    trained_catch_up(l, t);
}

/* Three branches and four checkpoints, the last step behind the last of them. */
static struct trainee *branch_out(struct learning *l)
{
    struct trainee *t = trained_make(l, SMALL_STEPS);
    struct store_checkpoint init = {.id = 1, .model = t->served->id}, back;
    learn(l, t, 30, 1);
    back = trained_store(l, t);
    learn(l, t, 30, 2);
    (void)trained_store(l, t);
    trained_activate(l, t, &init);
    learn(l, t, 30, 3);
    (void)trained_store(l, t);
    trained_activate(l, t, &back);
    learn(l, t, 30, 4);
    (void)trained_store(l, t);
    learn(l, t, 8, 5);
    return t;
}

/* Walks (from, to] with a trainee of its own, which stays. @return what the last call said. */
static enum rk_status walk_all(struct learning *l, int64_t from, int64_t to,
                               struct trainee_walk *walk, struct trainee **t)
{
    bool done = false;
    enum rk_status status;
    *t = trained_find(l);
    status = trainee_walk_start(walk, *t, l->reader, from, NULL);
    while (status == RK_OK && !done) {
        status = trainee_walk_next(walk, to, &done, NULL);
    }
    return status;
}

static void walk_comes_to_every_checkpoint_and_to_the_state_that_was_served(void **state)
{
    struct learning *l = *state;
    struct trainee *t = branch_out(l), *again;
    struct checkpoint_bytes expected = trained_bytes(t);
    struct trainee_walk walk;
    assert_ok(walk_all(l, 0, INT64_MAX, &walk, &again));
    assert_int_equal(walk.compared, 4);
    assert_int_equal(walk.steps, fixture_read_number(l->path, "SELECT count(*) FROM step"));
    trained_compare(again, &expected);
    trainee_walk_end(&walk);
    trained_free(&again);
    trained_free(&t);
    free(expected.bytes);
}

static void walk_may_start_at_a_checkpoint_and_end_before_the_end(void **state)
{
    struct learning *l = *state;
    struct trainee *t = branch_out(l), *again;
    const int64_t from =
        fixture_read_number(l->path, "SELECT max(seq) FROM checkpoint WHERE version < 8");
    const int64_t to = fixture_read_number(l->path, "SELECT max(seq) FROM checkpoint");
    struct trainee_walk walk;
    assert_ok(walk_all(l, from, to, &walk, &again));
    assert_int_equal(walk.compared, 3);
    assert_true(walk.row.to_seq <= to);
    assert_true(walk.steps < fixture_read_number(l->path, "SELECT count(*) FROM step") - 4);
    trainee_walk_end(&walk);
    trained_free(&again);
    trained_free(&t);
}

static void checkpoint_that_is_not_what_the_log_gives_is_told(void **state)
{
    struct learning *l = *state;
    struct trainee *t = branch_out(l), *again;
    struct trainee_walk walk;
    fixture_run_sql(l->path, "UPDATE checkpoint SET sha256 = zeroblob(32) WHERE id = 4");
    assert_status(walk_all(l, 0, INT64_MAX, &walk, &again), RK_MISMATCH);
    assert_int_equal(walk.compared, 2);
    trainee_walk_end(&walk);
    trained_free(&again);
    trained_free(&t);
}

/* ---- watching and rehearsing ---- */

struct watched {
    int64_t lists;
    double ndcg;
};

static void watch(void *context, int64_t seq, const struct rk_eval_sum *metrics)
{
    struct watched *watched = context;
    assert_true(seq > 0);
    watched->lists += (int64_t)metrics->lists;
    watched->ndcg += metrics->ndcg;
}

static void watch_of_a_walk_sees_the_metrics_that_were_recorded(void **state)
{
    struct learning *l = *state;
    struct trainee *t = branch_out(l), *again = trained_find(l);
    struct watched watched = {0};
    struct trainee_walk walk;
    bool done = false;
    again->watch = (struct trainee_watch){watch, &watched};
    assert_ok(trainee_walk_start(&walk, again, l->reader, 0, NULL));
    while (!done) {
        assert_ok(trainee_walk_next(&walk, INT64_MAX, &done, NULL));
    }
    assert_int_equal(watched.lists, fixture_read_number(l->path, "SELECT sum(lists) FROM step"));
    assert_close(watched.ndcg * 1e6,
                 (double)fixture_read_number(l->path, "SELECT sum(ndcg) * 1e6 FROM step"), 0, 1);
    trainee_walk_end(&walk);
    trained_free(&again);
    trained_free(&t);
}

static void rehearsal_with_the_same_configuration_is_the_life_itself(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, SMALL_STEPS), *rehearsed = trained_find(l);
    const struct trainee_tools tools = {.store = l->reader, .now_ms = INT64_MAX / 2};
    struct checkpoint_bytes expected;
    int64_t rows;
    bool more = true;
    learn(l, t, 100, 1);
    expected = trained_bytes(t);
    rows = fixture_read_number(l->path, "SELECT count(*) FROM step");
    while (more) {
        assert_ok(trainee_step(rehearsed, &tools, learning_end(l), &more, NULL));
    }
    trained_compare(rehearsed, &expected);
    assert_int_equal(fixture_read_number(l->path, "SELECT count(*) FROM step"), rows);
    trained_free(&rehearsed);
    trained_free(&t);
    free(expected.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEARNING_TEST(walk_comes_to_every_checkpoint_and_to_the_state_that_was_served),
        LEARNING_TEST(walk_may_start_at_a_checkpoint_and_end_before_the_end),
        LEARNING_TEST(checkpoint_that_is_not_what_the_log_gives_is_told),
        LEARNING_TEST(watch_of_a_walk_sees_the_metrics_that_were_recorded),
        LEARNING_TEST(rehearsal_with_the_same_configuration_is_the_life_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
