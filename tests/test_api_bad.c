/*
 * Bad input: a clear problem with its place, nothing of the input in it, and nothing changed: the
 * log ends where it ended before.
 */
#include "api_fixture.h"
#include "test.h"

#define MARK "secret-echo" /* in no problem */

struct bad {
    const char *body;
    int status;
    const char *slug;
    const char *pointer; /* NULL: no place */
};

static void check(struct api_fixture *fixture, const char *path, const struct bad *bad, size_t n)
{
    const int64_t before = log_end(fixture);
    for (size_t i = 0; i < n; i++) {
        const struct answer *answer = post(fixture, path, bad[i].body);
        if (bad[i].pointer != NULL) {
            assert_problem_at(answer, bad[i].status, bad[i].slug, bad[i].pointer);
        } else {
            assert_problem(answer, bad[i].status, bad[i].slug);
        }
        if (strstr(answer->text, MARK) != NULL && strstr(bad[i].slug, "unknown-field") == NULL) {
            fail_msg("the input is echoed: %s", answer->text);
        }
    }
    assert_int_equal(log_end(fixture), before);
}

#define CHECK(state, path, bad) check(*(state), path, bad, sizeof(bad) / sizeof *(bad))

static void json_that_is_none_is_refused(void **state)
{
    static const struct bad bad[] = {
        {"", 400, "invalid-json", NULL},
        {"{", 400, "invalid-json", NULL},
        {"{\"items\": [\"" MARK "\"}", 400, "invalid-json", NULL},
        {"{\"items\": []} x", 400, "invalid-json", NULL},
        {"{\"items\": [],}", 400, "invalid-json", NULL},
        {"// comment\n{\"items\": []}", 400, "invalid-json", NULL},
        {"\xef\xbb\xbf{\"items\": []}", 400, "invalid-json", NULL},
        {"{\"items\": [\"\xff\"]}", 400, "invalid-json", NULL},
        {"{\"items\": [\"\xc0\xaf\"]}", 400, "invalid-json", NULL},
        {"{\"items\": [\"\\ud800\"]}", 400, "invalid-json", NULL},
        {"{\"items\": [\"a\\u0000b\"]}", 400, "invalid-json", NULL},
        {"{\"top_k\": NaN, \"items\": []}", 400, "invalid-json", NULL},
        {"{\"top_k\": Infinity, \"items\": []}", 400, "invalid-json", NULL},
        {"{\"top_k\": 1e309, \"items\": []}", 400, "invalid-json", NULL},
        {"{\"top_k\": 99999999999999999999, \"items\": []}", 400, "invalid-json", NULL},
        {"{\"items\": [], \"items\": []}", 400, "duplicate-key", NULL},
        {"{\"items\": [{\"id\": \"a\", \"id\": \"b\"}]}", 400, "duplicate-key", NULL},
        {"[[[[[[[[[1]]]]]]]]]", 400, "too-deep", NULL},
        {"{\"x\":{\"x\":{\"x\":{\"x\":{\"x\":{\"x\":{\"x\":{\"x\":{}}}}}}}}}", 400, "too-deep",
         NULL}};
    CHECK(state, "/v1/score", bad);
    CHECK(state, "/v1/feedback", bad);
    CHECK(state, "/v1/batches", bad);
}

static void lists_that_break_a_rule_are_refused_with_the_place(void **state)
{
    static const struct bad bad[] = {
        {"[]", 422, "validation-failed", ""},
        {"7", 400, "invalid-json", NULL},
        {"{}", 422, "validation-failed", ""},
        {"{\"items\": {}}", 422, "validation-failed", "/items"},
        {"{\"items\": [7]}", 422, "validation-failed", "/items/0"},
        {"{\"items\": [\"\"]}", 422, "validation-failed", "/items/0"},
        {"{\"items\": [{}]}", 422, "validation-failed", "/items/0"},
        {"{\"items\": [\"a\", {\"id\": \"a\"}]}", 422, "duplicate-item", "/items/1"},
        {"{\"itms\": []}", 422, "unknown-field", "/itms"},
        {"{\"items\": [{\"id\": \"a\", \"labl\": 1}]}", 422, "unknown-field", "/items/0/labl"},
        {"{\"items\": [{\"id\": \"a\", \"label\": 1}]}", 422, "unknown-field", "/items/0/label"},
        {"{\"items\": [], \"user\": {\"name\": \"x\"}}", 422, "unknown-field", "/user/name"},
        {"{\"items\": [], \"user\": \"u\"}", 422, "validation-failed", "/user"},
        {"{\"items\": [], \"top_k\": 0}", 422, "value-out-of-range", "/top_k"},
        {"{\"items\": [], \"top_k\": 1.5}", 422, "validation-failed", "/top_k"},
        {"{\"items\": [], \"top_k\": 9007199254740993}", 422, "value-out-of-range", "/top_k"},
        {"{\"items\": [], \"log\": 1}", 422, "validation-failed", "/log"},
        {"{\"items\": [], \"model\": 3}", 422, "validation-failed", "/model"},
        {"{\"items\": [], \"ranking_id\": \"\"}", 422, "validation-failed", "/ranking_id"},
        {"{\"items\": [\"a\"], \"exclude\": [1]}", 422, "validation-failed", "/exclude/0"},
        {"{\"items\": [\"a\"], \"exclude\": \"a\"}", 422, "validation-failed", "/exclude"},
        {"{\"items\": [], \"model\": \"" MARK "\"}", 404, "unknown-model", NULL}};
    CHECK(state, "/v1/score", bad);
}

