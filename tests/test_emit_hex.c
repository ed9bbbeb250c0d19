/*
 * Bytes as hexadecimal digits, as checksums are answered.
 */
#include "emit.h"
#include "test.h"

static void bytes_become_lower_case_digits_high_half_first(void **state)
{
    static const uint8_t bytes[] = {0x00, 0x01, 0x0f, 0x10, 0x7f, 0x80, 0xab, 0xff};
    struct emit out = {0};

    (void)state;
    emit_open(&out, '[');
    emit_hex(&out, bytes, sizeof bytes);
    emit_hex(&out, bytes, 0);
    emit_close(&out, ']');
    assert_string_equal(out.text, "[\"00010f107f80abff\",\"\"]");
    emit_deinit(&out);
}

static void every_byte_reads_back(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        struct emit out = {0};
        emit_hex(&out, &(uint8_t){(uint8_t)byte}, 1);
        assert_int_equal(out.length, 4);
        assert_int_equal(strtoul(out.text + 1, NULL, 16), byte);
        emit_deinit(&out);
    }
}

static void over_the_limit_it_fails(void **state)
{
    struct emit out = {.limit = 5};

    (void)state;
    emit_hex(&out, (const uint8_t[]){1, 2}, 2);
    assert_true(out.failed);
    emit_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_become_lower_case_digits_high_half_first),
        cmocka_unit_test(every_byte_reads_back),
        cmocka_unit_test(over_the_limit_it_fails),
    };
    return cmocka_run_group_tests_name("emit_hex", tests, NULL, NULL);
}
