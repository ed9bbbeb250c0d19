/*
 * Events: three forms of a request, limits, ids made from content, and RFC 3339 times.
 */
#include "codec.h"
#include "list_fixture.h"
#include "test.h"

#include <time.h>

#define EVENT "\"ranking_id\":\"r\",\"item_id\":\"i\",\"type\":\"click\""

static bool read_by(const char *text, bool ndjson, bool lenient, struct codec_feedback *feedback,
                    struct problem *problem)
{
    struct pull_memory memory = {0};
    bool read;

    *problem = (struct problem){0};
    read = codec_feedback_read(text, strlen(text), ndjson, lenient, &memory, feedback, problem);
    pull_memory_deinit(&memory);
    return read;
}

static bool read(const char *text, bool ndjson, struct codec_feedback *feedback,
                 struct problem *problem)
{
    return read_by(text, ndjson, false, feedback, problem);
}

static void must_read(const char *text, bool ndjson, struct codec_feedback *feedback)
{
    struct problem problem;

    if (!read(text, ndjson, feedback, &problem)) {
        fail_msg("%.80s: %s at \"%s\"", text, problem.detail, problem.pointer);
    }
}

static void refuses(const char *text, bool ndjson, enum problem_kind kind, const char *pointer)
{
    struct codec_feedback feedback;
    struct problem problem;

    assert_false(read(text, ndjson, &feedback, &problem));
    fixture_assert_problem(text, &problem, kind, pointer);
    codec_feedback_close(&feedback);
}

/* The id of the one event of a request. */
static void id_of(const char *text, char id[STORE_ID_MAX + 1])
{
    struct codec_feedback feedback;

    must_read(text, false, &feedback);
    assert_int_equal(feedback.n, 1);
    memcpy(id, feedback.event[0].event_id, strlen(feedback.event[0].event_id) + 1);
    codec_feedback_close(&feedback);
}

/* ---- forms ---- */

static void one_event_many_in_an_array_and_one_a_line_are_the_same(void **state)
{
    static const struct {
        const char *text;
        bool ndjson;
        size_t n;
    } forms[] = {{"{" EVENT "}", false, 1},
                 {"{\"events\":[{" EVENT "},{" EVENT ",\"value\":2}]}", false, 2},
                 {"{" EVENT "}\n\n{" EVENT ",\"value\":2}\n", true, 2},
                 {"{\"events\":[]}", false, 0},
                 {"", true, 0}};

    (void)state;
    for (size_t form = 0; form < sizeof forms / sizeof *forms; form++) {
        struct codec_feedback feedback;
        must_read(forms[form].text, forms[form].ndjson, &feedback);
        assert_int_equal(feedback.n, forms[form].n);
        for (size_t i = 0; i < feedback.n; i++) {
            assert_string_equal(feedback.event[i].ranking_id, "r");
            assert_true(feedback.event[i].item_hash == list_id_hash(RK_ITEM, "i", 1));
            assert_true(feedback.event[i].value == (double)i + 1);
        }
        codec_feedback_close(&feedback);
    }
}

static void every_member_of_an_event_is_read(void **state)
{
    struct codec_feedback feedback;

    (void)state;
    must_read(
        "{\"event_id\":\"e1\",\"ranking_id\":\"r-1\",\"item_id\":\"i1\",\"type\":\"purchase\","
        "\"value\":2.5,\"time\":\"1970-01-01T00:00:01.5Z\"}",
        false, &feedback);
    assert_string_equal(feedback.event[0].event_id, "e1");
    assert_string_equal(feedback.event[0].ranking_id, "r-1");
    assert_string_equal(feedback.event[0].item_id, "i1");
    assert_string_equal(feedback.event[0].type, "purchase");
    assert_true(feedback.event[0].value == 2.5 && feedback.event[0].event_ms == 1500);
    codec_feedback_close(&feedback);
}

