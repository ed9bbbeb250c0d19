/*
 * Two open-addressing maps from id to features. Both copies point to the same entries, so that a
 * change is made twice and an entry is freed once, when the second copy has let go of it.
 */
#include "catalogue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 64

/* Stands where an entry was removed, so that searches go on past it. */
static struct catalogue_entry grave;

enum rk_status catalogue_init(struct catalogue *catalogue, size_t n_slots, struct rk_error *err)
{
    *catalogue = (struct catalogue){0};
    return pair_init(&catalogue->pair, n_slots, err);
}

void catalogue_deinit(struct catalogue *catalogue)
{
    for (size_t side = 0; side < CATALOGUE_SIDES; side++) {
        const struct catalogue_map *map = &catalogue->copy[0].map[side];
        for (size_t i = 0; i < map->capacity; i++) {
            if (map->bucket[i] != &grave) {
                free(map->bucket[i]);
            }
        }
        free(catalogue->copy[0].map[side].bucket);
        free(catalogue->copy[1].map[side].bucket);
    }
    pair_deinit(&catalogue->pair);
    *catalogue = (struct catalogue){0};
}

const struct catalogue_copy *catalogue_read(struct catalogue *catalogue, size_t slot)
{
    return &catalogue->copy[pair_acquire(&catalogue->pair, slot)];
}

void catalogue_done(struct catalogue *catalogue, size_t slot, const struct catalogue_copy *copy)
{
    pair_release(&catalogue->pair, slot, (uint32_t)(copy - catalogue->copy));
}

/* The bucket of an id, or the free one where its search ended; NULL in an empty map. */
static struct catalogue_entry **bucket_of(const struct catalogue_map *map, uint64_t hash,
                                          const char *id)
{
    if (map->capacity == 0) {
        return NULL;
    }
    for (size_t i = hash & (map->capacity - 1);; i = (i + 1) & (map->capacity - 1)) {
        struct catalogue_entry *entry = map->bucket[i];
        if (entry == NULL ||
            (entry != &grave && entry->hash == hash && strcmp(entry->id, id) == 0)) {
            return &map->bucket[i];
        }
    }
}

const struct catalogue_entry *catalogue_find(const struct catalogue_copy *copy,
                                             enum catalogue_side side, uint64_t hash,
                                             const char *id)
{
    struct catalogue_entry *const *bucket = bucket_of(&copy->map[side], hash, id);

    return bucket != NULL ? *bucket : NULL;
}

static size_t map_count(const struct catalogue_map *map)
{
    size_t n = 0;

    for (size_t i = 0; i < map->capacity; i++) {
        n += map->bucket[i] != NULL && map->bucket[i] != &grave;
    }
    return n;
}

size_t catalogue_count(const struct catalogue_copy *copy, enum catalogue_side side)
{
    return map_count(&copy->map[side]);
}

static struct catalogue_copy *back_of(struct catalogue *catalogue)
{
    return &catalogue->copy[pair_back(&catalogue->pair)];
}

static void move_over(struct catalogue_map *map, struct catalogue_entry **bucket, size_t capacity)
{
    struct catalogue_map wider = {.bucket = bucket, .capacity = capacity};

    for (size_t i = 0; i < map->capacity; i++) {
        struct catalogue_entry *entry = map->bucket[i];
        if (entry != NULL && entry != &grave) {
            *bucket_of(&wider, entry->hash, entry->id) = entry;
            wider.used++;
        }
    }
    free(map->bucket);
    *map = wider;
}

/*
 * A map is at most half full, graves included. One that would be more is made anew in both copies,
 * at least four times as large as what will live in it.
 */
enum rk_status catalogue_reserve(struct catalogue *catalogue, enum catalogue_side side, size_t n,
                                 struct rk_error *err)
{
    const struct catalogue_map *map = &catalogue->copy[0].map[side]; /* the other is alike */
    const size_t more = catalogue->reserved[side] + n;
    struct catalogue_entry **bucket[2];
    size_t capacity = CAPACITY_MIN;

    if ((map->used + more) * 2 > map->capacity) {
        while (capacity < 4 * (map_count(map) + more)) {
            capacity *= 2;
        }
        bucket[0] = calloc(capacity, sizeof **bucket);
        bucket[1] = calloc(capacity, sizeof **bucket);
        if (bucket[0] == NULL || bucket[1] == NULL) {
            free(bucket[0]);
            free(bucket[1]);
            return rk_fail(err, RK_NOMEM, "out of memory for the catalogue");
        }
        move_over(&back_of(catalogue)->map[side], bucket[0], capacity);
        pair_flip(&catalogue->pair);
        move_over(&back_of(catalogue)->map[side], bucket[1], capacity);
    }
    catalogue->reserved[side] = more;
    return RK_OK;
}

void catalogue_give_back(struct catalogue *catalogue, enum catalogue_side side, size_t n)
{
    assert(n <= catalogue->reserved[side]);
    catalogue->reserved[side] -= n;
}

/* Makes one change in one copy that has room. @return the entry that was there, or NULL. */
static struct catalogue_entry *apply(struct catalogue_copy *copy,
                                     const struct catalogue_change *change)
{
    struct catalogue_map *map = &copy->map[change->side];
    struct catalogue_entry **bucket = bucket_of(map, change->hash, change->id);
    struct catalogue_entry *old;

    if (bucket == NULL || (*bucket == NULL && change->entry == NULL)) {
        return NULL;
    }
    old = *bucket;
    map->used += old == NULL;
    *bucket = change->entry != NULL ? change->entry : &grave;
    return old;
}

void catalogue_change(struct catalogue *catalogue, const struct catalogue_change *changes, size_t n,
                      int64_t seq)
{
    for (size_t i = 0; i < n; i++) {
        catalogue_give_back(catalogue, changes[i].side, changes[i].entry != NULL);
        if (changes[i].entry != NULL) {
            changes[i].entry->number = ++catalogue->last_number;
        }
    }
    for (int turn = 0; turn < 2; turn++) {
        struct catalogue_copy *back = back_of(catalogue);
        for (size_t i = 0; i < n; i++) {
            struct catalogue_entry *old = apply(back, &changes[i]);
            free(turn == 1 ? old : NULL); /* now neither copy has it */
        }
        back->seq = seq;
        if (turn == 0) {
            pair_flip(&catalogue->pair);
        }
    }
}
