/*
 * Steps out of the log: how far one goes, when windows end, and that a range gives the same again.
 */
#include "cut_fixture.h"
#include "store_fixture.h"
#include "test.h"

#include <stdlib.h>

/* ---- planning ---- */

static struct cut_range plan(struct learning *l, const struct model_config *config, int64_t from,
                             int64_t due_from, int64_t now_ms)
{
    struct cut_range range = {.from_seq = from, .due_from = due_from};
    assert_ok(cut_plan(l->reader, CUT_TERMS(config), learning_end(l), now_ms, &range, NULL));
    return range;
}

static void planning_stops_before_the_list_that_would_be_too_many(void **state)
{
    struct learning *l = *state;
    struct model_config config = cut_configure(",\"training\":{\"batch_groups\":2}");
    (void)learning_ranking(l, "r1", CUT_ABCD, "a b c d");
    (void)learning_ranking(l, "r2", CUT_ABCD, "a b c d");
    (void)learning_event(l, "r1", "a", "click", 1);
    (void)learning_event(l, "r2", "a", "click", 1);
    int64_t same = learning_event(l, "r1", "b", "click", 1); /* no third list */
    int64_t batch = learning_batch(l, "{\"items\":[{\"id\":\"a\",\"label\":1},\"b\"]}");
    (void)learning_ranking(l, "r3", CUT_ABCD, "a b c d");
    assert_int_equal(plan(l, &config, 0, 0, 0).to_seq, same);
    assert_int_equal(plan(l, &config, same, 0, 0).to_seq, learning_end(l));
    assert_int_equal(plan(l, &config, batch, 0, 0).to_seq, learning_end(l)); /* nothing is there */
    assert_int_equal(plan(l, &config, 0, 5, 0).due_to, 5);
}

static void planning_reads_on_over_many_pages(void **state)
{
    struct learning *l = *state;
    struct model_config config = cut_configure(",\"training\":{\"batch_groups\":2500}");
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
    struct model_config config = cut_configure(WINDOW);
    struct cut cut = {0};
    int64_t ranking = learning_ranking(l, "r", CUT_ABCD, "a b");
    assert_int_equal(plan(l, &config, 0, 0, l->time_ms + 9999).due_to, 0);
    struct cut_range range = plan(l, &config, 0, 0, l->time_ms + 10000);
    assert_int_equal(range.due_to, ranking);
    assert_ok(cut_groups(l->reader, CUT_TERMS(&config), &range, &cut, NULL));
    assert_int_equal(cut.n, 1);
    assert_string_equal(cut_labels(cut.group[0]), "a=0 b=0");
    assert_int_equal(cut.seq[0], ranking);
    assert_int_equal(cut.time_ms[0], l->time_ms + 10000); /* its window's end made it learnable */
    cut_deinit(&cut);
}

static void clicks_within_the_window_count_and_later_ones_do_not(void **state)
{
    struct learning *l = *state;
    struct model_config config = cut_configure(WINDOW);
    struct cut cut = {0};
    int64_t served_ms = l->time_ms;
    (void)learning_ranking(l, "r", CUT_ABCD, "a b c d");
    l->time_ms = served_ms + 10000;
    int64_t click = learning_event(l, "r", "b", "click", 1);
    l->time_ms = served_ms + 10001;
    (void)learning_event(l, "r", "c", "click", 1);
    struct cut_range range = plan(l, &config, 0, 0, served_ms + 60000);
    assert_ok(cut_groups(l->reader, CUT_TERMS(&config), &range, &cut, NULL));
    assert_int_equal(cut.n, 1);
    assert_string_equal(cut_labels(cut.group[0]), "a=0 b=1 c=0 d=0");
    range = (struct cut_range){.from_seq = 0, .to_seq = click}; /* the events alone make nothing */
    assert_ok(cut_groups(l->reader, CUT_TERMS(&config), &range, &cut, NULL));
    assert_int_equal(cut.n, 0);
    cut_deinit(&cut);
}

static void click_loss_learns_clicks_at_once_and_lists_without_at_their_windows_end(void **state)
{
    struct learning *l = *state;
    struct model_config config = cut_configure(
        ",\"loss\":{\"name\":\"bce_with_logits\"},\"training\":{\"attribution_s\":10}");
    struct cut cut = {0};
    int64_t served_ms = l->time_ms;
    int64_t clicked = learning_ranking(l, "r1", CUT_ABCD, "a b");
    int64_t left = learning_ranking(l, "r2", CUT_ABCD, "a b");
    (void)learning_event(l, "r1", "b", "click", 1);
    struct cut_range range = plan(l, &config, 0, 0, served_ms + 9999);
    assert_ok(cut_groups(l->reader, CUT_TERMS(&config), &range, &cut, NULL));
    assert_true(cut.n == 1 && cut.seq[0] == clicked);
    assert_string_equal(cut_labels(cut.group[0]), "a=0 b=1");
    range = plan(l, &config, range.to_seq, range.due_to, served_ms + 10000);
    assert_ok(cut_groups(l->reader, CUT_TERMS(&config), &range, &cut, NULL));
    assert_true(cut.n == 1 && cut.seq[0] == left);
    assert_string_equal(cut_labels(cut.group[0]), "a=0 b=0");
    cut_deinit(&cut);
}

