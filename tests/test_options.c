/*
 * Options: defaults, which source wins, and that an error names the place and what it takes.
 */
#include "log.h"
#include "options.h"
#include "test.h"

#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct options options;
static struct rk_error err;
static char path[64];

static int reset(void **state)
{
    (void)state;
    memset(&options, 0, sizeof options);
    err = (struct rk_error){0};
    (void)unsetenv("RANKD_CONFIG");
    (void)unsetenv("RANKD_THREADS");
    (void)unsetenv("RANKD_QUEUE_MIB");
    (void)unsetenv("RANKD_DB");
    if (path[0] != '\0') {
        (void)unlink(path);
        path[0] = '\0';
    }
    return 0;
}

static void write_file(const char *text)
{
    (void)strcpy(path, "/tmp/rankd-options-XXXXXX");
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(file);
}

#define READ(...)                                                                                  \
    options_read(&options, (int)COUNT(((const char *const[]){__VA_ARGS__})),                       \
                 (char *const *)(uintptr_t)(const char *const[]){__VA_ARGS__}, &err)

static void refuses(enum rk_status status, enum rk_status expected, const char *part)
{
    assert_status(status, expected);
    assert_int_equal(err.status, expected);
    if (strstr(err.text, part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, part);
    }
    err = (struct rk_error){0};
}

static void without_sources_the_defaults_of_the_table_hold(void **state)
{
    (void)state;
    assert_ok(options_read(&options, 0, NULL, &err));
    assert_string_equal(options.db, "rankd.db");
    assert_string_equal(options.listen, "127.0.0.1:8080");
    assert_string_equal(options.ops_listen, "");
    assert_int_equal(options.threads, 0);
    assert_int_equal(options.feedback_ttl_s, 86400);
    assert_int_equal(options.connections, 1024);
}

static void flags_take_their_value_after_a_space_or_an_equals_sign(void **state)
{
    (void)state;
    assert_ok(READ("--db", "a=b.db", "--threads=7", "--ops-listen=", "--queue-mib", "1",
                   "--queue-mib", "2", "--log-format=x=y"));
    assert_string_equal(options.db, "a=b.db");
    assert_int_equal(options.threads, 7);
    assert_int_equal(options.queue_mib, 2);
    assert_string_equal(options.ops_listen, "");
    assert_string_equal(options.log_format, "x=y");
}

static void the_more_explicit_source_wins(void **state)
{
    (void)state;
    write_file("RANKD_THREADS=1\nRANKD_QUEUE_MIB=1\nRANKD_CONNECTIONS=100\nRANKD_DB=file.db\n");
    (void)setenv("RANKD_THREADS", "2", 1);
    (void)setenv("RANKD_QUEUE_MIB", "2", 1);
    assert_ok(READ("--threads", "3", "--config", path));
    assert_int_equal(options.threads, 3);       /* flag */
    assert_int_equal(options.queue_mib, 2);     /* environment */
    assert_int_equal(options.connections, 100); /* file */
    assert_int_equal(options.checkpoint_s, 60); /* default */
    assert_string_equal(options.db, "file.db");
    assert_string_equal(options.config, path);
}

static void the_file_may_be_named_by_the_environment(void **state)
{
    (void)state;
    write_file("RANKD_THREADS=5\n");
    (void)setenv("RANKD_CONFIG", path, 1);
    assert_ok(options_read(&options, 0, NULL, &err));
    assert_int_equal(options.threads, 5);
    refuses(READ("--config=/no/such/file"), RK_IO, "/no/such/file: No such file");
}

static void a_file_has_comments_blanks_and_quotes(void **state)
{
    (void)state;
    write_file("# comment\n\n  \t\n RANKD_DB = \"my data.db\" \r\n#RANKD_THREADS=x\n"
               "RANKD_LISTEN='::1'\nRANKD_OPS_LISTEN=\nRANKD_THREADS=4"); /* no last newline */
    assert_ok(READ("--config", path));
    assert_string_equal(options.db, "my data.db");
    assert_string_equal(options.listen, "::1");
    assert_string_equal(options.ops_listen, "");
    assert_int_equal(options.threads, 4);
}

