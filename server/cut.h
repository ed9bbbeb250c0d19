/*
 * Cutting a step out of the log: which records it takes, and the labelled groups they make. What a
 * range of the log gives is a function of the log alone, so that recovery cuts the same groups from
 * the range a step row recorded.
 */
#ifndef RANKD_SERVER_CUT_H
#define RANKD_SERVER_CUT_H

#include "list.h"
#include "model_config.h"
#include "store_registry.h"
#include "teacher.h"

#include <rankd/group.h>

/* Rankings after a log position wait so long for their events. */
struct cut_era {
    int64_t since;
    int64_t window_ms;
};

/*
 * What a model learns by. How long a ranking waits was decided when it was served, and stays so when
 * the configuration changes: then none is learned from twice, and none is missed.
 */
struct cut_terms {
    int64_t model;
    const struct model_config *config;
    const struct cut_era *era; /* (n_eras) in order, the first since 0 */
    size_t n_eras;             /* 0: the configuration's window for all */
};

/*
 * What a step takes: batches and events in (from_seq, to_seq]; and, where a window is waited for,
 * rankings in (due_from, due_to].
 */
struct cut_range {
    int64_t from_seq, to_seq;
    int64_t due_from, due_to;
};

/* A list by itself: where it is, and up to where its events count. */
struct cut_list {
    int64_t seq; /* its ranking's, or its batch list's */
    int64_t upto;
    int64_t config; /* whose labels count: store_config.seq */
};

/* The groups of a step, with the memory to make them, kept for the next. */
struct cut {
    struct rk_group **group; /* (n), owned */
    int64_t *seq;     /* (n) the log position each is named by: its ranking's or its batch list's */
    int64_t *time_ms; /* (n) when what made it learnable arrived */
    size_t n, capacity;
    size_t n_untaught; /* lists left out, for the loss needs a teacher and they had none */
    struct rk_group_builder builder;
    struct list list;
    struct teacher teacher; /* begun, or recalled, by the caller where the loss needs one */
};

/* A labelled list that is not in the log. */
struct cut_text {
    const char *text; /* (n) JSON, as codec_batch_groups gave it */
    size_t n;
    int64_t catalogue_seq; /* features of the catalogue as of this log position */
    int64_t name;          /* what stands for it in cut->seq */
};

/** Frees what a cut owns; a zeroed one is accepted. */
void cut_deinit(struct cut *cut);

/**
 * Decides how far the next step goes: at most training.batch_groups lists from records, and
 * as many whose window ended, so that neither waits behind the other.
 *
 * @param range    in: from_seq and due_from; out: to_seq and due_to, equal to them where there is
 * nothing.
 * @param log_end  last committed seq. @param now_ms  server clock, for windows that have ended.
 */
RK_MUST_CHECK enum rk_status cut_plan(struct store *store, const struct cut_terms *terms,
                                      int64_t log_end, int64_t now_ms, struct cut_range *range,
                                      struct rk_error *err);

/** The last log position whose ranking has a window, ended or not; INT64_MAX: all to come; 0: none. */
int64_t cut_waits_upto(const struct cut_terms *terms);

/**
 * Makes the groups of a range: each batch list as it is; each ranking with a new event with all its
 * labels so far, if one changed, once; each ranking whose window ended, with the labels of the
 * events within it. Where the loss needs a teacher, lists that did not come with its scores of all
 * items get them from cut->teacher; those it has nothing to say of are left out and counted. Lists
 * that are empty, cannot be read any more or do not fit the model are left out, the latter two
 * logged.
 *
 * @return RK_OK; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status cut_groups(struct store *store, const struct cut_terms *terms,
                                        const struct cut_range *range, struct cut *cut,
                                        struct rk_error *err);

/**
 * Appends the group of one labelled list, as cut_groups does of a batch's; none where it is empty or
 * its teacher has nothing to say.
 *
 * @return RK_OK; RK_CORRUPT, RK_INVALID and others: it does not fit the model; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status cut_list(struct store *store, const struct cut_terms *terms,
                                      const struct cut_text *text, struct cut *cut,
                                      struct rk_error *err);

/**
 * Makes the groups of single lists, each with the labels of its events up to where it says; those
 * that cannot be made are left out as cut_groups leaves them out.
 *
 * @return RK_OK; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status cut_lists(struct store *store, const struct cut_terms *terms,
                                       const struct cut_list *lists, size_t n, struct cut *cut,
                                       struct rk_error *err);

#endif
