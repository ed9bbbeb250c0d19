/*
 * Migrations that die at every operation: for each point of the record of a start that migrates, and
 * each kind of loss, the disk holds one schema or the next, wholly, with all its rows; the copy that
 * was made before is whole if it has its name; and the next start finishes. A schema that is newer
 * is refused and left as it is.
 *
 * The start is the product's own; only the list of migrations is this program's (--wrap): those that
 * there are, and two more that touch every row and rebuild a table.
 */
#include "crash_disk.h"
#include "log.h"
#include "rel.h"
#include "server_process.h"
#include "store_fixture.h"
#include "store_impl.h"
#include "test.h"

#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>
#include <xxhash.h>

#define MIGRATIONS_MAX 64
#define ADDED          2
#define ROWS           60

/* ---- what the product is linked with ---- */

struct embedded_file __wrap_embedded_files[MIGRATIONS_MAX];
extern const struct embedded_file __real_embedded_files[];

static const char *const added[ADDED] = {
    "ALTER TABLE event ADD COLUMN weight REAL NOT NULL DEFAULT 1.0;\n"
    "UPDATE event SET value = value + 1, weight = seq;\n"
    "CREATE TABLE more (a INTEGER PRIMARY KEY, b TEXT NOT NULL) STRICT;\n"
    "INSERT INTO more (a, b) SELECT seq, ranking_id FROM ranking;\n"
    "CREATE INDEX more_by_b ON more (b);\n"
    "DROP VIEW v_clicks;\n",
    "CREATE TABLE ranking_next AS SELECT * FROM ranking;\n"
    "DROP TABLE ranking;\n"
    "ALTER TABLE ranking_next RENAME TO ranking;\n"
    "CREATE UNIQUE INDEX ranking_by_id ON ranking (ranking_id);\n"
    "DELETE FROM more WHERE a % 2 = 0;\n",
};

/* Has the product know the real migrations and n more. @return the last one's number. */
static int know(size_t n)
{
    static char path[ADDED][64];
    const int latest = store_schema_latest(__real_embedded_files);
    size_t count = 0;

    for (; __real_embedded_files[count].path != NULL; count++) {
        assert_true(count + ADDED + 1 < MIGRATIONS_MAX);
        __wrap_embedded_files[count] = __real_embedded_files[count];
    }
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(path[i], sizeof path[i], "migrations/%04d_next.sql", latest + 1 + (int)i);
        __wrap_embedded_files[count++] = (struct embedded_file){path[i], added[i]};
    }
    __wrap_embedded_files[count] = (struct embedded_file){0};
    return latest + (int)n;
}

static struct crash_record *recording; /* while there is one */

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    const int result = __real_fsync(fd);
    char link[64], path[TEMP_PATH_MAX];
    ssize_t n;

    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    if (recording != NULL && result == 0 && n > 0) {
        path[n] = '\0';
        crash_record_synced(recording, path);
    }
    return result;
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
    const int result = __real_rename(from, to);

    if (recording != NULL && result == 0) {
        crash_record_renamed(recording, from, to);
    }
    return result;
}

int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __wrap_unlink(const char *path)
{
    const int result = __real_unlink(path);

    if (recording != NULL && result == 0) {
        crash_record_removed(recording, path);
    }
    return result;
}

/* ---- what a file holds ---- */

/* Schema number, and a hash of the schema and every row, but for what is random. */
struct content {
    int version;
    uint64_t hash;
};

static uint64_t hash_rows(sqlite3 *db, const char *text, uint64_t hash)
{
    sqlite3_stmt *stmt = NULL;

    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &stmt, NULL), SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(stmt); i++) {
            const void *bytes = sqlite3_column_blob(stmt, i);
            const size_t n = (size_t)sqlite3_column_bytes(stmt, i);
            hash = XXH3_64bits_withSeed(n > 0 ? bytes : "", n, hash + n);
        }
    }
    (void)sqlite3_finalize(stmt);
    return hash;
}

static uint64_t hash_tables(sqlite3 *db)
{
    uint64_t hash = hash_rows(db, "SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2", 1);
    sqlite3_stmt *stmt = NULL;
    char text[128];

    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1", -1,
                           &stmt, NULL),
        SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        (void)snprintf(text, sizeof text, "SELECT * FROM \"%s\"%s", name,
                       strcmp(name, "sqlite_sequence") == 0 ? " WHERE name <> 'identity'" : "");
        hash = hash_rows(db, text, hash);
    }
    (void)sqlite3_finalize(stmt);
    return hash;
}

