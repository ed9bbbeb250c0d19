/*
 * Removing what is old from the store: what may go is decided by retention.h, here are the small
 * transactions, and what it has to know. W: as in store.h.
 */
#ifndef RANKD_SERVER_STORE_TRIM_H
#define RANKD_SERVER_STORE_TRIM_H

#include "store.h"

/* ---- what has gone ---- */

/* Up to where what a model learns from may be gone: a row a model, all 0 where nothing is. */
struct store_trimmed {
    int64_t model;
    int64_t seq;     /* batches and events */
    int64_t due_seq; /* rankings whose window it waits for */
    int64_t step;    /* step rows */
};

RK_MUST_CHECK enum rk_status store_get_trimmed(struct store *store, int64_t model,
                                               struct store_trimmed *trimmed, struct rk_error *err);
/** W. Each position moves forward alone. */
RK_MUST_CHECK enum rk_status
store_put_trimmed(struct store *store, const struct store_trimmed *trimmed, struct rk_error *err);

/* The state of retention itself; all 0 at first. */
struct store_retention {
    int64_t now_ms;        /* its clock, which no jump of the machine's moves far */
    int64_t removed;       /* log rows, in all */
    int64_t catalogue_seq; /* of ids changed up to here only the revision then is kept */
};

RK_MUST_CHECK enum rk_status store_get_retention(struct store *store, struct store_retention *state,
                                                 struct rk_error *err);
/** W. */
RK_MUST_CHECK enum rk_status
store_put_retention(struct store *store, const struct store_retention *state, struct rk_error *err);

/** Bytes in use but for checkpoints, also those in the making or on their way out; rows of the log. */
RK_MUST_CHECK enum rk_status store_log_size(struct store *store, int64_t *bytes, int64_t *rows,
                                            struct rk_error *err);

/* ---- what is there ---- */

/** The last log position whose record is of before time_ms; 0: none is. */
RK_MUST_CHECK enum rk_status store_log_before(struct store *store, int64_t time_ms, int64_t *seq,
                                              struct rk_error *err);

/**
 * Log positions of lists that are needed by name, ascending: of living models, held back in a
 * checkpoint, in the newest activation or one that may be gone on from, or in quarantine of a step whose
 * row is kept, which may be tried again. Free the array.
 */
RK_MUST_CHECK enum rk_status store_list_named(struct store *store, int64_t **seqs, size_t *n,
                                              struct rk_error *err);

/** The first catalogue position that a ranking or batch list needs; INT64_MAX: there is none. */
RK_MUST_CHECK enum rk_status store_needed_catalogue(struct store *store, int64_t *seq,
                                                    struct rk_error *err);

struct store_old_list {
    int64_t seq;
    int64_t last_event; /* 0 = none; a batch list has none */
};

/** Rankings of a model in (after, upto], at most n, in order. */
RK_MUST_CHECK enum rk_status store_list_old_rankings(struct store *store, int64_t model,
                                                     int64_t after, int64_t upto,
                                                     struct store_old_list *lists, size_t *n,
                                                     struct rk_error *err);
/** Batch lists of a model in (after, upto], at most n, in order. */
RK_MUST_CHECK enum rk_status store_list_old_batches(struct store *store, int64_t model,
                                                    int64_t after, int64_t upto,
                                                    struct store_old_list *lists, size_t *n,
                                                    struct rk_error *err);

/**
 * Ids of step rows of a model up to `step` that took nothing after log position seq, at most n, in
 * order; but for one that another after `step` took again, and those from the last published one on,
 * which say what version there was and how many were refused since.
 */
RK_MUST_CHECK enum rk_status store_list_old_steps(struct store *store, int64_t model, int64_t step,
                                                  int64_t seq, int64_t *ids, size_t *n,
                                                  struct rk_error *err);

/* Which checkpoints of training are kept, beside the newest 5 and any that was activated. */
struct store_keep {
    int64_t now_ms;
    int64_t days;  /* one an hour for a day, one a day for so many */
    int64_t bytes; /* of a model's: the newest that fit, at least one */
};

/**
 * The oldest checkpoint of a model that need not be kept: init, import and file are. @param keep  NULL:
 * none is. @param id  out: 0: there is none.
 */
RK_MUST_CHECK enum rk_status store_find_old_checkpoint(struct store *store, int64_t model,
                                                       const struct store_keep *keep, int64_t *id,
                                                       struct rk_error *err);

/** The position of the first list that is kept, 0: there is none. */
RK_MUST_CHECK enum rk_status store_first_list(struct store *store, int64_t *seq,
                                              struct rk_error *err);

/** Did an item or user change in (after, upto]? */
RK_MUST_CHECK enum rk_status store_has_change(struct store *store, int64_t after, int64_t upto,
                                              bool *has, struct rk_error *err);

/* A model as retention sees it, a deleted one too. */
struct store_kept_model {
    int64_t id;
    bool hashed;
    int64_t deleted_ms; /* 0: it lives */
};

/** All models; free the array. */
RK_MUST_CHECK enum rk_status store_list_kept_models(struct store *store,
                                                    struct store_kept_model **models, size_t *n,
                                                    struct rk_error *err);

/* ---- removing ---- */

/** W. A ranking with its events. @param rows  adds the log rows that went. */
RK_MUST_CHECK enum rk_status store_drop_ranking(struct store *store, int64_t seq, int64_t *rows,
                                                struct rk_error *err);

/** W. A batch list; with the last one of a named batch goes the name. */
RK_MUST_CHECK enum rk_status store_drop_batch(struct store *store, int64_t seq,
                                              struct rk_error *err);

/**
 * W. Takes the next `limit` changes of the catalogue in (after, upto], and removes what the changed ids
 * had before, and them where they are deletions.
 * @param reached  out: up to where; upto: there are no more. @param n  out: revisions that went.
 */
RK_MUST_CHECK enum rk_status store_drop_revisions(struct store *store, int64_t after, int64_t upto,
                                                  int64_t limit, int64_t *reached, int64_t *n,
                                                  struct rk_error *err);

/** W. A step row. */
RK_MUST_CHECK enum rk_status store_drop_step(struct store *store, int64_t id, struct rk_error *err);

/** W. The row of a checkpoint; its chunks are left to store_drop_chunk. */
RK_MUST_CHECK enum rk_status store_drop_checkpoint(struct store *store, int64_t id,
                                                   struct rk_error *err);

#endif
