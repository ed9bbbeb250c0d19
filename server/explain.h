/*
 * Explanations as they are answered: the core's parts of a score, with the names of the features
 * that each entry was made of. Names come from the request and from what is stored under its ids; a
 * hash is never turned round.
 */
#ifndef RANKD_SERVER_EXPLAIN_H
#define RANKD_SERVER_EXPLAIN_H

#include "emit.h"
#include "json.h"
#include "list.h"
#include "problem.h"
#include "store.h"

#include <rankd/explain.h>
#include <rankd/group.h>
#include <rankd/model.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPLAIN_NAME_MAX 1024 /* bytes of a joined name, and then "+..." */

/* A scored list. All of it is borrowed until the explanations are written. */
struct explain_source {
    const struct json_node *request; /* checked: user, context and items are in it */
    const struct list *list;         /* read from it */
    const uint32_t *which;           /* (n_items of group) the group's items in the list */
    const struct rk_group *group;    /* made from it */
    const struct rk_model_config *config;
    struct store *store; /* a reading connection */
    int64_t seq;         /* log position of the catalogue that the group was made with */
};

/**
 * Takes the scores of n items of a group apart.
 *
 * @param theta  NULL: all is 0, as for version 0.
 * @param item   (n) items of the group.
 * @param parts  out, (n): free it.
 * @return RK_OK; RK_NOMEM; RK_DIVERGED. Cost as rk_model_explain for each.
 */
RK_MUST_CHECK enum rk_status explain_items(const struct rk_model *model, const float *theta,
                                           const struct rk_group *group, const uint32_t *item,
                                           size_t n, struct rk_explanation **parts,
                                           struct rk_error *err);

/* The names of one list's features; zero to start. Fields are private. */
struct explain_names {
    struct emit text;
    struct explain_name *name; /* (n) */
    size_t n, cap;
    size_t n_shared; /* those of row 0, which come first, in the first shared_text bytes */
    size_t shared_text;
    bool has_shared;
    struct emit joined;
};

/**
 * Writes one item's explanation as a JSON object. Features that were summed into one entry are named
 * together, joined with '+'; on an indexed space the name is the column.
 *
 * @param item   of the group.
 * @param names  kept from one item to the next of the same list.
 * @return false with the problem: no memory, or the store cannot be read.
 */
bool explain_write(const struct explain_source *source, size_t item,
                   const struct rk_explanation *explanation, struct explain_names *names,
                   struct emit *out, struct problem *problem);

/** Frees the names; zeroed ones are accepted. */
void explain_names_deinit(struct explain_names *names);

#endif
