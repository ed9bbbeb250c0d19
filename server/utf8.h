/*
 * UTF-8: is text from outside what JSON, the store and the log may hold?
 */
#ifndef RANKD_SERVER_UTF8_H
#define RANKD_SERVER_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/**
 * Bytes of the well-formed character at the start of n bytes (RFC 3629, 4), or 0: broken, cut off,
 * longer than needed, a surrogate, or past U+10FFFF. @pre n > 0.
 */
size_t utf8_length(const unsigned char *text, size_t n);

/** Are n bytes UTF-8 altogether? */
bool utf8_valid(const char *text, size_t n);

#endif
