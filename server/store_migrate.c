/*
 * Migrations: from the schema a file has to the one this binary knows, forward only.
 *
 * Each step and its user_version are one transaction, so that a file is always at one schema or the
 * next. A file that has data is copied first.
 */
#include "failpoint.h"
#include "store_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/*
 * Makes <path>.before-<number>. The number is of the migration that comes next, not of the last one:
 * a start after one that died between two must not replace the copy that was made before the first.
 */
static enum rk_status keep_copy(sqlite3 *db, const char *path, int number, struct rk_error *err)
{
    char to[PATH_ROOM], part[PATH_ROOM];
    int code = SQLITE_OK;
    int n = snprintf(part, sizeof part, "%s.before-%d.part", path, number);
    if (n < 0 || (size_t)n >= sizeof part) {
        return rk_fail(err, RK_IO, "the path is too long to copy the database before migrating");
    }
    (void)snprintf(to, sizeof to, "%.*s", n - (int)strlen(".part"), part);
    enum rk_status status = store_copy_write(db, part, &code, err);
    if (status == RK_OK) {
        status = store_copy_keep(part, to, &code, err);
    }
    if (status != RK_OK) {
        store_copy_remove(part);
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
        const bool short_of_memory = sqlite3_errcode(db) == SQLITE_NOMEM;
        enum rk_status status =
            rk_fail(err, short_of_memory ? RK_NOMEM : RK_IO, "migration %d: %s (SQLite %d)", number,
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
