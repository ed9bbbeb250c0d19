/*
 * POST /v1/batches: shapes, named batches once, what is learned from them.
 */
#include "api_fixture.h"
#include "test.h"

#define LISTS                                                                                      \
    "\"groups\": [{\"user\": {\"id\": \"u1\"}, \"context\": {}, \"items\": ["                      \
    "{\"id\": \"i1\", \"features\": {\"brand\": \"acme\"}, \"label\": 2},"                         \
    " {\"id\": \"i2\", \"label\": 0, \"weight\": 0.5}]},"                                          \
    " {\"items\": [{\"id\": \"i3\", \"label\": 1}, \"i4\", \"i5\"]}]"

static void an_answer_has_the_shape_of_the_contract(void **state)
{
    const int64_t before = log_end(*state);
    const struct answer *answer =
        post(*state, "/v1/batches", "{\"model\": \"default\", \"batch_id\": \"b-1\", " LISTS "}");
    assert_answered(answer, 200);
    assert_members(answer, "", "accepted_groups items seq");
    assert_int_equal(integer_at(answer, "/accepted_groups"), 2);
    assert_int_equal(integer_at(answer, "/items"), 5);
    assert_int_equal(integer_at(answer, "/seq/0"), before + 1);
    assert_int_equal(integer_at(answer, "/seq/1"), before + 2);
    assert_int_equal(log_end(*state), before + 2);
}

static void the_same_batch_again_is_a_duplicate_and_changes_nothing(void **state)
{
    const struct answer *first, *again;
    int64_t before;
    first = post(*state, "/v1/batches", "{\"batch_id\": \"b\", " LISTS "}");
    before = log_end(*state);
    again = post(*state, "/v1/batches", "{ \"batch_id\" : \"b\" , " LISTS " }");
    assert_answered(again, 200);
    assert_true(flag_at(again, "/duplicate"));
    assert_int_equal(integer_at(again, "/accepted_groups"), 0);
    assert_int_equal(integer_at(again, "/seq/0"), integer_at(first, "/seq/0"));
    assert_int_equal(integer_at(again, "/seq/1"), integer_at(first, "/seq/1"));
    assert_int_equal(log_end(*state), before);
}

static void another_body_under_the_same_id_is_a_conflict(void **state)
{
    int64_t before;
    assert_answered(post(*state, "/v1/batches", "{\"batch_id\": \"b\", " LISTS "}"), 200);
    before = log_end(*state);
    assert_problem(post(*state, "/v1/batches", "{\"batch_id\": \"b\", \"groups\": []}"), 409,
                   "batch-conflict");
    assert_problem(
        post(*state, "/v1/batches", "{\"batch_id\": \"b\", \"groups\": [{\"items\": [\"i1\"]}]}"),
        409, "batch-conflict");
    assert_int_equal(log_end(*state), before);
}

static void a_batch_without_an_id_is_never_a_duplicate(void **state)
{
    for (int i = 0; i < 2; i++) {
        const struct answer *answer = post(*state, "/v1/batches", "{" LISTS "}");
        assert_answered(answer, 200);
        assert_int_equal(integer_at(answer, "/accepted_groups"), 2);
        assert_false(is_at(answer, "/duplicate"));
    }
}

static void lines_take_model_and_id_from_the_query(void **state)
{
    static const char lines[] = "{\"items\": [{\"id\": \"a\", \"label\": 1}, \"b\"]}\n"
                                "{\"items\": [\"c\"]}\n";
    const struct answer *answer =
        post_lines(*state, "/v1/batches?model=default&batch_id=b%2F1", lines);
    assert_answered(answer, 200);
    assert_int_equal(integer_at(answer, "/accepted_groups"), 2);
    assert_int_equal(integer_at(answer, "/items"), 3);
    assert_true(flag_at(post_lines(*state, "/v1/batches?batch_id=b/1", lines), "/duplicate"));
    assert_problem(post_lines(*state, "/v1/batches?model=none", lines), 404, "unknown-model");
    assert_problem_at(post_lines(*state, "/v1/batches", "{\"items\": []}\n{\"items\": [3]}"), 422,
                      "validation-failed", "/1/items/0");
}

/* Such ids used to be taken as "%", so that all of them were the same batch. */
static void an_id_in_the_query_that_is_no_id_is_refused(void **state)
{
    static const char lines[] = "{\"items\": [{\"id\": \"a\", \"label\": 1}, \"b\"]}\n";
    const int64_t before = log_end(*state);
    char path[400];
    assert_problem(post_lines(*state, "/v1/batches?batch_id=", lines), 422, "validation-failed");
    assert_problem(post_lines(*state, "/v1/batches?batch_id=%zz", lines), 400, "bad-request");
    assert_problem(post_lines(*state, "/v1/batches?batch_id=%ff", lines), 400, "bad-request");
    for (int n = 129; n < 133; n++) {
        (void)snprintf(path, sizeof path, "/v1/batches?batch_id=%0*d", n, 1);
        assert_problem(post_lines(*state, path, lines), 422, "limit-exceeded");
    }
    (void)snprintf(path, sizeof path, "/v1/batches?model=%065d", 1);
    assert_problem(post_lines(*state, path, lines), 404, "unknown-model");
    assert_int_equal(log_end(*state), before);
    (void)snprintf(path, sizeof path, "/v1/batches?batch_id=%0128d", 1);
    assert_answered(post_lines(*state, path, lines), 200);
}

