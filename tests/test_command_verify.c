/*
 * rankd verify and rankd backup, through the binary: what is whole is said to be, what is not is found,
 * and the file stays as it is.
 */
#include "api_fixture.h"
#include "server_process.h"
#include "store_fixture.h"
#include "test.h"

#include <sysexits.h>

#define TEXT_MAX 4096

/* A database in which the model m has learned three versions, with a checkpoint of each. */
static int setup(void **state)
{
    const int code = api_fixture_setup(state);
    assert_answered(
        put(*state, "/v1/models/m", "{\"kind\": \"fm\", \"features\": {\"bits\": 10}, \"dim\": 3}"),
        201);
    for (int i = 1; i <= 3; i++) {
        assert_answered(postf(*state, "/v1/score",
                              "{\"ranking_id\": \"r%d\", \"model\": \"m\", \"items\": [\"a\", "
                              "\"b\", \"c\"]}",
                              i),
                        200);
        assert_answered(postf(*state, "/v1/feedback",
                              "{\"event_id\": \"e%d\", \"ranking_id\": \"r%d\", \"item_id\": "
                              "\"c\", \"type\": \"click\"}",
                              i, i),
                        200);
        assert_int_equal(train(*state, "m"), i);
    }
    api_fixture_stop(*state);
    return code;
}

static int teardown(void **state)
{
    api_fixture_start(*state);
    return api_fixture_teardown(state);
}

#define VERIFY_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Verifies a file: the code, and words of what is said; the file is not changed. */
static void assert_verified(const char *path, int code, const char *words)
{
    char text[TEXT_MAX] = "";
    const uint64_t hash = temp_file_hash(path);
    const int ended =
        server_command((const char *const[]){"verify", "--db", path, NULL}, text, sizeof text);
    if (ended != code || strstr(text, words) == NULL) {
        fail_msg("%d, and not %d with %s: %s", ended, code, words, text);
    }
    assert_true(temp_file_hash(path) == hash);
}

static void a_stopped_servers_file_is_verified_and_says_what_was_done(void **state)
{
    const struct api_fixture *fixture = *state;
    assert_verified(fixture->path, EX_OK, "version 3, 4 checkpoints, 3 comes out of 2 again");
    assert_verified(fixture->path, EX_OK, "result   ok");
}

static void what_is_learned_after_an_activation_comes_out_again(void **state)
{
    struct api_fixture *fixture = *state;
    api_fixture_start(fixture);
    assert_answered(ask(fixture, "PATCH", "/v1/models/m", "application/merge-patch+json",
                        "{\"learning_rate\": 0.5}"),
                    200);
    assert_answered(post(fixture, "/v1/models/m/activate", "{\"version\": 1}"), 200);
    assert_answered(post(fixture, "/v1/feedback",
                         "{\"event_id\": \"e\", \"ranking_id\": \"r1\", \"item_id\": \"a\", "
                         "\"type\": \"click\"}"),
                    200);
    assert_int_equal(train(fixture, "m"), 4);
    api_fixture_stop(fixture);
    assert_verified(fixture->path, EX_OK, "4 comes out of 1 again");
}

static void a_backup_is_verified_and_nothing_is_left_beside_it(void **state)
{
    const struct api_fixture *fixture = *state;
    char to[TEMP_PATH_MAX], beside[TEMP_PATH_MAX], text[TEXT_MAX];
    temp_folder_path(&fixture->folder, "copy.db", to);
    const char *const backup[] = {"backup", "--db", fixture->path, "--to", to, "--json", NULL};
    assert_int_equal(server_command(backup, text, sizeof text), EX_OK);
    assert_non_null(strstr(text, "\"seq\":"));
    assert_int_equal(server_command(backup, text, sizeof text), EX_CANTCREAT);
    assert_verified(to, EX_OK, "3 comes out of 2 again");
    temp_folder_path(&fixture->folder, "copy.db-wal", beside);
    assert_false(temp_file_exists(beside));
    temp_folder_path(&fixture->folder, "copy.db-shm", beside);
    assert_false(temp_file_exists(beside));
}

static void a_file_that_a_server_has_is_left_alone(void **state)
{
    const struct api_fixture *fixture = *state;
    struct store_lock *lock = NULL;
    char text[TEXT_MAX], to[TEMP_PATH_MAX];
    temp_folder_path(&fixture->folder, "copy.db", to);
    assert_ok(store_lock(fixture->path, &lock, NULL));
    assert_verified(fixture->path, EX_TEMPFAIL, "POST /v1/backup");
    const char *const backup[] = {"backup", "--db", fixture->path, "--to", to, NULL};
    assert_int_equal(server_command(backup, text, sizeof text), EX_TEMPFAIL);
    assert_non_null(strstr(text, "POST /v1/backup"));
    assert_false(temp_file_exists(to));
    store_unlock(&lock);
}

