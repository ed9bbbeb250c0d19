/*
 * What the store's files share: the connection, and one way to run a statement.
 *
 * A use of a statement is start, bind in order, step, end. The first failure is kept in the use and
 * makes the calls after it do nothing, so that only `end` needs a look. A statement is prepared
 * when its text is first used on a connection and kept.
 */
#ifndef RANKD_SERVER_STORE_IMPL_H
#define RANKD_SERVER_STORE_IMPL_H

#include "embed.h"
#include "store.h"
#include "store_log.h"
#include "store_registry.h"

#include <sqlite3.h>
#include <sys/types.h>

#define STORE_STATEMENTS 128 /* more than there are texts in store*.c */

struct store_statement {
    const char *text; /* the literal itself is the key */
    sqlite3_stmt *stmt;
};

/* The database, its write-ahead log, and the index of that. */
#define STORE_FILES 3

struct store {
    sqlite3 *db; /* NULL: it could not be opened again */
    bool writer;
    char *path;                /* the writer's, as all to the next blank line */
    dev_t device[STORE_FILES]; /* of its files, as they were opened */
    ino_t inode[STORE_FILES];
    int64_t wal_bytes;

    int code;              /* SQLite's result code of the last use that ended; kept by a rollback */
    int64_t wal_found;     /* bytes of write-ahead log beside the file before it was opened */
    int system_code;       /* errno as it left it; SQLite keeps it of some calls alone */
    int64_t restored_seq;  /* the log's end in the copy that the file was when it was opened; -1 */
    int64_t checkpoint_id; /* the largest id given out on this connection */
    char *lent;            /* (lent_room) what get functions lend until the next call */
    size_t lent_room;
    struct store_statement statements[STORE_STATEMENTS]; /* filled from the front */
};

/* What a connection is for. */
enum store_use {
    STORE_WRITES,
    STORE_READS,
    STORE_COPIES, /* reads, and writes a copy */
    STORE_LOOKS   /* reads a file that nobody writes, and leaves nothing beside it */
};

struct sql {
    struct store *store;
    sqlite3_stmt *stmt; /* columns are read from it while a step returns true */
    int bound;          /* parameters so far */
    int code;           /* SQLITE_OK, SQLITE_DONE, or the first failure */
};

/**
 * Starts a use. @param text  a string literal. A text that writes fails where no transaction is
 * open.
 */
struct sql sql_start(struct store *store, const char *text);

/* Bind the next parameter; texts and blobs stay the caller's and must live until the end. */
void sql_bind_int(struct sql *sql, int64_t value);
void sql_bind_real(struct sql *sql, double value);     /* NaN is stored as NULL */
void sql_bind_text(struct sql *sql, const char *text); /* NULL is NULL */
void sql_bind_text_n(struct sql *sql, const char *text, size_t n);
void sql_bind_blob(struct sql *sql, const void *bytes, size_t n);

/** @return true: the next row is there. */
bool sql_step(struct sql *sql);

/** Ends a use. @return RK_OK; RK_NOMEM; RK_IO with SQLite's text and code. */
RK_MUST_CHECK enum rk_status sql_end(struct sql *sql, struct rk_error *err);

/** Runs what has no rows to read, and ends. */
RK_MUST_CHECK enum rk_status sql_run(struct sql *sql, struct rk_error *err);

/**
 * Ends a query of whole numbers, of which it takes all. @param numbers  out, (n): free it; NULL where
 * there are none.
 */
RK_MUST_CHECK enum rk_status sql_numbers(struct sql *sql, int64_t **numbers, size_t *n,
                                         struct rk_error *err);

/** A column as a double, NULL being NaN. */
double sql_real(const struct sql *sql, int column);

/** Which of n texts a column is; the last where it is none of them. */
size_t sql_choice(const struct sql *sql, int column, const char *const *texts, size_t n);

/**
 * A copy of a text column, to be freed; NULL when out of memory, which then is the use's failure.
 */
char *sql_copy_text(struct sql *sql, int column);

