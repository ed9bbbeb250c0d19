/*
 * A service whose storage fails: what requests are told, that scoring goes on, and that writing goes
 * on by itself once it can.
 */
#include "api_fixture.h"
#include "fault_vfs.h"
#include "learning_fixture.h"
#include "store_fixture.h"
#include "test.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#define RETRY_MS 20
#define WAIT_MS  1000

/* ---- fixture ---- */

static int setup(void **state)
{
    struct api_fixture *fixture;

    fault_start();
    (void)api_fixture_setup(state);
    fixture = *state;
    api_fixture_stop(fixture);
    fixture->service.options.storage_retry_ms = RETRY_MS;
    fixture->service.options.storage_wait_ms = WAIT_MS;
    fixture->service.options.log_days = 0; /* retention would meet the faults */
    api_fixture_start(fixture);
    return 0;
}

static int teardown(void **state)
{
    fault_end();
    (void)api_fixture_teardown(state);
    fault_stop();
    return 0;
}

#define STORAGE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct answer *score(struct api_fixture *fixture, const char *ranking)
{
    return postf(fixture, "/v1/score", "{\"ranking_id\": \"%s\", \"items\": [\"a\", \"b\"]}",
                 ranking);
}

static const struct answer *click(struct api_fixture *fixture, const char *ranking)
{
    return postf(fixture, "/v1/feedback",
                 "{\"event_id\": \"e-%s\", \"ranking_id\": \"%s\", \"item_id\": \"a\", \"type\": "
                 "\"click\"}",
                 ranking, ranking);
}

static bool works(void *context)
{
    return get(context, "/readyz/feedback")->status == 200;
}

static bool is_down(void *context)
{
    return writer_trouble(((struct api_fixture *)context)->service.writer) != STORE_FINE;
}

/* The status of the one event of an answer. */
static const char *told(const struct answer *answer)
{
    assert_answered(answer, 200);
    return text_at(answer, "/results/0/status");
}

static int64_t events_stored(const struct api_fixture *fixture, const char *id)
{
    char text[128];

    (void)snprintf(text, sizeof text, "SELECT count(*) FROM event WHERE event_id = '%s'", id);
    return fixture_read_number(fixture->path, text);
}

static uint64_t errors(const struct api_fixture *fixture, enum store_trouble trouble)
{
    return atomic_load(&fixture->service.metrics->counter[METRIC_STORAGE_ERRORS + trouble]);
}

/* Starts on an empty folder, so that there is something to tear down. */
static void start_anew(struct api_fixture *fixture)
{
    temp_folder_remove(&fixture->folder);
    assert_int_equal(mkdir(fixture->folder.path, 0700), 0);
    api_fixture_start(fixture);
}

/* ---- what is told ---- */

struct told {
    enum fault_kind kind;
    enum store_trouble trouble;
    int status;
    const char *slug;
    int retry_after_s;
};

static const struct told told_of[] = {
    {FAULT_FULL, STORE_FULL, 507, "storage-full", 30},
    {FAULT_SHORT, STORE_FULL, 507, "storage-full", 30},
    {FAULT_READ_ONLY, STORE_READ_ONLY, 503, "storage-read-only", 30},
    {FAULT_IO, STORE_FAILED, 503, "storage-error", 5},
    {FAULT_SYNC, STORE_UNSYNCED, 503, "storage-error", 5},
};

/* Health while it is down. */
static void assert_down(struct api_fixture *fixture, const struct told *told)
{
    char series[80];
    const struct answer *answer = get(fixture, "/readyz");

    assert_answered(answer, 200);
    assert_string_equal(text_at(answer, "/feedback"), "down");
    assert_string_equal(text_at(answer, "/storage"), store_trouble_text(told->trouble));
    answer = get(fixture, "/readyz/feedback");
    assert_answered(answer, 503);
    assert_int_equal(answer->retry_after_s, told->retry_after_s);
    (void)snprintf(series, sizeof series, "rankd_storage_state{state=\"%s\"} 1\n",
                   store_trouble_text(told->trouble));
    assert_non_null(strstr(get(fixture, "/metrics")->text, series));
    assert_true(errors(fixture, told->trouble) > 0);
}

