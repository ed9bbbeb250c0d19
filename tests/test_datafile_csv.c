/*
 * CSV files of lists: quoting, what a cell is to a model, ids, and where bad records are refused.
 */
#include "datafile_fixture.h"
#include "json.h"
#include "store_fixture.h"
#include "test.h"

static const struct datafile_columns plain = {"y", "q", NULL, NULL};
static const struct datafile_columns with_ids = {"y", "q", "u", "i"};

static void set_hashed(struct datafile_fixture *f, bool use_ids)
{
    f->config.features = (struct rk_space){.kind = RK_HASHED, .bits = 18};
    f->config.use_ids = use_ids;
}

/* ---- cells ---- */

static void runs_of_equal_group_text_are_lists(void **state)
{
    struct datafile_fixture *f = *state;

    f->options.columns = plain;
    assert_datafile_read(f, "q,y,a\na b,1,5\na b,0,6\n7,31,1\na b,2,3\n");
    assert_int_equal(f->data.n, 3);
    assert_int_equal(f->data.items, 4);
    assert_int_equal(f->data.group[0]->n_items, 2);
    assert_close((double)f->data.group[0]->label[0], 1, 0, 0);
    assert_close((double)f->data.group[1]->label[0], 31, 0, 0);
    assert_close((double)f->data.group[2]->weight[0], 1, 0, 0);
    assert_datafile_row(f->data.group[0], 0, NULL, 0);
    assert_datafile_row(f->data.group[0], 2, (double[]){0, 6}, 1);
    assert_datafile_row(f->data.group[2], 1, (double[]){0, 3}, 1);
    assert_false(f->data.has_teacher);
}

static void columns_are_numbered_without_the_named_ones(void **state)
{
    struct datafile_fixture *f = *state;

    f->options.columns = with_ids;
    assert_datafile_read(f, "a,y,b,u,q,i,c\n1,0,-2.5,x,1,k,1e2\n,1,,x,1,,3\n");
    assert_datafile_row(f->data.group[0], 1, (double[]){0, 1, 1, -2.5, 2, 100}, 3);
    assert_datafile_row(f->data.group[0], 2, (double[]){2, 3}, 1);
}

static void a_hashed_model_takes_numbers_as_numbers_and_text_as_categories(void **state)
{
    struct datafile_fixture *f = *state;

    set_hashed(f, false);
    assert_datafile_same(
        f, "y,q,price,brand,note\n1,g,9.5,acme,\n0,g,,7up, 3\n2,g,1,-4,0x1\n", &plain,
        "{\"items\": [{\"id\": \"a\", \"label\": 1, \"features\": {\"price\": 9.5, \"brand\": "
        "\"acme\"}}, {\"id\": \"b\", \"features\": {\"brand\": \"7up\", \"note\": \" 3\"}}, "
        "{\"id\": \"c\", \"label\": 2, \"features\": {\"price\": 1, \"brand\": -4, \"note\": "
        "\"0x1\"}}]}\n");
}

static void quotes_keep_commas_line_breaks_and_quotes(void **state)
{
    struct datafile_fixture *f = *state;

    set_hashed(f, false);
    assert_datafile_same(
        f, "\"y\",q,\"a,\"\"b\"\r\n1,\"g\n\nh\",\"x,\"\"y\"\"\n\nz\"\r\n\"0\",\"g\n\nh\",\"\"\r\n",
        &plain,
        "{\"items\": [{\"id\": \"a\", \"label\": 1, \"features\": {\"a,\\\"b\": "
        "\"x,\\\"y\\\"\\n\\nz\"}}, \"b\"]}\n");
}

static void marks_line_ends_and_blank_lines_do_not_count(void **state)
{
    struct datafile_fixture *f = *state;

    f->options.columns = plain;
    assert_datafile_read(f, "\xef\xbb\xbfy,q,a\r\n\r\n1,1,\"2\"\r\n  \n0,1,3");
    assert_int_equal(f->data.n, 1);
    assert_datafile_row(f->data.group[0], 1, (double[]){0, 2}, 1);
    assert_datafile_row(f->data.group[0], 2, (double[]){0, 3}, 1);
}

/* ---- ids ---- */

static void ids_are_features_and_keys_as_in_a_request(void **state)
{
    struct datafile_fixture *f = *state;

    set_hashed(f, true);
    assert_datafile_same(f, "i,u,q,y,p\na,u1,1,1,2\nb,u1,1,0,3\nc,,2,0,4\n", &with_ids,
                         "{\"user\": {\"id\": \"u1\"}, \"items\": [{\"id\": \"a\", \"label\": 1, "
                         "\"features\": {\"p\": 2}}, {\"id\": \"b\", \"features\": {\"p\": 3}}]}\n"
                         "{\"items\": [{\"id\": \"c\", \"features\": {\"p\": 4}}]}\n");
    f->options.columns = plain; /* the same columns as features */
    assert_datafile_read(f, "i,u,q,y,p\na,u1,1,1,2\n");
    assert_int_equal(f->data.group[0]->id[0], 0);
    assert_int_equal(f->data.group[0]->id[1], 0);
    assert_int_equal(f->data.group[0]->offset[2], 3);
}

