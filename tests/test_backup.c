/*
 * Backups: whole, checked, with what was acknowledged before; one at a time, none replaced, nothing
 * left of one that failed.
 */
#include "api_fixture.h"
#include "backup.h"
#include "learning_fixture.h"
#include "store_fixture.h"
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <semaphore.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKUP "/v1/backup"

/* How many files there are in the folder of backups. */
static size_t count_files(struct api_fixture *fixture)
{
    char path[TEMP_PATH_MAX];
    size_t n = 0;
    temp_folder_path(&fixture->folder, "backups", path);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        n += entry->d_name[0] != '.';
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    return n;
}

static void a_backup_holds_what_was_acknowledged_before_it(void **state)
{
    struct api_fixture *fixture = *state;
    score_and_click(fixture, "r");
    const int64_t end = log_end(fixture);
    const struct answer *answer = post(fixture, BACKUP, "{\"name\": \"x.db\"}");
    assert_answered(answer, 200);
    assert_members(answer, "", "path bytes seq time took_ms");
    const char *path = text_at(answer, "/path");
    assert_true(integer_at(answer, "/seq") >= end);
    assert_string_equal(strrchr(path, '/'), "/x.db");
    assert_int_equal(fixture_read_number(path, "SELECT count(*) FROM event"), 1);
    assert_int_equal(fixture_read_number(path, "SELECT max(seq) FROM log"),
                     integer_at(answer, "/seq"));
    char folder[TEMP_PATH_MAX];
    struct stat file;
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_size, integer_at(answer, "/bytes"));
    assert_int_equal(count_files(fixture), 1);
    temp_folder_path(&fixture->folder, "backups", folder);
    assert_int_equal(stat(folder, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0700);
}

static void without_a_name_it_is_named_by_time_and_position(void **state)
{
    struct api_fixture *fixture = *state;
    const struct answer *answer = ask(fixture, "POST", BACKUP, NULL, NULL);
    char end[32];
    assert_answered(answer, 200);
    const char *name = strrchr(text_at(answer, "/path"), '/') + 1;
    (void)snprintf(end, sizeof end, "Z-%lld.db", (long long)integer_at(answer, "/seq"));
    assert_int_equal(strncmp(name, "rankd-20", 8), 0);
    assert_int_equal(name[14], 'T');
    assert_string_equal(name + strlen("rankd-20261124T102150"), end);
}

static void a_name_is_a_plain_file_name(void **state)
{
    static const char *const bad[] = {"",   "..",  "../x",    "a/b", ".x",
                                      "-x", "a b", "\\u00e4", "x\\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_problem_at(postf(*state, BACKUP, "{\"name\": \"%s\"}", bad[i]), 422,
                          "validation-failed", "/name");
    }
    assert_problem_at(postf(*state, BACKUP, "{\"name\": \"%0101d\"}", 1), 422, "limit-exceeded",
                      "/name");
    assert_problem_at(post(*state, BACKUP, "{\"to\": \"x\"}"), 422, "unknown-field", "/to");
    assert_problem(ask(*state, "POST", BACKUP, "text/plain", "x"), 415, "unsupported-media-type");
    assert_problem(post(*state, BACKUP, "{"), 400, "invalid-json");
    assert_int_equal(count_files(*state), 0);
    assert_answered(post(*state, BACKUP, "{}"), 200);
}

static void no_backup_is_ever_replaced(void **state)
{
    struct api_fixture *fixture = *state;
    const struct answer *first = post(fixture, BACKUP, "{\"name\": \"x.db\"}");
    const uint64_t hash = temp_file_hash(text_at(first, "/path"));
    score_and_click(fixture, "r");
    assert_problem(post(fixture, BACKUP, "{\"name\": \"x.db\"}"), 409, "backup-exists");
    assert_true(temp_file_hash(text_at(first, "/path")) == hash);
    assert_int_equal(count_files(fixture), 1);
    assert_non_null(
        strstr(get(fixture, "/metrics")->text, "rankd_backups_total{result=\"failed\"} 1"));
    assert_non_null(
        strstr(get(fixture, "/metrics")->text, "rankd_backups_total{result=\"done\"} 1"));
}

static void a_backup_is_taken_while_the_writer_is_in_a_transaction(void **state)
{
    struct api_fixture *fixture = *state;
    score_and_click(fixture, "r");
    hold_writer(fixture);
    const struct answer *answer = post(fixture, BACKUP, "{\"name\": \"x.db\"}");
    let_writer_go(fixture);
    assert_answered(answer, 200);
    assert_int_equal(fixture_read_number(text_at(answer, "/path"), "SELECT count(*) FROM event"),
                     1);
}

static void a_folder_that_cannot_be_made_is_a_storage_error(void **state)
{
    struct api_fixture *fixture = *state;
    char path[TEMP_PATH_MAX];
    temp_folder_path(&fixture->folder, "backups", path);
    temp_file_write(path, "", 0);
    assert_problem(post(fixture, BACKUP, "{\"name\": \"x.db\"}"), 503, "storage-error");
    assert_int_equal(unlink(path), 0);
    assert_answered(post(fixture, BACKUP, "{\"name\": \"x.db\"}"), 200);
}

