/*
 * Counting readers in and out of two copies.
 */
#include "pair.h"

#include <sched.h>
#include <stdlib.h>

enum rk_status pair_init(struct pair *pair, size_t n_slots, struct rk_error *err)
{
    *pair = (struct pair){.n_slots = n_slots};
    pair->slot = aligned_alloc(PAIR_CACHE_LINE, n_slots * sizeof *pair->slot);
    if (pair->slot == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for %zu readers", n_slots);
    }
    for (size_t i = 0; i < n_slots; i++) {
        atomic_init(&pair->slot[i].readers[0], 0);
        atomic_init(&pair->slot[i].readers[1], 0);
    }
    return RK_OK;
}

void pair_deinit(struct pair *pair)
{
    free(pair->slot);
    pair->slot = NULL;
}

uint32_t pair_acquire(struct pair *pair, size_t slot)
{
    for (;;) {
        const uint32_t copy = atomic_load(&pair->front);
        atomic_fetch_add(&pair->slot[slot].readers[copy], 1);
        if (atomic_load(&pair->front) == copy) {
            return copy;
        }
        atomic_fetch_sub(&pair->slot[slot].readers[copy], 1);
    }
}

void pair_release(struct pair *pair, size_t slot, uint32_t copy)
{
    atomic_fetch_sub(&pair->slot[slot].readers[copy], 1);
}

uint32_t pair_front(const struct pair *pair)
{
    return atomic_load(&pair->front);
}

uint32_t pair_back(const struct pair *pair)
{
    return 1 - atomic_load(&pair->front);
}

void pair_flip(struct pair *pair)
{
    const uint32_t old = atomic_load(&pair->front);

    atomic_store(&pair->front, 1 - old);
    for (size_t i = 0; i < pair->n_slots; i++) {
        while (atomic_load(&pair->slot[i].readers[old]) != 0) {
            sched_yield();
        }
    }
}