static void ids_outside_an_indexed_table_are_refused_at_their_line(void **state)
{
    struct datafile_fixture *f = *state;

    f->options.columns = with_ids;
    f->config.users = (struct rk_space){.kind = RK_INDEXED, .size = 5};
    f->config.items = (struct rk_space){.kind = RK_INDEXED, .size = 50};
    assert_datafile_read(f, "y,q,u,i\n1,1,4,49\n0,1,4,0\n");
    assert_int_equal(f->data.group[0]->id[0], 5);
    assert_int_equal(f->data.group[0]->id[1], 50);
    assert_datafile_refused(f, "y,q,u,i\n1,1,4,1\n0,1,4,50\n1,1,4,2\n1,2,4,3\n", 3,
                            "item 1: the id is no row");
    assert_datafile_refused(f, "y,q,u,i\n1,1,4,1\n0,2,5,2\n1,2,5,2\n", 3, "the user: the id");
}

static void stored_features_lie_under_those_of_the_record(void **state)
{
    struct datafile_fixture *f = *state;
    char db[TEMP_PATH_MAX];
    int64_t seq;
    bool existed;

    temp_folder_path(&f->folder, "rankd.db", db);
    f->options.columns = with_ids;
    f->options.store = fixture_open(db);
    assert_ok(store_begin(f->options.store, NULL));
    assert_ok(store_put_features(f->options.store, STORE_ITEM, "a", "{\"0\": 5, \"4\": 6}", 1, &seq,
                                 &existed, NULL));
    assert_ok(store_put_features(f->options.store, STORE_ITEM, "z", "{\"30\": 5}", 1, &seq,
                                 &existed, NULL));
    assert_ok(store_commit(f->options.store, NULL));
    assert_datafile_read(f, "y,q,u,i,f\n1,1,,a,2\n0,1,,a,\n0,1,,b,\n");
    assert_datafile_row(f->data.group[0], 1, (double[]){0, 2, 4, 6}, 2);
    assert_datafile_row(f->data.group[0], 2, (double[]){0, 5, 4, 6}, 2);
    assert_datafile_row(f->data.group[0], 3, NULL, 0);
    assert_datafile_refused(f, "y,q,u,i,f\n1,1,,a,2\n0,1,,z,\n0,2,,b,\n", 3,
                            "stored features of item 1");
    store_close(&f->options.store);
}

/* ---- refusals ---- */

static void bad_headers_are_refused(void **state)
{
    struct datafile_fixture *f = *state;
    static const struct {
        const char *text;
        const char *words;
    } cases[] = {
        {"y,a\n1,2\n", "no column \"q\""},
        {"q,a\n1,2\n", "no column \"y\""},
        {"y,q,a,b,a\n1,1,1,1,1\n", "two columns are called \"a\""},
        {"y,q,\n1,1,1\n", "name of column 3"},
        {"y,q,a\x1b\n1,1,1\n", "name of column 3"},
        {"y,q,\xff\n1,1,1\n", "name of column 3"},
        {"y,q,aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaab\n", "1 to 64"},
        {"y,q,\"a\n1,1,1\n", "never closes"},
        {"y,q,c0,c1,c2,c3,c4,c5,c6,c7,c8,c9,c10\n", "11 columns are features, the model has 10"},
    };

    f->options.columns = plain;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_datafile_refused(f, cases[i].text, 1, cases[i].words);
    }
    assert_datafile_refused(f, "y,q,a\n", 0, "no list");
}

