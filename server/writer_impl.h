/*
 * What the writer's files share: its state, what waits for it (jobs in the order they came, and
 * rankings, which are found by their id until they are in the log; neither queue locks), and the
 * thread beside it that tells those who wait too long.
 */
#ifndef RANKD_SERVER_WRITER_IMPL_H
#define RANKD_SERVER_WRITER_IMPL_H

#include "storage.h"
#include "writer.h"

#include <pthread.h>
#include <stdatomic.h>

#define NS_PER_MS INT64_C(1000000)

struct job_queue {
    struct writer_job *first, **last;
    size_t weight, bytes;
};

struct ranking_queue {
    struct writer_ranking *first, **last;
    size_t n;
    struct writer_ranking **bucket; /* (n_buckets, a power of two) queued or taken, by id_hash */
    size_t n_buckets;
};

struct writer {
    pthread_t thread;
    pthread_t watch; /* where limits.late_ms > 0 */
    pthread_mutex_t lock;
    pthread_cond_t more;           /* something was queued, or stop; on CLOCK_MONOTONIC */
    pthread_cond_t over;           /* the writer thread has ended; the same */
    struct job_queue jobs;         /* guarded by lock */
    struct writer_job *under_way;  /* guarded by lock: taken, not told yet */
    struct ranking_queue rankings; /* guarded by lock */
    int64_t since_ns; /* guarded by lock: when the transaction under way was begun; 0: none is */
    bool told_slow;   /* guarded by lock: of that transaction */
    bool stop;        /* guarded by lock */
    bool ended;       /* guarded by lock: the writer thread */
    struct writer_limits limits;
    struct store *store;    /* the writer thread's */
    struct storage storage; /* of its connection */
    struct metrics *metrics;
    void (*committed)(void *context, int64_t log_end);
    void *context;
    size_t fresh_bytes; /* the writer thread's: of jobs, since the log was copied back */
    _Atomic int64_t log_end;
    _Atomic int64_t wal_bytes;
};

/* ---- writer_queue.c ---- */

void job_queue_init(struct job_queue *queue);
void job_queue_push(struct job_queue *queue, struct writer_job *job);

/* Takes the jobs of one transaction off the front: at least one, no more than fit; NULL: none. */
struct writer_job *job_queue_take(struct job_queue *queue);

/* @param limit  about how many there will be. @return false: out of memory. */
bool ranking_queue_init(struct ranking_queue *queue, size_t limit);

/* Frees what is queued. */
void ranking_queue_deinit(struct ranking_queue *queue);

void ranking_queue_push(struct ranking_queue *queue, struct writer_ranking *ranking);

/* Is one of this id hash queued, or taken and not freed yet? */
bool ranking_queue_holds(const struct ranking_queue *queue, uint64_t id_hash);

/* Takes all there are; they are still held. */
struct writer_ranking *ranking_queue_take(struct ranking_queue *queue);

/* Gives back what was taken, before all that came since. */
void ranking_queue_give_back(struct ranking_queue *queue, struct writer_ranking *taken);

/* Frees what was taken. */
void ranking_queue_free(struct ranking_queue *queue, struct writer_ranking *taken);

/* ---- writer_submit.c ---- */

/* What a job is told while storage is down. */
struct writer_outcome writer_refusal(enum store_trouble trouble);

/* ---- writer_late.c ---- */

/* The thread that looks for late jobs until the writer thread has ended. */
void *writer_watch(void *writer);

/* Has the transaction under way taken longer than a job may wait? @pre the lock is held. */
bool writer_is_slow(const struct writer *writer);

/* Waits for a condition on CLOCK_MONOTONIC no longer than to a time. */
void writer_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ns);

#endif
