/*
 * The two clocks: server time for what is stored and shown, monotonic time for durations and
 * deadlines.
 */
#ifndef RANKD_SERVER_CLOCK_H
#define RANKD_SERVER_CLOCK_H

#include <stdint.h>
#include <time.h>

/** Unix milliseconds. */
static inline int64_t clock_unix_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/** Nanoseconds from some start; never jumps. */
static inline int64_t clock_monotonic_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

#endif