static void storage_that_fails_is_told_and_gone_on_with_once_it_works(void **state)
{
    struct api_fixture *fixture = *state;

    for (size_t i = 0; i < sizeof told_of / sizeof *told_of; i++) {
        const struct told *told_now = &told_of[i];
        const struct answer *answer;
        char before[16], during[16];
        (void)snprintf(before, sizeof before, "before%zu", i);
        (void)snprintf(during, sizeof during, "during%zu", i);
        assert_answered(score(fixture, before), 200);
        (void)log_end(fixture);
        fault_arm(told_now->kind, 1, true);
        answer = click(fixture, before);
        assert_problem(answer, told_now->status, told_now->slug);
        assert_int_equal(answer->retry_after_s, told_now->retry_after_s);
        await(is_down, fixture);
        assert_problem(click(fixture, before), told_now->status, told_now->slug); /* at once */
        if (told_now->kind !=
            FAULT_IO) { /* with it ids that were used before cannot be looked up */
            assert_false(is_at(score(fixture, during), "/logged")); /* which says "false" alone */
        }
        assert_down(fixture, told_now);
        fault_end();
        await(works, fixture);
        assert_string_equal(told(click(fixture, before)), "accepted");
        if (told_now->kind != FAULT_IO) {
            assert_string_equal(told(click(fixture, during)), "accepted");
        }
    }
}

static void ranking_of_a_transaction_that_failed_is_in_the_next_one(void **state)
{
    struct api_fixture *fixture = *state;
    fault_arm(FAULT_FULL, 1, true);
    assert_false(is_at(score(fixture, "r"), "/logged")); /* which says "false" alone */
    await(is_down, fixture);
    assert_false(flag_at(score(fixture, "r"), "/logged")); /* its id is still known as used */
    fault_end();
    await(works, fixture);
    assert_string_equal(told(click(fixture, "r")), "accepted");
    assert_int_equal(atomic_load(&fixture->service.metrics->counter[METRIC_RANKINGS_SHED]), 0);
}

static bool one_was_shed(void *context)
{
    const struct metrics *metrics = ((struct api_fixture *)context)->service.metrics;
    return atomic_load(&metrics->counter[METRIC_RANKINGS_SHED]) == 1;
}

static void ranking_that_the_schema_refuses_is_shed_and_holds_nobody_up(void **state)
{
    struct api_fixture *fixture = *state;
    fixture_run_sql(fixture->path, "CREATE TRIGGER refuse BEFORE INSERT ON ranking WHEN "
                                   "NEW.ranking_id = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END");
    assert_answered(score(fixture, "bad"), 200);
    await(one_was_shed, fixture);
    assert_string_equal(text_at(get(fixture, "/readyz"), "/storage"), "ok");
    assert_answered(score(fixture, "good"), 200);
    assert_string_equal(told(click(fixture, "good")), "accepted");
}

static void event_whose_sync_failed_counts_once_when_it_is_sent_again(void **state)
{
    struct api_fixture *fixture = *state;
    const char *status;
    assert_answered(score(fixture, "r"), 200);
    (void)log_end(fixture);
    fault_arm(FAULT_SYNC, 1, false);
    assert_problem(click(fixture, "r"), 503, "storage-error");
    await(works, fixture);
    assert_int_equal(errors(fixture, STORE_UNSYNCED), 1);
    status = told(click(fixture, "r"));
    assert_true(strcmp(status, "accepted") == 0 || strcmp(status, "duplicate") == 0);
    assert_int_equal(events_stored(fixture, "e-r"), 1);
}

static void commands_to_models_are_told_what_storage_is(void **state)
{
    struct api_fixture *fixture = *state;
    fault_arm(FAULT_FULL, 1, true);
    assert_problem(put(fixture, "/v1/models/m", "{\"kind\": \"fm\"}"), 507, "storage-full");
    assert_problem(ask(fixture, "POST", "/v1/models/default/pause", NULL, NULL), 507,
                   "storage-full");
    assert_problem(put(fixture, "/v1/items/i", "{\"features\": {\"x\": 1}}"), 507, "storage-full");
    assert_problem(post(fixture, "/v1/batches",
                        "{\"groups\": [{\"items\": [{\"id\": \"a\", \"label\": 1}, \"b\"]}]}"),
                   507, "storage-full");
    fault_end();
    await(works, fixture);
    assert_answered(put(fixture, "/v1/models/m", "{\"kind\": \"fm\"}"), 201);
    assert_problem(get(fixture, "/v1/items/i"), 404, "unknown-item");
}

/* ---- slow ---- */

static void request_waits_for_a_disk_that_hangs_no_longer_than_it_may(void **state)
{
    struct api_fixture *fixture = *state;
    assert_answered(score(fixture, "r"), 200);
    (void)log_end(fixture);
    fault_arm(FAULT_HANG, 1, true);
    assert_problem(click(fixture, "r"), 503, "storage-slow");
    assert_answered(score(fixture, "other"), 200);
    await(is_down, fixture);
    assert_problem(click(fixture, "r"), 503, "storage-slow"); /* at once */
    assert_problem(get(fixture, "/v1/rankings/none"), 503, "storage-slow");
    assert_string_equal(text_at(get(fixture, "/readyz"), "/storage"), "slow");
    assert_int_equal(events_stored(fixture, "e-r"), 0);
    fault_end();
    await(works, fixture);
    assert_string_equal(told(click(fixture, "r")), "duplicate"); /* it was stored after all */
    assert_int_equal(events_stored(fixture, "e-r"), 1);
}

