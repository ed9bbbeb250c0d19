/*
 * The writer thread: take all that is queued, one transaction, tell everyone.
 */
#include "writer.h"

#include "clock.h"
#include "failpoint.h"
#include "log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/*
 * What one transaction takes at most: enough to make the commit's cost small, little enough that
 * nobody waits long behind it.
 */
#define COMMIT_WEIGHT 4096
#define COMMIT_BYTES  ((size_t)8 << 20)

struct queue {
    struct writer_job *first, **last;
    size_t weight, bytes;
};

struct ranking_queue {
    struct writer_ranking *first, **last;
    size_t n;
};

struct writer {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;           /* something was queued, or stop */
    struct queue jobs;             /* guarded by lock */
    struct ranking_queue rankings; /* guarded by lock */
    struct writer_ranking
        *under_way; /* guarded by lock: rankings of the transaction that is being committed */
    bool stop;      /* guarded by lock */
    struct writer_limits limits;
    struct store *store; /* the writer thread's */
    struct metrics *metrics;
    void (*committed)(void *context, int64_t log_end);
    void *context;
    _Atomic int64_t log_end;
};

static void queue_push(struct queue *queue, struct writer_job *job)
{
    job->next = NULL;
    job->err = (struct rk_error){0};
    *queue->last = job;
    queue->last = &job->next;
    queue->weight += job->weight;
    queue->bytes += job->bytes;
}

/* Takes the jobs of one transaction off the front: at least one, and no more than fit. */
static struct writer_job *queue_take(struct queue *queue)
{
    struct writer_job *taken = queue->first;
    struct writer_job **end = &queue->first;
    size_t weight = 0, bytes = 0;

    while (*end != NULL && weight < COMMIT_WEIGHT && bytes < COMMIT_BYTES) {
        weight += (*end)->weight;
        bytes += (*end)->bytes;
        end = &(*end)->next;
    }
    if (taken == NULL) {
        return NULL;
    }
    queue->first = *end;
    *end = NULL;
    if (queue->first == NULL) {
        queue->last = &queue->first;
    }
    queue->weight -= weight;
    queue->bytes -= bytes;
    return taken;
}

/* What became of the rankings of a transaction; they are counted once it is committed. */
struct ranking_count {
    uint64_t logged, unlogged;
};

static enum rk_status write_rankings(struct writer *w, struct writer_ranking *rankings,
                                     struct ranking_count *count, struct rk_error *err)
{
    for (struct writer_ranking *r = rankings; r != NULL; r = r->next) {
        struct rk_error own = {0};
        const enum rk_status status = store_put_ranking(w->store, &r->ranking, &own);
        if (status == RK_OK) {
            count->logged++;
        } else if (status == RK_MISMATCH) {
            count->unlogged++; /* the first of the id stays */
        } else {
            return rk_fail(err, status, "%s", own.text);
        }
    }
    return RK_OK;
}

/*
 * Each job in a savepoint of its own, so that one that fails takes back only its own writes. Where
 * storage or memory fails nothing of the transaction is safe, and all of it is given up.
 */
static enum rk_status write_jobs(struct writer *w, struct writer_job *jobs, struct rk_error *err)
{
    for (struct writer_job *job = jobs; job != NULL; job = job->next) {
        enum rk_status status = store_savepoint(w->store, err);
        if (status != RK_OK) {
            return status;
        }
        status = job->run(job, w->store, &job->err);
        if (status == RK_OK) {
            job->err = (struct rk_error){0}; /* what it got over by itself is no failure */
            status = store_release(w->store, err);
        } else if (status == RK_IO || status == RK_NOMEM) {
            return rk_fail(err, status, "%s", job->err.text);
        } else {
            (void)rk_fail(&job->err, status, "%s", rk_status_text(status));
            store_rollback_to_savepoint(w->store); /* which ends the savepoint too */
            status = RK_OK;
        }
        if (status != RK_OK) {
            return status;
        }
    }
    return RK_OK;
}

static void free_rankings(struct writer_ranking *rankings)
{
    while (rankings != NULL) {
        struct writer_ranking *next = rankings->next;
        free(rankings);
        rankings = next;
    }
}

static void finish_jobs(struct writer_job *jobs, const struct writer_outcome *outcome)
{
    while (jobs != NULL) {
        struct writer_job *next = jobs->next;
        struct writer_outcome own = *outcome;
        if (own.err.status == RK_OK) {
            own.err = jobs->err;
        }
        jobs->done(jobs, &own);
        jobs = next;
    }
}

static enum rk_status begin(struct writer *w, struct rk_error *err)
{
    enum rk_status status;

    failpoint(FAILPOINT_BEFORE_BEGIN);
    status = store_begin(w->store, err);
    failpoint(FAILPOINT_AFTER_BEGIN);
    return status;
}

static enum rk_status commit(struct writer *w, struct rk_error *err)
{
    enum rk_status status;

    failpoint(FAILPOINT_BEFORE_COMMIT);
    status = store_commit(w->store, err);
    failpoint(FAILPOINT_AFTER_COMMIT);
    return status;
}

/* One transaction: rankings first, so that a click finds its list. */
static struct writer_outcome transact(struct writer *w, struct writer_ranking *rankings,
                                      struct writer_job *jobs)
{
    struct writer_outcome outcome = {0};
    struct rk_error *err = &outcome.err;
    const int64_t start = clock_monotonic_ns();
    struct ranking_count count = {0};
    int64_t log_end = 0;

