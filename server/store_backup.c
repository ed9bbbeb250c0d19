/*
 * A backup: a copy of the database while it is written, checked before it gets its name.
 */
#include "store_impl.h"

#define STEPS_UNOBSERVED 10000 /* of SQLite's machine, before it is asked whether to go on */

static int is_cancelled(void *context)
{
    return atomic_load((const atomic_bool *)context);
}

static void obey(sqlite3 *db, const atomic_bool *cancel)
{
    if (cancel != NULL) {
        sqlite3_progress_handler(db, STEPS_UNOBSERVED, is_cancelled, (void *)(uintptr_t)cancel);
    }
}

#define MARK                                                                                       \
    "PRAGMA journal_mode = OFF; BEGIN; DELETE FROM sqlite_sequence WHERE name = 'copy'; "          \
    "UPDATE sqlite_sequence SET seq = random() WHERE name = 'identity'; "                          \
    "INSERT INTO sqlite_sequence (name, seq) SELECT 'copy', seq FROM sqlite_sequence "             \
    "WHERE name = 'log'; COMMIT"

/*
 * From now on it is a database of its own: it gets another identity, so that a write-ahead log of the
 * first one is never taken for its own, and says what it is until it is opened to be written.
 */
static enum rk_status mark(const char *part, int *code, struct rk_error *err)
{
    sqlite3 *db = NULL;
    enum rk_status status = store_connect(part, part, SQLITE_OPEN_READWRITE, &db, err);
    if (status == RK_OK && sqlite3_exec(db, MARK, NULL, NULL, NULL) != SQLITE_OK) {
        *code = sqlite3_errcode(db);
        status = store_open_fail(db, part, err);
    }
    (void)sqlite3_close(db);
    return status;
}

/* Reads the copy through, and what it holds. */
static enum rk_status check(const char *part, const atomic_bool *cancel,
                            struct store_backup *backup, struct rk_error *err)
{
    struct store *store = NULL;
    int64_t seq = 0;
    enum rk_status status = store_open_as(part, STORE_LOOKS, &store, err);
    if (status == RK_OK) {
        obey(store->db, cancel);
        status = store_check(store->db, part, err);
    }
    if (status == RK_OK) {
        status = store_log_end(store, &seq, err);
    }
    store_close(&store);
    if (status == RK_OK) {
        backup->seq = seq;
        backup->bytes = store_size_beside(part, "");
    }
    return status;
}

static enum rk_status copy(struct store *store, const char *part, const atomic_bool *cancel,
                           struct store_backup *backup, struct rk_error *err)
{
    obey(store->db, cancel);
    enum rk_status status = store_copy_write(store->db, part, &store->code, err);
    if (status == RK_OK) {
        status = mark(part, &store->code, err);
    }
    if (status == RK_OK) {
        status = check(part, cancel, backup, err);
    }
    if (status != RK_OK) {
        store_copy_remove(part);
        backup->trouble = status == RK_CORRUPT ? STORE_DAMAGED : store_trouble(store);
    }
    return status;
}

enum rk_status store_backup(const char *path, const char *part, const atomic_bool *cancel,
                            struct store_backup *backup, struct rk_error *err)
{
    struct store *store = NULL;
    struct rk_error own = {0};
    enum rk_status status = store_open_as(path, STORE_COPIES, &store, &own);

    *backup = (struct store_backup){.trouble = status == RK_OK ? STORE_FINE : STORE_FAILED};
    if (status == RK_OK) {
        status = copy(store, part, cancel, backup, &own);
    }
    store_close(&store);
    if (status != RK_OK && cancel != NULL && atomic_load(cancel)) {
        return rk_fail(err, RK_BUSY, "the backup was given up");
    }
    return status == RK_OK ? RK_OK : rk_fail(err, status, "%s", own.text);
}

enum rk_status store_backup_keep(const char *part, const char *to, struct store_backup *backup,
                                 struct rk_error *err)
{
    int code = SQLITE_OK;
    if (store_size_beside(to, "") >= 0) {
        store_copy_remove(part);
        return rk_fail(err, RK_INVALID, "there is a file %s", to);
    }
    enum rk_status status = store_copy_keep(part, to, &code, err);
    if (status != RK_OK) {
        store_copy_remove(part);
        backup->trouble = code == SQLITE_FULL ? STORE_FULL : STORE_FAILED;
    }
    return status;
}
