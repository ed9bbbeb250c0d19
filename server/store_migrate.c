/*
 * Migrations: from the schema a file has to the one this binary knows, forward only.
 *
 * Each step and its user_version are one transaction, so that a file is always at one schema or the
 * next. A file that has data is copied first: whole, synced, and only then under its name.
 */
#include "failpoint.h"
#include "store_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOLDER    "migrations/"
#define PATH_ROOM 4096

/* The number in "migrations/0001_start.sql"; 0 for any other file. */
static int schema_number(const struct embedded_file *file)
{
    if (strncmp(file->path, FOLDER, strlen(FOLDER)) != 0) {
        return 0;
    }
    return (int)strtol(file->path + strlen(FOLDER), NULL, 10);
}

int store_schema_latest(const struct embedded_file *files)
{
    int latest = 0;
    for (size_t i = 0; files[i].path != NULL; i++) {
        int number = schema_number(&files[i]);
        latest = number > latest ? number : latest;
    }
    return latest;
}

static int sync_path(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    int result = fsync(fd);
    (void)close(fd);
    return result;
}

static enum rk_status copy_into(sqlite3 *db, const char *to, struct rk_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(db, "VACUUM INTO ?", -1, &stmt, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_bind_text(stmt, 1, to, -1, SQLITE_STATIC);
    }
    if (code == SQLITE_OK) {
        code = sqlite3_step(stmt);
    }
    enum rk_status status = RK_OK;
    if (code != SQLITE_DONE) {
        status = rk_fail(err, RK_IO, "cannot copy the database before migrating: %s",
                         sqlite3_errmsg(db));
    }
    (void)sqlite3_finalize(stmt);
    return status;
}

/*
 * Makes <path>.before-<number>. The number is of the migration that comes next, not of the last one:
 * a start after one that died between two must not replace the copy that was made before the first.
 */
static enum rk_status keep_copy(sqlite3 *db, const char *path, int number, struct rk_error *err)
{
    char to[PATH_ROOM], part[PATH_ROOM];
    int n = snprintf(part, sizeof part, "%s.before-%d.part", path, number);
    if (n < 0 || (size_t)n >= sizeof part) {
        return rk_fail(err, RK_IO, "the path is too long to copy the database before migrating");
    }
    (void)snprintf(to, sizeof to, "%.*s", n - (int)strlen(".part"), part);
    (void)unlink(part); /* of a copy that was cut off */
    enum rk_status status = copy_into(db, part, err);
    if (status == RK_OK && (sync_path(part) != 0 || rename(part, to) != 0)) {
        status = rk_fail(err, RK_IO, "cannot keep %s: %s", to, strerror(errno));
    }
    if (status != RK_OK) {
        (void)unlink(part);
        return status;
    }
    if (sync_path(dirname(part)) != 0) {
        status = rk_fail(err, RK_IO, "cannot sync the folder of %s: %s", path, strerror(errno));
    }
    return status;
}

static enum rk_status apply(sqlite3 *db, const struct embedded_file *file, struct rk_error *err)
{
    int number = schema_number(file);
    char last[128];
    (void)snprintf(last, sizeof last,
                   "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
                   STORE_APPLICATION_ID, number);
    bool applied = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK &&
                   sqlite3_exec(db, file->text, NULL, NULL, NULL) == SQLITE_OK;
    failpoint(FAILPOINT_BEFORE_MIGRATION);
    if (!applied || sqlite3_exec(db, last, NULL, NULL, NULL) != SQLITE_OK) {
        enum rk_status status = rk_fail(err, RK_IO, "migration %d: %s (SQLite %d)", number,
                                        sqlite3_errmsg(db), sqlite3_extended_errcode(db));
        if (!sqlite3_get_autocommit(db)) {
            (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        }
        return status;
    }
    return RK_OK;
}

enum rk_status store_migrate(sqlite3 *db, const char *path, const struct embedded_file *files,
                             int version, struct rk_error *err)
{
    enum rk_status status = RK_OK;
    bool kept = version == 0; /* nothing is lost with an empty file */
    for (size_t i = 0; status == RK_OK && files[i].path != NULL; i++) {
        int number = schema_number(&files[i]);
        if (number > version && !kept) {
            status = keep_copy(db, path, number, err);
            failpoint(FAILPOINT_MIGRATION_COPIED);
            kept = true;
        }
        if (number > version && status == RK_OK) {
            status = apply(db, &files[i], err);
        }
    }
    return status;
}
