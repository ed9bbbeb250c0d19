/*
 * What the files of rankd train share: a training, what of it goes to the store, and its summary.
 */
#ifndef RANKD_SERVER_COMMAND_TRAIN_IMPL_H
#define RANKD_SERVER_COMMAND_TRAIN_IMPL_H

#include "offline.h"

#include <rankd/eval.h>
#include <rankd/learner.h>

struct training {
    struct offline offline;
    struct metrics *metrics; /* the writer's; owned */
    struct writer *writer;
    struct store *reader;           /* a reading connection */
    struct store_checkpoint init;   /* a new model's untrained start */
    uint32_t *order;                /* (data.n) lists to learn from, then those held out; owned */
    size_t n_lists;                 /* to learn from */
    const struct rk_group **list;   /* (n_lists) in this pass's order, owned; borrowed lists */
    struct rk_learned last;         /* of the last pass */
    struct rk_eval_sum before;      /* of the last pass, before each list was learned from */
    struct rk_eval_sum held_out;    /* of the lists held out, after the last pass */
    uint64_t updates, diverged;     /* of all passes */
    char reason[RK_ERROR_TEXT_MAX]; /* of the first update that diverged */
    double seconds;
};

/** Starts the writer, on a database that is made now if there was none. */
RK_MUST_CHECK enum rk_status training_start_writer(struct training *training, struct rk_error *err);

/** Learns what the log holds for the model: the new version will stand at the log's end. */
RK_MUST_CHECK enum rk_status training_catch_up(struct training *training, struct rk_error *err);

/** Takes down the untrained start of a new model, before anything is learned. */
RK_MUST_CHECK enum rk_status training_seal_init(struct training *training, struct rk_error *err);

/** Writes a new model's row and its untrained start. */
RK_MUST_CHECK enum rk_status training_put_model(struct training *training, struct rk_error *err);

/** Serves what was learned as the next version, stores it, and stops the writer. */
RK_MUST_CHECK enum rk_status training_put_version(struct training *training, struct rk_error *err);

/** The summary, as one JSON object or as a table. */
void training_write_json(const struct training *training, struct emit *out);
void training_write_table(const struct training *training, struct emit *out);

#endif
