/*
 * Cutting steps out of the log: which lists, which items, which labels.
 */
#include "cut.h"
#include "learning_fixture.h"
#include "store_fixture.h"
#include "test.h"

#define PLAIN "{\"kind\":\"fm\"," LEARNING_SMALL
#define ABCD  "[\"a\",\"b\",\"c\",\"d\"]"

/* A configuration with more members after kind and size. */
static struct model_config configure(const char *more)
{
    struct model_config config;
    char json[512];
    (void)snprintf(json, sizeof json, PLAIN "%s}", more);
    learning_config(json, &config);
    return config;
}

/* Cuts (from, to] of the log. */
static void cut_from(struct learning *l, const struct model_config *config, int64_t from,
                     int64_t to, struct cut *cut)
{
    const struct cut_range range = {.from_seq = from, .to_seq = to};
    assert_ok(cut_groups(l->reader, LEARNING_MODEL, config, &range, cut, NULL));
}

/* Is the feature of an id in an item's row? */
static bool has_id(const struct rk_group *group, size_t item, const char *id)
{
    const struct rk_feature wanted = rk_feature_category(RK_ITEM, "id", 2, id, strlen(id), 1.0F);
    for (uint32_t e = group->offset[1 + item]; e < group->offset[2 + item]; e++) {
        if (group->name[e] == wanted.name && group->index[e] == (wanted.hash & 1023)) {
            return true;
        }
    }
    return false;
}

/* A group's labels by item, as text: "a=1 b=0". */
static const char *labels_of(const struct rk_group *group)
{
    static char text[256];
    static const char *const ids[] = {"a", "b", "c", "d"};
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < group->n_items; i++) {
        const char *id = "?";
        for (size_t k = 0; k < 4; k++) {
            id = has_id(group, i, ids[k]) ? ids[k] : id;
        }
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s=%g", i > 0 ? " " : "", id,
                               (double)group->label[i]);
    }
    return text;
}

/* ---- rankings and events ---- */

static void event_joins_its_ranking_with_the_other_shown_items_as_negatives(void **state)
{
    struct learning *l = *state;
    struct model_config config = configure("");
    struct cut cut = {0};
    int64_t ranking = learning_ranking(l, "r", ABCD, "c a b d");
    l->time_ms = 2000000;
    int64_t event = learning_event(l, "r", "b", "click", 1);
    cut_from(l, &config, 0, event, &cut);
    assert_int_equal(cut.n, 1);
    assert_string_equal(labels_of(cut.group[0]), "a=0 b=1 c=0 d=0");
    assert_int_equal(cut.seq[0], ranking);
    assert_int_equal(cut.time_ms[0], 2000000); /* the event made it learnable */
    cut_deinit(&cut);
}

static void items_that_were_not_shown_are_left_out(void **state)
{
    struct learning *l = *state;
    struct model_config config = configure("");
    struct cut cut = {0};
    (void)learning_ranking(l, "r", ABCD, "d b"); /* excluded, or beyond top_k */
    cut_from(l, &config, 0, learning_event(l, "r", "d", "click", 1), &cut);
    assert_int_equal(cut.n, 1);
    assert_string_equal(labels_of(cut.group[0]), "b=0 d=1");
    cut_deinit(&cut);
}

static void ranking_without_an_event_makes_no_group(void **state)
{
    struct learning *l = *state;
    struct model_config config = configure("");
    struct cut cut = {0};
    cut_from(l, &config, 0, learning_ranking(l, "r", ABCD, "a b c d"), &cut);
    assert_int_equal(cut.n, 0);
    cut_deinit(&cut);
}

static void several_events_in_a_range_make_one_group(void **state)
{
    struct learning *l = *state;
    struct model_config config = configure(",\"labels\":{\"click\":1,\"buy\":3}");
    struct cut cut = {0};
    (void)learning_ranking(l, "r", ABCD, "a b c d");
    (void)learning_event(l, "r", "a", "click", 1);
    (void)learning_event(l, "r", "c", "click", 1);
    cut_from(l, &config, 0, learning_event(l, "r", "a", "buy", 1), &cut);
    assert_int_equal(cut.n, 1);
    assert_string_equal(labels_of(cut.group[0]), "a=3 b=0 c=1 d=0");
    cut_deinit(&cut);
}

