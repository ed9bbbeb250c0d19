/*
 * What planning a step and cutting its groups share: which records lead to a group, each ranking
 * once.
 */
#ifndef RANKD_SERVER_CUT_IMPL_H
#define RANKD_SERVER_CUT_IMPL_H

#include "cut.h"

#define CUT_PAGE 1024 /* records read at a time */

/* Rankings met in a range, so that one with several events makes one group. Zero to start. */
struct cut_met {
    int64_t *place; /* (capacity, a power of two), owned; 0 = free */
    size_t capacity, n;
};

/*
 * Does a record lead to a group, and is it the first to lead to that one? @param leads  out.
 * @return RK_OK; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status cut_leads(struct cut_met *met, const struct store_record *record,
                                       const struct model_config *config, bool *leads,
                                       struct rk_error *err);

/* Whose records a model learns from, as the store asks. */
int64_t cut_whose(int64_t model, const struct model_config *config);

/* How long a ranking waits for its events; 0 = a list without events is never learned from. */
int64_t cut_window_ms(const struct model_config *config);

/*
 * Is a click learned from as soon as it is there? Without a window; and where there is a click loss: then only lists that had no event
 * by the window's end wait for it, to be learned as what nobody clicked.
 */
bool cut_at_once(const struct model_config *config);

#endif
