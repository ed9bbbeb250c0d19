/*
 * Opening and closing a connection, set up so that nothing in the file or beside it can surprise.
 *
 * SQLite before 3.51.3 can corrupt a file when two connections reset its write-ahead log at once
 * (sqlite.org/wal.html#walresetbug), hence one connection only ever checkpoints.
 */
#include "failpoint.h"
#include "store_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUSY_TIMEOUT_MS 2000
#define LENGTH_LIMIT    (64 << 20)
#define SQL_LIMIT       (16 << 10)
#define OPCODE_LIMIT    25000
#define PAGE_BYTES      4096 /* SQLite's own choice for a new file */

/* The status of a failure while opening, where damage has one of its own. */
enum rk_status store_open_fail(sqlite3 *db, const char *path, struct rk_error *err)
{
    int code = sqlite3_errcode(db) & 0xff;
    /* SQLITE_ERROR: a statement of ours that does not fit the schema, whose text is damaged. */
    bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_ERROR;
    enum rk_status status = damaged ? RK_CORRUPT : code == SQLITE_NOMEM ? RK_NOMEM : RK_IO;
    return rk_fail(err, status, "%s (SQLite %d): %s", sqlite3_errmsg(db),
                   sqlite3_extended_errcode(db), path);
}

/* What holds for every connection before it reads a byte. */
static int harden(sqlite3 *db)
{
    int code = sqlite3_extended_result_codes(db, 1);
    code = code != SQLITE_OK ? code : sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
    code = code != SQLITE_OK ? code : sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    code =
        code != SQLITE_OK ? code : sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    code = code != SQLITE_OK
               ? code
               : sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    (void)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, LENGTH_LIMIT);
    (void)sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, SQL_LIMIT);
    (void)sqlite3_limit(db, SQLITE_LIMIT_VDBE_OP, OPCODE_LIMIT);
    const char *const pragmas =
        "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; "
        "PRAGMA foreign_keys = ON";
    return code != SQLITE_OK ? code : sqlite3_exec(db, pragmas, NULL, NULL, NULL);
}

enum rk_status store_connect(const char *name, const char *path, int flags, sqlite3 **db,
                             struct rk_error *err)
{
    sqlite3 *opened = NULL;
    enum rk_status status = RK_OK;
    if (sqlite3_open_v2(name, &opened, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
        harden(opened) != SQLITE_OK) {
        status = store_open_fail(opened, path, err);
        (void)sqlite3_close(opened);
        return status;
    }
    *db = opened;
    return RK_OK;
}

/* Notes how long the log is; it is copied back between transactions, not at the end of one. */
static int on_commit(void *context, sqlite3 *db, const char *name, int pages)
{
    struct store *store = context;

    (void)db;
    (void)name;
    store->wal_bytes = (int64_t)pages * PAGE_BYTES;
    return SQLITE_OK;
}

static enum rk_status use_wal(struct store *store, struct rk_error *err)
{
    sqlite3 *db = store->db;
    const char *path = store->path;
    sqlite3_stmt *stmt = NULL;
    enum rk_status status = RK_OK;
    if (sqlite3_prepare_v2(db, "PRAGMA journal_mode = WAL", -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW) {
        status = store_open_fail(db, path, err);
    } else if (strcmp((const char *)sqlite3_column_text(stmt, 0), "wal") != 0) {
        status = rk_fail(err, RK_IO, "no write-ahead log is possible there: %s", path);
    }
    (void)sqlite3_finalize(stmt);
    if (status == RK_OK &&
        sqlite3_exec(db,
                     "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864; "
                     "PRAGMA cache_size = -16384; "
                     /* Debian's zeroes whole pages, too: of a large checkpoint as much as it is. */
                     "PRAGMA secure_delete = FAST",
                     NULL, NULL, NULL) != SQLITE_OK) {
        status = store_open_fail(db, path, err);
    }
    (void)sqlite3_wal_hook(db, on_commit, store);
    return status;
}

/* Chunks whose checkpoint was never finished; none can be in the making yet. */
#define DROP_ORPHANS                                                                               \
    "INSERT OR IGNORE INTO checkpoint_dropped (id) SELECT checkpoint FROM checkpoint_chunk "       \
    "WHERE checkpoint NOT IN (SELECT id FROM checkpoint)"

static enum rk_status prepare_to_write(struct store *store, struct rk_error *err)
{
    sqlite3 *db = store->db;
    const char *path = store->path;
    int version = 0;
    enum rk_status status = store_identify(db, path, &version, err);
    if (status == RK_OK) {
        status = use_wal(store, err);
    }
    if (status == RK_OK) {
        status = store_migrate(db, path, embedded_files, version, err);
    }
    (void)sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0); /* the copy before a migration needs one */
    if (status == RK_OK && sqlite3_exec(db, DROP_ORPHANS, NULL, NULL, NULL) != SQLITE_OK) {
        status = store_open_fail(db, path, err);
    }
    return status == RK_OK ? store_note_files(store, err) : status;
}

/* A backup has become what is served: its first opening takes the mark of a copy off. */
static enum rk_status take_mark(struct store *store, struct rk_error *err)
{
    struct sql sql = sql_start(store, "SELECT seq FROM sqlite_sequence WHERE name = 'copy'");
    if (sql_step(&sql)) {
        store->restored_seq = sqlite3_column_int64(sql.stmt, 0);
    }
    enum rk_status status = sql_end(&sql, err);
    if (status == RK_OK && store->restored_seq >= 0 &&
        sqlite3_exec(store->db, "DELETE FROM sqlite_sequence WHERE name = 'copy'", NULL, NULL,
                     NULL) != SQLITE_OK) {
        status = store_open_fail(store->db, store->path, err);
    }
    return status;
}

static enum rk_status prepare_to_read(sqlite3 *db, const char *path, enum store_use use,
                                      struct rk_error *err)
{
    const bool copies = use == STORE_COPIES; /* VACUUM INTO attaches its target and writes to it */
    int version = 0;
    (void)sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, copies ? 1 : 0);
    (void)sqlite3_wal_autocheckpoint(db, 0);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (!copies && sqlite3_exec(db, "PRAGMA query_only = ON", NULL, NULL, NULL) != SQLITE_OK) {
        return store_open_fail(db, path, err);
    }
    enum rk_status status = store_identify(db, path, &version, err);
    if (status == RK_OK && version != store_schema_latest(embedded_files)) {
        status = rk_fail(err, RK_MISMATCH, "schema %d has to be migrated first: %s", version, path);
    }
    return status;
}

