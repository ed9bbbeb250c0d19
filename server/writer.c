/*
 * The writer thread: take all that is queued, one transaction, tell everyone. A second thread
 * tells those who have waited too long.
 */
#include "clock.h"
#include "failpoint.h"
#include "log.h"
#include "writer_impl.h"

#include <stdlib.h>

#define RETRY_MS 1000
/*
 * How much is copied back at once: bytes in the write-ahead log, most of which are the same pages
 * again and again, or bytes that jobs brought, each of which is on a page of its own.
 */
#define COPY_BACK_FROM  (INT64_C(4) << 20)
#define COPY_BACK_FRESH ((size_t)1 << 20)
#define WAL_LARGE       (INT64_C(64) << 20)

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
        w->fresh_bytes += job->bytes;
        status = job->run(job, w->store, &job->outcome.err);
        if (status == RK_OK) {
            job->outcome.err = (struct rk_error){0}; /* what it got over by itself is no failure */
            status = store_release(w->store, err);
        } else if (status == RK_IO || status == RK_NOMEM) {
            return rk_fail(err, status, "%s", job->outcome.err.text);
        } else {
            (void)rk_fail(&job->outcome.err, status, "%s", rk_status_text(status));
            store_rollback_to_savepoint(w->store); /* which ends the savepoint too */
            status = RK_OK;
        }
        if (status != RK_OK) {
            return status;
        }
    }
    return RK_OK;
}

static enum rk_status begin(struct writer *w, struct rk_error *err)
{
    enum rk_status status;

    failpoint(FAILPOINT_BEFORE_BEGIN);
    status = store_begin(w->store, err);
    failpoint(FAILPOINT_AFTER_BEGIN);
    return status;
}

static enum rk_status still_there(const struct writer *w, struct rk_error *err)
{
    return store_moved(w->store)
               ? rk_fail(err, RK_IO, "the database or its log is not the file that was opened")
               : RK_OK;
}

/* Nothing is committed to a file that is not there, or told that it was. */
static enum rk_status commit(struct writer *w, struct rk_error *err)
{
    enum rk_status status = still_there(w, err);

    failpoint(FAILPOINT_BEFORE_COMMIT);
    if (status == RK_OK) {
        status = store_commit(w->store, err);
    }
    failpoint(FAILPOINT_AFTER_COMMIT);
    return status == RK_OK ? still_there(w, err) : status;
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
    outcome.trouble = store_moved(w->store) ? STORE_LOST : store_trouble(w->store);
    store_rollback(w->store);
    storage_failed(&w->storage, outcome.trouble, err);
    return outcome;
}

/* ---- the thread ---- */

/* What one round of the thread is about. */
struct round {
    struct writer_job *jobs;
    struct writer_ranking *rankings; /* none while storage is down: they wait */
    bool down;
    bool stop;
};

/* @pre lock is held. */
static bool has_work(const struct writer *w)
{
    return w->jobs.first != NULL ||
           (w->rankings.first != NULL && storage_trouble(&w->storage) == STORE_FINE);
}

/* Waits for something to write, the end, or the time to look after storage. */
static struct round next_round(struct writer *w)
{
    struct round round = {0};

    pthread_mutex_lock(&w->lock);
    while (!has_work(w) && !w->stop && clock_monotonic_ns() < w->storage.next_ns) {
        writer_wait_until(&w->more, &w->lock, w->storage.next_ns);
    }
    round.down = storage_trouble(&w->storage) != STORE_FINE;
    round.jobs = w->under_way = job_queue_take(&w->jobs);
    round.rankings = round.down ? NULL : ranking_queue_take(&w->rankings);
    round.stop = w->stop;
    if (round.jobs != NULL || round.rankings != NULL) {
        w->since_ns = clock_monotonic_ns();
        w->told_slow = false;
    }
    pthread_mutex_unlock(&w->lock);
    return round;
}

/*
 * Rankings that storage did not take wait for the next transaction. Where it was not storage they
 * may be what it failed of, and are shed.
 */
static void settle_rankings(struct writer *w, struct writer_ranking *rankings,
                            const struct writer_outcome *outcome)
{
    uint64_t shed = 0;

    pthread_mutex_lock(&w->lock);
    w->since_ns = 0;
    if (outcome->err.status != RK_OK && outcome->trouble != STORE_FINE) {
        ranking_queue_give_back(&w->rankings, rankings);
    } else {
        for (const struct writer_ranking *r = rankings; r != NULL; r = r->next) {
            shed += outcome->err.status != RK_OK;
        }
        ranking_queue_free(&w->rankings, rankings);
    }
    pthread_mutex_unlock(&w->lock);
    metrics_add(w->metrics, METRIC_RANKINGS_SHED, shed);
}

