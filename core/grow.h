/*
 * Growing an array: the one place that decides by how much, and the one that calls realloc.
 */
#ifndef RANKD_CORE_GROW_H
#define RANKD_CORE_GROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A capacity of at least need, doubling so that appending is amortised O(1). */
static inline size_t rk_grown(size_t capacity, size_t need)
{
    size_t grown = capacity < 16 ? 16 : capacity;

    while (grown < need) {
        grown = grown > SIZE_MAX / 2 ? need : 2 * grown;
    }
    return grown;
}

/*
 * Gives the array that `address` points to room for n elements; false: out of memory, the array as
 * it was.
 */
#define rk_resize(address, n) rk_resize_bytes((address), (n), sizeof **(address))

/*
 * The pointer is moved in and out by memcpy: float * and void * are different types to the
 * optimizer.
 */
static inline bool rk_resize_bytes(void *address, size_t n, size_t size)
{
    void *array;

    if (n > SIZE_MAX / size) {
        return false;
    }
    memcpy(&array, address, sizeof array);
    array = realloc(array, n * size > 0 ? n * size : 1);
    if (array == NULL) {
        return false;
    }
    memcpy(address, &array, sizeof array);
    return true;
}

/*
 * Gives the array that `address` points to room for at least need elements, its capacity counted in
 * *capacity.
 */
#define rk_reserve(address, capacity, need)                                                        \
    rk_reserve_bytes((address), (capacity), (need), sizeof **(address))

static inline bool rk_reserve_bytes(void *address, size_t *capacity, size_t need, size_t size)
{
    const size_t grown = rk_grown(*capacity, need);

    if (need <= *capacity) {
        return true;
    }
    if (!rk_resize_bytes(address, grown, size)) {
        return false;
    }
    *capacity = grown;
    return true;
}

#endif
