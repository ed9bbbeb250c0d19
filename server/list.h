/*
 * A list as a client sent it: user, context and items with their features, hashed but not yet rows
 * of a model, so that stored features can be laid under them. Read from JSON straight into flat
 * arrays that are kept for the next list.
 */
#ifndef RANKD_SERVER_LIST_H
#define RANKD_SERVER_LIST_H

#include "json.h"
#include "problem.h"

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

/* Something with an id, or without (context): its features are n of the list's from `first` on. */
struct list_entity {
    const char *id; /* terminated; borrowed from the document; NULL = none */
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

struct list {
    struct list_entity user;
    struct list_entity context;
    struct list_item *item; /* (n_items), owned */
    size_t n_items, cap_items;
    size_t n_taught;            /* items that came with a teacher's score */
    struct rk_feature *feature; /* (n_features), owned */
    size_t n_features, cap_features;
    uint32_t *set; /* (cap_set, a power of two) item number + 1 by id hash, owned */
    size_t cap_set;
};

/** Frees what a list owns; a zeroed one is accepted. */
void list_deinit(struct list *list);

/** Empties a list and keeps its memory. */
void list_reset(struct list *list);

/**
 * Reads `user`, `context` and `items` of an object into an empty list.
 *
 * @param space     whose rules the features keep, so that an error names its place; NULL = any's.
 * @param labelled  items may have label, weight and teacher.
 * @return false with the place. Ids are borrowed from the node's document.
 */
bool list_read(const struct json_node *node, const struct rk_space *space, bool labelled,
               bool lenient, struct list *list, struct problem *problem);

/**
 * Appends the features of one object, array or {"indices", "values"} to the list. An array or
 * object of a name that holds nothing becomes one feature of weight 0: the key was given.
 */
bool list_read_features(const struct json_node *node, enum rk_side side,
                        const struct rk_space *space, struct list *list, struct list_entity *entity,
                        struct problem *problem);

/** Reads an id of 1 to LIST_ID_MAX bytes and hashes it. */
bool list_read_id(const struct json_node *node, enum rk_side side, struct list_entity *entity,
                  struct problem *problem);

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
