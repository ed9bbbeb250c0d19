/*
 * The store's file: who may open it, what is refused and left as it is, migrations.
 */
#include "store_fixture.h"
#include "store_impl.h"
#include "test.h"

#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

static void assert_refused(const char *path, enum rk_status expected)
{
    struct store *store = NULL;
    struct rk_error err = {0};
    uint64_t before = temp_file_hash(path);
    assert_status(store_open(path, &store, &err), expected);
    assert_true(err.text[0] != '\0');
    assert_null(store);
    assert_true(temp_file_hash(path) == before);
}

/* ---- lock ---- */

static void lock_is_refused_to_another_process_with_the_pid_of_the_owner(void **state)
{
    const struct store_fixture *fixture = *state;
    struct store_lock *lock = NULL;
    char owner[32];
    (void)snprintf(owner, sizeof owner, "process %ld ", (long)getpid());
    assert_ok(store_lock(fixture->path, &lock, NULL));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct store_lock *second = NULL;
        struct rk_error err = {0};
        enum rk_status status = store_lock(fixture->path, &second, &err);
        _exit(status == RK_BUSY && second == NULL && strstr(err.text, owner) != NULL ? 0 : 1);
    }
    int result = 0;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    store_unlock(&lock);
    assert_null(lock);
}

static void lock_is_free_again_after_unlock_and_after_the_owner_died(void **state)
{
    const struct store_fixture *fixture = *state;
    struct store_lock *lock = NULL;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(store_lock(fixture->path, &lock, NULL) == RK_OK ? 0 : 1);
    }
    int result = 0;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    assert_ok(store_lock(fixture->path, &lock, NULL));
    store_unlock(&lock);
    assert_ok(store_lock(fixture->path, &lock, NULL));
    store_unlock(&lock);
    store_unlock(&lock); /* NULL is accepted */
}

static void lock_in_a_missing_folder_is_an_io_error(void **state)
{
    const struct store_fixture *fixture = *state;
    char path[TEMP_PATH_MAX];
    temp_folder_path(&fixture->folder, "missing/rankd.db", path);
    struct store_lock *lock = NULL;
    assert_status(store_lock(path, &lock, NULL), RK_IO);
    assert_null(lock);
}

/* ---- what is opened, what is refused ---- */

static void new_file_is_made_with_rankds_ids_and_a_write_ahead_log(void **state)
{
    const struct store_fixture *fixture = *state;
    fixture_make(fixture->path);
    assert_int_equal(fixture_read_number(fixture->path, "PRAGMA application_id"),
                     STORE_APPLICATION_ID);
    assert_int_equal(fixture_read_number(fixture->path, "PRAGMA user_version"),
                     store_schema_latest(embedded_files));
    assert_int_equal(
        fixture_read_number(fixture->path, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"),
        1);
}

static void empty_file_and_cut_off_first_start_are_new_databases(void **state)
{
    const struct store_fixture *fixture = *state;
    temp_file_write(fixture->path, "", 0);
    fixture_make(fixture->path);
    char other[TEMP_PATH_MAX];
    temp_folder_path(&fixture->folder, "cut.db", other);
    fixture_run_sql(other,
                    "PRAGMA journal_mode = WAL"); /* what a start does before its first migration */
    fixture_make(other);
    assert_int_equal(fixture_read_number(other, "PRAGMA application_id"), STORE_APPLICATION_ID);
}

static int64_t pragma(const struct store *store, const char *text)
{
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(store->db, text, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    return value;
}

static void connections_are_set_up_for_durability_and_distrust(void **state)
{
    const struct store_fixture *fixture = *state;
    struct store *writer = fixture_open(fixture->path), *reader = NULL;
    assert_ok(store_open_reader(fixture->path, &reader, NULL));
    assert_int_equal(pragma(writer, "PRAGMA synchronous"), 2);
    assert_int_equal(pragma(writer, "PRAGMA journal_size_limit"), 64 << 20);
    assert_int_equal(pragma(writer, "PRAGMA wal_autocheckpoint"), 0); /* store_copy_back */
    assert_int_equal(pragma(reader, "PRAGMA wal_autocheckpoint"), 0);
    assert_int_equal(pragma(reader, "PRAGMA query_only"), 1);
    const struct store *both[] = {writer, reader};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pragma(both[i], "PRAGMA foreign_keys"), 1);
        assert_int_equal(pragma(both[i], "PRAGMA busy_timeout"), 2000);
        assert_int_equal(pragma(both[i], "PRAGMA temp_store"), 2);
        assert_int_equal(pragma(both[i], "PRAGMA trusted_schema"), 0);
        assert_int_equal(pragma(both[i], "PRAGMA cell_size_check"), 1);
        assert_int_equal(sqlite3_limit(both[i]->db, SQLITE_LIMIT_ATTACHED, -1), 0);
        assert_int_equal(sqlite3_limit(both[i]->db, SQLITE_LIMIT_LENGTH, -1), 64 << 20);
    }
    store_close(&reader);
    store_close(&writer);
}

