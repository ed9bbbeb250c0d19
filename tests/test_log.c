/*
 * Log lines: their form, that no value can forge a line, and that an event that repeats is written
 * only now and then. stderr is a file here, and the monotonic clock is the test's.
 */
#include "log.h"
#include "test.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t skipped_ms;
static char lines[1 << 20];

int clock_gettime(clockid_t clock, struct timespec *time);

/* Takes the place of libc's in this program. */
int clock_gettime(clockid_t clock, struct timespec *time)
{
    int rc = (int)syscall(SYS_clock_gettime, clock, time);
    if (clock == CLOCK_MONOTONIC) {
        int64_t ms = skipped_ms + time->tv_nsec / 1000000;
        time->tv_sec += ms / 1000;
        time->tv_nsec = ms % 1000 * 1000000 + time->tv_nsec % 1000000;
    }
    return rc;
}

static int file = -1;
static int terminal = -1;

static void capture(void)
{
    file = fileno(tmpfile());
    terminal = dup(STDERR_FILENO);
    assert_true(file >= 0 && terminal >= 0);
    (void)dup2(file, STDERR_FILENO);
}

/* What was written since capture(), in lines. */
static size_t captured(void)
{
    size_t count = 0;
    (void)dup2(terminal, STDERR_FILENO);
    (void)close(terminal);
    ssize_t n = pread(file, lines, sizeof lines - 1, 0);
    assert_true(n >= 0);
    lines[n] = '\0';
    for (ssize_t i = 0; i < n; i++) {
        count += lines[i] == '\n';
    }
    return count;
}

/* The line after its time. */
static const char *after_time(void)
{
    const char *rest = strchr(lines, ' ');
    return rest != NULL ? rest + 1 : "";
}

static void a_line_is_time_level_event_and_fields(void **state)
{
    struct tm utc = {0};
    int ms = -1;
    int used = 0;
    (void)state;
    log_start(LOG_LEVEL_INFO, false);
    capture();
    log_info("listening", log_text("address", "127.0.0.1:80"), log_number("port", -7),
             log_real("load", 0.1));
    assert_int_equal(captured(), 1);
    assert_string_equal(after_time(),
                        "level=info event=listening address=127.0.0.1:80 port=-7 load=0.1\n");
    int n = sscanf(lines, "ts=%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %n", &utc.tm_year, &utc.tm_mon,
                   &utc.tm_mday, &utc.tm_hour, &utc.tm_min, &utc.tm_sec, &ms, &used);
    assert_int_equal(n, 7);
    assert_int_equal(used, (int)strlen("ts=2026-11-24T10:00:00.123Z "));
    utc.tm_year -= 1900;
    utc.tm_mon -= 1;
    assert_true(llabs((long long)(timegm(&utc) - time(NULL))) <= 2);
}

static void an_event_needs_no_fields(void **state)
{
    (void)state;
    log_start(LOG_LEVEL_DEBUG, false);
    capture();
    log_debug("started");
    assert_int_equal(captured(), 1);
    assert_string_equal(after_time(), "level=debug event=started\n");
}

static void levels_below_the_set_one_are_silent(void **state)
{
    (void)state;
    log_start(LOG_LEVEL_NOTICE, false);
    capture();
    log_debug("a");
    log_info("b");
    log_notice("c");
    log_warn("d");
    log_error("e");
    assert_int_equal(captured(), 3);
    assert_null(strstr(lines, "event=b"));
    assert_non_null(strstr(lines, "level=notice event=c"));
    assert_non_null(strstr(lines, "level=warn event=d"));
    assert_non_null(strstr(lines, "level=error event=e"));
}

static void levels_are_found_by_name(void **state)
{
    enum log_level level = LOG_LEVEL_ERROR;
    (void)state;
    assert_true(log_level_find("debug", &level));
    assert_int_equal(level, LOG_LEVEL_DEBUG);
    assert_true(log_level_find("warn", &level));
    assert_int_equal(level, LOG_LEVEL_WARN);
    assert_false(log_level_find("loud", &level));
    assert_false(log_level_find("", &level));
    assert_int_equal(level, LOG_LEVEL_WARN);
}

static void no_value_can_forge_a_line(void **state)
{
    (void)state;
    log_start(LOG_LEVEL_INFO, false);
    capture();
    log_info("seen", log_text("id", "x\nts=2026 level=error event=forged"),
             log_text("quote", "a\" event=forged b=\""),
             log_text("bad", "\r\x1b[31m\x7f\xc2\x9b\t"));
    assert_int_equal(captured(), 1);
    assert_string_equal(after_time(), "level=info event=seen "
                                      "id=\"x\\nts=2026 level=error event=forged\" "
                                      "quote=\"a\\\" event=forged b=\\\"\" "
                                      "bad=\"\\r\\u001b[31m\\u007f\\u009b\\t\"\n");
}

static void values_are_quoted_only_where_they_must_be(void **state)
{
    (void)state;
    log_start(LOG_LEVEL_INFO, false);
    capture();
    log_info("seen", log_text("a", "plain/1.0"), log_text("b", ""), log_text("c", "two words"),
             log_text("d", "k=v"), log_text("e", "\xc3\xa9"), log_text("f", "\xff!"),
             log_text("g", NULL), log_real("h", (double)NAN));
    assert_int_equal(captured(), 1);
    assert_string_equal(after_time(),
                        "level=info event=seen a=plain/1.0 b=\"\" c=\"two words\" d=\"k=v\" "
                        "e=\"\xc3\xa9\" f=\"\\ufffd!\" g=null h=nan\n");
}

