/*
 * JSON pointers (RFC 6901), built token by token from the root down. A token that does not fit ends
 * the pointer, which then names what the place is in.
 */
#ifndef RANKD_SERVER_POINTER_H
#define RANKD_SERVER_POINTER_H

#include <stddef.h>

/**
 * Appends "/key", escaped, or "/index" to a pointer of `length` bytes in size bytes at out.
 *
 * @return the new length; size where the token does not fit: then no later one fits either.
 */
size_t pointer_key(char *out, size_t size, size_t length, const char *key, size_t n);
size_t pointer_index(char *out, size_t size, size_t length, size_t index);

#endif
