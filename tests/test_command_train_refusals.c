/*
 * What rankd train and rankd eval refuse: each with its exit code, one line, and nothing changed.
 */
#include "json.h"
#include "offline_fixture.h"
#include "store_fixture.h"
#include "test.h"

#include <sysexits.h>

static void command_lines_that_make_no_sense_exit_64(void **state)
{
    struct offline_fixture *f = *state;

    assert_offline_run(f, TRAIN "--pases 3", EX_USAGE, "unknown option --pases");
    assert_offline_run(f, TRAIN "--json=1", EX_USAGE, "unknown option --json=1");
    assert_offline_run(f, TRAIN "extra", EX_USAGE, "extra is one word too many");
    assert_offline_run(f, EVAL "--passes 3", EX_USAGE, "unknown option --passes");
    assert_offline_run(f, TRAIN "--passes 0", EX_USAGE, "--passes takes");
    assert_offline_run(f, TRAIN "--passes 2x", EX_USAGE, "--passes takes");
    assert_offline_run(f, TRAIN "--seed -1", EX_USAGE, "--seed takes");
    assert_offline_run(f, TRAIN "--holdout 1", EX_USAGE, "--holdout takes a number from 0");
    assert_offline_run(f, TRAIN "--holdout -0.1", EX_USAGE, "--holdout takes");
    assert_offline_run(f, TRAIN "--holdout 0.1x", EX_USAGE, "--holdout takes");
    assert_offline_run(f, TRAIN "--holdout nan", EX_USAGE, "--holdout takes");
    assert_offline_run(f, EVAL "--holdout 0.1", EX_USAGE, "unknown option --holdout");
    assert_offline_run(f, TRAIN "--label y", EX_USAGE, "--label and --group go together");
    assert_offline_run(f, EVAL "--group q", EX_USAGE, "--label and --group go together");
    assert_offline_run(f, TRAIN "--item i", EX_USAGE, "--user and --item are columns");
    assert_offline_run(f, TRAIN "--label y --group q --query s", EX_USAGE, "--query is for");
    assert_offline_run(f, TRAIN "--config", EX_USAGE, "--config needs a value");
    assert_offline_run(f, "train --db a.db --data lists", EX_USAGE, "--model is missing");
    assert_offline_run(f, TRAIN, EX_USAGE, "no database a.db");
    assert_offline_run(f, "train --db a.db --model M.x --data lists --config fm.json", EX_USAGE,
                       "name");
    assert_false(temp_file_exists("a.db"));
    fixture_make("a.db");
    assert_offline_run(f, TRAIN, EX_USAGE, "no model \"m\"");
    assert_offline_run(f, EVAL, EX_USAGE, "no model \"m\"");
}

static void help_is_printed_whatever_else_is_there(void **state)
{
    struct offline_fixture *f = *state;

    assert_offline_run(f, "train --db a.db --help", EX_OK, "--passes");
    assert_offline_run(f, "eval --help", EX_OK, "usage: rankd eval");
    assert_null(strstr(f->out, "--passes"));
}

static void files_that_are_not_there_exit_66(void **state)
{
    struct offline_fixture *f = *state;

    assert_offline_run(f, "train --db a.db --model m --data none --config fm.json", EX_NOINPUT,
                       "none: ");
    assert_offline_run(f, TRAIN "--config none.json", EX_NOINPUT, "none.json: ");
    assert_offline_run(f, TRAIN "--config fm.json --query none", EX_NOINPUT, "none: ");
    assert_offline_run(f, EVAL, EX_NOINPUT, "no database a.db");
    assert_false(temp_file_exists("a.db"));
}

