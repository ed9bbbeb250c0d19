/*
 * Records of a body: lines of NDJSON and elements of arrays, and where in the body an error is.
 */
#include "codec_records.h"
#include "list_fixture.h"
#include "test.h"

/* Collects the number `n` of each record; refuses 13. */
struct seen {
    double n[8];
    size_t count;
};

static bool see(void *context, struct pull *pull)
{
    struct seen *seen = context;
    struct span key;

    assert_true(seen->count < 8);
    if (!pull_object(pull) || !pull_member(pull, &key) || !span_is(key, "n") ||
        !pull_number(pull, 0, 100, &seen->n[seen->count])) {
        return false;
    }
    return seen->n[seen->count++] < 13
               ? !pull_member(pull, &key) && pull_good(pull)
               : pull_problem(pull, PROBLEM_VALIDATION_FAILED, "is not lucky");
}

static bool read_lines(const char *text, struct seen *seen, struct problem *problem)
{
    const struct codec_reader reader = {see, seen};
    struct pull_memory memory = {0};
    bool read;

    *seen = (struct seen){0};
    *problem = (struct problem){0};
    read = codec_each_line(text, strlen(text), &memory, &reader, problem);
    pull_memory_deinit(&memory);
    return read;
}

static void refuses(const char *text, enum problem_kind kind, const char *pointer, size_t before)
{
    struct seen seen;
    struct problem problem;

    assert_false(read_lines(text, &seen, &problem));
    fixture_assert_problem(text, &problem, kind, pointer);
    assert_int_equal(seen.count, before);
}

static void each_line_is_a_record_with_its_number(void **state)
{
    struct seen seen;
    struct problem problem;

    (void)state;
    assert_true(read_lines("{\"n\":1}\n\n{\"n\":2}\r\n  {\"n\":3}", &seen, &problem));
    assert_int_equal(seen.count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(seen.n[i] == (double)i + 1);
    }
    assert_true(read_lines("", &seen, &problem));
    assert_int_equal(seen.count, 0);
}

static void an_error_in_a_record_ends_the_walk_at_its_number(void **state)
{
    (void)state;
    refuses("{\"n\":1}\n\n{\"n\":13}\n{\"n\":2}", PROBLEM_VALIDATION_FAILED, "/1/n", 2);
    refuses("{\"n\":1}\n[]\n", PROBLEM_VALIDATION_FAILED, "/1", 1);
}

static void a_broken_line_is_told_with_its_number_and_its_line(void **state)
{
    struct seen seen;
    struct problem problem;

    (void)state;
    refuses("{\"n\":1}\n\n{\"n\":}\n", PROBLEM_INVALID_JSON, "/1", 1);
    assert_false(read_lines("{\"n\":1}\n\n{\"n\":}\n", &seen, &problem));
    assert_non_null(strstr(problem.detail, "at line 3, column 6"));
    refuses("{\"n\":1,\"n\":2}", PROBLEM_DUPLICATE_KEY, "/0/n", 1);
    refuses("{\"n\":1}\n[[[[[[[[[1]]]]]]]]]", PROBLEM_TOO_DEEP, "/1", 1);
    refuses("{\"n\":1} {\"n\":2}", PROBLEM_INVALID_JSON, "/0", 1);
}

static void one_record_may_not_span_two_lines(void **state)
{
    (void)state;
    refuses("{\"n\":1}\n{\n\"n\":1}", PROBLEM_INVALID_JSON, "/1", 1);
}

static void elements_of_an_array_are_records_too(void **state)
{
    static const char text[] = "[{\"n\":1},{\"n\":2},{\"n\":13},{\"n\":3}]";
    struct pull_memory memory = {0};
    struct pull pull;
    struct problem problem = {0};
    struct seen seen = {0};
    const struct codec_reader reader = {see, &seen};

    (void)state;
    assert_true(pull_begin(&pull, text, strlen(text), &memory, &problem));
    assert_false(codec_each_element(&pull, &reader));
    fixture_assert_problem(text, &problem, PROBLEM_VALIDATION_FAILED, "/2/n");
    assert_int_equal(seen.count, 3);
    pull_memory_deinit(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_is_a_record_with_its_number),
        cmocka_unit_test(an_error_in_a_record_ends_the_walk_at_its_number),
        cmocka_unit_test(a_broken_line_is_told_with_its_number_and_its_line),
        cmocka_unit_test(one_record_may_not_span_two_lines),
        cmocka_unit_test(elements_of_an_array_are_records_too),
    };
    json_start();
    return cmocka_run_group_tests_name("codec_records", tests, NULL, NULL);
}