static void bad_records_are_refused_with_line_and_reason(void **state)
{
    struct datafile_fixture *f = *state;
    static const struct {
        const char *record;
        const char *words;
    } cases[] = {
        {"1,1,u", "the record has 3 cells, the header has 5"},
        {"1,1,u,i,1,1", "the record has 6 cells"},
        {",1,u,i,1", "label"},
        {"-1,1,u,i,1", "label"},
        {"32,1,u,i,1", "label"},
        {"1x,1,u,i,1", "label"},
        {"1 ,1,u,i,1", "label"},
        {"1,,u,i,1", "group is empty"},
        {"1,1,v,i,1", "user is not the one"},
        {"1,1,,i,1", "user is not the one"},
        {"1,1,u,i,red", "column \"f\" of this model takes numbers"},
        {"1,1,u,i,1e7", "column \"f\": a number beyond"},
        {"1,1,u,i,1e999", "column \"f\": a number beyond"},
        {"1,1,u,i,nan", "takes numbers"},
        {"1,1,u,\xc3,1", "id of an item"},
        {"1,2,\xed\xa0\x80,i,1", "id of a user"},
        {"1,1,u,i,\"1\"2", "cell 5 goes on after its closing quote"},
        {"1,1,u,i,1\"2\"", "cell 5 has a quote"},
        {"1,1,u,i,\"1", "never closes"},
    };

    f->options.columns = with_ids;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "y,q,u,i,f\n0,1,u,j,1\n\n%s\n0,9,u,k,1\n",
                       cases[i].record);
        assert_datafile_refused(f, text, 4, cases[i].words);
    }
}

static void a_bad_record_of_many_lines_is_refused_where_it_begins(void **state)
{
    struct datafile_fixture *f = *state;

    f->options.columns = plain;
    assert_datafile_refused(f, "y,q,a\n0,\"1\n1\",1\n9,\"1\n1\n1\",red\n", 4, "takes numbers");
}

static void text_for_a_hashed_model_has_to_be_short_utf8(void **state)
{
    struct datafile_fixture *f = *state;
    char text[400] = "y,q,a\n1,1,";

    set_hashed(f, true);
    f->options.columns = plain;
    memset(text + strlen(text), 'x', 256);
    assert_datafile_read(f, text);
    (void)strcat(text, "x");
    assert_datafile_refused(f, text, 2, "column \"a\": not at most 256 bytes");
    assert_datafile_read(f, "y,q,a\n1,1,\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xa9\n");
    assert_datafile_refused(f, "y,q,a\n1,1,caf\xe9\n", 2, "UTF-8");
    assert_datafile_refused(f, "y,q,a\n1,1,\xc0\x80\n", 2, "UTF-8");
    assert_datafile_refused(f, "y,q,a\n1,1,\xf4\x90\x80\x80\n", 2, "UTF-8");
    assert_datafile_refused(f, "y,q,a\n1,1,\xe0\x9f\xbf\n", 2, "UTF-8");
}

static void a_list_of_more_than_a_thousand_records_is_refused(void **state)
{
    struct datafile_fixture *f = *state;
    char text[8192];
    size_t n = (size_t)sprintf(text, "y,q\n");

    f->options.columns = plain;
    for (int i = 0; i < 1000; i++) {
        n += (size_t)sprintf(text + n, "0,5\n");
    }
    assert_datafile_read(f, text);
    assert_int_equal(f->data.items, 1000);
    (void)sprintf(text + n, "0,5\n");
    assert_datafile_refused(f, text, 1002, "more than 1000 items");
}

/* 257 columns, of which an item of a hashed model may fill 256. */
static void an_item_of_more_than_256_features_is_refused(void **state)
{
    struct datafile_fixture *f = *state;
    char text[4096];
    size_t n = (size_t)sprintf(text, "y,q"), first;

    set_hashed(f, true);
    f->options.columns = plain;
    for (int i = 0; i < 257; i++) {
        n += (size_t)sprintf(text + n, ",c%d", i);
    }
    n += (size_t)sprintf(text + n, "\n0,1,");
    first = n;
    n += (size_t)sprintf(text + n, " ");
    for (int i = 0; i < 256; i++) {
        n += (size_t)sprintf(text + n, ",1");
    }
    assert_datafile_refused(f, text, 2, "an item has more than 256 features");
    memmove(text + first, text + first + 1, n - first);
    assert_datafile_read(f, text);
    assert_int_equal(f->data.group[0]->offset[2], 256);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, datafile_setup, datafile_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(runs_of_equal_group_text_are_lists),
        TEST(columns_are_numbered_without_the_named_ones),
        TEST(a_hashed_model_takes_numbers_as_numbers_and_text_as_categories),
        TEST(quotes_keep_commas_line_breaks_and_quotes),
        TEST(marks_line_ends_and_blank_lines_do_not_count),
        TEST(ids_are_features_and_keys_as_in_a_request),
        TEST(ids_outside_an_indexed_table_are_refused_at_their_line),
        TEST(stored_features_lie_under_those_of_the_record),
        TEST(bad_headers_are_refused),
        TEST(bad_records_are_refused_with_line_and_reason),
        TEST(a_bad_record_of_many_lines_is_refused_where_it_begins),
        TEST(text_for_a_hashed_model_has_to_be_short_utf8),
        TEST(a_list_of_more_than_a_thousand_records_is_refused),
        TEST(an_item_of_more_than_256_features_is_refused),
    };
    json_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
