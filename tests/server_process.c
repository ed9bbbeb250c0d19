/*
 * Spawning, reading, waiting.
 */
#include "server_process.h"

#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_S 120

extern char **environ;

/* Takes what the process writes until it ends. */
static void *read_output(void *context)
{
    struct server_process *server = context;
    char piece[4096];
    ssize_t n;

    while ((n = read(server->output, piece, sizeof piece)) > 0) {
        char *grown;
        pthread_mutex_lock(&server->lock);
        grown = realloc(server->text, server->text_n + (size_t)n + 1);
        if (grown != NULL) {
            memcpy(grown + server->text_n, piece, (size_t)n);
            server->text = grown;
            server->text_n += (size_t)n;
            server->text[server->text_n] = '\0';
        }
        pthread_cond_broadcast(&server->change);
        pthread_mutex_unlock(&server->lock);
    }
    pthread_mutex_lock(&server->lock);
    server->ended = true;
    pthread_cond_broadcast(&server->change);
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

void server_run(struct server_process *server, const char *const *arguments)
{
    char *argv[SERVER_ARGUMENTS_MAX + 2] = {strdup(RANKD_BINARY)};
    posix_spawn_file_actions_t actions;
    int ends[2];
    size_t n = 0;

    *server = (struct server_process){.lock = PTHREAD_MUTEX_INITIALIZER,
                                      .change = PTHREAD_COND_INITIALIZER};
    server->text = calloc(1, 1);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO), 0);
    for (n = 0; arguments[n] != NULL; n++) {
        assert_true(n < SERVER_ARGUMENTS_MAX);
        argv[n + 1] = strdup(arguments[n]);
    }
    if (posix_spawn(&server->pid, RANKD_BINARY, &actions, NULL, argv, environ) != 0) {
        fail_msg("cannot run %s: build it first", RANKD_BINARY);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    for (size_t i = 0; i <= n; i++) {
        free(argv[i]);
    }
    (void)close(ends[1]);
    server->output = ends[0];
    assert_int_equal(pthread_create(&server->reader, NULL, read_output, server), 0);
}

/* Waits until one of two texts stands in the output. @return is it the first? */
static bool await_either(struct server_process *server, const char *text, const char *other)
{
    struct timespec deadline;
    bool found;
    int late = 0;

    (void)clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += DEADLINE_S;
    pthread_mutex_lock(&server->lock);
    while ((found = strstr(server->text, text) != NULL) == false &&
           strstr(server->text, other) == NULL && !server->ended && late == 0) {
        late = pthread_cond_timedwait(&server->change, &server->lock, &deadline);
    }
    pthread_mutex_unlock(&server->lock);
    return found;
}

bool server_await(struct server_process *server, const char *text)
{
    return await_either(server, text, text);
}

bool server_await_recovered(struct server_process *server, const char *model)
{
    char recovered[128], halted[128];

    (void)snprintf(recovered, sizeof recovered, "event=model_recovered model=%s ", model);
    (void)snprintf(halted, sizeof halted, "event=training_halted model=%s ", model);
    return await_either(server, recovered, halted);
}

bool server_wrote(struct server_process *server, const char *text)
{
    bool found;

    pthread_mutex_lock(&server->lock);
    found = strstr(server->text, text) != NULL;
    pthread_mutex_unlock(&server->lock);
    return found;
}

bool server_has_ended(struct server_process *server)
{
    bool ended;

    pthread_mutex_lock(&server->lock);
    ended = server->ended;
    pthread_mutex_unlock(&server->lock);
    return ended;
}

bool server_try(struct server_process *server, const char *db, const char *const *options)
{
    const char *arguments[SERVER_ARGUMENTS_MAX + 1] = {"serve",    "--db",        db,
                                                       "--listen", "127.0.0.1:0", "--threads=2"};
    const char *port;

    for (size_t i = 0; options != NULL && options[i] != NULL; i++) {
        assert_true(i + 7 < SERVER_ARGUMENTS_MAX);
        arguments[i + 6] = options[i];
    }
    server_run(server, arguments);
    if (!server_await(server, "event=listening ")) {
        return false;
    }
    pthread_mutex_lock(&server->lock);
    port = strstr(strstr(server->text, "event=listening "), " port=");
    server->port = (uint16_t)strtoul(port + strlen(" port="), NULL, 10);
    pthread_mutex_unlock(&server->lock);
    assert_true(server->port > 0);
    return true;
}

void server_start(struct server_process *server, const char *db, const char *const *options)
{
    if (!server_try(server, db, options)) {
        fail_msg("it does not listen: %s", server->text);
    }
}

void server_signal(const struct server_process *server, int number)
{
    assert_int_equal(kill(server->pid, number), 0);
}

int server_end(struct server_process *server)
{
    int status = 0;

    if (!server_await(server, "\001") &&
        !server_has_ended(server)) { /* no such byte: until it ends */
        (void)kill(server->pid, SIGKILL);
        print_message("it did not end by itself: %s\n", server->text);
    }
    (void)pthread_join(server->reader, NULL);
    assert_int_equal(waitpid(server->pid, &status, 0), server->pid);
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
        print_message("it died of signal %d: %s\n", WTERMSIG(status), server->text);
    }
    (void)close(server->output);
    free(server->text);
    server->text = NULL;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void server_stop(struct server_process *server)
{
    server_signal(server, SIGTERM);
    assert_int_equal(server_end(server), 0);
}

int server_command(const char *const *arguments, char *text, size_t size)
{
    struct server_process server;

    server_run(&server, arguments);
    (void)server_await(&server, "\001");
    if (text != NULL) {
        (void)snprintf(text, size, "%s", server.text);
    }
    return server_end(&server);
}