static void late_answer_and_late_commit_leave_catalogue_and_file_the_same(void **state)
{
    struct api_fixture *fixture = *state;
    fault_arm(FAULT_HANG, 1, true);
    assert_problem(put(fixture, "/v1/items/i", "{\"features\": {\"x\": 1}}"), 503, "storage-slow");
    fault_end();
    await(works, fixture);
    assert_answered(get(fixture, "/v1/items/i"), 200);
    assert_non_null(
        strstr(get(fixture, "/metrics")->text, "rankd_catalogue_entries{side=\"item\"} 1\n"));
}

/* ---- lost ---- */

static void nothing_is_taken_into_a_file_that_was_moved_away(void **state)
{
    struct api_fixture *fixture = *state;
    char aside[TEMP_PATH_MAX];
    temp_folder_path(&fixture->folder, "aside.db", aside);
    assert_answered(score(fixture, "r"), 200);
    (void)log_end(fixture);
    assert_int_equal(rename(fixture->path, aside), 0);
    assert_problem(click(fixture, "r"), 503, "storage-lost");
    assert_answered(score(fixture, "other"), 200);
    assert_string_equal(text_at(get(fixture, "/readyz"), "/storage"), "lost");
    assert_int_equal(rename(aside, fixture->path), 0);
    await(works, fixture);
    assert_string_equal(told(click(fixture, "r")), "accepted");
    assert_string_equal(told(click(fixture, "other")), "accepted");
}

static void file_of_another_life_is_not_taken_for_the_own(void **state)
{
    static const char other[] = "somebody else's";
    struct api_fixture *fixture = *state;
    uint64_t hash;
    assert_answered(score(fixture, "r"), 200);
    (void)log_end(fixture);
    assert_int_equal(unlink(fixture->path), 0);
    temp_file_write(fixture->path, other, sizeof other);
    hash = temp_file_hash(fixture->path);
    assert_problem(click(fixture, "r"), 503, "storage-lost");
    await(is_down, fixture);
    assert_problem(click(fixture, "r"), 503, "storage-lost");
    api_fixture_stop(fixture);
    assert_true(temp_file_hash(fixture->path) == hash);
    start_anew(fixture);
}

static void write_ahead_log_that_was_removed_is_noticed_without_a_request(void **state)
{
    struct api_fixture *fixture = *state;
    char log[TEMP_PATH_MAX];
    temp_folder_path(&fixture->folder, "rankd.db-wal", log);
    assert_int_equal(unlink(log), 0);
    await(is_down, fixture);
    assert_problem(put(fixture, "/v1/items/i", "{\"features\": {\"x\": 1}}"), 503, "storage-lost");
}

/* ---- busy ---- */

