/*
 * Events on their way to the disk, for benchmarks of acknowledging them: through the writer, one event
 * a job and 64 clients that each wait for their answer before they send the next; and by a loop that
 * commits every event in a transaction of its own. In a temporary folder (TMPDIR).
 */
#ifndef RANKD_BENCH_COMMIT_H
#define RANKD_BENCH_COMMIT_H

#include "folder.h"
#include "metrics.h"

#include <pthread.h>
#include <stddef.h>

#define COMMIT_CLIENTS 64
#define COMMIT_EVENTS  4096 /* of a round through the writer */
#define COMMIT_SINGLES 128  /* of a round of the loop */
#define COMMIT_PATH    512

struct commit_client;

struct commit {
    char folder[FOLDER_PATH]; /* removed with all that is in it */
    struct writer *writer;
    struct metrics metrics;         /* the writer's */
    struct metric_histogram waited; /* from sending an event to its acknowledgement */
    struct store *single;           /* the loop's own file */
    size_t n_single;
    struct commit_client *client; /* (COMMIT_CLIENTS) */
    pthread_mutex_t lock;
    pthread_cond_t over;
    size_t next, end; /* guarded by lock: events given out, and where the round ends */
    size_t done;      /* guarded by lock */
};

/* Makes the folder, both files and the writer; ends the program where it cannot. */
void commit_open(struct commit *commit);
void commit_close(struct commit *commit);

/* Rounds: each client sends an event as soon as its last one is acknowledged; each event alone. */
void commit_together(struct commit *commit);
void commit_singly(struct commit *commit);

#endif
