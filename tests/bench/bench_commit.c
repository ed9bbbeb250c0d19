/*
 * Acknowledging feedback: events per second through the writer beside a loop that commits every event
 * in a transaction of its own. Wall-clock time: both wait for the disk.
 */
#include "bench.h"
#include "commit.h"

static void together(void *context, size_t round)
{
    (void)round;
    commit_together(context);
}

static void singly(void *context, size_t round)
{
    (void)round;
    commit_singly(context);
}

int main(void)
{
    static struct commit c;
    const struct bench_row row = {.name = "writer with 64 clients / a commit an event",
                                  .clock = CLOCK_MONOTONIC,
                                  .figure = BENCH_PER_SECOND,
                                  .work = together,
                                  .floor = singly,
                                  .n_work = COMMIT_EVENTS,
                                  .n_floor = COMMIT_SINGLES};

    bench_title("acknowledged events per second of wall-clock time");
    commit_open(&c);
    bench_run(&row, &c);
    (void)printf("events per commit: %.1f\n",
                 (double)c.next / (double)atomic_load(&c.metrics.counter[METRIC_COMMITS]));
    (void)printf("acknowledged after: p50 %.1f ms, p99 %.1f ms\n",
                 1e3 * metrics_quantile(&c.waited, 0.5), 1e3 * metrics_quantile(&c.waited, 0.99));
    commit_close(&c);
    return 0;
}
