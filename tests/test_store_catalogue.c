/*
 * Features of items and users, as they are and as they were.
 */
#include "store_fixture.h"
#include "test.h"

struct seen {
    size_t n;
    char text[256];
};

static int64_t put_features(struct store *store, enum store_side side, const char *id,
                            const char *features, bool expected)
{
    int64_t seq = -1;
    bool existed = !expected;
    assert_ok(store_put_features(store, side, id, features, 1000, &seq, &existed, NULL));
    assert_int_equal(existed, expected);
    return seq;
}

static void assert_features(struct store *store, const char *id, int64_t seq, const char *expected)
{
    const char *features = NULL;
    enum rk_status status = store_get_features(store, STORE_ITEM, id, seq, &features, NULL);
    if (expected == NULL) {
        assert_status(status, RK_NOTFOUND);
    } else {
        assert_ok(status);
        assert_string_equal(features, expected);
    }
}

static void features_are_those_of_a_log_position(void **state)
{
    struct store_fixture *fixture = *state;
    struct store *store = fixture->store;
    int64_t first = put_features(store, STORE_ITEM, "i1", "{\"a\":1}", false);
    int64_t second = put_features(store, STORE_ITEM, "i1", "{\"a\":2}", true);
    int64_t gone = put_features(store, STORE_ITEM, "i1", NULL, true);
    int64_t back = put_features(store, STORE_ITEM, "i1", "{\"a\":3}", false);
    fixture_reopen(fixture);
    store = fixture->store;
    assert_features(store, "i1", first - 1, NULL);
    assert_features(store, "i1", first, "{\"a\":1}");
    assert_features(store, "i1", second, "{\"a\":2}");
    assert_features(store, "i1", gone, NULL);
    assert_features(store, "i1", back, "{\"a\":3}");
    assert_features(store, "i1", INT64_MAX, "{\"a\":3}");
    assert_features(store, "i2", INT64_MAX, NULL);
}

static void deleting_what_is_not_there_writes_nothing(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    int64_t end = 0;
    assert_int_equal(put_features(store, STORE_ITEM, "i1", NULL, false), 0);
    int64_t put_seq = put_features(store, STORE_ITEM, "i1", "{}", false);
    int64_t gone = put_features(store, STORE_ITEM, "i1", NULL, true);
    assert_int_equal(gone, put_seq + 1);
    assert_int_equal(put_features(store, STORE_ITEM, "i1", NULL, false), 0);
    assert_ok(store_log_end(store, &end, NULL));
    assert_int_equal(end, gone);
}

static void items_and_users_do_not_mix(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    const char *features = NULL;
    (void)put_features(store, STORE_USER, "x", "{\"age\":1}", false);
    assert_features(store, "x", INT64_MAX, NULL);
    assert_ok(store_get_features(store, STORE_USER, "x", INT64_MAX, &features, NULL));
    assert_string_equal(features, "{\"age\":1}");
    (void)put_features(store, STORE_ITEM, "x", "{}", false);
}

static void note_features(void *context, const char *id, const char *features)
{
    struct seen *seen = context;
    (void)strncat(seen->text, id, 16);
    (void)strncat(seen->text, features, 16);
    seen->n++;
}

static void features_are_listed_as_they_are_now_in_byte_order(void **state)
{
    struct store *store = ((struct store_fixture *)*state)->store;
    (void)put_features(store, STORE_ITEM, "b", "1", false);
    (void)put_features(store, STORE_ITEM, "\xc3\xa9", "2", false);
    (void)put_features(store, STORE_ITEM, "B", "3", false);
    (void)put_features(store, STORE_ITEM, "a", "4", false);
    (void)put_features(store, STORE_ITEM, "a", NULL, true);
    (void)put_features(store, STORE_ITEM, "b", "5", true);
    struct seen all = {0}, page = {0};
    assert_ok(store_list_features(store, STORE_ITEM, NULL, 100, note_features, &all, NULL));
    assert_string_equal(all.text, "B3b5\xc3\xa9"
                                  "2");
    assert_ok(store_list_features(store, STORE_ITEM, "B", 1, note_features, &page, NULL));
    assert_string_equal(page.text, "b5");
    assert_ok(store_list_features(store, STORE_USER, "", 100, note_features, &page, NULL));
    assert_int_equal(page.n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(features_are_those_of_a_log_position),
        TEST(deleting_what_is_not_there_writes_nothing),
        TEST(items_and_users_do_not_mix),
        TEST(features_are_listed_as_they_are_now_in_byte_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
