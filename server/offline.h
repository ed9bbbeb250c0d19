/*
 * What the offline commands share: taking the database while no server has it, bringing a model to
 * the state a server would serve, reading the data, measuring lists, and printing.
 */
#ifndef RANKD_SERVER_OFFLINE_H
#define RANKD_SERVER_OFFLINE_H

#include "datafile.h"
#include "emit.h"
#include "offline_options.h"
#include "shell.h"
#include "trainee.h"

#include <rankd/eval.h>
#include <stdbool.h>

struct offline {
    const struct offline_options *options; /* borrowed */
    struct store_lock *lock;
    struct store *store; /* the writing connection, until a writer takes it; NULL: no file yet */
    struct served *served;
    struct trainee *trainee;
    bool is_new; /* the model is made from a configuration and not in the store yet */
    struct datafile data;
    uint64_t unscored; /* lists left out of metrics: a score was not finite */
    double *score;     /* (cap_score) scores, click logits and heads of a list; with work */
    void *work;
    size_t cap_score, cap_work;
};

/**
 * Takes the lock, opens the database and recovers the model as a server does. A database that is
 * not there is not made yet: whoever stores something does that.
 *
 * @param config  what the model has to be, or is made from; NULL: it has to be there.
 * @return EX_OK; an exit code after one line on stderr. Close it in any case.
 */
int offline_open(const struct offline_options *options, const struct model_config *config,
                 struct offline *offline);

/** Closes what is open; a zeroed one is accepted. */
void offline_close(struct offline *offline);

/** Reads the data into offline->data. @return EX_OK; an exit code after one line on stderr. */
int offline_read(struct offline *offline);

/**
 * Scores a list and adds its metrics.
 *
 * @param theta  NULL: version 0, where all scores are 0.
 */
RK_MUST_CHECK enum rk_status offline_measure(struct offline *offline, const float *theta,
                                             const struct rk_group *group, struct rk_eval_sum *sum,
                                             struct rk_error *err);

/** The same of a list whose heads are known, (heads, n_items); NULL: version 0. */
RK_MUST_CHECK enum rk_status offline_measure_heads(struct offline *offline, const double *head,
                                                   const struct rk_group *group,
                                                   struct rk_eval_sum *sum, struct rk_error *err);

/** Means of all metrics: as members of an open JSON object, or as rows of a table. */
void offline_emit_metrics(const struct rk_eval_sum *sum, struct emit *out);
void offline_table_metrics(const struct rk_eval_sum *sum, struct emit *out);

/** Prints "rankd <command>: ..." on stderr. @return code. */
int offline_fail(const struct offline_options *options, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
