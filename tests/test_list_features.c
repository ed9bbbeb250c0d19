/*
 * Features from JSON: what each kind of value becomes on hashed and indexed spaces, limits, and the
 * place that an error names.
 */
#include "list_fixture.h"
#include "test.h"

static const struct rk_feature *feature_of(const struct list_fixture *f, size_t i)
{
    assert_true(i < f->list.item[0].entity.n);
    return &f->list.feature[f->list.item[0].entity.first + i];
}

static void must_read_features(struct list_fixture *f, const struct rk_space *space,
                               const char *features)
{
    if (!fixture_read_features(f, space, features)) {
        fail_msg("%.80s: %s at \"%s\"", features, f->problem.detail, f->problem.pointer);
    }
}

static void refuses_features(struct list_fixture *f, const struct rk_space *space,
                             const char *features, enum problem_kind kind, const char *pointer)
{
    assert_false(fixture_read_features(f, space, features));
    fixture_assert_problem(features, &f->problem, kind, pointer);
}

static void every_kind_of_value_becomes_its_feature(void **state)
{
    struct list_fixture *f = *state;
    const struct rk_feature expected[] = {
        rk_feature_number(RK_ITEM, "price", 5, 9.5F),
        rk_feature_category(RK_ITEM, "brand", 5, "acme", 4, 1.0F),
        rk_feature_flag(RK_ITEM, "new", 3, 1.0F),
        rk_feature_flag(RK_ITEM, "old", 3, 0.0F),
        rk_feature_category(RK_ITEM, "tags", 4, "hot", 3, 1.0F),
        rk_feature_category(RK_ITEM, "tags", 4, "", 0, 1.0F),
        rk_feature_category(RK_ITEM, "genre", 5, "jazz", 4, 0.75F),
        rk_feature_category(RK_ITEM, "genre", 5, "rock", 4, -2.0F),
    };

    must_read_features(f, &fixture_hashed,
                       "{\"price\":9.5,\"brand\":\"acme\",\"new\":true,\"old\":false,\"gone\":null,"
                       "\"tags\":[\"hot\",\"\"],"
                       "\"genre\":{\"jazz\":0.75,\"none\":null,\"rock\":-2}}");
    assert_int_equal(f->list.item[0].entity.n, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        fixture_assert_feature(feature_of(f, i), &expected[i]);
    }
}

static void hashes_are_those_of_the_specification(void **state)
{
    struct list_fixture *f = *state;

    must_read_features(f, &fixture_hashed, "{\"price\":1,\"brand\":\"acme\"}");
    assert_true(feature_of(f, 0)->hash == UINT64_C(0x0ee82a830b7c87cf));
    assert_true(feature_of(f, 1)->hash == UINT64_C(0x5111577f70f9004d));
    assert_true(list_id_hash(RK_USER, "u1", 2) == UINT64_C(0x76da022d9ce45545));
}

static void columns_come_by_name_in_an_array_or_as_indices_and_values(void **state)
{
    static const char *const forms[] = {"{\"0\":0.5,\"2\":-1,\"9\":true}",
                                        "{\"indices\":[0,2,9],\"values\":[0.5,-1,1]}",
                                        "[0.5,0,-1,0,0,0,0,0,0,1]"};
    struct list_fixture *f = *state;

    for (size_t form = 0; form < 3; form++) {
        float columns[10] = {0};
        must_read_features(f, &fixture_indexed, forms[form]);
        for (size_t i = 0; i < f->list.item[0].entity.n; i++) {
            columns[feature_of(f, i)->column] = feature_of(f, i)->value;
        }
        assert_true(columns[0] == 0.5F && columns[2] == -1 && columns[9] == 1 && columns[1] == 0);
    }
}

static void no_columns_at_all_are_columns_too(void **state)
{
    static const char *const forms[] = {"{}", "[]", "{\"indices\":[],\"values\":[]}"};
    struct list_fixture *f = *state;

    for (size_t i = 0; i < 3; i++) {
        must_read_features(f, &fixture_indexed, forms[i]);
        assert_int_equal(f->list.item[0].entity.n, 0);
        must_read_features(f, &fixture_hashed, forms[i]);
        assert_int_equal(f->list.item[0].entity.n, 0);
    }
}

