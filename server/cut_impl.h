/*
 * What planning a step and cutting its groups share: which records lead to a group, each ranking
 * once.
 */
#ifndef RANKD_SERVER_CUT_IMPL_H
#define RANKD_SERVER_CUT_IMPL_H

#include "cut.h"
#include "store_log.h"

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
                                       const struct cut_terms *terms, bool *leads,
                                       struct rk_error *err);

/* Whose records a model learns from, as the store asks. */
int64_t cut_whose(const struct cut_terms *terms);

/* The rankings in (after, upto], which all wait for their events equally long; 0: not at all. */
struct cut_span {
    int64_t after, upto;
    int64_t window_ms;
};

/* The i-th of them in the order of the log. @return false: there are no more. */
bool cut_span(const struct cut_terms *terms, size_t i, struct cut_span *span);

/* How long a ranking waits for its events; 0 = without events it is never learned from. */
int64_t cut_window_ms(const struct cut_terms *terms, int64_t ranking);

/*
 * Is a click on a ranking learned from as soon as it is there? Without a window; and where there is
 * a click loss: then only lists that had no event by the window's end wait for it, to be learned as
 * what nobody clicked.
 */
bool cut_at_once(const struct cut_terms *terms, int64_t ranking);

#endif