static void value_is_one_and_time_none_where_they_are_absent_or_null(void **state)
{
    static const char *const texts[] = {
        "{" EVENT "}", "{" EVENT ",\"value\":null,\"time\":null,\"event_id\":null}"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct codec_feedback feedback;
        must_read(texts[i], false, &feedback);
        assert_true(feedback.event[0].value == 1 && feedback.event[0].event_ms == INT64_MIN);
        assert_int_equal(strlen(feedback.event[0].event_id), 32);
        codec_feedback_close(&feedback);
    }
}

static void texts_outlive_the_body(void **state)
{
    struct codec_feedback feedback;
    char *body = strdup("{\"event_id\":\"e1\"," EVENT "}");

    (void)state;
    assert_non_null(body);
    must_read(body, true, &feedback);
    memset(body, 'x', strlen(body));
    free(body);
    assert_string_equal(feedback.event[0].event_id, "e1");
    assert_string_equal(feedback.event[0].type, "click");
    codec_feedback_close(&feedback);
}

/* ---- errors ---- */

static void a_malformed_event_is_told_with_its_index_in_every_form(void **state)
{
    static const char *const bad[][2] = {
        {"{\"item_id\":\"i\",\"type\":\"c\"}", ""},
        {"{\"ranking_id\":\"r\",\"type\":\"c\"}", ""},
        {"{\"ranking_id\":\"r\",\"item_id\":\"i\"}", ""},
        {"{\"ranking_id\":1,\"item_id\":\"i\",\"type\":\"c\"}", "/ranking_id"},
        {"{" EVENT ",\"time\":\"yesterday\"}", "/time"},
        {"{" EVENT ",\"time\":1700000000}", "/time"},
        {"{" EVENT ",\"value\":\"1\"}", "/value"},
        {"{" EVENT ",\"event_id\":\"\"}", "/event_id"},
        {"[]", ""},
    };
    char text[256], pointer[64];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        refuses(bad[i][0], false, PROBLEM_VALIDATION_FAILED, bad[i][1]);
        (void)snprintf(text, sizeof text, "{\"events\":[{" EVENT "},%s,{}]}", bad[i][0]);
        (void)snprintf(pointer, sizeof pointer, "/events/1%s", bad[i][1]);
        refuses(text, false, PROBLEM_VALIDATION_FAILED, pointer);
        (void)snprintf(text, sizeof text, "{" EVENT "}\n%s\n{}", bad[i][0]);
        (void)snprintf(pointer, sizeof pointer, "/1%s", bad[i][1]);
        refuses(text, true, PROBLEM_VALIDATION_FAILED, pointer);
    }
}

static void a_broken_line_is_told_with_its_index(void **state)
{
    (void)state;
    refuses("{" EVENT "}\n{" EVENT "\n", true, PROBLEM_INVALID_JSON, "/1");
    refuses("{" EVENT ",\"type\":\"b\"}\n", true, PROBLEM_DUPLICATE_KEY, "/0/type");
}

static void an_unknown_member_is_refused_unless_lenient(void **state)
{
    static const char *const texts[][2] = {
        {"{" EVENT ",\"typo\":1}", "/typo"},
        {"{\"events\":[{" EVENT ",\"typo\":1}]}", "/events/0/typo"},
        {"{\"events\":[],\"typo\":1}", "/typo"}};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct codec_feedback feedback;
        struct problem problem = {0};
        refuses(texts[i][0], false, PROBLEM_UNKNOWN_FIELD, texts[i][1]);
        assert_true(read_by(texts[i][0], false, true, &feedback, &problem));
        codec_feedback_close(&feedback);
    }
    refuses("{" EVENT "}\n{" EVENT ",\"typo\":1}", true, PROBLEM_UNKNOWN_FIELD, "/1/typo");
}

