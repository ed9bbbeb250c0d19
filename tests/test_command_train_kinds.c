/*
 * rankd train and rankd eval with every kind of model and every format, lists that are held out,
 * and learning that diverges.
 */
#include "json.h"
#include "offline_fixture.h"
#include "store_fixture.h"
#include "test.h"

#include <sysexits.h>

#define SPACE "\"features\": {\"space\": \"indexed\", \"size\": 3"
#define LISTS 20

/* ---- kinds ---- */

static void every_kind_learns_lists_that_can_be_told_apart(void **state)
{
    struct offline_fixture *f = *state;
    static const char *const configs[] = {
        "{\"kind\": \"fm\", " SPACE "}, \"dim\": 4}",
        "{\"kind\": \"ffm\", " SPACE ", \"fields\": [0, 1, 0]}, \"dim\": 4}",
        "{\"kind\": \"deepfm\", " SPACE ", \"fields\": [0, 1, 2]}, \"dim\": 4, \"hidden\": [8]}",
        "{\"kind\": \"joint\", " SPACE "}, \"dim\": 4, \"hidden\": [8, 4]}",
        "{\"kind\": \"joint\", " SPACE "}, \"dim\": 4, \"hidden\": [8], \"heads\": \"separate\"}",
    };

    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        char line[256];
        offline_write_text("kind.json", configs[i]);
        (void)snprintf(line, sizeof line,
                       "train --db k%zu.db --model m --data lists --config kind.json --passes 30",
                       i);
        assert_offline_run(f, line, EX_OK, "lists      20\n");
        (void)snprintf(line, sizeof line, "eval --db k%zu.db --model m --data lists --json", i);
        assert_offline_run(f, line, EX_OK, "\"unscored\":0");
        assert_close(offline_number(f, "ndcg@10"), 1, 1e-12, 0);
        assert_close(offline_number(f, "auc"), 1, 1e-12, 0);
    }
}

/* Without ids the order is by a hundredth of the click logit: nearly .69 as a probability. */
static void log_loss_of_separate_heads_is_that_of_the_click_head(void **state)
{
    struct offline_fixture *f = *state;

    offline_write_text("kind.json", "{\"kind\": \"joint\", " SPACE "}, \"hidden\": [8], "
                                    "\"heads\": \"separate\", \"alpha\": 0.99}");
    assert_offline_run(f, TRAIN "--config kind.json --passes 30", EX_OK, "");
    assert_offline_run(f, EVAL "--json", EX_OK, "\"version\":1");
    assert_true(offline_number(f, "log_loss") < 0.1);
}

static void a_joint_model_learns_from_ids_in_csv(void **state)
{
    struct offline_fixture *f = *state;
    FILE *file = fopen("lists.csv", "we");

    assert_non_null(file);
    (void)fputs("list,user,item,clicked\n", file);
    for (int i = 0; i < 40; i++) {
        for (int item = 0; item < 4; item++) { /* user u likes item u */
            (void)fprintf(file, "%d,%d,%d,%d\n", i, i % 4, item, i % 4 == item);
        }
    }
    assert_int_equal(fclose(file), 0);
    offline_write_text(
        "joint.json",
        "{\"kind\": \"joint\", \"dim\": 4, \"hidden\": [4], \"users\": {\"space\": "
        "\"indexed\", \"size\": 4}, \"items\": {\"space\": \"indexed\", \"size\": 4}}");
#define COLUMNS " --data lists.csv --label clicked --group list --user user --item item "
    assert_offline_run(f, "train --db a.db --model m --config joint.json --passes 40" COLUMNS,
                       EX_OK, "lists      40\n");
    assert_offline_run(f, "eval --db a.db --model m --json" COLUMNS, EX_OK, "\"items\":160");
    assert_close(offline_number(f, "rr"), 1, 1e-12, 0);
    offline_write_text("lists.csv", "list,user,item,clicked\n1,3,3,0\n1,3,4,1\n");
    assert_offline_run(f, "train --db a.db --model m" COLUMNS, EX_DATAERR, "lists.csv:3: item 1");
#undef COLUMNS
}

