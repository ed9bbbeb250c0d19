/*
 * Request bodies: from bytes to checked requests, without knowing what will be done with them. Each
 * request struct holds what its texts lie in until it is closed.
 */
#ifndef RANKD_SERVER_CODEC_H
#define RANKD_SERVER_CODEC_H

#include "catalogue.h"
#include "list.h"
#include "store.h"
#include "store_log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CODEC_EVENTS_MAX  1000
#define CODEC_GROUPS_MAX  1000
#define CODEC_ENTRIES_MAX 10000 /* items or users in one request */
#define CODEC_VALUE_MAX   1e6
#define CODEC_TYPE_MAX    64

/* Heap bytes a tree may take for each byte of the route's body limit: 1 MiB, and 16 MiB in bulk. */
#define CODEC_JSON_FACTOR 16
#define CODEC_BUDGET      (CODEC_JSON_FACTOR * ((size_t)1 << 20))
#define CODEC_BUDGET_BULK (CODEC_JSON_FACTOR * ((size_t)16 << 20))

/* ---- POST /v1/score ---- */

/* Texts are borrowed from the memory of the list that was read with it. */
struct codec_score {
    const char *model;      /* "default" if none was named */
    const char *ranking_id; /* NULL: make one */
    int64_t top_k;          /* INT64_MAX = all */
    bool explain;
    bool log;
    uint32_t which[LIST_ITEMS_MAX]; /* (n) items of the list that may be shown, in its order */
    size_t n;
};

/**
 * Reads a request, its list into `list`.
 *
 * @param rules  where the model is not known yet: those of any; a feature that does not fit it is
 *               then found when the group is made, and its place by reading again.
 */
bool codec_score_read(const char *text, size_t n, const struct list_rules *rules, struct list *list,
                      struct codec_score *score, struct problem *problem);

/* ---- POST /v1/feedback ---- */

/* Copied out of the parsed body, which takes many times as much and is not kept while parked. */
struct codec_event_text {
    char event_id[STORE_ID_MAX + 1];
    char ranking_id[STORE_ID_MAX + 1];
    char item_id[STORE_ID_MAX + 1];
    char type[CODEC_TYPE_MAX + 1];
};

struct codec_feedback {
    struct store_event *event;     /* (n), pointing into text */
    struct codec_event_text *text; /* (n) */
    size_t n;
};

/**
 * Reads one event, {"events": [...]}, or an event a line. An event without an id gets one from a
 * hash of its content: the same event sent twice is taken once. Close it even on false.
 *
 * @param memory  used while it reads.
 */
bool codec_feedback_read(const char *text, size_t n, bool ndjson, bool lenient,
                         struct pull_memory *memory, struct codec_feedback *feedback,
                         struct problem *problem);
void codec_feedback_close(struct codec_feedback *feedback);

/* ---- POST /v1/batches ---- */

struct codec_batch {
    char *model;    /* "default" if none was named; owned */
    char *batch_id; /* NULL: unnamed; owned */
    char **payload; /* (n) JSON of each list without white space, owned */
    size_t *payload_n;
    size_t n;
    struct pull_memory memory;
    bool has_groups;
    struct pull groups; /* where they are in the text; not with NDJSON */
    const char *text;   /* NDJSON: borrowed until closed */
    size_t text_n;
};

/**
 * Reads the head of a batch: model and batch_id, from the body or (NDJSON) as given. Close it even
 * on false.
 */
bool codec_batch_open(const char *text, size_t n, bool ndjson, const char *model,
                      const char *batch_id, bool lenient, struct codec_batch *batch,
                      struct problem *problem);

/**
 * Checks every list by the rules of the batch's model and keeps its payload.
 *
 * @param list   used while it reads. @param items  out: items in all lists.
 */
bool codec_batch_groups(struct codec_batch *batch, const struct list_rules *rules,
                        struct list *list, int64_t *items, struct problem *problem);
void codec_batch_close(struct codec_batch *batch);

/* ---- /v1/items and /v1/users ---- */

struct codec_entries {
    struct catalogue_entry **entry; /* (n), owned until taken: set what is taken to NULL */
    char **features;                /* (n) compact JSON, owned */
    size_t n;
};

/**
 * Reads `{"features": {...}}` for the id given, or without an id {"items": [{"id", "features"}]}
 * (or "users"), or one such object a line. Close it even on false.
 */
bool codec_entries_read(const char *text, size_t n, bool ndjson, enum rk_side side, const char *id,
                        bool lenient, struct codec_entries *entries, struct problem *problem);
void codec_entries_close(struct codec_entries *entries);

/**
 * Parses stored features (from the store) into an entry. Free it.
 * @return RK_OK; RK_CORRUPT: they are none; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status codec_entry_parse(enum rk_side side, const char *id,
                                               const char *features, struct catalogue_entry **entry,
                                               struct rk_error *err);

/* ---- stored payloads ---- */

/**
 * Reads what codec accepted and the store kept, a ranking's request or a batch's list, with the
 * list's own memory.
 */
bool codec_stored_list(const char *text, size_t n, const struct rk_space *space, bool labelled,
                       struct list *list, struct problem *problem);

/* An item of a stored ranking as it was shown. */
struct codec_served {
    const char *id; /* borrowed during the call */
    size_t rank;    /* from 1 */
    float score;
    float ctr; /* NaN: the model has none */
};

/**
 * The items of a stored ranking's `served`, in order: calls each.
 * @return RK_OK; RK_CORRUPT: it is damaged; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status codec_served_each(const char *served, size_t n,
                                               void (*each)(void *context,
                                                            const struct codec_served *item),
                                               void *context, struct rk_error *err);

/**
 * Reads an RFC 3339 time into Unix milliseconds; what is finer is cut off, and a leap second is the
 * second after it. @return false, and nothing written: it is none.
 */
bool codec_time(const char *text, int64_t *unix_ms);

#endif
