/*
 * Lines of a body: where they are cut, which are skipped, and how they are counted.
 */
#include "lines.h"
#include "test.h"

static void lines_are_cut_at_newlines_and_blank_ones_are_skipped(void **state)
{
    static const char text[] = "\n a \r\n \t\r\n\nbc\n\n";
    struct lines lines = lines_of(text, sizeof text - 1);
    const char *line;
    size_t n;

    (void)state;
    assert_true(lines_next(&lines, &line, &n));
    assert_true(n == 4 && memcmp(line, " a \r", 4) == 0);
    assert_true(lines.number == 0 && lines.place == 2);
    assert_true(lines_next(&lines, &line, &n));
    assert_true(n == 2 && memcmp(line, "bc", 2) == 0);
    assert_true(lines.number == 1 && lines.place == 5);
    assert_false(lines_next(&lines, &line, &n));
    assert_false(lines_next(&lines, &line, &n));
}

static void the_last_line_needs_no_newline(void **state)
{
    (void)state;
    assert_int_equal(lines_count("", 0), 0);
    assert_int_equal(lines_count(NULL, 0), 0);
    assert_int_equal(lines_count("\n \n", 3), 0);
    assert_int_equal(lines_count("a\nb", 3), 2);
    assert_int_equal(lines_count("a\nb\n", 4), 2);
    assert_int_equal(lines_count("a\nb\nc", 3), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_cut_at_newlines_and_blank_ones_are_skipped),
        cmocka_unit_test(the_last_line_needs_no_newline),
    };
    return cmocka_run_group_tests_name("lines", tests, NULL, NULL);
}