static void libffm_has_to_agree_with_the_models_fields(void **state)
{
    struct offline_fixture *f = *state;

    offline_write_text("ffm.json", "{\"kind\": \"ffm\", " SPACE ", \"fields\": [0, 1, 1]}}");
    offline_write_text("lists", "1 qid:1 0:0:1 1:2:1\n0 qid:1 1:1:1\n");
    assert_offline_run(f, TRAIN "--config ffm.json", EX_OK, "updates    1\n");
    offline_write_text("lists", "1 qid:1 0:0:1 1:2:1\n0 qid:1 2:1:1\n");
    assert_offline_run(f, TRAIN, EX_DATAERR,
                       "lists:2: index 1 is of field 2 here, of field 1 in the model");
}

/* ---- teachers ---- */

static void distillation_takes_its_teacher_from_json_alone(void **state)
{
    struct offline_fixture *f = *state;
    FILE *file;

    offline_write_text("student.json", "{\"kind\": \"fm\", " SPACE "}, \"loss\": {\"name\": "
                                       "\"distill_listwise\"}}");
    assert_offline_run(f, TRAIN "--config student.json", EX_DATAERR,
                       "distill_listwise learns from a teacher's scores");
    assert_false(temp_file_exists("a.db"));
    offline_write_text("taught.json", "{\"kind\": \"fm\", " SPACE "}, \"teacher\": \"big\", "
                                      "\"loss\": {\"name\": \"distill_listwise\"}}");
    assert_offline_run(f, TRAIN "--config taught.json", EX_CONFIG, "ask the teacher \"big\"");
    assert_false(temp_file_exists("a.db"));
    file = fopen("lists", "we");
    assert_non_null(file);
    for (int i = 0; i < LISTS; i++) {
        (void)fputs("{\"items\": [{\"id\": \"a\", \"features\": [1], \"teacher\": -2}, {\"id\": "
                    "\"b\", \"features\": [0, 1], \"teacher\": 2, \"label\": 1}]}\n",
                    file);
    }
    assert_int_equal(fclose(file), 0);
    assert_offline_run(f, TRAIN "--config student.json", EX_OK, "lists      20\n");
    assert_offline_run(f, EVAL "--json", EX_OK, "");
    assert_close(offline_number(f, "rr"), 1, 1e-12, 0);
}

/* ---- lists held out ---- */

/* The bytes that the fixture's lists give with this holdout, the labels of list `wrong` changed. */
static struct store_checkpoint train_changed(struct offline_fixture *f, int wrong)
{
    size_t n;
    FILE *file = fopen("lists", "we");

    assert_non_null(file);
    for (int i = 0; i < LISTS; i++) {
        (void)fprintf(file, "%d qid:%d 0:1 2:%d\n0 qid:%d 2:1\n1 qid:%d 1:1\n", i == wrong ? 2 : 0,
                      i, i, i, i);
    }
    assert_int_equal(fclose(file), 0);
    (void)remove("a.db");
    assert_offline_run(f, TRAIN "--config fm.json --holdout 0.3 --passes 2 --seed 5 --json", EX_OK,
                       "\"held_out\":{");
    return offline_newest("a.db", &n);
}

static void nothing_is_learned_from_lists_that_are_held_out(void **state)
{
    struct offline_fixture *f = *state;
    const struct store_checkpoint whole = train_changed(f, -1);
    const double held_out = offline_number_in(f, "held_out", "lists");
    int same = 0;

    assert_true(held_out >= 2 && held_out <= 12); /* 6 are expected; deviation 2 */
    assert_close(offline_number(f, "lists"), LISTS, 0, 0);
    assert_close(offline_number(f, "updates"), 2 * (LISTS - held_out), 0, 0);
    for (int i = 0; i < LISTS; i++) {
        const struct store_checkpoint row = train_changed(f, i);
        same += memcmp(row.sha256, whole.sha256, sizeof row.sha256) == 0 ? 1 : 0;
    }
    assert_int_equal(same, held_out);
}

