/*
 * Server time is the monotonic clock plus an offset; steering moves the offset.
 */
#include "clock.h"

#include <stdatomic.h>
#include <time.h>

#define FOLLOWED_MS 60000 /* a difference that is no jump */
#define SLEW        10    /* server time is moved by one of so many seconds at most, else */
#define NOT_STARTED INT64_MIN

/* Of the process: there is one time. */
static _Atomic int64_t offset_ms = NOT_STARTED; /* server time - monotonic time */
static int64_t steered_ms;                      /* when, monotonic; the steering thread's */
static int64_t expected_ms;                     /* the difference it left; the steering thread's */

static int64_t read_ns(clockid_t clock)
{
    struct timespec t;

    (void)clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t read_ms(clockid_t clock)
{
    return read_ns(clock) / 1000000;
}

int64_t clock_monotonic_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

int64_t clock_thread_cpu_ns(void)
{
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

int64_t clock_unix_ms(void)
{
    const int64_t offset = atomic_load_explicit(&offset_ms, memory_order_relaxed);

    return offset != NOT_STARTED ? read_ms(CLOCK_MONOTONIC) + offset : read_ms(CLOCK_REALTIME);
}

static int64_t jump(int64_t difference_ms)
{
    return difference_ms > FOLLOWED_MS || difference_ms < -FOLLOWED_MS ? difference_ms : 0;
}

int64_t clock_start(int64_t last_ms)
{
    const int64_t wall_ms = read_ms(CLOCK_REALTIME);
    const int64_t start_ms = wall_ms > last_ms ? wall_ms : last_ms;

    steered_ms = read_ms(CLOCK_MONOTONIC);
    expected_ms = wall_ms - start_ms;
    atomic_store(&offset_ms, start_ms - steered_ms);
    return jump(expected_ms);
}

int64_t clock_correction_ms(int64_t difference_ms, int64_t elapsed_ms)
{
    const int64_t most_ms = elapsed_ms / SLEW;

    if (difference_ms >= 0 && difference_ms <= FOLLOWED_MS) {
        return difference_ms;
    }
    return difference_ms > most_ms ? most_ms : difference_ms < -most_ms ? -most_ms : difference_ms;
}

int64_t clock_steer(void)
{
    const int64_t now_ms = read_ms(CLOCK_MONOTONIC), offset = atomic_load(&offset_ms);
    const int64_t difference_ms = read_ms(CLOCK_REALTIME) - (now_ms + offset);
    const int64_t correction_ms = clock_correction_ms(difference_ms, now_ms - steered_ms);
    const int64_t unexpected_ms = difference_ms - expected_ms;

    steered_ms = now_ms;
    expected_ms = difference_ms - correction_ms;
    atomic_store(&offset_ms, offset + correction_ms);
    return jump(unexpected_ms);
}
