/*
 * Rows are found by multiplicative hashing (Knuth 6.4) and linear probing in a table at most a
 * quarter full: most are met at once.
 */
#include "grow.h"

#include <rankd/row_map.h>
#include <string.h>

#define BITS_MIN 6

void rk_row_map_deinit(struct rk_row_map *map)
{
    free(map->row);
    free(map->place);
    *map = (struct rk_row_map){0};
}

/* A large table with few rows in it is cleared place by place, the last first: what was added before it is still found. */
void rk_row_map_clear(struct rk_row_map *map)
{
    if (map->bits > 0 && map->n << 4 > (size_t)1 << map->bits) {
        memset(map->place, 0, sizeof *map->place << map->bits);
        map->n = 0;
    }
    while (map->n > 0) {
        map->place[rk_row_map_find(map, map->row[map->n - 1])] = 0;
        map->n--;
    }
}

bool rk_row_map_reserve(struct rk_row_map *map, size_t n)
{
    unsigned bits = map->bits < BITS_MIN ? BITS_MIN : map->bits;

    if (n <= map->room) {
        return true;
    }
    while ((size_t)1 << bits < 4 * n) {
        bits++;
    }
    n = (size_t)1 << bits >> 2;
    if (bits > 32 || !rk_reserve(&map->row, &map->cap_rows, n) ||
        !rk_resize(&map->place, (size_t)1 << bits)) {
        return false;
    }
    map->bits = bits;
    map->room = n;
    memset(map->place, 0, sizeof *map->place << bits);
    for (size_t i = 0; i < map->n; i++) {
        map->place[rk_row_map_find(map, map->row[i])] = (uint32_t)i + 1;
    }
    return true;
}

size_t rk_row_map_add(struct rk_row_map *map, uint32_t row)
{
    size_t at;

    if (map->n == map->room && !rk_row_map_reserve(map, map->n + 1)) {
        return SIZE_MAX;
    }
    at = rk_row_map_find(map, row);
    if (map->place[at] == 0) {
        rk_row_map_put(map, at, row);
    }
    return map->place[at] - 1;
}
