/*
 * NDJSON: one JSON text a line. Blank lines are skipped; the last line needs no newline.
 */
#ifndef RANKD_SERVER_LINES_H
#define RANKD_SERVER_LINES_H

#include <stdbool.h>
#include <stddef.h>

struct lines {
    const char *at;
    const char *end;
    size_t number; /* of the line last given, from 0, blank ones not counted */
    size_t given;
    size_t place; /* of the line last given in the text, from 1, blank ones counted */
};

/** Starts over n bytes, borrowed. */
struct lines lines_of(const char *text, size_t n);

/** The next line that is not blank, without its newline. false at the end. */
bool lines_next(struct lines *lines, const char **line, size_t *n);

/** How many lines are not blank. */
size_t lines_count(const char *text, size_t n);

#endif
