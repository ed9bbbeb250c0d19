/*
 * Looking at a file before anything may write to it: what is another application's, too new or
 * damaged stays byte-identical.
 */
#include "store_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECKED_BYTES (INT64_C(256) << 20) /* a larger file is not read through at each start */
#define PATH_ROOM     4096

static int read_int(sqlite3 *db, const char *text, int64_t *value)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(db, text, -1, &stmt, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(stmt);
    }
    if (code == SQLITE_ROW) {
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

static enum rk_status quick_check(sqlite3 *db, const char *path, struct rk_error *err)
{
    int64_t pages = 0, page_bytes = 0;
    if (read_int(db, "PRAGMA page_count", &pages) != SQLITE_OK ||
        read_int(db, "PRAGMA page_size", &page_bytes) != SQLITE_OK) {
        return store_open_fail(db, path, err);
    }
    if (pages * page_bytes > CHECKED_BYTES) {
        return RK_OK;
    }
    sqlite3_stmt *stmt = NULL;
    enum rk_status status = RK_OK;
    if (sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW) {
        status = store_open_fail(db, path, err);
    } else {
        const char *found = (const char *)sqlite3_column_text(stmt, 0);
        if (found == NULL || strcmp(found, "ok") != 0) {
            status =
                rk_fail(err, RK_CORRUPT, "damaged: %.80s: %s", found == NULL ? "" : found, path);
        }
    }
    (void)sqlite3_finalize(stmt);
    return status;
}

static bool lies_beside(const char *path, const char *ending)
{
    char file[PATH_ROOM];
    int n = snprintf(file, sizeof file, "%s%s", path, ending);
    return n > 0 && (size_t)n < sizeof file && access(file, F_OK) == 0;
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

/*
 * Without a write-ahead log beside it the file is whole, and is opened as immutable: a plain
 * read-only connection would leave an empty log there. With one, a read-only connection takes the
 * log into account and changes neither.
 */
static enum rk_status open_to_look(const char *path, sqlite3 **db, struct rk_error *err)
{
    if (lies_beside(path, "-wal")) {
        return store_connect(path, path, SQLITE_OPEN_READONLY, db, err);
    }
    char *uri = immutable_uri(path);
    if (uri == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for a path");
    }
    enum rk_status status =
        store_connect(uri, path, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, db, err);
    free(uri);
    return status;
}

enum rk_status store_look(const char *path, struct rk_error *err)
{
    /* A rollback journal is of a first start that was cut off, and its first page may be torn: only
     * a writer can roll it back. store_identify() comes again there. */
    if (!lies_beside(path, "") || lies_beside(path, "-journal")) {
        return RK_OK;
    }
    sqlite3 *db = NULL;
    int version = 0;
    enum rk_status status = open_to_look(path, &db, err);
    if (status != RK_OK) {
        return status;
    }
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    status = store_identify(db, path, &version, err);
    if (status == RK_OK) {
        status = quick_check(db, path, err);
    }
    (void)sqlite3_close(db);
    return status;
}
