/*
 * Cutting groups out of the log: which lists, which items, which labels, which features.
 */
#include "cut_fixture.h"
#include "store_fixture.h"
#include "test.h"

/* ---- rankings and events ---- */

static void event_joins_its_ranking_with_the_other_shown_items_as_negatives(void **state)
{
    struct learning *l = *state;
    struct model_config config = cut_configure("");
    struct cut cut = {0};
    int64_t ranking = learning_ranking(l, "r", CUT_ABCD, "c a b d");
    l->time_ms = 2000000;
    int64_t event = learning_event(l, "r", "b", "click", 1);
    cut_from(l, &config, 0, event, &cut);
    assert_int_equal(cut.n, 1);
    assert_string_equal(cut_labels(cut.group[0]), "a=0 b=1 c=0 d=0");
    assert_int_equal(cut.seq[0], ranking);
    assert_int_equal(cut.time_ms[0], 2000000); /* the event made it learnable */
    cut_deinit(&cut);
}

static void items_that_were_not_shown_are_left_out(void **state)
{
    struct learning *l = *state;
    struct model_config config = cut_configure("");
    struct cut cut = {0};
    (void)learning_ranking(l, "r", CUT_ABCD, "d b"); /* excluded, or beyond top_k */
    cut_from(l, &config, 0, learning_event(l, "r", "d", "click", 1), &cut);
    assert_int_equal(cut.n, 1);
    assert_string_equal(cut_labels(cut.group[0]), "b=0 d=1");
    cut_deinit(&cut);
}

static void ranking_without_an_event_makes_no_group(void **state)
{
    struct learning *l = *state;
    struct model_config config = cut_configure("");
    struct cut cut = {0};
    cut_from(l, &config, 0, learning_ranking(l, "r", CUT_ABCD, "a b c d"), &cut);
    assert_int_equal(cut.n, 0);
    cut_deinit(&cut);
}

static void several_events_in_a_range_make_one_group(void **state)
{
    struct learning *l = *state;
    struct model_config config = cut_configure(",\"labels\":{\"click\":1,\"buy\":3}");
    struct cut cut = {0};
    (void)learning_ranking(l, "r", CUT_ABCD, "a b c d");
    (void)learning_event(l, "r", "a", "click", 1);
    (void)learning_event(l, "r", "c", "click", 1);
    cut_from(l, &config, 0, learning_event(l, "r", "a", "buy", 1), &cut);
    assert_int_equal(cut.n, 1);
    assert_string_equal(cut_labels(cut.group[0]), "a=3 b=0 c=1 d=0");
    cut_deinit(&cut);
}

static void later_click_makes_a_new_group_with_all_labels(void **state)
{
    struct learning *l = *state;
    struct model_config config = cut_configure("");
    struct cut cut = {0};
    (void)learning_ranking(l, "r", CUT_ABCD, "a b c d");
    int64_t first = learning_event(l, "r", "a", "click", 1);
    int64_t second = learning_event(l, "r", "c", "click", 1);
    cut_from(l, &config, 0, first, &cut);
    assert_string_equal(cut_labels(cut.group[0]), "a=1 b=0 c=0 d=0"); /* not what came later */
    cut_from(l, &config, first, second, &cut);
    assert_int_equal(cut.n, 1);
    assert_string_equal(cut_labels(cut.group[0]), "a=1 b=0 c=1 d=0");
    cut_deinit(&cut);
}

static void event_that_changes_no_label_makes_no_group(void **state)
{
    struct learning *l = *state;
    struct model_config config = cut_configure(",\"labels\":{\"click\":1,\"buy\":3,\"view\":0}");
    struct cut cut = {0};
    (void)learning_ranking(l, "r", CUT_ABCD, "a b c d");
    int64_t buy = learning_event(l, "r", "a", "buy", 1);
    (void)learning_event(l, "r", "a", "click", 1);         /* less than what it has */
    (void)learning_event(l, "r", "a", "buy", 1);           /* again */
    (void)learning_event(l, "r", "b", "view", 1);          /* worth nothing */
    int64_t end = learning_event(l, "r", "b", "share", 1); /* not in the table */
    cut_from(l, &config, buy, end, &cut);
    assert_int_equal(cut.n, 0);
    cut_from(l, &config, 0, end, &cut);
    assert_string_equal(cut_labels(cut.group[0]), "a=3 b=0 c=0 d=0");
    cut_deinit(&cut);
}

static void label_is_the_largest_grade_times_value_and_at_most_31(void **state)
{
    struct learning *l = *state;
    struct model_config config = cut_configure(",\"labels\":{\"click\":1,\"buy\":3}");
    struct cut cut = {0};
    (void)learning_ranking(l, "r", CUT_ABCD, "a b c d");
    (void)learning_event(l, "r", "a", "click", 5);
    (void)learning_event(l, "r", "a", "buy", 1.5);
    (void)learning_event(l, "r", "b", "buy", 1000);
    (void)learning_event(l, "r", "c", "buy", 0.5);
    cut_from(l, &config, 0, learning_event(l, "r", "d", "click", 0), &cut);
    assert_string_equal(cut_labels(cut.group[0]), "a=5 b=31 c=1.5 d=0");
    cut_deinit(&cut);
}