static void an_unknown_option_is_named(void **state)
{
    (void)state;
    refuses(READ("--thread", "3"), RK_INVALID, "no option is called --thread; --help");
    refuses(READ("--thread=3"), RK_INVALID, "no option is called --thread;");
    refuses(READ("--threadsx=3"), RK_INVALID, "--threadsx");
    refuses(READ("threads=3"), RK_INVALID, "no option is called threads;");
    refuses(READ("-t"), RK_INVALID, "-t");
    refuses(READ("--"), RK_INVALID, "--");
    refuses(READ(""), RK_INVALID, "--help");
}

static void a_flag_without_its_value_is_refused(void **state)
{
    (void)state;
    refuses(READ("--db"), RK_INVALID, "--db needs a value (path)");
    refuses(READ("--db", "--threads", "2"), RK_INVALID, "--db needs a value");
    assert_ok(READ("--db=--odd"));
    assert_string_equal(options.db, "--odd");
}

static void a_switch_needs_no_value_and_may_have_one(void **state)
{
    (void)state;
    assert_ok(READ("--insecure-no-auth", "--db", "a.db"));
    assert_int_equal(options.insecure_no_auth, 1);
    assert_string_equal(options.db, "a.db");
    assert_ok(READ("--db", "b.db", "--insecure-no-auth"));
    assert_int_equal(options.insecure_no_auth, 1);
    assert_ok(READ("--insecure-no-auth=0"));
    assert_int_equal(options.insecure_no_auth, 0);
    refuses(READ("--insecure-no-auth=2"), RK_INVALID, "--insecure-no-auth takes a whole number");
}

static void a_number_must_be_whole_and_in_range(void **state)
{
    static const char *const bad[] = {"257", "-1",  "",    "x",   "1x",
                                      " 1",  "1.0", "1e2", "0x1", "99999999999999999999"};
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        refuses(READ("--threads", bad[i]), RK_INVALID,
                "--threads takes a whole number from 0 to 256 (threads)");
    }
    assert_ok(READ("--threads", "256"));
    assert_ok(READ("--threads", "0"));
    assert_ok(READ("--connections", "8"));
    refuses(READ("--connections", "7"), RK_INVALID, "from 8 to 1000000");
}

static void the_place_of_a_wrong_value_is_named(void **state)
{
    char place[128];
    (void)state;
    (void)setenv("RANKD_QUEUE_MIB", "0", 1);
    refuses(options_read(&options, 0, NULL, &err), RK_INVALID, "RANKD_QUEUE_MIB takes");
    (void)unsetenv("RANKD_QUEUE_MIB");
    write_file("# one\nRANKD_CONNECTIONS=1\n");
    (void)snprintf(place, sizeof place, "%s:2: RANKD_CONNECTIONS takes a whole number from 8",
                   path);
    refuses(READ("--config", path), RK_INVALID, place);
}

static void a_file_with_a_wrong_line_is_refused_with_its_number(void **state)
{
    static const char *const lines[] = {"RANKD_NOPE=1", "threads=1", "RANKD_THREADS", "=1",
                                        "RANKD_CONFIG=other"};
    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        char text[64];
        char place[80];
        (void)snprintf(text, sizeof text, "\n%s\n", lines[i]);
        write_file(text);
        (void)snprintf(place, sizeof place, "%s:2: ", path);
        refuses(READ("--config", path), RK_INVALID, place);
        (void)reset(NULL);
    }
    refuses(READ("--config", "/tmp"), RK_IO, "/tmp: Is a directory");
}

static void a_text_that_is_too_long_is_refused(void **state)
{
    char text[OPTION_TEXT_MAX + 1];
    (void)state;
    memset(text, 'x', sizeof text);
    text[OPTION_TEXT_MAX] = '\0';
    refuses(READ("--db", text), RK_INVALID, "--db takes at most 1023 bytes");
    text[OPTION_TEXT_MAX - 1] = '\0';
    assert_ok(READ("--db", text));
    assert_string_equal(options.db, text);
    refuses(READ(text), RK_INVALID, "--help"); /* the hint survives a long name */
}

