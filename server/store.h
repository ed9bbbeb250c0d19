/*
 * The store: log and registry in one SQLite file. The one header (with store*.c) behind which there
 * is SQL.
 *
 * A struct store is one connection with its prepared statements, for one thread at a time. There is
 * one writing connection, in the writer thread, which is also the only one that checkpoints the
 * write-ahead log; all others only read. Functions marked W need the writing connection with a
 * transaction open, and fail without one. RK_IO carries SQLite's text and code.
 */
#ifndef RANKD_SERVER_STORE_H
#define RANKD_SERVER_STORE_H

#include <rankd/status.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_APPLICATION_ID  0x726b6431 /* "rkd1" */
#define STORE_CHUNK_BYTES     ((size_t)1 << 20)
#define STORE_SHA256_BYTES    32
#define STORE_EVENTS_PER_ITEM 100 /* events one item of one ranking takes before it is capped */
#define STORE_NAME_MAX        64
#define STORE_ID_MAX          128

struct store;
struct store_lock;

/* ---- opening ---- */

/**
 * Takes the lock that says "this process owns the file": flock on <path>.lock beside it, made if it
 * is missing.
 *
 * @return RK_OK; RK_BUSY: another process holds it (its pid is in the text); RK_IO.
 */
RK_MUST_CHECK enum rk_status store_lock(const char *path, struct store_lock **lock,
                                        struct rk_error *err);
/** The same for who only reads: where the lock's file is missing nobody has it, and *lock stays. */
RK_MUST_CHECK enum rk_status store_lock_if_served(const char *path, struct store_lock **lock,
                                                  struct rk_error *err);
void store_unlock(struct store_lock **lock);

/**
 * Opens the writing connection: makes the file if it is missing, checks that it is rankd's,
 * migrates it (one transaction a step with user_version inside; a copy <path>.before-<number of the
 * next> is made first when a file with data has to be migrated), removes orphan chunks. A file of at
 * most 256 MiB is read through for damage first; whatever its size, a write-ahead log beside it has to
 * be its own. WAL, synchronous=FULL, foreign_keys, and limits on lengths, statements and attached
 * files.
 *
 * @pre the lock is held.
 * @return RK_OK; RK_CORRUPT: not a database, another application's, or damaged; RK_MISMATCH: a
 *         newer schema - both leave the file byte-identical; RK_IO.
 */
RK_MUST_CHECK enum rk_status store_open(const char *path, struct store **store,
                                        struct rk_error *err);

/**
 * Opens a reading connection (query_only, no checkpoints). The file exists and is migrated.
 *
 * @return as store_open; RK_MISMATCH also: not migrated yet.
 */
RK_MUST_CHECK enum rk_status store_open_reader(const char *path, struct store **store,
                                               struct rk_error *err);

/**
 * Opens a reading connection to a file that nobody writes, a backup or a stopped server's, after
 * reading it through for damage. File and write-ahead log stay as they are, byte for byte.
 *
 * @return as store_open_reader; RK_CORRUPT also: rows do not agree.
 */
RK_MUST_CHECK enum rk_status store_open_still(const char *path, struct store **store,
                                              struct rk_error *err);

/**
 * Does what one row says of others hold, beyond what each start looks at: steps of a model take
 * nothing twice, records and their lists are of one model, every model and activated version is there?
 *
 * @return RK_OK; RK_CORRUPT with the first that does not; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status store_check_references(struct store *store, struct rk_error *err);

/**
 * Bytes of write-ahead log that lay beside the file when the writing connection was opened: 0 after a
 * clean end, as store_close makes it.
 */
int64_t store_wal_found(const struct store *store);

/**
 * The end of the log in the backup that the file still was when the writing connection was opened; -1
 * where it was none.
 */
int64_t store_restored(const struct store *store);

/**
 * Closes a connection; the writing one checkpoints the write-ahead log back into the file and empties
 * it. NULL is accepted.
 */
void store_close(struct store **store);

/* ---- transactions ---- */

