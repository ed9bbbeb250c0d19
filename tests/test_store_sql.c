/*
 * The store's connections: transactions, readers beside the writer, crashes and faults of the disk.
 */
#include "store_fixture.h"
#include "store_impl.h"
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

/* One item in the catalogue: the smallest write. */
static enum rk_status put_item(struct store *store, const char *id)
{
    int64_t seq = 0;
    bool existed = false;
    return store_put_features(store, STORE_ITEM, id, "{}", 1000, &seq, &existed, NULL);
}

static void commit_item(struct store *store, const char *id)
{
    assert_ok(store_begin(store, NULL));
    assert_ok(put_item(store, id));
    assert_ok(store_commit(store, NULL));
}

static bool has_item(struct store *store, const char *id)
{
    const char *features = NULL;
    return store_get_features(store, STORE_ITEM, id, INT64_MAX, &features, NULL) == RK_OK;
}

/* ---- transactions ---- */

static void reopening_keeps_what_was_committed_and_nothing_else(void **state)
{
    const struct store_fixture *fixture = *state;
    struct store *store = fixture_open(fixture->path);
    commit_item(store, "kept");
    assert_ok(store_begin(store, NULL));
    assert_ok(put_item(store, "rolled back"));
    store_rollback(store);
    assert_ok(store_begin(store, NULL));
    assert_ok(put_item(store, "left open"));
    store_close(&store);
    store = fixture_open(fixture->path);
    assert_true(has_item(store, "kept"));
    assert_false(has_item(store, "rolled back"));
    assert_false(has_item(store, "left open"));
    store_close(&store);
}

static void savepoint_rolls_back_its_part_and_keeps_the_rest(void **state)
{
    const struct store_fixture *fixture = *state;
    struct store *store = fixture_open(fixture->path);
    assert_ok(store_begin(store, NULL));
    assert_ok(put_item(store, "before"));
    assert_ok(store_savepoint(store, NULL));
    assert_ok(put_item(store, "undone"));
    store_rollback_to_savepoint(store);
    assert_ok(store_savepoint(store, NULL));
    assert_ok(put_item(store, "released"));
    assert_ok(store_release(store, NULL));
    assert_ok(store_commit(store, NULL));
    assert_true(has_item(store, "before"));
    assert_false(has_item(store, "undone"));
    assert_true(has_item(store, "released"));
    store_close(&store);
}

static void write_or_savepoint_without_a_transaction_is_refused(void **state)
{
    const struct store_fixture *fixture = *state;
    struct store *store = fixture_open(fixture->path);
    assert_status(put_item(store, "loose"), RK_IO);
    assert_status(store_savepoint(store, NULL), RK_IO);
    assert_status(store_commit(store, NULL), RK_IO);
    assert_int_equal(store_trouble(store), STORE_FAILED);
    assert_false(has_item(store, "loose"));
    assert_int_equal(store_trouble(store), STORE_FINE);
    store_close(&store);
}

static void killed_process_leaves_a_file_that_opens_with_all_commits(void **state)
{
    const struct store_fixture *fixture = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct store *store = NULL;
        bool ok = store_open(fixture->path, &store, NULL) == RK_OK &&
                  store_begin(store, NULL) == RK_OK && put_item(store, "acked") == RK_OK &&
                  store_commit(store, NULL) == RK_OK && store_begin(store, NULL) == RK_OK &&
                  put_item(store, "in flight") == RK_OK;
        (void)kill(getpid(), ok ? SIGKILL : SIGTERM);
    }
    int result = 0;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(WTERMSIG(result), SIGKILL);
    struct store *store = fixture_open(fixture->path);
    assert_true(has_item(store, "acked"));
    assert_false(has_item(store, "in flight"));
    store_close(&store);
}

static void orphan_chunks_are_dropped_at_open_and_whole_checkpoints_stay(void **state)
{
    const struct store_fixture *fixture = *state;
    struct store *store = fixture_open(fixture->path);
    const struct store_checkpoint whole = {.id = 1, .model = 1, .bytes = 4};
    assert_ok(store_begin(store, NULL));
    assert_ok(store_put_chunk(store, 1, 0, "good", 4, NULL));
    assert_ok(store_put_checkpoint(store, &whole, NULL));
    assert_ok(store_put_chunk(store, 2, 0, "lost", 4, NULL));
    assert_ok(store_commit(store, NULL));
    store_close(&store);
    store = fixture_open(fixture->path);
    char bytes[4];
    bool more = false;
    assert_ok(store_begin(store, NULL));
    assert_ok(store_drop_chunk(store, &more, NULL));
    assert_true(more);
    assert_ok(store_drop_chunk(store, &more, NULL));
    assert_false(more);
    assert_ok(store_commit(store, NULL));
    assert_ok(store_read_chunks(store, 1, bytes, sizeof bytes, NULL));
    assert_memory_equal(bytes, "good", 4);
    assert_status(store_read_chunks(store, 2, bytes, sizeof bytes, NULL), RK_CORRUPT);
    store_close(&store);
    assert_int_equal(fixture_read_number(fixture->path, "SELECT (SELECT count(*) FROM "
                                                        "checkpoint_chunk) + (SELECT count(*) FROM "
                                                        "checkpoint_dropped)"),
                     1);
}

