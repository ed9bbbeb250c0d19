/*
 * Labelled files: what comes out of good ones, and where bad ones are said to be wrong.
 */
#include "datafile_fixture.h"
#include "json.h"
#include "store_fixture.h"
#include "test.h"

#include <unistd.h>

#define REAL_DATA "../shared/data/lightgbm_rank/rank.train"

static void write_text(const char *path, const char *text)
{
    temp_file_write(path, text, strlen(text));
}

/* ---- libsvm ---- */

static void runs_of_equal_qid_are_lists(void **state)
{
    struct datafile_fixture *f = *state;

    assert_datafile_read(f, "2 qid:7 0:1.5 9:-2\n0 qid:7 3:1e-1\n31 qid:8\n0 qid:7 1:4\n");
    assert_int_equal(f->data.n, 3);
    assert_int_equal(f->data.items, 4);
    assert_int_equal(f->data.group[0]->n_items, 2);
    assert_datafile_row(f->data.group[0], 0, NULL, 0);
    assert_datafile_row(f->data.group[0], 1, (double[]){0, 1.5, 9, -2}, 2);
    assert_datafile_row(f->data.group[0], 2, (double[]){3, 0.1}, 1);
    assert_close((double)f->data.group[0]->label[0], 2, 0, 0);
    assert_close((double)f->data.group[1]->label[0], 31, 0, 0);
    assert_close((double)f->data.group[0]->weight[1], 1, 0, 0);
    assert_datafile_row(f->data.group[2], 1, (double[]){1, 4}, 1);
}

static void sizes_beside_the_data_make_lists(void **state)
{
    struct datafile_fixture *f = *state;

    write_text(f->sizes, "1\n\n 2 \r\n");
    assert_datafile_read(f, "1 1:1\n0 1:2\n1 1:3");
    assert_int_equal(f->data.n, 2);
    assert_int_equal(f->data.group[0]->n_items, 1);
    assert_int_equal(f->data.group[1]->n_items, 2);
    assert_datafile_row(f->data.group[1], 2, (double[]){1, 3}, 1);
}

static void sizes_that_are_named_win_over_qid(void **state)
{
    struct datafile_fixture *f = *state;
    char named[TEMP_PATH_MAX];

    temp_folder_path(&f->folder, "named", named);
    write_text(named, "3\n");
    assert_datafile_read(f, "1 qid:1 1:1\n0 qid:2 1:2\n1 qid:3 1:3\n");
    assert_int_equal(f->data.n, 3);
    f->options.sizes = named;
    assert_datafile_read(f, "1 qid:1 1:1\n0 qid:2 1:2\n1 qid:3 1:3\n");
    assert_int_equal(f->data.n, 1);
}

static void comments_blank_lines_and_line_ends_do_not_count(void **state)
{
    struct datafile_fixture *f = *state;

    assert_datafile_read(
        f, "# head qid:9\n\n1 qid:1 2:3 # docid = 5\r\n  \t\n0\tqid:1\t1:1\t \n#tail");
    assert_int_equal(f->data.n, 1);
    assert_int_equal(f->data.items, 2);
    assert_datafile_row(f->data.group[0], 1, (double[]){2, 3}, 1);
    assert_datafile_row(f->data.group[0], 2, (double[]){1, 1}, 1);
    assert_datafile_refused(f, "# only this\n", 0, "no list");
}

static void a_hashed_model_takes_the_index_as_the_name_of_a_number(void **state)
{
    struct datafile_fixture *f = *state;
    const struct rk_feature feature = rk_feature_number(RK_ITEM, "123", 3, 2.5F);
    uint32_t row;

    f->config.features = (struct rk_space){.kind = RK_HASHED, .bits = 18};
    assert_ok(rk_space_row(&f->config.features, &feature, &row, NULL));
    assert_datafile_read(f, "1 qid:1 123:2.5\n");
    assert_datafile_row(f->data.group[0], 1, (double[]){row, 2.5}, 1);
    assert_true(f->data.group[0]->name[0] == feature.name);
    assert_int_equal(f->data.group[0]->n_numbers, 1);
}

