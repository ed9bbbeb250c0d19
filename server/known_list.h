/*
 * The known items of one list: found while it is assembled, used when it is scored, and what had to
 * be computed noted after that.
 */
#ifndef RANKD_SERVER_KNOWN_LIST_H
#define RANKD_SERVER_KNOWN_LIST_H

#include "catalogue.h"
#include "known.h"

#include <rankd/group.h>
#include <rankd/model.h>

/* Zero to start; arrays are owned and kept from list to list. */
struct known_list {
    struct known *known; /* borrowed; NULL: nothing is known of this list */
    const struct rk_model_config *config;
    size_t n, cap;
    const double **sums; /* (n) as rk_known_items has them */
    double **note;       /* (n) */
    uint32_t *place;     /* (n) to be ended, or KNOWN_NONE */
    uint32_t *row;       /* (cap_row) scratch */
    size_t cap_row;
};

/** Frees what it owns; a zeroed one is accepted. */
void known_list_deinit(struct known_list *list);

/**
 * Begins a list of n items.
 *
 * @param known  of the copy that it will be scored with; NULL: none are asked for.
 */
void known_list_begin(struct known_list *list, struct known *known,
                      const struct rk_model_config *config, size_t n);

/**
 * Is this item of the list known? Then its row is to hold the entry's raw numbers alone. If not, it
 * may have been claimed to be noted.
 *
 * @param entry  all there is to the item beside its id; NULL: nothing.
 */
bool known_list_item(struct known_list *list, size_t item, const struct catalogue_entry *entry);

/** What to score with, in items, or NULL: none are asked for. A view until known_list_end. */
const struct rk_known_items *known_list_items(const struct known_list *list,
                                              struct rk_known_items *items);

/**
 * Ends the list: notes what was computed.
 *
 * @param group  that was scored, or NULL: none was, or its scores are not finite.
 */
void known_list_end(struct known_list *list, const struct rk_group *group);

#endif