static void file_that_is_no_database_is_refused_and_left_alone(void **state)
{
    const struct store_fixture *fixture = *state;
    char text[5000];
    memset(text, 'x', sizeof text);
    temp_file_write(fixture->path, text, sizeof text);
    assert_refused(fixture->path, RK_CORRUPT);
}

static void another_applications_database_is_refused_and_left_alone(void **state)
{
    const struct store_fixture *fixture = *state;
    fixture_run_sql(fixture->path, "CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    assert_refused(fixture->path, RK_CORRUPT);
    fixture_run_sql(fixture->path, "PRAGMA application_id = 77; PRAGMA journal_mode = WAL");
    assert_refused(fixture->path, RK_CORRUPT);
    char wal[TEMP_PATH_MAX];
    temp_folder_path(&fixture->folder, "rankd.db-wal", wal);
    assert_false(temp_file_exists(wal)); /* not even an empty log is left beside it */
}

static void rankds_database_without_a_schema_number_is_refused(void **state)
{
    const struct store_fixture *fixture = *state;
    fixture_make(fixture->path);
    fixture_run_sql(fixture->path, "PRAGMA user_version = 0");
    assert_refused(fixture->path, RK_CORRUPT);
}

static void newer_schema_is_refused_and_left_alone_by_writer_and_reader(void **state)
{
    const struct store_fixture *fixture = *state;
    fixture_make(fixture->path);
    fixture_run_sql(fixture->path, "PRAGMA user_version = 999");
    assert_refused(fixture->path, RK_MISMATCH);
    struct store *reader = NULL;
    assert_status(store_open_reader(fixture->path, &reader, NULL), RK_MISMATCH);
    assert_null(reader);
}

static void newer_schema_that_is_only_in_the_log_is_refused_and_left_alone(void **state)
{
    const struct store_fixture *fixture = *state;
    char wal[TEMP_PATH_MAX];
    temp_folder_path(&fixture->folder, "rankd.db-wal", wal);
    fixture_make(fixture->path);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 999", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    uint64_t before = temp_file_hash(wal);
    assert_true(before != 0);
    assert_refused(fixture->path, RK_MISMATCH);
    assert_true(temp_file_hash(wal) == before);
}

static void path_with_characters_of_a_uri_is_taken_as_it_is(void **state)
{
    const struct store_fixture *fixture = *state;
    char path[TEMP_PATH_MAX];
    temp_folder_path(&fixture->folder, "a%20b?c#d.db", path);
    fixture_make(path);
    fixture_make(path);
    assert_true(temp_file_exists(path));
}

static void damaged_page_is_found_at_open(void **state)
{
    const struct store_fixture *fixture = *state;
    fixture_make(fixture->path);
    FILE *file = fopen(fixture->path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 2 * 4096, SEEK_SET), 0); /* the third page is some table's root */
    for (int i = 0; i < 4096; i++) {
        assert_int_equal(fputc(0xa5, file), 0xa5);
    }
    assert_int_equal(fclose(file), 0);
    assert_refused(fixture->path, RK_CORRUPT);
}

