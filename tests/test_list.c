/*
 * Lists from JSON: users, contexts and items, every limit at its edge and one beyond, and the place
 * that an error names.
 */
#include "list_fixture.h"
#include "test.h"

static void refuses(struct list_fixture *f, const struct rk_space *space, const char *text,
                    enum problem_kind kind, const char *pointer)
{
    assert_false(fixture_read(f, space, text));
    fixture_assert_problem(text, &f->problem, kind, pointer);
}

static void a_user_may_lack_id_features_or_all(void **state)
{
    struct list_fixture *f = *state;

    fixture_must_read(f, &fixture_hashed, "{\"user\":{\"features\":{\"age\":3}},\"items\":[]}");
    assert_null(f->list.user.id);
    assert_true(f->list.user.hash == 0 && f->list.user.n == 1);
    fixture_must_read(f, &fixture_hashed, "{\"user\":{\"id\":\"u1\"},\"items\":[]}");
    assert_string_equal(f->list.user.id, "u1");
    assert_true(f->list.user.hash == list_id_hash(RK_USER, "u1", 2) && f->list.user.n == 0);
    fixture_must_read(f, &fixture_hashed, "{\"user\":null,\"context\":null,\"items\":[]}");
    assert_true(f->list.user.id == NULL && f->list.user.hash == 0 && f->list.n_features == 0);
}

static void context_is_plain_features_without_an_id(void **state)
{
    struct list_fixture *f = *state;

    fixture_must_read(f, &fixture_hashed,
                      "{\"context\":{\"hour\":14,\"device\":\"ios\",\"id\":\"c1\"},\"items\":[]}");
    assert_null(f->list.context.id);
    assert_true(f->list.context.hash == 0);
    assert_int_equal(f->list.context.n, 3);
    refuses(f, &fixture_hashed, "{\"context\":\"ios\",\"items\":[]}", PROBLEM_VALIDATION_FAILED,
            "/context");
}

static void a_bare_string_is_an_item_without_features(void **state)
{
    struct list_fixture *f = *state;

    assert_true(fixture_read_labelled(f, "{\"items\":[\"a\",{\"id\":\"b\",\"label\":2}]}"));
    assert_int_equal(f->list.n_items, 2);
    assert_string_equal(f->list.item[0].entity.id, "a");
    assert_true(f->list.item[0].entity.n == 0 && f->list.item[0].label == 0);
    assert_true(f->list.item[0].weight == 1 && f->list.item[0].teacher == 0);
    assert_true(f->list.item[1].label == 2);
}

static void an_empty_list_is_a_list(void **state)
{
    struct list_fixture *f = *state;

    fixture_must_read(f, &fixture_hashed, "{\"items\":[]}");
    assert_int_equal(f->list.n_items, 0);
    assert_true(list_find(&f->list, "a") == SIZE_MAX);
}

static void a_list_does_not_remember_the_one_before(void **state)
{
    struct list_fixture *f = *state;

    fixture_must_read(
        f, &fixture_hashed,
        fixture_pattern(f, "{\"user\":{\"id\":\"u\"},\"items\":[", 1000, "\"i#\"", "]}"));
    fixture_must_read(f, &fixture_hashed, "{\"items\":[\"i7\",\"i3\"]}");
    assert_null(f->list.user.id);
    assert_int_equal(f->list.n_items, 2);
    assert_int_equal(list_find(&f->list, "i7"), 0);
    assert_int_equal(list_find(&f->list, "i3"), 1);
    assert_true(list_find(&f->list, "i5") == SIZE_MAX);
}

static void every_item_is_found_by_its_id_and_no_other_is(void **state)
{
    struct list_fixture *f = *state;
    char id[16];

    fixture_must_read(f, &fixture_hashed,
                      fixture_pattern(f, "{\"items\":[", LIST_ITEMS_MAX, "\"i#\"", "]}"));
    for (size_t i = 0; i < 2 * LIST_ITEMS_MAX; i++) {
        (void)snprintf(id, sizeof id, "i%zu", i);
        assert_true(list_find(&f->list, id) == (i < LIST_ITEMS_MAX ? i : SIZE_MAX));
    }
}

static void an_item_twice_is_refused_at_its_second_place(void **state)
{
    struct list_fixture *f = *state;

    refuses(f, &fixture_hashed, "{\"items\":[\"a\",\"b\",{\"id\":\"a\"},\"b\"]}",
            PROBLEM_DUPLICATE_ITEM, "/items/2");
}

