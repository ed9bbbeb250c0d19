/*
 * A progress line on stderr while something long runs: done, rate, time left. Only on a terminal,
 * redrawn a few times a second, and gone at the end.
 */
#ifndef RANKD_SERVER_PROGRESS_H
#define RANKD_SERVER_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    const char *what; /* "training"; static */
    const char *unit; /* "lists"; static */
    uint64_t total;   /* 0 = not known */
    uint64_t done;
    int64_t start_ns, drawn_ns;
    bool on_terminal;
    bool is_drawn;
};

/** Starts counting from 0; the texts are borrowed until progress_end. */
void progress_start(struct progress *progress, const char *what, const char *unit, uint64_t total);

/** Counts n more, and draws the line if it is time to. */
void progress_add(struct progress *progress, uint64_t n);

/** Wipes the line. */
void progress_end(struct progress *progress);

/**
 * Writes the line, as it is after `seconds`.
 *
 * @param line  out, terminated, cut at n - 1 bytes.
 */
void progress_line(const struct progress *progress, double seconds, char *line, size_t n);

#endif
