/*
 * /v1/items and /v1/users: stored, listed, and laid under the features of requests key by key.
 */
#include "api_fixture.h"
#include "test.h"

static void an_id_is_made_changed_read_and_deleted(void **state)
{
    static const char *const sides[] = {"items", "users"};
    for (size_t i = 0; i < 2; i++) {
        char path[32], unknown[32];
        (void)snprintf(path, sizeof path, "/v1/%s/a", sides[i]);
        (void)snprintf(unknown, sizeof unknown, "unknown-%.4s", sides[i]);
        assert_problem(get(*state, path), 404, unknown);
        assert_answered(put(*state, path, "{\"features\": {\"x\": 1.50, \"y\": [\"b\"]}}"), 201);
        assert_string_equal(get(*state, path)->text,
                            "{\"id\":\"a\",\"features\":{\"x\":1.50,\"y\":[\"b\"]}}");
        assert_answered(put(*state, path, "{\"features\": {\"x\": 2}}"), 200);
        assert_string_equal(get(*state, path)->text, "{\"id\":\"a\",\"features\":{\"x\":2}}");
        assert_answered(ask(*state, "DELETE", path, NULL, NULL), 204);
        assert_problem(get(*state, path), 404, unknown);
        assert_problem(ask(*state, "DELETE", path, NULL, NULL), 404, unknown);
        assert_answered(put(*state, path, "{\"features\": {}}"), 201);
    }
}

static void a_put_is_answered_with_what_is_stored(void **state)
{
    const struct answer *answer =
        put(*state, "/v1/items/a", "{\"features\": {\"brand\": \"acme\", \"new\": true}}");
    assert_answered(answer, 201);
    assert_string_equal(answer->text,
                        "{\"id\":\"a\",\"features\":{\"brand\":\"acme\",\"new\":true}}");
}

static void a_deletion_of_nothing_is_no_log_record(void **state)
{
    const int64_t before = log_end(*state);
    assert_problem(ask(*state, "DELETE", "/v1/items/a", NULL, NULL), 404, "unknown-item");
    assert_int_equal(log_end(*state), before);
}

static void many_are_put_at_once(void **state)
{
    const struct answer *answer =
        post(*state, "/v1/items",
             "{\"items\": [{\"id\": \"b\", \"features\": {\"x\": 1}}, {\"id\": \"a/1\","
             " \"features\": {\"x\": 2}}]}");
    assert_answered(answer, 200);
    assert_string_equal(answer->text, "{\"accepted\":2}");
    answer = post_lines(*state, "/v1/users",
                        "{\"id\": \"u\", \"features\": {\"age\": 1}}\n{\"id\": \"v\","
                        " \"features\": {\"age\": 2}}\n");
    assert_string_equal(answer->text, "{\"accepted\":2}");
    assert_answered(get(*state, "/v1/items/a%2F1"), 200);
    assert_answered(get(*state, "/v1/users/v"), 200);
    assert_string_equal(post(*state, "/v1/items", "{\"items\": []}")->text, "{\"accepted\":0}");
}

static void one_bad_entry_stores_none(void **state)
{
    const int64_t before = log_end(*state);
    assert_problem_at(post(*state, "/v1/items",
                           "{\"items\": [{\"id\": \"a\", \"features\": {}}, {\"id\": \"b\"}]}"),
                      422, "validation-failed", "/items/1");
    assert_problem_at(
        post(*state, "/v1/items", "{\"items\": [{\"id\": \"a\", \"features\": {\"x\": 1e7}}]}"),
        422, "value-out-of-range", "/items/0/features/x");
    assert_problem_at(post_lines(*state, "/v1/users",
                                 "{\"id\": \"a\", \"features\": {}}\n{\"id\": 3, \"features\": "
                                 "{}}"),
                      422, "validation-failed", "/1/id");
    assert_problem_at(post(*state, "/v1/users", "{\"items\": []}"), 422, "unknown-field", "/items");
    assert_problem_at(put(*state, "/v1/items/a", "{\"feature\": {}}"), 422, "unknown-field",
                      "/feature");
    assert_problem_at(put(*state, "/v1/items/a", "{}"), 422, "validation-failed", "");
    assert_int_equal(log_end(*state), before);
    assert_problem(get(*state, "/v1/items/a"), 404, "unknown-item");
}

