/*
 * Strict JSON reading: what is refused and how it is told, limits of depth and memory, pointers,
 * typed readers.
 */
#include "json.h"
#include "test.h"

#include <malloc.h>

#define BUDGET ((size_t)16 << 20)

static struct json_document document;
static struct json_node root;
static struct problem problem;

static int reset(void **state)
{
    (void)state;
    json_close(&document);
    problem = (struct problem){0};
    return 0;
}

static bool parse(const char *text)
{
    json_close(&document);
    problem = (struct problem){0};
    return json_parse(text, strlen(text), BUDGET, &document, &root, &problem);
}

static struct json_node member_of(const struct json_node *node, const char *key)
{
    struct json_node member = {0};
    assert_true(json_member(node, key, &member));
    return member;
}

static void refuses(const char *text, enum problem_kind kind)
{
    if (parse(text) || problem.kind != kind) {
        fail_msg("%s gave %s", text, problem.kind == 0 ? "no problem" : problem_slug(problem.kind));
    }
    assert_non_null(strchr(problem.detail, ' '));
    assert_false(problem.has_pointer);
}

static void what_is_not_json_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{} x",
        "[1] [2]",
        "1",
        "\"a\"",
        "null",
        "[NaN]",
        "[Infinity]",
        "[-Infinity]",
        "[01]",
        "[+1]",
        "[.5]",
        "[1.]",
        "['a']",
        "{a:1}",
        "[1] // no",
        "[\"\\ud800\"]",
        "[1e309]",
        "[-1e309]",
        "[9223372036854775808]",
        "[\"a\nb\"]",
        "[\"\\u0000\"]",
        "]",
        "}{",
        "\xef\xbb\xbf[]",
        "[\"\xff\"]",
        "[\"\xc0\x80\"]",
        "[\"\xed\xa0\x80\"]",
        "[tru]",
        "[\"abc",
        "{\"a\\u0000b\":1}",
        "[\"\\x\"]",
        "[1 2]",
        "{\"a\" 1}",
        "[\"\\ud800\\u0041\"]",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        refuses(texts[i], PROBLEM_INVALID_JSON);
    }
    assert_false(json_parse("[1,\0 2]", 7, BUDGET, &document, &root, &problem));
    assert_false(json_parse("[1\0,2]", 6, BUDGET, &document, &root, &problem));
    assert_false(json_parse(NULL, 0, BUDGET, &document, &root, &problem));
}

static void what_is_wrong_is_told_with_its_place_and_without_the_input(void **state)
{
    (void)state;
    refuses("{\n  \"a\": secret\n}", PROBLEM_INVALID_JSON);
    assert_string_equal(problem.detail, "invalid token at line 2, column 13");
    refuses("[\"\\ud8AB\\u0041\"]", PROBLEM_INVALID_JSON);
    assert_null(strstr(problem.detail, "D8AB"));
    assert_null(strstr(problem.detail, "d8AB"));
    refuses("[\"\\u0000\"]", PROBLEM_INVALID_JSON);
    assert_null(strstr(problem.detail, "JSON_ALLOW_NUL"));
    refuses("[1", PROBLEM_INVALID_JSON);
    assert_non_null(strstr(problem.detail, "line 1"));
}

static void a_key_twice_is_refused(void **state)
{
    (void)state;
    refuses("{\"a\":1,\"b\":{\"c\":1,\"c\":2}}", PROBLEM_DUPLICATE_KEY);
    refuses("{\"a\":1,\"\\u0061\":1}", PROBLEM_DUPLICATE_KEY);
    assert_null(strchr(problem.detail, '\''));
    assert_true(parse("[{\"a\":1},{\"a\":1}]"));
}

static char *nested(size_t depth, const char *open, const char *close)
{
    char *text = calloc(depth * (strlen(open) + strlen(close)) + 2, 1);
    char *end = text;
    for (size_t i = 0; i < depth; i++) {
        end = stpcpy(end, open);
    }
    end = stpcpy(end, "1");
    for (size_t i = 0; i < depth; i++) {
        end = stpcpy(end, close);
    }
    return text;
}

