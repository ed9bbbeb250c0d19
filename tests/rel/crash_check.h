/*
 * Is a database, found after a power loss, what was promised? It is opened as a start opens it.
 */
#ifndef RANKD_CRASH_CHECK_H
#define RANKD_CRASH_CHECK_H

#include "crash_life.h"

/* The first that is wrong counts. */
#define STATE_VERDICTS(X)                                                                          \
    X(WHOLE, "whole")                                                                              \
    X(CORRUPT, "corrupt")     /* it does not open, or PRAGMA integrity_check finds something */    \
    X(LOST, "lost")           /* something acknowledged is not there */                            \
    X(DOUBLE, "double")       /* an event is there twice, or would be learned twice */             \
    X(UNCOVERED, "uncovered") /* a row speaks of what is not there */                              \
    X(UNRECOVERED, "unrecovered") /* a model does not come out as it was served */

enum state_verdict {
#define STATE_VERDICT_ENUM(name, text) STATE_##name,
    STATE_VERDICTS(STATE_VERDICT_ENUM)
#undef STATE_VERDICT_ENUM
    STATE_VERDICT_COUNT
};

#define STATE_REASON_MAX 256

/* What is looked at beside the file, the promises and the rows; add them up. */
enum state_depth {
    STATE_ROWS = 0,
    STATE_SEALS = 1, /* every checkpoint has its checksum */
    STATE_MODELS = 2 /* every model is taken up again, and comes out as it was served */
};

/*
 * Opens the database, checks it against what was promised by a point of the life, and closes it.
 *
 * @param depth  of enum state_depth. @param reason  out: what is wrong.
 */
enum state_verdict state_check(const char *path, const struct life *life, size_t point,
                               unsigned depth, char reason[STATE_REASON_MAX]);

#endif