enum rk_status store_open_as(const char *path, enum store_use use, struct store **store,
                             struct rk_error *err)
{
    const bool writer = use == STORE_WRITES;
    struct store *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for a connection");
    }
    int flags = writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    made->path = strdup(path);
    made->restored_seq = -1;
    enum rk_status status = made->path == NULL ? rk_fail(err, RK_NOMEM, "out of memory for a path")
                            : use == STORE_LOOKS && store_size_beside(path, "-wal") <= 0
                                ? store_open_alone(path, &made->db, err)
                                : store_connect(path, path, flags, &made->db, err);
    if (status == RK_OK) {
        status = writer ? prepare_to_write(made, err) : prepare_to_read(made->db, path, use, err);
    }
    if (status == RK_OK && writer) {
        status = take_mark(made, err);
    }
    if (status == RK_OK) {
        made->writer = writer;
        *store = made;
        made = NULL;
    }
    store_close(&made);
    return status;
}

enum rk_status store_open(const char *path, struct store **store, struct rk_error *err)
{
    const int64_t wal = store_size_beside(path, "-wal");
    enum rk_status status = store_look(path, false, err);
    if (status == RK_OK) {
        status = store_open_as(path, STORE_WRITES, store, err);
    }
    if (status == RK_OK) {
        (*store)->wal_found = wal > 0 ? wal : 0;
    }
    return status;
}

int64_t store_wal_found(const struct store *store)
{
    return store->wal_found;
}

int64_t store_restored(const struct store *store)
{
    return store->restored_seq;
}

enum rk_status store_open_reader(const char *path, struct store **store, struct rk_error *err)
{
    return store_open_as(path, STORE_READS, store, err);
}

enum rk_status store_open_still(const char *path, struct store **store, struct rk_error *err)
{
    enum rk_status status = store_look(path, true, err);
    return status == RK_OK ? store_open_as(path, STORE_LOOKS, store, err) : status;
}

static void close_connection(struct store *store)
{
    for (size_t i = 0; i < STORE_STATEMENTS; i++) {
        (void)sqlite3_finalize(store->statements[i].stmt);
        store->statements[i] = (struct store_statement){0};
    }
    (void)sqlite3_close(store->db);
    store->db = NULL;
}

enum rk_status store_reopen(struct store *store, bool check, struct rk_error *err)
{
    int version = 0;

    errno = 0;
    if (store->db != NULL) {
        (void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        close_connection(store);
    }
    enum rk_status status =
        store_connect(store->path, store->path, SQLITE_OPEN_READWRITE, &store->db, err);
    if (status == RK_OK) {
        (void)sqlite3_limit(store->db, SQLITE_LIMIT_ATTACHED, 0);
        status = store_identify(store->db, store->path, &version, err);
    }
    if (status == RK_OK) {
        status = use_wal(store, err);
    }
    if (status == RK_OK && check) {
        status = store_quick_check(store->db, store->path, err);
    }
    store->system_code = errno;
    store->code = status == RK_OK        ? SQLITE_OK
                  : status == RK_CORRUPT ? SQLITE_CORRUPT
                  : status == RK_NOMEM   ? SQLITE_NOMEM
                                         : SQLITE_IOERR;
    if (status != RK_OK) {
        close_connection(store);
    }
    return status;
}

/* What is damaged, or lies elsewhere, is left as it is. */
static bool may_copy_back(const struct store *store)
{
    return store_trouble(store) == STORE_FINE && !store_moved(store);
}

void store_close(struct store **store)
{
    struct store *closed = *store;
    if (closed == NULL) {
        return;
    }
    if (closed->writer && closed->db != NULL && may_copy_back(closed)) {
        failpoint(FAILPOINT_WAL_CHECKPOINT);
        /* Where a reader is still open, SQLite would leave the log as it is: an empty one says that
         * the end was a clean one. */
        (void)sqlite3_wal_checkpoint_v2(closed->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    } else if (closed->writer && closed->db != NULL) {
        (void)sqlite3_db_config(closed->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    }
    close_connection(closed);
    free(closed->path);
    free(closed->lent);
    free(closed);
    *store = NULL;
}
