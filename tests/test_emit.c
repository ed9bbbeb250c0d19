/*
 * The bounded writer: JSON structure, escapes, numbers that read back exactly, the limit, failed
 * allocations. jansson is the oracle for "is this JSON", strtof and printf for the digits.
 */
#include "emit.h"
#include "test.h"

#include <jansson.h>
#include <time.h>

static struct emit out;

static int reset(void **state)
{
    (void)state;
    emit_deinit(&out);
    out = (struct emit){0};
    return 0;
}

static void commas_and_colons_come_by_themselves(void **state)
{
    (void)state;
    emit_open(&out, '{');
    emit_key(&out, "a");
    emit_integer(&out, 1);
    emit_key(&out, "b");
    emit_open(&out, '[');
    emit_boolean(&out, true);
    emit_null(&out);
    emit_open(&out, '{');
    emit_close(&out, '}');
    emit_string(&out, "x");
    emit_json(&out, "[1]", 3);
    emit_close(&out, ']');
    emit_key(&out, "c");
    emit_boolean(&out, false);
    emit_close(&out, '}');
    assert_string_equal(out.text, "{\"a\":1,\"b\":[true,null,{},\"x\",[1]],\"c\":false}");
    assert_int_equal(out.length, strlen(out.text));
}

static void a_raw_newline_starts_a_new_line_of_ndjson(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        emit_open(&out, '[');
        emit_integer(&out, i);
        emit_close(&out, ']');
        emit_raw(&out, "\n", 1);
    }
    assert_string_equal(out.text, "[0]\n[1]\n");
}

static void strings_are_escaped_as_rfc_8259_asks(void **state)
{
    (void)state;
    emit_string(&out, "\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9\xf0\x9f\x98\x80");
    assert_string_equal(out.text, "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9"
                                  "\xf0\x9f\x98\x80\"");
    emit_reset(&out);
    emit_bytes(&out, "a\0b", 3);
    assert_string_equal(out.text, "\"a\\u0000b\"");
    emit_reset(&out);
    emit_string(&out, NULL);
    assert_string_equal(out.text, "null");
}

static void every_ascii_byte_reads_back_as_itself(void **state)
{
    char text[128];
    (void)state;
    for (int i = 0; i < 128; i++) {
        text[i] = (char)i;
    }
    emit_open(&out, '[');
    emit_bytes(&out, text, sizeof text);
    emit_close(&out, ']');
    json_t *read = json_loadb(out.text, out.length, JSON_ALLOW_NUL, NULL);
    assert_non_null(read);
    assert_int_equal(json_string_length(json_array_get(read, 0)), sizeof text);
    assert_memory_equal(json_string_value(json_array_get(read, 0)), text, sizeof text);
    json_decref(read);
}

static void keys_are_escaped(void **state)
{
    (void)state;
    emit_open(&out, '{');
    emit_key(&out, "a\"b");
    emit_integer(&out, 0);
    emit_close(&out, '}');
    assert_string_equal(out.text, "{\"a\\\"b\":0}");
}

static void integers_are_written_whole(void **state)
{
    (void)state;
    emit_integer(&out, INT64_MIN);
    emit_integer(&out, -1);
    emit_integer(&out, 0);
    emit_integer(&out, INT64_MAX);
    assert_string_equal(out.text, "-9223372036854775808,-1,0,9223372036854775807");
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void check_float(float value)
{
    char fewest[40];
    emit_reset(&out);
    emit_float(&out, value);
    if (bits_of(strtof(out.text, NULL)) != bits_of(value)) {
        fail_msg("%.9g was written as %s", (double)value, out.text);
    }
    for (int precision = 6; precision <= 9; precision++) {
        snprintf(fewest, sizeof fewest, "%.*g", precision, (double)value);
        if (strtof(fewest, NULL) == value) {
            break;
        }
    }
    if (value != 0 && out.length > strlen(fewest)) {
        fail_msg("%s is longer than %s", out.text, fewest);
    }
}

static void a_million_random_floats_read_back_bit_by_bit(void **state)
{
    uint64_t seed = (uint64_t)time(NULL);
    uint64_t x = seed;
    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < 1000000; i++) {
        x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        float any = float_of((uint32_t)(x >> 32));
        if (isfinite(any)) {
            check_float(any);
        }
        check_float((float)((double)(x >> 11) / 9007199254740992.0 * 8 - 4)); /* like scores */
    }
}