static void feature_values_that_break_a_rule_are_refused_with_the_place(void **state)
{
    static const struct bad bad[] = {
        {"{\"items\": [{\"id\": \"a\", \"features\": {\"p\": 1e300}}]}", 422, "value-out-of-range",
         "/items/0/features/p"},
        {"{\"items\": [{\"id\": \"a\", \"features\": {\"p\": -1000000.5}}]}", 422,
         "value-out-of-range", "/items/0/features/p"},
        {"{\"items\": [], \"context\": {\"h\": 1e7}}", 422, "value-out-of-range", "/context/h"},
        {"{\"items\": [], \"user\": {\"features\": {\"a/b~\": [1]}}}", 422, "validation-failed",
         "/user/features/a~1b~0/0"},
        {"{\"items\": [], \"context\": {\"x\": {\"y\": \"z\"}}}", 422, "validation-failed",
         "/context/x/y"},
        {"{\"items\": [], \"context\": {\"\": 1}}", 422, "validation-failed", "/context"},
        {"{\"items\": [], \"context\": [1, 2]}", 422, "validation-failed", "/context/0"},
        {"{\"items\": [], \"context\": 1}", 422, "validation-failed", "/context"}};
    CHECK(state, "/v1/score", bad);
}

/* n times a text, with its number for '#', between two others. */
static char *repeated(const char *before, const char *each, size_t n, const char *after)
{
    struct emit text = {0};
    emit_format(&text, "%s", before);
    for (size_t i = 0; i < n; i++) {
        emit_format(&text, "%s", i > 0 ? "," : "");
        for (const char *c = each; *c != '\0'; c++) {
            if (*c == '#') {
                emit_format(&text, "%zu", i);
            } else {
                emit_raw(&text, c, 1);
            }
        }
    }
    emit_format(&text, "%s", after);
    return emit_take(&text, &(size_t){0});
}

static void limits_of_count_are_kept_to_the_last_one(void **state)
{
    static const struct {
        const char *path, *before, *each, *after;
        size_t limit;
        const char *pointer;
    } cases[] = {
        {"/v1/score", "{\"items\": [", "\"i#\"", "]}", 1000, "/items"},
        {"/v1/score", "{\"items\": [], \"context\": {", "\"f#\": 1", "}}", 256, "/context"},
        {"/v1/score", "{\"items\": [], \"context\": {\"t\": [", "\"#\"", "]}}", 256, "/context"},
        {"/v1/feedback", "{\"events\": [",
         "{\"ranking_id\": \"r\", \"item_id\": \"i#\", \"type\": \"t\"}", "]}", 1000, NULL},
        {"/v1/batches", "{\"groups\": [", "{\"items\": []}", "]}", 1000, NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t over = 0; over < 2; over++) {
            char *body =
                repeated(cases[i].before, cases[i].each, cases[i].limit + over, cases[i].after);
            const struct answer *answer = post(*state, cases[i].path, body);
            free(body);
            if (over == 0) {
                assert_answered(answer, 200);
            } else if (cases[i].pointer == NULL) {
                assert_problem(answer, 422, "limit-exceeded");
            } else {
                assert_problem_at(answer, 422, "limit-exceeded", cases[i].pointer);
            }
        }
    }
}