static void eight_levels_are_read_and_nine_are_not(void **state)
{
    static const size_t depths[] = {8, 9, 100000};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char *arrays = nested(depths[i], "[", "]");
        char *objects = nested(depths[i], "{\"a\":", "}");
        assert_int_equal(parse(arrays), depths[i] == 8);
        assert_int_equal(problem.kind, depths[i] == 8 ? PROBLEM_NONE : PROBLEM_TOO_DEEP);
        assert_int_equal(parse(objects), depths[i] == 8);
        assert_int_equal(problem.kind, depths[i] == 8 ? PROBLEM_NONE : PROBLEM_TOO_DEEP);
        free(arrays);
        free(objects);
    }
}

static void brackets_in_strings_are_not_depth(void **state)
{
    (void)state;
    assert_true(
        parse("[\"[[[[[[[[[[[[{{{{{{{{{{\", \"\\\"[[[[[[[[[[\", \"\\\\\", [[[[[[[1]]]]]]]]"));
    refuses("[\"\\\\\", [[[[[[[[1]]]]]]]]]", PROBLEM_TOO_DEEP);
    assert_true(parse("[[],[],[],[],[],[],[],[],[],[],[]]"));
}

#define CACHED_BYTES ((size_t)64 << 10)

static char *repeated(const char *unit, size_t bytes)
{
    size_t n = strlen(unit);
    char *text = calloc(bytes + n + 8, 1);
    char *end = stpcpy(text, "[");
    for (size_t i = 0; i < bytes / n; i++) {
        end = stpcpy(end, unit);
    }
    (void)stpcpy(end, "0]");
    return text;
}

static void a_megabyte_of_small_values_meets_the_budget_and_gives_all_memory_back(void **state)
{
    static const char *const units[] = {"{},", "[],", "\"\",", "0,"};
    (void)state;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        char *text = repeated(units[i], 1 << 20);
        assert_false(parse(text));
        size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
        assert_false(parse(text));
        size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
        assert_int_equal(problem.kind, PROBLEM_JSON_TOO_COMPLEX);
        /* malloc counts what its caches hold as used; the address sanitizer counts to the byte */
        assert_true(after <= before + CACHED_BYTES);
        free(text);
    }
}

static void the_budget_is_each_parse_its_own(void **state)
{
    char *text = repeated("[],", 10000);
    (void)state;
    for (int i = 0; i < 100; i++) { /* 100 times the tree would be over the budget */
        assert_true(json_parse(text, strlen(text), 1 << 20, &document, &root, &problem));
        json_close(&document);
    }
    assert_false(json_parse(text, strlen(text), 1 << 14, &document, &root, &problem));
    assert_int_equal(problem.kind, PROBLEM_JSON_TOO_COMPLEX);
    free(text);
}

/* jansson aborts, copies from beyond its text, or cuts it where the text of a token cannot grow. */
static void every_budget_ends_in_the_whole_tree_or_in_too_complex(void **state)
{
    const char text[] =
        "{\"a\":[1,2.5,\"x\",{\"b\":null}],\"c\":\"a text that has to grow more than once\","
        "\"d\":[0.12345678901234568]}";
    size_t refused = 0;
    (void)state;
    for (size_t budget = 0; budget < 4096; budget++) {
        problem = (struct problem){0};
        if (json_parse(text, sizeof text - 1, budget, &document, &root, &problem)) {
            char *again = json_text(&root, NULL);
            assert_string_equal(again, text);
            free(again);
            json_close(&document);
        } else {
            assert_int_equal(problem.kind, PROBLEM_JSON_TOO_COMPLEX);
            refused++;
        }
    }
    assert_in_range(refused, 500, 3500);
}

static void a_document_may_be_closed_twice_or_never_opened(void **state)
{
    struct json_document none = {0};
    (void)state;
    json_close(&none);
    assert_true(parse("[]"));
    json_close(&document);
    json_close(&document);
}

