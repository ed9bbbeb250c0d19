/*
 * A set of row numbers, numbered in the order they were first met: open addressing, its size that of
 * the set and not of the model.
 */
#ifndef RANKD_ROW_MAP_H
#define RANKD_ROW_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero to start. */
struct rk_row_map {
    uint32_t *row; /* (n) distinct rows in the order they were first met, owned */
    size_t n, cap_rows;
    uint32_t *place; /* (1 << bits) a row's number + 1 at its hash or behind; 0 = free; owned */
    unsigned bits;
};

/** Frees what it holds; all zero is accepted. */
void rk_row_map_deinit(struct rk_row_map *map);

/** Forgets all rows, keeps the memory. Cost O(n). */
void rk_row_map_clear(struct rk_row_map *map);

/** Makes room for n rows in all, so that adding them cannot fail. @return false: out of memory. */
bool rk_row_map_reserve(struct rk_row_map *map, size_t n);

/**
 * The number of a row, which is added if it was not there: then its number is the old n.
 *
 * @pre there is room for one more. Cost O(1).
 */
size_t rk_row_map_add(struct rk_row_map *map, uint32_t row);

#endif