static void limits_of_length_are_kept_to_the_last_byte(void **state)
{
    static const struct {
        const char *before, *after;
        int limit;
    } cases[] = {{"{\"ranking_id\": \"", "\", \"items\": []}", 128},
                 {"{\"items\": [\"", "\"]}", 128},
                 {"{\"items\": [], \"user\": {\"id\": \"", "\"}}", 128},
                 {"{\"items\": [], \"context\": {\"", "\": 1}}", 64},
                 {"{\"items\": [], \"context\": {\"t\": \"", "\"}}", 256},
                 {"{\"items\": [], \"context\": {\"t\": [\"", "\"]}}", 256},
                 {"{\"items\": [], \"context\": {\"t\": {\"", "\": 1}}}", 256}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int n = cases[i].limit;
        assert_answered(
            postf(*state, "/v1/score", "%s%0*d%s", cases[i].before, n, 1, cases[i].after), 200);
        assert_problem(
            postf(*state, "/v1/score", "%s%0*d%s", cases[i].before, n + 1, 1, cases[i].after), 422,
            "limit-exceeded");
    }
}

static void a_bomb_of_small_values_is_too_complex_where_a_tree_is_made_of_it(void **state)
{
    char *bomb = repeated("{\"items\": [], \"x\": [", "{}", 300000, "]}");
    assert_answered(post(*state, "/v1/score?lenient=1", bomb), 200);
    assert_problem(put(*state, "/v1/models/bomb", bomb), 413, "json-too-complex");
    free(bomb);
}

static void lenient_ignores_what_is_not_known(void **state)
{
    assert_answered(post(*state, "/v1/score?lenient=1",
                         "{\"x\": {\"y\": []}, \"items\": [{\"id\": \"a\", \"z\": 1}]}"),
                    200);
    assert_problem(post(*state, "/v1/score?lenient=0", "{\"x\": 1, \"items\": []}"), 422,
                   "unknown-field");
    assert_problem(post(*state, "/v1/score?lenient=1", "{\"x\": 1, \"x\": 2, \"items\": []}"), 400,
                   "duplicate-key");
}

#define GOOD "{\"ranking_id\": \"r\", \"item_id\": \"a\", \"type\": \"click\"}"
static const struct bad bad_events[] = {
    {"[]", 422, "validation-failed", ""},
    {"{}", 422, "validation-failed", ""},
    {"{\"events\": {}}", 422, "validation-failed", "/events"},
    {"{\"events\": [" GOOD ", 7]}", 422, "validation-failed", "/events/1"},
    {"{\"events\": [" GOOD ", {\"ranking_id\": \"r\", \"item_id\": \"a\"}]}", 422,
     "validation-failed", "/events/1"},
    {"{\"events\": [" GOOD ", {\"ranking_id\": \"r\", \"item_id\": \"a\", \"type\": \"c\","
     " \"valu\": 1}]}",
     422, "unknown-field", "/events/1/valu"},
    {"{\"ranking_id\": \"r\", \"item_id\": \"a\", \"type\": \"c\", \"value\": -1}", 422,
     "value-out-of-range", "/value"},
    {"{\"ranking_id\": \"r\", \"item_id\": \"a\", \"type\": \"c\", \"value\": 1e300}", 422,
     "value-out-of-range", "/value"},
    {"{\"ranking_id\": \"r\", \"item_id\": \"a\", \"type\": \"\"}", 422, "validation-failed",
     "/type"},
    {"{\"ranking_id\": \"r\", \"item_id\": \"a\", \"type\": \"c\", \"time\": \"" MARK "\"}", 422,
     "validation-failed", "/time"},
    {"{\"ranking_id\": \"r\", \"item_id\": \"a\", \"type\": \"c\", \"time\":"
     " \"2026-02-30T00:00:00Z\"}",
     422, "validation-failed", "/time"},
    {"{\"ranking_id\": \"r\", \"item_id\": \"a\", \"type\": \"c\", \"event_id\": 1}", 422,
     "validation-failed", "/event_id"},
    {"{\"events\": [], \"more\": 1}", 422, "unknown-field", "/more"}};

static void events_that_break_a_rule_store_nothing(void **state)
{
    assert_answered(post(*state, "/v1/score", "{\"ranking_id\": \"r\", \"items\": [\"a\", \"b\"]}"),
                    200);
    CHECK(state, "/v1/feedback", bad_events);
    assert_problem_at(post_lines(*state, "/v1/feedback", GOOD "\n{}"), 422, "validation-failed",
                      "/1");
    assert_int_equal(count_at(get(*state, "/v1/rankings/r"), "/events"), 0);
}

