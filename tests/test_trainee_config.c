/*
 * A configuration that changes while a model learns: steps after the change are taken by it, those
 * before it are not, and each is repeated by the one it was taken with.
 */
#include "store_fixture.h"
#include "test.h"
#include "trainee_fixture.h"

#include <stdlib.h>

#define FM "{\"kind\":\"fm\"," LEARNING_SMALL

static const char *const configs[] = {
    FM ",\"training\":{\"batch_groups\":16}}",
    FM ",\"optimizer\":{\"name\":\"sgd\",\"momentum\":0.9,\"learning_rate\":0.05}}",
    FM ",\"optimizer\":{\"name\":\"ftrl\",\"l1\":0.01}}",
    FM ",\"loss\":{\"name\":\"bce_with_logits\"},\"training\":{\"attribution_s\":5}}"};

/* Rankings with events of two types, long ago. */
static void put_rankings(struct learning *l, int from)
{
    char id[16];
    for (int i = from; i < from + 10; i++) {
        (void)snprintf(id, sizeof id, "r%d", i);
        (void)learning_ranking(l, id, "[\"a\",\"b\",\"c\"]", "b c a");
        (void)learning_event(l, id, i % 3 == 1 ? "a" : "c", i % 2 == 0 ? "click" : "buy", 1);
    }
}

static void go_on(struct learning *l, struct trainee *t, int *round)
{
    put_rankings(l, 100 * *round);
    learning_stream(l, 40, (uint64_t)++ * round);
    trained_catch_up(l, t);
}

/* A life with changes of all that can be changed, and checkpoints before and after them. */
static void live_on(struct learning *l, struct trainee *t)
{
    int round = 0;
    go_on(l, t, &round);
    (void)trained_store(l, t);
    trained_configure(l, t, "{\"labels\":{\"buy\":4},\"learning_rate\":0.01}");
    go_on(l, t, &round);
    (void)learning_event(l, "r2", "a", "buy", 1);
    trained_configure(l, t, "{\"training\":{\"update_groups\":3,\"attribution_s\":7}}");
    trained_configure(l, t, "{\"learning_rate\":0.3}");
    (void)trained_store(l, t);
    go_on(l, t, &round);
    trained_configure(l, t, "{\"labels\":{\"click\":null},\"training\":{\"attribution_s\":0}}");
    go_on(l, t, &round);
    (void)trained_store(l, t);
    trained_configure(l, t, "{\"training\":{\"negatives\":\"examined\",\"batch_groups\":5}}");
    go_on(l, t, &round);
}

static void changed_model_comes_out_the_same_from_every_checkpoint_there_is(void **state)
{
    struct learning *l = *state;
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        struct trainee *t = trained_make(l, configs[i]);
        struct checkpoint_bytes expected;
        enum rk_status status;
        live_on(l, t);
        expected = trained_bytes(t);
        for (int left = 3; left >= 0; left--) {
            trained_free(&t);
            t = trained_find_again(l, &status);
            assert_ok(status);
            trained_compare(t, &expected);
            fixture_run_sql(l->path, "DELETE FROM checkpoint WHERE id = (SELECT max(id) FROM "
                                     "checkpoint WHERE source <> 'init')");
        }
        free(expected.bytes);
        trained_free(&t);
        learning_teardown(state);
        learning_setup(state);
        l = *state;
    }
}

static void step_rows_say_by_which_configuration_they_were_taken(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, configs[0]);
    int round = 0;
    int64_t change;
    go_on(l, t, &round);
    trained_configure(l, t, "{\"learning_rate\":0.01}");
    change = t->config;
    assert_int_equal(change, learning_end(l));
    go_on(l, t, &round);
    assert_int_equal(fixture_read_number(l->path, "SELECT count(DISTINCT config) FROM step"), 2);
    assert_int_equal(fixture_read_number(l->path, "SELECT max(to_seq) FROM step WHERE config = 0"),
                     change - 1);
    assert_int_equal(
        fixture_read_number(l->path, "SELECT min(from_seq) FROM step WHERE config > 0"),
        change - 1);
    assert_int_equal(fixture_read_number(l->path, "SELECT max(config) FROM step"), change);
    assert_int_equal(fixture_read_number(l->path, "SELECT count(*) FROM log WHERE kind = 'config'"),
                     1);
    trained_free(&t);
}

/* The negative control: with another configuration than its own a step comes out otherwise. */
static void steps_repeated_by_another_configuration_come_out_otherwise(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, configs[0]);
    struct checkpoint_bytes expected, other;
    enum rk_status status;
    live_on(l, t);
    expected = trained_bytes(t);
    fixture_run_sql(l->path, "DELETE FROM checkpoint WHERE source <> 'init'");
    fixture_run_sql(l->path, "UPDATE step SET config = (SELECT min(seq) FROM model_config) "
                             "WHERE config = 0");
    trained_free(&t);
    t = trained_find_again(l, &status);
    if (status == RK_OK) {
        other = trained_bytes(t);
        assert_true(other.n != expected.n || memcmp(other.bytes, expected.bytes, other.n) != 0);
        free(other.bytes);
    } else {
        assert_int_equal(status, RK_MISMATCH);
    }
    free(expected.bytes);
    trained_free(&t);
}

