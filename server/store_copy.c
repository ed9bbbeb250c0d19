/*
 * Copying a database: whole, synced, and only then under its name.
 */
#include "store_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static enum rk_status fail_file(const char *path, int *code, struct rk_error *err)
{
    *code = errno == ENOSPC || errno == EDQUOT ? SQLITE_FULL : SQLITE_IOERR;
    return rk_fail(err, RK_IO, "cannot keep %s: %s", path, strerror(errno));
}

static int copy_into(sqlite3 *db, const char *to)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(db, "VACUUM INTO ?", -1, &stmt, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_bind_text(stmt, 1, to, -1, SQLITE_STATIC);
    }
    if (code == SQLITE_OK) {
        code = sqlite3_step(stmt);
    }
    (void)sqlite3_finalize(stmt);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* SQLite may leave a journal where the disk is full. */
void store_copy_remove(const char *part)
{
    const size_t n = strlen(part) + sizeof "-journal";
    char *journal = malloc(n);
    if (journal != NULL) {
        (void)snprintf(journal, n, "%s-journal", part);
        (void)unlink(journal);
    }
    free(journal);
    (void)unlink(part);
}

enum rk_status store_copy_write(sqlite3 *db, const char *part, int *code, struct rk_error *err)
{
    store_copy_remove(part); /* of a copy that was cut off */
    *code = copy_into(db, part);
    return *code == SQLITE_OK ? RK_OK
                              : rk_fail(err, *code == SQLITE_NOMEM ? RK_NOMEM : RK_IO,
                                        "cannot copy the database: %s", sqlite3_errmsg(db));
}

enum rk_status store_copy_keep(const char *part, const char *to, int *code, struct rk_error *err)
{
    char *folder = strdup(to);
    enum rk_status status = RK_OK;
    if (folder == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for a path");
    }
    if (sync_path(part) != 0 || rename(part, to) != 0 || sync_path(dirname(folder)) != 0) {
        status = fail_file(to, code, err);
    }
    free(folder);
    return status;
}