static void ids_and_types_have_limits(void **state)
{
    static const struct {
        const char *head, *tail, *pointer;
        size_t max;
    } limits[] = {
        {"{\"ranking_id\":\"r\",\"item_id\":\"i\",\"type\":\"", "\"}", "/type", 64},
        {"{\"ranking_id\":\"r\",\"type\":\"c\",\"item_id\":\"", "\"}", "/item_id", 128},
        {"{\"item_id\":\"i\",\"type\":\"c\",\"ranking_id\":\"", "\"}", "/ranking_id", 128},
        {"{" EVENT ",\"event_id\":\"", "\"}", "/event_id", 128},
    };
    struct list_fixture *f = *state;

    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct codec_feedback feedback;
        must_read(fixture_letters(f, limits[i].head, limits[i].max, limits[i].tail), false,
                  &feedback);
        codec_feedback_close(&feedback);
        refuses(fixture_letters(f, limits[i].head, limits[i].max + 1, limits[i].tail), false,
                PROBLEM_LIMIT_EXCEEDED, limits[i].pointer);
    }
}

static void a_value_is_from_zero_to_a_million(void **state)
{
    struct codec_feedback feedback;

    (void)state;
    must_read("{" EVENT ",\"value\":1e6}", false, &feedback);
    codec_feedback_close(&feedback);
    must_read("{" EVENT ",\"value\":0}", false, &feedback);
    codec_feedback_close(&feedback);
    refuses("{" EVENT ",\"value\":-0.1}", false, PROBLEM_VALUE_OUT_OF_RANGE, "/value");
    refuses("{" EVENT ",\"value\":1000000.1}", false, PROBLEM_VALUE_OUT_OF_RANGE, "/value");
}

/* n events in an array, or a line each. */
static void read_many(size_t n, bool ndjson, bool good)
{
    struct codec_feedback feedback;
    struct problem problem;
    struct emit text = {0};

    emit_format(&text, "%s", ndjson ? "" : "{\"events\":[");
    for (size_t i = 0; i < n; i++) {
        emit_format(&text, "%s{\"event_id\":\"e%zu\"," EVENT "}%s", !ndjson && i > 0 ? "," : "", i,
                    ndjson ? "\n" : "");
    }
    emit_format(&text, "%s", ndjson ? "" : "]}");
    assert_true(read(text.text, ndjson, &feedback, &problem) == good);
    assert_true(!good || feedback.n == n);
    assert_true(good || problem.kind == PROBLEM_LIMIT_EXCEEDED);
    codec_feedback_close(&feedback);
    emit_deinit(&text);
}

static void a_thousand_events_are_taken_and_one_more_is_not(void **state)
{
    (void)state;
    read_many(1000, false, true);
    read_many(1001, false, false);
    read_many(1000, true, true);
    read_many(1001, true, false);
}

/* ---- made ids ---- */

static void the_same_content_has_the_same_id_however_it_is_written(void **state)
{
    static const char *const same[] = {
        "{" EVENT ",\"time\":\"2026-11-24T10:00:00Z\"}",
        "{\"type\":\"click\",\"item_id\":\"i\",\"ranking_id\":\"r\",\"value\":1.0,"
        "\"time\":\"2026-11-24T11:00:00.000+01:00\"}",
        "{\"events\":[{" EVENT ",\"value\":1,\"time\":\"2026-11-24t10:00:00.0004z\"}]}"};
    char first[STORE_ID_MAX + 1], id[STORE_ID_MAX + 1];

    (void)state;
    id_of(same[0], first);
    assert_int_equal(strspn(first, "0123456789abcdef"), 32);
    for (size_t i = 1; i < sizeof same / sizeof *same; i++) {
        id_of(same[i], id);
        assert_string_equal(id, first);
    }
    id_of("{" EVENT ",\"value\":0}", first);
    id_of("{" EVENT ",\"value\":-0.0}", id);
    assert_string_equal(id, first);
}

