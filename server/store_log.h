/*
 * The log, the truth: rankings, events and labelled lists by their seq, and the catalogue's
 * revisions, which are records of it too. W: as in store.h.
 */
#ifndef RANKD_SERVER_STORE_LOG_H
#define RANKD_SERVER_STORE_LOG_H

#include "store.h"

#define STORE_EVENTS_PER_ITEM 100 /* events one item of one ranking takes before it is capped */

/** The last seq of the log, 0 when empty. */
RK_MUST_CHECK enum rk_status store_log_end(struct store *store, int64_t *seq, struct rk_error *err);

/** The position after which everything that models learn from is kept (store_trim.h). */
RK_MUST_CHECK enum rk_status store_log_start(struct store *store, int64_t *seq,
                                             struct rk_error *err);

/**
 * The time of the last record at or before a log position, 0 when there is none: none before it has a
 * later one.
 */
RK_MUST_CHECK enum rk_status store_log_time(struct store *store, int64_t upto, int64_t *time_ms,
                                            struct rk_error *err);

struct store_ranking {
    int64_t seq; /* out when put */
    const char *ranking_id;
    int64_t model;
    int64_t version;
    int64_t catalogue_seq;
    int64_t time_ms;
    uint64_t user_hash; /* whom it was for: the hash of the id's feature; 0 = nobody is named */
    const char *request;
    size_t request_n;
    const char *served;
    size_t served_n;
    const uint64_t
        *shown; /* (n_shown) ascending hashes: rk_feature_category(RK_ITEM, "id", ...).hash */
    size_t n_shown;
};

/**
 * W. Appends a ranking. @return RK_OK; RK_MISMATCH: the id was used before, nothing is written;
 * RK_IO.
 */
RK_MUST_CHECK enum rk_status store_put_ranking(struct store *store, struct store_ranking *ranking,
                                               struct rk_error *err);

/** Is a ranking of this id in the log? */
RK_MUST_CHECK enum rk_status store_has_ranking(struct store *store, const char *ranking_id,
                                               bool *found, struct rk_error *err);

/* event status in answers, in the order in which they are decided */
#define STORE_EVENT_STATUSES(X)                                                                    \
    X(ACCEPTED, "accepted")                                                                        \
    X(DUPLICATE, "duplicate")                                                                      \
    X(CONFLICT, "conflict")                                                                        \
    X(UNKNOWN_RANKING, "unknown_ranking")                                                          \
    X(EXPIRED, "expired")                                                                          \
    X(NOT_SHOWN, "not_shown")                                                                      \
    X(CAPPED, "capped")

enum store_event_status {
#define STORE_EVENT_ENUM(name, text) STORE_EVENT_##name,
    STORE_EVENT_STATUSES(STORE_EVENT_ENUM)
#undef STORE_EVENT_ENUM
};

struct store_event;

/* What the log does not know of who sends events; in the writer thread. */
struct store_gate {
    uint32_t token;       /* kept with the event; 0 = none */
    bool once;            /* an item of a ranking takes one event of a type */
    const int64_t *model; /* (n_models) of other models' rankings it knows nothing */
    size_t n_models;      /* 0 = of all */
    /* Asked last, of an event that is accepted otherwise. May it be? @param capped  out. */
    enum rk_status (*take)(void *context, const struct store_event *event, uint64_t user_hash,
                           bool *capped, struct rk_error *err);
    void *context;
};

struct store_event {
    int64_t seq;   /* out when put and accepted */
    int64_t model; /* out: the model that served the ranking */
    const char *event_id;
    const char *ranking_id;
    const char *item_id;
    uint64_t item_hash;
    const char *type;
    double value;
    int64_t event_ms;              /* INT64_MIN = none given */
    const struct store_gate *gate; /* NULL = none; borrowed */
};

/**
 * W. Decides an event's status and appends it when it is accepted. Equal events have the same
 * ranking, item, type, value and time.
 *
 * @param now_ms  server clock; @param ttl_ms  a ranking older than this is expired.
 */
RK_MUST_CHECK enum rk_status store_put_event(struct store *store, struct store_event *event,
                                             int64_t now_ms, int64_t ttl_ms,
                                             enum store_event_status *status, struct rk_error *err);

struct store_batch {
    int64_t model;
    const char *batch_id; /* NULL: unnamed */
    uint8_t sha256[STORE_SHA256_BYTES];
    int64_t catalogue_seq;
    const char *const *payload; /* (n) JSON of each list */
    const size_t *payload_n;
    size_t n;
    int64_t items;     /* in all lists; out for a duplicate */
    int64_t first_seq; /* out */
    int64_t last_seq;  /* out */
    bool duplicate;    /* out */
};