RK_MUST_CHECK enum rk_status store_begin(struct store *store, struct rk_error *err);
/** On error everything is rolled back. */
RK_MUST_CHECK enum rk_status store_commit(struct store *store, struct rk_error *err);
void store_rollback(struct store *store);

/** W. Runs inside the transaction what can be taken back alone. */
RK_MUST_CHECK enum rk_status store_savepoint(struct store *store, struct rk_error *err);
RK_MUST_CHECK enum rk_status store_release(struct store *store, struct rk_error *err);
void store_rollback_to_savepoint(struct store *store);

/* ---- storage that fails ---- */

/* What storage may be to a connection, or to a server: enum suffix, name in metrics and answers. */
#define STORE_TROUBLES(X)                                                                          \
    X(FINE, "ok")                                                                                  \
    X(FAILED, "failed")     /* reading or writing */                                               \
    X(UNSYNCED, "unsynced") /* what was written may not have come to the disk */                   \
    X(FULL, "full")                                                                                \
    X(READ_ONLY, "read_only")                                                                      \
    X(LOCKED, "busy") /* another program holds the lock */                                         \
    X(DAMAGED, "corrupt")                                                                          \
    X(LOST, "lost") /* the file is not at its place any more */                                    \
    X(SLOW, "slow") /* it has not answered for seconds; never a connection's */

enum store_trouble {
#define STORE_TROUBLE_ENUM(name, text) STORE_##name,
    STORE_TROUBLES(STORE_TROUBLE_ENUM)
#undef STORE_TROUBLE_ENUM
    STORE_TROUBLE_COUNT
};

/** The name of a trouble ("read_only"). */
const char *store_trouble_text(enum store_trouble trouble);

/**
 * What the last call on this connection failed of; STORE_FINE after a success, and where memory
 * failed or the schema refused a row. A rollback leaves it.
 */
enum store_trouble store_trouble(const struct store *store);

/**
 * Is the file, its write-ahead log or the index of that no more what the writing connection opened?
 * Then what is committed is lost with the connection.
 */
bool store_moved(const struct store *store);

/** Commits the smallest change there is, which means nothing: can storage be written? */
RK_MUST_CHECK enum rk_status store_probe(struct store *store, struct rk_error *err);

/**
 * Closes the writing connection, leaving file and write-ahead log as they are, and opens the file
 * again; reading connections stay.
 *
 * @param check  looks for damage.
 * @return RK_OK; RK_CORRUPT, RK_IO, RK_NOMEM: only this or store_close may come next.
 */
RK_MUST_CHECK enum rk_status store_reopen(struct store *store, bool check, struct rk_error *err);

/** Bytes in the write-ahead log, as of the writing connection's last commit. */
int64_t store_wal_bytes(const struct store *store);

/**
 * Copies the write-ahead log back into the file as far as readers let it, so that it can start
 * anew. Nobody else does; outside a transaction.
 */
RK_MUST_CHECK enum rk_status store_copy_back(struct store *store, struct rk_error *err);

/* ---- backup ---- */

struct store_backup {
    int64_t seq;                /* the end of the log in it */
    int64_t bytes;              /* of the file */
    enum store_trouble trouble; /* of a failure */
};

/**
 * Copies a database, which may be written meanwhile, to a new file: all that was committed before the
 * call is in it, and no transaction by half; and reads the copy through for damage. Reads on a
 * connection of its own, which makes no checkpoint.
 *
 * @param part    one of that name is replaced. On error there is none.
 * @param cancel  where it becomes true, the copy is given up; NULL: never.
 * @return RK_OK; RK_BUSY: given up; RK_MISMATCH: the schema has to be migrated first; RK_CORRUPT: the
 *         database or the copy is damaged; RK_IO; RK_NOMEM. Threads: any.
 */
RK_MUST_CHECK enum rk_status store_backup(const char *path, const char *part,
                                          const atomic_bool *cancel, struct store_backup *backup,
                                          struct rk_error *err);

