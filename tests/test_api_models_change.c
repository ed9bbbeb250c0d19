/*
 * /v1/models, by another configuration than before, and from another place of the log than its end.
 */
#include "api_fixture.h"
#include "store_fixture.h"
#include "test.h"

#define SMALL "{\"kind\": \"fm\", \"features\": {\"space\": \"hashed\", \"bits\": 8}, \"dim\": 4}"

static struct answer *order(struct api_fixture *fixture, const char *path)
{
    return ask(fixture, "POST", path, NULL, NULL);
}

/* ---- changing a configuration ---- */

static struct answer *patch(struct api_fixture *fixture, const char *path, const char *json)
{
    return ask(fixture, "PATCH", path, "application/merge-patch+json", json);
}

static void a_patch_changes_how_a_model_learns_and_answers_with_the_model(void **state)
{
    const struct answer *answer;
    assert_answered(put(*state, "/v1/models/m", SMALL), 201);
    answer = patch(*state, "/v1/models/m",
                   "{\"labels\": {\"buy\": 5}, \"learning_rate\": 0.05, \"training\": "
                   "{\"batch_groups\": 7}}");
    assert_answered(answer, 200);
    assert_members(answer, "", "name config version parameters bytes training");
    assert_int_equal(integer_at(answer, "/config/labels/buy"), 5);
    assert_int_equal(integer_at(answer, "/config/labels/click"), 1);
    assert_true(number_at(answer, "/config/optimizer/learning_rate") == 0.05);
    assert_int_equal(integer_at(answer, "/config/training/batch_groups"), 7);
    assert_int_equal(integer_at(answer, "/config/features/bits"), 8);
    assert_true(
        json_equal(value_at(get(*state, "/v1/models/m"), "/config"), value_at(answer, "/config")));
    api_fixture_stop(*state);
    api_fixture_start(*state);
    assert_true(
        json_equal(value_at(get(*state, "/v1/models/m"), "/config"), value_at(answer, "/config")));
    assert_answered(
        ask(*state, "PATCH", "/v1/models/m", "application/json", "{\"labels\": {\"buy\": null}}"),
        200);
    assert_false(is_at(get(*state, "/v1/models/m"), "/config/labels/buy"));
}

static void a_changed_model_is_the_same_as_what_it_was_changed_to(void **state)
{
    assert_answered(put(*state, "/v1/models/m", SMALL), 201);
    assert_answered(patch(*state, "/v1/models/m", "{\"training\": {\"batch_groups\": 7}}"), 200);
    assert_problem(put(*state, "/v1/models/m", SMALL), 409, "model-exists");
    assert_answered(put(*state, "/v1/models/m",
                        "{\"kind\": \"fm\", \"features\": {\"bits\": 8}, \"dim\": 4, "
                        "\"training\": {\"batch_groups\": 7}}"),
                    200);
}

static void a_patch_that_is_wrong_or_changes_nothing_leaves_no_trace(void **state)
{
    int64_t before;
    const struct answer *model;
    assert_answered(put(*state, "/v1/models/m", SMALL), 201);
    before = log_end(*state);
    model = get(*state, "/v1/models/m");
    assert_problem_at(patch(*state, "/v1/models/m", "{\"dim\": 8}"), 422, "invalid-model", "/dim");
    assert_problem_at(patch(*state, "/v1/models/m", "{\"speed\": 8}"), 422, "unknown-field",
                      "/speed");
    assert_problem_at(patch(*state, "/v1/models/m", "{\"learning_rate\": 2000}"), 422,
                      "value-out-of-range", "/learning_rate");
    assert_problem_at(
        patch(*state, "/v1/models/m", "{\"labels\": {\"a\": 1}, \"training\": {\"source\": 1}}"),
        422, "validation-failed", "/training/source");
    assert_problem(patch(*state, "/v1/models/m", "{\"labels\""), 400, "invalid-json");
    assert_problem(patch(*state, "/v1/models/none", "{}"), 404, "unknown-model");
    assert_problem(ask(*state, "PATCH", "/v1/models/m", "text/plain", "{}"), 415,
                   "unsupported-media-type");
    assert_answered(patch(*state, "/v1/models/m", "{\"labels\": {\"click\": 1}}"), 200);
    assert_answered(patch(*state, "/v1/models/m?lenient=1", "{\"speed\": 8}"), 200);
    assert_true(
        json_equal(value_at(get(*state, "/v1/models/m"), "/config"), value_at(model, "/config")));
    assert_int_equal(log_end(*state), before);
}

static void a_label_that_is_put_in_counts_for_events_from_then_on(void **state)
{
    static const char buy[] = "{\"ranking_id\": \"%s\", \"item_id\": \"b\", \"type\": \"buy\"}";
    for (int i = 0; i < 2; i++) {
        char id[2] = {(char)('p' + i), '\0'};
        assert_answered(
            postf(*state, "/v1/score", "{\"ranking_id\": \"%s\", \"items\": [\"a\", \"b\"]}", id),
            200);
        assert_answered(postf(*state, "/v1/feedback", buy, id), 200);
        assert_int_equal(train(*state, "default"), i);
        assert_answered(patch(*state, "/v1/models/default", "{\"labels\": {\"buy\": 3}}"), 200);
    }
}