static void types_that_are_not_in_labels_are_not_learned_from(void **state)
{
    struct learning *l = *state;
    struct model_config config = cut_configure(",\"labels\":{\"buy\":1}");
    struct cut cut = {0};
    (void)learning_ranking(l, "r", CUT_ABCD, "a b c d");
    cut_from(l, &config, 0, learning_event(l, "r", "a", "click", 1), &cut);
    assert_int_equal(cut.n, 0);
    cut_deinit(&cut);
}

static void examined_negatives_end_one_below_the_lowest_click(void **state)
{
    struct learning *l = *state;
    struct model_config config = cut_configure(",\"training\":{\"negatives\":\"examined\"}");
    struct cut cut = {0};
    (void)learning_ranking(l, "r1", CUT_ABCD, "c a d b");
    (void)learning_ranking(l, "r2", CUT_ABCD, "c a d b");
    (void)learning_event(l, "r1", "c", "click", 1);
    (void)learning_event(l, "r2", "a", "click", 1);
    cut_from(l, &config, 0, learning_event(l, "r2", "c", "click", 1), &cut);
    assert_int_equal(cut.n, 2);
    assert_string_equal(cut_labels(cut.group[0]), "a=0 c=1");
    assert_string_equal(cut_labels(cut.group[1]), "a=1 c=1 d=0");
    cut_deinit(&cut);
}

static void records_of_another_model_are_not_cut(void **state)
{
    struct learning *l = *state;
    struct model_config config = cut_configure("");
    struct cut cut = {0};
    l->model = 2;
    (void)learning_ranking(l, "r", CUT_ABCD, "a b c d");
    (void)learning_batch(l, "{\"items\":[{\"id\":\"a\",\"label\":1},\"b\"]}");
    cut_from(l, &config, 0, learning_event(l, "r", "a", "click", 1), &cut);
    assert_int_equal(cut.n, 0);
    cut_deinit(&cut);
}

/* ---- batches ---- */

static void batch_lists_are_taken_as_they_are(void **state)
{
    struct learning *l = *state;
    struct model_config config = cut_configure("");
    struct cut cut = {0};
    int64_t first = learning_batch(l, "{\"items\":[{\"id\":\"b\",\"label\":2.5,\"weight\":0.25},"
                                      "{\"id\":\"a\",\"teacher\":-1}]}");
    int64_t second = learning_batch(l, "{\"items\":[\"c\",{\"id\":\"d\",\"label\":1}]}");
    cut_from(l, &config, 0, second, &cut);
    assert_int_equal(cut.n, 2);
    assert_string_equal(cut_labels(cut.group[0]), "b=2.5 a=0");
    assert_true(cut.group[0]->weight[0] == 0.25F && cut.group[0]->weight[1] == 1.0F);
    assert_true(cut.group[0]->teacher[1] == -1.0F);
    assert_string_equal(cut_labels(cut.group[1]), "c=0 d=1");
    assert_int_equal(cut.seq[0], first);
    assert_int_equal(cut.seq[1], second);
    cut_deinit(&cut);
}

static void batch_list_without_items_is_left_out(void **state)
{
    struct learning *l = *state;
    struct model_config config = cut_configure("");
    struct cut cut = {0};
    (void)learning_batch(l, "{\"items\":[]}");
    cut_from(l, &config, 0, learning_batch(l, "{\"items\":[{\"id\":\"a\",\"label\":1},\"b\"]}"),
             &cut);
    assert_int_equal(cut.n, 1);
    cut_deinit(&cut);
}

static void list_that_cannot_be_read_is_left_out_and_others_are_cut(void **state)
{
    struct learning *l = *state;
    struct model_config config = cut_configure("");
    struct cut cut = {0};
    (void)learning_batch(l, "{\"items\":[");
    (void)learning_ranking(l, "r1", "17", "a b");
    (void)learning_event(l, "r1", "a", "click", 1);
    (void)learning_ranking(l, "r2", CUT_ABCD, "a b");
    int64_t end = learning_event(l, "r2", "a", "click", 1);
    cut_from(l, &config, 0, end, &cut);
    assert_int_equal(cut.n, 1);
    assert_string_equal(cut_labels(cut.group[0]), "a=1 b=0");
    fixture_run_sql(l->path, "DELETE FROM ranking WHERE ranking_id = 'r2'");
    cut_from(l, &config, 0, end, &cut);
    assert_int_equal(cut.n, 0);
    cut_deinit(&cut);
}