static void bad_rows_are_refused_with_line_and_reason(void **state)
{
    struct datafile_fixture *f = *state;
    static const struct {
        const char *row;
        const char *words;
    } cases[] = {
        {"x qid:1 1:1", "label"},
        {"-1 qid:1 1:1", "label -1"},
        {"31.5 qid:1 1:1", "label 31.5"},
        {"nan qid:1 1:1", "label"},
        {"1:1 qid:1", "label"},
        {"1 qid:x 1:1", "qid"},
        {"1 qid: 1:1", "qid"},
        {"1 qid:1x 1:1", "qid"},
        {"1 1:1", "without qid"},
        {"1 qid:1 10:1", "index 10 is outside"},
        {"1 qid:1 -1:1", "feature 1"},
        {"1 qid:1 1:1 foo", "feature 2"},
        {"1 qid:1 1", "feature 1"},
        {"1 qid:1 01:1", "feature 1"},
        {"1 qid:1 4294967297:1", "feature 1"},
        {"1 qid:1 1:", "value of index 1"},
        {"1 qid:1 1:nan", "value of index 1"},
        {"1 qid:1 1:inf", "value of index 1"},
        {"1 qid:1 1:0x10", "value of index 1"},
        {"1 qid:1 1:1,5", "value of index 1"},
        {"1 qid:1 1: 5", "value of index 1"},
        {"1 qid:1 3:1e9", "value of index 3"},
        {"1 qid:1 3:1e999", "value of index 3"},
        {"1 qid:1 1:1-1", "value of index 1"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "0 qid:1 1:1\n\n%s\n0 qid:1 1:1\n", cases[i].row);
        assert_datafile_refused(f, text, 3, cases[i].words);
        assert_string_equal(f->place.path, f->path);
    }
}

