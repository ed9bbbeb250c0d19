/*
 * Who waits too long: a thread that stays awake when the writer's hangs in a write, and has its jobs
 * tell those who wait for them.
 */
#include "clock.h"
#include "log.h"
#include "writer_impl.h"

#define LOOKS 20 /* in the time after which a job is late */

void writer_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ns)
{
    const struct timespec deadline = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

    (void)pthread_cond_timedwait(cond, lock, &deadline);
}

/* Tells the late ones of a list in the order they came. @return false: the rest came later. */
static bool tell_late(struct writer_job *job, int64_t before_ns)
{
    for (; job != NULL; job = job->next) {
        if (job->queued_ns > before_ns) {
            return false;
        }
        if (job->late != NULL && !job->is_late) {
            job->is_late = true;
            job->late(job);
        }
    }
    return true;
}

bool writer_is_slow(const struct writer *w)
{
    return w->limits.late_ms > 0 && w->since_ns != 0 &&
           clock_monotonic_ns() - w->since_ns > w->limits.late_ms * NS_PER_MS;
}

void *writer_watch(void *argument)
{
    struct writer *w = argument;
    const int64_t late_ns = w->limits.late_ms * NS_PER_MS;

    pthread_mutex_lock(&w->lock);
    while (!w->ended) {
        const int64_t now_ns = clock_monotonic_ns();
        if (writer_is_slow(w) && !w->told_slow) {
            w->told_slow = true;
            metrics_add(w->metrics, METRIC_STORAGE_SLOW, 1);
            log_warn("storage_slow", log_number("ms", (now_ns - w->since_ns) / NS_PER_MS));
        }
        if (tell_late(w->under_way, now_ns - late_ns)) {
            (void)tell_late(w->jobs.first, now_ns - late_ns);
        }
        writer_wait_until(&w->over, &w->lock, now_ns + late_ns / LOOKS);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}