/**
 * W. Appends the lists of a batch. @return RK_OK, also for a duplicate; RK_MISMATCH: the id with
 * another sha256; RK_IO.
 */
RK_MUST_CHECK enum rk_status store_put_batch(struct store *store, struct store_batch *batch,
                                             int64_t now_ms, struct rk_error *err);

/**
 * Fills what is out of a batch whose id is known; of another, duplicate is false.
 * @return RK_OK; RK_MISMATCH: the id with another sha256; RK_IO.
 */
RK_MUST_CHECK enum rk_status store_find_batch(struct store *store, struct store_batch *batch,
                                              struct rk_error *err);

/* What a model learns from, in log order. */
enum store_record_kind {
    STORE_RECORD_EVENT,
    STORE_RECORD_BATCH
};

struct store_record {
    int64_t seq;
    int64_t time_ms;
    enum store_record_kind kind;
    int64_t ranking; /* event: its ranking's seq */
};

/* Instead of a model: all whose features are hashed, also those that were deleted since. */
#define STORE_ALL_HASHED INT64_C(0)

/**
 * The events and batches of a model in (after, upto], at most n, in order. @param n  in: room; out:
 * how many. @param model  whose rankings and batches, or STORE_ALL_HASHED.
 */
RK_MUST_CHECK enum rk_status store_read_records(struct store *store, int64_t model, int64_t after,
                                                int64_t upto, struct store_record *records,
                                                size_t *n, struct rk_error *err);

/**
 * The rankings a model (or STORE_ALL_HASHED) served in (after, upto] no later than time_ms, at most n seqs, in order;
 * stops at the first later one.
 */
RK_MUST_CHECK enum rk_status store_read_due(struct store *store, int64_t model, int64_t after,
                                            int64_t upto, int64_t time_ms, int64_t *seqs, size_t *n,
                                            struct rk_error *err);

/**
 * One ranking, by seq or (seq 0) by id. Texts are borrowed until the next call on this store.
 * @return RK_OK; RK_NOTFOUND; RK_IO.
 */
RK_MUST_CHECK enum rk_status store_get_ranking(struct store *store, int64_t seq,
                                               const char *ranking_id,
                                               struct store_ranking *ranking, struct rk_error *err);

/**
 * The seqs of all rankings in (after, upto], by model, then version, then seq; free the array.
 */
RK_MUST_CHECK enum rk_status store_list_rankings(struct store *store, int64_t after, int64_t upto,
                                                 int64_t **seqs, size_t *n, struct rk_error *err);

/**
 * One batch list. payload is borrowed until the next call on this store. @return RK_OK;
 * RK_NOTFOUND; RK_IO.
 */
RK_MUST_CHECK enum rk_status store_get_batch(struct store *store, int64_t seq, const char **payload,
                                             size_t *n, int64_t *catalogue_seq,
                                             struct rk_error *err);

/**
 * Calls `each` for the events of a ranking with seq <= upto, in order; event->ranking_id is NULL.
 * The callback makes no store calls.
 */
typedef void (*store_event_each)(void *context, const struct store_event *event, int64_t time_ms);
RK_MUST_CHECK enum rk_status store_read_events(struct store *store, int64_t ranking_seq,
                                               int64_t upto, store_event_each each, void *context,
                                               struct rk_error *err);

/* ---- catalogue ---- */

enum store_side {
    STORE_ITEM,
    STORE_USER
};

/**
 * W. Puts (features) or deletes (NULL) an id. @param existed  out: it had features before. Deleting
 * what is not there writes nothing (seq 0).
 */
RK_MUST_CHECK enum rk_status store_put_features(struct store *store, enum store_side side,
                                                const char *id, const char *features,
                                                int64_t now_ms, int64_t *seq, bool *existed,
                                                struct rk_error *err);

/**
 * The features of an id as of a log position; borrowed until the next call. @return RK_OK;
 * RK_NOTFOUND; RK_IO.
 */
RK_MUST_CHECK enum rk_status store_get_features(struct store *store, enum store_side side,
                                                const char *id, int64_t seq, const char **features,
                                                struct rk_error *err);

/**
 * Calls `each` for the current features of ids above `after` in byte order, at most `limit`. The
 * callback makes no store calls.
 */
typedef void (*store_features_each)(void *context, const char *id, const char *features);
RK_MUST_CHECK enum rk_status store_list_features(struct store *store, enum store_side side,
                                                 const char *after, int64_t limit,
                                                 store_features_each each, void *context,
                                                 struct rk_error *err);

/** The text of an event's status ("not_shown"). */
const char *store_event_text(enum store_event_status status);

#endif