static void later_click_makes_a_new_group_with_all_labels(void **state)
{
    struct learning *l = *state;
    struct model_config config = configure("");
    struct cut cut = {0};
    (void)learning_ranking(l, "r", ABCD, "a b c d");
    int64_t first = learning_event(l, "r", "a", "click", 1);
    int64_t second = learning_event(l, "r", "c", "click", 1);
    cut_from(l, &config, 0, first, &cut);
    assert_string_equal(labels_of(cut.group[0]), "a=1 b=0 c=0 d=0"); /* not what came later */
    cut_from(l, &config, first, second, &cut);
    assert_int_equal(cut.n, 1);
    assert_string_equal(labels_of(cut.group[0]), "a=1 b=0 c=1 d=0");
    cut_deinit(&cut);
}

static void event_that_changes_no_label_makes_no_group(void **state)
{
    struct learning *l = *state;
    struct model_config config = configure(",\"labels\":{\"click\":1,\"buy\":3,\"view\":0}");
    struct cut cut = {0};
    (void)learning_ranking(l, "r", ABCD, "a b c d");
    int64_t buy = learning_event(l, "r", "a", "buy", 1);
    (void)learning_event(l, "r", "a", "click", 1);         /* less than what it has */
    (void)learning_event(l, "r", "a", "buy", 1);           /* again */
    (void)learning_event(l, "r", "b", "view", 1);          /* worth nothing */
    int64_t end = learning_event(l, "r", "b", "share", 1); /* not in the table */
    cut_from(l, &config, buy, end, &cut);
    assert_int_equal(cut.n, 0);
    cut_from(l, &config, 0, end, &cut);
    assert_string_equal(labels_of(cut.group[0]), "a=3 b=0 c=0 d=0");
    cut_deinit(&cut);
}

static void label_is_the_largest_grade_times_value_and_at_most_31(void **state)
{
    struct learning *l = *state;
    struct model_config config = configure(",\"labels\":{\"click\":1,\"buy\":3}");
    struct cut cut = {0};
    (void)learning_ranking(l, "r", ABCD, "a b c d");
    (void)learning_event(l, "r", "a", "click", 5);
    (void)learning_event(l, "r", "a", "buy", 1.5);
    (void)learning_event(l, "r", "b", "buy", 1000);
    (void)learning_event(l, "r", "c", "buy", 0.5);
    cut_from(l, &config, 0, learning_event(l, "r", "d", "click", 0), &cut);
    assert_string_equal(labels_of(cut.group[0]), "a=5 b=31 c=1.5 d=0");
    cut_deinit(&cut);
}

static void types_that_are_not_in_labels_are_not_learned_from(void **state)
{
    struct learning *l = *state;
    struct model_config config = configure(",\"labels\":{\"buy\":1}");
    struct cut cut = {0};
    (void)learning_ranking(l, "r", ABCD, "a b c d");
    cut_from(l, &config, 0, learning_event(l, "r", "a", "click", 1), &cut);
    assert_int_equal(cut.n, 0);
    cut_deinit(&cut);
}

static void examined_negatives_end_one_below_the_lowest_click(void **state)
{
    struct learning *l = *state;
    struct model_config config = configure(",\"training\":{\"negatives\":\"examined\"}");
    struct cut cut = {0};
    (void)learning_ranking(l, "r1", ABCD, "c a d b");
    (void)learning_ranking(l, "r2", ABCD, "c a d b");
    (void)learning_event(l, "r1", "c", "click", 1);
    (void)learning_event(l, "r2", "a", "click", 1);
    cut_from(l, &config, 0, learning_event(l, "r2", "c", "click", 1), &cut);
    assert_int_equal(cut.n, 2);
    assert_string_equal(labels_of(cut.group[0]), "a=0 c=1");
    assert_string_equal(labels_of(cut.group[1]), "a=1 c=1 d=0");
    cut_deinit(&cut);
}

static void records_of_another_model_are_not_cut(void **state)
{
    struct learning *l = *state;
    struct model_config config = configure("");
    struct cut cut = {0};
    l->model = 2;
    (void)learning_ranking(l, "r", ABCD, "a b c d");
    (void)learning_batch(l, "{\"items\":[{\"id\":\"a\",\"label\":1},\"b\"]}");
    cut_from(l, &config, 0, learning_event(l, "r", "a", "click", 1), &cut);
    assert_int_equal(cut.n, 0);
    cut_deinit(&cut);
}