static void any_difference_makes_another_id(void **state)
{
    static const char *const all[] = {
        "{" EVENT "}",
        "{\"ranking_id\":\"s\",\"item_id\":\"i\",\"type\":\"click\"}",
        "{\"ranking_id\":\"r\",\"item_id\":\"j\",\"type\":\"click\"}",
        "{\"ranking_id\":\"r\",\"item_id\":\"i\",\"type\":\"clack\"}",
        "{\"ranking_id\":\"ri\",\"item_id\":\"c\",\"type\":\"lick\"}",
        "{" EVENT ",\"value\":1.0000000000000002}",
        "{" EVENT ",\"time\":\"2026-11-24T10:00:00Z\"}",
        "{" EVENT ",\"time\":\"2026-11-24T10:00:00.001Z\"}",
    };
    enum {
        N = sizeof all / sizeof *all
    };
    char id[N][STORE_ID_MAX + 1];

    (void)state;
    for (size_t i = 0; i < N; i++) {
        id_of(all[i], id[i]);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(id[i], id[j]);
        }
    }
}

static void ids_with_newlines_do_not_run_together(void **state)
{
    char first[STORE_ID_MAX + 1], second[STORE_ID_MAX + 1];

    (void)state;
    id_of("{\"ranking_id\":\"a\\nb\",\"item_id\":\"c\",\"type\":\"click\"}", first);
    id_of("{\"ranking_id\":\"a\",\"item_id\":\"b\\nc\",\"type\":\"click\"}", second);
    assert_string_not_equal(first, second);
}

static void long_contents_are_hashed_to_their_end(void **state)
{
    struct list_fixture *f = *state;
    struct emit text = {0};
    char first[STORE_ID_MAX + 1], second[STORE_ID_MAX + 1];

    (void)fixture_letters(f, "", 128, "");
    emit_format(&text, "{\"type\":\"%.64s\",\"ranking_id\":\"%s\",\"item_id\":\"%s\",",
                f->text.text, f->text.text, f->text.text);
    emit_format(&text, "\"time\":\"2026-11-24T10:00:00.001Z\"}");
    id_of(text.text, first);
    memcpy(strstr(text.text, "001Z"), "002Z", 4);
    id_of(text.text, second);
    assert_string_not_equal(first, second);
    emit_deinit(&text);
}

/* ---- times ---- */

static void times_are_read_to_the_millisecond(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } times[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-24T10:00:00Z", 1795514400000},
        {"2026-11-24T10:00:00.123Z", 1795514400123},
        {"2026-11-24T10:00:00.1Z", 1795514400100},
        {"2026-11-24T10:00:00.000999999999999Z", 1795514400000},
        {"2026-11-24t10:00:00z", 1795514400000},
        {"2026-11-24 10:00:00Z", 1795514400000},
        {"2026-11-24T11:30:00+01:30", 1795514400000},
        {"2026-11-23T10:01:00-23:59", 1795514400000},
        {"2026-11-24T10:00:00-00:00", 1795514400000},
        {"1969-12-31T23:59:59.999Z", -1},
        {"2000-02-29T00:00:00Z", 951782400000},
        {"2024-02-29T23:59:59Z", 1709251199000},
        {"0000-01-01T00:00:00Z", -62167219200000},
        {"9999-12-31T23:59:59Z", 253402300799000},
        {"2038-01-19T03:14:08Z", 2147483648000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        int64_t ms = 0;
        if (!codec_time(times[i].text, &ms) || ms != times[i].ms) {
            fail_msg("%s is %lld", times[i].text, (long long)ms);
        }
    }
}

static void a_leap_second_is_the_second_after_it(void **state)
{
    int64_t leap, after;

    (void)state;
    assert_true(codec_time("2016-12-31T23:59:60Z", &leap));
    assert_true(codec_time("2017-01-01T00:00:00Z", &after));
    assert_true(leap == after);
    assert_true(codec_time("2017-01-01T00:59:60.5+01:00", &leap));
    assert_true(leap == after + 500);
    assert_false(codec_time("2016-12-31T22:59:60Z", &leap));
    assert_false(codec_time("2016-12-31T23:59:61Z", &leap));
}