static void windows_end_in_log_order_and_a_step_takes_a_bounded_number(void **state)
{
    struct learning *l = *state;
    struct model_config config = cut_configure(WINDOW);
    int64_t served_ms = l->time_ms;
    (void)learning_ranking(l, "r1", CUT_ABCD, "a b");
    int64_t second = learning_ranking(l, "r2", CUT_ABCD, "a b");
    l->time_ms = served_ms + 50000;
    int64_t third = learning_ranking(l, "r3", CUT_ABCD, "a b");
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
    struct model_config config = cut_configure(WINDOW);
    struct cut live = {0}, again = {0};
    l->catalogue_seq = learning_features(l, STORE_ITEM, "a", "{\"price\":1}");
    (void)learning_ranking(l, "r", CUT_ABCD, "a b c d");
    (void)learning_event(l, "r", "a", "click", 1);
    learning_stream(l, 2, 3);
    struct cut_range range = plan(l, &config, 0, 0, l->time_ms + 10000);
    assert_ok(cut_groups(l->reader, CUT_TERMS(&config), &range, &live, NULL));
    assert_int_equal(live.n, 3);
    (void)learning_features(l, STORE_ITEM, "a", "{\"price\":2}");
    (void)learning_event(l, "r", "b", "click", 1);
    learning_stream(l, 5, 4);
    learning_close(l);
    learning_open(l);
    assert_ok(cut_groups(l->reader, CUT_TERMS(&config), &range, &again, NULL));
    compare_cuts(&live, &again);
    cut_deinit(&live);
    cut_deinit(&again);
}

/* ---- windows that change ---- */

/* Rankings up to `since` had the first window, those after it have the second. */
struct changed {
    struct cut_era era[2];
    struct cut_terms terms;
    struct model_config config;
};

static void change(struct changed *c, const char *loss, int64_t since, const int64_t window_s[2])
{
    char more[160];
    (void)snprintf(more, sizeof more,
                   ",\"loss\":{\"name\":\"%s\"},\"training\":{\"attribution_s\":%d}", loss,
                   (int)window_s[1]);
    c->config = cut_configure(more);
    c->era[0] = (struct cut_era){.window_ms = window_s[0] * 1000};
    c->era[1] = (struct cut_era){.since = since, .window_ms = window_s[1] * 1000};
    c->terms = (struct cut_terms){
        .model = LEARNING_MODEL, .config = &c->config, .era = c->era, .n_eras = 2};
}

/* Cuts what is there at a time. @return the lists' positions as text: "1 2". */
static const char *cut_at(struct learning *l, const struct changed *c, struct cut_range *range,
                          int64_t now_ms)
{
    static char text[64];
    struct cut cut = {0};
    size_t at = 0;
    range->from_seq = range->to_seq;
    range->due_from = range->due_to;
    assert_ok(cut_plan(l->reader, &c->terms, learning_end(l), now_ms, range, NULL));
    assert_ok(cut_groups(l->reader, &c->terms, range, &cut, NULL));
    text[0] = '\0';
    for (size_t i = 0; i < cut.n; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%d", i > 0 ? " " : "",
                               (int)cut.seq[i]);
    }
    cut_deinit(&cut);
    return text;
}

static void put_two(struct learning *l, const char *first, const char *second)
{
    (void)learning_ranking(l, first, CUT_ABCD, "a b");
    (void)learning_ranking(l, second, CUT_ABCD, "a b");
    (void)learning_event(l, first, "b", "click", 1);
}

static void lists_of_before_a_window_came_are_learned_from_as_they_were_and_once(void **state)
{
    struct learning *l = *state;
    struct changed c;
    struct cut_range range = {0};
    const int64_t now_ms = l->time_ms;
    put_two(l, "r1", "r2"); /* 1, 2; learned from at 3 */
    change(&c, "pairwise_logistic", 3, (const int64_t[]){0, 10});
    range.to_seq = 3;
    put_two(l, "r4", "r5"); /* 4, 5 */
    assert_string_equal(cut_at(l, &c, &range, now_ms), "");
    assert_true(range.to_seq == 6 && range.due_to == 3);
    (void)learning_event(l, "r2", "a", "click", 1); /* late, on a list that does not wait */
    assert_string_equal(cut_at(l, &c, &range, now_ms), "2");
    assert_string_equal(cut_at(l, &c, &range, now_ms + 9999), "");
    assert_string_equal(cut_at(l, &c, &range, now_ms + 10000), "4 5");
    assert_string_equal(cut_at(l, &c, &range, now_ms + 99999), "");
}

