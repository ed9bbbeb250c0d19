/*
 * ULIDs: ids that sort by time and cannot be guessed. 48 bits of Unix milliseconds, 80 random bits,
 * in 26 characters of Crockford's base 32.
 */
#ifndef RANKD_SERVER_ULID_H
#define RANKD_SERVER_ULID_H

#include <stdbool.h>
#include <stdint.h>

#define ULID_TEXT 27 /* with the terminator */

/** Makes one. @return false: the system gives no random numbers. Threads: any. */
bool ulid_make(int64_t unix_ms, char text[ULID_TEXT]);

#endif
