/*
 * The writer: the one thread that writes the store. Jobs queue up while a commit is under way and
 * are committed together (group commit); a job is told that it is done only after the commit that
 * holds it. Served rankings have a queue of their own, go first in each transaction, and may be
 * shed.
 */
#ifndef RANKD_SERVER_WRITER_H
#define RANKD_SERVER_WRITER_H

#include "metrics.h"
#include "store.h"

#include <rankd/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct writer;

/* How a job ended. */
struct writer_outcome {
    struct rk_error err;        /* RK_OK: committed */
    enum store_trouble trouble; /* what kind of storage failure, where it was one */
};

/*
 * Something to write. Embed it at the start of a struct with the job's data; the writer never frees
 * it.
 */
struct writer_job {
    /*
     * Writes inside the open transaction; on error what it wrote is taken back, alone - but on
     * RK_IO and RK_NOMEM the whole transaction is, and all jobs in it fail. In the writer thread.
     */
    enum rk_status (*run)(struct writer_job *job, struct store *store, struct rk_error *err);
    /* After the commit, or after the failure. In the writer thread; the job may be freed here. */
    void (*done)(struct writer_job *job, const struct writer_outcome *outcome);
    size_t bytes;            /* what it holds in memory, for the queue's limit */
    size_t weight;           /* events in it, at least 1 */
    struct writer_job *next; /* the writer's */
    struct rk_error err;     /* the writer's */
};

/*
 * A served ranking on its way to the log; one malloc'ed block with its texts, freed by the writer.
 */
struct writer_ranking {
    struct store_ranking ranking;
    uint64_t id_hash;
    struct writer_ranking *next; /* the writer's */
};

struct writer_limits {
    size_t jobs; /* weight in the queue */
    size_t bytes;
    size_t rankings;
};

/**
 * Starts the thread.
 *
 * @param store      the writing connection, taken on success: closed when the writer ends.
 * @param committed  called in the writer thread after each commit with the log's end; may be NULL.
 */
RK_MUST_CHECK enum rk_status writer_start(struct store *store, struct metrics *metrics,
                                          const struct writer_limits *limits,
                                          void (*committed)(void *context, int64_t log_end),
                                          void *context, struct writer **writer,
                                          struct rk_error *err);

/**
 * Commits what is queued, ends the thread, closes the store and frees the writer. NULL is accepted.
 */
void writer_stop(struct writer **writer);

/**
 * Queues a job. @return false: the queue is full or the writer is stopping, and the job's done is
 * not called. A job larger than the limits is taken when nothing waits. Threads: any.
 */
bool writer_submit(struct writer *writer, struct writer_job *job);

/**
 * Queues a job whatever the limits and waits until it is done; its done may be NULL. @return how it
 * ended. Not in the writer thread.
 */
struct writer_outcome writer_run(struct writer *writer, struct writer_job *job);

/** Queues a job whatever the limits, without waiting: for work that the server itself splits up. */
void writer_push(struct writer *writer, struct writer_job *job);

/**
 * Queues a ranking, taking it. @return false: shed, or its id is queued already; it is freed.
 * Threads: any.
 */
bool writer_log(struct writer *writer, struct writer_ranking *ranking, bool *used_before);

/** Is a ranking of this id hash on its way into the log? Threads: any. */
bool writer_holds(struct writer *writer, uint64_t id_hash);

/** The end of the log as of the last commit. Threads: any. */
int64_t writer_log_end(const struct writer *writer);

/** Weight, bytes and rankings now queued. Threads: any. */
struct writer_limits writer_queued(struct writer *writer);

#endif
