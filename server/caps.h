/*
 * Caps on events: how many a token, a user of its, and an item by it may have in a minute of the
 * server's clock. Counts are in memory and begin anew with each minute and each start; they are the
 * writer thread's, which decides events one after the other, so they are exact however many
 * connections bring them.
 */
#ifndef RANKD_SERVER_CAPS_H
#define RANKD_SERVER_CAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 0 = no cap, in all of them. */
struct caps_rules {
    int64_t events_per_minute;
    int64_t user_per_minute;
    int64_t item_per_minute;
    int64_t once; /* 1: an item of a ranking takes one event of a type; decided by the log */
};

/* What is counted by. */
struct caps_event {
    uint32_t token;
    uint64_t user; /* whom the list was for; 0: nobody that is known, and no user's cap */
    uint64_t item;
};

struct caps_count {
    uint64_t key; /* 0 = free */
    int64_t n;
};

/* Zero it. */
struct caps {
    int64_t minute;
    struct caps_count *count; /* (room, a power of two) */
    size_t room, used;
};

void caps_deinit(struct caps *caps);

/**
 * Counts an event unless one of its caps is reached; then it counts nowhere.
 *
 * @param capped  out. @return false: out of memory, and nothing is counted.
 */
bool caps_take(struct caps *caps, const struct caps_rules *rules, const struct caps_event *event,
               int64_t now_ms, bool *capped);

/** Takes back what was counted at now_ms: its transaction was not committed. */
void caps_give_back(struct caps *caps, const struct caps_rules *rules,
                    const struct caps_event *event, int64_t now_ms);

#endif
