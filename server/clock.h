/*
 * The two clocks: server time for what is stored and shown, monotonic time for durations and
 * deadlines.
 *
 * Server time is the machine's wall clock as far as that can be trusted. A process takes the wall
 * clock at its start, but nothing before the end of the log; from then on server time goes as the
 * monotonic clock does, never back, and is steered: where the wall clock is up to a minute ahead it
 * is followed at once, else server time goes a tenth faster or slower until they agree. So no jump of
 * the wall clock lets what is young look old, or what is old look young, and what lasts a second or a
 * day lasts that, to a tenth.
 */
#ifndef RANKD_SERVER_CLOCK_H
#define RANKD_SERVER_CLOCK_H

#include <stdint.h>

/** Server time in Unix milliseconds; the wall clock's in a process that did not start it. */
int64_t clock_unix_ms(void);

/** Nanoseconds from some start; never jumps. */
int64_t clock_monotonic_ns(void);

/** Nanoseconds of a core that the calling thread has used. */
int64_t clock_thread_cpu_ns(void);

/**
 * Starts server time. @param last_ms  the end of the log, which is not gone behind; 0 = none.
 * @return milliseconds that the wall clock is behind that, where it is more than a minute; else 0.
 */
int64_t clock_start(int64_t last_ms);

/**
 * Steers server time; about once a second, in one thread. @return milliseconds that the wall clock
 * has jumped by since the last time, where it is more than a minute; else 0.
 */
int64_t clock_steer(void);

/**
 * By how much server time is moved.
 *
 * @param difference_ms  wall clock - server time. @param elapsed_ms  since it was moved last.
 */
int64_t clock_correction_ms(int64_t difference_ms, int64_t elapsed_ms);

#endif
