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
    size_t room; /* rows that there is room for */
};

/* Where a row is in place, or the free place where it goes. @pre there is room for a row. */
static inline size_t rk_row_map_find(const struct rk_row_map *map, uint32_t row)
{
    const size_t mask = ((size_t)1 << map->bits) - 1;
    size_t at = row * UINT32_C(2654435769) >> (32 - map->bits);

    while (map->place[at] != 0 && map->row[map->place[at] - 1] != row) {
        at = (at + 1) & mask;
    }
    return at;
}

/** Frees what it holds; all zero is accepted. */
void rk_row_map_deinit(struct rk_row_map *map);

/** Forgets all rows, keeps the memory. Cost O(n). */
void rk_row_map_clear(struct rk_row_map *map);

/** Makes room for n rows in all, so that adding them cannot fail. @return false: out of memory. */
bool rk_row_map_reserve(struct rk_row_map *map, size_t n);

/**
 * The number of a row, which is added if it was not there: then its number is the old n.
 *
 * @return SIZE_MAX: out of memory; never where room was made for it. Cost amortised O(1).
 */
size_t rk_row_map_add(struct rk_row_map *map, uint32_t row);

/* Adds a row at the free place that it was looked for at. @pre there is room for it. */
static inline void rk_row_map_put(struct rk_row_map *map, size_t at, uint32_t row)
{
    map->row[map->n++] = row;
    map->place[at] = (uint32_t)map->n;
}

/*
 * Numbers a row that is never looked for itself, because it always comes behind the one before it.
 *
 * @pre there is room for it.
 */
static inline void rk_row_map_append(struct rk_row_map *map, uint32_t row)
{
    map->row[map->n++] = row;
}

#endif