static void labels_weights_and_teachers_are_read_where_asked_for(void **state)
{
    struct list_fixture *f = *state;

    assert_true(fixture_read_labelled(
        f,
        "{\"items\":[{\"id\":\"a\",\"label\":31,\"weight\":1e6,\"teacher\":-1e6},"
        "{\"id\":\"b\",\"label\":0,\"weight\":0},{\"id\":\"c\",\"label\":null,\"weight\":null}]}"));
    assert_true(f->list.item[0].label == 31 && f->list.item[0].weight == 1e6F);
    assert_true(f->list.item[0].teacher == -1e6F);
    assert_true(f->list.item[1].label == 0 && f->list.item[1].weight == 0);
    assert_true(f->list.item[2].label == 0 && f->list.item[2].weight == 1);
}

static void labels_weights_and_teachers_have_ranges(void **state)
{
    static const char *const texts[][2] = {{"\"label\":31.001", "/items/0/label"},
                                           {"\"label\":-0.001", "/items/0/label"},
                                           {"\"weight\":1000001", "/items/0/weight"},
                                           {"\"weight\":-1", "/items/0/weight"},
                                           {"\"teacher\":1000001", "/items/0/teacher"}};
    struct list_fixture *f = *state;
    char text[96];

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        (void)snprintf(text, sizeof text, "{\"items\":[{\"id\":\"a\",%s}]}", texts[i][0]);
        assert_false(fixture_read_labelled(f, text));
        fixture_assert_problem(text, &f->problem, PROBLEM_VALUE_OUT_OF_RANGE, texts[i][1]);
    }
}

static void a_thousand_items_are_taken_and_one_more_is_not(void **state)
{
    struct list_fixture *f = *state;

    fixture_must_read(f, &fixture_hashed, fixture_pattern(f, "{\"items\":[", 1000, "\"#\"", "]}"));
    assert_int_equal(f->list.n_items, 1000);
    refuses(f, &fixture_hashed, fixture_pattern(f, "{\"items\":[", 1001, "\"#\"", "]}"),
            PROBLEM_LIMIT_EXCEEDED, "/items");
}

static void user_and_context_have_a_limit_of_their_own_each(void **state)
{
    struct list_fixture *f = *state;
    struct emit all = {0};

    emit_format(&all, "{\"user\":{\"features\":%s},",
                fixture_pattern(f, "{", 256, "\"n#\":1", "}"));
    emit_format(&all, "\"context\":%s,\"items\":[]}", f->text.text);
    fixture_must_read(f, &fixture_hashed, all.text);
    emit_deinit(&all);
    refuses(f, &fixture_hashed,
            fixture_pattern(f, "{\"items\":[],\"user\":{\"features\":{", 257, "\"n#\":1", "}}}"),
            PROBLEM_LIMIT_EXCEEDED, "/user/features");
    refuses(f, &fixture_hashed,
            fixture_pattern(f, "{\"items\":[],\"context\":{", 257, "\"n#\":1", "}}"),
            PROBLEM_LIMIT_EXCEEDED, "/context");
}

/* A text with n letters at one place is read; with one more it is refused there. */
static void has_limit(struct list_fixture *f, const char *head, size_t n, const char *tail,
                      const char *pointer)
{
    fixture_must_read(f, &fixture_hashed, fixture_letters(f, head, n, tail));
    refuses(f, &fixture_hashed, fixture_letters(f, head, n + 1, tail), PROBLEM_LIMIT_EXCEEDED,
            pointer);
}

static void names_texts_and_ids_have_limits_in_bytes(void **state)
{
    struct list_fixture *f = *state;

    has_limit(f, "{\"items\":[\"", 128, "\"]}", "/items/0");
    has_limit(f, "{\"items\":[{\"id\":\"", 128, "\"}]}", "/items/0/id");
    has_limit(f, "{\"items\":[],\"user\":{\"id\":\"", 128, "\"}}", "/user/id");
    has_limit(f, "{\"items\":[],\"context\":{\"", 64, "\":1}}", "/context");
    has_limit(f, "{\"items\":[{\"id\":\"a\",\"features\":{\"", 64, "\":\"b\"}}]}",
              "/items/0/features");
    has_limit(f, "{\"items\":[],\"context\":{\"brand\":\"", 256, "\"}}", "/context/brand");
    has_limit(f, "{\"items\":[],\"context\":{\"tags\":[\"\",\"", 256, "\"]}}", "/context/tags/1");
    has_limit(f, "{\"items\":[],\"context\":{\"tags\":{\"", 256, "\":1}}}", "/context/tags");
    /* Bytes, not letters: here 128 letters are 129 bytes. */
    refuses(f, &fixture_hashed, fixture_letters(f, "{\"items\":[\"\xc3\xa9", 127, "\"]}"),
            PROBLEM_LIMIT_EXCEEDED, "/items/0");
}

