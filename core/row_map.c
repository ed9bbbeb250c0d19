/*
 * Rows are found by multiplicative hashing (Knuth 6.4) and linear probing in a table at most half
 * full.
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

/* Where a row is, or the free place where it goes. @pre the table has one. */
static size_t find(const struct rk_row_map *map, uint32_t row)
{
    const size_t mask = ((size_t)1 << map->bits) - 1;
    size_t at = row * UINT32_C(2654435769) >> (32 - map->bits);

    while (map->place[at] != 0 && map->row[map->place[at] - 1] != row) {
        at = (at + 1) & mask;
    }
    return at;
}

/* A large table with few rows in it is cleared place by place, the last first: what was added before it is still found. */
void rk_row_map_clear(struct rk_row_map *map)
{
    if (map->bits > 0 && map->n << 4 > (size_t)1 << map->bits) {
        memset(map->place, 0, sizeof *map->place << map->bits);
        map->n = 0;
    }
    while (map->n > 0) {
        map->place[find(map, map->row[map->n - 1])] = 0;
        map->n--;
    }
}

bool rk_row_map_reserve(struct rk_row_map *map, size_t n)
{
    unsigned bits = map->bits < BITS_MIN ? BITS_MIN : map->bits;

    if (!rk_reserve(&map->row, &map->cap_rows, n)) {
        return false;
    }
    while ((size_t)1 << bits < 2 * n) {
        bits++;
    }
    if (bits == map->bits) {
        return true;
    }
    if (bits > 32 || !rk_resize(&map->place, (size_t)1 << bits)) {
        return false;
    }
    map->bits = bits;
    memset(map->place, 0, sizeof *map->place << bits);
    for (size_t i = 0; i < map->n; i++) {
        map->place[find(map, map->row[i])] = (uint32_t)i + 1;
    }
    return true;
}

size_t rk_row_map_add(struct rk_row_map *map, uint32_t row)
{
    const size_t at = find(map, row);

    if (map->place[at] == 0) {
        map->row[map->n++] = row;
        map->place[at] = (uint32_t)map->n;
    }
    return map->place[at] - 1;
}
