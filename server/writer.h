/*
 * The writer: the one thread that writes the store. Jobs queue up while a commit is under way and
 * are committed together (group commit); a job is told that it is done only after the commit that
 * holds it. Served rankings have a queue of their own, go first in each transaction, and may be
 * shed.
 *
 * While storage is down (storage.h) jobs are refused at once and rankings wait. A transaction that
 * storage failed is told to its jobs as failed, whatever may have come to the disk of it; its
 * rankings, whom nobody waits for, wait for the next one.
 */
#ifndef RANKD_SERVER_WRITER_H
#define RANKD_SERVER_WRITER_H

#include "metrics.h"
#include "store.h"
#include "store_log.h"

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
    /*
     * It has waited for limits.late_ms: called at most once, before done and while run may be under
     * way; it makes no calls of the writer. NULL: it waits as long as it takes.
     */
    void (*late)(struct writer_job *job);
    size_t bytes;                  /* what it holds in memory, for the queue's limit */
    size_t weight;                 /* events in it, at least 1 */
    struct writer_outcome outcome; /* of a job that was refused; else the writer's, as all below */
    struct writer_job *next;
    int64_t queued_ns;
    bool is_late;
};

/*
 * A served ranking on its way to the log; one malloc'ed block with its texts, freed by the writer.
 */
struct writer_ranking {
    struct store_ranking ranking;
    uint64_t id_hash;            /* 0: an id that nobody else can have */
    struct writer_ranking *next; /* the writer's, as all below */
    struct writer_ranking *chained;
};

struct writer_limits {
    size_t jobs; /* weight in the queue */
    size_t bytes;
    size_t rankings;
    int64_t late_ms;  /* when a job is late; 0: never */
    int64_t retry_ms; /* between looks at storage; 0: a second */
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
 * Queues a job. @return false: storage is down, the queue is full (RK_BUSY) or the writer is
 * stopping; job->outcome says which, and the job's done is not called. A job larger than the limits
 * is taken when nothing waits. Threads: any.
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

/** Is a ranking of this id hash (not 0) on its way into the log? Threads: any. */
bool writer_holds(struct writer *writer, uint64_t id_hash);

/** What is wrong with storage now; STORE_FINE: nothing that is known. Threads: any. */
enum store_trouble writer_trouble(struct writer *writer);

/** The same where something is; else what it failed of last, if that was since a time (monotonic). */
enum store_trouble writer_trouble_since(struct writer *writer, int64_t since_ns);

/** A reading connection found damage: nothing is written any more. Threads: any. */
void writer_report_damage(struct writer *writer, const char *what);

/** Bytes in the write-ahead log. Threads: any. */
int64_t writer_wal_bytes(const struct writer *writer);

/** The end of the log as of the last commit. Threads: any. */
int64_t writer_log_end(const struct writer *writer);

/** Weight, bytes and rankings now queued. Threads: any. */
struct writer_limits writer_queued(struct writer *writer);

#endif
