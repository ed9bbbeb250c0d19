/*
 * Places where the process is killed: counted, and spelt right.
 */
#include "failpoint.h"
#include "server_process.h"
#include "temp_folder.h"
#include "test.h"

#include <signal.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

/* Arms a place in a process of its own, which comes `times` times by each. @return how it ended. */
static int status_after(const char *text, int times)
{
    const pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        if (failpoint_start(text, NULL) != RK_OK) {
            _exit(EX_USAGE);
        }
        for (int i = 0; i < times; i++) {
            for (int at = 0; at < FAILPOINT_COUNT; at++) {
                failpoint((enum failpoint)at);
            }
        }
        _exit(EX_OK);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void nothing_happens_where_no_place_is_set(void **state)
{
    (void)state;
    assert_int_equal(status_after(NULL, 3), 0);
    assert_int_equal(status_after("", 3), 0);
}

static void the_process_is_killed_the_nth_time_it_comes_to_the_place(void **state)
{
    (void)state;
    for (int at = 0; at < FAILPOINT_COUNT; at++) {
        char text[64];
        int status;
        (void)snprintf(text, sizeof text, "%s:3:kill", failpoint_text((enum failpoint)at));
        assert_int_equal(status_after(text, 2), 0);
        status = status_after(text, 3);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
}

static void what_is_spelt_wrong_is_refused(void **state)
{
    static const char *const texts[] = {"after_comit:1:kill",
                                        "after_commit",
                                        "after_commit:0:kill",
                                        "after_commit:1",
                                        "after_commit:1:die",
                                        "after_commit:1:killed",
                                        ":1:kill",
                                        "after_commit::kill"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct rk_error err = {0};
        assert_status(failpoint_start(texts[i], &err), RK_INVALID);
        assert_non_null(strstr(err.text, "RANKD_FAILPOINT"));
    }
}

/* So that a test with a wrong name is no silent success. */
static void a_server_does_not_start_with_a_place_there_is_not(void **state)
{
    const char *const arguments[] = {"serve", "--db", "/dev/null/none", NULL};
    char text[512];

    (void)state;
    assert_int_equal(setenv("RANKD_FAILPOINT", "nowhere:1:kill", 1), 0);
    assert_int_equal(server_command(arguments, text, sizeof text), EX_USAGE);
    assert_int_equal(unsetenv("RANKD_FAILPOINT"), 0);
    assert_non_null(strstr(text, "there is no place \"nowhere\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_happens_where_no_place_is_set),
        cmocka_unit_test(the_process_is_killed_the_nth_time_it_comes_to_the_place),
        cmocka_unit_test(what_is_spelt_wrong_is_refused),
        cmocka_unit_test(a_server_does_not_start_with_a_place_there_is_not),
    };
    return cmocka_run_group_tests_name("failpoint", tests, NULL, NULL);
}
