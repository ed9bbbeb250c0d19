/*
 * What other threads ask of the writer: to take something, to wait for it, and how things stand.
 */
#include "clock.h"
#include "writer_impl.h"

#include <stdlib.h>

struct writer_outcome writer_refusal(enum store_trouble trouble)
{
    struct writer_outcome outcome = {.trouble = trouble};

    (void)rk_fail(&outcome.err, RK_IO, "storage is down: %s", store_trouble_text(trouble));
    return outcome;
}

/* @pre lock is held. */
static void enqueue(struct writer *w, struct writer_job *job)
{
    job->outcome = (struct writer_outcome){0};
    job->is_late = false;
    job->queued_ns = clock_monotonic_ns();
    job_queue_push(&w->jobs, job);
    pthread_cond_signal(&w->more);
}

void writer_push(struct writer *writer, struct writer_job *job)
{
    pthread_mutex_lock(&writer->lock);
    enqueue(writer, job);
    pthread_mutex_unlock(&writer->lock);
}

/* @pre lock is held. */
static enum store_trouble trouble(const struct writer *w)
{
    const enum store_trouble known = storage_trouble(&w->storage);

    return known == STORE_FINE && writer_is_slow(w) ? STORE_SLOW : known;
}

bool writer_submit(struct writer *writer, struct writer_job *job)
{
    enum store_trouble now;
    bool room;

    pthread_mutex_lock(&writer->lock);
    now = trouble(writer);
    room =
        !writer->stop && now == STORE_FINE &&
        (writer->jobs.first == NULL || (writer->jobs.weight + job->weight <= writer->limits.jobs &&
                                        writer->jobs.bytes + job->bytes <= writer->limits.bytes));
    if (room) {
        enqueue(writer, job);
    }
    pthread_mutex_unlock(&writer->lock);
    if (!room && now != STORE_FINE) {
        job->outcome = writer_refusal(now);
    } else if (!room) {
        job->outcome = (struct writer_outcome){0};
        (void)rk_fail(&job->outcome.err, RK_BUSY, "the queue of writes is full");
    }
    return room;
}

/* A job that someone waits for, around the one to run. */
struct waited_job {
    struct writer_job job;
    struct writer_job *inner;
    struct writer_outcome outcome;
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool is_over; /* guarded by lock */
};

static enum rk_status waited_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    struct waited_job *waited = (struct waited_job *)job;

    return waited->inner->run(waited->inner, store, err);
}

static void waited_done(struct writer_job *job, const struct writer_outcome *outcome)
{
    struct waited_job *waited = (struct waited_job *)job;

    pthread_mutex_lock(&waited->lock);
    waited->outcome = *outcome;
    waited->is_over = true;
    pthread_cond_signal(&waited->over);
    pthread_mutex_unlock(&waited->lock);
}

struct writer_outcome writer_run(struct writer *writer, struct writer_job *job)
{
    struct waited_job waited = {
        .job = {.run = waited_run, .done = waited_done, .bytes = job->bytes, .weight = job->weight},
        .inner = job};

    pthread_mutex_init(&waited.lock, NULL);
    pthread_cond_init(&waited.over, NULL);
    writer_push(writer, &waited.job);
    pthread_mutex_lock(&waited.lock);
    while (!waited.is_over) {
        pthread_cond_wait(&waited.over, &waited.lock);
    }
    pthread_mutex_unlock(&waited.lock);
    pthread_cond_destroy(&waited.over);
    pthread_mutex_destroy(&waited.lock);
    if (job->done != NULL) {
        job->done(job, &waited.outcome);
    }
    return waited.outcome;
}

bool writer_holds(struct writer *writer, uint64_t id_hash)
{
    bool held;

    pthread_mutex_lock(&writer->lock);
    held = ranking_queue_holds(&writer->rankings, id_hash);
    pthread_mutex_unlock(&writer->lock);
    return held;
}

bool writer_log(struct writer *writer, struct writer_ranking *ranking, bool *used_before)
{
    bool room;

    pthread_mutex_lock(&writer->lock);
    *used_before =
        ranking->id_hash != 0 && ranking_queue_holds(&writer->rankings, ranking->id_hash);
    room = !*used_before && !writer->stop && writer->rankings.n < writer->limits.rankings;
    if (room) {
        ranking_queue_push(&writer->rankings, ranking);
        pthread_cond_signal(&writer->more);
    }
    pthread_mutex_unlock(&writer->lock);
    if (!room) {
        free(ranking);
    }
    return room;
}

enum store_trouble writer_trouble(struct writer *writer)
{
    enum store_trouble now;

    pthread_mutex_lock(&writer->lock);
    now = trouble(writer);
    pthread_mutex_unlock(&writer->lock);
    return now;
}

enum store_trouble writer_trouble_since(struct writer *writer, int64_t since_ns)
{
    const enum store_trouble now = writer_trouble(writer);

    return now != STORE_FINE ? now : storage_trouble_since(&writer->storage, since_ns);
}

void writer_report_damage(struct writer *writer, const char *what)
{
    struct rk_error err = {0};

    (void)rk_fail(&err, RK_CORRUPT, "%s", what);
    if (storage_trouble(&writer->storage) != STORE_DAMAGED) {
        storage_failed(&writer->storage, STORE_DAMAGED, &err);
    }
}

int64_t writer_wal_bytes(const struct writer *writer)
{
    return atomic_load(&writer->wal_bytes);
}

int64_t writer_log_end(const struct writer *writer)
{
    return atomic_load(&writer->log_end);
}

struct writer_limits writer_queued(struct writer *writer)
{
    struct writer_limits queued;

    pthread_mutex_lock(&writer->lock);
    queued = (struct writer_limits){
        .jobs = writer->jobs.weight, .bytes = writer->jobs.bytes, .rankings = writer->rankings.n};
    pthread_mutex_unlock(&writer->lock);
    return queued;
}