static void lock_of_another_program_is_waited_for_then_told_then_got_over(void **state)
{
    struct api_fixture *fixture = *state;
    sqlite3 *other = NULL;
    assert_answered(score(fixture, "r"), 200);
    (void)log_end(fixture);
    fixture->service.options.storage_wait_ms = 60000; /* the lock's own wait is 2 s */
    api_fixture_stop(fixture);
    api_fixture_start(fixture);
    assert_int_equal(sqlite3_open(fixture->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_problem(click(fixture, "r"), 503, "storage-busy");
    assert_problem(click(fixture, "r"), 503, "storage-busy");
    assert_answered(score(fixture, "other"), 200);
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    await(works, fixture);
    assert_string_equal(told(click(fixture, "r")), "accepted");
}

/* ---- damaged ---- */

/* Overwrites n pages from one on, from 0, or all to the end. */
static void damage(const char *path, off_t first, off_t n)
{
    char page[4096];
    const int file = open(path, O_RDWR);
    memset(page, 0x5a, sizeof page);
    assert_true(file >= 0);
    const off_t size = (off_t)sizeof page, pages = lseek(file, 0, SEEK_END) / size;
    for (off_t i = first; i < pages && i < first + n; i++) {
        assert_int_equal(pwrite(file, page, sizeof page, i * size), sizeof page);
    }
    (void)close(file);
}

static void damage_that_is_found_while_reading_ends_all_writing(void **state)
{
    struct api_fixture *fixture = *state;
    assert_answered(score(fixture, "r"), 200);
    (void)log_end(fixture);
    api_fixture_stop(fixture); /* so that all is in the file */
    api_fixture_start(fixture);
    assert_answered(score(fixture, "logged"), 200);
    (void)log_end(fixture); /* what is in the write-ahead log is left there */
    damage(fixture->path, 1, INT32_MAX);
    (void)get(fixture, "/v1/users");
    await(is_down, fixture);
    assert_problem(click(fixture, "r"), 503, "storage-corrupt");
    assert_answered(score(fixture, "other"), 200);
    assert_string_equal(text_at(get(fixture, "/readyz"), "/storage"), "corrupt");
    assert_problem(ask(fixture, "POST", "/v1/models/default/pause", NULL, NULL), 503,
                   "storage-corrupt");
    const uint64_t hash = temp_file_hash(fixture->path);
    api_fixture_stop(fixture);
    assert_true(temp_file_hash(fixture->path) == hash); /* evidence */
    start_anew(fixture);
}

static bool is_corrupt(void *context)
{
    return writer_trouble(((struct api_fixture *)context)->service.writer) == STORE_DAMAGED;
}

static void failed_sync_is_got_over_only_with_a_file_that_is_seen_to_be_whole(void **state)
{
    struct api_fixture *fixture = *state;
    /* One that a new connection and a write do not come across. */
    const off_t page = fixture_read_number(
        fixture->path, "SELECT rootpage FROM sqlite_schema WHERE name = 'checkpoint_chunk'");
    assert_answered(score(fixture, "r"), 200);
    (void)log_end(fixture);
    fault_arm(FAULT_SYNC, 1, true);
    assert_problem(click(fixture, "r"), 503, "storage-error");
    await(is_down, fixture);
    damage(fixture->path, page - 1, 1);
    fault_end();
    await(is_corrupt, fixture);
    assert_problem(click(fixture, "r"), 503, "storage-corrupt");
    api_fixture_stop(fixture);
    start_anew(fixture);
}

/* ---- the end ---- */

static void service_whose_storage_is_down_can_be_stopped(void **state)
{
    struct api_fixture *fixture = *state;
    fault_arm(FAULT_IO, 1, true);
    assert_answered(click(fixture, "r"), 503);
    assert_answered(score(fixture, "s"), 200);
    api_fixture_stop(fixture);
    fault_end();
    api_fixture_start(fixture);
    score_and_click(fixture, "t");
}

static void writing_that_fails_each_time_it_looked_well_does_not_hold_up_the_end(void **state)
{
    struct api_fixture *fixture = *state;
    fault_arm(FAULT_FULL, 1, true);
    assert_answered(score(fixture, "r"), 200);
    await(is_down, fixture);
    fault_end();
    /* From now on a look finds nothing, and every ranking fails as if storage had. */
    fixture_run_sql(fixture->path, "ALTER TABLE ranking RENAME TO away");
    api_fixture_stop(fixture);
    fixture_run_sql(fixture->path, "ALTER TABLE away RENAME TO ranking");
    api_fixture_start(fixture);
}

static void ranking_that_waits_for_storage_is_written_at_the_end(void **state)
{
    struct api_fixture *fixture = *state;
    fixture->service.options.storage_retry_ms = 60000;
    api_fixture_stop(fixture);
    api_fixture_start(fixture);
    fault_arm(FAULT_FULL, 1, true);
    assert_answered(score(fixture, "r"), 200);
    await(is_down, fixture);
    fault_end();
    api_fixture_stop(fixture);
    api_fixture_start(fixture);
    assert_string_equal(told(click(fixture, "r")), "accepted");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORAGE_TEST(storage_that_fails_is_told_and_gone_on_with_once_it_works),
        STORAGE_TEST(ranking_of_a_transaction_that_failed_is_in_the_next_one),
        STORAGE_TEST(ranking_that_the_schema_refuses_is_shed_and_holds_nobody_up),
        STORAGE_TEST(event_whose_sync_failed_counts_once_when_it_is_sent_again),
        STORAGE_TEST(commands_to_models_are_told_what_storage_is),
        STORAGE_TEST(request_waits_for_a_disk_that_hangs_no_longer_than_it_may),
        STORAGE_TEST(late_answer_and_late_commit_leave_catalogue_and_file_the_same),
        STORAGE_TEST(nothing_is_taken_into_a_file_that_was_moved_away),
        STORAGE_TEST(file_of_another_life_is_not_taken_for_the_own),
        STORAGE_TEST(write_ahead_log_that_was_removed_is_noticed_without_a_request),
        STORAGE_TEST(lock_of_another_program_is_waited_for_then_told_then_got_over),
        STORAGE_TEST(damage_that_is_found_while_reading_ends_all_writing),
        STORAGE_TEST(failed_sync_is_got_over_only_with_a_file_that_is_seen_to_be_whole),
        STORAGE_TEST(service_whose_storage_is_down_can_be_stopped),
        STORAGE_TEST(writing_that_fails_each_time_it_looked_well_does_not_hold_up_the_end),
        STORAGE_TEST(ranking_that_waits_for_storage_is_written_at_the_end),
    };
    return cmocka_run_group_tests(tests, api_fixture_group, NULL);
}