/* ---- batches ---- */

static void batch_lists_are_taken_as_they_are(void **state)
{
    struct learning *l = *state;
    struct model_config config = configure("");
    struct cut cut = {0};
    int64_t first = learning_batch(l, "{\"items\":[{\"id\":\"b\",\"label\":2.5,\"weight\":0.25},"
                                      "{\"id\":\"a\",\"teacher\":-1}]}");
    int64_t second = learning_batch(l, "{\"items\":[\"c\",{\"id\":\"d\",\"label\":1}]}");
    cut_from(l, &config, 0, second, &cut);
    assert_int_equal(cut.n, 2);
    assert_string_equal(labels_of(cut.group[0]), "b=2.5 a=0");
    assert_true(cut.group[0]->weight[0] == 0.25F && cut.group[0]->weight[1] == 1.0F);
    assert_true(cut.group[0]->teacher[1] == -1.0F);
    assert_string_equal(labels_of(cut.group[1]), "c=0 d=1");
    assert_int_equal(cut.seq[0], first);
    assert_int_equal(cut.seq[1], second);
    cut_deinit(&cut);
}

static void batch_list_without_items_is_left_out(void **state)
{
    struct learning *l = *state;
    struct model_config config = configure("");
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
    struct model_config config = configure("");
    struct cut cut = {0};
    (void)learning_batch(l, "{\"items\":[");
    (void)learning_ranking(l, "r1", "17", "a b");
    (void)learning_event(l, "r1", "a", "click", 1);
    (void)learning_ranking(l, "r2", ABCD, "a b");
    int64_t end = learning_event(l, "r2", "a", "click", 1);
    cut_from(l, &config, 0, end, &cut);
    assert_int_equal(cut.n, 1);
    assert_string_equal(labels_of(cut.group[0]), "a=1 b=0");
    learning_close(l);
    fixture_run_sql(l->path, "DELETE FROM ranking WHERE ranking_id = 'r2'");
    learning_open(l);
    cut_from(l, &config, 0, end, &cut);
    assert_int_equal(cut.n, 0);
    cut_deinit(&cut);
}

