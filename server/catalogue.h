/*
 * The catalogue in memory: features that were stored with PUT /v1/items and /v1/users, parsed once,
 * for scoring without SQL. A pair of hash maps over the same entries; changes come from the writer
 * thread after their commit.
 */
#ifndef RANKD_SERVER_CATALOGUE_H
#define RANKD_SERVER_CATALOGUE_H

#include "pair.h"

#include <rankd/feature.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum catalogue_side {
    CATALOGUE_ITEM,
    CATALOGUE_USER,
    CATALOGUE_SIDES
};

/* One id's features, immutable. */
struct catalogue_entry {
    uint64_t number; /* of all entries that ever were, this one's: catalogue_change gives it */
    uint64_t hash;   /* of the id, as rk_feature_category makes it */
    char id[129];    /* terminated */
    uint32_t n;
    struct rk_feature feature[]; /* (n) */
};

/* What a commit changed. */
struct catalogue_change {
    enum catalogue_side side;
    uint64_t hash;
    const char *id;                /* borrowed during the call */
    struct catalogue_entry *entry; /* taken; NULL = deleted */
};

struct catalogue_map {
    struct catalogue_entry **bucket; /* (capacity), a power of two, open addressing; NULL = free */
    size_t capacity, used;           /* used counts graves too */
};

struct catalogue_copy {
    struct catalogue_map map[CATALOGUE_SIDES];
    int64_t seq; /* log position of the last change in it */
};

struct catalogue {
    struct pair pair;
    struct catalogue_copy copy[2];
    size_t reserved[CATALOGUE_SIDES]; /* the writer's: entries there is room for */
    uint64_t last_number;             /* the writer's */
};

/** Makes an empty catalogue. @return RK_OK; RK_NOMEM. */
RK_MUST_CHECK enum rk_status catalogue_init(struct catalogue *catalogue, size_t n_slots,
                                            struct rk_error *err);
void catalogue_deinit(struct catalogue *catalogue);

/** Starts and ends reading; a copy does not change in between. Never waits. */
const struct catalogue_copy *catalogue_read(struct catalogue *catalogue, size_t slot);
void catalogue_done(struct catalogue *catalogue, size_t slot, const struct catalogue_copy *copy);

/** The entry of an id, or NULL. */
const struct catalogue_entry *catalogue_find(const struct catalogue_copy *copy,
                                             enum catalogue_side side, uint64_t hash,
                                             const char *id);

/** Ids of a side, for metrics. */
size_t catalogue_count(const struct catalogue_copy *copy, enum catalogue_side side);

/**
 * Makes room for n entries more on a side, beside what is reserved already: before a commit, so that
 * what it holds can be taken in after it, whatever becomes of memory. For one thread, the writer's.
 *
 * @return RK_OK: put them with catalogue_change, or give the room back; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status catalogue_reserve(struct catalogue *catalogue,
                                               enum catalogue_side side, size_t n,
                                               struct rk_error *err);
void catalogue_give_back(struct catalogue *catalogue, enum catalogue_side side, size_t n);

/**
 * Makes n changes visible at once as of log position seq. For one thread, the writer's.
 *
 * @pre there is room reserved for every change that has an entry; it is used up.
 */
void catalogue_change(struct catalogue *catalogue, const struct catalogue_change *changes, size_t n,
                      int64_t seq);

#endif