static void floats_at_the_edges_read_back(void **state)
{
    static const float edges[] = {
        1e-4F, 9.9999997e-5F, 999999.94F,      1e6F,   0.1F,       0.2F,    0.3F, 1.0F / 3, 10,
        100,   3.4028235e38F, 1.17549435e-38F, 1e-45F, 8388608.5F, 16777216};
    (void)state;
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        check_float(edges[i]);
        check_float(-edges[i]);
        check_float(nextafterf(edges[i], 0));
        check_float(nextafterf(edges[i], 1e30F));
    }
}

static void floats_are_short(void **state)
{
    (void)state;
    emit_float(&out, 0.1F);
    emit_float(&out, -9.5F);
    emit_float(&out, 3);
    emit_float(&out, 0);
    emit_float(&out, -0.0F);
    emit_float(&out, 1.2345F);
    emit_float(&out, 1e10F);
    emit_float(&out, 0.001F);
    emit_float(&out, 100000);
    assert_string_equal(out.text, "0.1,-9.5,3,0,-0.0,1.2345,1e+10,0.001,100000");
}

static void numbers_that_are_not_finite_are_null(void **state)
{
    (void)state;
    emit_float(&out, NAN);
    emit_float(&out, -INFINITY);
    emit_double(&out, (double)NAN);
    emit_double(&out, (double)INFINITY);
    assert_string_equal(out.text, "null,null,null,null");
}

static void doubles_read_back_and_are_short(void **state)
{
    static const double values[] = {0.1, 1.0 / 3, 1e300, 5e-324, -2.5, 9007199254740993.0};
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        emit_reset(&out);
        emit_double(&out, values[i]);
        assert_true(strtod(out.text, NULL) == values[i]);
    }
    emit_reset(&out);
    emit_double(&out, 0.1);
    emit_double(&out, -0.0);
    emit_double(&out, 2.0 / 3);
    assert_string_equal(out.text, "0.1,-0.0,0.6666666666666666");
}

static void mean_of_nothing_is_null(void **state)
{
    (void)state;
    emit_mean(&out, 3, 2);
    emit_mean(&out, 0, 0);
    emit_mean(&out, (double)NAN, 1);
    assert_string_equal(out.text, "1.5,null,null");
}

static void numbers_are_json(void **state)
{
    static const uint32_t step = 7919 * 97;
    uint32_t bits = 0;
    (void)state;
    emit_open(&out, '[');
    for (int i = 0; i < 2000; i++, bits += step * 331) {
        emit_float(&out, float_of(bits));
        emit_double(&out, (double)float_of(bits) * 1.1);
    }
    emit_close(&out, ']');
    json_t *read = json_loadb(out.text, out.length, 0, NULL);
    assert_non_null(read);
    assert_int_equal(json_array_size(read), 4000);
    json_decref(read);
}

static void times_are_rfc_3339_in_utc(void **state)
{
    (void)state;
    emit_time(&out, 0);
    emit_time(&out, INT64_C(1795514400123));
    emit_time(&out, -1);
    emit_time(&out, INT64_C(951782400000));
    assert_string_equal(out.text, "\"1970-01-01T00:00:00.000Z\",\"2026-11-24T10:00:00.123Z\","
                                  "\"1969-12-31T23:59:59.999Z\",\"2000-02-29T00:00:00.000Z\"");
    emit_reset(&out);
    emit_time(&out, INT64_MIN); /* no such year, and no crash */
    assert_string_equal(out.text, "null");
}

