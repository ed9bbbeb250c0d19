/*
 * What the trainer's files share: its state, and what a command may ask of the others.
 */
#ifndef RANKD_SERVER_TRAINER_IMPL_H
#define RANKD_SERVER_TRAINER_IMPL_H

#include "retention.h"
#include "trainee.h"
#include "trainer.h"

#include <pthread.h>

struct trainer {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;                   /* on CLOCK_MONOTONIC */
    struct trainer_command *first, **last; /* guarded by lock */
    bool woken;                            /* guarded by lock */
    bool stop;                             /* guarded by lock */
    struct trainer_options options;
    struct pace pace; /* the trainer thread's, as all below */
    struct trainee_tools tools;
    struct models *models;
    struct retention *retention; /* NULL: nothing is ever removed */
    struct trainee **trainee;    /* (n) */
    size_t n;
    int64_t started_ns; /* monotonic */
    int64_t obeying_ns; /* since when it does what the last command says, monotonic */
};

/* ---- trainer.c ---- */

/* Has the end been asked for? */
bool trainer_stopping(struct trainer *trainer);

/*
 * Waits until the budget allows a step. @return false: a command or the end came meanwhile, and goes
 * first.
 */
bool trainer_pace(struct trainer *trainer);

/* One step of a model, recorded or new, shown to everyone as running. */
RK_MUST_CHECK enum rk_status trainer_step(struct trainer *trainer, struct trainee *t,
                                          int64_t log_end, bool *more, struct rk_error *err);

/* ---- trainer_models.c ---- */

/* The model of a name in training, or NULL. */
struct trainee *trainer_find(const struct trainer *trainer, const char *name);

#define TRAINER_LOG_END INT64_C(-1)

/*
 * Makes a new model: its row, its untrained start, its place in the table. @param from_seq  log
 * position it learns from, or TRAINER_LOG_END: that of its creation.
 */
RK_MUST_CHECK enum rk_status trainer_create(struct trainer *trainer, const char *name,
                                            const struct model_config *config, int64_t from_seq,
                                            struct rk_error *err);

/*
 * Loads every model of the store, to be served at once, and makes `default` where there is none; the
 * command line's is recovered.
 */
RK_MUST_CHECK enum rk_status trainer_recover(struct trainer *trainer, struct rk_error *err);

/* Takes a model's next recorded step again. @pre t->behind */
RK_MUST_CHECK enum rk_status trainer_catch_up(struct trainer *trainer, struct trainee *t,
                                              struct rk_error *err);

/* ---- trainer_checkpoints.c ---- */

/* Waits until no checkpoint of the model is under way. */
void trainer_await_checkpoint(struct trainer *trainer, struct trainee *t);

/* Stores what has been learned since the last checkpoint and waits for it. */
RK_MUST_CHECK enum rk_status trainer_checkpoint_now(struct trainer *trainer, struct trainee *t,
                                                    struct rk_error *err);

/* Starts a checkpoint of each model whose time has come. */
void trainer_checkpoint_due(struct trainer *trainer);

/* ---- trainer_retention.c ---- */

/* Removes a little of what is old. @return true: there may be more. */
bool trainer_trim(struct trainer *trainer);

/* ---- trainer_commands.c ---- */

/* May the model learn now? */
bool trainer_may_train(const struct trainee *t);

/* Does what a command says and has it answered. */
void trainer_obey(struct trainer *trainer, struct trainer_command *command);

/* May a command have the model learn? @return false: no, and why is in its problem. */
bool trainer_check_trains(struct trainer_command *command, const struct trainee *t);

/* Fills in the problem of a command that failed. */
void trainer_fail(const struct trainer *trainer, struct trainer_command *command,
                  const struct rk_error *err);

/* ---- trainer_config.c ---- */

/* Changes a model's configuration by a patch. */
void trainer_configure(struct trainer *trainer, struct trainer_command *command, struct trainee *t);

/* ---- trainer_versions.c ---- */

/* Serves a stored version; takes one in; gives one out. */
void trainer_activate(struct trainer *trainer, struct trainer_command *command, struct trainee *t);
void trainer_import(struct trainer *trainer, struct trainer_command *command, struct trainee *t);
void trainer_export(struct trainer *trainer, struct trainer_command *command, struct trainee *t);

/* ---- trainer_retry.c ---- */

/* Takes lists out of quarantine once more. */
void trainer_retry(struct trainer *trainer, struct trainer_command *command, struct trainee *t);

#endif
