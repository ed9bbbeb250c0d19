/*
 * libffm files, and ids of models that have tables of users and items.
 */
#include "datafile_fixture.h"
#include "json.h"
#include "test.h"

static const uint8_t fields[10] = {0, 0, 0, 1, 1, 1, 2, 2, 2, 3};
static const struct datafile_columns none = {0};

/* A model of this kind on the fixture's ten columns. */
static void set_kind(struct datafile_fixture *f, const char *kind)
{
    assert_ok(rk_model_default(kind, &f->config, NULL));
    f->config.features = (struct rk_space){.kind = RK_INDEXED, .size = 10};
    f->config.fields = fields;
    f->config.n_fields = 4;
}

static void an_indexed_model_takes_the_index_as_column(void **state)
{
    struct datafile_fixture *f = *state;
    static const char *const kinds[] = {"ffm", "deepfm"};

    for (size_t i = 0; i < 2; i++) {
        set_kind(f, kinds[i]);
        assert_datafile_read(f, "2 qid:7 0:1:0.5 3:9:-2\n0 qid:7\n1 qid:8 1:4:1e1 # c\n");
        assert_int_equal(f->data.n, 2);
        assert_datafile_row(f->data.group[0], 1, (double[]){1, 0.5, 9, -2}, 2);
        assert_datafile_row(f->data.group[0], 2, NULL, 0);
        assert_datafile_row(f->data.group[1], 1, (double[]){4, 10}, 1);
    }
}

static void a_field_that_is_not_the_models_is_refused_with_both(void **state)
{
    struct datafile_fixture *f = *state;

    set_kind(f, "ffm");
    assert_datafile_refused(f, "1 qid:1 0:1:1\n0 qid:1 2:5:1\n", 2,
                            "index 5 is of field 2 here, of field 1 in the model");
    set_kind(f, "deepfm");
    assert_datafile_refused(f, "0 qid:1 300:9:1\n", 1,
                            "index 9 is of field 300 here, of field 3 in the model");
    assert_datafile_refused(f, "0 qid:1 3:10:1\n", 1, "index 10 is outside");
}

static void a_model_without_fields_ignores_them(void **state)
{
    struct datafile_fixture *f = *state;

    assert_datafile_read(f, "1 qid:1 7:5:2\n0 qid:1 8:5:3\n");
    assert_datafile_row(f->data.group[0], 1, (double[]){5, 2}, 1);
    assert_datafile_row(f->data.group[0], 2, (double[]){5, 3}, 1);
}

/* field:index:value is what a request writes as {"field": {"index": value}}. */
static void a_hashed_model_takes_the_field_as_name_and_the_index_as_text(void **state)
{
    struct datafile_fixture *f = *state;

    f->config.features = (struct rk_space){.kind = RK_HASHED, .bits = 18};
    f->config.use_ids = false;
    assert_datafile_read(f, "1 qid:1 3:17:0.5 3:18:2 0:17:1\n");
    assert_int_equal(f->data.group[0]->n_numbers, 0);
    assert_datafile_same(f, "1 qid:1 3:17:0.5 3:18:2 0:17:1\n0 qid:1 12:123456789:1\n", &none,
                         "{\"items\": [{\"id\": \"a\", \"label\": 1, \"features\": {\"3\": "
                         "{\"17\": 0.5, \"18\": 2}, \"0\": \"17\"}}, {\"id\": \"b\", "
                         "\"features\": {\"12\": \"123456789\"}}]}\n");
}

static void sizes_tell_lists_apart_as_in_libsvm(void **state)
{
    struct datafile_fixture *f = *state;

    set_kind(f, "ffm");
    temp_file_write(f->sizes, "1\n2\n", 4);
    assert_datafile_read(f, "1 0:0:1\n0 1:3:1\n1 0:2:1\n");
    assert_int_equal(f->data.n, 2);
    assert_int_equal(f->data.group[1]->n_items, 2);
}

static void all_features_of_a_file_have_fields_or_none_has(void **state)
{
    struct datafile_fixture *f = *state;

    assert_datafile_refused(f, "1 qid:1 0:1:1\n0 qid:1 1:1\n", 2,
                            "feature 1 has no field, the features before it have one");
    assert_datafile_refused(f, "1 qid:1 1:1 0:1:1\n", 1,
                            "feature 2 has a field, the features before it have none");
}

static void bad_features_are_refused_with_line_and_reason(void **state)
{
    struct datafile_fixture *f = *state;
    static const struct {
        const char *feature;
        const char *words;
    } cases[] = {
        {"0:1:", "value of index 1"},
        {"0:1:x", "value of index 1"},
        {"0:1:nan", "value of index 1"},
        {"0:1:1e7", "value of index 1"},
        {"0:1:1:1", "feature 2 is not"},
        {"-1:1:1", "feature 2"},
        {":1:1", "feature 2"},
        {"0::1", "feature 2 is not"},
        {"1234567890:1:1", "feature 2"},
        {"0:-1:1", "feature 2 is not"},
        {"0:1234567890:1", "feature 2 is not"},
        {"00:1:1", "feature 2"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "0 qid:1 0:1:1\n1 qid:1 0:2:1 %s\n", cases[i].feature);
        assert_datafile_refused(f, text, 2, cases[i].words);
    }
}

/* ---- tables of users and items ---- */

static void ids_are_rows_of_the_tables(void **state)
{
    struct datafile_fixture *f = *state;

    set_kind(f, "joint");
    f->config.users = (struct rk_space){.kind = RK_INDEXED, .size = 5};
    f->config.items = (struct rk_space){.kind = RK_INDEXED, .size = 50};
    assert_datafile_read(f, "{\"user\": {\"id\": \"4\"}, \"items\": [\"0\", \"49\"]}\n");
    assert_int_equal(f->data.group[0]->id[0], 5);
    assert_int_equal(f->data.group[0]->id[1], 1);
    assert_int_equal(f->data.group[0]->id[2], 50);
    assert_true(f->data.has_teacher);
    assert_datafile_read(f, "1 qid:1 0:1\n");
    assert_int_equal(f->data.group[0]->id[0], 0);
    assert_int_equal(f->data.group[0]->id[1], 0);
    assert_false(f->data.has_teacher);
}

static void an_id_outside_its_table_is_refused(void **state)
{
    struct datafile_fixture *f = *state;

    set_kind(f, "joint");
    f->config.users = (struct rk_space){.kind = RK_INDEXED, .size = 5};
    f->config.items = (struct rk_space){.kind = RK_INDEXED, .size = 50};
    assert_datafile_refused(f, "{\"items\": [\"1\"]}\n{\"items\": [\"1\", \"50\"]}\n", 2,
                            "item 1: the id is no row of the model's table of 50");
    assert_datafile_refused(f, "{\"items\": [\"x\"]}\n", 1, "item 0: the id is no row");
    assert_datafile_refused(f, "{\"user\": {\"id\": \"5\"}, \"items\": [\"1\"]}\n", 1,
                            "the user: the id is no row of the model's table of 5");
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, datafile_setup, datafile_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_indexed_model_takes_the_index_as_column),
        TEST(a_field_that_is_not_the_models_is_refused_with_both),
        TEST(a_model_without_fields_ignores_them),
        TEST(a_hashed_model_takes_the_field_as_name_and_the_index_as_text),
        TEST(sizes_tell_lists_apart_as_in_libsvm),
        TEST(all_features_of_a_file_have_fields_or_none_has),
        TEST(bad_features_are_refused_with_line_and_reason),
        TEST(ids_are_rows_of_the_tables),
        TEST(an_id_outside_its_table_is_refused),
    };
    json_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
