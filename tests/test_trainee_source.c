/*
 * Whose lists a model learns from: its own, or those of all models whose features are hashed; and
 * that recovery learns from the same again, whatever has become of the others.
 */
#include "store_fixture.h"
#include "test.h"
#include "trainee_fixture.h"

#include <stdlib.h>

#define HASHED  "{\"kind\":\"fm\"," LEARNING_SMALL "}"
#define INDEXED "{\"kind\":\"fm\",\"features\":{\"space\":\"indexed\",\"size\":3}}"
#define ALL(more)                                                                                  \
    "{\"kind\":\"fm\"," LEARNING_SMALL                                                             \
    ",\"labels\":{\"click\":1,\"buy\":4},\"training\":{\"source\":\"all\",\"batch_groups\":7" more \
    "}}"
#define ABC "[\"a\",\"b\",\"c\"]"

/* Lists learned from, by the step rows. */
static int64_t lists_learned(struct learning *l, const struct trainee *t)
{
    char sql[96];
    (void)snprintf(sql, sizeof sql, "SELECT coalesce(sum(lists), 0) FROM step WHERE model = %d",
                   (int)t->served->id);
    return fixture_read_number(l->path, sql);
}

/* Two others' lists of each kind, and some of one whose features are not hashed. */
static void let_others_live(struct learning *l, int64_t hashed, int64_t indexed)
{
    l->model = indexed;
    (void)learning_ranking(l, "ri", "[{\"id\":\"a\",\"features\":[1]},\"b\"]", "a b");
    (void)learning_event(l, "ri", "a", "click", 1);
    (void)learning_batch(l, "{\"items\":[{\"id\":\"a\",\"features\":[1],\"label\":1},\"b\"]}");
    l->model = hashed;
    (void)learning_ranking(l, "r1", ABC, "a b c");
    (void)learning_ranking(l, "r2", ABC, "c b a");
    (void)learning_event(l, "r1", "b", "buy", 1);
    (void)learning_event(l, "r2", "c", "click", 1);
    learning_stream(l, 20, 3);
}

static void
all_hashed_models_lists_are_learned_from_and_recovered_after_the_models_are_gone(void **state)
{
    struct learning *l = *state;
    const int64_t hashed = learning_model(l, "h", HASHED),
                  indexed = learning_model(l, "i", INDEXED);
    struct trainee *t = trained_make(l, ALL(""));
    struct checkpoint_bytes before;
    let_others_live(l, hashed, indexed);
    trained_catch_up(l, t);
    assert_int_equal(lists_learned(l, t), 22);
    before = trained_bytes(t);
    fixture_run_sql(l->path, "UPDATE model SET deleted_ms = 1 WHERE name IN ('h', 'i')");
    trained_check_refold(l, &t);
    trained_compare(t, &before);
    free(before.bytes);
    trained_free(&t);
}

static void labels_are_those_of_the_model_that_learns(void **state)
{
    struct learning *l = *state;
    const int64_t hashed = learning_model(l, "h", HASHED);
    struct trainee *t = trained_make(l, ALL(""));
    const struct cut_range range = {.to_seq = INT64_MAX};
    l->model = hashed;
    (void)learning_ranking(l, "r1", ABC, "a b c");
    (void)learning_event(l, "r1", "b", "buy", 1); /* not in the table of the one that served it */
    const struct cut_terms terms = trainee_terms(t);
    assert_ok(cut_groups(l->reader, &terms, &range, &t->cut, NULL));
    assert_int_equal(t->cut.n, 1);
    assert_true(t->cut.group[0]->label[1] == 4.0F);
    trained_free(&t);
}

static void lists_of_others_whose_window_ends_are_learned_from_too(void **state)
{
    struct learning *l = *state;
    const int64_t hashed = learning_model(l, "h", HASHED),
                  indexed = learning_model(l, "i", INDEXED);
    struct trainee *t = trained_make(l, ALL(",\"attribution_s\":5"));
    let_others_live(l, hashed, indexed); /* long ago, by their times */
    trained_catch_up(l, t);
    assert_int_equal(lists_learned(l, t), 22);
    assert_int_equal(fixture_read_number(l->path, "SELECT max(due_to) > 0 FROM step"), 1);
    trained_check_refold(l, &t);
    trained_free(&t);
}

static void own_lists_alone_are_learned_from_unless_told_otherwise(void **state)
{
    struct learning *l = *state;
    const int64_t hashed = learning_model(l, "h", HASHED),
                  indexed = learning_model(l, "i", INDEXED);
    struct trainee *t = trained_make(l, HASHED);
    let_others_live(l, hashed, indexed);
    trained_catch_up(l, t);
    assert_int_equal(lists_learned(l, t), 0);
    trained_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEARNING_TEST(
            all_hashed_models_lists_are_learned_from_and_recovered_after_the_models_are_gone),
        LEARNING_TEST(labels_are_those_of_the_model_that_learns),
        LEARNING_TEST(lists_of_others_whose_window_ends_are_learned_from_too),
        LEARNING_TEST(own_lists_alone_are_learned_from_unless_told_otherwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
