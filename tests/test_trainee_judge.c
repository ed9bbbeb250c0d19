/*
 * The judge in a trainee's steps: a batch that turns the model round is refused whole and leaves
 * nothing behind, and all of it comes out the same after recovery.
 */
#include "store_fixture.h"
#include "test.h"
#include "trainee_fixture.h"

#include <rankd/judge.h>
#include <rankd/random.h>

#define FM     "{\"kind\":\"fm\"," LEARNING_SMALL "}"
#define STEP   64 /* lists */
#define FULL   90 /* steps, after which the ring is full */
#define USERS  8U
#define KINDS  4U /* of items: user u clicks on kind u % KINDS */
#define ITEMS  5U
#define LENGTH 1024

/* ---- lists ---- */

/* One item of the user's kind among others; clicked, or with all labels turned round. */
static void write_list(struct rk_random *random, bool flipped, char list[LENGTH])
{
    const uint32_t user = rk_random_below(random, USERS), place = rk_random_below(random, ITEMS);
    int n = snprintf(list, LENGTH, "{\"user\":{\"id\":\"u%u\"},\"items\":[", (unsigned)user);

    for (uint32_t i = 0; i < ITEMS; i++) {
        const bool liked = i == place;
        const uint32_t kind = (user + (liked ? 0 : 1 + rk_random_below(random, KINDS - 1))) % KINDS;
        n += snprintf(
            list + n, LENGTH - (size_t)n, "%s{\"id\":\"i%u\",\"label\":%d}", i > 0 ? "," : "",
            (unsigned)(KINDS * (i + ITEMS * rk_random_below(random, 2)) + kind), liked != flipped);
    }
    (void)snprintf(list + n, LENGTH - (size_t)n, "]}");
}

/* One click of a user and on items that no other list has. */
static void write_lonely_list(struct rk_random *random, bool flipped, char list[LENGTH])
{
    const bool first = rk_random_below(random, 2) == 0;

    (void)snprintf(list, LENGTH,
                   "{\"user\":{\"id\":\"lonely\"},\"items\":[{\"id\":\"%s\",\"label\":%d},"
                   "{\"id\":\"%s\",\"label\":%d}]}",
                   first ? "liked" : "left", first != flipped, first ? "left" : "liked",
                   first == flipped);
}

struct put {
    int64_t model;
    uint64_t seed;
    bool flipped, lonely;
};

static enum rk_status put_step(struct store *store, void *context, struct rk_error *err)
{
    const struct put *put = context;
    struct rk_random random = {put->seed};
    enum rk_status status = RK_OK;

    for (int i = 0; i < STEP && status == RK_OK; i++) {
        char list[LENGTH];
        (put->lonely ? write_lonely_list : write_list)(&random, put->flipped, list);
        const size_t length = strlen(list);
        const char *payload = list;
        struct store_batch batch = {
            .model = put->model, .payload = &payload, .payload_n = &length, .n = 1};
        status = store_put_batch(store, &batch, 1000000, err);
    }
    return status;
}

static void take_as(struct learning *l, struct trainee *t, struct put put)
{
    put.model = l->model;
    learning_write(l, put_step, &put);
    trained_catch_up(l, t);
}

/* Puts the lists of one step and has it taken. */
static void take(struct learning *l, struct trainee *t, uint64_t seed, bool flipped)
{
    take_as(l, t, (struct put){.seed = seed, .flipped = flipped});
}

static struct trainee *make_full(struct learning *l)
{
    struct trainee *t = trained_make(l, FM);

    for (uint64_t i = 0; i < FULL; i++) {
        take(l, t, i, false);
    }
    assert_int_equal(t->held.n, HELD_LISTS);
    return t;
}

static struct store_step last(struct learning *l, const struct trainee *t)
{
    struct store_step row = {0};

    assert_int_equal(trained_last_steps(l, t, &row, 1), 1);
    return row;
}

/* ---- a step that is refused ---- */