static void a_backup_is_served_as_if_nothing_had_happened_since(void **state)
{
    struct api_fixture *fixture = *state;
    score_and_click(fixture, "r");
    assert_int_equal(train(fixture, "default"), 1);
    const struct answer *answer = post(fixture, BACKUP, "{\"name\": \"x.db\"}");
    assert_answered(answer, 200);
    score_and_click(fixture, "later");
    assert_int_equal(train(fixture, "default"), 2);
    api_fixture_stop(fixture);
    assert_int_equal(rename(text_at(answer, "/path"), fixture->path), 0);
    api_fixture_start(fixture);
    assert_answered(get(fixture, "/v1/rankings/r"), 200);
    assert_problem(get(fixture, "/v1/rankings/later"), 404, "unknown-ranking");
    assert_int_equal(integer_at(get(fixture, "/v1/models/default"), "/version"), 1);
    score_and_click(fixture, "later");
    assert_int_equal(train(fixture, "default"), 2);
}

/* ---- the store's part ---- */

static void another_identity_keeps_a_left_log_from_being_taken_for_the_backups_own(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_backup made;
    char to[TEMP_PATH_MAX];
    const char *const identity = "SELECT seq FROM sqlite_sequence WHERE name = 'identity'";
    temp_folder_path(&fixture->folder, "copy.db", to);
    assert_ok(store_backup(fixture->path, to, NULL, &made, NULL));
    assert_true(fixture_read_number(to, identity) != fixture_read_number(fixture->path, identity));
}

static void the_first_start_of_a_backup_says_what_it_is(void **state)
{
    struct store_fixture *fixture = *state;
    struct store *store;
    struct store_backup made;
    char to[TEMP_PATH_MAX];
    (void)fixture_put_ranking(fixture->store, "r", 1, 1);
    assert_ok(store_commit(fixture->store, NULL));
    assert_ok(store_begin(fixture->store, NULL));
    temp_folder_path(&fixture->folder, "copy.db", to);
    assert_ok(store_backup(fixture->path, to, NULL, &made, NULL));
    assert_int_equal(made.seq, 1);
    for (int64_t expected = 1; expected >= -1; expected -= 2) {
        store = fixture_open(to);
        assert_int_equal(store_restored(store), expected);
        store_close(&store);
    }
    assert_int_equal(store_restored(fixture->store), -1);
}

static void a_backup_that_is_given_up_leaves_nothing(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_backup made;
    struct rk_error err = {0};
    atomic_bool cancel;
    char to[TEMP_PATH_MAX], id[32];
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(id, sizeof id, "r%d", i);
        (void)fixture_put_ranking(fixture->store, id, 1, 1);
    }
    assert_ok(store_commit(fixture->store, NULL));
    assert_ok(store_begin(fixture->store, NULL));
    atomic_init(&cancel, true);
    temp_folder_path(&fixture->folder, "copy.db", to);
    assert_status(store_backup(fixture->path, to, &cancel, &made, &err), RK_BUSY);
    assert_false(temp_file_exists(to));
    atomic_store(&cancel, false);
    assert_ok(store_backup(fixture->path, to, &cancel, &made, NULL));
}

static void a_copy_of_damaged_rows_is_refused(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_backup made;
    char to[TEMP_PATH_MAX];
    (void)fixture_put_ranking(fixture->store, "r", 1, 1);
    fixture_reopen(fixture);
    assert_ok(store_commit(fixture->store, NULL));
    fixture_run_sql(fixture->path, "DELETE FROM ranking");
    assert_ok(store_begin(fixture->store, NULL));
    temp_folder_path(&fixture->folder, "copy.db", to);
    assert_status(store_backup(fixture->path, to, NULL, &made, NULL), RK_CORRUPT);
    assert_int_equal(made.trouble, STORE_DAMAGED);
    assert_false(temp_file_exists(to));
}

/* ---- the thread ---- */

struct waited_job {
    struct backup_job job;
    sem_t over;
};

static void end_wait(struct backup_job *job)
{
    assert_int_equal(sem_post(&((struct waited_job *)job)->over), 0);
}

static void a_folder_that_may_not_stay_says_why(void **state)
{
    struct store_fixture *fixture = *state;
    struct waited_job waited = {.job = {.name = "x.db", .done = end_wait}};
    struct metrics metrics = {0};
    struct backup *backup = NULL;
    struct rlimit files, none;
    assert_int_equal(sem_init(&waited.over, 0, 0), 0);
    assert_ok(backup_start(fixture->path, "", &metrics, &backup, NULL));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    none = (struct rlimit){.rlim_max = files.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_true(backup_submit(backup, &waited.job));
    assert_int_equal(sem_wait(&waited.over), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    backup_stop(&backup);
    assert_int_equal(waited.job.err.status, RK_IO);
    assert_non_null(strstr(waited.job.err.text, strerror(EMFILE)));
    (void)sem_destroy(&waited.over);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(a_backup_holds_what_was_acknowledged_before_it),
        API_TEST(without_a_name_it_is_named_by_time_and_position),
        API_TEST(a_name_is_a_plain_file_name),
        API_TEST(no_backup_is_ever_replaced),
        API_TEST(a_backup_is_taken_while_the_writer_is_in_a_transaction),
        API_TEST(a_folder_that_cannot_be_made_is_a_storage_error),
        API_TEST(a_backup_is_served_as_if_nothing_had_happened_since),
        TEST(another_identity_keeps_a_left_log_from_being_taken_for_the_backups_own),
        TEST(the_first_start_of_a_backup_says_what_it_is),
        TEST(a_backup_that_is_given_up_leaves_nothing),
        TEST(a_copy_of_damaged_rows_is_refused),
        TEST(a_folder_that_may_not_stay_says_why),
    };
    return cmocka_run_group_tests_name("backup", tests, api_fixture_group, NULL);
}