static void bad_data_exits_65_and_changes_nothing(void **state)
{
    struct offline_fixture *f = *state;
    uint64_t hash;

    offline_write_text("bad", "1 qid:1 1:1\n0 qid:1 3:1\n");
    assert_offline_run(f, "train --db a.db --model m --data bad --config fm.json", EX_DATAERR,
                       "bad:2: ");
    assert_false(temp_file_exists("a.db"));
    assert_offline_run(f, TRAIN "--config fm.json", EX_OK, "");
    hash = temp_file_hash("a.db");
    assert_offline_run(f, "train --db a.db --model m --data bad", EX_DATAERR,
                       "bad:2: index 3 is outside");
    assert_offline_run(f, "eval --db a.db --model m --data bad", EX_DATAERR, "bad:2: ");
    assert_true(temp_file_hash("a.db") == hash);
    assert_false(temp_file_exists("a.db-wal"));
}

static void lists_with_nothing_to_compare_make_no_version(void **state)
{
    struct offline_fixture *f = *state;

    offline_write_text("lists", "1 qid:1 1:1\n1 qid:1 2:1\n0 qid:2 1:1\n");
    assert_offline_run(f, TRAIN "--config fm.json", EX_DATAERR, "nothing was learned");
    assert_false(temp_file_exists("a.db"));
}

static void configurations_that_differ_or_are_wrong_exit_78(void **state)
{
    struct offline_fixture *f = *state;

    assert_offline_run(f, TRAIN "--config fm.json", EX_OK, "");
    offline_write_text("same.json",
                       "{\"dim\": 4, \"kind\": \"fm\", \"optimizer\": {\"name\": \"adagrad\"}, "
                       "\"features\": {\"size\": 3, \"space\": \"indexed\"}}");
    assert_offline_run(f, TRAIN "--config same.json", EX_OK, "");
    offline_write_text("other.json",
                       "{\"kind\": \"fm\", \"features\": {\"space\": \"indexed\", \"size\": "
                       "3}, \"dim\": 5}");
    assert_offline_run(f, TRAIN "--config other.json", EX_CONFIG, "another configuration");
    offline_write_text("wrong.json", "{\"kind\": \"fm\", \"dims\": 5}");
    assert_offline_run(f, TRAIN "--config wrong.json", EX_CONFIG, "/dims");
    offline_write_text("broken.json", "{\"kind\": ");
    assert_offline_run(f, TRAIN "--config broken.json", EX_CONFIG, "broken.json: ");
}

static void a_database_in_use_exits_75(void **state)
{
    struct offline_fixture *f = *state;
    struct store_lock *lock = NULL;

    assert_offline_run(f, TRAIN "--config fm.json", EX_OK, "");
    assert_ok(store_lock("a.db", &lock, NULL));
    assert_offline_run(f, TRAIN, EX_TEMPFAIL, "a.db is in use");
    assert_offline_run(f, EVAL, EX_TEMPFAIL, "a.db is in use");
    store_unlock(&lock);
    assert_offline_run(f, EVAL, EX_OK, "");
}

static void files_that_are_no_database_of_this_rankd_are_left_alone(void **state)
{
    struct offline_fixture *f = *state;
    uint64_t hash;

    offline_write_text("a.db", "this is no database, and has more than a header's hundred bytes: "
                               "...........................................................");
    hash = temp_file_hash("a.db");
    assert_offline_run(f, TRAIN "--config fm.json", EX_DATAERR, "a.db");
    assert_true(temp_file_hash("a.db") == hash);
    fixture_make("b.db");
    fixture_run_sql("b.db", "PRAGMA user_version = 999");
    assert_offline_run(f, "eval --db b.db --model m --data lists", EX_CONFIG, "newer");
    assert_offline_run(f, "train --db none/b.db --model m --data lists --config fm.json", EX_IOERR,
                       "none");
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, offline_setup, offline_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(command_lines_that_make_no_sense_exit_64),
        TEST(help_is_printed_whatever_else_is_there),
        TEST(files_that_are_not_there_exit_66),
        TEST(bad_data_exits_65_and_changes_nothing),
        TEST(lists_with_nothing_to_compare_make_no_version),
        TEST(configurations_that_differ_or_are_wrong_exit_78),
        TEST(a_database_in_use_exits_75),
        TEST(files_that_are_no_database_of_this_rankd_are_left_alone),
    };
    json_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