static void flipped_labels_are_refused_and_nothing_of_them_is_left(void **state)
{
    struct learning *l = *state;
    struct trainee *t = make_full(l);
    struct checkpoint_bytes before = trained_bytes(t);
    const int64_t end = learning_end(l);

    take(l, t, 1000, true);
    const struct store_step row = last(l, t);
    assert_int_equal(row.outcome, STORE_QUARANTINED);
    assert_non_null(strstr(row.reason, "contradict what was learned"));
    assert_int_equal(row.to_seq, learning_end(l));
    assert_int_equal(atomic_load(&l->metrics.counter[METRIC_LISTS_QUARANTINED]), STEP);
    trained_compare(t, &before);
    assert_memory_equal(live_served(&t->served->live), live_learning(&t->served->live),
                        rk_model_params(t->served->model) * sizeof(float));
    assert_int_equal(t->held.n, HELD_LISTS);
    for (size_t i = 0; i < t->held.n; i++) {
        assert_true(t->held.list[t->held.first + i].at.seq <= end);
    }
    take(l, t, 1001, false);
    assert_int_equal(last(l, t).outcome, STORE_PUBLISHED);
    free(before.bytes);
    trained_free(&t);
}

/* Has the oldest list held back do harm when it is learned from. */
static void poison_oldest(struct trainee *t)
{
    struct rk_group *group = t->held.list[t->held.first].group;
    float *label = (float *)(uintptr_t)group->label, *weight = (float *)(uintptr_t)group->weight;

    for (size_t i = 0; i < group->n_items; i++) {
        label[i] = label[i] > 0 ? 0 : 1;
        weight[i] = 1e4F;
    }
}

/* A bug: with a list a step, each next one was its turn again, and refused again, for ever. */
static void list_that_does_harm_when_it_leaves_the_ring_does_not_stop_learning(void **state)
{
    struct learning *l = *state;
    struct trainee *t = make_full(l);

    trained_configure(l, t, "{\"training\":{\"batch_groups\":1}}");
    poison_oldest(t);
    take(l, t, 3000, false);
    assert_int_equal(atomic_load(&l->metrics.counter[METRIC_STEPS_QUARANTINED]), 1);
    assert_false(t->paused);
    trained_free(&t);
}

/* A quarter of the ring leaves for lists of its own. */
static void step_that_replaces_much_of_the_ring_is_judged_too(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, "{\"kind\":\"fm\"," LEARNING_SMALL
                                        ",\"training\":{\"batch_groups\":2000}}");

    for (uint64_t i = 0; i < FULL; i++) {
        take(l, t, i, false);
    }
    for (uint64_t i = 0; i < 20; i++) {
        learning_write(l, put_step,
                       &(struct put){.model = l->model, .seed = 1000 + i, .flipped = true});
    }
    trained_catch_up(l, t);
    assert_int_equal(last(l, t).lists, 20 * STEP);
    assert_int_equal(last(l, t).outcome, STORE_QUARANTINED);
    trained_free(&t);
}

static void flipped_labels_are_learned_from_where_too_few_lists_are_held_back(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, FM);

    for (uint64_t i = 0; i < 20; i++) {
        take(l, t, i, false);
    }
    assert_true(t->held.n < RK_JUDGE_LISTS_MIN);
    take(l, t, 1000, true);
    assert_int_equal(last(l, t).outcome, STORE_PUBLISHED); /* so it is the judge that refuses */
    trained_free(&t);
}

static void labels_turned_round_are_refused_where_lists_held_back_do_not_show_it(void **state)
{
    struct learning *l = *state;
    struct trainee *t = make_full(l);
    struct trainee_tools tools = {.store = l->reader, .writer = l->writer, .metrics = &l->metrics};
    struct store_step refused;

    take_as(l, t, (struct put){.lonely = true});
    assert_int_equal(last(l, t).outcome, STORE_PUBLISHED);
    for (uint64_t i = 0; i < FULL; i++) { /* until no list of the lonely one is held back */
        take(l, t, 2000 + i, false);
    }
    take_as(l, t, (struct put){.lonely = true, .flipped = true});
    assert_ok(store_get_step(l->reader, t->served->id, t->step, &refused, NULL));
    assert_int_equal(refused.outcome, STORE_QUARANTINED);
    assert_non_null(strstr(refused.reason, "contradict what was learned"));
    assert_ok(trainee_retry(t, &tools, &refused, NULL)); /* who asks has looked at them */
    assert_int_equal(last(l, t).outcome, STORE_PUBLISHED);
    trained_check_refold(l, &t);
    free(refused.quarantined);
    trained_free(&t);
}

/* ---- poison in part ---- */

/* What x weighs is 0 until it is learned: so every list with x of 1e6 has its full gradient. */
#define RAW                                                                                        \
    "{\"kind\":\"fm\",\"features\":{\"bits\":10,\"numbers\":\"raw\"},\"dim\":3,\"use_ids\":false}"