static void a_missing_file_is_not_made(void **state)
{
    const struct api_fixture *fixture = *state;
    char path[TEMP_PATH_MAX];
    temp_folder_path(&fixture->folder, "none.db", path);
    assert_verified(path, EX_NOINPUT, "there is no database");
    assert_false(temp_file_exists(path));
}

/* Damages a copy by SQL and verifies it. */
static void assert_found(struct api_fixture *fixture, const char *damage, const char *words)
{
    char to[TEMP_PATH_MAX];
    struct store_backup made;
    temp_folder_path(&fixture->folder, "damaged.db", to);
    assert_ok(store_backup(fixture->path, to, NULL, &made, NULL));
    fixture_run_sql(to, "PRAGMA journal_mode = DELETE");
    fixture_run_sql(to, damage);
    assert_verified(to, EX_DATAERR, words);
}

static void a_checkpoint_with_another_byte_is_found(void **state)
{
    assert_found(*state,
                 "UPDATE checkpoint_chunk SET bytes = CAST(substr(bytes, 1, 5000) || x'7f' || "
                 "substr(bytes, 5002) AS BLOB) WHERE n = 0 AND checkpoint = (SELECT id FROM "
                 "checkpoint WHERE version = 2)",
                 "WRONG: the checkpoint of version 2 fails its checksum");
}

static void another_click_than_was_learned_from_is_found(void **state)
{
    assert_found(*state, "UPDATE event SET item_id = 'b' WHERE seq = (SELECT max(seq) FROM event)",
                 "WRONG: version 3 does not come out as it was stored");
}

static void a_click_that_is_not_there_is_found(void **state)
{
    assert_found(*state, "DELETE FROM event WHERE seq = (SELECT max(seq) FROM event)",
                 "rows do not agree on the events");
}

static void a_step_that_is_not_there_is_found(void **state)
{
    assert_found(*state, "UPDATE step SET lists = 2 WHERE id = (SELECT max(id) FROM step)",
                 "does not repeat as recorded");
}

static void a_record_that_two_steps_took_is_found(void **state)
{
    /* Between two steps there may be records that led to no list, and no row. */
    assert_found(*state,
                 "UPDATE step SET from_seq = (SELECT s.to_seq - 1 FROM step s WHERE "
                 "s.version = 2) WHERE version = 3",
                 "steps take a record twice (1 times)");
}

static void rows_of_another_model_are_found(void **state)
{
    assert_found(*state, "UPDATE ranking SET model = 7 WHERE seq = (SELECT max(seq) FROM ranking)",
                 "a record's list is of another model");
    assert_found(*state, "UPDATE checkpoint SET model = 7 WHERE version = 1",
                 "a row is of a model that never was");
}

static void a_damaged_page_is_found(void **state)
{
    const struct api_fixture *fixture = *state;
    char to[TEMP_PATH_MAX];
    struct store_backup made;
    temp_folder_path(&fixture->folder, "damaged.db", to);
    assert_ok(store_backup(fixture->path, to, NULL, &made, NULL));
    FILE *file = fopen(to, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 4096L * 5, SEEK_SET), 0);
    for (int i = 0; i < 4096; i++) {
        (void)fputc(0xa5, file);
    }
    assert_int_equal(fclose(file), 0);
    assert_verified(to, EX_DATAERR, "verify:");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VERIFY_TEST(a_stopped_servers_file_is_verified_and_says_what_was_done),
        VERIFY_TEST(what_is_learned_after_an_activation_comes_out_again),
        VERIFY_TEST(a_backup_is_verified_and_nothing_is_left_beside_it),
        VERIFY_TEST(a_file_that_a_server_has_is_left_alone),
        VERIFY_TEST(a_missing_file_is_not_made),
        VERIFY_TEST(a_checkpoint_with_another_byte_is_found),
        VERIFY_TEST(another_click_than_was_learned_from_is_found),
        VERIFY_TEST(a_click_that_is_not_there_is_found),
        VERIFY_TEST(a_step_that_is_not_there_is_found),
        VERIFY_TEST(a_record_that_two_steps_took_is_found),
        VERIFY_TEST(rows_of_another_model_are_found),
        VERIFY_TEST(a_damaged_page_is_found),
    };
    return cmocka_run_group_tests_name("command_verify", tests, api_fixture_group, NULL);
}
