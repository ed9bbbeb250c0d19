/*
 * What the files of the pull reader share.
 */
#ifndef RANKD_SERVER_PULL_IMPL_H
#define RANKD_SERVER_PULL_IMPL_H

#include "pull.h"

/* The text is no JSON here. Always returns false, and nothing is read any more. */
bool pull_broken(struct pull *pull, const char *what);

/* A value of another kind stands here, if it is one at all. Always returns false. */
bool pull_other(struct pull *pull, const char *what);

/* The text as a whole cannot be read; of many it is told which. Always returns false. */
bool pull_unreadable(struct pull *pull, enum problem_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* pull_skip, but what was in the memory stays. */
bool pull_past(struct pull *pull);

/* A string whose first byte after the quote is at. It is left after the closing quote. */
bool pull_quoted(struct pull *pull, struct span *span);

/* A number as it is written. */
struct pull_digits {
    double value;
    bool exact; /* a whole number that a double does not have is false */
};

bool pull_digits(struct pull *pull, struct pull_digits *digits);

#endif
