/*
 * How long something took, each time, and what is said of it at the end.
 */
#ifndef RANKD_WAITS_H
#define RANKD_WAITS_H

#include <stddef.h>
#include <stdint.h>

/* Zero-initialised: none. */
struct waits {
    int64_t *ns; /* (n) owned */
    size_t n, room;
};

void waits_deinit(struct waits *waits);

void waits_add(struct waits *waits, int64_t ns);
void waits_join(struct waits *waits, const struct waits *more);

/* Prints a line: how many, the median, the 99th percentile, the largest, how many above 100 ms. */
void waits_print(struct waits *waits, const char *name);

#endif
