/*
 * Learning tried and taken back: it says what a step would do, and leaves no trace.
 */
#include "test.h"
#include "trainee_dry_run.h"
#include "trainee_fixture.h"

#include <stdlib.h>

#define LIST                                                                                       \
    "{\"user\":{\"id\":\"u\"},\"items\":[{\"id\":\"a\",\"label\":1},{\"id\":\"b\"},{\"id\":\"c\"}" \
    "]}"
#define NO_PAIR "{\"items\":[{\"id\":\"a\"},{\"id\":\"b\"}]}"

/* Tries lists; frees nothing but what is refused, which goes to text. */
static struct trainee_dry_run try_lists(struct learning *l, struct trainee *t,
                                        const char *const *lists, size_t n, char text[512])
{
    const struct trainee_tools tools = {.store = l->reader, .writer = l->writer};
    size_t length[8];
    struct trainee_dry_run run = {.payload = lists, .payload_n = length, .n = n};
    for (size_t i = 0; i < n; i++) {
        length[i] = strlen(lists[i]);
    }
    assert_ok(trainee_dry_run(t, &tools, &run, NULL));
    (void)snprintf(text, 512, "%s", run.n_refused > 0 ? run.refused.text : "");
    emit_deinit(&run.refused);
    return run;
}

static void what_it_says_is_what_the_step_then_does(void **state)
{
    struct learning *l = *state;
    const char *const lists[] = {LIST, NO_PAIR, LIST};
    struct trainee *t = trained_make(l, "{\"kind\":\"fm\"," LEARNING_SMALL "}");
    struct trainee_dry_run run;
    struct store_step row;
    char refused[512];
    learning_stream(l, 20, 1);
    trained_catch_up(l, t);
    run = try_lists(l, t, lists, 3, refused);
    assert_string_equal(refused, "");
    assert_int_equal(run.version, live_version(&t->served->live));
    assert_int_equal(run.learned.updates, 2);
    for (size_t i = 0; i < 3; i++) {
        (void)learning_batch(l, lists[i]);
    }
    trained_catch_up(l, t);
    assert_int_equal(trained_last_steps(l, t, &row, 1), 1);
    assert_int_equal(row.pairs, (int64_t)run.learned.pairs);
    assert_true(row.loss == run.learned.loss / 2);
    assert_true(row.grad_norm == run.learned.grad_norm);
    trained_free(&t);
}

static void nothing_is_left_of_it_in_parameters_optimizer_or_store(void **state)
{
    struct learning *l = *state;
    const char *const lists[] = {LIST, LIST, LIST};
    struct trainee *t =
        trained_make(l, "{\"kind\":\"fm\"," LEARNING_SMALL ",\"optimizer\":{\"name\":\"adam\"}}");
    struct checkpoint_bytes before;
    struct trainee_dry_run first, again;
    int64_t end, step;
    char refused[512];
    learning_stream(l, 20, 2);
    trained_catch_up(l, t);
    before = trained_bytes(t);
    end = learning_end(l);
    step = t->step;
    first = try_lists(l, t, lists, 3, refused);
    trained_compare(t, &before);
    assert_memory_equal(live_learning(&t->served->live), live_served(&t->served->live),
                        rk_model_params(t->served->model) * sizeof(float));
    again = try_lists(l, t, lists, 3, refused);
    assert_memory_equal(&again.learned, &first.learned, sizeof first.learned);
    assert_int_equal(learning_end(l), end);
    assert_int_equal(t->step, step);
    free(before.bytes);
    trained_check_refold(l, &t);
    trained_free(&t);
}

static void lists_that_would_be_left_out_are_told_by_their_numbers(void **state)
{
    struct learning *l = *state;
    const char *const lists[] = {
        "{\"items\":[{\"id\":\"a\",\"label\":1,\"features\":[1,2]},{\"id\":\"b\"}]}",
        "{\"items\":[{\"id\":\"a\",\"label\":1,\"features\":[1,2,3]},{\"id\":\"b\"}]}",
        "{\"items\":[{\"id\":\"a\",\"label\":1,\"features\":[1,1]},"
        "{\"id\":\"b\",\"features\":[-1,1]}]}"};
    struct trainee *t =
        trained_make(l, "{\"kind\":\"fm\",\"features\":{\"space\":\"indexed\",\"size\":2},"
                        "\"optimizer\":{\"name\":\"sgd\",\"learning_rate\":1}}");
    struct checkpoint_bytes before = trained_bytes(t);
    char refused[512];
    const struct trainee_dry_run run = try_lists(l, t, lists, 3, refused);
    assert_int_equal(run.n_refused, 1);
    assert_int_equal(strncmp(refused, "[{\"group\":1,\"reason\":\"", 22), 0);
    assert_int_equal(run.learned.updates, 2);
    trained_compare(t, &before);
    free(before.bytes);
    trained_free(&t);
}

static void list_that_makes_the_model_not_finite_is_refused_and_others_are_learned(void **state)
{
    struct learning *l = *state;
    char lists[4][256];
    const char *list[4] = {lists[0], lists[1], lists[2], lists[3]};
    struct trainee *t =
        trained_make(l, "{\"kind\":\"fm\",\"features\":{\"space\":\"indexed\",\"size\":2},"
                        "\"optimizer\":{\"name\":\"sgd\",\"learning_rate\":1000}}");
    struct checkpoint_bytes before = trained_bytes(t);
    struct trainee_dry_run run;
    char refused[512];
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(lists[i], sizeof lists[i],
                       "{\"items\":[{\"id\":\"a\",\"features\":[%s,1],\"label\":1},"
                       "{\"id\":\"b\",\"features\":[-1,1]}]}",
                       i % 2 == 0 ? "1" : "1e6");
    }
    run = try_lists(l, t, list, 4, refused);
    assert_true(run.n_refused > 0 && run.learned.updates > 0);
    assert_non_null(strstr(refused, "not finite"));
    trained_compare(t, &before);
    free(before.bytes);
    trained_free(&t);
}

static void teacher_that_says_nothing_is_told(void **state)
{
    struct learning *l = *state;
    const char *const lists[] = {LIST};
    struct trainee *t = trained_make(l, "{\"kind\":\"fm\"," LEARNING_SMALL
                                        ",\"loss\":{\"name\":\"distill_pointwise\"}}");
    char refused[512];
    const struct trainee_dry_run run = try_lists(l, t, lists, 1, refused);
    assert_int_equal(run.n_refused, 1);
    assert_non_null(strstr(refused, "teacher"));
    trained_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEARNING_TEST(what_it_says_is_what_the_step_then_does),
        LEARNING_TEST(nothing_is_left_of_it_in_parameters_optimizer_or_store),
        LEARNING_TEST(lists_that_would_be_left_out_are_told_by_their_numbers),
        LEARNING_TEST(list_that_makes_the_model_not_finite_is_refused_and_others_are_learned),
        LEARNING_TEST(teacher_that_says_nothing_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
