/*
 * Growing an array: the one place that decides by how much. The core has its own, which the server
 * does not see.
 */
#ifndef RANKD_SERVER_GROW_H
#define RANKD_SERVER_GROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define GROW_FIRST_BYTES 1024 /* of an array that was empty */

/*
 * Gives the array that `address` points to room for n elements; false: out of memory, the array as
 * it was.
 */
#define grow_resize(address, n) grow_resize_bytes((address), (n), sizeof **(address))

/*
 * Gives it room for at least need elements, doubling so that appending is amortised O(1); its
 * capacity is counted in *capacity.
 */
#define grow_reserve(address, capacity, need)                                                      \
    grow_reserve_bytes((address), (capacity), (need), sizeof **(address))

/*
 * The pointer is moved in and out by memcpy: char ** and void ** are different types to the
 * optimizer.
 */
static inline bool grow_resize_bytes(void *address, size_t n, size_t size)
{
    void *array;

    if (n > SIZE_MAX / size) {
        return false;
    }
    memcpy(&array, address, sizeof array);
    array = realloc(array, n > 0 ? n * size : 1);
    if (array == NULL) {
        return false;
    }
    memcpy(address, &array, sizeof array);
    return true;
}

static inline bool grow_reserve_bytes(void *address, size_t *capacity, size_t need, size_t size)
{
    size_t grown = *capacity > 0 ? *capacity : 1 + GROW_FIRST_BYTES / size;

    if (need <= *capacity) {
        return true;
    }
    while (grown < need) {
        grown = grown > SIZE_MAX / 2 ? need : 2 * grown;
    }
    if (!grow_resize_bytes(address, grown, size)) {
        return false;
    }
    *capacity = grown;
    return true;
}

#endif
