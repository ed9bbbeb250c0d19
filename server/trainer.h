/*
 * The trainer: the one thread that learns. It reads the committed log behind the writer, takes
 * steps of what is there, and is the only one that makes, removes, loads or pauses models: requests
 * for that come as commands and are answered when they are done.
 */
#ifndef RANKD_SERVER_TRAINER_H
#define RANKD_SERVER_TRAINER_H

#include "checkpoint.h"
#include "metrics.h"
#include "models.h"
#include "pace.h"
#include "problem.h"
#include "retention.h"
#include "writer.h"

#include <rankd/status.h>

struct trainee_dry_run;
struct trainer;

enum trainer_verb {
    TRAINER_CREATE,
    TRAINER_DELETE,
    TRAINER_TRAIN,
    TRAINER_PAUSE,
    TRAINER_RESUME,
    TRAINER_ACTIVATE,
    TRAINER_IMPORT,
    TRAINER_EXPORT,
    TRAINER_DRY_RUN,
    TRAINER_RETRY,
    TRAINER_CONFIGURE
};

#define TRAINER_SERVED (-1) /* EXPORT: the version that is served */

/* Something to do with a model; embed it at the start of a struct with more. */
struct trainer_command {
    enum trainer_verb verb;
    char model[STORE_NAME_MAX + 1];
    struct model_config config;                    /* CREATE */
    bool goes_back;                                /* CREATE: it learns what is after from_seq, */
    int64_t from_seq;                              /* else what is after its creation */
    int64_t version;                               /* ACTIVATE, EXPORT: the checkpoint's version */
    int64_t step;                                  /* RETRY: whose lists; out: which took them */
    const void *bytes;                             /* IMPORT: a safetensors file, borrowed; */
                                                   /* CONFIGURE: a patch as JSON, borrowed */
    size_t n;                                      /* of it */
    bool lenient;                                  /* CONFIGURE: members not known are ignored */
    bool activate;                                 /* IMPORT: serve it; else it is only stored */
    bool optimizer;                                /* EXPORT: with the optimizer's state */
    struct trainee_dry_run *dry_run;               /* DRY_RUN: what to try, and what it would do */
    void (*done)(struct trainer_command *command); /* in the trainer thread; may free the command */

    /* out, before done */
    struct problem problem;       /* PROBLEM_NONE: done */
    bool created;                 /* CREATE: false: it was there with the same configuration */
    int64_t steps, lists;         /* TRAIN, RETRY: what was done */
    enum store_outcome outcome;   /* RETRY: what came of it */
    bool unfinished;              /* TRAIN: 60 s were not enough, or the end came; it goes on */
    int64_t served_version;       /* TRAIN, ACTIVATE, RETRY: served now */
    struct store_checkpoint row;  /* IMPORT: what was stored; without metrics */
    struct checkpoint_bytes file; /* EXPORT: a safetensors file, owned by who gave the command */
    struct trainer_command *next; /* the trainer's */
};

struct trainer_options {
    size_t n_slots; /* reading threads */
    size_t model_max_bytes;
    int64_t checkpoint_s;
    struct pace_limits pace;
    const struct metric_histogram *score; /* durations of score requests, borrowed; may be NULL */
    struct retention_options retention;   /* log_days 0: nothing is ever removed */
    const char
        *only; /* the command line: this model alone, and no thread: nothing is learned, and a
                  command is done when trainer_submit returns. NULL: a server. Borrowed */
};

/**
 * Recovers every model of the store into the table, makes `default` where there is none, and starts
 * the thread; or, with options->only, recovers that one if it is there.
 *
 * @param store  a reading connection, taken in any case. @param writer, models, metrics  borrowed.
 */
RK_MUST_CHECK enum rk_status trainer_start(struct store *store, struct writer *writer,
                                           struct models *models, struct metrics *metrics,
                                           const struct trainer_options *options,
                                           struct trainer **trainer, struct rk_error *err);

/**
 * Ends the thread after its step, stores a checkpoint of every model that learned, and frees the
 * trainer. NULL is accepted. What is queued is obeyed, but a train command ends early.
 *
 * @pre the writer runs; nobody but what the writer calls after a commit may still have the trainer,
 *      and that takes it no more from now on.
 */
void trainer_stop(struct trainer **trainer);

/** Tells it that the log has grown. Threads: any. */
void trainer_wake(struct trainer *trainer);

/**
 * Queues a command. @return false: the trainer is stopping, and done is not called. Threads: any.
 */
bool trainer_submit(struct trainer *trainer, struct trainer_command *command);

#endif
