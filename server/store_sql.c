/*
 * Statements and transactions: prepared once a connection, always reset after use, failures kept
 * for store_trouble.
 */
#include "grow.h"
#include "store_impl.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum rk_status store_fail(struct store *store, int code, struct rk_error *err)
{
    store->code = code;
    if ((code & 0xff) == SQLITE_NOMEM || code == SQLITE_IOERR_NOMEM) {
        return rk_fail(err, RK_NOMEM, "SQLite is out of memory");
    }
    if (code == SQLITE_MISUSE) {
        return rk_fail(err, RK_IO, "no transaction is open (SQLite %d)", code);
    }
    return rk_fail(err, RK_IO, "%s (SQLite %d)", sqlite3_errmsg(store->db), code);
}

char *store_lend(struct store *store, size_t n)
{
    return grow_reserve(&store->lent, &store->lent_room, n) ? store->lent : NULL;
}

/* ---- statements ---- */

static int prepared(struct store *store, const char *text, sqlite3_stmt **stmt)
{
    size_t i = 0;
    while (i < STORE_STATEMENTS && store->statements[i].text != NULL) {
        if (store->statements[i].text == text) {
            *stmt = store->statements[i].stmt;
            return SQLITE_OK;
        }
        i++;
    }
    assert(i < STORE_STATEMENTS);
    int code = sqlite3_prepare_v3(store->db, text, -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL);
    if (code == SQLITE_OK) {
        store->statements[i] = (struct store_statement){.text = text, .stmt = *stmt};
    }
    return code;
}

struct sql sql_start(struct store *store, const char *text)
{
    struct sql sql = {.store = store};
    store->code = SQLITE_OK;
    errno = 0;
    sql.code = prepared(store, text, &sql.stmt);
    store->system_code = errno;
    assert(sql.code != SQLITE_OK || !sqlite3_stmt_busy(sql.stmt));
    /*
     * A failed write may have rolled everything back by itself: what comes after must not be
     * committed alone.
     */
    if (sql.code == SQLITE_OK && !sqlite3_stmt_readonly(sql.stmt) &&
        sqlite3_get_autocommit(store->db)) {
        sql.code = SQLITE_MISUSE;
    }
    return sql;
}

void sql_bind_int(struct sql *sql, int64_t value)
{
    if (sql->code == SQLITE_OK) {
        sql->code = sqlite3_bind_int64(sql->stmt, ++sql->bound, value);
    }
}

void sql_bind_real(struct sql *sql, double value)
{
    if (sql->code == SQLITE_OK) {
        sql->code = sqlite3_bind_double(sql->stmt, ++sql->bound, value);
    }
}

void sql_bind_text_n(struct sql *sql, const char *text, size_t n)
{
    if (sql->code == SQLITE_OK) {
        sql->code =
            sqlite3_bind_text64(sql->stmt, ++sql->bound, text, n, SQLITE_STATIC, SQLITE_UTF8);
    }
}

void sql_bind_text(struct sql *sql, const char *text)
{
    sql_bind_text_n(sql, text, text == NULL ? 0 : strlen(text));
}

void sql_bind_blob(struct sql *sql, const void *bytes, size_t n)
{
    if (sql->code == SQLITE_OK) {
        /* An empty blob without an address would become NULL. */
        sql->code =
            sqlite3_bind_blob64(sql->stmt, ++sql->bound, n == 0 ? "" : bytes, n, SQLITE_STATIC);
    }
}

bool sql_step(struct sql *sql)
{
    if (sql->code != SQLITE_OK) {
        return false;
    }
    errno = 0;
    int code = sqlite3_step(sql->stmt);
    if (code == SQLITE_ROW) {
        return true;
    }
    sql->store->system_code = errno;
    sql->code = code;
    return false;
}

enum rk_status sql_end(struct sql *sql, struct rk_error *err)
{
    enum rk_status status = RK_OK;
    if (sql->code != SQLITE_OK && sql->code != SQLITE_DONE) {
        status = store_fail(sql->store, sql->code, err);
    }
    if (sql->stmt != NULL) { /* it may not even have been prepared */
        /* Says again what the step said; but after a row, what came of reading its columns. */
        const int code = sqlite3_reset(sql->stmt);
        if (status == RK_OK && code != SQLITE_OK) {
            status = store_fail(sql->store, code, err);
        }
        (void)sqlite3_clear_bindings(sql->stmt);
    }
    return status;
}

enum rk_status sql_run(struct sql *sql, struct rk_error *err)
{
    while (sql_step(sql)) {
    }
    return sql_end(sql, err);
}