static void batches_that_break_a_rule_store_nothing(void **state)
{
#define LIST "{\"items\": [{\"id\": \"a\", \"label\": 1}, \"b\"]}"
    static const struct bad bad[] = {
        {"{}", 422, "validation-failed", ""},
        {"{\"groups\": {}}", 422, "validation-failed", "/groups"},
        {"{\"groups\": [" LIST ", {}]}", 422, "validation-failed", "/groups/1"},
        {"{\"groups\": [" LIST ", {\"items\": [{\"id\": \"a\", \"labl\": 1}]}]}", 422,
         "unknown-field", "/groups/1/items/0/labl"},
        {"{\"groups\": [" LIST ", {\"items\": [{\"id\": \"a\", \"label\": 32}]}]}", 422,
         "value-out-of-range", "/groups/1/items/0/label"},
        {"{\"groups\": [{\"items\": [{\"id\": \"a\", \"label\": -0.5}]}]}", 422,
         "value-out-of-range", "/groups/0/items/0/label"},
        {"{\"groups\": [{\"items\": [{\"id\": \"a\", \"weight\": 1000001}]}]}", 422,
         "value-out-of-range", "/groups/0/items/0/weight"},
        {"{\"groups\": [{\"items\": [\"a\", \"a\"]}]}", 422, "duplicate-item", "/groups/0/items/1"},
        {"{\"groups\": [" LIST "], \"batch_id\": \"\"}", 422, "validation-failed", "/batch_id"},
        {"{\"groups\": [" LIST "], \"model\": \"none\"}", 404, "unknown-model", NULL},
        {"{\"groups\": [" LIST "], \"top_k\": 3}", 422, "unknown-field", "/top_k"}};
    CHECK(state, "/v1/batches", bad);
    CHECK(state, "/v1/batches?dry_run=1", bad);
}

static void columns_outside_the_space_are_refused_with_the_place(void **state)
{
    static const struct bad bad[] = {
        {"{\"model\": \"cols\", \"items\": [\"a\", {\"id\": \"b\", \"features\": {\"4\": 1}}]}",
         422, "index-outside", "/items/1/features/4"},
        {"{\"model\": \"cols\", \"items\": [{\"id\": \"b\", \"features\": [1, 2, 3, 4, 5]}]}", 422,
         "index-outside", "/items/0/features/4"},
        {"{\"model\": \"cols\", \"items\": [{\"id\": \"b\", \"features\": {\"indices\": [0, 9],"
         " \"values\": [1, 1]}}]}",
         422, "index-outside", "/items/0/features/indices/1"},
        {"{\"model\": \"cols\", \"items\": [{\"id\": \"b\", \"features\": {\"indices\": [0],"
         " \"values\": []}}]}",
         422, "validation-failed", "/items/0/features/values"},
        {"{\"model\": \"cols\", \"items\": [{\"id\": \"b\", \"features\": {\"indices\": [-1],"
         " \"values\": [1]}}]}",
         422, "index-outside", "/items/0/features/indices/0"},
        {"{\"model\": \"cols\", \"items\": [{\"id\": \"b\", \"features\": {\"price\": 1}}]}", 422,
         "validation-failed", "/items/0/features/price"}};
    assert_answered(put(*state, "/v1/models/cols",
                        "{\"kind\": \"fm\", \"features\": {\"space\": \"indexed\", \"size\": 4}}"),
                    201);
    CHECK(state, "/v1/score", bad);
    assert_answered(post(*state, "/v1/score",
                         "{\"model\": \"cols\", \"items\": [{\"id\": \"a\", \"features\": {\"3\":"
                         " 1}}, {\"id\": \"b\", \"features\": [1, 2, 3, 4]}, {\"id\": \"c\","
                         " \"features\": {\"indices\": [3], \"values\": [0.5]}}]}"),
                    200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(json_that_is_none_is_refused),
        API_TEST(lists_that_break_a_rule_are_refused_with_the_place),
        API_TEST(feature_values_that_break_a_rule_are_refused_with_the_place),
        API_TEST(limits_of_count_are_kept_to_the_last_one),
        API_TEST(limits_of_length_are_kept_to_the_last_byte),
        API_TEST(a_bomb_of_small_values_is_too_complex_where_a_tree_is_made_of_it),
        API_TEST(lenient_ignores_what_is_not_known),
        API_TEST(events_that_break_a_rule_store_nothing),
        API_TEST(batches_that_break_a_rule_store_nothing),
        API_TEST(columns_outside_the_space_are_refused_with_the_place),
    };
    return cmocka_run_group_tests_name("api_bad", tests, api_fixture_group, NULL);
}