/* @return false: it is no whole database. One that is not there is empty. */
static bool read_content(const char *path, struct content *content)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    bool whole = sqlite3_open(path, &db) == SQLITE_OK &&
                 sqlite3_prepare_v2(db,
                                    "SELECT integrity_check = 'ok', user_version FROM "
                                    "pragma_integrity_check(1), pragma_user_version",
                                    -1, &stmt, NULL) == SQLITE_OK &&
                 sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0) == 1;

    if (whole) {
        *content =
            (struct content){.version = sqlite3_column_int(stmt, 1), .hash = hash_tables(db)};
    }
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
    return whole;
}

static bool is_content(const char *path, const struct content *expected)
{
    struct content content;

    return read_content(path, &content) && content.version == expected->version &&
           content.hash == expected->hash;
}

/* ---- where a migration starts from ---- */

enum base {
    BASE_NONE, /* no file */
    BASE_CLOSED,
    BASE_KILLED, /* with rows that are in the write-ahead log alone */
    BASES
};

static void put_rows(struct store *store)
{
    static const char bytes[9000];
    char config[] = "{}", ranking[16], event[16];
    struct store_model model = {.name = "default", .config = config};
    struct store_checkpoint row = {.source = STORE_SOURCE_TRAINING, .bytes = sizeof bytes};

    assert_ok(store_begin(store, NULL));
    assert_ok(store_put_model(store, &model, NULL));
    for (int i = 0; i < ROWS; i++) {
        (void)snprintf(ranking, sizeof ranking, "r%d", i);
        (void)snprintf(event, sizeof event, "e%d", i);
        (void)fixture_put_ranking(store, ranking, model.id, 1);
        assert_string_equal(fixture_put_event(store, fixture_event(event, ranking, "i1"), 1),
                            "accepted");
    }
    row.model = model.id;
    assert_ok(store_new_checkpoint_id(store, &row.id, NULL));
    assert_ok(store_put_chunk(store, row.id, 0, bytes, sizeof bytes, NULL));
    assert_ok(store_put_checkpoint(store, &row, NULL));
    assert_ok(store_commit(store, NULL));
}

/* In a process of its own, so that it can end without closing. */
static void make_base(enum base base, const char *path)
{
    const pid_t child = base == BASE_NONE ? 0 : fork();
    int result = 0;

    assert_true(child >= 0);
    if (base != BASE_NONE && child == 0) {
        struct store *store;
        (void)know(0);
        store = fixture_open(path);
        put_rows(store);
        if (base == BASE_CLOSED) {
            store_close(&store);
        }
        _exit(0);
    }
    assert_true(child == 0 || (waitpid(child, &result, 0) == child && result == 0));
}

/* ---- trying ---- */

struct count {
    uint64_t points, old, between, new, copies, bad_copies, unfinished;
};

/* What a start from a base has to come to, step by step, as starts that are not disturbed make it. */
struct expected {
    struct content content[MIGRATIONS_MAX]; /* by schema number */
    int first, last;
    uint8_t known[MIGRATIONS_MAX];
};

static struct expected expect(enum base base)
{
    struct expected expected = {0};

    for (size_t n = 0; n <= ADDED; n++) {
        struct temp_folder folder;
        struct content content = {0};
        char path[TEMP_PATH_MAX];
        temp_folder_make(&folder);
        temp_folder_path(&folder, "rankd.db", path);
        make_base(base, path);
        if (n == 0) {
            assert_true(read_content(path, &content));
            expected.first = content.version;
            expected.content[content.version] = content;
            expected.known[content.version] = 1;
        }
        expected.last = know(n);
        fixture_make(path);
        assert_true(read_content(path, &content));
        assert_int_equal(content.version, expected.last);
        expected.content[content.version] = content;
        expected.known[content.version] = 1;
        temp_folder_remove(&folder);
    }
    return expected;
}

static bool is_one_of(const struct expected *expected, const struct content *content)
{
    const int version = content->version;

    return version >= 0 && version < MIGRATIONS_MAX &&
           (expected->known[version] == 0 || expected->content[version].hash == content->hash);
}

static void check_schema(const struct expected *expected, const char *path, struct count *count)
{
    struct content content = {0};

    if (!read_content(path, &content) || !is_one_of(expected, &content)) {
        count->between++;
    } else if (content.version == expected->first) {
        count->old++;
    } else {
        count->new ++;
    }
}

/*
 * A copy under its name is whole, and is there once anything was migrated. The next start leaves it.
 */
static void check_copy(const struct expected *expected, const char *path, struct count *count)
{
    struct content content = {0};
    char copy[TEMP_PATH_MAX + 32];

    (void)snprintf(copy, sizeof copy, "%s.before-%d", path, expected->first + 1);
    if (temp_file_exists(copy)) {
        count->copies++;
        count->bad_copies += !is_content(copy, &expected->content[expected->first]);
    } else if (expected->first > 0) {
        count->bad_copies += !read_content(path, &content) || content.version != expected->first;
    }
}