/**
 * Syncs the copy, gives it its name, and syncs the folder. On error the copy is removed.
 * @return RK_OK; RK_INVALID: there is a file of that name; RK_IO.
 */
RK_MUST_CHECK enum rk_status store_backup_keep(const char *part, const char *to,
                                               struct store_backup *backup, struct rk_error *err);

/* ---- log ---- */

/** The last seq of the log, 0 when empty. */
RK_MUST_CHECK enum rk_status store_log_end(struct store *store, int64_t *seq, struct rk_error *err);

/** The position before the first record that is kept: what is after it can be read. */
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

struct store_event {
    int64_t seq;   /* out when put and accepted */
    int64_t model; /* out: the model that served the ranking */
    const char *event_id;
    const char *ranking_id;
    const char *item_id;
    uint64_t item_hash;
    const char *type;
    double value;
    int64_t event_ms; /* INT64_MIN = none given */
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

/* ---- registry: models ---- */

struct store_model {
    int64_t id;
    char name[STORE_NAME_MAX + 1];
    char *config; /* as it was made; owned where it was read */
    int64_t seq;
    int64_t time_ms;
    bool paused;
};

/** W. Makes a model; fills id and seq. @return RK_OK; RK_MISMATCH: the name is taken; RK_IO. */
RK_MUST_CHECK enum rk_status store_put_model(struct store *store, struct store_model *model,
                                             struct rk_error *err);
/** W. Marks a model deleted: its log stays. @return RK_OK; RK_NOTFOUND; RK_IO. */
RK_MUST_CHECK enum rk_status store_delete_model(struct store *store, int64_t model, int64_t now_ms,
                                                struct rk_error *err);
/** W. Pauses or resumes; a log record. @return RK_OK; RK_NOTFOUND; RK_IO. */
RK_MUST_CHECK enum rk_status store_set_paused(struct store *store, int64_t model, bool paused,
                                              int64_t now_ms, struct rk_error *err);
/** One model by id, a deleted one too; free its config. @return RK_OK; RK_NOTFOUND; RK_IO. */
RK_MUST_CHECK enum rk_status store_get_model(struct store *store, int64_t id,
                                             struct store_model *model, struct rk_error *err);
/**
 * W. Changes a model's configuration to a text; a log record. @param seq  out: its log position.
 * @return RK_OK; RK_IO.
 */
RK_MUST_CHECK enum rk_status store_put_config(struct store *store, int64_t model, const char *text,
                                              int64_t now_ms, int64_t *seq, struct rk_error *err);

struct store_config {
    int64_t seq; /* log position of the change; 0: as the model was made */
    char *text;
};

/**
 * What a model's configuration was, as it was made first, with changes up to log position `upto`.
 *
 * @param configs  out, (n), n > 0; free each text and the array.
 * @return RK_OK; RK_NOTFOUND: there never was such a model; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status store_list_configs(struct store *store, int64_t model, int64_t upto,
                                                struct store_config **configs, size_t *n,
                                                struct rk_error *err);

/** All living models in order of id; free each config and the array. */
RK_MUST_CHECK enum rk_status store_list_models(struct store *store, struct store_model **models,
                                               size_t *n, struct rk_error *err);

/* ---- registry: steps ---- */

#define STORE_OUTCOMES(X) X(PUBLISHED, "published") X(NO_OP, "no_op") X(QUARANTINED, "quarantined")
enum store_outcome {
#define STORE_OUTCOME_ENUM(name, text) STORE_##name,
    STORE_OUTCOMES(STORE_OUTCOME_ENUM)
#undef STORE_OUTCOME_ENUM
};

struct store_step {
    int64_t id; /* out when put */
    int64_t model;
    int64_t version;
    int64_t from_seq, to_seq;
    int64_t due_from, due_to;
    int64_t config; /* store_config.seq of the one it was taken with */
    enum store_outcome outcome;
    char reason[160];  /* "" = none */
    char *quarantined; /* JSON array of log positions; NULL = none; owned by who made it */
    const char
        *held; /* JSON arrays of log positions, for put alone: lists held back; NULL = none */
    const char *released; /* and lists learned from that had been */
    int64_t retry;        /* the step whose quarantined lists it took again; 0 = none */
    const float *teacher; /* (n_teacher) what a teacher said, for put alone: store_get_teacher */
    size_t n_teacher;
    int64_t lists, pairs;
    double loss, grad_norm;
    double ndcg, auc, log_loss; /* sums */
    int64_t ndcg_n, auc_n, log_loss_n;
    int64_t time_ms;
};

/** W. Appends a step row and fills its id. */
RK_MUST_CHECK enum rk_status store_put_step(struct store *store, struct store_step *step,
                                            struct rk_error *err);
/**
 * Steps of a model with id > after, at most n, oldest first (newest first if `newest`). quarantined
 * is malloc'ed or NULL.
 */
RK_MUST_CHECK enum rk_status store_list_steps(struct store *store, int64_t model, int64_t after,
                                              bool newest, struct store_step *steps, size_t *n,
                                              struct rk_error *err);
/**
 * What a teacher said of a step's lists, bit for bit: malloc'ed, or NULL and 0.
 * @return RK_OK; RK_CORRUPT: these are no numbers; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status store_get_teacher(struct store *store, int64_t step, float **scores,
                                               size_t *n, struct rk_error *err);
/**
 * The step of a model that took a batch or event at log position seq; quarantined is malloc'ed or
 * NULL.
 * @return RK_OK; RK_NOTFOUND: none has yet, or it made no list; RK_IO.
 */
RK_MUST_CHECK enum rk_status store_find_step(struct store *store, int64_t model, int64_t seq,
                                             struct store_step *step, struct rk_error *err);
/** The step with an id; quarantined is malloc'ed or NULL. @return RK_OK; RK_NOTFOUND; RK_IO. */
RK_MUST_CHECK enum rk_status store_get_step(struct store *store, int64_t model, int64_t id,
                                            struct store_step *step, struct rk_error *err);
/**
 * The step after `after` that learned from a list that had been held back; quarantined is malloc'ed
 * or NULL.
 * @return RK_OK; RK_NOTFOUND: none has yet; RK_IO.
 */
RK_MUST_CHECK enum rk_status store_find_release(struct store *store, int64_t model, int64_t after,
                                                int64_t seq, struct store_step *step,
                                                struct rk_error *err);
/* Lists of a step that it did not learn from. */
enum store_left_out {
    STORE_LISTS_HELD,
    STORE_LISTS_QUARANTINED
};
/**
 * Is the list at log position seq one of those that a step left out?
 */
RK_MUST_CHECK enum rk_status store_is_left_out(struct store *store, int64_t step,
                                               enum store_left_out which, int64_t seq, bool *is,
                                               struct rk_error *err);
/**
 * Steps of a model with lists in quarantine, newest first, below id `before` (0: from the newest),
 * at most n. retried: (n) out, the step that took its lists again, 0 = none has.
 */
RK_MUST_CHECK enum rk_status store_list_quarantine(struct store *store, int64_t model,
                                                   int64_t before, struct store_step *steps,
                                                   int64_t *retried, size_t *n,
                                                   struct rk_error *err);
/** The step that took the quarantined lists of a step again; 0 = none has. */
RK_MUST_CHECK enum rk_status store_find_retry(struct store *store, int64_t step, int64_t *retry,
                                              struct rk_error *err);
/** The step row that published a version. @return RK_OK; RK_NOTFOUND: none that is kept; RK_IO. */
RK_MUST_CHECK enum rk_status store_find_version(struct store *store, int64_t model, int64_t version,
                                                int64_t *step, struct rk_error *err);
/** The largest version any step or checkpoint of a model has. */
RK_MUST_CHECK enum rk_status store_last_version(struct store *store, int64_t model,
                                                int64_t *version, struct rk_error *err);

/* ---- registry: checkpoints ---- */

#define STORE_SOURCES(X) X(INIT, "init") X(IMPORT, "import") X(TRAINING, "training") X(FILE, "file")
enum store_source {
#define STORE_SOURCE_ENUM(name, text) STORE_SOURCE_##name,
    STORE_SOURCES(STORE_SOURCE_ENUM)
#undef STORE_SOURCE_ENUM
};

struct store_checkpoint {
    int64_t id;
    int64_t model;
    int64_t version, parent;
    enum store_source source;
    int64_t time_ms;
    int64_t seq, due_seq, step;
    int64_t bytes;
    uint8_t sha256[STORE_SHA256_BYTES];
    char *metrics; /* JSON; owned where it was read */
    char *held;    /* lists held back, as text, for put alone: store_get_held */
};

/** W. An id no checkpoint or chunk has or had, never given out twice. */
RK_MUST_CHECK enum rk_status store_new_checkpoint_id(struct store *store, int64_t *id,
                                                     struct rk_error *err);
/** W. Stores chunk n (from 0) of a checkpoint, at most STORE_CHUNK_BYTES. */
RK_MUST_CHECK enum rk_status store_put_chunk(struct store *store, int64_t checkpoint, int64_t n,
                                             const void *bytes, size_t length,
                                             struct rk_error *err);
/** W. Stores the checkpoint's row: from now on it counts. */
RK_MUST_CHECK enum rk_status store_put_checkpoint(struct store *store,
                                                  const struct store_checkpoint *checkpoint,
                                                  struct rk_error *err);
/**
 * W. Removes what need not be kept: keeps the newest 5 of a model, one an hour for a day, one a day
 * for 30 days, and every init, import, file and activated one.
 */
RK_MUST_CHECK enum rk_status store_trim_checkpoints(struct store *store, int64_t model,
                                                    int64_t now_ms, struct rk_error *err);
/** Checkpoints of a model, newest id first; free each metrics and the array. */
RK_MUST_CHECK enum rk_status store_list_checkpoints(struct store *store, int64_t model,
                                                    struct store_checkpoint **checkpoints,
                                                    size_t *n, struct rk_error *err);
/**
 * Reads all chunks of a checkpoint into to (bytes long). @return RK_OK; RK_CORRUPT: they are not
 * `bytes` in all; RK_IO.
 */
RK_MUST_CHECK enum rk_status store_read_chunks(struct store *store, int64_t checkpoint, void *to,
                                               size_t bytes, struct rk_error *err);

/**
 * The lists a checkpoint (by id) or an activation (by seq) came with, as text, malloc'ed; NULL: there
 * is no such row.
 */
RK_MUST_CHECK enum rk_status store_get_held(struct store *store, bool activated, int64_t id,
                                            char **held, struct rk_error *err);

struct store_activation {
    int64_t seq; /* out when put: learning goes on from here */
    int64_t model;
    int64_t checkpoint;
    int64_t after_checkpoint; /* out */
    int64_t step;             /* out */
    const char *held;         /* lists held back, as text, for put alone: store_get_held */
};

/**
 * W. Appends an activation and fills what is out. @return RK_OK; RK_NOTFOUND: no such checkpoint of
 * the model; RK_IO.
 */
RK_MUST_CHECK enum rk_status store_put_activation(struct store *store,
                                                  struct store_activation *activation,
                                                  int64_t now_ms, struct rk_error *err);
/** The last activation of a model. @return RK_OK; RK_NOTFOUND: it never had one; RK_IO. */
RK_MUST_CHECK enum rk_status store_get_activation(struct store *store, int64_t model,
                                                  struct store_activation *activation,
                                                  struct rk_error *err);
/** All activations of a model, oldest first; free the array. */
RK_MUST_CHECK enum rk_status store_list_activations(struct store *store, int64_t model,
                                                    struct store_activation **activations,
                                                    size_t *n, struct rk_error *err);

/** The text of a status, outcome or source ("not_shown"). */
const char *store_event_text(enum store_event_status status);
const char *store_outcome_text(enum store_outcome outcome);
const char *store_source_text(enum store_source source);

#endif
