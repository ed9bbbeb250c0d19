/*
 * The scores of a list under one version of a model and the order they give: what serving answers
 * with, and what is done again to reproduce a ranking. Its memory is kept from list to list.
 */
#ifndef RANKD_SERVER_SCORER_H
#define RANKD_SERVER_SCORER_H

#include "emit.h"

#include <rankd/group.h>
#include <rankd/known.h>
#include <rankd/model.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero to start. Arrays are owned, and stay as they are until the next list. */
struct scorer {
    size_t n;        /* items of the list */
    size_t n_shown;  /* of these, how many are wanted, from the highest down */
    bool has_ctr;    /* the model has a click head */
    bool fell_back;  /* a score was not finite: all are 0, and the list stands in its own order */
    double *score;   /* (n) what orders the list, rounded to float */
    double *logit;   /* (n) of a click, where has_ctr */
    uint32_t *order; /* (n_shown) the item at each rank */
    double *head;    /* a forward pass: heads, items */
    uint32_t *scratch;
    size_t cap_score;
    unsigned char *work; /* (cap_work) bytes of a forward pass */
    size_t cap_work;
};

/** Frees what it owns; a zeroed one is accepted. */
void scorer_deinit(struct scorer *scorer);

/**
 * Scores a group and orders it, highest first, equal scores in the group's order.
 *
 * @param theta  (params); NULL: version 0, untrained, where all scores are 0.
 * @param known  what is known of items, whose rows hold their raw numbers alone; NULL: nothing.
 * @param top    how many ranks are wanted; all, where there are less.
 * @return RK_OK, also where the list falls back; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status scorer_run(struct scorer *scorer, const struct rk_model *model,
                                        const float *theta, const struct rk_group *group,
                                        const struct rk_known_items *known, size_t top,
                                        struct rk_error *err);

/**
 * Writes id, rank, score and ctr of the item at a rank (from 0) as members of an open object: in
 * answers and in the log. Equal text is equal to the bit of each float32.
 */
void scorer_write(const struct scorer *scorer, size_t rank, const char *id, size_t id_n,
                  struct emit *out);

#endif