static void kinds_are_told_apart(void **state)
{
    static const enum json_kind kinds[] = {JSON_NODE_NULL,   JSON_NODE_BOOLEAN, JSON_NODE_BOOLEAN,
                                           JSON_NODE_NUMBER, JSON_NODE_NUMBER,  JSON_NODE_STRING,
                                           JSON_NODE_ARRAY,  JSON_NODE_OBJECT};
    (void)state;
    assert_true(parse("[null,true,false,1,1.5,\"\",[],{}]"));
    assert_int_equal(json_count(&root), 8);
    for (size_t i = 0; i < 8; i++) {
        struct json_node element;
        json_element(&root, i, &element);
        assert_int_equal(json_kind(&element), kinds[i]);
    }
}

static void null_counts_as_absent_but_is_walked_over(void **state)
{
    struct json_node member;
    struct json_iterator iterator = {0};
    static const char *const keys[] = {"z", "a", "m"};
    (void)state;
    assert_true(parse("{\"z\":null,\"a\":1,\"m\":2}"));
    assert_int_equal(json_count(&root), 3);
    assert_false(json_member(&root, "z", &member));
    assert_false(json_member(&root, "missing", &member));
    for (size_t i = 0; i < 3; i++) { /* in the order of the text */
        assert_true(json_next(&root, &iterator, &member));
        assert_string_equal(member.key, keys[i]);
    }
    assert_false(json_next(&root, &iterator, &member));
    assert_true(parse("{}"));
    iterator = (struct json_iterator){0};
    assert_false(json_next(&root, &iterator, &member));
}

static void a_pointer_names_the_place_from_the_root_down(void **state)
{
    struct json_node element;
    (void)state;
    assert_true(parse("{\"items\":[0,{\"features\":{\"a/b~c\":\"x\"}}]}"));
    struct json_node items = member_of(&root, "items");
    json_element(&items, 1, &element);
    struct json_node features = member_of(&element, "features");
    struct json_node leaf = member_of(&features, "a/b~c");
    assert_false(json_problem(&leaf, PROBLEM_LIMIT_EXCEEDED, &problem, "at %d", 7));
    assert_true(problem.has_pointer);
    assert_string_equal(problem.pointer, "/items/1/features/a~1b~0c");
    assert_string_equal(problem.detail, "at 7");
    assert_false(json_problem(&root, PROBLEM_INTERNAL, &problem, "later"));
    assert_string_equal(problem.pointer, "/items/1/features/a~1b~0c");
    problem = (struct problem){0};
    json_problem(&root, PROBLEM_INTERNAL, &problem, "root");
    assert_true(problem.has_pointer);
    assert_string_equal(problem.pointer, "");
}

static void a_pointer_that_is_too_long_ends_at_the_container(void **state)
{
    (void)state;
    for (size_t n = 300; n < 330; n++) { /* around the size of the field */
        char text[800];
        char key[400] = "";
        memset(key, '/', n / 2); /* two bytes each */
        (void)snprintf(text, sizeof text, "{\"k\":{\"%s\":{\"x\":1}}}", key);
        assert_true(parse(text));
        struct json_node outer = member_of(&root, "k");
        struct json_node inner = member_of(&outer, key);
        struct json_node leaf = member_of(&inner, "x");
        json_problem(&leaf, PROBLEM_INTERNAL, &problem, "x");
        size_t length = strlen(problem.pointer);
        size_t whole = 2 + 1 + n / 2 * 2;
        size_t expected = whole + 2 < sizeof problem.pointer ? whole + 2
                          : whole < sizeof problem.pointer   ? whole
                                                             : 2;
        assert_int_equal(length, expected);
    }
}

