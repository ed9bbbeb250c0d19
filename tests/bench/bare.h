/*
 * The floor of serving: a server on the same library, of one thread, that takes a request in and
 * sends as many bytes back.
 */
#ifndef RANKD_BENCH_BARE_H
#define RANKD_BENCH_BARE_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bare {
    struct MHD_Daemon *daemon;
    pthread_t thread;
    _Atomic bool ending;
    _Atomic size_t answer_n;
    char *answer;
};

/** Starts it on a free port. @param expected  what its answers begin with; spaces follow. */
void bare_start(struct bare *bare, const char *expected);
void bare_stop(struct bare *bare);

uint16_t bare_port(const struct bare *bare);

/** Its answers have n bytes from now on. */
void bare_answers(struct bare *bare, size_t n);

#endif