static void no_lists_are_no_mistake(void **state)
{
    const int64_t before = log_end(*state);
    assert_string_equal(post(*state, "/v1/batches", "{\"groups\": []}")->text,
                        "{\"accepted_groups\":0,\"items\":0,\"seq\":[]}");
    assert_int_equal(log_end(*state), before);
}

static void a_model_learns_from_the_batches_that_name_it_alone(void **state)
{
    char ids[64];
    const struct answer *answer;
    assert_answered(put(*state, "/v1/models/other", "{\"kind\": \"fm\"}"), 201);
    assert_answered(post(*state, "/v1/batches",
                         "{\"model\": \"other\", \"groups\": [{\"items\": [\"a\", {\"id\": \"b\","
                         " \"label\": 1}]}]}"),
                    200);
    assert_int_equal(train(*state, "default"), 0);
    assert_int_equal(train(*state, "other"), 1);
    answer = post(*state, "/v1/score", "{\"model\": \"other\", \"items\": [\"a\", \"b\"]}");
    assert_string_equal(ids_of(answer, ids, sizeof ids), "b a");
}

/* ---- dry run ---- */

static void a_dry_run_answers_what_training_would_do_and_stores_nothing(void **state)
{
    const int64_t before = log_end(*state);
    const struct answer *answer = post(*state, "/v1/batches?dry_run=1", "{" LISTS "}");
    assert_answered(answer, 200);
    assert_members(answer, "", "dry_run version groups items updates pairs loss gradient_norm");
    assert_true(flag_at(answer, "/dry_run"));
    assert_int_equal(integer_at(answer, "/groups"), 2);
    assert_int_equal(integer_at(answer, "/items"), 5);
    assert_int_equal(integer_at(answer, "/pairs"), 3);
    assert_true(number_at(answer, "/loss") > 0 && number_at(answer, "/gradient_norm") > 0);
    assert_int_equal(log_end(*state), before);
    assert_int_equal(train(*state, "default"), 0);
    assert_answered(post(*state, "/v1/batches", "{" LISTS "}"), 200);
    assert_int_equal(train(*state, "default"), 1);
    answer = get(*state, "/v1/models/default/training");
    assert_int_equal(integer_at(answer, "/steps/0/pairs"), 3);
}

static void a_dry_run_of_a_paused_model_answers_too(void **state)
{
    const struct answer *answer;
    assert_answered(post(*state, "/v1/models/default/pause", NULL), 200);
    answer = post(*state, "/v1/batches?dry_run=1", "{" LISTS "}");
    assert_answered(answer, 200);
    assert_int_equal(integer_at(answer, "/updates"), 2);
}

static void a_dry_run_has_the_refusals_of_a_batch(void **state)
{
    static const char lines[] = "{\"items\": [{\"id\": \"a\", \"label\": 1}, \"b\"]}\n";
    assert_answered(post(*state, "/v1/batches", "{\"batch_id\": \"b\", " LISTS "}"), 200);
    assert_problem(post(*state, "/v1/batches?dry_run=1", "{\"model\": \"none\", " LISTS "}"), 404,
                   "unknown-model");
    assert_problem_at(post(*state, "/v1/batches?dry_run=1", "{\"groups\": [{\"items\": [3]}]}"),
                      422, "validation-failed", "/groups/0/items/0");
    assert_problem(post(*state, "/v1/batches?dry_run=1", "{\"batch_id\": \"b\", \"groups\": []}"),
                   409, "batch-conflict");
    assert_true(flag_at(post(*state, "/v1/batches?dry_run=1", "{\"batch_id\": \"b\", " LISTS "}"),
                        "/duplicate"));
    assert_answered(post_lines(*state, "/v1/batches?dry_run=1&model=default", lines), 200);
    assert_answered(post(*state, "/v1/batches?dry_run=1", "{\"groups\": []}"), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(an_answer_has_the_shape_of_the_contract),
        API_TEST(the_same_batch_again_is_a_duplicate_and_changes_nothing),
        API_TEST(another_body_under_the_same_id_is_a_conflict),
        API_TEST(a_batch_without_an_id_is_never_a_duplicate),
        API_TEST(lines_take_model_and_id_from_the_query),
        API_TEST(an_id_in_the_query_that_is_no_id_is_refused),
        API_TEST(no_lists_are_no_mistake),
        API_TEST(a_model_learns_from_the_batches_that_name_it_alone),
        API_TEST(a_dry_run_answers_what_training_would_do_and_stores_nothing),
        API_TEST(a_dry_run_of_a_paused_model_answers_too),
        API_TEST(a_dry_run_has_the_refusals_of_a_batch),
    };
    return cmocka_run_group_tests_name("api_batches", tests, api_fixture_group, NULL);
}