static void an_unknown_member_is_refused_unless_lenient(void **state)
{
    static const char *const names[] = {"a", "b", NULL};
    (void)state;
    assert_true(parse("{\"x\":[{\"a\":1,\"labell\":2}]}"));
    struct json_node array = member_of(&root, "x");
    struct json_node object;
    json_element(&array, 0, &object);
    assert_true(json_only(&object, names, true, &problem));
    assert_int_equal(problem.kind, PROBLEM_NONE);
    assert_false(json_only(&object, names, false, &problem));
    assert_int_equal(problem.kind, PROBLEM_UNKNOWN_FIELD);
    assert_string_equal(problem.pointer, "/x/0/labell");
    problem = (struct problem){0};
    assert_false(json_only(&array, names, true, &problem)); /* not even an object */
    assert_int_equal(problem.kind, PROBLEM_VALIDATION_FAILED);
    assert_true(parse("{\"b\":null,\"a\":1}"));
    assert_true(json_only(&root, names, false, &problem));
}

/* Reads element i of the document with one reader. */
static struct json_node element_of(size_t i)
{
    struct json_node element;
    problem = (struct problem){0};
    json_element(&root, i, &element);
    return element;
}

static void strings_have_a_range_of_bytes(void **state)
{
    const char *text = NULL;
    size_t n = 0;
    (void)state;
    assert_true(parse("[\"\",\"\xc3\xa9\",\"abc\",5]"));
    struct json_node node = element_of(1);
    assert_true(json_as_string(&node, 1, 2, &text, &n, &problem));
    assert_string_equal(text, "\xc3\xa9");
    assert_int_equal(n, 2);
    node = element_of(0);
    assert_false(json_as_string(&node, 1, 2, &text, &n, &problem));
    assert_int_equal(problem.kind, PROBLEM_VALIDATION_FAILED);
    node = element_of(2);
    assert_false(json_as_string(&node, 1, 2, &text, &n, &problem));
    assert_int_equal(problem.kind, PROBLEM_LIMIT_EXCEEDED);
    assert_string_equal(problem.pointer, "/2");
    node = element_of(3);
    assert_false(json_as_string(&node, 0, 9, &text, &n, &problem));
    assert_int_equal(problem.kind, PROBLEM_VALIDATION_FAILED);
    assert_string_equal(text, "\xc3\xa9"); /* results only on success */
}

static void numbers_have_a_range(void **state)
{
    static const bool good[] = {true, true, true, false, false, false, false, true};
    double number = 7;
    (void)state;
    assert_true(parse("[1e6,-1000000,1e-400,1000000.5,1e300,-1e7,9007199254740993,-0.0]"));
    for (size_t i = 0; i < 8; i++) {
        struct json_node node = element_of(i);
        bool read = json_as_number(&node, -JSON_NUMBER_MAX, JSON_NUMBER_MAX, &number, &problem);
        assert_int_equal(read, good[i]);
        assert_int_equal(problem.kind, good[i] ? PROBLEM_NONE : PROBLEM_VALUE_OUT_OF_RANGE);
    }
    struct json_node node = element_of(6); /* 2^53 + 1 has no double, however wide the range */
    assert_false(json_as_number(&node, -1e308, 1e308, &number, &problem));
    assert_int_equal(problem.kind, PROBLEM_VALUE_OUT_OF_RANGE);
    assert_true(parse("[\"1\"]"));
    node = element_of(0);
    assert_false(json_as_number(&node, 0, 1, &number, &problem));
    assert_int_equal(problem.kind, PROBLEM_VALIDATION_FAILED);
}