static void recovered_model_learns_on_by_the_newest_configuration(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, configs[0]);
    enum rk_status status;
    struct emit text = {0};
    live_on(l, t);
    trained_free(&t);
    t = trained_find_again(l, &status);
    assert_ok(status);
    assert_int_equal(t->served->config.training.batch_groups, 5);
    assert_int_equal(t->served->config.n_labels, 1);
    assert_string_equal(t->served->config.label[0].type, "buy");
    assert_true(t->served->config.model.optim.learning_rate == 0.3);
    model_config_write(&t->served->config, &text);
    assert_string_equal(t->served->config_text, text.text);
    assert_int_equal(t->n_eras, 3);
    emit_deinit(&text);
    trained_free(&t);
}

/* The lists held back are the same, by the configurations they were held back with. */
static void compare_held(const struct held *held, const struct held *expected)
{
    assert_int_equal(held->n, expected->n);
    for (size_t i = 0; i < held->n; i++) {
        const struct held_list *list = &held->list[held->first + i];
        const struct held_list *other = &expected->list[expected->first + i];
        assert_int_equal(list->at.seq, other->at.seq);
        assert_int_equal(list->at.config, other->at.config);
        assert_int_equal(list->group->n_items, other->group->n_items);
        assert_memory_equal(list->group->label, other->group->label,
                            list->group->n_items * sizeof *list->group->label);
    }
}

static void lists_held_back_keep_the_labels_they_were_held_back_with(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, FM ",\"labels\":{\"click\":3,\"buy\":5}}"), *again;
    enum rk_status status;
    for (int i = 0; i < 12; i++) {
        put_rankings(l, 100 * i);
    }
    trained_catch_up(l, t); /* six of them are held back */
    trained_configure(l, t, "{\"labels\":{\"click\":1,\"buy\":2}}");
    for (int i = 0; i < 6; i++) {
        put_rankings(l, 2000 + 100 * i);
    }
    trained_catch_up(l, t);
    trained_configure(l, t, "{\"labels\":{\"click\":7,\"buy\":null}}");
    (void)trained_store(l, t);
    assert_int_equal(t->held.n, 9);
    again = trained_find_again(l, &status);
    assert_ok(status);
    compare_held(&again->held, &t->held);
    assert_int_equal(again->config, t->config);
    trained_free(&again);
    trained_free(&t);
}

static void model_changed_before_it_learned_is_as_if_it_had_been_made_so(void **state)
{
    static const char *const jsons[] = {
        FM ",\"labels\":{\"buy\":2},\"optimizer\":{\"learning_rate\":0.01},"
           "\"training\":{\"update_groups\":2}}",
        FM "}"};
    struct learning *l = *state;
    struct checkpoint_bytes made = {0};
    for (size_t i = 0; i < 2; i++) {
        struct trainee *t = trained_make(l, jsons[i]);
        if (i == 1) {
            trained_configure(l, t,
                              "{\"labels\":{\"click\":null,\"buy\":2},\"learning_rate\":"
                              "0.01,\"training\":{\"update_groups\":2}}");
        }
        put_rankings(l, 0);
        learning_stream(l, 30, 1);
        trained_catch_up(l, t);
        if (i == 0) {
            made = trained_bytes(t);
        } else {
            trained_compare(t, &made);
        }
        trained_free(&t);
        learning_teardown(state);
        learning_setup(state);
        l = *state;
    }
    free(made.bytes);
}

static void any_version_comes_out_whichever_way_its_configuration_went(void **state)
{
    struct learning *l = *state;
    struct trainee *t = trained_make(l, configs[0]), *again;
    struct checkpoint_bytes expected;
    int64_t half;
    int round = 50;
    go_on(l, t, &round);
    half = live_version(&t->served->live);
    expected = trained_bytes(t);
    live_on(l, t);
    fixture_run_sql(l->path, "DELETE FROM checkpoint WHERE source <> 'init'");
    again = trained_find(l);
    assert_ok(trainee_reach(again, l->reader, live_version(&t->served->live), NULL));
    assert_ok(trainee_reach(again, l->reader, half, NULL)); /* and back by the older one */
    trained_compare(again, &expected);
    free(expected.bytes);
    trained_free(&again);
    trained_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEARNING_TEST(changed_model_comes_out_the_same_from_every_checkpoint_there_is),
        LEARNING_TEST(step_rows_say_by_which_configuration_they_were_taken),
        LEARNING_TEST(steps_repeated_by_another_configuration_come_out_otherwise),
        LEARNING_TEST(recovered_model_learns_on_by_the_newest_configuration),
        LEARNING_TEST(lists_held_back_keep_the_labels_they_were_held_back_with),
        LEARNING_TEST(model_changed_before_it_learned_is_as_if_it_had_been_made_so),
        LEARNING_TEST(any_version_comes_out_whichever_way_its_configuration_went),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
