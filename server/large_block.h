/*
 * Large blocks of memory that are read all over: on huge pages, where the system has them, fewer
 * pages are looked up. What is never touched is not resident.
 */
#ifndef RANKD_SERVER_LARGE_BLOCK_H
#define RANKD_SERVER_LARGE_BLOCK_H

#include <stddef.h>

/** A block at the start of a cache line; free it with free. @return NULL: out of memory. */
void *large_block_alloc(size_t bytes);

#endif