#define PLAIN "{\"items\":[{\"id\":\"a\",\"label\":1,\"features\":{\"brand\":\"b\"}},\"b\"]}"
#define POISON                                                                                     \
    "{\"items\":[{\"id\":\"a\",\"label\":1,\"weight\":1e6,\"features\":{\"x\":1e6}},\"b\"]}"

/* A step of so many lists, some of which are far too large. */
static struct store_step take_mixed(struct learning *l, struct trainee *t, int plain, int poisoned)
{
    for (int i = 0; i < plain + poisoned; i++) {
        (void)learning_batch(l, i < plain ? PLAIN : POISON);
    }
    trained_catch_up(l, t);
    return last(l, t);
}

static void few_lists_that_cannot_be_learned_from_leave_the_rest_alone(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, RAW);

    assert_int_equal(take_mixed(l, t, 1, 7).outcome, STORE_PUBLISHED);
    assert_int_equal(atomic_load(&l->metrics.counter[METRIC_LISTS_QUARANTINED]), 7);
    assert_int_equal(take_mixed(l, t, 25, 8).outcome, STORE_PUBLISHED);
    assert_int_equal(atomic_load(&l->metrics.counter[METRIC_LISTS_QUARANTINED]), 7 + 8);
    trained_check_refold(l, &t);
    trained_free(&t);
}

static void where_a_quarter_cannot_be_learned_from_nothing_is_unless_asked_for(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, RAW);
    struct trainee_tools tools = {.store = l->reader, .writer = l->writer, .metrics = &l->metrics};
    struct checkpoint_bytes before = trained_bytes(t);
    struct store_step refused;

    assert_int_equal(take_mixed(l, t, 24, 8).outcome, STORE_QUARANTINED);
    trained_compare(t, &before);
    assert_ok(store_get_step(l->reader, t->served->id, t->step, &refused, NULL));
    assert_ok(trainee_retry(t, &tools, &refused, NULL));
    assert_int_equal(last(l, t).outcome, STORE_PUBLISHED);
    trained_check_refold(l, &t);
    free(refused.quarantined);
    free(before.bytes);
    trained_free(&t);
}

/* ---- too often ---- */

static int64_t paused_in_store(struct learning *l)
{
    return fixture_read_number(l->path, "SELECT paused FROM model ORDER BY id DESC LIMIT 1");
}

static void third_refusal_in_a_row_pauses_with_its_row_or_not_at_all(void **state)
{
    struct learning *l = *state;
    struct trainee *t = make_full(l);
    struct trainee_tools tools = {.store = l->reader, .writer = l->writer, .metrics = &l->metrics};
    struct put put = {.model = l->model, .seed = 1002, .flipped = true};
    bool more;

    take(l, t, 1000, true);
    take(l, t, 1001, true);
    assert_false(t->paused);
    fixture_run_sql(l->path, "CREATE TRIGGER refuse BEFORE UPDATE OF paused ON model BEGIN "
                             "SELECT RAISE(ABORT, 'refused'); END");
    learning_write(l, put_step, &put);
    const int64_t rows = fixture_read_number(l->path, "SELECT count(*) FROM step");
    assert_status(trainee_step(t, &tools, learning_end(l), &more, NULL), RK_IO);
    assert_int_equal(fixture_read_number(l->path, "SELECT count(*) FROM step"), rows);
    assert_false(t->paused);
    fixture_run_sql(l->path, "DROP TRIGGER refuse");
    trained_catch_up(l, t);
    assert_true(t->paused);
    learning_close(l);
    learning_open(l);
    assert_int_equal(paused_in_store(l), 1);
    assert_int_equal(atomic_load(&l->metrics.counter[METRIC_TRAINING_PAUSED]), 1);
    trained_free(&t);
}

static void refusals_are_counted_anew_after_a_step_that_is_served(void **state)
{
    struct learning *l = *state;
    struct trainee *t = make_full(l);

    for (uint64_t i = 0; i < 4; i++) {
        take(l, t, 1000 + i, i != 2);
        assert_int_equal(last(l, t).outcome, i != 2 ? STORE_QUARANTINED : STORE_PUBLISHED);
    }
    assert_false(t->paused);
    take(l, t, 1004, true);
    assert_false(t->paused);
    take(l, t, 1005, true);
    assert_true(t->paused);
    trained_free(&t);
}

/* ---- recovery ---- */

