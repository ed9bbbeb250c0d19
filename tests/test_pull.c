/*
 * The pull reader: what it accepts and refuses, places, limits, and that it agrees with jansson
 * (fuzz_pull tries that with any bytes).
 */
#include "list_fixture.h"
#include "pull.h"
#include "test.h"

#include <float.h>

/* A reader of one text, which lies at the end of its memory: what reads past it is found. */
struct reading {
    char *text;
    struct pull_memory memory;
    struct problem problem;
    struct pull pull;
};

static bool begin(struct reading *r, const char *text)
{
    const size_t n = strlen(text);

    *r = (struct reading){.text = malloc(n + 1)};
    assert_non_null(r->text);
    memcpy(r->text, text, n + 1);
    return pull_begin(&r->pull, r->text, n, &r->memory, &r->problem);
}

static void end(struct reading *r)
{
    pull_memory_deinit(&r->memory);
    free(r->text);
}

static bool accepts(const char *text)
{
    struct reading r;
    const bool good = begin(&r, text) && pull_skip(&r.pull) && pull_end(&r.pull);

    assert_true(good == (r.problem.kind == PROBLEM_NONE));
    end(&r);
    return good;
}

static void refuses(const char *text, enum problem_kind kind, const char *detail)
{
    struct reading r;

    assert_false(begin(&r, text) && pull_skip(&r.pull) && pull_end(&r.pull));
    fixture_assert_problem(text, &r.problem, kind, r.problem.pointer);
    if (strstr(r.problem.detail, detail) == NULL) {
        fail_msg("%s: \"%s\" lacks \"%s\"", text, r.problem.detail, detail);
    }
    end(&r);
}

static void json_is_accepted(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        " \t\r\n[ 1 , 2 ] \n",
        "{\"a\":{\"b\":[null,true,false,\"\"]}}",
        "[0,-0,1.5e+3,-1E-2,9223372036854775807,-9223372036854775808]",
        "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\xc3\xa9\xf0\x9f\x98\x80\"]",
        "[[[[[[[[1]]]]]]]]",
        "[\"a string that is longer than eight bytes, with an escape \\n in it\"]",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!accepts(texts[i])) {
            fail_msg("refused: %s", texts[i]);
        }
    }
}

static void what_is_not_json_is_refused_with_line_column_and_byte(void **state)
{
    (void)state;
    refuses("", PROBLEM_INVALID_JSON, "at line 1, column 1 (byte 0)");
    refuses("1", PROBLEM_INVALID_JSON, "'[' or '{' expected");
    refuses("[1,\n 2,\n  x]", PROBLEM_INVALID_JSON, "at line 3, column 3 (byte 10)");
    refuses("[1] 2", PROBLEM_INVALID_JSON, "end of file expected");
    refuses("[1,]", PROBLEM_INVALID_JSON, "byte 3");
    refuses("{\"a\":1,}", PROBLEM_INVALID_JSON, "byte 7");
    refuses("{\"a\" 1}", PROBLEM_INVALID_JSON, "':' expected");
    refuses("{1:1}", PROBLEM_INVALID_JSON, "string or '}' expected");
    refuses("[1 2]", PROBLEM_INVALID_JSON, "']' expected");
    refuses("[tru]", PROBLEM_INVALID_JSON, "invalid token");
    refuses("[nul", PROBLEM_INVALID_JSON, "invalid token");
    refuses("[\"abc", PROBLEM_INVALID_JSON, "end of a string");
    refuses("{\"a\":", PROBLEM_INVALID_JSON, "");
}

static void numbers_are_as_jansson_takes_them(void **state)
{
    static const char *const bad[] = {"[01]",
                                      "[-]",
                                      "[1.]",
                                      "[.5]",
                                      "[1e]",
                                      "[1e+]",
                                      "[+1]",
                                      "[0x1]",
                                      "[NaN]",
                                      "[-Infinity]",
                                      "[1e309]",
                                      "[-1e999]",
                                      "[9223372036854775808]",
                                      "[-9223372036854775809]",
                                      "[123456789012345678901234567890]"};
    static const struct {
        const char *text;
        double value;
    } good[] = {{"[0.1]", 0.1},
                {"[-0]", 0.0},
                {"[-0.0]", -0.0},
                {"[1e-400]", 0.0},
                {"[5e-324]", 5e-324},
                {"[9007199254740991]", 9007199254740991.0},
                {"[123456789012345678901234567890.0]", 123456789012345678901234567890.0},
                {"[0.000000000000000000000000000000000000000000000123]", 1.23e-46},
                {"[1.7976931348623157e308]", DBL_MAX},
                {"[2.2250738585072011e-308]", 2.2250738585072011e-308},
                {"[17976931348623157081e289]", 17976931348623157081e289}};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        refuses(bad[i], PROBLEM_INVALID_JSON, "");
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct reading r;
        double value = 1;
        assert_true(begin(&r, good[i].text) && pull_array(&r.pull) && pull_element(&r.pull) &&
                    pull_number(&r.pull, -DBL_MAX, DBL_MAX, &value));
        assert_memory_equal(&value, &good[i].value, sizeof value);
        end(&r);
    }
}