static void lists_held_out_are_measured_after_training(void **state)
{
    struct offline_fixture *f = *state;

    assert_offline_run(f, TRAIN "--config fm.json --holdout 0.25 --passes 20 --json", EX_OK, "");
    assert_close(offline_number_in(f, "held_out", "ndcg@10"), 1, 1e-12, 0);
    assert_close(offline_number_in(f, "held_out", "auc"), 1, 1e-12, 0);
    assert_offline_run(f, TRAIN "--holdout 0.25", EX_OK,
                       "lists held out, scored after training:\n");
    assert_non_null(strstr(f->out, "NDCG@10    1.0000  over "));
}

static void a_larger_part_holds_out_more_and_none_is_none(void **state)
{
    struct offline_fixture *f = *state;
    double before = 0;

    offline_write_lists("lists", 200);
    for (int tenths = 1; tenths <= 9; tenths++) {
        char line[128];
        double now;
        (void)snprintf(line, sizeof line, TRAIN "--config fm.json --json --holdout 0.%d", tenths);
        assert_offline_run(f, line, EX_OK, "");
        now = offline_number_in(f, "held_out", "lists");
        assert_true(now > before);
        assert_close(now, 20 * tenths, 0, 28); /* 4 deviations of a binomial */
        before = now;
    }
    assert_offline_run(f, TRAIN "--holdout 0 --json", EX_OK, "");
    assert_null(strstr(f->out, "held_out"));
    assert_offline_run(f, TRAIN "--holdout 0.9999999", EX_DATAERR, "all 200 lists are held out");
}

/* ---- divergence ---- */

/* An item that was clicked and was not: with steps this large each update overshoots the last. */
static void write_wild(const char *lists, const char *value)
{
    FILE *file = fopen(lists, "we");

    assert_non_null(file);
    for (int i = 0; i < LISTS; i++) {
        (void)fprintf(file, "1 qid:%d 0:%s 1:%s\n0 qid:%d 0:%s 1:%s\n", i, value, value, i, value,
                      value);
    }
    assert_int_equal(fclose(file), 0);
    offline_write_text("wild.json", "{\"kind\": \"fm\", " SPACE "}, \"loss\": {\"name\": "
                                    "\"bce_with_logits\"}, \"optimizer\": {\"name\": \"sgd\", "
                                    "\"learning_rate\": 1000}}");
}

static void no_version_is_stored_where_most_updates_diverge(void **state)
{
    struct offline_fixture *f = *state;
    uint64_t hash;
    size_t n;

    write_wild("lists", "1e6");
    assert_offline_run(f, TRAIN "--config wild.json --passes 2", EX_DATAERR, "updates diverged");
    assert_non_null(strstr(f->error, "no version is stored"));
    assert_false(temp_file_exists("a.db"));
    write_wild("tame", "1e-6");
    assert_offline_run(f, "train --db a.db --model m --data tame --config wild.json", EX_OK, "");
    hash = temp_file_hash("a.db");
    assert_offline_run(f, TRAIN "--passes 2", EX_DATAERR, "updates diverged");
    assert_true(temp_file_hash("a.db") == hash);
    assert_int_equal(offline_newest("a.db", &n).version, 1);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, offline_setup, offline_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_kind_learns_lists_that_can_be_told_apart),
        TEST(log_loss_of_separate_heads_is_that_of_the_click_head),
        TEST(a_joint_model_learns_from_ids_in_csv),
        TEST(libffm_has_to_agree_with_the_models_fields),
        TEST(distillation_takes_its_teacher_from_json_alone),
        TEST(nothing_is_learned_from_lists_that_are_held_out),
        TEST(lists_held_out_are_measured_after_training),
        TEST(a_larger_part_holds_out_more_and_none_is_none),
        TEST(no_version_is_stored_where_most_updates_diverge),
    };
    json_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
