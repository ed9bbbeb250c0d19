/*
 * Counts of the minute in one table with open addressing, which is emptied when the minute ends.
 */
#include "caps.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define KINDS      3 /* a token's events, its user's, its item's */
#define FIRST_ROOM 1024
#define MINUTE_MS  60000

/* Something that is counted, and how far it may go. */
struct counted {
    uint64_t key;
    int64_t cap;
};

void caps_deinit(struct caps *caps)
{
    free(caps->count);
    *caps = (struct caps){0};
}

static uint64_t key_of(uint64_t kind, uint64_t token, uint64_t id)
{
    const uint64_t parts[] = {kind, token, id};

    return XXH3_64bits(parts, sizeof parts) | 1;
}

/* What an event is counted as. @return how many. */
static size_t list_counted(const struct caps_rules *rules, const struct caps_event *event,
                           struct counted counted[KINDS])
{
    size_t n = 0;

    if (rules->events_per_minute > 0) {
        counted[n++] = (struct counted){key_of(0, event->token, 0), rules->events_per_minute};
    }
    if (rules->user_per_minute > 0 && event->user != 0) {
        counted[n++] =
            (struct counted){key_of(1, event->token, event->user), rules->user_per_minute};
    }
    if (rules->item_per_minute > 0) {
        counted[n++] =
            (struct counted){key_of(2, event->token, event->item), rules->item_per_minute};
    }
    return n;
}

/* The place of a key: its own, or the free one where it would stand. @pre one is free. */
static struct caps_count *place_of(struct caps_count *count, size_t room, uint64_t key)
{
    size_t i = (size_t)(key >> 1) & (room - 1);

    while (count[i].key != 0 && count[i].key != key) {
        i = (i + 1) & (room - 1);
    }
    return &count[i];
}

/* Room for n more, with half of the table free. */
static bool reserve(struct caps *caps, size_t n)
{
    size_t room = caps->room > 0 ? caps->room : FIRST_ROOM;
    struct caps_count *grown;

    while (2 * (caps->used + n) > room) {
        room *= 2;
    }
    if (room == caps->room) {
        return true;
    }
    grown = calloc(room, sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    for (size_t i = 0; i < caps->room; i++) {
        if (caps->count[i].key != 0) {
            *place_of(grown, room, caps->count[i].key) = caps->count[i];
        }
    }
    free(caps->count);
    caps->count = grown;
    caps->room = room;
    return true;
}

/* A minute that saw many gives their memory back. */
static void begin_minute(struct caps *caps, int64_t minute)
{
    if (caps->minute == minute) {
        return;
    }
    if (caps->room > FIRST_ROOM) {
        caps_deinit(caps);
    } else if (caps->count != NULL) {
        memset(caps->count, 0, caps->room * sizeof *caps->count);
    }
    caps->used = 0;
    caps->minute = minute;
}

bool caps_take(struct caps *caps, const struct caps_rules *rules, const struct caps_event *event,
               int64_t now_ms, bool *capped)
{
    struct counted counted[KINDS];
    const size_t n = list_counted(rules, event, counted);

    begin_minute(caps, now_ms / MINUTE_MS);
    *capped = false;
    if (n == 0) {
        return true;
    }
    if (!reserve(caps, n)) {
        return false;
    }
    for (size_t i = 0; i < n && !*capped; i++) {
        *capped = place_of(caps->count, caps->room, counted[i].key)->n >= counted[i].cap;
    }
    for (size_t i = 0; i < n && !*capped; i++) {
        struct caps_count *place = place_of(caps->count, caps->room, counted[i].key);
        caps->used += place->key == 0;
        place->key = counted[i].key;
        place->n++;
    }
    return true;
}

void caps_give_back(struct caps *caps, const struct caps_rules *rules,
                    const struct caps_event *event, int64_t now_ms)
{
    struct counted counted[KINDS];
    const size_t n = list_counted(rules, event, counted);

    for (size_t i = 0; i < n && caps->minute == now_ms / MINUTE_MS && caps->room > 0; i++) {
        struct caps_count *place = place_of(caps->count, caps->room, counted[i].key);
        place->n -= place->key == counted[i].key && place->n > 0;
    }
}
