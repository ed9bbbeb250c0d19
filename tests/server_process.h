/*
 * The binary itself, run by tests: its log is read as it comes, its end is waited for.
 */
#ifndef RANKD_SERVER_PROCESS_H
#define RANKD_SERVER_PROCESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SERVER_ARGUMENTS_MAX 24

struct server_process {
    pid_t pid;
    uint16_t port; /* set by server_start */
    int output;    /* stdout and stderr of the process */
    pthread_t reader;
    pthread_mutex_t lock;
    pthread_cond_t change;
    char *text;    /* guarded by lock: what it has written, terminated */
    size_t text_n; /* guarded by lock */
    bool ended;    /* guarded by lock */
};

/* Runs the binary with arguments, which end with NULL; does not wait for anything. */
void server_run(struct server_process *server, const char *const *arguments);

/*
 * Runs `rankd serve` on a database and a free port, with more options (NULL: none), and waits until
 * it listens; fails the test if it does not.
 */
void server_start(struct server_process *server, const char *db, const char *const *options);

/* The same. @return false: it has ended before it listened; server_end says how. */
bool server_try(struct server_process *server, const char *db, const char *const *options);

/* Waits until a text stands in the output. @return false: the process ended without. */
bool server_await(struct server_process *server, const char *text);

/*
 * Waits until a model that was there before the start has what it had learned. @return false: it
 * cannot have it, or the process ended.
 */
bool server_await_recovered(struct server_process *server, const char *model);

/* Has the text been written? */
bool server_wrote(struct server_process *server, const char *text);

/* Has it ended, as far as its output says? */
bool server_has_ended(struct server_process *server);

void server_signal(const struct server_process *server, int number);

/* Waits until it has ended, and frees what is held. @return the exit code, or 128 + the signal. */
int server_end(struct server_process *server);

/* SIGTERM, and asserts that it ends with 0. */
void server_stop(struct server_process *server);

/* Runs a command to its end. @return its exit code; its output, if it is asked for, into text. */
int server_command(const char *const *arguments, char *text, size_t size);

#endif