static const char *const garbage[] = {
    "",
    "now",
    "2026",
    "2026-11-24",
    "2026-11-24T10:00:00",
    "2026-11-24T10:00Z",
    "2026-11-24T10:00:00.Z",
    "2026-11-24T10:00:00,5Z",
    "2026-11-24T10:00:00ZZ",
    "2026-11-24T10:00:00Z ",
    " 2026-11-24T10:00:00Z",
    "2026-11-24T24:00:00Z",
    "2026-11-24T10:60:00Z",
    "2026-13-01T00:00:00Z",
    "2026-00-01T00:00:00Z",
    "2026-01-00T00:00:00Z",
    "2026-01-32T00:00:00Z",
    "2026-02-29T00:00:00Z",
    "1900-02-29T00:00:00Z",
    "2100-02-29T00:00:00Z",
    "2026-04-31T00:00:00Z",
    "2024-02-30T00:00:00Z",
    "26-11-24T10:00:00Z",
    "2026-1-24T10:00:00Z",
    "+2026-11-24T10:00:00Z",
    "2026/11/24T10:00:00Z",
    "2026-11-24X10:00:00Z",
    "2026-11-24T10:00:00+1:00",
    "2026-11-24T10:00:00+0100",
    "2026-11-24T10:00:00+24:00",
    "2026-11-24T10:00:00+01:60",
    "2026-11-24T10:00:00+",
    "2026-11-24T10:00:00-01",
    "1795514400",
    "2026-11-24T-1:00:00Z",
    "2026-11-24T10:00:0",
};

static void what_is_no_time_is_refused_and_writes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        int64_t ms = 42;
        if (codec_time(garbage[i], &ms) || ms != 42) {
            fail_msg("\"%s\" gave %lld", garbage[i], (long long)ms);
        }
    }
}

static void times_do_not_depend_on_the_time_zone_of_the_machine(void **state)
{
    int64_t here, there;

    (void)state;
    assert_true(codec_time("2026-07-01T02:30:00Z", &here));
    assert_int_equal(setenv("TZ", "XYZ-05:30", 1), 0);
    tzset();
    assert_true(codec_time("2026-07-01T02:30:00Z", &there));
    assert_int_equal(unsetenv("TZ"), 0);
    tzset();
    assert_true(here == there);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_event_many_in_an_array_and_one_a_line_are_the_same),
        cmocka_unit_test(every_member_of_an_event_is_read),
        cmocka_unit_test(value_is_one_and_time_none_where_they_are_absent_or_null),
        cmocka_unit_test(texts_outlive_the_body),
        cmocka_unit_test(a_malformed_event_is_told_with_its_index_in_every_form),
        cmocka_unit_test(a_broken_line_is_told_with_its_index),
        cmocka_unit_test(an_unknown_member_is_refused_unless_lenient),
        LIST_TEST(ids_and_types_have_limits),
        cmocka_unit_test(a_value_is_from_zero_to_a_million),
        cmocka_unit_test(a_thousand_events_are_taken_and_one_more_is_not),
        cmocka_unit_test(the_same_content_has_the_same_id_however_it_is_written),
        cmocka_unit_test(any_difference_makes_another_id),
        cmocka_unit_test(ids_with_newlines_do_not_run_together),
        LIST_TEST(long_contents_are_hashed_to_their_end),
        cmocka_unit_test(times_are_read_to_the_millisecond),
        cmocka_unit_test(a_leap_second_is_the_second_after_it),
        cmocka_unit_test(what_is_no_time_is_refused_and_writes_nothing),
        cmocka_unit_test(times_do_not_depend_on_the_time_zone_of_the_machine),
    };
    json_start();
    return cmocka_run_group_tests_name("codec_feedback", tests, NULL, NULL);
}