static void damaged_served_items_leave_out_a_list_that_needs_their_ranks(void **state)
{
    struct learning *l = *state;
    struct model_config config = configure(",\"training\":{\"negatives\":\"examined\"}");
    struct model_config shown = configure("");
    struct cut cut = {0};
    (void)learning_ranking(l, "r", ABCD, "a b c d");
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
    struct model_config config = configure("");
    struct cut cut = {0};
    l->catalogue_seq = learning_features(l, STORE_ITEM, "a", "{\"price\":1,\"size\":5}");
    (void)learning_features(l, STORE_ITEM, "a", "{\"price\":2}");
    (void)learning_ranking(l, "r1", "[{\"id\":\"a\",\"features\":{\"size\":7}},\"b\"]", "a b");
    l->catalogue_seq = learning_features(l, STORE_ITEM, "a", "{\"price\":3}");
    (void)learning_ranking(l, "r2", ABCD, "a b");
    l->catalogue_seq = learning_features(l, STORE_ITEM, "a", NULL);
    (void)learning_ranking(l, "r3", ABCD, "a b");
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

/* ---- planning ---- */

static struct cut_range plan(struct learning *l, const struct model_config *config, int64_t from,
                             int64_t due_from, int64_t now_ms)
{
    struct cut_range range = {.from_seq = from, .due_from = due_from};
    assert_ok(cut_plan(l->reader, LEARNING_MODEL, config, learning_end(l), now_ms, &range, NULL));
    return range;
}

static void planning_stops_before_the_list_that_would_be_too_many(void **state)
{
    struct learning *l = *state;
    struct model_config config = configure(",\"training\":{\"batch_groups\":2}");
    (void)learning_ranking(l, "r1", ABCD, "a b c d");
    (void)learning_ranking(l, "r2", ABCD, "a b c d");
    (void)learning_event(l, "r1", "a", "click", 1);
    (void)learning_event(l, "r2", "a", "click", 1);
    int64_t same = learning_event(l, "r1", "b", "click", 1); /* no third list */
    int64_t batch = learning_batch(l, "{\"items\":[{\"id\":\"a\",\"label\":1},\"b\"]}");
    (void)learning_ranking(l, "r3", ABCD, "a b c d");
    assert_int_equal(plan(l, &config, 0, 0, 0).to_seq, same);
    assert_int_equal(plan(l, &config, same, 0, 0).to_seq, learning_end(l));
    assert_int_equal(plan(l, &config, batch, 0, 0).to_seq, learning_end(l)); /* nothing is there */
    assert_int_equal(plan(l, &config, 0, 5, 0).due_to, 5);
}

static void planning_reads_on_over_many_pages(void **state)
{
    struct learning *l = *state;
    struct model_config config = configure(",\"training\":{\"batch_groups\":2500}");
    learning_stream(l, 3000, 1);
    struct cut_range range = plan(l, &config, 0, 0, 0);
    struct cut cut = {0};
    assert_int_equal(range.to_seq, 2500);
    cut_from(l, &config, range.from_seq, range.to_seq, &cut);
    assert_int_equal(cut.n, 2500);
    assert_int_equal(cut.seq[2499], 2500);
    cut_deinit(&cut);
}

/* ---- windows ---- */

#define WINDOW ",\"training\":{\"attribution_s\":10,\"batch_groups\":2}"

static void list_without_events_is_learned_with_label_0_after_its_window(void **state)
{
    struct learning *l = *state;
    struct model_config config = configure(WINDOW);
    struct cut cut = {0};
    int64_t ranking = learning_ranking(l, "r", ABCD, "a b");
    assert_int_equal(plan(l, &config, 0, 0, l->time_ms + 9999).due_to, 0);
    struct cut_range range = plan(l, &config, 0, 0, l->time_ms + 10000);
    assert_int_equal(range.due_to, ranking);
    assert_ok(cut_groups(l->reader, LEARNING_MODEL, &config, &range, &cut, NULL));
    assert_int_equal(cut.n, 1);
    assert_string_equal(labels_of(cut.group[0]), "a=0 b=0");
    assert_int_equal(cut.seq[0], ranking);
    assert_int_equal(cut.time_ms[0], l->time_ms + 10000); /* its window's end made it learnable */
    cut_deinit(&cut);
}

static void clicks_within_the_window_count_and_later_ones_do_not(void **state)
{
    struct learning *l = *state;
    struct model_config config = configure(WINDOW);
    struct cut cut = {0};
    int64_t served_ms = l->time_ms;
    (void)learning_ranking(l, "r", ABCD, "a b c d");
    l->time_ms = served_ms + 10000;
    int64_t click = learning_event(l, "r", "b", "click", 1);
    l->time_ms = served_ms + 10001;
    (void)learning_event(l, "r", "c", "click", 1);
    struct cut_range range = plan(l, &config, 0, 0, served_ms + 60000);
    assert_ok(cut_groups(l->reader, LEARNING_MODEL, &config, &range, &cut, NULL));
    assert_int_equal(cut.n, 1);
    assert_string_equal(labels_of(cut.group[0]), "a=0 b=1 c=0 d=0");
    range = (struct cut_range){.from_seq = 0, .to_seq = click}; /* the events alone make nothing */
    assert_ok(cut_groups(l->reader, LEARNING_MODEL, &config, &range, &cut, NULL));
    assert_int_equal(cut.n, 0);
    cut_deinit(&cut);
}

static void click_loss_learns_clicks_at_once_and_lists_without_at_their_windows_end(void **state)
{
    struct learning *l = *state;
    struct model_config config =
        configure(",\"loss\":{\"name\":\"bce_with_logits\"},\"training\":{\"attribution_s\":10}");
    struct cut cut = {0};
    int64_t served_ms = l->time_ms;
    int64_t clicked = learning_ranking(l, "r1", ABCD, "a b");
    int64_t left = learning_ranking(l, "r2", ABCD, "a b");
    (void)learning_event(l, "r1", "b", "click", 1);
    struct cut_range range = plan(l, &config, 0, 0, served_ms + 9999);
    assert_ok(cut_groups(l->reader, LEARNING_MODEL, &config, &range, &cut, NULL));
    assert_true(cut.n == 1 && cut.seq[0] == clicked);
    assert_string_equal(labels_of(cut.group[0]), "a=0 b=1");
    range = plan(l, &config, range.to_seq, range.due_to, served_ms + 10000);
    assert_ok(cut_groups(l->reader, LEARNING_MODEL, &config, &range, &cut, NULL));
    assert_true(cut.n == 1 && cut.seq[0] == left);
    assert_string_equal(labels_of(cut.group[0]), "a=0 b=0");
    cut_deinit(&cut);
}

static void windows_end_in_log_order_and_a_step_takes_a_bounded_number(void **state)
{
    struct learning *l = *state;
    struct model_config config = configure(WINDOW);
    int64_t served_ms = l->time_ms;
    (void)learning_ranking(l, "r1", ABCD, "a b");
    int64_t second = learning_ranking(l, "r2", ABCD, "a b");
    l->time_ms = served_ms + 50000;
    int64_t third = learning_ranking(l, "r3", ABCD, "a b");
    (void)learning_batch(l,
                         "{\"items\":[{\"id\":\"a\",\"label\":1},\"b\"]}"); /* waits for nothing */
    struct cut_range range = plan(l, &config, 0, 0, served_ms + 100000);
    assert_int_equal(range.due_to, second);
    assert_int_equal(range.to_seq, learning_end(l));
    assert_int_equal(plan(l, &config, range.to_seq, second, served_ms + 59999).due_to, second);
    assert_int_equal(plan(l, &config, range.to_seq, second, served_ms + 60000).due_to, third);
}

/* ---- replay ---- */

static void compare_cuts(const struct cut *a, const struct cut *b)
{
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        const struct rk_group *x = a->group[i], *y = b->group[i];
        const size_t rows = x->n_items + 1, nnz = x->offset[rows];
        assert_int_equal(x->n_items, y->n_items);
        assert_int_equal(a->seq[i], b->seq[i]);
        assert_memory_equal(x->offset, y->offset, (rows + 1) * sizeof *x->offset);
        assert_memory_equal(x->index, y->index, nnz * sizeof *x->index);
        assert_memory_equal(x->value, y->value, nnz * sizeof *x->value);
        assert_memory_equal(x->name, y->name, nnz * sizeof *x->name);
        assert_memory_equal(x->id, y->id, rows * sizeof *x->id);
        assert_memory_equal(x->label, y->label, x->n_items * sizeof *x->label);
        assert_memory_equal(x->weight, y->weight, x->n_items * sizeof *x->weight);
    }
}