static void whole_numbers_may_be_written_with_a_point(void **state)
{
    static const struct {
        const char *text;
        enum problem_kind kind;
        int64_t integer;
    } cases[] = {
        {"[3.0]", PROBLEM_NONE, 3},
        {"[-5]", PROBLEM_NONE, -5},
        {"[1e2]", PROBLEM_NONE, 100},
        {"[9007199254740991]", PROBLEM_NONE, 9007199254740991},
        {"[9007199254740993]", PROBLEM_VALUE_OUT_OF_RANGE, 0},
        {"[-9007199254740993]", PROBLEM_VALUE_OUT_OF_RANGE, 0},
        {"[9223372036854775807]", PROBLEM_VALUE_OUT_OF_RANGE, 0},
        {"[1e300]", PROBLEM_VALUE_OUT_OF_RANGE, 0},
        {"[3.5]", PROBLEM_VALIDATION_FAILED, 0},
        {"[true]", PROBLEM_VALIDATION_FAILED, 0},
        {"[\"3\"]", PROBLEM_VALIDATION_FAILED, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t integer = 0;
        assert_true(parse(cases[i].text));
        struct json_node node = element_of(0);
        bool read = json_as_integer(&node, INT64_MIN, INT64_MAX, &integer, &problem);
        assert_int_equal(read, cases[i].kind == PROBLEM_NONE);
        assert_int_equal(problem.kind, cases[i].kind);
        assert_true(integer == cases[i].integer);
    }
}

static void whole_numbers_have_a_range(void **state)
{
    int64_t integer = 7;
    (void)state;
    assert_true(parse("[1,10,0,11]"));
    for (size_t i = 0; i < 4; i++) {
        struct json_node node = element_of(i);
        assert_int_equal(json_as_integer(&node, 1, 10, &integer, &problem), i < 2);
    }
    assert_int_equal(integer, 10);
    assert_string_equal(problem.detail, "Must be a whole number from 1 to 10");
}

static void booleans_arrays_and_objects_are_required(void **state)
{
    bool flag = false;
    (void)state;
    assert_true(parse("[true,[],{},1]"));
    struct json_node boolean = element_of(0);
    struct json_node array = element_of(1);
    struct json_node object = element_of(2);
    struct json_node number = element_of(3);
    assert_true(json_as_boolean(&boolean, &flag, &problem));
    assert_true(flag);
    assert_true(json_as_array(&array, &problem));
    assert_true(json_as_object(&object, &problem));
    assert_int_equal(problem.kind, PROBLEM_NONE);
    assert_false(json_as_boolean(&number, &flag, &problem));
    assert_string_equal(problem.pointer, "/3");
    assert_false(json_as_array(&object, &problem));
    assert_false(json_as_object(&array, &problem));
    assert_int_equal(problem.kind, PROBLEM_VALIDATION_FAILED);
}

static void text_of_a_node_is_compact_and_in_order(void **state)
{
    size_t n = 0;
    (void)state;
    assert_true(parse(" { \"z\" : [ 1 , 0.1, -2.50, null,true ] , \"a\\n\" : {\"e\": \"\\u00e9\"}, "
                      "\"b\": false, \"i\": 9223372036854775807, \"x\": 1e300 } "));
    char *text = json_text(&root, &n);
    assert_string_equal(text, "{\"z\":[1,0.1,-2.5,null,true],\"a\\n\":{\"e\":\"\xc3\xa9\"},"
                              "\"b\":false,\"i\":9223372036854775807,\"x\":1e+300}");
    assert_int_equal(n, strlen(text));
    free(text);
    struct json_node inner = member_of(&root, "z");
    text = json_text(&inner, NULL);
    assert_string_equal(text, "[1,0.1,-2.5,null,true]");
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_not_json_is_refused),
        TEST(what_is_wrong_is_told_with_its_place_and_without_the_input),
        TEST(a_key_twice_is_refused),
        TEST(eight_levels_are_read_and_nine_are_not),
        TEST(brackets_in_strings_are_not_depth),
        TEST(a_megabyte_of_small_values_meets_the_budget_and_gives_all_memory_back),
        TEST(the_budget_is_each_parse_its_own),
        TEST(every_budget_ends_in_the_whole_tree_or_in_too_complex),
        TEST(a_document_may_be_closed_twice_or_never_opened),
        TEST(kinds_are_told_apart),
        TEST(null_counts_as_absent_but_is_walked_over),
        TEST(a_pointer_names_the_place_from_the_root_down),
        TEST(a_pointer_that_is_too_long_ends_at_the_container),
        TEST(an_unknown_member_is_refused_unless_lenient),
        TEST(strings_have_a_range_of_bytes),
        TEST(numbers_have_a_range),
        TEST(whole_numbers_may_be_written_with_a_point),
        TEST(whole_numbers_have_a_range),
        TEST(booleans_arrays_and_objects_are_required),
        TEST(text_of_a_node_is_compact_and_in_order),
    };
    json_start();
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