static void bad_sizes_are_refused_with_their_own_line(void **state)
{
    struct datafile_fixture *f = *state;
    static const struct {
        const char *sizes;
        size_t line;
        const char *words;
    } cases[] = {
        {"2\n2\n", 2, "only 3 rows: this list lacks 1"},
        {"3\n1\n", 2, "only 3 rows: this list lacks 1"},
        {"1\n0\n2\n", 2, "from 1 to 1000"},
        {"1\n-2\n", 2, "from 1 to 1000"},
        {"1\n2 3\n", 2, "from 1 to 1000"},
        {"1001\n", 1, "from 1 to 1000"},
        {"1\ntwo\n", 2, "from 1 to 1000"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_text(f->sizes, cases[i].sizes);
        assert_datafile_refused(f, "1 1:1\n0 1:2\n1 1:3\n", cases[i].line, cases[i].words);
        assert_string_equal(f->place.path, f->sizes);
    }
    write_text(f->sizes, "1\n1\n");
    assert_datafile_refused(f, "1 1:1\n0 1:2\n1 1:3\n", 3, "add up to 2");
    assert_string_equal(f->place.path, f->path);
}

static void lists_that_nothing_tells_apart_are_refused(void **state)
{
    struct datafile_fixture *f = *state;

    assert_datafile_refused(f, "1 1:1\n0 1:2\n", 1, "no qid");
    f->options.sizes = f->sizes; /* named, but not there */
    assert_status(datafile_read_text(f, "1 1:1\n"), RK_NOTFOUND);
    assert_string_equal(f->place.path, f->sizes);
    assert_int_equal(f->place.line, 0);
}

static void a_list_of_more_than_a_thousand_items_is_refused(void **state)
{
    struct datafile_fixture *f = *state;
    char *text = malloc(1001 * 16);
    size_t n = 0;

    assert_non_null(text);
    for (int i = 0; i < 1000; i++) {
        n += (size_t)sprintf(text + n, "0 qid:5 1:1\n");
    }
    assert_datafile_read(f, text);
    (void)sprintf(text + n, "0 qid:5 1:1\n");
    assert_datafile_refused(f, text, 1001, "more than 1000 items");
    free(text);
}

/* ---- NDJSON ---- */

static void a_line_of_json_is_a_list(void **state)
{
    struct datafile_fixture *f = *state;

    assert_datafile_read(
        f, "\n{\"user\": {\"id\": \"u\", \"features\": {\"0\": 1}}, \"context\": {\"1\": 2},"
           " \"items\": [{\"id\": \"a\", \"features\": [3, 0, 4], \"label\": 2},"
           " {\"id\": \"b\", \"label\": 0.5, \"weight\": 7}]}\n"
           "{\"items\": [\"c\"]}\n");
    assert_int_equal(f->data.n, 2);
    assert_int_equal(f->data.items, 3);
    assert_datafile_row(f->data.group[0], 0, (double[]){0, 1, 1, 2}, 2);
    assert_datafile_row(f->data.group[0], 1, (double[]){0, 3, 2, 4}, 2);
    assert_datafile_row(f->data.group[0], 2, NULL, 0);
    assert_close((double)f->data.group[0]->label[0], 2, 0, 0);
    assert_close((double)f->data.group[0]->label[1], 0.5, 0, 0);
    assert_close((double)f->data.group[0]->weight[1], 7, 0, 0);
    assert_true(f->data.group[0]->id[1] == 1 + (fixture_item_hash("a") & 0xffff));
}

static void bad_json_lines_are_refused_with_line_and_place(void **state)
{
    struct datafile_fixture *f = *state;
    static const struct {
        const char *line;
        const char *words;
    } cases[] = {
        {"{\"items\": [", "at column"},
        {"[]", "object"},
        {"{\"item\": []}", "/item"},
        {"{\"items\": [{\"id\": \"a\", \"lable\": 1}]}", "/items/0/lable"},
        {"{\"items\": [{\"id\": \"a\", \"label\": 32}]}", "/items/0/label"},
        {"{\"items\": [{\"id\": \"a\", \"features\": {\"10\": 1}}]}", "/items/0/features/10"},
        {"{\"items\": [{\"id\": \"a\", \"features\": {\"1\": 1e7}}]}", "/items/0/features/1"},
        {"{\"items\": [\"a\", \"a\"]}", "/items/1"},
        {"1 qid:1 1:1", "at column"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        (void)snprintf(text, sizeof text, "{\"items\": [\"x\"]}\n%s\n", cases[i].line);
        assert_datafile_refused(f, text, 2, cases[i].words);
    }
}

static void stored_features_lie_under_those_of_the_line(void **state)
{
    struct datafile_fixture *f = *state;
    char db[TEMP_PATH_MAX];
    int64_t seq;
    bool existed;

    temp_folder_path(&f->folder, "rankd.db", db);
    f->options.store = fixture_open(db);
    assert_ok(store_begin(f->options.store, NULL));
    assert_ok(store_put_features(f->options.store, STORE_ITEM, "a", "{\"3\": 5, \"4\": 6}", 1, &seq,
                                 &existed, NULL));
    assert_ok(store_put_features(f->options.store, STORE_ITEM, "z", "{\"30\": 5}", 1, &seq,
                                 &existed, NULL));
    assert_ok(store_commit(f->options.store, NULL));
    assert_datafile_read(f, "{\"items\": [{\"id\": \"a\", \"features\": {\"3\": 1}}, \"b\"]}\n");
    assert_datafile_row(f->data.group[0], 1, (double[]){3, 1, 4, 6}, 2);
    assert_datafile_row(f->data.group[0], 2, NULL, 0);
    assert_datafile_refused(f, "{\"items\": [\"b\", \"z\"]}\n", 1, "stored features of item 1");
    store_close(&f->options.store);
}

/* ---- files ---- */

static void files_that_cannot_be_lists_are_refused(void **state)
{
    struct datafile_fixture *f = *state;
    static const char zero[] = "1 qid:1 1:1\n1 qid:\0";

    assert_datafile_refused(f, "", 0, "no list");
    assert_datafile_refused(f, "\n  \n", 0, "no list");
    temp_file_write(f->path, zero, sizeof zero - 1);
    assert_status(datafile_read(&f->options, &f->data, &f->place, NULL), RK_INVALID);
    assert_int_equal(f->place.line, 2);
    assert_int_equal(unlink(f->path), 0);
    assert_status(datafile_read(&f->options, &f->data, &f->place, NULL), RK_NOTFOUND);
    assert_int_equal(f->place.line, 0);
    f->options.path = f->folder.path;
    assert_status(datafile_read(&f->options, &f->data, &f->place, NULL), RK_IO);
}

/* ---- real data ---- */

/* Compares a row with its line, read a second time by other means. @return entries in it. */
static size_t assert_line(const struct rk_group *group, size_t item, char *line)
{
    char *rest = NULL;
    size_t at = group->offset[item + 1], of_list = 0;

    assert_close((double)group->label[item], atof(strtok_r(line, " ", &rest)), 0, 0);
    for (char *word = strtok_r(NULL, " \n", &rest); word != NULL;
         word = strtok_r(NULL, " \n", &rest)) {
        unsigned index;
        float value;
        assert_int_equal(sscanf(word, "%u:%f", &index, &value), 2);
        if (value != 0.0F) { /* a zero is nothing to a model */
            const bool is_list = of_list < group->offset[1] && group->index[of_list] == index;
            const size_t e = is_list ? of_list++ : at++;
            assert_int_equal(group->index[e], index);
            assert_true(group->value[e] == value);
        }
    }
    assert_int_equal(of_list, group->offset[1]);
    assert_int_equal(at, group->offset[item + 2]);
    return of_list + at - group->offset[item + 1];
}

static void real_data_is_read_to_the_bit(void **state)
{
    struct datafile_fixture *f = *state;
    FILE *file = fopen(REAL_DATA, "re");
    char *line = NULL;
    size_t room = 0, entries = 0;

    if (file == NULL) {
        (void)printf("SKIP: there is no %s\n", REAL_DATA);
        skip();
    }
    f->options.path = REAL_DATA;
    f->config.features.size = 301;
    assert_ok(datafile_read(&f->options, &f->data, &f->place, &f->err));
    assert_int_equal(f->data.n, 201);
    assert_int_equal(f->data.items, 3005);
    for (size_t g = 0; g < f->data.n; g++) {
        for (size_t i = 0; i < f->data.group[g]->n_items; i++) {
            assert_true(getline(&line, &room, file) > 0);
            entries += assert_line(f->data.group[g], i, line);
        }
    }
    assert_true(entries > 100000);
    assert_true(getline(&line, &room, file) < 0);
    free(line);
    (void)fclose(file);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, datafile_setup, datafile_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(runs_of_equal_qid_are_lists),
        TEST(sizes_beside_the_data_make_lists),
        TEST(sizes_that_are_named_win_over_qid),
        TEST(comments_blank_lines_and_line_ends_do_not_count),
        TEST(a_hashed_model_takes_the_index_as_the_name_of_a_number),
        TEST(bad_rows_are_refused_with_line_and_reason),
        TEST(bad_sizes_are_refused_with_their_own_line),
        TEST(lists_that_nothing_tells_apart_are_refused),
        TEST(a_list_of_more_than_a_thousand_items_is_refused),
        TEST(a_line_of_json_is_a_list),
        TEST(bad_json_lines_are_refused_with_line_and_place),
        TEST(stored_features_lie_under_those_of_the_line),
        TEST(files_that_cannot_be_lists_are_refused),
        TEST(real_data_is_read_to_the_bit),
    };
    json_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