/* ---- readers ---- */

static void reader_sees_commits_and_not_what_is_still_open(void **state)
{
    const struct store_fixture *fixture = *state;
    struct store *writer = fixture_open(fixture->path), *reader = NULL;
    assert_ok(store_open_reader(fixture->path, &reader, NULL));
    commit_item(writer, "first");
    assert_true(has_item(reader, "first"));
    assert_ok(store_begin(writer, NULL));
    assert_ok(put_item(writer, "second"));
    assert_false(has_item(reader, "second"));
    assert_true(has_item(reader, "first"));
    assert_ok(store_commit(writer, NULL));
    assert_true(has_item(reader, "second"));
    store_close(&writer);
    assert_true(has_item(reader, "second"));
    store_close(&reader);
}

static void readers_transaction_is_one_snapshot_that_does_not_stop_the_writer(void **state)
{
    const struct store_fixture *fixture = *state;
    struct store *writer = fixture_open(fixture->path), *reader = NULL;
    assert_ok(store_open_reader(fixture->path, &reader, NULL));
    assert_ok(store_begin(reader, NULL));
    assert_false(has_item(reader, "later"));
    commit_item(writer, "later");
    assert_false(has_item(reader, "later"));
    assert_ok(store_commit(reader, NULL));
    assert_true(has_item(reader, "later"));
    store_close(&reader);
    store_close(&writer);
}

static void reader_cannot_write(void **state)
{
    const struct store_fixture *fixture = *state;
    fixture_make(fixture->path);
    struct store *reader = NULL;
    assert_ok(store_open_reader(fixture->path, &reader, NULL));
    assert_ok(store_begin(reader, NULL));
    assert_status(put_item(reader, "never"), RK_IO);
    assert_int_equal(store_trouble(reader), STORE_READ_ONLY);
    store_rollback(reader);
    assert_int_equal(store_trouble(reader), STORE_READ_ONLY); /* asked for after the rollback */
    assert_false(has_item(reader, "never"));
    store_close(&reader);
}

static void reader_lets_the_write_ahead_log_be_reset_while_it_is_idle(void **state)
{
    const struct store_fixture *fixture = *state;
    struct store *writer = fixture_open(fixture->path), *reader = NULL;
    assert_ok(store_open_reader(fixture->path, &reader, NULL));
    commit_item(writer, "a");
    assert_true(has_item(reader, "a")); /* what it lends must hold no snapshot */
    commit_item(writer, "b");
    int busy = sqlite3_wal_checkpoint_v2(writer->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    assert_int_equal(busy, SQLITE_OK);
    store_close(&reader);
    store_close(&writer);
}

static void foreign_writer_is_reported_as_locked(void **state)
{
    const struct store_fixture *fixture = *state;
    struct store *store = fixture_open(fixture->path);
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open(fixture->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_busy_timeout(store->db, 1); /* the two seconds need not be waited for here */
    assert_status(store_begin(store, NULL), RK_IO);
    assert_int_equal(store_trouble(store), STORE_LOCKED);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    commit_item(store, "after");
    assert_int_equal(store_trouble(store), STORE_FINE);
    store_close(&store);
}

/* ---- faults of the disk, by SQLite's own seam for system calls ---- */

static int fault;            /* errno of each write while not 0 */
static int writes_left = -1; /* the process kills itself at the write after them; -1 = never */

static ssize_t faulty_pwrite64(int fd, const void *bytes, size_t n, off_t offset)
{
    if (writes_left >= 0 && writes_left-- == 0) {
        (void)kill(getpid(), SIGKILL);
    }
    if (fault != 0) {
        errno = fault;
        return -1;
    }
    return pwrite(fd, bytes, n, offset);
}

static bool die_at_unlink;

static int faulty_unlink(const char *path)
{
    if (die_at_unlink) {
        (void)kill(getpid(), SIGKILL);
    }
    return unlink(path);
}

static void set_faulty_calls(bool faulty)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find("unix");
    assert_non_null(vfs);
    sqlite3_syscall_ptr call = faulty ? (sqlite3_syscall_ptr)faulty_pwrite64 : NULL;
    assert_int_equal(vfs->xSetSystemCall(vfs, "pwrite64", call), SQLITE_OK);
    assert_int_equal(vfs->xSetSystemCall(vfs, "pwrite", call), SQLITE_OK);
    call = faulty ? (sqlite3_syscall_ptr)faulty_unlink : NULL;
    assert_int_equal(vfs->xSetSystemCall(vfs, "unlink", call), SQLITE_OK);
}

/* Commits an item under a fault; says what the store makes of it. */
static enum store_trouble trouble_under(struct store *store, int error)
{
    assert_ok(store_begin(store, NULL));
    assert_ok(put_item(store, "unlucky"));
    fault = error;
    assert_status(store_commit(store, NULL), RK_IO); /* rolls back */
    fault = 0;
    return store_trouble(store);
}

static void full_or_failing_disk_is_told_apart_and_writing_goes_on_after_it(void **state)
{
    const struct store_fixture *fixture = *state;
    set_faulty_calls(true);
    struct store *store = fixture_open(fixture->path);
    commit_item(store, "before");
    assert_int_equal(trouble_under(store, ENOSPC), STORE_FULL);
    commit_item(store, "between");
    assert_int_equal(trouble_under(store, EIO), STORE_FAILED);
    commit_item(store, "after");
    assert_true(has_item(store, "before") && has_item(store, "between") &&
                has_item(store, "after"));
    assert_false(has_item(store, "unlucky"));
    store_close(&store);
    set_faulty_calls(false);
}

/* A first start, killed at write n. @return false: it has no such write. */
static bool start_and_die(const char *path, int n)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct store *store = NULL;
        writes_left = n;
        _exit(store_open(path, &store, NULL) == RK_OK ? 0 : 1);
    }
    int result = 0;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFSIGNALED(result) || WEXITSTATUS(result) == 0);
    return WIFSIGNALED(result);
}

