/*
 * Looking at a file before anything may write to it: what is another application's, too new or
 * damaged stays byte-identical.
 */
#include "store_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CHECKED_BYTES (INT64_C(256) << 20) /* a larger file is not read through at each start */
#define PATH_ROOM     4096

static int read_int(sqlite3 *db, const char *text, int64_t *value)
{
    sqlite3_stmt *stmt = NULL;
    const int code = sqlite3_prepare_v2(db, text, -1, &stmt, NULL);
    if (code != SQLITE_OK) {
        return code; /* the end of a statement that is none would be a success */
    }
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        *value = sqlite3_column_int64(stmt, 0);
    }
    return sqlite3_finalize(stmt);
}

enum rk_status store_identify(sqlite3 *db, const char *path, int *version, struct rk_error *err)
{
    int64_t application = 0, schema = 0, tables = 0;
    if (read_int(db, "PRAGMA application_id", &application) != SQLITE_OK ||
        read_int(db, "PRAGMA user_version", &schema) != SQLITE_OK ||
        read_int(db, "SELECT count(*) FROM sqlite_schema", &tables) != SQLITE_OK) {
        return store_open_fail(db, path, err);
    }
    if (application == 0 && schema == 0 && tables == 0) {
        *version = 0;
        return RK_OK;
    }
    if (application != STORE_APPLICATION_ID || schema < 1) {
        return rk_fail(err, RK_CORRUPT, "not a database of rankd: %s", path);
    }
    int latest = store_schema_latest(embedded_files);
    if (schema > latest) {
        return rk_fail(err, RK_MISMATCH, "schema %d is newer than this rankd, which knows %d: %s",
                       (int)schema, latest, path);
    }
    *version = (int)schema;
    return RK_OK;
}

/* ---- damage ---- */

/*
 * What rows have to agree on; each text gives 0. Pages of one time among pages of another - by a
 * write-ahead log that is another file's, of another time or damaged in its middle - can make a file
 * without a flaw to SQLite, but not rows that agree. The last record of the log is never removed.
 */
static const struct {
    const char *name;
    const char *text;
} agreements[] = {
    {"the end of the log", "SELECT (SELECT coalesce(max(seq), 0) FROM log) <> (SELECT "
                           "coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'log')"},
    {"the last step", "SELECT (SELECT coalesce(max(id), 0) FROM step) <> (SELECT "
                      "coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'step') OR EXISTS "
                      "(SELECT 1 FROM checkpoint WHERE step > (SELECT coalesce(max(id), 0) FROM "
                      "step))"},
    {"what is in the log",
     "SELECT coalesce(max(seq), 0) > (SELECT coalesce(max(seq), 0) FROM log) FROM ("
     "SELECT max(to_seq) AS seq FROM step UNION ALL SELECT max(due_to) FROM step UNION ALL "
     "SELECT max(seq) FROM checkpoint UNION ALL SELECT max(due_seq) FROM checkpoint UNION ALL "
     "SELECT max(seq) FROM activation UNION ALL SELECT max(last_seq) FROM batch_name UNION ALL "
     "SELECT max(seq) FROM item UNION ALL SELECT max(seq) FROM user UNION ALL "
     "SELECT max(seq) FROM model)"},
    {"the rankings", "SELECT count(*) <> (SELECT count(*) FROM ranking) OR count(*) <> (SELECT "
                     "count(*) FROM log WHERE kind = 'ranking') FROM ranking JOIN log USING (seq) "
                     "WHERE kind = 'ranking'"},
    {"the events", "SELECT count(*) <> (SELECT count(*) FROM event) OR count(*) <> (SELECT "
                   "count(*) FROM log WHERE kind = 'event') FROM event e JOIN log USING (seq) JOIN "
                   "ranking r ON r.seq = e.ranking WHERE kind = 'event'"},
    {"the batches", "SELECT count(*) <> (SELECT count(*) FROM batch) OR count(*) <> (SELECT "
                    "count(*) FROM log WHERE kind = 'batch') FROM batch JOIN log USING (seq) WHERE "
                    "kind = 'batch'"},
};

static enum rk_status check_rows(sqlite3 *db, const char *path, struct rk_error *err)
{
    for (size_t i = 0; i < sizeof agreements / sizeof *agreements; i++) {
        int64_t broken = 0;
        if (read_int(db, agreements[i].text, &broken) != SQLITE_OK) {
            return store_open_fail(db, path, err);
        }
        if (broken != 0) {
            return rk_fail(err, RK_CORRUPT, "damaged: rows do not agree on %s: %s",
                           agreements[i].name, path);
        }
    }
    return RK_OK;
}

/*
 * What a check found as an error. SQLite's checks go on where a page cannot be had: that is no damage
 * where memory is short or the disk fails. Of a tree's page they say why (btree.c, checkTreePage), of
 * an overflow page they do not (checkList).
 */
static enum rk_status found_fail(const char *found, const char *path, struct rk_error *err)
{
    static const char unread[] = "unable to get the page. error code=";
    const char *why = strstr(found, unread);
    const long code = why != NULL ? strtol(why + sizeof unread - 1, NULL, 10) & 0xff : 0;

    if (code == SQLITE_NOMEM) {
        return rk_fail(err, RK_NOMEM, "out of memory to check %s", path);
    }
    if (code == SQLITE_IOERR || strstr(found, "failed to get page") != NULL) {
        return rk_fail(err, RK_IO, "a page cannot be read to be checked: %s", path);
    }
    return rk_fail(err, RK_CORRUPT, "damaged: %.80s: %s", found, path);
}

