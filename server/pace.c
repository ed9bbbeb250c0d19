/*
 * A share as a credit that grows with time, and a pause by what scoring has taken lately.
 */
#include "pace.h"

#include "clock.h"

#include <math.h>
#include <stdbool.h>

/*
 * Short, so that one slow moment of the machine does not keep a click from being served within a
 * second.
 */
#define WINDOW_NS INT64_C(500000000)

void pace_init(struct pace *pace, const struct pace_limits *limits,
               const struct metric_histogram *score)
{
    *pace = (struct pace){.limits = *limits, .score = score, .look.score_p99_s = (double)NAN};
}

/* How long scoring says to wait; 0: go on. */
static int64_t pause_ns(struct pace *pace, const struct pace_look *look)
{
    const bool slow = pace->limits.score_p99_ms > 0 &&
                      look->score_p99_s * 1000 > (double)pace->limits.score_p99_ms;
    int64_t since_ns;

    if (!slow) {
        pace->slow_ns = 0;
        return 0;
    }
    if (pace->slow_ns == 0) {
        pace->slow_ns = look->now_ns;
    }
    since_ns = (look->now_ns - pace->slow_ns) % (2 * PACE_PAUSE_NS);
    return since_ns < PACE_PAUSE_NS ? PACE_PAUSE_NS - since_ns : 0;
}

/* How long the share says to wait. */
static int64_t owed_ns(struct pace *pace, const struct pace_look *look)
{
    const int64_t percent = pace->limits.cpu_percent > 0 ? pace->limits.cpu_percent : 100;

    pace->credit_ns += (look->now_ns - pace->look.now_ns) / 100 * percent;
    pace->credit_ns -= look->cpu_ns - pace->look.cpu_ns;
    if (pace->credit_ns > PACE_SAVED_NS / 100 * percent) {
        pace->credit_ns = PACE_SAVED_NS / 100 * percent;
    }
    return pace->credit_ns < 0 && percent < 100 ? -pace->credit_ns / percent * 100 + 100 : 0;
}

struct pace_wait pace_decide(struct pace *pace, const struct pace_look *look)
{
    const int64_t pause = pause_ns(pace, look);
    const int64_t owed = owed_ns(pace, look);
    const int64_t longer = pause > owed ? pause : owed;

    pace->look = *look;
    return (struct pace_wait){.reason = pause > 0  ? PACE_LATENCY
                                        : owed > 0 ? PACE_SHARE
                                                   : PACE_GO,
                              .ns = longer < PACE_WAIT_NS ? longer : PACE_WAIT_NS};
}

/* What scoring has taken lately, in seconds. */
static double look_at_scoring(struct pace *pace, int64_t now_ns)
{
    double p99_s;

    if (pace->score == NULL || now_ns - pace->read_ns < WINDOW_NS) {
        return pace->look.score_p99_s;
    }
    pace->read_ns = now_ns;
    return metrics_quantile_since(pace->score, 0.99, &pace->reading, &p99_s) >= PACE_REQUESTS_MIN
               ? p99_s
               : (double)NAN;
}

void pace_watch(struct pace *pace)
{
    pace->look.score_p99_s = look_at_scoring(pace, clock_monotonic_ns());
}

struct pace_wait pace_next(struct pace *pace)
{
    const int64_t now_ns = clock_monotonic_ns();
    const struct pace_look look = {.now_ns = now_ns,
                                   .cpu_ns = clock_thread_cpu_ns(),
                                   .score_p99_s = look_at_scoring(pace, now_ns)};

    return pace_decide(pace, &look);
}