/* Tells jobs how they ended. From the moment that one is taken off it cannot become late. */
static void finish_jobs(struct writer *w, const struct writer_outcome *outcome)
{
    struct writer_job *job;

    for (;;) {
        pthread_mutex_lock(&w->lock);
        job = w->under_way;
        if (job != NULL) {
            w->under_way = job->next;
        }
        pthread_mutex_unlock(&w->lock);
        if (job == NULL) {
            return;
        }
        const struct writer_outcome own = outcome->err.status != RK_OK ? *outcome : job->outcome;
        job->done(job, &own);
    }
}

/*
 * Keeps the write-ahead log short. What it holds counts, so that this can be done later where the
 * file has no room to grow; and it is done often, for the next transaction waits for it.
 */
static void copy_back(struct writer *w)
{
    struct rk_error err = {0};
    const int64_t bytes = store_wal_bytes(w->store);
    const bool due = bytes >= COPY_BACK_FROM || w->fresh_bytes >= COPY_BACK_FRESH;

    atomic_store(&w->wal_bytes, bytes);
    if (due) {
        w->fresh_bytes = 0;
    }
    if (due && store_copy_back(w->store, &err) != RK_OK) {
        const enum store_trouble trouble = store_trouble(w->store);
        storage_failed(&w->storage, trouble == STORE_FULL ? STORE_FINE : trouble, &err);
    }
    if (bytes >= WAL_LARGE) {
        log_warn("wal_large", log_number("bytes", bytes));
    }
}

static void write_round(struct writer *w, const struct round *round)
{
    const struct writer_outcome outcome = round->down ? writer_refusal(storage_trouble(&w->storage))
                                                      : transact(w, round->rankings, round->jobs);

    settle_rankings(w, round->rankings, &outcome);
    finish_jobs(w, &outcome);
    if (outcome.err.status == RK_OK) {
        if (w->committed != NULL) {
            w->committed(w->context, atomic_load(&w->log_end));
        }
        copy_back(w);
    }
}

static void *writer_thread(void *argument)
{
    struct writer *w = argument;
    bool looked = false;

    for (;;) {
        const struct round round = next_round(w);
        const bool at_end = round.stop && round.jobs == NULL && round.rankings == NULL;
        if (at_end && (!round.down || looked)) {
            return NULL;
        }
        if (round.jobs != NULL || round.rankings != NULL) {
            write_round(w, &round);
        }
        /* At the end rankings may wait still: one last look says whether they can be written. */
        looked = looked || at_end;
        storage_tend(&w->storage, at_end);
    }
}

/* ---- start and stop ---- */

static void init_cond(pthread_cond_t *cond)
{
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void writer_free(struct writer *w)
{
    uint64_t shed = w->rankings.n;

    metrics_add(w->metrics, METRIC_RANKINGS_SHED, shed);
    ranking_queue_deinit(&w->rankings);
    pthread_cond_destroy(&w->over);
    pthread_cond_destroy(&w->more);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

/* Ends the writer thread, which finishes what is queued. */
static void join_writer(struct writer *w)
{
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->more);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
}

static enum rk_status start_threads(struct writer *w, struct rk_error *err)
{
    if (pthread_create(&w->thread, NULL, writer_thread, w) != 0) {
        return rk_fail(err, RK_NOMEM, "cannot start the writer thread");
    }
    if (w->limits.late_ms > 0 && pthread_create(&w->watch, NULL, writer_watch, w) != 0) {
        join_writer(w);
        return rk_fail(err, RK_NOMEM, "cannot start the thread beside the writer");
    }
    return RK_OK;
}

enum rk_status writer_start(struct store *store, struct metrics *metrics,
                            const struct writer_limits *limits,
                            void (*committed)(void *context, int64_t log_end), void *context,
                            struct writer **writer, struct rk_error *err)
{
    struct writer *w = calloc(1, sizeof *w);
    int64_t log_end = 0;
    enum rk_status status;

    if (w == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for the writer");
    }
    w->store = store;
    w->metrics = metrics;
    w->limits = *limits;
    w->committed = committed;
    w->context = context;
    pthread_mutex_init(&w->lock, NULL);
    init_cond(&w->more);
    init_cond(&w->over);
    job_queue_init(&w->jobs);
    storage_init(&w->storage, store, metrics, limits->retry_ms > 0 ? limits->retry_ms : RETRY_MS);
    status = ranking_queue_init(&w->rankings, limits->rankings)
                 ? store_log_end(store, &log_end, err)
                 : rk_fail(err, RK_NOMEM, "out of memory for the writer");
    atomic_init(&w->log_end, log_end);
    if (status == RK_OK) {
        status = start_threads(w, err);
    }
    if (status != RK_OK) {
        writer_free(w);
        return status;
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
    join_writer(w);
    pthread_mutex_lock(&w->lock);
    w->ended = true;
    pthread_cond_signal(&w->over);
    pthread_mutex_unlock(&w->lock);
    if (w->limits.late_ms > 0) {
        pthread_join(w->watch, NULL);
    }
    if (storage_trouble(&w->storage) == STORE_DAMAGED) {
        store_report_damage(w->store);
    }
    store_close(&w->store);
    writer_free(w);
    *writer = NULL;
}