/* A bit of the schema's own text: SQLite takes it for another schema and finds nothing wrong. */
static void damaged_schema_is_found_at_open(void **state)
{
    const struct store_fixture *fixture = *state;
    char page[4096];
    char *name;
    fixture_make(fixture->path);
    FILE *file = fopen(fixture->path, "r+b");
    assert_non_null(file);
    do {
        assert_int_equal(fread(page, 1, sizeof page, file), sizeof page);
        name = memmem(page, sizeof page, "    seq    INTEGER PRIMARY KEY", 30);
    } while (name == NULL);
    name[6] ^= 1;
    assert_int_equal(fseek(file, -(long)sizeof page, SEEK_CUR), 0);
    assert_int_equal(fwrite(page, 1, sizeof page, file), sizeof page);
    assert_int_equal(fclose(file), 0);
    assert_refused(fixture->path, RK_CORRUPT);
}

static void truncated_file_is_found_at_open(void **state)
{
    const struct store_fixture *fixture = *state;
    fixture_make(fixture->path);
    assert_int_equal(truncate(fixture->path, 3 * 4096), 0);
    assert_refused(fixture->path, RK_CORRUPT);
}

static void log_without_its_database_is_refused_and_left_alone(void **state)
{
    const struct store_fixture *fixture = *state;
    char wal[TEMP_PATH_MAX];
    temp_folder_path(&fixture->folder, "rankd.db-wal", wal);
    temp_file_write(wal, "all that is left", 16);
    uint64_t before = temp_file_hash(wal);
    assert_refused(fixture->path, RK_CORRUPT); /* no file */
    assert_false(temp_file_exists(fixture->path));
    temp_file_write(fixture->path, "", 0);
    assert_refused(fixture->path, RK_CORRUPT);
    assert_true(temp_file_hash(wal) == before);
}

static struct store *open_with_a_ranking(const char *path)
{
    struct store *store = fixture_open(path);
    assert_ok(store_begin(store, NULL));
    (void)fixture_put_ranking(store, "r", 1, 1);
    assert_ok(store_commit(store, NULL));
    return store;
}

/* Leaves at `to` what a kill would leave of a database in which a ranking is put. */
static void leave_as_killed(const char *path, const char *to)
{
    static const char *const endings[] = {"", "-wal"};
    struct store *store = open_with_a_ranking(path);
    for (int i = 0; i < 2; i++) {
        char text[3 * TEMP_PATH_MAX];
        (void)snprintf(text, sizeof text, "cp %s%s %s%s", path, endings[i], to, endings[i]);
        assert_int_equal(system(text), 0);
    }
    store_close(&store);
}

static void log_of_another_database_is_refused_and_left_alone(void **state)
{
    const struct store_fixture *fixture = *state;
    char other[TEMP_PATH_MAX], killed[TEMP_PATH_MAX], wal[TEMP_PATH_MAX];
    temp_folder_path(&fixture->folder, "other.db", other);
    temp_folder_path(&fixture->folder, "killed.db", killed);
    temp_folder_path(&fixture->folder, "killed.db-wal", wal);
    fixture_make(fixture->path);
    leave_as_killed(fixture->path, killed);
    fixture_make(killed); /* its own log is taken */
    fixture_make(other);
    leave_as_killed(other, killed);
    assert_int_equal(rename(fixture->path, killed), 0); /* one file, the log of the other */
    uint64_t before = temp_file_hash(wal);
    assert_refused(killed, RK_CORRUPT);
    assert_true(temp_file_hash(wal) == before && before != 0);
}

static void rows_that_do_not_agree_are_found_at_open(void **state)
{
    const struct store_fixture *fixture = *state;
    struct store *store = open_with_a_ranking(fixture->path);
    store_close(&store);
    fixture_make(fixture->path);
    fixture_run_sql(fixture->path, "DELETE FROM ranking");
    assert_refused(fixture->path, RK_CORRUPT);
}

static void missing_folder_is_an_io_error(void **state)
{
    const struct store_fixture *fixture = *state;
    char path[TEMP_PATH_MAX];
    temp_folder_path(&fixture->folder, "missing/rankd.db", path);
    struct store *store = NULL;
    assert_status(store_open(path, &store, NULL), RK_IO);
    assert_status(store_open_reader(path, &store, NULL), RK_IO);
    assert_null(store);
}

/* ---- migrations ---- */

static const struct embedded_file three_schemas[] = {
    {"migrations/0001_one.sql", "CREATE TABLE one (a); INSERT INTO one VALUES (1);"},
    {"migrations/0002_two.sql", "CREATE TABLE two (a);"},
    {"migrations/0003_three.sql",
     "CREATE TABLE three (a); CREATE TABLE one (a);"}, /* the second fails */
    {"server/web/9999_page.html", "<html>"},
    {NULL, NULL},
};