static void lists_that_wait_when_the_window_goes_are_learned_from_at_its_end(void **state)
{
    struct learning *l = *state;
    struct changed c;
    struct cut_range range = {0};
    const int64_t now_ms = l->time_ms;
    put_two(l, "r1", "r2"); /* 1, 2 */
    change(&c, "pairwise_logistic", 3, (const int64_t[]){10, 0});
    range.to_seq = 3;
    put_two(l, "r4", "r5"); /* 4, 5 */
    assert_string_equal(cut_at(l, &c, &range, now_ms), "4");
    assert_int_equal(range.due_to, 0);
    assert_true(cut_waits_upto(&c.terms) > range.due_to);
    (void)learning_event(l, "r2", "a", "click", 1); /* within its window */
    assert_string_equal(cut_at(l, &c, &range, now_ms + 9999), "");
    assert_string_equal(cut_at(l, &c, &range, now_ms + 10000), "1 2");
    assert_int_equal(range.due_to, 3);
    assert_false(cut_waits_upto(&c.terms) > range.due_to);
}

static void
shorter_window_counts_for_lists_served_after_it_and_in_the_order_of_the_log(void **state)
{
    struct learning *l = *state;
    struct changed c;
    struct cut_range range = {0};
    const int64_t now_ms = l->time_ms;
    put_two(l, "r1", "r2"); /* 1, 2 */
    change(&c, "bce_with_logits", 3, (const int64_t[]){10, 2});
    put_two(l, "r4", "r5");                                           /* 4, 5 */
    assert_string_equal(cut_at(l, &c, &range, now_ms + 2000), "1 4"); /* clicks do not wait */
    assert_string_equal(cut_at(l, &c, &range, now_ms + 9999), "");
    assert_string_equal(cut_at(l, &c, &range, now_ms + 10000), "2 5");
}

/* Every list once, and the same when cut again, however the windows change and steps are cut. */
static void window_that_changes_often_loses_no_list_and_doubles_none(void **state)
{
    enum {
        ERAS = 6,
        A = 4
    };
    static const int64_t windows[ERAS] = {0, 10, 0, 3, 7, 0};
    struct learning *l = *state;
    struct changed c;
    struct cut_era era[ERAS];
    struct cut_range range = {0};
    char id[16], sql[64];
    int64_t now_ms = l->time_ms, met = 0;
    change(&c, "pairwise_logistic", 0, (const int64_t[]){0, 0});
    c.config.training.batch_groups = 3;
    for (int64_t i = 0; i < ERAS; i++) {
        era[i] = (struct cut_era){.since = learning_end(l), .window_ms = windows[i] * 1000};
        for (int k = 0; k < A; k++) {
            (void)snprintf(id, sizeof id, "r%d-%d", (int)i, k);
            (void)learning_ranking(l, id, CUT_ABCD, "a b");
            (void)learning_event(l, id, "b", "click", 1);
        }
    }
    c.terms.era = era;
    c.terms.n_eras = ERAS;
    for (int step = 0; step < 60; step++, now_ms += 500) {
        const char *lists = cut_at(l, &c, &range, now_ms);
        for (; *lists != '\0'; lists += strcspn(lists, " ") + (strchr(lists, ' ') != NULL)) {
            const int seq = atoi(lists);
            (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM ranking WHERE seq = %d", seq);
            assert_int_equal(fixture_read_number(l->path, sql), 1);
            assert_int_equal(met & INT64_C(1) << (seq / 2), 0);
            met |= INT64_C(1) << (seq / 2);
        }
    }
    assert_int_equal(met, (INT64_C(1) << (ERAS * A)) - 1);
    assert_false(cut_waits_upto(&c.terms) > range.due_to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEARNING_TEST(planning_stops_before_the_list_that_would_be_too_many),
        LEARNING_TEST(planning_reads_on_over_many_pages),
        LEARNING_TEST(list_without_events_is_learned_with_label_0_after_its_window),
        LEARNING_TEST(clicks_within_the_window_count_and_later_ones_do_not),
        LEARNING_TEST(click_loss_learns_clicks_at_once_and_lists_without_at_their_windows_end),
        LEARNING_TEST(windows_end_in_log_order_and_a_step_takes_a_bounded_number),
        LEARNING_TEST(range_cut_again_later_gives_the_same_bytes),
        LEARNING_TEST(lists_of_before_a_window_came_are_learned_from_as_they_were_and_once),
        LEARNING_TEST(lists_that_wait_when_the_window_goes_are_learned_from_at_its_end),
        LEARNING_TEST(shorter_window_counts_for_lists_served_after_it_and_in_the_order_of_the_log),
        LEARNING_TEST(window_that_changes_often_loses_no_list_and_doubles_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