static void training_that_is_switched_off_is_refused_at_once_and_on_again_catches_up(void **state)
{
    score_and_click(*state, "r");
    assert_answered(patch(*state, "/v1/models/default", "{\"training\": {\"enabled\": false}}"),
                    200);
    assert_problem(order(*state, "/v1/models/default/train"), 409, "training-disabled");
    assert_problem(order(*state, "/v1/models/default/train?wait=1"), 409, "training-disabled");
    assert_problem(order(*state, "/v1/models/default/pause"), 409, "training-disabled");
    score_and_click(*state, "s");
    assert_answered(patch(*state, "/v1/models/default", "{\"training\": {\"enabled\": true}}"),
                    200);
    assert_true(train(*state, "default") > 0);
    assert_int_equal(integer_at(get(*state, "/v1/models/default/training"), "/lag"), 0);
}

/* ---- where learning starts ---- */

#define LEARNS_ALL                                                                                 \
    "{\"kind\": \"fm\", \"features\": {\"bits\": 8}, \"dim\": 4, \"training\": {\"source\": "      \
    "\"all\"}}"

static int64_t position_of(struct api_fixture *fixture, const char *path)
{
    return integer_at(get(fixture, path), "/seq");
}

static void a_new_model_learns_from_the_log_position_it_is_sent_back_to(void **state)
{
    const struct answer *answer;
    int64_t first, second;
    first = integer_at(post(*state, "/v1/batches",
                            "{\"groups\": [{\"items\": [{\"id\": \"a\","
                            " \"label\": 1}, \"b\"]}]}"),
                       "/seq/0");
    second = integer_at(post(*state, "/v1/batches",
                             "{\"groups\": [{\"items\": [{\"id\": \"b\","
                             " \"label\": 1}, \"c\"]}]}"),
                        "/seq/0");
    assert_true(second > first);
    assert_answered(put(*state, "/v1/models/new", LEARNS_ALL), 201);
    assert_answered(put(*state, "/v1/models/back?from_seq=0", LEARNS_ALL), 201);
    assert_int_equal(train(*state, "new"), 0);
    assert_int_equal(train(*state, "back"), 1);
    answer = get(*state, "/v1/models/back/training");
    assert_int_equal(integer_at(answer, "/steps/0/lists"), 2);
    assert_int_equal(integer_at(answer, "/steps/0/seq/0"), 1);
    assert_answered(put(*state, "/v1/models/back?from_seq=999999", LEARNS_ALL), 200);
    api_fixture_stop(*state);
    api_fixture_start(*state);
    assert_int_equal(integer_at(get(*state, "/v1/models/back"), "/version"), 1);
}

static void a_model_sent_back_is_there_after_a_restart_before_it_learned(void **state)
{
    assert_answered(put(*state, "/v1/models/m?from_seq=1",
                        "{\"kind\": \"fm\", \"training\": {\"enabled\": false}}"),
                    201);
    assert_int_equal(position_of(*state, "/v1/models/m/training"), 1);
    api_fixture_stop(*state);
    api_fixture_start(*state);
    assert_int_equal(position_of(*state, "/v1/models/m/training"), 1);
}

static void a_position_that_is_not_in_the_log_is_refused(void **state)
{
    static const char *const bad[] = {"", "-1", "x", "1.5", "12345678901234567"};
    char path[64];
    const int64_t end = log_end(*state);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        (void)snprintf(path, sizeof path, "/v1/models/m?from_seq=%s", bad[i]);
        assert_problem(put(*state, path, SMALL), 422, "validation-failed");
    }
    (void)snprintf(path, sizeof path, "/v1/models/m?from_seq=%d", (int)end + 1);
    assert_problem(put(*state, path, SMALL), 422, "value-out-of-range");
    fixture_run_sql(((struct api_fixture *)*state)->path,
                    "INSERT INTO trimmed (model, seq, due_seq, step) VALUES (1, 1, 1, 0)");
    assert_problem(put(*state, "/v1/models/m?from_seq=0", SMALL), 422, "value-out-of-range");
    assert_answered(get(*state, "/v1/models/m"), 404);
    assert_int_equal(log_end(*state), end);
    assert_answered(put(*state, "/v1/models/m?from_seq=1", SMALL), 201);
}

static void learning_from_all_is_for_hashed_features_and_ids(void **state)
{
    assert_problem_at(put(*state, "/v1/models/m",
                          "{\"kind\": \"fm\", \"features\": {\"space\": \"indexed\", \"size\": 3},"
                          " \"training\": {\"source\": \"all\"}}"),
                      422, "invalid-model", "/training");
    assert_problem_at(put(*state, "/v1/models/m",
                          "{\"kind\": \"joint\", \"users\": {\"space\": \"indexed\", \"size\": 3},"
                          " \"training\": {\"source\": \"all\"}}"),
                      422, "invalid-model", "/training");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(a_patch_changes_how_a_model_learns_and_answers_with_the_model),
        API_TEST(a_changed_model_is_the_same_as_what_it_was_changed_to),
        API_TEST(a_patch_that_is_wrong_or_changes_nothing_leaves_no_trace),
        API_TEST(a_label_that_is_put_in_counts_for_events_from_then_on),
        API_TEST(training_that_is_switched_off_is_refused_at_once_and_on_again_catches_up),
        API_TEST(a_new_model_learns_from_the_log_position_it_is_sent_back_to),
        API_TEST(a_model_sent_back_is_there_after_a_restart_before_it_learned),
        API_TEST(a_position_that_is_not_in_the_log_is_refused),
        API_TEST(learning_from_all_is_for_hashed_features_and_ids),
    };
    return cmocka_run_group_tests_name("api_models_change", tests, api_fixture_group, NULL);
}
