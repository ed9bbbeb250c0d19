/*
 * What the files of rankd replay share: its options, the database, how it speaks.
 */
#ifndef RANKD_SERVER_COMMAND_REPLAY_IMPL_H
#define RANKD_SERVER_COMMAND_REPLAY_IMPL_H

#include "shell.h"
#include "store.h"

#include <stdbool.h>
#include <stdint.h>

struct replay {
    const char *db;
    const char *ranking;      /* NULL: not given; texts are borrowed from the command line */
    bool rankings;            /* all of them */
    const char *model;        /* its name; NULL: rankings are replayed */
    const char *config;       /* another configuration's file; NULL: as it was recorded */
    int64_t from_seq, to_seq; /* the range (from_seq, to_seq]; INT64_MAX: to the end */
    int64_t every;            /* lists a row of the table stands for */
    bool json;
    bool help;
    struct store_lock *lock;
    struct store *store; /* a reading connection */
};

/* Says on stderr what went wrong below. @return exit code. */
int replay_error(const struct rk_error *err);

/* Serves one ranking again, or all of the range, and prints what came of it. @return exit code. */
int replay_ranking(struct replay *replay);
int replay_rankings(struct replay *replay);

/* Takes a model's recorded steps again, beside another configuration if there is one. @return exit
 * code. */
int replay_model(struct replay *replay);

#endif
