/*
 * Retention's twin: decides by one plain query what may go of the log by its age alone, to be compared
 * with what went.
 */
#ifndef RANKD_RETENTION_TWIN_H
#define RANKD_RETENTION_TWIN_H

#include <stdint.h>

/* Notes in the database what there is, and what of it may go at now_ms. */
void twin_decide(const char *path, int64_t now_ms, int64_t days, int64_t ttl_ms);

/* Is that what went since? */
void twin_check(const char *path);

#endif