static void the_longest_names_leave_room_for_the_range(void **state)
{
    char long_path[128];
    (void)state;
    (void)snprintf(long_path, sizeof long_path, "/tmp/%080d.conf", 0);
    FILE *file = fopen(long_path, "w");
    assert_non_null(file);
    (void)fputs("RANKD_FEEDBACK_TTL_S=0\n", file);
    (void)fclose(file);
    enum rk_status status = READ("--config", long_path);
    (void)unlink(long_path);
    refuses(status, RK_INVALID,
            "0000.conf:1: RANKD_FEEDBACK_TTL_S takes a whole number from 1 to 31536000 (s)");
}

static void nothing_changes_on_an_error(void **state)
{
    (void)state;
    options.threads = 77;
    refuses(READ("--threads", "3", "--nope"), RK_INVALID, "--nope");
    assert_int_equal(options.threads, 77);
}

static void help_and_markdown_name_every_option(void **state)
{
    struct emit help = {0};
    struct emit table = {0};
    (void)state;
    options_help(&help);
    options_markdown(&table);
#define IS_NAMED(field, kind, flag, def, min, max, unit, meaning)                                  \
    assert_non_null(strstr(help.text, OPTION_##kind == OPTION_SWITCH                               \
                                          ? "  --" flag "\n      " meaning "\n"                    \
                                          : "  --" flag "=" unit "\n      " meaning "\n"));        \
    assert_non_null(strstr(table.text, "| `--" flag "` | `RANKD_"));
    OPTIONS(IS_NAMED)
#undef IS_NAMED
    assert_non_null(strstr(help.text, "1 to 31536000; default 86400; RANKD_FEEDBACK_TTL_S\n"));
    assert_non_null(strstr(table.text, "| `--queue-mib` | `RANKD_QUEUE_MIB` | `64` | 1 to 4096 | "
                                       "MiB | the same in bytes |\n"));
    emit_deinit(&help);
    emit_deinit(&table);
}

static void all_values_are_logged_in_one_line(void **state)
{
    char line[2048] = "";
    int ends[2];
    (void)state;
    assert_ok(READ("--db", "my data.db"));
    log_start(LOG_LEVEL_INFO, false);
    assert_int_equal(pipe(ends), 0);
    int terminal = dup(STDERR_FILENO);
    (void)dup2(ends[1], STDERR_FILENO);
    options_log(&options);
    (void)dup2(terminal, STDERR_FILENO);
    assert_true(read(ends[0], line, sizeof line - 1) > 0);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_non_null(strstr(line, " level=info event=options db=\"my data.db\" listen="));
#define IS_LOGGED(field, kind, flag, def, min, max, unit, meaning)                                 \
    assert_non_null(strstr(line, " " #field "="));
    OPTIONS(IS_LOGGED)
#undef IS_LOGGED
    (void)close(ends[0]);
    (void)close(ends[1]);
    (void)close(terminal);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_sources_the_defaults_of_the_table_hold),
        TEST(flags_take_their_value_after_a_space_or_an_equals_sign),
        TEST(the_more_explicit_source_wins),
        TEST(the_file_may_be_named_by_the_environment),
        TEST(a_file_has_comments_blanks_and_quotes),
        TEST(an_unknown_option_is_named),
        TEST(a_flag_without_its_value_is_refused),
        TEST(a_switch_needs_no_value_and_may_have_one),
        TEST(a_number_must_be_whole_and_in_range),
        TEST(the_place_of_a_wrong_value_is_named),
        TEST(a_file_with_a_wrong_line_is_refused_with_its_number),
        TEST(a_text_that_is_too_long_is_refused),
        TEST(the_longest_names_leave_room_for_the_range),
        TEST(nothing_changes_on_an_error),
        TEST(help_and_markdown_name_every_option),
        TEST(all_values_are_logged_in_one_line),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