/**
 * At least n bytes that the connection lends until its next call. @return NULL when out of memory.
 */
char *store_lend(struct store *store, size_t n);

/** Fills err from SQLite's last failure and keeps its code. */
enum rk_status store_fail(struct store *store, int code, struct rk_error *err);

/**
 * Appends a row to the log. @param model  0 = none. @param time_ms  the row's time, or that of the row
 * before it if that is later. @param seq  out.
 */
RK_MUST_CHECK enum rk_status store_append(struct store *store, const char *kind, int64_t model,
                                          int64_t time_ms, int64_t *seq, struct rk_error *err);

/**
 * Opens and hardens. @param name  the path, or a URI for it where flags say so. @return RK_OK; or
 * as store_open_fail.
 */
RK_MUST_CHECK enum rk_status store_connect(const char *name, const char *path, int flags,
                                           sqlite3 **db, struct rk_error *err);

/** Opens a connection, with none of store_open's looks before it. @return as store_open. */
RK_MUST_CHECK enum rk_status store_open_as(const char *path, enum store_use use,
                                           struct store **store, struct rk_error *err);

/**
 * Fills err from a failure while opening. @return RK_CORRUPT: damaged or not a database; RK_NOMEM;
 * RK_IO.
 */
enum rk_status store_open_fail(sqlite3 *db, const char *path, struct rk_error *err);

/** The size of <path><ending>; -1: there is no such file. */
int64_t store_size_beside(const char *path, const char *ending);

/** Opens the file as if there were no write-ahead log, which it leaves as it is, or does not make. */
RK_MUST_CHECK enum rk_status store_open_alone(const char *path, sqlite3 **db, struct rk_error *err);

/**
 * Reads a file through for damage: its pages, and whether its rows agree. @return RK_OK; RK_CORRUPT with
 * the first that was found; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status store_check(sqlite3 *db, const char *path, struct rk_error *err);

/**
 * Copies the database to a new file. One of that name is removed first; what is there after a failure
 * is the caller's to remove.
 *
 * @param code  out: SQLite's code of a failure. @return RK_OK; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status store_copy_write(sqlite3 *db, const char *part, int *code,
                                              struct rk_error *err);

/** Removes a copy that was not finished; nothing where there is none. */
void store_copy_remove(const char *part);

/** Syncs a file, gives it its name, and syncs the folder. */
RK_MUST_CHECK enum rk_status store_copy_keep(const char *part, const char *to, int *code,
                                             struct rk_error *err);

/**
 * Refuses a file that is not rankd's, too new or damaged, and leaves it as it is. A missing or
 * empty one is none of these. @param whole  reads a large one through for damage, too.
 */
RK_MUST_CHECK enum rk_status store_look(const char *path, bool whole, struct rk_error *err);

/**
 * Whose file is it, and of which schema? An empty one, also of a first start that was cut off, is
 * version 0.
 * @return RK_OK; RK_CORRUPT; RK_MISMATCH: a newer schema; RK_IO.
 */
RK_MUST_CHECK enum rk_status store_identify(sqlite3 *db, const char *path, int *version,
                                            struct rk_error *err);

/** Reads all pages for damage, not what they say. @return RK_OK; RK_CORRUPT; RK_IO; RK_NOMEM. */
RK_MUST_CHECK enum rk_status store_quick_check(sqlite3 *db, const char *path, struct rk_error *err);

/** Notes which files the writing connection has open. @return RK_OK; RK_IO: one is not there. */
RK_MUST_CHECK enum rk_status store_note_files(struct store *store, struct rk_error *err);

/** The largest schema number among embedded files. */
int store_schema_latest(const struct embedded_file *files);

/**
 * Brings the schema from `version` to the latest, a transaction each; a copy is made first unless
 * version is 0.
 * @return RK_OK; RK_IO: what was done so far stays, each step wholly or not at all.
 */
RK_MUST_CHECK enum rk_status store_migrate(sqlite3 *db, const char *path,
                                           const struct embedded_file *files, int version,
                                           struct rk_error *err);

#endif
