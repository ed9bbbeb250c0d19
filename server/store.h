/*
 * The store: log (store_log.h) and registry (store_registry.h) in one SQLite file; here the
 * connection to it. Behind these three headers, in store*.c alone, there is SQL.
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

#define STORE_APPLICATION_ID 0x726b6431 /* "rkd1" */
#define STORE_CHUNK_BYTES    ((size_t)1 << 18)
#define STORE_SHA256_BYTES   32
#define STORE_NAME_MAX       64
#define STORE_ID_MAX         128

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
 * next> is made first when a file with data has to be migrated), drops checkpoints without a row. A
 * file of at most 256 MiB is read through for damage first; whatever its size, a write-ahead log
 * beside it has to be its own. WAL, synchronous=FULL, foreign_keys, and limits on lengths,
 * statements and attached files.
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

/** Damage that another connection found: this one too leaves file and write-ahead log as they are. */
void store_report_damage(struct store *store);

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

#endif