static void check_next_start(const struct expected *expected, const char *path, struct count *count)
{
    struct store *store = NULL;
    struct rk_error err = {0};
    char part[TEMP_PATH_MAX + 32];
    bool finished = store_open(path, &store, &err) == RK_OK;

    store_close(&store);
    finished = finished && is_content(path, &expected->content[expected->last]);
    for (int i = expected->first; finished && i <= expected->last; i++) {
        (void)snprintf(part, sizeof part, "%s.before-%d.part", path, i);
        finished = !temp_file_exists(part);
    }
    if (!finished && count->unfinished++ < 3) {
        (void)fprintf(stderr, "the next start does not finish: %s\n", err.text);
    }
}

static struct crash_record *record_migration(enum base base)
{
    struct temp_folder folder;
    struct crash_record *record;
    char path[TEMP_PATH_MAX];

    temp_folder_make(&folder);
    temp_folder_path(&folder, "rankd.db", path);
    make_base(base, path);
    (void)know(ADDED);
    record = recording = crash_record_start(folder.path);
    fixture_make(path);
    recording = NULL;
    crash_record_stop(record);
    temp_folder_remove(&folder);
    return record;
}

/* Where what lay there before the start ends: its last operation syncs the folder. */
static size_t first_point(const struct crash_record *record)
{
    size_t i = 0;

    while (crash_record_op(record, i)->verb != CRASH_SYNC_FOLDER) {
        i++;
    }
    return i + 1;
}

static void try_base(enum base base, const struct temp_folder *folder, uint64_t seed,
                     struct count *count)
{
    const struct expected expected = expect(base);
    struct crash_record *record = record_migration(base);
    struct crash_disk *disk = crash_disk_create(record);
    const size_t end = crash_record_position(record);
    char path[TEMP_PATH_MAX];

    temp_folder_path(folder, "rankd.db", path);
    (void)know(ADDED);
    for (size_t point = first_point(record); point <= end; point++) {
        crash_disk_advance(disk, point);
        for (int loss = 0; loss < CRASH_LOSSES; loss++) {
            uint64_t same = seed;
            crash_disk_write(disk, (enum crash_loss)loss, folder->path, &same);
            check_schema(&expected, path, count); /* which takes the log into the file */
            check_copy(&expected, path, count);
            crash_disk_write(disk, (enum crash_loss)loss, folder->path, &seed);
            check_next_start(&expected, path, count);
            check_copy(&expected, path, count);
            count->points++;
        }
    }
    crash_disk_destroy(&disk);
    crash_record_free(&record);
}

/* ---- a schema that is newer ---- */

static bool newer_is_refused(const struct temp_folder *folder)
{
    char path[TEMP_PATH_MAX], wal[TEMP_PATH_MAX], output[4096];
    struct store *store = NULL;
    uint64_t before;

    temp_folder_path(folder, "newer.db", path);
    temp_folder_path(folder, "newer.db-wal", wal);
    (void)know(ADDED);
    fixture_make(path);
    (void)know(0);
    before = temp_file_hash(path);
    return store_open(path, &store, NULL) == RK_MISMATCH && store == NULL &&
           server_command(
               (const char *const[]){"serve", "--db", path, "--listen", "127.0.0.1:0", NULL},
               output, sizeof output) == EX_CONFIG &&
           strstr(output, "newer") != NULL && temp_file_hash(path) == before &&
           !temp_file_exists(wal);
}

int main(void)
{
    const uint64_t seed = rel_seed();
    struct count count = {0};
    struct temp_folder folder;
    bool refused;

    if (access("/dev/shm", W_OK) == 0) {
        (void)setenv("TMPDIR", "/dev/shm", 0);
    }
    log_start(LOG_LEVEL_WARN, false);
    temp_folder_make(&folder);
    for (int base = 0; base < BASES; base++) {
        try_base((enum base)base, &folder, seed, &count);
    }
    refused = newer_is_refused(&folder);
    temp_folder_remove(&folder);
    printf("migrate: points=%llu old=%llu new=%llu between=%llu copies=%llu bad_copies=%llu "
           "unfinished=%llu newer=%s\n",
           (unsigned long long)count.points, (unsigned long long)count.old,
           (unsigned long long)count.new, (unsigned long long)count.between,
           (unsigned long long)count.copies, (unsigned long long)count.bad_copies,
           (unsigned long long)count.unfinished, refused ? "refused" : "taken");
    return count.points > 0 && count.old > 0 && count.new > 0 && count.copies > 0 &&
                   count.between + count.bad_copies + count.unfinished == 0 && refused
               ? 0
               : 1;
}
