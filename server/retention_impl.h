/*
 * What planning, rounds and removing share: of each model what it still needs, and where a round is.
 */
#ifndef RANKD_SERVER_RETENTION_IMPL_H
#define RANKD_SERVER_RETENTION_IMPL_H

#include "retention.h"
#include "store_trim.h"

/*
 * What a model has to find in the log: records in (after, upto], rankings whose window it waits for in
 * (due_after, due_upto], and step rows after `step`.
 */
struct retention_need {
    int64_t after, upto;
    int64_t due_after, due_upto;
    int64_t step;
};

/* A model, a deleted one too. */
struct retention_kept {
    struct store_kept_model row;
    bool reads_all;
    struct retention_need need; /* nothing, of a deleted one */
};

struct retention_plan {
    struct retention_kept *model; /* (n), owned */
    size_t n;
    int64_t *named; /* (n_named) ascending, owned: lists that stay whatever their age */
    size_t n_named;
};

/* What is asked of a plan. */
struct retention_view {
    struct store *store;
    const struct retention_model *models; /* (n) the living */
    size_t n;
    int64_t since_ms; /* checkpoints from then on count, besides the newest */
};

/* Makes a plan; free it in any case. */
RK_MUST_CHECK enum rk_status retention_plan(const struct retention_view *view,
                                            struct retention_plan *plan, struct rk_error *err);
void retention_plan_free(struct retention_plan *plan);

/* Does a model read the lists of another, or its own? */
bool retention_reads(const struct retention_kept *reader, const struct retention_kept *model);

/* Does anything need a list of a model? */
bool retention_is_needed(const struct retention_plan *plan, const struct retention_kept *model,
                         const struct store_old_list *list, bool is_batch);

/* ---- a round ---- */

enum retention_pass {
    PASS_AGE,
    PASS_UNCLICKED,
    PASS_ALL
};

/* What is removed, in this order. */
enum retention_work {
    WORK_CHECKPOINTS,
    WORK_BATCHES,
    WORK_RANKINGS,
    WORK_STEPS,
    WORK_CATALOGUE,
    WORKS
};

struct retention_removed {
    int64_t rankings, events, batches, steps, revisions, checkpoints;
};

struct retention {
    struct retention_options options;
    struct store *store;
    struct writer *writer;
    struct metrics *metrics;
    struct store_retention state;
    int64_t saved_ms;                 /* the state's clock as it is stored */
    int64_t clock_ns;                 /* when it was set last, monotonic */
    int64_t next_ns;                  /* round */
    int64_t busy_ns;                  /* in this round */
    int64_t warned_ns;                /* that there is too much and none may go */
    bool under_way;                   /* a round is */
    int64_t old_ms;                   /* in it, what is of before is old */
    struct retention_removed removed; /* in this round */

    enum retention_pass pass;
    struct retention_plan plan;
    bool planned;
    enum retention_work work;
    size_t model;       /* at work on it */
    int64_t after;      /* positions of its that were looked at */
    int64_t from, upto; /* positions of the pass */
    int64_t further;    /* how far the next one goes on */
    bool any;           /* it removed something */
    int64_t last;       /* but for the last record, which stays: no number is given out twice */
    int64_t silent;     /* rankings up to here take no events any more */
    int64_t settled;    /* no list that is still to be logged was made with a catalogue before */
    int64_t unneeded;   /* nor was any that is kept */
};

/* The next page of the work under way is looked at, and what may go of it removed. @param more  out. */
RK_MUST_CHECK enum rk_status retention_work(struct retention *retention, bool *more,
                                            struct rk_error *err);

/* Stores its state. */
RK_MUST_CHECK enum rk_status retention_save(struct retention *retention, struct rk_error *err);

#endif