static void ids_and_names_are_not_empty(void **state)
{
    struct list_fixture *f = *state;

    refuses(f, &fixture_hashed, "{\"items\":[\"\"]}", PROBLEM_VALIDATION_FAILED, "/items/0");
    refuses(f, &fixture_hashed, "{\"items\":[{\"id\":\"\"}]}", PROBLEM_VALIDATION_FAILED,
            "/items/0/id");
    refuses(f, &fixture_hashed, "{\"items\":[],\"user\":{\"id\":\"\"}}", PROBLEM_VALIDATION_FAILED,
            "/user/id");
    refuses(f, &fixture_hashed, "{\"items\":[],\"context\":{\"\":1}}", PROBLEM_VALIDATION_FAILED,
            "/context");
}

static void a_wrong_value_is_told_with_its_place(void **state)
{
    static const char *const texts[][2] = {
        {"[]", ""},
        {"{}", ""},
        {"{\"items\":null}", ""},
        {"{\"items\":{}}", "/items"},
        {"{\"items\":[1]}", "/items/0"},
        {"{\"items\":[\"a\",null]}", "/items/1"},
        {"{\"items\":[\"a\",{}]}", "/items/1"},
        {"{\"items\":[{\"id\":7}]}", "/items/0/id"},
        {"{\"items\":[\"a\",\"b\",{\"id\":\"c\",\"features\":7}]}", "/items/2/features"},
        {"{\"items\":[],\"user\":\"u1\"}", "/user"},
        {"{\"items\":[],\"user\":{\"id\":1}}", "/user/id"},
        {"{\"items\":[],\"user\":{\"features\":true}}", "/user/features"},
        {"{\"items\":[],\"context\":{\"tags\":[\"a\",1]}}", "/context/tags/1"},
        {"{\"items\":[],\"context\":{\"tags\":[null]}}", "/context/tags/0"},
        {"{\"items\":[],\"context\":{\"tags\":{\"a\":\"b\"}}}", "/context/tags/a"},
        {"{\"items\":[],\"context\":{\"a/b~c\":{\"d\":[]}}}", "/context/a~1b~0c/d"},
    };
    struct list_fixture *f = *state;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        refuses(f, &fixture_hashed, texts[i][0], PROBLEM_VALIDATION_FAILED, texts[i][1]);
    }
}

static void an_unknown_member_is_refused_unless_lenient(void **state)
{
    static const char *const texts[][2] = {
        {"{\"items\":[\"a\",{\"id\":\"b\",\"price\":1}]}", "/items/1/price"},
        {"{\"items\":[{\"id\":\"b\",\"label\":1}]}", "/items/0/label"},
        {"{\"items\":[],\"user\":{\"id\":\"u\",\"age\":1}}", "/user/age"},
        {"{\"items\":[],\"user\":{\"id\":\"u\",\"age\":null}}", "/user/age"},
    };
    struct list_fixture *f = *state;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const struct list_rules lenient = {.features = &fixture_hashed, .lenient = true};
        refuses(f, &fixture_hashed, texts[i][0], PROBLEM_UNKNOWN_FIELD, texts[i][1]);
        assert_true(fixture_read_by(f, &lenient, texts[i][0]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIST_TEST(a_user_may_lack_id_features_or_all),
        LIST_TEST(context_is_plain_features_without_an_id),
        LIST_TEST(a_bare_string_is_an_item_without_features),
        LIST_TEST(an_empty_list_is_a_list),
        LIST_TEST(a_list_does_not_remember_the_one_before),
        LIST_TEST(every_item_is_found_by_its_id_and_no_other_is),
        LIST_TEST(an_item_twice_is_refused_at_its_second_place),
        LIST_TEST(labels_weights_and_teachers_are_read_where_asked_for),
        LIST_TEST(labels_weights_and_teachers_have_ranges),
        LIST_TEST(a_thousand_items_are_taken_and_one_more_is_not),
        LIST_TEST(user_and_context_have_a_limit_of_their_own_each),
        LIST_TEST(names_texts_and_ids_have_limits_in_bytes),
        LIST_TEST(ids_and_names_are_not_empty),
        LIST_TEST(a_wrong_value_is_told_with_its_place),
        LIST_TEST(an_unknown_member_is_refused_unless_lenient),
    };
    json_start();
    return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
