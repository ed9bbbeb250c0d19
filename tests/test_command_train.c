/*
 * rankd train and rankd eval: what is learned, measured and stored.
 */
#include "json.h"
#include "offline_fixture.h"
#include "store_fixture.h"
#include "test.h"

#include <sysexits.h>
#include <unistd.h>

#define REAL_FOLDER "../shared/data/lightgbm_rank"

/* ---- learning ---- */

static void train_makes_the_model_and_eval_sees_what_it_learned(void **state)
{
    struct offline_fixture *f = *state;
    double first;

    assert_offline_run(f, TRAIN "--config fm.json --passes=5 --json", EX_OK, "\"model\":\"m\"");
    assert_close(offline_number(f, "version"), 1, 0, 0);
    assert_close(offline_number(f, "lists"), 20, 0, 0);
    assert_close(offline_number(f, "items"), 60, 0, 0);
    assert_close(offline_number(f, "pairs"), 40, 0, 0);
    assert_close(offline_number(f, "updates"), 100, 0, 0);
    assert_close(offline_number(f, "diverged"), 0, 0, 0);
    assert_true(offline_number(f, "lists_per_s") > 0);
    first = offline_number(f, "loss");
    assert_offline_run(f, EVAL "--json", EX_OK, "\"version\":1");
    assert_close(offline_number(f, "ndcg@10"), 1, 1e-12, 0);
    assert_close(offline_number(f, "auc"), 1, 1e-12, 0);
    assert_offline_run(f, TRAIN "--json", EX_OK, "\"version\":2");
    assert_true(offline_number(f, "loss") < first);
    assert_string_equal(f->error, "");
}

static void both_print_a_table_without_json(void **state)
{
    struct offline_fixture *f = *state;

    assert_offline_run(f, TRAIN "--config fm.json", EX_OK, "lists      20\n");
    assert_non_null(strstr(f->out, "lists/s"));
    assert_offline_run(f, EVAL, EX_OK, "version    1\n");
    assert_non_null(strstr(f->out, "NDCG@10    1.0000  over 20 lists\n"));
}

static void a_first_pass_starts_from_scores_of_zero(void **state)
{
    struct offline_fixture *f = *state;

    /* One list: it is scored before anything is learned, in input order, the good item last. */
    offline_write_lists("lists", 1);
    assert_offline_run(f, TRAIN "--config fm.json --json", EX_OK, "\"version\":1");
    assert_close(offline_number(f, "rr"), 1.0 / 3, 1e-12, 0);
    assert_close(offline_number(f, "auc"), 0.5, 1e-12, 0);
    assert_close(offline_number(f, "log_loss"), log(2), 1e-12, 0);
}

static void a_version_is_stored_with_source_parent_and_position(void **state)
{
    struct offline_fixture *f = *state;
    struct store_checkpoint row;
    size_t n;

    assert_offline_run(f, TRAIN "--config fm.json", EX_OK, "");
    assert_offline_run(f, TRAIN "--config fm.json", EX_OK, "");
    row = offline_newest("a.db", &n);
    assert_int_equal(n, 3);
    assert_string_equal(store_source_text(row.source), "file");
    assert_int_equal(row.version, 2);
    assert_int_equal(row.parent, 1);
    assert_int_equal(row.seq, fixture_read_number("a.db", "SELECT max(seq) FROM log"));
    assert_true(row.bytes > 0);
    assert_int_equal(fixture_read_number("a.db", "SELECT count(*) FROM checkpoint_chunk"), 2);
    assert_false(temp_file_exists("a.db-wal"));
}

static void data_configuration_and_seed_decide_every_byte(void **state)
{
    struct offline_fixture *f = *state;
    struct store_checkpoint row[3];
    size_t n;

    assert_offline_run(f, TRAIN "--config fm.json --passes 3", EX_OK, "");
    assert_offline_run(
        f, "train --db b.db --model m --data lists --config fm.json --passes 3 --seed 1", EX_OK,
        "");
    assert_offline_run(
        f, "train --db c.db --model m --data lists --config fm.json --passes 3 --seed 2", EX_OK,
        "");
    row[0] = offline_newest("a.db", &n);
    row[1] = offline_newest("b.db", &n);
    row[2] = offline_newest("c.db", &n);
    assert_memory_equal(row[0].sha256, row[1].sha256, sizeof row[0].sha256);
    assert_memory_not_equal(row[0].sha256, row[2].sha256, sizeof row[0].sha256);
}

static void lists_of_json_train_a_hashed_model(void **state)
{
    struct offline_fixture *f = *state;
    FILE *file = fopen("lists.ndjson", "we");

    assert_non_null(file);
    for (int i = 0; i < 30; i++) {
        (void)fprintf(file,
                      "{\"user\": {\"id\": \"u%d\"}, \"items\": [{\"id\": \"a\"}, "
                      "{\"id\": \"b\", \"label\": 1}, {\"id\": \"c%d\"}]}\n",
                      i % 5, i % 4);
    }
    assert_int_equal(fclose(file), 0);
    offline_write_text("hashed.json", "{\"kind\": \"fm\", \"features\": {\"bits\": 15}}");
    assert_offline_run(
        f, "train --db a.db --model m --data lists.ndjson --config hashed.json --passes 4", EX_OK,
        "lists      30\n");
    assert_offline_run(f, "eval --db a.db --model m --data lists.ndjson --json", EX_OK, "");
    assert_close(offline_number(f, "rr"), 1, 1e-12, 0);
    assert_true(fixture_read_number("a.db", "SELECT count(*) FROM checkpoint_chunk") > 3);
}

