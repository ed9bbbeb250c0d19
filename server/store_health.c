/*
 * Storage that fails: of what, whether the files are still there, and the small things that keep a
 * connection in order.
 */
#include "store_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_ROOM 4096

const char *store_trouble_text(enum store_trouble trouble)
{
    static const char *const texts[] = {
#define TROUBLE_TEXT(name, text) [STORE_##name] = text,
        STORE_TROUBLES(TROUBLE_TEXT)
#undef TROUBLE_TEXT
    };
    return texts[trouble];
}

/* SQLite knows ENOSPC of a write alone; of all else the system's own number says more. */
static enum store_trouble trouble_of_system(int code, int system_code)
{
    switch (code) {
    case SQLITE_IOERR_FSYNC:
    case SQLITE_IOERR_DIR_FSYNC:
        return STORE_UNSYNCED;
    case SQLITE_IOERR_NOMEM:
        return STORE_FINE;
    default:
        return system_code == ENOSPC || system_code == EDQUOT ? STORE_FULL
               : system_code == EROFS                         ? STORE_READ_ONLY
                                                              : STORE_FAILED;
    }
}

enum store_trouble store_trouble(const struct store *store)
{
    switch (store->code & 0xff) {
    case SQLITE_OK:
    case SQLITE_NOMEM:
    case SQLITE_CONSTRAINT: /* the row's fault, as the next two */
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
        return STORE_FINE;
    case SQLITE_FULL:
        return STORE_FULL;
    case SQLITE_READONLY:
        return store->code == SQLITE_READONLY_DBMOVED ? STORE_LOST : STORE_READ_ONLY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return STORE_DAMAGED;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return STORE_LOCKED;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return trouble_of_system(store->code, store->system_code);
    default:
        return STORE_FAILED;
    }
}

void store_report_damage(struct store *store)
{
    store->code = SQLITE_CORRUPT;
}

/* ---- the files ---- */

/* @return false: there is no such file. */
static bool look_at(const char *path, size_t i, struct stat *file)
{
    static const char *const endings[STORE_FILES] = {"", "-wal", "-shm"};
    char name[PATH_ROOM];
    int n = snprintf(name, sizeof name, "%s%s", path, endings[i]);

    return n > 0 && (size_t)n < sizeof name && stat(name, file) == 0;
}

enum rk_status store_note_files(struct store *store, struct rk_error *err)
{
    struct stat file;

    for (size_t i = 0; i < STORE_FILES; i++) {
        if (!look_at(store->path, i, &file)) {
            return rk_fail(err, RK_IO, "a file of it is not there: %s", store->path);
        }
        store->device[i] = file.st_dev;
        store->inode[i] = file.st_ino;
    }
    return RK_OK;
}

bool store_moved(const struct store *store)
{
    struct stat file;

    for (size_t i = 0; i < STORE_FILES; i++) {
        if (!look_at(store->path, i, &file) || file.st_dev != store->device[i] ||
            file.st_ino != store->inode[i]) {
            return true;
        }
    }
    return false;
}

/* ---- care ---- */

/* SQLite writes nothing where nothing changes: the file's own number is changed and changed back. */
static enum rk_status touch(struct store *store, struct rk_error *err)
{
    struct sql sql =
        sql_start(store, "UPDATE sqlite_sequence SET seq = ~seq WHERE name = 'identity'");
    return sql_run(&sql, err);
}

enum rk_status store_probe(struct store *store, struct rk_error *err)
{
    enum rk_status status = store_begin(store, err);
    for (int i = 0; i < 2 && status == RK_OK; i++) {
        status = touch(store, err);
    }
    if (status == RK_OK) {
        status = store_commit(store, err);
    }
    store_rollback(store);
    return status;
}

int64_t store_wal_bytes(const struct store *store)
{
    return store->wal_bytes;
}

enum rk_status store_copy_back(struct store *store, struct rk_error *err)
{
    store->code = SQLITE_OK;
    errno = 0;
    int code = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    store->system_code = errno;
    return code == SQLITE_OK || code == SQLITE_BUSY
               ? RK_OK
               : store_fail(store, sqlite3_extended_errcode(store->db), err);
}
