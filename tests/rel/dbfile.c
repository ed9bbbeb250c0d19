/*
 * A few calls of SQLite, asserted.
 */
#include "dbfile.h"

#include "temp_folder.h"
#include "test.h"

#include <unistd.h>

static void copy_file(const char *from, const char *to, const char *suffix)
{
    char source[TEMP_PATH_MAX + 8], target[TEMP_PATH_MAX + 8], piece[1 << 16];
    FILE *in, *out;
    size_t n;

    (void)snprintf(source, sizeof source, "%s%s", from, suffix);
    (void)snprintf(target, sizeof target, "%s%s", to, suffix);
    (void)unlink(target);
    in = fopen(source, "rb");
    if (in == NULL) {
        return; /* there may be no write-ahead log */
    }
    out = fopen(target, "wb");
    assert_non_null(out);
    while ((n = fread(piece, 1, sizeof piece, in)) > 0) {
        assert_int_equal(fwrite(piece, 1, n, out), n);
    }
    (void)fclose(in);
    assert_int_equal(fclose(out), 0);
}

void dbfile_copy(const char *from, const char *to)
{
    char shared[TEMP_PATH_MAX + 8];

    (void)snprintf(shared, sizeof shared, "%s-shm", to);
    (void)unlink(shared);
    copy_file(from, to, "");
    copy_file(from, to, "-wal");
}

sqlite3 *dbfile_open(const char *path)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    return db;
}

void dbfile_close(sqlite3 *db)
{
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

void dbfile_run(sqlite3 *db, const char *text)
{
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", text, sqlite3_errmsg(db));
    }
}

int64_t dbfile_number(sqlite3 *db, const char *text)
{
    sqlite3_stmt *stmt = NULL;
    int64_t number;

    if (sqlite3_prepare_v2(db, text, -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW) {
        fail_msg("%s: %s", text, sqlite3_errmsg(db));
    }
    number = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return number;
}
