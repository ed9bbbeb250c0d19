/*
 * Flags of subcommands: what is read, what is refused.
 */
#include "flags.h"
#include "test.h"

#include <stdbool.h>
#include <sysexits.h>

struct options {
    const char *db;
    int64_t n;
    double part;
    bool json;
    bool help;
};

#define AT(field) offsetof(struct options, field)
#define ONE       1U
#define OTHER     2U

static const struct flag table[] = {
    {"db", "FILE", FLAG_TEXT, AT(db), 0, 0, ONE | OTHER, ONE, "a file"},
    {"n", "N", FLAG_WHOLE, AT(n), 2, 10, ONE, 0, "a number"},
    {"part", "F", FLAG_FRACTION, AT(part), 0, 0, ONE, 0, "a part"},
    {"json", NULL, FLAG_SWITCH, AT(json), 0, 0, ONE | OTHER, 0, "as JSON"},
    {"help", NULL, FLAG_SWITCH, AT(help), 0, 0, ONE | OTHER, 0, "print this"},
};

#define ARGUMENTS_MAX 16

/* Reads a line of words with a command of the table. */
static int read_line(unsigned bit, const char *line, struct options *options, const char **word)
{
    static char text[256];
    const struct flags flags = {"test", bit, table, sizeof table / sizeof *table};
    char *argv[ARGUMENTS_MAX], *rest = text;
    int argc = 0;

    (void)snprintf(text, sizeof text, "%s", line);
    for (char *one = strtok_r(text, " ", &rest); one != NULL; one = strtok_r(NULL, " ", &rest)) {
        assert_true(argc < ARGUMENTS_MAX);
        argv[argc++] = one;
    }
    return flags_read(&flags, argc, argv, options, word);
}

static void values_are_read_in_both_forms_and_the_last_one_counts(void **state)
{
    struct options options = {.n = 5};
    const char *word = NULL;

    (void)state;
    assert_int_equal(read_line(ONE, "--db a --n=3 show --n 10 --part 0.25 --json", &options, &word),
                     EX_OK);
    assert_string_equal(options.db, "a");
    assert_int_equal(options.n, 10);
    assert_close(options.part, 0.25, 0, 0);
    assert_true(options.json);
    assert_false(options.help);
    assert_string_equal(word, "show");
}

static void what_is_not_in_the_table_or_its_range_is_refused(void **state)
{
    static const char *const lines[] = {
        "",
        "--n 3",
        "--db",
        "--db=",
        "--db a --n 1",
        "--db a x",
        "--db a --x",
        "--db a --n 11",
        "--db a --n 3x",
        "--db a --part 1",
        "--db a --",
        "--db a --json=1",
        "--db a --n -3",
        "--db a --part -0",
        "--db a --d b",
    };

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct options options = {0};
        if (read_line(ONE, lines[i], &options, NULL) != EX_USAGE) {
            fail_msg("taken: %s", lines[i]);
        }
    }
}

static void command_takes_only_its_own_flags_and_needs_only_its_own(void **state)
{
    struct options options = {0};

    (void)state;
    assert_int_equal(read_line(OTHER, "--json", &options, NULL), EX_OK);
    assert_int_equal(read_line(OTHER, "--n 3", &options, NULL), EX_USAGE);
}

static void second_word_is_refused(void **state)
{
    struct options options = {0};
    const char *word = NULL;

    (void)state;
    assert_int_equal(read_line(OTHER, "a b", &options, &word), EX_USAGE);
}

static void help_ends_the_reading(void **state)
{
    struct options options = {0};

    (void)state;
    assert_int_equal(read_line(ONE, "--help --what is this", &options, NULL), EX_OK);
    assert_true(options.help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read_in_both_forms_and_the_last_one_counts),
        cmocka_unit_test(what_is_not_in_the_table_or_its_range_is_refused),
        cmocka_unit_test(command_takes_only_its_own_flags_and_needs_only_its_own),
        cmocka_unit_test(second_word_is_refused),
        cmocka_unit_test(help_ends_the_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