static void lists_go_on_after_an_id_in_byte_order(void **state)
{
    char ids[64];
    assert_answered(post(*state, "/v1/items",
                         "{\"items\": [{\"id\": \"c\", \"features\": {}}, {\"id\": \"B\","
                         " \"features\": {}}, {\"id\": \"a b\", \"features\": {}}, {\"id\": \"a\","
                         " \"features\": {\"x\": 1}}]}"),
                    200);
    assert_string_equal(ids_of(get(*state, "/v1/items"), ids, sizeof ids), "B a a b c");
    assert_string_equal(ids_of(get(*state, "/v1/items?limit=2"), ids, sizeof ids), "B a");
    assert_string_equal(ids_of(get(*state, "/v1/items?limit=2&after=a"), ids, sizeof ids), "a b c");
    assert_string_equal(ids_of(get(*state, "/v1/items?after=a+b"), ids, sizeof ids), "c");
    assert_string_equal(ids_of(get(*state, "/v1/items?after=a%20b"), ids, sizeof ids), "c");
    assert_int_equal(count_at(get(*state, "/v1/items?after=c"), "/items"), 0);
    assert_members(get(*state, "/v1/items?after=B&limit=1"), "/items/0", "id features");
    assert_int_equal(count_at(get(*state, "/v1/users"), "/users"), 0);
}

static void limits_of_lists_are_checked(void **state)
{
    static const char *const limits[] = {"0", "-1", "1001", "x", "", "1x", "99999999999999999999"};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/v1/items?limit=%s", limits[i]);
        assert_problem(get(*state, path), 422, "validation-failed");
    }
    assert_answered(get(*state, "/v1/items?limit=1000"), 200);
}

/* Teaches a model without ids that f=good beats f=bad, and g=good beats g=bad. */
static void teach(struct api_fixture *fixture)
{
    assert_answered(put(fixture, "/v1/models/m",
                        "{\"kind\": \"fm\", \"use_ids\": false, \"init\": {\"std\": 1e-6}}"),
                    201);
    for (int i = 0; i < 4; i++) {
        assert_answered(post(fixture, "/v1/batches",
                             "{\"model\": \"m\", \"groups\": [{\"items\": ["
                             "{\"id\": \"1\", \"label\": 1, \"features\": {\"f\": \"good\"}},"
                             "{\"id\": \"2\", \"features\": {\"f\": \"bad\"}}]}, {\"items\": ["
                             "{\"id\": \"1\", \"label\": 1, \"features\": {\"g\": \"good\"}},"
                             "{\"id\": \"2\", \"features\": {\"g\": \"bad\"}}]}]}"),
                        200);
    }
    assert_true(train(fixture, "m") > 0);
}

static double score_of(struct api_fixture *fixture, const char *item)
{
    return number_at(
        postf(fixture, "/v1/score", "{\"model\": \"m\", \"log\": false, \"items\": [%s]}", item),
        "/items/0/score");
}

static void stored_features_are_added_and_those_of_the_request_win_key_by_key(void **state)
{
    double good, bad, both, neither;
    teach(*state);
    good = score_of(*state, "{\"id\": \"x\", \"features\": {\"f\": \"good\"}}");
    bad = score_of(*state, "{\"id\": \"x\", \"features\": {\"f\": \"bad\"}}");
    both = score_of(*state, "{\"id\": \"x\", \"features\": {\"f\": \"good\", \"g\": \"good\"}}");
    neither = score_of(*state, "\"x\"");
    assert_true(bad < neither && neither < good && good < both);
    assert_answered(put(*state, "/v1/items/x", "{\"features\": {\"f\": \"good\"}}"), 201);
    assert_close(score_of(*state, "\"x\""), good, 0, 0);
    assert_close(score_of(*state, "{\"id\": \"x\", \"features\": {\"f\": \"bad\"}}"), bad, 0, 0);
    assert_close(score_of(*state, "{\"id\": \"x\", \"features\": {\"g\": \"good\"}}"), both, 0, 0);
    assert_close(score_of(*state, "\"y\""), neither, 0, 0);
    assert_answered(ask(*state, "DELETE", "/v1/items/x", NULL, NULL), 204);
    assert_close(score_of(*state, "\"x\""), neither, 0, 0);
}

static void a_stored_column_outside_a_models_space_names_the_item(void **state)
{
    assert_answered(put(*state, "/v1/models/cols",
                        "{\"kind\": \"fm\", \"features\": {\"space\": \"indexed\", \"size\": 2}}"),
                    201);
    assert_answered(put(*state, "/v1/items/b", "{\"features\": [0, 0, 1]}"), 201);
    assert_problem_at(post(*state, "/v1/score", "{\"model\": \"cols\", \"items\": [\"a\", \"b\"]}"),
                      422, "index-outside", "/items/1");
    assert_answered(post(*state, "/v1/score", "{\"items\": [\"a\", \"b\"]}"), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(an_id_is_made_changed_read_and_deleted),
        API_TEST(a_put_is_answered_with_what_is_stored),
        API_TEST(a_deletion_of_nothing_is_no_log_record),
        API_TEST(many_are_put_at_once),
        API_TEST(one_bad_entry_stores_none),
        API_TEST(lists_go_on_after_an_id_in_byte_order),
        API_TEST(limits_of_lists_are_checked),
        API_TEST(stored_features_are_added_and_those_of_the_request_win_key_by_key),
        API_TEST(a_stored_column_outside_a_models_space_names_the_item),
    };
    return cmocka_run_group_tests_name("api_catalogue", tests, api_fixture_group, NULL);
}