static void whole_numbers_are_whole_and_fit_53_bits(void **state)
{
    static const struct {
        const char *text;
        enum problem_kind kind;
    } numbers[] = {{"[3]", PROBLEM_NONE},
                   {"[3.0]", PROBLEM_NONE},
                   {"[3.5]", PROBLEM_VALIDATION_FAILED},
                   {"[\"3\"]", PROBLEM_VALIDATION_FAILED},
                   {"[9007199254740991]", PROBLEM_NONE},
                   {"[9007199254740993]", PROBLEM_VALUE_OUT_OF_RANGE},
                   {"[1e17]", PROBLEM_VALUE_OUT_OF_RANGE},
                   {"[-4]", PROBLEM_VALUE_OUT_OF_RANGE}};
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct reading r;
        int64_t whole = -1;
        assert_true(begin(&r, numbers[i].text) && pull_array(&r.pull) && pull_element(&r.pull));
        assert_true(pull_integer(&r.pull, -3, INT64_MAX, &whole) ==
                    (numbers[i].kind == PROBLEM_NONE));
        assert_int_equal(r.problem.kind, numbers[i].kind);
        end(&r);
    }
}

static void strings_are_utf8_without_zero_and_control_characters(void **state)
{
    static const char *const bad[] = {"[\"\xff\"]",     "[\"\xc0\x80\"]",  "[\"\xed\xa0\x80\"]",
                                      "[\"\xe2\x82\"]", "[\"a\nb\"]",      "[\"\\u0000\"]",
                                      "[\"\\ud800\"]",  "[\"\\ude00\"]",   "[\"\\ud800\\u0041\"]",
                                      "[\"\\u12g4\"]",  "[\"\\x41\"]",     "[\"\\\"]",
                                      "{\"\xff\":1}",   "{\"a\\u0000\":1}"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        refuses(bad[i], PROBLEM_INVALID_JSON, "");
    }
}

static void a_string_without_escapes_stays_in_the_text_and_a_kept_one_is_terminated(void **state)
{
    struct reading r;
    struct span span;
    const char *kept;
    size_t n;

    (void)state;
    assert_true(begin(&r, "[\"plain \xc3\xa9\",\"\\u00e9\",\"kept\"]"));
    assert_true(pull_array(&r.pull) && pull_element(&r.pull));
    assert_true(pull_span(&r.pull, 0, 100, &span) && span_is(span, "plain \xc3\xa9"));
    assert_true(pull_element(&r.pull) && pull_span(&r.pull, 0, 100, &span));
    assert_true(span_is(span, "\xc3\xa9"));
    assert_true(pull_element(&r.pull) && pull_string(&r.pull, 0, 100, &kept, &n));
    assert_int_equal(n, 4);
    assert_string_equal(kept, "kept");
    assert_true(span_is(span, "\xc3\xa9"));
    assert_false(pull_element(&r.pull));
    assert_true(pull_end(&r.pull));
    end(&r);
}

static void a_member_given_twice_is_refused_among_few_and_among_many(void **state)
{
    struct list_fixture *f = *state;
    struct reading r;

    refuses("{\"a\":1,\"b\":2,\"a\":3}", PROBLEM_DUPLICATE_KEY, "");
    refuses("{\"a\":1,\"\\u0061\":3}", PROBLEM_DUPLICATE_KEY, "");
    assert_true(accepts("{\"a\":{\"a\":1,\"b\":2},\"b\":{\"a\":1}}"));
    for (size_t n = 1; n < 60; n++) {
        assert_true(accepts(fixture_pattern(f, "{\"x\":{", n, "\"k#\":#", "},\"k0\":1}")));
        for (size_t again = 0; again < n; again += 7) {
            char tail[64];
            (void)snprintf(tail, sizeof tail, ",\"k%zu\":1}}", again);
            assert_true(begin(&r, fixture_pattern(f, "{\"x\":{", n, "\"k#\":#", tail)));
            assert_false(pull_skip(&r.pull));
            (void)snprintf(tail, sizeof tail, "/x/k%zu", again);
            fixture_assert_problem(r.text, &r.problem, PROBLEM_DUPLICATE_KEY, tail);
            end(&r);
        }
    }
}

static void a_text_may_be_eight_levels_deep(void **state)
{
    (void)state;
    assert_true(accepts("{\"a\":[{\"a\":[{\"a\":[{\"a\":[]}]}]}]}"));
    refuses("[[[[[[[[[]]]]]]]]]", PROBLEM_TOO_DEEP, "8 levels");
}