static void first_start_killed_at_any_write_can_be_started_again(void **state)
{
    const struct store_fixture *fixture = *state;
    bool killed = true;
    int n = 0;
    set_faulty_calls(true);
    while (killed) {
        char name[32], path[TEMP_PATH_MAX];
        (void)snprintf(name, sizeof name, "start-%d.db", n);
        temp_folder_path(&fixture->folder, name, path);
        killed = start_and_die(path, n++);
        struct store *store = fixture_open(path);
        commit_item(store, "a");
        store_close(&store);
    }
    set_faulty_calls(false);
    assert_true(n > 10);
}

static void first_start_with_a_torn_first_page_is_rolled_back(void **state)
{
    const struct store_fixture *fixture = *state;
    char journal[TEMP_PATH_MAX], torn[4096];
    temp_folder_path(&fixture->folder, "rankd.db-journal", journal);
    memset(torn, 0xa5, sizeof torn);
    set_faulty_calls(true);
    die_at_unlink = true; /* the first file SQLite removes is the journal of the first page */
    assert_true(start_and_die(fixture->path, -1));
    die_at_unlink = false;
    set_faulty_calls(false);
    assert_true(temp_file_exists(journal));
    temp_file_write(fixture->path, torn, sizeof torn);
    fixture_make(fixture->path);
    assert_int_equal(fixture_read_number(fixture->path, "PRAGMA application_id"),
                     STORE_APPLICATION_ID);
}

static void damage_met_while_running_is_reported_as_damage(void **state)
{
    const struct store_fixture *fixture = *state;
    struct store *store = fixture_open(fixture->path);
    commit_item(store, "a");
    store_close(&store);
    int64_t root = fixture_read_number(fixture->path,
                                       "SELECT rootpage FROM sqlite_schema WHERE name = 'item'");
    FILE *file = fopen(fixture->path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)(root - 1) * 4096, SEEK_SET), 0);
    assert_int_equal(fputc(0xff, file), 0xff); /* no such kind of page */
    assert_int_equal(fclose(file), 0);
    const char *features = NULL;
    assert_ok(store_open_reader(fixture->path, &store, NULL));
    assert_status(store_get_features(store, STORE_ITEM, "a", INT64_MAX, &features, NULL), RK_IO);
    assert_int_equal(store_trouble(store), STORE_DAMAGED);
    store_close(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(reopening_keeps_what_was_committed_and_nothing_else),
        FOLDER_TEST(savepoint_rolls_back_its_part_and_keeps_the_rest),
        FOLDER_TEST(write_or_savepoint_without_a_transaction_is_refused),
        FOLDER_TEST(killed_process_leaves_a_file_that_opens_with_all_commits),
        FOLDER_TEST(orphan_chunks_are_dropped_at_open_and_whole_checkpoints_stay),
        FOLDER_TEST(reader_sees_commits_and_not_what_is_still_open),
        FOLDER_TEST(readers_transaction_is_one_snapshot_that_does_not_stop_the_writer),
        FOLDER_TEST(reader_cannot_write),
        FOLDER_TEST(reader_lets_the_write_ahead_log_be_reset_while_it_is_idle),
        FOLDER_TEST(foreign_writer_is_reported_as_locked),
        FOLDER_TEST(full_or_failing_disk_is_told_apart_and_writing_goes_on_after_it),
        FOLDER_TEST(first_start_killed_at_any_write_can_be_started_again),
        FOLDER_TEST(first_start_with_a_torn_first_page_is_rolled_back),
        FOLDER_TEST(damage_met_while_running_is_reported_as_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