/* From the newest checkpoint, and from the untrained start: parameters, and the ring. */
static void check_again(struct learning *l, struct trainee **t)
{
    struct checkpoint_bytes expected = trained_bytes(*t);
    char *held = trainee_held_text(*t), *now;
    enum rk_status status;

    trained_free(t);
    *t = trained_find_again(l, &status);
    assert_ok(status);
    trained_compare(*t, &expected);
    now = trainee_held_text(*t);
    assert_string_equal(now, held);
    trained_check_refold(l, t);
    free(now);
    now = trainee_held_text(*t);
    assert_string_equal(now, held);
    free(now);
    free(held);
    free(expected.bytes);
}

static void same_bytes_and_ring_come_from_a_checkpoint_with_a_full_ring(void **state)
{
    struct learning *l = *state;
    struct trainee *t = make_full(l);

    (void)trained_store(l, t);
    for (uint64_t i = 0; i < 3; i++) {
        take(l, t, 2000 + i, false);
    }
    check_again(l, &t);
    take(l, t, 2003, true); /* judged by the ring that was cut again */
    assert_int_equal(last(l, t).outcome, STORE_QUARANTINED);
    trained_free(&t);
}

static void same_bytes_and_ring_come_after_a_refused_step(void **state)
{
    struct learning *l = *state;
    struct trainee *t = make_full(l);

    take(l, t, 1000, true);
    (void)trained_store(l, t);
    take(l, t, 1001, true);
    take(l, t, 2000, false);
    check_again(l, &t);
    trained_free(&t);
}

static void refusals_before_the_checkpoint_count_after_a_restart_too(void **state)
{
    struct learning *l = *state;
    struct trainee *t = make_full(l);
    enum rk_status status;

    take(l, t, 1000, true);
    take(l, t, 1001, true);
    (void)trained_store(l, t);
    trained_free(&t);
    t = trained_find_again(l, &status);
    assert_ok(status);
    assert_false(t->paused);
    take(l, t, 1002, true);
    assert_true(t->paused);
    trained_free(&t);
}

/* ---- taken again ---- */

static void lists_taken_again_are_judged_again_and_a_refold_repeats_it(void **state)
{
    struct learning *l = *state;
    struct trainee *t = make_full(l);
    struct trainee_tools tools = {.store = l->reader, .writer = l->writer, .metrics = &l->metrics};
    struct store_step refused;

    take(l, t, 1000, true);
    assert_ok(store_get_step(l->reader, t->served->id, t->step, &refused, NULL));
    char *held = trainee_held_text(t);
    assert_ok(trainee_retry(t, &tools, &refused, NULL));
    assert_int_equal(last(l, t).outcome, STORE_QUARANTINED); /* nothing has changed */
    held_deinit(&t->held);                                   /* nobody to judge them */
    assert_ok(trainee_retry(t, &tools, &refused, NULL));
    const struct store_step row = last(l, t);
    assert_int_equal(row.outcome, STORE_PUBLISHED);
    assert_int_equal(row.retry, refused.id);
    assert_int_equal(row.lists, STEP);
    trained_check_refold(l, &t);
    char *now = trainee_held_text(t);
    assert_string_equal(now, held); /* they were counted before: none is held back */
    free(now);
    free(held);
    free(refused.quarantined);
    trained_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEARNING_TEST(flipped_labels_are_refused_and_nothing_of_them_is_left),
        LEARNING_TEST(list_that_does_harm_when_it_leaves_the_ring_does_not_stop_learning),
        LEARNING_TEST(step_that_replaces_much_of_the_ring_is_judged_too),
        LEARNING_TEST(labels_turned_round_are_refused_where_lists_held_back_do_not_show_it),
        LEARNING_TEST(flipped_labels_are_learned_from_where_too_few_lists_are_held_back),
        LEARNING_TEST(few_lists_that_cannot_be_learned_from_leave_the_rest_alone),
        LEARNING_TEST(where_a_quarter_cannot_be_learned_from_nothing_is_unless_asked_for),
        LEARNING_TEST(third_refusal_in_a_row_pauses_with_its_row_or_not_at_all),
        LEARNING_TEST(refusals_are_counted_anew_after_a_step_that_is_served),
        LEARNING_TEST(same_bytes_and_ring_come_from_a_checkpoint_with_a_full_ring),
        LEARNING_TEST(same_bytes_and_ring_come_after_a_refused_step),
        LEARNING_TEST(refusals_before_the_checkpoint_count_after_a_restart_too),
        LEARNING_TEST(lists_taken_again_are_judged_again_and_a_refold_repeats_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