static void a_json_line_is_one_json_object(void **state)
{
    (void)state;
    log_start(LOG_LEVEL_INFO, true);
    capture();
    log_info("seen", log_text("a", "x\n\"\\\x01\x7f\xc3\xa9\xff"), log_number("b", INT64_MIN),
             log_real("c", 1.5), log_real("d", (double)INFINITY), log_text("e", NULL));
    assert_int_equal(captured(), 1);
    json_t *line = json_loads(lines, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(line);
    assert_int_equal(strlen(json_string_value(json_object_get(line, "ts"))), 24);
    assert_string_equal(json_string_value(json_object_get(line, "level")), "info");
    assert_string_equal(json_string_value(json_object_get(line, "event")), "seen");
    assert_string_equal(json_string_value(json_object_get(line, "a")),
                        "x\n\"\\\x01\x7f\xc3\xa9\xef\xbf\xbd");
    assert_true(json_integer_value(json_object_get(line, "b")) == INT64_MIN);
    assert_true(json_real_value(json_object_get(line, "c")) == 1.5);
    assert_true(json_is_null(json_object_get(line, "d")));
    assert_true(json_is_null(json_object_get(line, "e")));
    json_decref(line);
}

static void long_values_are_cut_and_the_line_stays_whole(void **state)
{
    static char text[4 * LOG_VALUE_MAX];
    (void)state;
    for (size_t i = 0; i + 1 < sizeof text; i += 2) { /* the cut must not split a character */
        memcpy(text + i, "\xc3\xa9", 2);
    }
    text[sizeof text - 1] = '\0';
    text[sizeof text - 2] = '\0';
    log_start(LOG_LEVEL_INFO, true);
    capture();
    log_info("long", log_text("a", text), log_text("b", text + 2), log_text("c", text),
             log_text("d", text), log_text("e", text), log_text("f", text), log_text("g", text),
             log_text("h", text), log_number("last", 1));
    assert_int_equal(captured(), 1);
    json_t *line = json_loads(lines, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(line);
    assert_true(strlen(lines) <= LOG_LINE_MAX);
    assert_int_equal(json_string_length(json_object_get(line, "a")), LOG_VALUE_MAX + 3);
    assert_null(json_object_get(line, "h"));
    assert_int_equal(json_integer_value(json_object_get(line, "last")), 1);
    json_decref(line);
}

static void a_repeated_warning_is_written_every_ten_seconds_with_a_count(void **state)
{
    (void)state;
    log_start(LOG_LEVEL_INFO, false);
    skipped_ms = 0;
    capture();
    for (int i = 0; i < 100; i++) {
        log_warn("storage_slow", log_number("ms", i));
    }
    skipped_ms += 9000; /* the loops take less than a second */
    log_warn("storage_slow", log_number("ms", 100));
    skipped_ms += 1000;
    log_warn("storage_slow", log_number("ms", 101));
    skipped_ms += 10000;
    log_warn("storage_slow", log_number("ms", 102));
    assert_int_equal(captured(), 3);
    assert_non_null(strstr(lines, "event=storage_slow ms=0\n"));
    assert_non_null(strstr(lines, "event=storage_slow suppressed=100 ms=101\n"));
    assert_non_null(strstr(lines, "event=storage_slow ms=102\n"));
}

static void events_are_limited_each_on_its_own_and_infos_never(void **state)
{
    (void)state;
    log_start(LOG_LEVEL_INFO, false);
    capture();
    for (int i = 0; i < 5; i++) {
        log_warn("one");
        log_error("two");
        log_info("three");
        log_notice("four");
    }
    assert_int_equal(captured(), 2 + 5 + 5);
}

static void more_events_than_places_are_still_written(void **state)
{
    (void)state;
    log_start(LOG_LEVEL_INFO, false);
    capture();
    for (int i = 0; i < 500; i++) {
        char event[32];
        (void)snprintf(event, sizeof event, "event_%d", i);
        log_warn(event);
    }
    assert_int_equal(captured(), 500);
}

static void *write_some(void *unused)
{
    for (int i = 0; i < 500; i++) {
        log_info("busy", log_text("text", "0123456789 0123456789 0123456789"), log_number("i", i));
        log_warn("often");
    }
    return unused;
}

static void lines_of_many_threads_never_mix(void **state)
{
    pthread_t threads[4];
    (void)state;
    log_start(LOG_LEVEL_INFO, true);
    capture();
    (void)fcntl(file, F_SETFL, O_APPEND); /* as a terminal or a pipe behaves */
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_some, NULL), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(captured(), 4 * 500 + 1);
    for (char *line = strtok(lines, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        json_t *read = json_loads(line, 0, NULL);
        assert_non_null(read);
        json_decref(read);
    }
}

static void a_closed_stderr_does_no_harm(void **state)
{
    (void)state;
    log_start(LOG_LEVEL_INFO, false);
    capture();
    (void)close(STDERR_FILENO);
    log_info("lost");
    assert_int_equal(captured(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_time_level_event_and_fields),
        cmocka_unit_test(an_event_needs_no_fields),
        cmocka_unit_test(levels_below_the_set_one_are_silent),
        cmocka_unit_test(levels_are_found_by_name),
        cmocka_unit_test(no_value_can_forge_a_line),
        cmocka_unit_test(values_are_quoted_only_where_they_must_be),
        cmocka_unit_test(a_json_line_is_one_json_object),
        cmocka_unit_test(long_values_are_cut_and_the_line_stays_whole),
        cmocka_unit_test(a_repeated_warning_is_written_every_ten_seconds_with_a_count),
        cmocka_unit_test(events_are_limited_each_on_its_own_and_infos_never),
        cmocka_unit_test(more_events_than_places_are_still_written),
        cmocka_unit_test(lines_of_many_threads_never_mix),
        cmocka_unit_test(a_closed_stderr_does_no_harm),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
