/*
 * Problems: the table is whole and consistent, the first problem wins, core errors have their kind.
 */
#include "problem.h"
#include "test.h"

static void every_kind_has_all_its_facts(void **state)
{
    (void)state;
    for (int i = PROBLEM_NONE + 1; i < PROBLEM_COUNT; i++) {
        enum problem_kind kind = (enum problem_kind)i;
        assert_non_null(problem_slug(kind));
        assert_non_null(problem_title(kind));
        if (problem_explanation(kind) == NULL) {
            fail_msg("%s has no explanation", problem_slug(kind));
        }
        assert_true(strlen(problem_explanation(kind)) > 60);
        assert_in_range(problem_status(kind), 400, 599);
        assert_int_equal(problem_retry_after_s(kind) > 0, problem_status(kind) == 429 ||
                                                              problem_status(kind) == 503 ||
                                                              problem_status(kind) == 507);
    }
}

static void slugs_are_unique_lower_case_words_and_found_again(void **state)
{
    (void)state;
    for (int i = PROBLEM_NONE + 1; i < PROBLEM_COUNT; i++) {
        const char *slug = problem_slug((enum problem_kind)i);
        assert_int_equal(problem_find(slug), i);
        assert_int_equal(strspn(slug, "abcdefghijklmnopqrstuvwxyz-"), strlen(slug));
    }
    assert_int_equal(problem_find("no-such-slug"), PROBLEM_NONE);
    assert_int_equal(problem_find(""), PROBLEM_NONE);
}

static void explanations_are_whole_sentences_in_plain_text(void **state)
{
    (void)state;
    for (int i = PROBLEM_NONE + 1; i < PROBLEM_COUNT; i++) {
        const char *text = problem_explanation((enum problem_kind)i);
        assert_int_equal(text[strlen(text) - 1], '.');
        assert_null(strstr(text, "  "));
        assert_null(strchr(text, '\n'));
        for (int j = PROBLEM_NONE + 1; j < i; j++) {
            assert_string_not_equal(text, problem_explanation((enum problem_kind)j));
        }
    }
}

static void the_first_problem_wins(void **state)
{
    struct problem problem = {0};
    (void)state;
    assert_false(problem_set(&problem, PROBLEM_DRAINING, "first %d", 1));
    assert_false(problem_set(&problem, PROBLEM_INTERNAL, "second"));
    assert_int_equal(problem.kind, PROBLEM_DRAINING);
    assert_string_equal(problem.detail, "first 1");
    assert_false(problem.has_pointer);
    assert_string_equal(problem.pointer, "");
}

static void a_detail_that_is_too_long_is_cut(void **state)
{
    struct problem problem = {0};
    char text[600];
    (void)state;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    problem_set(&problem, PROBLEM_INTERNAL, "%s", text);
    assert_int_equal(strlen(problem.detail), sizeof problem.detail - 1);
}

static void core_errors_have_their_kind(void **state)
{
    static const struct {
        enum rk_status status;
        enum problem_kind kind;
    } cases[] = {
        {RK_INVALID, PROBLEM_VALIDATION_FAILED}, {RK_NOTFOUND, PROBLEM_NOT_FOUND},
        {RK_TOOBIG, PROBLEM_LIMIT_EXCEEDED},     {RK_MISMATCH, PROBLEM_VALIDATION_FAILED},
        {RK_CORRUPT, PROBLEM_STORAGE_CORRUPT},   {RK_BUSY, PROBLEM_OVERLOADED},
        {RK_IO, PROBLEM_STORAGE_ERROR},          {RK_NOMEM, PROBLEM_OUT_OF_MEMORY},
        {RK_DIVERGED, PROBLEM_NON_FINITE_SCORE}, {RK_OK, PROBLEM_INTERNAL},
        {(enum rk_status)99, PROBLEM_INTERNAL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct problem problem = {0};
        struct rk_error err = {.status = cases[i].status, .text = "100%s wrong"};
        assert_false(problem_from_error(&problem, &err));
        assert_int_equal(problem.kind, cases[i].kind);
        assert_string_equal(problem.detail, "100%s wrong");
    }
}

static void a_core_error_without_text_gets_the_text_of_its_status(void **state)
{
    struct problem problem = {0};
    struct rk_error err = {.status = RK_NOMEM};
    (void)state;
    problem_from_error(&problem, &err);
    assert_string_equal(problem.detail, "out of memory");
}

static void short_memory_is_told_apart_from_damage_where_stored_text_is_read(void **state)
{
    struct problem problem = {0};
    struct rk_error err = {0};
    (void)state;
    problem_set(&problem, PROBLEM_OUT_OF_MEMORY, "no memory");
    assert_status(problem_stored(&problem, &err, "the list of %s", "m"), RK_NOMEM);
    assert_string_equal(err.text, "the list of m: no memory");
    problem = (struct problem){0};
    err = (struct rk_error){0};
    problem_set(&problem, PROBLEM_INVALID_JSON, "no end");
    assert_status(problem_stored(&problem, &err, "the list"), RK_CORRUPT);
    assert_string_equal(err.text, "the list: no end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_all_its_facts),
        cmocka_unit_test(slugs_are_unique_lower_case_words_and_found_again),
        cmocka_unit_test(explanations_are_whole_sentences_in_plain_text),
        cmocka_unit_test(the_first_problem_wins),
        cmocka_unit_test(a_detail_that_is_too_long_is_cut),
        cmocka_unit_test(core_errors_have_their_kind),
        cmocka_unit_test(a_core_error_without_text_gets_the_text_of_its_status),
        cmocka_unit_test(short_memory_is_told_apart_from_damage_where_stored_text_is_read),
    };
    return cmocka_run_group_tests_name("problem", tests, NULL, NULL);
}