enum rk_status sql_numbers(struct sql *sql, int64_t **numbers, size_t *n, struct rk_error *err)
{
    int64_t *read = NULL;
    size_t count = 0, room = 0;
    enum rk_status status;

    while (sql_step(sql)) {
        if (!grow_reserve(&read, &room, count + 1)) {
            sql->code = SQLITE_NOMEM;
            break;
        }
        read[count++] = sqlite3_column_int64(sql->stmt, 0);
    }
    status = sql_end(sql, err);
    if (status != RK_OK) {
        free(read);
        return status;
    }
    *numbers = read;
    *n = count;
    return RK_OK;
}

double sql_real(const struct sql *sql, int column)
{
    bool missing = sqlite3_column_type(sql->stmt, column) == SQLITE_NULL;
    return missing ? (double)NAN : sqlite3_column_double(sql->stmt, column);
}

size_t sql_choice(const struct sql *sql, int column, const char *const *texts, size_t n)
{
    const char *text = (const char *)sqlite3_column_text(sql->stmt, column);
    size_t i = 0;
    while (i + 1 < n && (text == NULL || strcmp(texts[i], text) != 0)) {
        i++;
    }
    return i;
}

char *sql_copy_text(struct sql *sql, int column)
{
    const char *text = (const char *)sqlite3_column_text(sql->stmt, column);
    char *copy = text == NULL ? NULL : strdup(text);
    if (copy == NULL) {
        sql->code = SQLITE_NOMEM;
    }
    return copy;
}

/* ---- transactions ---- */

static const char rollback[] = "ROLLBACK";
static const char rollback_part[] = "ROLLBACK TO part";
static const char release_part[] = "RELEASE part";

/* Runs a statement that has no parameters and no rows. @return SQLite's code. */
static int run(struct store *store, const char *text)
{
    sqlite3_stmt *stmt = NULL;
    int code = prepared(store, text, &stmt);
    if (code == SQLITE_OK) {
        (void)sqlite3_step(stmt);
        code = sqlite3_reset(stmt);
    }
    return code;
}

static enum rk_status control(struct store *store, const char *text, struct rk_error *err)
{
    store->code = SQLITE_OK;
    errno = 0;
    int code = run(store, text);
    store->system_code = errno;
    return code == SQLITE_OK ? RK_OK : store_fail(store, code, err);
}

/*
 * The ways back are prepared before they are needed: where memory is short, parsing them would fail
 * as well, and the transaction would stay open.
 */
static enum rk_status prepare_ways_back(struct store *store, struct rk_error *err)
{
    static const char *const texts[] = {rollback, rollback_part, release_part};
    int code = SQLITE_OK;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && code == SQLITE_OK; i++) {
        sqlite3_stmt *stmt;
        code = prepared(store, texts[i], &stmt);
    }
    return code == SQLITE_OK ? RK_OK : store_fail(store, code, err);
}

enum rk_status store_begin(struct store *store, struct rk_error *err)
{
    const enum rk_status status = prepare_ways_back(store, err);
    return status == RK_OK ? control(store, store->writer ? "BEGIN IMMEDIATE" : "BEGIN", err)
                           : status;
}

enum rk_status store_commit(struct store *store, struct rk_error *err)
{
    enum rk_status status = control(store, "COMMIT", err);
    if (status != RK_OK) {
        store_rollback(store);
    }
    return status;
}

/*
 * Leaves the code: it is asked for after the rollback. A failure that rolled back by itself leaves
 * nothing to do.
 */
void store_rollback(struct store *store)
{
    if (!sqlite3_get_autocommit(store->db)) {
        (void)run(store, rollback);
    }
}

enum rk_status store_savepoint(struct store *store, struct rk_error *err)
{
    if (sqlite3_get_autocommit(store->db)) {
        return store_fail(store, SQLITE_MISUSE,
                          err); /* it would open a transaction that nobody commits */
    }
    return control(store, "SAVEPOINT part", err);
}

enum rk_status store_release(struct store *store, struct rk_error *err)
{
    return control(store, release_part, err);
}

/*
 * Where the part cannot be taken back alone, everything is, so that the commit fails rather than
 * keeps half of it.
 */
void store_rollback_to_savepoint(struct store *store)
{
    if (!sqlite3_get_autocommit(store->db) &&
        (run(store, rollback_part) != SQLITE_OK || run(store, release_part) != SQLITE_OK)) {
        store_rollback(store);
    }
}