    if (begin(w, err) == RK_OK && write_rankings(w, rankings, &count, err) == RK_OK &&
        write_jobs(w, jobs, err) == RK_OK && store_log_end(w->store, &log_end, err) == RK_OK &&
        commit(w, err) == RK_OK) {
        atomic_store(&w->log_end, log_end);
        metrics_add(w->metrics, METRIC_COMMITS, 1);
        metrics_add(w->metrics, METRIC_RANKINGS_LOGGED, count.logged);
        metrics_add(w->metrics, METRIC_RANKINGS_UNLOGGED, count.unlogged);
        metrics_observe(&w->metrics->commit, (uint64_t)(clock_monotonic_ns() - start));
        return outcome;
    }
    outcome.trouble = store_trouble(w->store);
    store_rollback(w->store);
    metrics_add(w->metrics, METRIC_STORAGE_ERRORS, 1);
    for (; rankings != NULL; rankings = rankings->next) {
        metrics_add(w->metrics, METRIC_RANKINGS_SHED, 1);
    }
    log_error("commit_failed", log_text("reason", err->text));
    return outcome;
}

static void *writer_thread(void *argument)
{
    struct writer *w = argument;

    for (;;) {
        struct writer_job *jobs;
        struct writer_ranking *rankings;
        struct writer_outcome outcome;
        pthread_mutex_lock(&w->lock);
        while (w->jobs.first == NULL && w->rankings.first == NULL && !w->stop) {
            pthread_cond_wait(&w->more, &w->lock);
        }
        jobs = queue_take(&w->jobs);
        rankings = w->under_way = w->rankings.first;
        w->rankings = (struct ranking_queue){.last = &w->rankings.first};
        pthread_mutex_unlock(&w->lock);
        if (jobs == NULL && rankings == NULL) {
            return NULL; /* stopped, and nothing is left */
        }
        outcome = transact(w, rankings, jobs);
        pthread_mutex_lock(&w->lock);
        w->under_way = NULL;
        pthread_mutex_unlock(&w->lock);
        free_rankings(rankings);
        finish_jobs(jobs, &outcome);
        if (outcome.err.status == RK_OK && w->committed != NULL) {
            w->committed(w->context, atomic_load(&w->log_end));
        }
    }
}

enum rk_status writer_start(struct store *store, struct metrics *metrics,
                            const struct writer_limits *limits,
                            void (*committed)(void *context, int64_t log_end), void *context,
                            struct writer **writer, struct rk_error *err)
{
    struct writer *w = calloc(1, sizeof *w);
    int64_t log_end;
    enum rk_status status;

    if (w == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for the writer");
    }
    w->store = store;
    w->metrics = metrics;
    w->limits = *limits;
    w->committed = committed;
    w->context = context;
    w->jobs.last = &w->jobs.first;
    w->rankings.last = &w->rankings.first;
    status = store_log_end(store, &log_end, err);
    if (status != RK_OK) {
        free(w);
        return status;
    }
    atomic_init(&w->log_end, log_end);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->more, NULL);
    if (pthread_create(&w->thread, NULL, writer_thread, w) != 0) {
        pthread_cond_destroy(&w->more);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return rk_fail(err, RK_NOMEM, "cannot start the writer thread");
    }
    *writer = w;
    return RK_OK;
}

void writer_stop(struct writer **writer)
{
    struct writer *w = *writer;

    if (w == NULL) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->more);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    store_close(&w->store);
    pthread_cond_destroy(&w->more);
    pthread_mutex_destroy(&w->lock);
    free(w);
    *writer = NULL;
}

void writer_push(struct writer *writer, struct writer_job *job)
{
    pthread_mutex_lock(&writer->lock);
    queue_push(&writer->jobs, job);
    pthread_cond_signal(&writer->more);
    pthread_mutex_unlock(&writer->lock);
}

bool writer_submit(struct writer *writer, struct writer_job *job)
{
    bool room;

    pthread_mutex_lock(&writer->lock);
    room = !writer->stop && (writer->jobs.first == NULL ||
                             (writer->jobs.weight + job->weight <= writer->limits.jobs &&
                              writer->jobs.bytes + job->bytes <= writer->limits.bytes));
    if (room) {
        queue_push(&writer->jobs, job);
        pthread_cond_signal(&writer->more);
    }
    pthread_mutex_unlock(&writer->lock);
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

static bool holds(const struct writer_ranking *rankings, uint64_t id_hash)
{
    for (; rankings != NULL; rankings = rankings->next) {
        if (rankings->id_hash == id_hash) {
            return true;
        }
    }
    return false;
}

/* @pre lock is held. */
static bool on_its_way(const struct writer *writer, uint64_t id_hash)
{
    return holds(writer->rankings.first, id_hash) || holds(writer->under_way, id_hash);
}

bool writer_holds(struct writer *writer, uint64_t id_hash)
{
    bool held;

    pthread_mutex_lock(&writer->lock);
    held = on_its_way(writer, id_hash);
    pthread_mutex_unlock(&writer->lock);
    return held;
}

bool writer_log(struct writer *writer, struct writer_ranking *ranking, bool *used_before)
{
    bool room;

    ranking->next = NULL;
    pthread_mutex_lock(&writer->lock);
    /*
     * id_hash 0: an id rankd made itself, which nobody has used. Others are looked for among what
     * is not yet committed.
     */
    *used_before = ranking->id_hash != 0 && on_its_way(writer, ranking->id_hash);
    room = !*used_before && !writer->stop && writer->rankings.n < writer->limits.rankings;
    if (room) {
        *writer->rankings.last = ranking;
        writer->rankings.last = &ranking->next;
        writer->rankings.n++;
        pthread_cond_signal(&writer->more);
    }
    pthread_mutex_unlock(&writer->lock);
    if (!room) {
        free(ranking);
    }
    return room;
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