static void indices_and_values_are_free_names_where_they_hold_no_numbers(void **state)
{
    struct list_fixture *f = *state;

    must_read_features(f, &fixture_hashed,
                       "{\"indices\":[\"a\",\"b\"],\"values\":[\"c\"],\"x\":1}");
    assert_int_equal(f->list.item[0].entity.n, 4);
    must_read_features(f, &fixture_hashed, "{\"indices\":[],\"values\":[\"c\"]}");
    assert_int_equal(f->list.item[0].entity.n, 2);
    must_read_features(f, &fixture_hashed, "{\"indices\":[],\"values\":[],\"x\":1}");
    assert_int_equal(f->list.item[0].entity.n, 3);
    must_read_features(f, &fixture_hashed, "{\"indices\":1,\"values\":2}");
    assert_int_equal(f->list.item[0].entity.n, 2);
}

static void an_empty_array_or_object_stands_for_its_key(void **state)
{
    static const char *const empty[] = {"{\"tags\":[]}", "{\"tags\":{}}",
                                        "{\"tags\":{\"a\":null}}"};
    struct list_fixture *f = *state;

    for (size_t i = 0; i < 3; i++) {
        must_read_features(f, &fixture_hashed, empty[i]);
        assert_int_equal(f->list.item[0].entity.n, 1);
        assert_true(feature_of(f, 0)->name == rk_feature_name(RK_ITEM, "tags", 4));
        assert_true(feature_of(f, 0)->value == 0);
    }
}

static void sides_do_not_mix(void **state)
{
    struct list_fixture *f = *state;
    const struct rk_feature *feature;

    fixture_must_read(f, &fixture_hashed,
                      "{\"user\":{\"features\":{\"id\":1}},\"context\":{\"id\":2},"
                      "\"items\":[{\"id\":\"a\",\"features\":{\"id\":3}}]}");
    feature = f->list.feature;
    assert_int_equal(f->list.n_features, 3);
    assert_true(feature[f->list.user.first].hash == rk_feature_name(RK_USER, "id", 2));
    assert_true(feature[f->list.context.first].hash == rk_feature_name(RK_CONTEXT, "id", 2));
    assert_true(feature[f->list.item[0].entity.first].hash == rk_feature_name(RK_ITEM, "id", 2));
}

static void two_hundred_and_fifty_six_features_are_taken_and_one_more_is_not(void **state)
{
    static const char *const forms[][3] = {{"{", "\"n#\":1", "}"},
                                           {"{\"tags\":[", "\"t#\"", "]}"},
                                           {"{\"tags\":{", "\"t#\":1", "}}"},
                                           {"{\"gone\":null,", "\"n#\":[]", "}"}};
    struct list_fixture *f = *state;

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        must_read_features(f, &fixture_hashed,
                           fixture_pattern(f, forms[i][0], 256, forms[i][1], forms[i][2]));
        assert_int_equal(f->list.item[0].entity.n, 256);
        refuses_features(f, &fixture_hashed,
                         fixture_pattern(f, forms[i][0], 257, forms[i][1], forms[i][2]),
                         PROBLEM_LIMIT_EXCEEDED, "/items/0/features");
    }
}

static void sixty_five_thousand_columns_are_taken_and_one_more_is_not(void **state)
{
    static const struct rk_space wide = {.kind = RK_INDEXED, .size = 100000};
    struct list_fixture *f = *state;
    struct emit all = {0};

    must_read_features(f, &wide, fixture_pattern(f, "[", 65536, "1", "]"));
    assert_int_equal(f->list.item[0].entity.n, 65536);
    refuses_features(f, &wide, fixture_pattern(f, "[", 65537, "1", "]"), PROBLEM_LIMIT_EXCEEDED,
                     "/items/0/features");
    emit_format(&all, "{\"values\":%s,\"indices\":%s}", f->text.text, f->text.text);
    refuses_features(f, &wide, all.text, PROBLEM_LIMIT_EXCEEDED, "/items/0/features/indices");
    emit_deinit(&all);
}

static void numbers_reach_a_million_either_way(void **state)
{
    static const char *const beyond[] = {"1000000.1", "-1000000.1", "1e300", "9007199254740993"};
    struct list_fixture *f = *state;
    char text[64];

    must_read_features(f, &fixture_hashed, "{\"a\":1000000,\"b\":-1e6,\"c\":{\"d\":-1000000}}");
    assert_true(feature_of(f, 0)->value == 1e6F && feature_of(f, 1)->value == -1e6F);
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++) {
        (void)snprintf(text, sizeof text, "{\"price\":%s}", beyond[i]);
        refuses_features(f, &fixture_hashed, text, PROBLEM_VALUE_OUT_OF_RANGE,
                         "/items/0/features/price");
        (void)snprintf(text, sizeof text, "{\"tags\":{\"x\":%s}}", beyond[i]);
        refuses_features(f, &fixture_hashed, text, PROBLEM_VALUE_OUT_OF_RANGE,
                         "/items/0/features/tags/x");
        (void)snprintf(text, sizeof text, "[0,%s]", beyond[i]);
        refuses_features(f, &fixture_indexed, text, PROBLEM_VALUE_OUT_OF_RANGE,
                         "/items/0/features/1");
    }
}