static void migration_that_fails_leaves_the_schema_before_it(void **state)
{
    const struct store_fixture *fixture = *state;
    sqlite3 *db = NULL;
    struct rk_error err = {0};
    assert_int_equal(store_schema_latest(three_schemas), 3);
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    assert_status(store_migrate(db, fixture->path, three_schemas, 0, &err), RK_IO);
    assert_non_null(strstr(err.text, "migration 3"));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(fixture_read_number(fixture->path, "PRAGMA user_version"), 2);
    assert_int_equal(fixture_read_number(fixture->path, "SELECT count(*) FROM sqlite_schema"), 2);
}

static void migration_of_data_keeps_a_copy_of_the_schema_before(void **state)
{
    const struct store_fixture *fixture = *state;
    const struct embedded_file one[] = {three_schemas[0], {NULL, NULL}};
    const struct embedded_file two[] = {three_schemas[0], three_schemas[1], {NULL, NULL}};
    char copy[TEMP_PATH_MAX];
    temp_folder_path(&fixture->folder, "rankd.db.before-2", copy);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    assert_ok(store_migrate(db, fixture->path, one, 0, NULL));
    assert_false(temp_file_exists(copy)); /* there was nothing to lose */
    assert_ok(store_migrate(db, fixture->path, two, 1, NULL));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(fixture_read_number(fixture->path, "PRAGMA user_version"), 2);
    assert_int_equal(fixture_read_number(copy, "PRAGMA user_version"), 1);
    assert_int_equal(fixture_read_number(copy, "SELECT a FROM one"), 1);
}

static void copy_of_a_migration_that_died_is_not_replaced_by_the_next_start(void **state)
{
    const struct store_fixture *fixture = *state;
    const struct embedded_file one[] = {three_schemas[0], {NULL, NULL}};
    char copy[TEMP_PATH_MAX];
    temp_folder_path(&fixture->folder, "rankd.db.before-2", copy);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    assert_ok(store_migrate(db, fixture->path, one, 0, NULL));
    assert_status(store_migrate(db, fixture->path, three_schemas, 1, NULL), RK_IO); /* at 2 now */
    assert_status(store_migrate(db, fixture->path, three_schemas, 2, NULL), RK_IO);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(fixture_read_number(copy, "PRAGMA user_version"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(lock_is_refused_to_another_process_with_the_pid_of_the_owner),
        FOLDER_TEST(lock_is_free_again_after_unlock_and_after_the_owner_died),
        FOLDER_TEST(lock_in_a_missing_folder_is_an_io_error),
        FOLDER_TEST(new_file_is_made_with_rankds_ids_and_a_write_ahead_log),
        FOLDER_TEST(empty_file_and_cut_off_first_start_are_new_databases),
        FOLDER_TEST(connections_are_set_up_for_durability_and_distrust),
        FOLDER_TEST(file_that_is_no_database_is_refused_and_left_alone),
        FOLDER_TEST(another_applications_database_is_refused_and_left_alone),
        FOLDER_TEST(rankds_database_without_a_schema_number_is_refused),
        FOLDER_TEST(newer_schema_is_refused_and_left_alone_by_writer_and_reader),
        FOLDER_TEST(newer_schema_that_is_only_in_the_log_is_refused_and_left_alone),
        FOLDER_TEST(path_with_characters_of_a_uri_is_taken_as_it_is),
        FOLDER_TEST(damaged_page_is_found_at_open),
        FOLDER_TEST(damaged_schema_is_found_at_open),
        FOLDER_TEST(truncated_file_is_found_at_open),
        FOLDER_TEST(log_without_its_database_is_refused_and_left_alone),
        FOLDER_TEST(log_of_another_database_is_refused_and_left_alone),
        FOLDER_TEST(rows_that_do_not_agree_are_found_at_open),
        FOLDER_TEST(missing_folder_is_an_io_error),
        FOLDER_TEST(migration_that_fails_leaves_the_schema_before_it),
        FOLDER_TEST(migration_of_data_keeps_a_copy_of_the_schema_before),
        FOLDER_TEST(copy_of_a_migration_that_died_is_not_replaced_by_the_next_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