static void past_the_limit_it_fails_and_writes_no_more(void **state)
{
    (void)state;
    out.limit = 10;
    emit_raw(&out, "0123456789", 10);
    assert_false(out.failed);
    emit_raw(&out, "", 0);
    assert_false(out.failed);
    emit_raw(&out, "x", 1);
    assert_true(out.failed);
    assert_string_equal(out.text, "0123456789");
    emit_reset(&out);
    assert_false(out.failed);
    emit_format(&out, "%d", 12345);
    emit_format(&out, "%s", "678901");
    emit_integer(&out, 1); /* would fit */
    assert_true(out.failed);
    assert_string_equal(out.text, "12345");
    assert_null(emit_take(&out, NULL));
}

static void a_size_that_would_wrap_is_refused(void **state)
{
    (void)state;
    emit_raw(&out, "abc", 3);
    emit_raw(&out, "abc", SIZE_MAX);
    assert_true(out.failed);
    assert_string_equal(out.text, "abc");
}

static void it_grows_past_its_first_memory(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++) {
        emit_integer(&out, i);
    }
    assert_false(out.failed);
    assert_int_equal(out.length, 10 + 90 * 2 + 900 * 3 + 9000 * 4 + 90000 * 5 + 99999);
    assert_string_equal(out.text + out.length - 12, ",99998,99999");
}

static void room_that_is_reserved_does_not_move_and_counts_against_the_limit(void **state)
{
    struct emit small = {.limit = 1000};
    const char *text;
    (void)state;
    assert_true(emit_reserve(&small, 500));
    text = small.text;
    for (int i = 0; i < 500; i++) {
        emit_raw(&small, "x", 1);
    }
    assert_ptr_equal(small.text, text);
    assert_false(emit_reserve(&small, 501));
    assert_true(small.failed);
    emit_deinit(&small);
}

static void take_hands_the_text_over_and_starts_afresh(void **state)
{
    size_t n = 99;
    (void)state;
    out.limit = 100;
    emit_string(&out, "x");
    char *text = emit_take(&out, &n);
    assert_string_equal(text, "\"x\"");
    assert_int_equal(n, 3);
    free(text);
    assert_null(out.text);
    assert_int_equal(out.limit, 100);
    emit_integer(&out, 1);
    assert_string_equal(out.text, "1");
}

static void taking_nothing_gives_an_empty_text(void **state)
{
    size_t n = 99;
    (void)state;
    char *text = emit_take(&out, &n);
    assert_string_equal(text, "");
    assert_int_equal(n, 0);
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(commas_and_colons_come_by_themselves),
        TEST(a_raw_newline_starts_a_new_line_of_ndjson),
        TEST(strings_are_escaped_as_rfc_8259_asks),
        TEST(every_ascii_byte_reads_back_as_itself),
        TEST(keys_are_escaped),
        TEST(integers_are_written_whole),
        TEST(a_million_random_floats_read_back_bit_by_bit),
        TEST(floats_at_the_edges_read_back),
        TEST(floats_are_short),
        TEST(numbers_that_are_not_finite_are_null),
        TEST(doubles_read_back_and_are_short),
        TEST(mean_of_nothing_is_null),
        TEST(numbers_are_json),
        TEST(times_are_rfc_3339_in_utc),
        TEST(past_the_limit_it_fails_and_writes_no_more),
        TEST(a_size_that_would_wrap_is_refused),
        TEST(it_grows_past_its_first_memory),
        TEST(room_that_is_reserved_does_not_move_and_counts_against_the_limit),
        TEST(take_hands_the_text_over_and_starts_afresh),
        TEST(taking_nothing_gives_an_empty_text),
    };
    return cmocka_run_group_tests_name("emit", tests, NULL, NULL);
}