/* @param text  of the check, which gives "ok" or what it found. */
static enum rk_status check_pages(sqlite3 *db, const char *text, const char *path,
                                  struct rk_error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum rk_status status = RK_OK;
    if (sqlite3_prepare_v2(db, text, -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW) {
        status = store_open_fail(db, path, err);
    } else {
        const char *found = (const char *)sqlite3_column_text(stmt, 0);
        if (found == NULL) {
            status = rk_fail(err, RK_NOMEM, "out of memory to check %s", path);
        } else if (strcmp(found, "ok") != 0) {
            status = found_fail(found, path, err);
        }
    }
    (void)sqlite3_finalize(stmt);
    return status;
}

enum rk_status store_quick_check(sqlite3 *db, const char *path, struct rk_error *err)
{
    return check_pages(db, "PRAGMA quick_check(1)", path, err);
}

enum rk_status store_check(sqlite3 *db, const char *path, struct rk_error *err)
{
    enum rk_status status = check_pages(db, "PRAGMA integrity_check(1)", path, err);
    return status == RK_OK ? check_rows(db, path, err) : status;
}

/* A large file is not read through at each start. */
static enum rk_status check_if_small(sqlite3 *db, const char *path, struct rk_error *err)
{
    int64_t pages = 0, page_bytes = 0;
    if (read_int(db, "PRAGMA page_count", &pages) != SQLITE_OK ||
        read_int(db, "PRAGMA page_size", &page_bytes) != SQLITE_OK) {
        return store_open_fail(db, path, err);
    }
    return pages * page_bytes > CHECKED_BYTES ? RK_OK : store_check(db, path, err);
}

/* ---- looking ---- */

int64_t store_size_beside(const char *path, const char *ending)
{
    char name[PATH_ROOM];
    struct stat file;
    int n = snprintf(name, sizeof name, "%s%s", path, ending);
    return n > 0 && (size_t)n < sizeof name && stat(name, &file) == 0 ? (int64_t)file.st_size : -1;
}

/*
 * "file:PATH?immutable=1" with the characters escaped that mean something in it; NULL when out of
 * memory.
 */
static char *immutable_uri(const char *path)
{
    char *uri = malloc(strlen(path) * 3 + sizeof "file://?immutable=1");
    if (uri == NULL) {
        return NULL;
    }
    char *to = stpcpy(uri, path[0] == '/' ? "file://" : "file:");
    for (const char *from = path; *from != '\0'; from++) {
        if (strchr("%?#", *from) != NULL) {
            to += sprintf(to, "%%%02X", (unsigned)*from);
        } else {
            *to++ = *from;
        }
    }
    (void)strcpy(to, "?immutable=1");
    return uri;
}

enum rk_status store_open_alone(const char *path, sqlite3 **db, struct rk_error *err)
{
    char *uri = immutable_uri(path);
    if (uri == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for a path");
    }
    enum rk_status status =
        store_connect(uri, path, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, db, err);
    free(uri);
    return status;
}

/*
 * Does the write-ahead log belong to the file? It is of the same database, and does not take its log
 * back. A file in which a checkpoint was cut off may say nothing, or half of it: the identity never
 * moves, and an end counts where two pages agree on it.
 */
static enum rk_status check_log(sqlite3 *db, const char *path, struct rk_error *err)
{
    const char *const identity = "SELECT seq FROM sqlite_sequence WHERE name = 'identity'";
    const char *const end = "SELECT seq FROM sqlite_sequence WHERE name = 'log' AND seq = "
                            "(SELECT max(seq) FROM log)";
    sqlite3 *alone = NULL;
    int64_t id_alone = 0, id = 0, end_alone = 0, end_now = 0;
    enum rk_status status = RK_OK;

    if (store_open_alone(path, &alone, NULL) != RK_OK) {
        return RK_OK;
    }
    (void)read_int(alone, identity, &id_alone);
    (void)read_int(alone, end, &end_alone);
    if (read_int(db, identity, &id) != SQLITE_OK || read_int(db, end, &end_now) != SQLITE_OK) {
        status = store_open_fail(db, path, err);
    } else if (id_alone != 0 && id_alone != id) {
        status = rk_fail(err, RK_CORRUPT, "the write-ahead log is another database's: %s", path);
    } else if (end_alone > end_now) {
        status = rk_fail(err, RK_CORRUPT, "the write-ahead log is of before the file: %s", path);
    }
    (void)sqlite3_close(alone);
    return status;
}

enum rk_status store_look(const char *path, bool whole, struct rk_error *err)
{
    /* A rollback journal is of a first start that was cut off, and its first page may be torn: only
     * a writer can roll it back. store_identify() comes again there. */
    if (store_size_beside(path, "-journal") >= 0) {
        return RK_OK;
    }
    const bool killed = store_size_beside(path, "-wal") > 0;
    if (store_size_beside(path, "") <= 0) {
        /* SQLite would remove the log, which may hold all that is left. */
        return store_size_beside(path, "-wal") > 0
                   ? rk_fail(err, RK_CORRUPT, "a write-ahead log, but no database: %s", path)
                   : RK_OK;
    }
    sqlite3 *db = NULL;
    int version = 0;
    enum rk_status status = killed ? store_connect(path, path, SQLITE_OPEN_READONLY, &db, err)
                                   : store_open_alone(path, &db, err);
    if (status != RK_OK) {
        return status;
    }
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    status = store_identify(db, path, &version, err);
    if (status == RK_OK && version > 0) {
        status = whole ? store_check(db, path, err) : check_if_small(db, path, err);
    }
    if (status == RK_OK && version > 0 && killed) {
        status = check_log(db, path, err);
    }
    (void)sqlite3_close(db);
    return status;
}
