/*
 * Requests over HTTP from a process of its own, so that the clients' time is not the server's. The
 * requests are known before it starts; then it does what it is told, one command at a time.
 */
#ifndef RANKD_BENCH_LOAD_H
#define RANKD_BENCH_LOAD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LOAD_REQUESTS    16
#define LOAD_CONNECTIONS 256

#define LOAD_DIGITS 8  /* of every number in a request */
#define LOAD_ITEMS  16 /* of the rankings that events are on */

/*
 * Runs of LOAD_DIGITS # are numbers, in threes: one that no other request has, e; e / LOAD_ITEMS;
 * and e % LOAD_ITEMS.
 */
struct load_request {
    char *text; /* head and body, owned */
    size_t n;
    const char *expected; /* stands in a good answer; borrowed */
    size_t *number;       /* (n_numbers) where they are in the text, owned */
    size_t n_numbers;
    size_t next; /* e of the next */
};

struct load {
    struct load_request request[LOAD_REQUESTS];
    size_t n_requests;
    pid_t process;
    int ask, answer; /* pipes */
};

/* What came of a command. */
struct load_result {
    size_t n;        /* good answers */
    size_t answer_n; /* bytes of the last answer's body */
    double p50_s, p99_s;
};

/** Adds a request before the process starts. @return its number. */
size_t load_add(struct load *load, const char *method, const char *path, const char *body, size_t n,
                const char *expected);

/** Starts the process; @pre this one has no threads yet. */
void load_start(struct load *load);
void load_stop(struct load *load);

/**
 * Sends a request n times to a port of 127.0.0.1 over connections that are kept, each sending as
 * soon as it has its answer. Ends the program at an answer that is not good.
 */
struct load_result load_closed(struct load *load, uint16_t port, size_t request, size_t n,
                               size_t connections);

/**
 * The same at a rate: request i is due at i / per_second, is sent over the first connection that is
 * free, and its time runs from when it was due.
 */
struct load_result load_open(struct load *load, uint16_t port, size_t request, size_t n,
                             size_t connections, double per_second);

/** Repeats a request until its answer is good. */
void load_until(struct load *load, uint16_t port, size_t request);

#endif