static void range_cut_again_later_gives_the_same_bytes(void **state)
{
    struct learning *l = *state;
    struct model_config config = configure(WINDOW);
    struct cut live = {0}, again = {0};
    l->catalogue_seq = learning_features(l, STORE_ITEM, "a", "{\"price\":1}");
    (void)learning_ranking(l, "r", ABCD, "a b c d");
    (void)learning_event(l, "r", "a", "click", 1);
    learning_stream(l, 2, 3);
    struct cut_range range = plan(l, &config, 0, 0, l->time_ms + 10000);
    assert_ok(cut_groups(l->reader, LEARNING_MODEL, &config, &range, &live, NULL));
    assert_int_equal(live.n, 3);
    (void)learning_features(l, STORE_ITEM, "a", "{\"price\":2}");
    (void)learning_event(l, "r", "b", "click", 1);
    learning_stream(l, 5, 4);
    learning_close(l);
    learning_open(l);
    assert_ok(cut_groups(l->reader, LEARNING_MODEL, &config, &range, &again, NULL));
    compare_cuts(&live, &again);
    cut_deinit(&live);
    cut_deinit(&again);
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
        LEARNING_TEST(planning_stops_before_the_list_that_would_be_too_many),
        LEARNING_TEST(planning_reads_on_over_many_pages),
        LEARNING_TEST(list_without_events_is_learned_with_label_0_after_its_window),
        LEARNING_TEST(clicks_within_the_window_count_and_later_ones_do_not),
        LEARNING_TEST(click_loss_learns_clicks_at_once_and_lists_without_at_their_windows_end),
        LEARNING_TEST(windows_end_in_log_order_and_a_step_takes_a_bounded_number),
        LEARNING_TEST(range_cut_again_later_gives_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
