/*
 * The trainer's budget: how long it waits before its next step, so that learning takes no more than
 * its share of one core, and stands still while scoring is slow.
 *
 * A pause that has not helped within PACE_PAUSE_NS says that it is not learning what makes scoring
 * slow; then there is learning for as long before it is tried again. So learning never stops for
 * good, and what it has to catch up with after a pause stays small.
 */
#ifndef RANKD_SERVER_PACE_H
#define RANKD_SERVER_PACE_H

#include "metrics.h"

#include <stdint.h>

#define PACE_WAIT_NS  INT64_C(100000000)  /* at most, then it is decided anew */
#define PACE_SAVED_NS INT64_C(100000000)  /* idle time that counts, so that a click need not wait */
#define PACE_PAUSE_NS INT64_C(5000000000) /* at most in a row */

/* Of 20 requests the slowest one alone is above the 99th percentile: it takes so many to tell. */
#define PACE_REQUESTS_MIN 20

struct pace_limits {
    int64_t cpu_percent;  /* of one core; 0 or 100: all of it */
    int64_t score_p99_ms; /* 0: it never pauses */
};

enum pace_reason {
    PACE_GO,
    PACE_SHARE,
    PACE_LATENCY
};

struct pace_wait {
    enum pace_reason reason;
    int64_t ns; /* 0 with PACE_GO */
};

/* What is decided by. */
struct pace_look {
    int64_t now_ns;     /* monotonic */
    int64_t cpu_ns;     /* used by the thread since its start */
    double score_p99_s; /* NaN: too few requests to tell */
};

struct pace {
    struct pace_limits limits;
    const struct metric_histogram *score; /* borrowed; NULL: nobody scores */
    struct pace_look look;                /* the last one */
    int64_t credit_ns;                    /* CPU time that it may use at once; below 0: it owes */
    int64_t slow_ns;                      /* since when scoring is slow; 0: it is not */
    struct metric_reading reading;
    int64_t read_ns; /* when */
};

/** @param score  durations of score requests, borrowed, or NULL. */
void pace_init(struct pace *pace, const struct pace_limits *limits,
               const struct metric_histogram *score);

/**
 * Looks at scoring again, where half a second has gone by since the last time. To be called about
 * once a second also while there is nothing to decide. Threads: the one that learns.
 */
void pace_watch(struct pace *pace);

/** Watches, and says whether a step may be taken now. Threads: the one that learns. */
struct pace_wait pace_next(struct pace *pace);

/** The decision alone: a function of the state and the look. */
struct pace_wait pace_decide(struct pace *pace, const struct pace_look *look);

#endif