static void an_index_outside_the_space_is_told_with_its_place(void **state)
{
    static const char *const texts[][2] = {
        {"{\"10\":1}", "/10"},
        {"{\"0\":1,\"99999999999\":1}", "/99999999999"},
        {"[0,0,0,0,0,0,0,0,0,0,0]", "/10"},
        {"{\"indices\":[9,10],\"values\":[1,1]}", "/indices/1"},
        {"{\"indices\":[-1],\"values\":[1]}", "/indices/0"},
        {"{\"indices\":[268435456],\"values\":[1]}", "/indices/0"},
        {"{\"indices\":[4294967297],\"values\":[1]}", "/indices/0"},
        {"{\"indices\":[9007199254740991],\"values\":[1]}", "/indices/0"},
    };
    struct list_fixture *f = *state;
    char pointer[64];

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        (void)snprintf(pointer, sizeof pointer, "/items/0/features%s", texts[i][1]);
        refuses_features(f, &fixture_indexed, texts[i][0], PROBLEM_INDEX_OUTSIDE, pointer);
    }
    /* Without a model the largest space is the bound. */
    must_read_features(f, NULL, "{\"indices\":[268435455],\"values\":[1]}");
    refuses_features(f, NULL, "{\"indices\":[268435456],\"values\":[1]}", PROBLEM_INDEX_OUTSIDE,
                     "/items/0/features/indices/0");
}

static void what_is_no_column_is_told_with_its_place(void **state)
{
    static const char *const texts[][2] = {
        {"{\"price\":1}", "/price"},
        {"{\"07\":1}", "/07"},
        {"{\"-1\":1}", "/-1"},
        {"{\"1\":\"acme\"}", "/1"},
        {"{\"1\":[\"a\"]}", "/1/0"},
        {"{\"1\":{\"a\":1}}", "/1/a"},
        {"[1,null]", "/1"},
        {"[1,\"2\"]", "/1"},
        {"{\"indices\":[1.5],\"values\":[1]}", "/indices/0"},
        {"{\"indices\":[1],\"values\":[true]}", "/values/0"},
        {"{\"indices\":[1,2],\"values\":[1]}", "/values"},
        {"{\"indices\":[],\"values\":[1]}", "/values"},
    };
    struct list_fixture *f = *state;
    char pointer[64];

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        (void)snprintf(pointer, sizeof pointer, "/items/0/features%s", texts[i][1]);
        refuses_features(f, &fixture_indexed, texts[i][0], PROBLEM_VALIDATION_FAILED, pointer);
    }
    refuses_features(f, &fixture_indexed, "{\"indices\":[1],\"values\":[1],\"x\":1}",
                     PROBLEM_UNKNOWN_FIELD, "/items/0/features/x");
}

static void a_hashed_model_takes_no_bare_columns(void **state)
{
    struct list_fixture *f = *state;

    refuses_features(f, &fixture_hashed, "[1]", PROBLEM_VALIDATION_FAILED, "/items/0/features/0");
    refuses_features(f, &fixture_hashed, "{\"indices\":[3],\"values\":[1]}",
                     PROBLEM_VALIDATION_FAILED, "/items/0/features/indices/0");
    must_read_features(f, NULL, "[1]");
    must_read_features(f, NULL, "{\"price\":1,\"3\":2}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIST_TEST(every_kind_of_value_becomes_its_feature),
        LIST_TEST(hashes_are_those_of_the_specification),
        LIST_TEST(columns_come_by_name_in_an_array_or_as_indices_and_values),
        LIST_TEST(no_columns_at_all_are_columns_too),
        LIST_TEST(indices_and_values_are_free_names_where_they_hold_no_numbers),
        LIST_TEST(an_empty_array_or_object_stands_for_its_key),
        LIST_TEST(sides_do_not_mix),
        LIST_TEST(two_hundred_and_fifty_six_features_are_taken_and_one_more_is_not),
        LIST_TEST(sixty_five_thousand_columns_are_taken_and_one_more_is_not),
        LIST_TEST(numbers_reach_a_million_either_way),
        LIST_TEST(an_index_outside_the_space_is_told_with_its_place),
        LIST_TEST(what_is_no_column_is_told_with_its_place),
        LIST_TEST(a_hashed_model_takes_no_bare_columns),
    };
    json_start();
    return cmocka_run_group_tests_name("list_features", tests, NULL, NULL);
}