static void damaged_served_items_leave_out_a_list_that_needs_their_ranks(void **state)
{
    struct learning *l = *state;
    struct model_config config = cut_configure(",\"training\":{\"negatives\":\"examined\"}");
    struct model_config shown = cut_configure("");
    struct cut cut = {0};
    (void)learning_ranking(l, "r", CUT_ABCD, "a b c d");
    int64_t end = learning_event(l, "r", "a", "click", 1);
    learning_close(l);
    fixture_run_sql(l->path, "UPDATE ranking SET served = '[{'");
    learning_open(l);
    cut_from(l, &config, 0, end, &cut);
    assert_int_equal(cut.n, 0);
    cut_from(l, &shown, 0, end, &cut);
    assert_int_equal(cut.n, 1);
    cut_deinit(&cut);
}

/* ---- stored features ---- */

/* The value of a number feature of an item's row, or -1. */
static float value_of(const struct rk_group *group, size_t item, const char *name)
{
    const uint64_t hash = rk_feature_name(RK_ITEM, name, strlen(name));
    for (uint32_t e = group->offset[1 + item]; e < group->offset[2 + item]; e++) {
        if (group->name[e] == hash) {
            return group->value[e];
        }
    }
    return -1.0F;
}

static void stored_features_are_those_of_the_rankings_catalogue_seq(void **state)
{
    struct learning *l = *state;
    struct model_config config = cut_configure("");
    struct cut cut = {0};
    l->catalogue_seq = learning_features(l, STORE_ITEM, "a", "{\"price\":1,\"size\":5}");
    (void)learning_features(l, STORE_ITEM, "a", "{\"price\":2}");
    (void)learning_ranking(l, "r1", "[{\"id\":\"a\",\"features\":{\"size\":7}},\"b\"]", "a b");
    l->catalogue_seq = learning_features(l, STORE_ITEM, "a", "{\"price\":3}");
    (void)learning_ranking(l, "r2", CUT_ABCD, "a b");
    l->catalogue_seq = learning_features(l, STORE_ITEM, "a", NULL);
    (void)learning_ranking(l, "r3", CUT_ABCD, "a b");
    (void)learning_event(l, "r1", "a", "click", 1);
    (void)learning_event(l, "r2", "a", "click", 1);
    cut_from(l, &config, 0, learning_event(l, "r3", "a", "click", 1), &cut);
    assert_int_equal(cut.n, 3);
    assert_true(value_of(cut.group[0], 0, "price") == 1.0F);
    assert_true(value_of(cut.group[0], 0, "size") == 7.0F); /* the request's own wins */
    assert_true(value_of(cut.group[0], 1, "price") == -1.0F);
    assert_true(value_of(cut.group[1], 0, "price") == 3.0F);
    assert_true(value_of(cut.group[2], 0, "price") == -1.0F);
    cut_deinit(&cut);
}

static void batch_whose_stored_features_do_not_fit_does_not_stop_learning(void **state)
{
    struct learning *l = *state;
    struct model_config config;
    struct cut cut = {0};
    learning_config("{\"kind\":\"fm\",\"features\":{\"space\":\"indexed\",\"size\":10}}", &config);
    l->catalogue_seq = learning_features(l, STORE_ITEM, "a", "{\"17\":1}"); /* no such column */
    (void)learning_batch(l, "{\"items\":[{\"id\":\"a\",\"label\":1},\"b\"]}");
    int64_t good =
        learning_batch(l, "{\"items\":[{\"id\":\"c\",\"label\":1,\"features\":{\"3\":1}},\"d\"]}");
    cut_from(l, &config, 0, good, &cut);
    assert_int_equal(cut.n, 1);
    assert_int_equal(cut.seq[0], good);
    cut_deinit(&cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEARNING_TEST(event_joins_its_ranking_with_the_other_shown_items_as_negatives),
        LEARNING_TEST(items_that_were_not_shown_are_left_out),
        LEARNING_TEST(ranking_without_an_event_makes_no_group),
        LEARNING_TEST(several_events_in_a_range_make_one_group),
        LEARNING_TEST(later_click_makes_a_new_group_with_all_labels),
        LEARNING_TEST(event_that_changes_no_label_makes_no_group),
        LEARNING_TEST(label_is_the_largest_grade_times_value_and_at_most_31),
        LEARNING_TEST(types_that_are_not_in_labels_are_not_learned_from),
        LEARNING_TEST(examined_negatives_end_one_below_the_lowest_click),
        LEARNING_TEST(records_of_another_model_are_not_cut),
        LEARNING_TEST(batch_lists_are_taken_as_they_are),
        LEARNING_TEST(batch_list_without_items_is_left_out),
        LEARNING_TEST(list_that_cannot_be_read_is_left_out_and_others_are_cut),
        LEARNING_TEST(damaged_served_items_leave_out_a_list_that_needs_their_ranks),
        LEARNING_TEST(stored_features_are_those_of_the_rankings_catalogue_seq),
        LEARNING_TEST(batch_whose_stored_features_do_not_fit_does_not_stop_learning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
