/*
 * What came of a replayed model, as a table or as JSON.
 */
#ifndef RANKD_SERVER_COMMAND_REPLAY_REPORT_H
#define RANKD_SERVER_COMMAND_REPLAY_REPORT_H

#include "command_replay_impl.h"
#include "command_replay_series.h"

struct replay_outcome {
    int64_t version;
    uint8_t sha256[STORE_SHA256_BYTES]; /* as a checkpoint of it would have */
};

struct replay_report {
    int64_t from_seq, to_seq; /* what was replayed */
    int64_t steps;            /* recorded ones, taken again */
    int64_t compared;         /* stored checkpoints that came out to the bit */
    int64_t stored_version;   /* the newest of them */
    struct replay_outcome outcome;
    struct series recorded;
    bool has_other; /* another configuration */
    struct replay_outcome other_outcome;
    struct series other;
    double seconds;
};

/* Prints it; sorts the series. @return exit code. */
int replay_report_print(const struct replay *replay, struct replay_report *report);

#endif
