/*
 * The progress line's text, and that nothing is drawn where stderr is no terminal.
 */
#include "progress.h"
#include "test.h"

#include <unistd.h>

static void line_shows_done_rate_share_and_time_left(void **state)
{
    const struct progress progress = {
        .what = "training", .unit = "lists", .total = 100000, .done = 25000};
    char line[80];

    (void)state;
    progress_line(&progress, 10, line, sizeof line);
    assert_string_equal(line, "training: 25.0k lists, 2.5k/s, 25 %, 0:00:30 left");
}

static void line_of_an_unknown_total_has_no_time_left(void **state)
{
    const struct progress progress = {.what = "reading", .unit = "bytes", .done = 12345678};
    char line[80];

    (void)state;
    progress_line(&progress, 2, line, sizeof line);
    assert_string_equal(line, "reading: 12.3M bytes, 6.2M/s");
}

static void line_survives_no_time_no_work_and_a_total_that_was_passed(void **state)
{
    struct progress progress = {.what = "scoring", .unit = "lists", .total = 5};
    char line[80];

    (void)state;
    progress_line(&progress, 0, line, sizeof line);
    assert_string_equal(line, "scoring: 0 lists, 0/s");
    progress.done = 8;
    progress_line(&progress, 4, line, sizeof line);
    assert_string_equal(line, "scoring: 8 lists, 2/s");
}

static void nothing_is_drawn_where_stderr_is_no_terminal(void **state)
{
    FILE *file = tmpfile();
    const int kept = dup(STDERR_FILENO);
    struct progress progress;

    (void)state;
    assert_non_null(file);
    assert_true(kept >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
    progress_start(&progress, "training", "lists", 10);
    progress.drawn_ns = 0; /* long ago: it would be time to draw */
    progress_add(&progress, 5);
    progress_end(&progress);
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    (void)close(kept);
    assert_int_equal(progress.done, 5);
    assert_int_equal(lseek(fileno(file), 0, SEEK_END), 0);
    (void)fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_shows_done_rate_share_and_time_left),
        cmocka_unit_test(line_of_an_unknown_total_has_no_time_left),
        cmocka_unit_test(line_survives_no_time_no_work_and_a_total_that_was_passed),
        cmocka_unit_test(nothing_is_drawn_where_stderr_is_no_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