static void eval_of_version_0_scores_nothing(void **state)
{
    struct offline_fixture *f = *state;
    char config[] = "{\"kind\": \"fm\", \"features\": {\"space\": \"indexed\", \"size\": 3}}";
    char metrics[] = "{}";
    struct store_model model = {.name = "m", .config = config, .time_ms = 1};
    struct store_checkpoint init = {.id = 1, .model = 1, .time_ms = 1, .metrics = metrics};
    struct store *store = fixture_open("a.db");

    assert_ok(store_begin(store, NULL));
    assert_ok(store_put_model(store, &model, NULL));
    init.seq = init.due_seq = model.seq;
    assert_ok(store_put_checkpoint(store, &init, NULL));
    assert_ok(store_commit(store, NULL));
    store_close(&store);
    assert_offline_run(f, EVAL "--json", EX_OK, "\"version\":0");
    assert_close(offline_number(f, "rr"), 1.0 / 3, 1e-12, 0);
    assert_close(offline_number(f, "log_loss"), log(2), 1e-12, 0);
}

/* Puts a list into the log as a server would that was stopped before it learned from it. */
static void put_batch(const char *db)
{
    const char *payload = "{\"items\":[{\"id\":\"a\",\"features\":{\"0\":1},\"label\":1},"
                          "{\"id\":\"b\",\"features\":{\"1\":1}}]}";
    const size_t length = strlen(payload);
    struct store_batch batch = {
        .model = 1, .payload = &payload, .payload_n = &length, .n = 1, .items = 2};
    struct store *store = fixture_open(db);

    assert_ok(store_begin(store, NULL));
    assert_ok(store_put_batch(store, &batch, 1, NULL));
    assert_ok(store_commit(store, NULL));
    store_close(&store);
}

static void what_the_log_still_holds_is_learned_first(void **state)
{
    struct offline_fixture *f = *state;
    struct store_checkpoint row;
    size_t n;

    assert_offline_run(f, TRAIN "--config fm.json", EX_OK, "");
    put_batch("a.db");
    assert_offline_run(f, TRAIN "--json", EX_OK, "\"version\":3");
    row = offline_newest("a.db", &n);
    assert_int_equal(row.seq, fixture_read_number("a.db", "SELECT max(seq) FROM log"));
    assert_int_equal(row.step, 1);
    assert_int_equal(fixture_read_number("a.db", "SELECT count(*) FROM step WHERE lists = 1 AND "
                                                 "version = 2 AND outcome = 'published'"),
                     1);
}

static void a_paused_model_keeps_its_place_in_the_log(void **state)
{
    struct offline_fixture *f = *state;
    struct store *store;
    int64_t before;
    size_t n;

    assert_offline_run(f, TRAIN "--config fm.json", EX_OK, "");
    before = offline_newest("a.db", &n).seq;
    put_batch("a.db");
    store = fixture_open("a.db");
    assert_ok(store_begin(store, NULL));
    assert_ok(store_set_paused(store, 1, true, 1, NULL));
    assert_ok(store_commit(store, NULL));
    store_close(&store);
    assert_offline_run(f, TRAIN "--json", EX_OK, "\"version\":2");
    assert_int_equal(offline_newest("a.db", &n).seq, before); /* resume catches up from here */
    assert_int_equal(fixture_read_number("a.db", "SELECT count(*) FROM step"), 0);
}

/* ---- real data ---- */

static void real_data_reaches_the_reference(void **state)
{
    struct offline_fixture *f = *state;
    char folder[2 * PATH_MAX], line[8 * PATH_MAX];

    (void)snprintf(folder, sizeof folder, "%s/%s", f->home, REAL_FOLDER);
    if (access(folder, R_OK) != 0) {
        (void)printf("SKIP: there is no %s\n", REAL_FOLDER);
        skip();
    }
    offline_write_text("rank.json",
                       "{\"kind\": \"fm\", \"features\": {\"space\": \"indexed\", \"size\": "
                       "301}, \"dim\": 8, \"optimizer\": {\"name\": \"adagrad\", "
                       "\"learning_rate\": 0.05}}");
    (void)snprintf(line, sizeof line,
                   "train --db a.db --model m --data %s/rank.train --config rank.json --passes 20",
                   folder);
    assert_offline_run(f, line, EX_OK, "lists      201\n");
    (void)snprintf(line, sizeof line, "eval --db a.db --model m --data %s/rank.test --json",
                   folder);
    assert_offline_run(f, line, EX_OK, "\"lists\":50");
    assert_close(offline_number(f, "items"), 768, 0, 0);
    (void)printf("NDCG@10 %.4f, the reference has .737\n", offline_number(f, "ndcg@10"));
    assert_true(offline_number(f, "ndcg@10") >= 0.70);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, offline_setup, offline_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(train_makes_the_model_and_eval_sees_what_it_learned),
        TEST(both_print_a_table_without_json),
        TEST(a_first_pass_starts_from_scores_of_zero),
        TEST(a_version_is_stored_with_source_parent_and_position),
        TEST(data_configuration_and_seed_decide_every_byte),
        TEST(lists_of_json_train_a_hashed_model),
        TEST(eval_of_version_0_scores_nothing),
        TEST(what_the_log_still_holds_is_learned_first),
        TEST(a_paused_model_keeps_its_place_in_the_log),
        TEST(real_data_reaches_the_reference),
    };
    json_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
