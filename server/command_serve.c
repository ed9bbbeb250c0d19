/*
 * rankd serve: options, the server, and the signals that end it.
 */
#include "command.h"
#include "log.h"
#include "options.h"
#include "service.h"
#include "shell.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

/* The server reads no data: what is invalid are its options. */
static int exit_code(const struct service *service, enum rk_status status)
{
    if (service->port_taken) {
        return EX_UNAVAILABLE;
    }
    return status == RK_INVALID ? EX_USAGE : shell_exit_code(status);
}

static int help(void)
{
    struct emit out = {0};

    emit_format(&out, "usage: rankd serve [options]\n\n");
    options_help(&out);
    (void)fputs(out.text != NULL ? out.text : "", stdout);
    emit_deinit(&out);
    return EX_OK;
}

static bool start_log(const struct options *options)
{
    enum log_level level;
    const bool json = strcmp(options->log_format, "json") == 0;

    if (!log_level_find(options->log_level, &level) ||
        (!json && strcmp(options->log_format, "logfmt") != 0)) {
        (void)fprintf(stderr, "rankd: --log-level is debug, info, notice, warn or error; "
                              "--log-format is logfmt or json\n");
        return false;
    }
    log_start(level, json);
    return true;
}

/* Signals are taken by sigtimedwait in this thread: blocked before any other is made. */
static void block_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

/* A second signal ends at once: what was acknowledged is committed. */
static void leave(int number)
{
    (void)number;
    _exit(EX_OK);
}

static void await_signal(struct service *service, const sigset_t *signals)
{
    /* What is revoked may be used for a second at most. */
    const struct timespec moment = {.tv_nsec = 500000000};
    const struct sigaction again = {.sa_handler = leave};
    int number;

    while ((number = sigtimedwait(signals, NULL, &moment)) < 0) {
        service_tick(service);
    }
    log_info("stopping", log_number("signal", number));
    (void)sigaction(SIGTERM, &again, NULL);
    (void)sigaction(SIGINT, &again, NULL);
    (void)pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

/* Once: the server itself keeps but a hash of it. */
static enum rk_status print_first_token(struct service *service, struct rk_error *err)
{
    char made[TOKEN_TEXT];
    const enum rk_status status = service_first_token(service, made, err);

    if (status == RK_OK && made[0] != '\0') {
        (void)printf("token %s (also in %s)\n", made, service->options.token_file);
        (void)fflush(stdout);
    }
    return status;
}

int command_serve(int argc, char *const *argv)
{
    struct service *service = calloc(1, sizeof *service);
    struct rk_error err = {0};
    sigset_t signals;
    int code;
    enum rk_status status;

    if (argc > 0 && strcmp(argv[0], "--help") == 0) {
        free(service);
        return help();
    }
    if (service == NULL || options_read(&service->options, argc, argv, &err) != RK_OK ||
        !start_log(&service->options)) {
        (void)fprintf(stderr, "rankd: %s\n", err.text[0] != '\0' ? err.text : "cannot start");
        free(service);
        return EX_USAGE;
    }
    (void)umask(077); /* the database holds what users did */
    block_signals(&signals);
    options_log(&service->options);
    status = service_start(service, &err);
    if (status == RK_OK) {
        status = print_first_token(service, &err);
    }
    if (status == RK_OK) {
        status = service_listen(service, &err);
    }
    if (status == RK_OK) {
        await_signal(service, &signals);
    } else {
        log_error("start_failed", log_text("reason", err.text));
    }
    code = exit_code(service, status);
    service_stop(service);
    log_info("stopped");
    free(service);
    return code;
}