/* Reads {"a": {"b/c": [.., "x"]}} and asks for a number where the text has "x". */
static void a_problem_has_the_pointer_of_what_was_to_be_read(void **state)
{
    struct reading r;
    struct span key;
    double number;

    (void)state;
    assert_true(begin(&r, "{\"a\":{\"b/~c\":[1,\"x\"]}}"));
    assert_true(pull_object(&r.pull) && pull_member(&r.pull, &key) && span_is(key, "a"));
    assert_true(pull_object(&r.pull) && pull_member(&r.pull, &key) && pull_array(&r.pull));
    assert_true(pull_element(&r.pull) && pull_number(&r.pull, 0, 1, &number));
    assert_true(pull_element(&r.pull));
    assert_false(pull_number(&r.pull, 0, 1, &number));
    fixture_assert_problem(r.text, &r.problem, PROBLEM_VALIDATION_FAILED, "/a/b~1~0c/1");
    assert_false(pull_element(&r.pull) || pull_end(&r.pull) || pull_skip(&r.pull));
    end(&r);
    assert_true(begin(&r, "[1,2]"));
    assert_true(pull_array(&r.pull) && pull_element(&r.pull));
    assert_false(pull_problem_around(&r.pull, PROBLEM_LIMIT_EXCEEDED, "too many"));
    assert_true(r.problem.has_pointer);
    fixture_assert_problem(r.text, &r.problem, PROBLEM_LIMIT_EXCEEDED, "");
    end(&r);
}

static void what_is_no_json_further_on_is_the_worse_problem(void **state)
{
    struct reading r;
    double number;

    (void)state;
    assert_true(begin(&r, "[\"x\", {\"a\":1,\"a\":2}, y]"));
    assert_true(pull_array(&r.pull) && pull_element(&r.pull));
    assert_false(pull_number(&r.pull, 0, 1, &number));
    fixture_assert_problem(r.text, &r.problem, PROBLEM_DUPLICATE_KEY, "/1/a");
    end(&r);
}

static void a_value_that_was_skipped_can_be_read_later(void **state)
{
    struct reading r;
    struct pull mark;
    struct span key, early;
    const char *id, *late;
    size_t n;

    (void)state;
    assert_true(begin(&r, "{\"late\":[\"\\u006c\"],\"id\":\"one\",\"esc\":\"\\u0065\"}"));
    assert_true(pull_object(&r.pull) && pull_member(&r.pull, &key));
    mark = r.pull;
    assert_true(pull_skip(&r.pull) && pull_member(&r.pull, &key));
    assert_true(pull_string(&r.pull, 1, 10, &id, &n) && pull_member(&r.pull, &key));
    assert_true(pull_span(&r.pull, 1, 10, &early) && !pull_member(&r.pull, &key));
    assert_true(pull_end(&r.pull));
    pull_resume(&mark, &r.pull);
    assert_true(pull_array(&mark) && pull_element(&mark) && pull_string(&mark, 1, 10, &late, &n));
    assert_string_equal(late, "l");
    assert_string_equal(id, "one");
    assert_true(span_is(early, "e") && !pull_element(&mark) && pull_good(&mark));
    end(&r);
}

static void a_value_is_kept_without_the_white_space_around_its_parts(void **state)
{
    struct reading r;
    const char *start;
    char *text;
    size_t n;

    (void)state;
    assert_true(begin(&r, " { \"a b\" : [ 1 ,\n\t\"\\\" x\\\\\" ] , \"c\":{ } } "));
    start = pull_here(&r.pull);
    assert_true(pull_skip(&r.pull));
    text = pull_compact(&r.pull, start, &n);
    assert_string_equal(text, "{\"a b\":[1,\"\\\" x\\\\\"],\"c\":{}}");
    assert_int_equal(n, strlen(text));
    free(text);
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_accepted),
        cmocka_unit_test(what_is_not_json_is_refused_with_line_column_and_byte),
        cmocka_unit_test(numbers_are_as_jansson_takes_them),
        cmocka_unit_test(whole_numbers_are_whole_and_fit_53_bits),
        cmocka_unit_test(strings_are_utf8_without_zero_and_control_characters),
        cmocka_unit_test(a_string_without_escapes_stays_in_the_text_and_a_kept_one_is_terminated),
        LIST_TEST(a_member_given_twice_is_refused_among_few_and_among_many),
        cmocka_unit_test(a_text_may_be_eight_levels_deep),
        cmocka_unit_test(a_problem_has_the_pointer_of_what_was_to_be_read),
        cmocka_unit_test(what_is_no_json_further_on_is_the_worse_problem),
        cmocka_unit_test(a_value_that_was_skipped_can_be_read_later),
        cmocka_unit_test(a_value_is_kept_without_the_white_space_around_its_parts),
    };
    return cmocka_run_group_tests_name("pull", tests, NULL, NULL);
}
