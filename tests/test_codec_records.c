/*
 * Records of a body: lines of NDJSON and elements of arrays, and where in the body an error is.
 */
#include "codec_records.h"
#include "list_fixture.h"
#include "test.h"

#define BUDGET ((size_t)1 << 20)

/* Collects the number `n` of each record; refuses 13. */
struct seen {
    double n[8];
    size_t index[8];
    size_t count;
};

static bool see(void *context, const struct json_node *record, struct problem *problem)
{
    struct seen *seen = context;
    struct json_node member;

    assert_true(seen->count < 8);
    if (!json_as_object(record, problem) || !json_member(record, "n", &member) ||
        !json_as_number(&member, 0, 100, &seen->n[seen->count], problem)) {
        return false;
    }
    seen->index[seen->count] = record->index;
    return seen->n[seen->count++] < 13 ||
           json_problem(&member, PROBLEM_VALIDATION_FAILED, problem, "is not lucky");
}

static bool read_lines(const char *text, struct seen *seen, struct problem *problem)
{
    const struct codec_reader reader = {see, seen};

    *seen = (struct seen){0};
    *problem = (struct problem){0};
    return codec_each_line(text, strlen(text), BUDGET, &reader, problem);
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
        assert_int_equal(seen.index[i], i);
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
    refuses("{\"n\":1,\"n\":2}", PROBLEM_DUPLICATE_KEY, "/0", 0);
    refuses("{\"n\":1}\n[[[[[[[[[1]]]]]]]]]", PROBLEM_TOO_DEEP, "/1", 1);
    refuses("{\"n\":1} {\"n\":2}", PROBLEM_INVALID_JSON, "/0", 0);
}

static void one_record_may_not_span_two_lines(void **state)
{
    (void)state;
    refuses("{\"n\":1}\n{\n\"n\":1}", PROBLEM_INVALID_JSON, "/1", 1);
}

static void the_budget_is_for_each_line(void **state)
{
    static const char text[] = "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"n\":4}\n";
    size_t refused = 0;

    (void)state;
    for (size_t budget = 64; budget <= 4096; budget += 64) {
        struct problem problem = {0};
        struct seen seen = {0};
        const struct codec_reader reader = {see, &seen};
        if (codec_each_line(text, strlen(text), budget, &reader, &problem)) {
            assert_int_equal(seen.count, 4);
        } else {
            fixture_assert_problem(text, &problem, PROBLEM_JSON_TOO_COMPLEX, "/0");
            assert_int_equal(seen.count, 0);
            refused++;
        }
    }
    assert_in_range(refused, 1, 63);
}

static void elements_of_an_array_are_records_too(void **state)
{
    static const char text[] = "[{\"n\":1},{\"n\":2},{\"n\":13},{\"n\":3}]";
    struct json_document document;
    struct json_node root;
    struct problem problem = {0};
    struct seen seen = {0};
    const struct codec_reader reader = {see, &seen};

    (void)state;
    assert_true(json_parse(text, strlen(text), BUDGET, &document, &root, &problem));
    assert_false(codec_each_element(&root, &reader, &problem));
    fixture_assert_problem(text, &problem, PROBLEM_VALIDATION_FAILED, "/2/n");
    assert_int_equal(seen.count, 3);
    json_close(&document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_is_a_record_with_its_number),
        cmocka_unit_test(an_error_in_a_record_ends_the_walk_at_its_number),
        cmocka_unit_test(a_broken_line_is_told_with_its_number_and_its_line),
        cmocka_unit_test(one_record_may_not_span_two_lines),
        cmocka_unit_test(the_budget_is_for_each_line),
        cmocka_unit_test(elements_of_an_array_are_records_too),
    };
    json_start();
    return cmocka_run_group_tests_name("codec_records", tests, NULL, NULL);
}
