/*
 * A pair of copies: any number of readers use the front one, one writer changes the back one and
 * flips. Readers never wait; the writer waits until nobody reads what it is about to change. The
 * live models, the table of models and the catalogue are each a pair.
 *
 * A reader counts itself in a slot of its own, on a cache line of its own: it loads the front
 * index, counts up there, and loads the index again; if that changed it counts down and tries
 * again. All accesses are sequentially consistent: the writer's "store the index, then read the
 * counters" and the reader's "count, then read the index" must be seen in one order by both.
 */
#ifndef RANKD_SERVER_PAIR_H
#define RANKD_SERVER_PAIR_H

#include <rankd/status.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define PAIR_CACHE_LINE 64

struct pair_slot {
    _Alignas(PAIR_CACHE_LINE) _Atomic uint32_t readers[2];
};

struct pair {
    _Atomic uint32_t front; /* 0 or 1 */
    struct pair_slot *slot; /* (n_slots), owned */
    size_t n_slots;
};

/** Makes a pair with a slot for each reading thread. @return RK_OK; RK_NOMEM. */
RK_MUST_CHECK enum rk_status pair_init(struct pair *pair, size_t n_slots, struct rk_error *err);

/** Frees the slots; a zeroed pair is accepted. @pre nobody reads. */
void pair_deinit(struct pair *pair);

/** Starts reading: the copy to use, 0 or 1. Threads: any, one at a time a slot. Never waits. */
uint32_t pair_acquire(struct pair *pair, size_t slot);

/** Ends reading a copy. */
void pair_release(struct pair *pair, size_t slot, uint32_t copy);

/** The copy that readers use, and the one the writer may change. For the writer alone. */
uint32_t pair_front(const struct pair *pair);
uint32_t pair_back(const struct pair *pair);

/**
 * Makes the back copy the front one and waits until no reader is left in the other, which is then
 * the back. For the writer alone.
 */
void pair_flip(struct pair *pair);

#endif
