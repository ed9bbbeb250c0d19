/*
 * A list as a client sent it: user, context and items with their features, hashed but not yet rows
 * of a model, so that stored features can be laid under them. Read in one pass from the text of a
 * request into flat arrays that are kept for the next list.
 */
#ifndef RANKD_SERVER_LIST_H
#define RANKD_SERVER_LIST_H

#include "problem.h"
#include "pull.h"

#include <rankd/feature.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIST_ITEMS_MAX    1000
#define LIST_FEATURES_MAX 256   /* of one item, user or context */
#define LIST_COLUMNS_MAX  65536 /* in a dense array, or in indices and values */
#define LIST_NAME_MAX     64
#define LIST_TEXT_MAX     256
#define LIST_ID_MAX       128
#define LIST_LABEL_MAX    31.0
#define LIST_NAMES        64   /* a power of two */
#define LIST_SET          2048 /* places for LIST_ITEMS_MAX, a power of two */

/* Something with an id, or without (context): its features are n of the list's from `first` on. */
struct list_entity {
    const char *id; /* terminated; borrowed from the reader's memory; NULL = none */
    size_t id_n;
    uint64_t hash; /* of the id as a categorical feature; 0 = none */
    size_t first;
    size_t n;
};

struct list_item {
    struct list_entity entity;
    float label;
    float weight;
    float teacher;
};

/* Where the name of a feature stands in the text or the reader's memory, and what it is hashed to. */
struct list_name {
    const char *at; /* NULL: none */
    struct rk_name name;
};

struct list {
    struct list_entity user;
    struct list_entity context;
    struct list_item *item; /* (n_items), owned */
    size_t n_items, cap_items;
    bool has_items;             /* they were given, if only as none */
    size_t n_taught;            /* items that came with a teacher's score */
    struct rk_feature *feature; /* (n_features), owned */
    size_t n_features, cap_features;
    uint32_t *set;                       /* (LIST_SET) item number + 1 by id hash, owned */
    struct list_name name[LIST_NAMES];   /* of features read last, by where they stand */
    struct rk_name id_name[RK_ITEM + 1]; /* of ids, by side */
    struct pull_memory memory;           /* for whoever reads one list after another; owned */
};

/* By which rules a list is read. */
struct list_rules {
    const struct rk_space *features; /* those of the space; NULL: any's */
    const struct rk_space *users;    /* each id must be a row of the table; NULL: need not */
    const struct rk_space *items;
    bool labelled; /* items may have label, weight and teacher */
    bool lenient;  /* unknown members are left out */
};

/** Frees what a list owns; a zeroed one is accepted. */
void list_deinit(struct list *list);

/** Empties a list and keeps its memory. */
void list_reset(struct list *list);

/* The members of an object that are a list, and where others begin. */
#define LIST_MEMBERS "user", "context", "items"
enum list_member {
    LIST_USER,
    LIST_CONTEXT,
    LIST_ITEMS,
    LIST_OTHER
};

/**
 * Reads the value of one of LIST_MEMBERS. Begin with list_begin, end with list_end.
 *
 * @return false with the place. Ids are borrowed from the reader's memory.
 */
bool list_begin(struct list *list, struct problem *problem);
bool list_read_member(struct pull *pull, enum list_member member, const struct list_rules *rules,
                      struct list *list);

/** After the last member of the object: requires that items were among them. */
bool list_end(struct pull *pull, const struct list *list);

/** Reads an object with nothing else in it. */
bool list_read(struct pull *pull, const struct list_rules *rules, struct list *list);

/**
 * Appends the features of one object, array or {"indices", "values"} to the list. An array or
 * object of a name that holds nothing becomes one feature of weight 0: the key was given.
 */
bool list_read_features(struct pull *pull, enum rk_side side, const struct rk_space *space,
                        struct list *list, struct list_entity *entity);

/** Reads an id of 1 to LIST_ID_MAX bytes and hashes it. */
bool list_read_id(struct pull *pull, enum rk_side side, struct list_entity *entity);

/** The number of an item of the list by id, or SIZE_MAX. */
size_t list_find(const struct list *list, const char *id);

/**
 * The hash of an id as a categorical feature of its side: the key of catalogue, rankings and
 * embeddings.
 */
uint64_t list_id_hash(enum rk_side side, const char *id, size_t n);

/** qsort's and bsearch's ascending order of such hashes, uint64_t. */
int list_hash_order(const void *a, const void *b);

/**
 * The key of an id in a model's table of users or items: 1 + its row; 0 where there is no id.
 *
 * @param space  hashed: the low bits of the id's hash; indexed: the id is the row's number in decimal.
 * @return RK_OK; RK_MISMATCH: no number, or a row outside the table.
 */
RK_MUST_CHECK enum rk_status list_key(const struct rk_space *space,
                                      const struct list_entity *entity, uint64_t *key,
                                      struct rk_error *err);

#endif
