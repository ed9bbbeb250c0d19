/*
 * POST /v1/score: shapes, order, what is logged and what is not.
 */
#include "api_fixture.h"
#include "clock.h"
#include "store_fixture.h"
#include "test.h"

#include <pthread.h>
#include <rankd/group.h>
#include <sched.h>

#define ITEMS "\"items\": [\"a\", \"b\", \"c\"]"

static const char *status_of_click(struct api_fixture *fixture, const char *ranking,
                                   const char *item)
{
    const struct answer *answer =
        postf(fixture, "/v1/feedback",
              "{\"ranking_id\": \"%s\", \"item_id\": \"%s\", \"type\": \"click\"}", ranking, item);
    assert_answered(answer, 200);
    return text_at(answer, "/results/0/status");
}

static void an_answer_has_the_shape_of_the_contract(void **state)
{
    const struct answer *answer =
        post(*state, "/v1/score",
             "{\"model\": \"default\", \"ranking_id\": \"r-123\","
             " \"user\": {\"id\": \"u1\", \"features\": {\"age\": 31, \"country\": \"DE\"}},"
             " \"context\": {\"hour\": 14, \"device\": \"ios\"},"
             " \"items\": [{\"id\": \"i1\", \"features\": {\"price\": 9.5, \"brand\": \"acme\","
             " \"tags\": [\"new\", \"sale\"]}}, {\"id\": \"i2\"}, \"i3\"],"
             " \"exclude\": [\"i9\"], \"top_k\": 10, \"explain\": false, \"log\": true}");
    assert_answered(answer, 200);
    assert_string_equal(answer->type, "application/json");
    assert_members(answer, "", "ranking_id model version items");
    assert_members(answer, "/items/2", "id rank score");
    assert_string_equal(text_at(answer, "/ranking_id"), "r-123");
    assert_string_equal(text_at(answer, "/model"), "default");
    assert_int_equal(count_at(answer, "/items"), 3);
}

static void an_untrained_model_answers_score_0_in_the_given_order(void **state)
{
    char ids[64];
    const struct answer *answer =
        post(*state, "/v1/score", "{\"items\": [\"z\", {\"id\": \"y\"}, \"x\"]}");
    assert_answered(answer, 200);
    assert_int_equal(integer_at(answer, "/version"), 0);
    assert_string_equal(ids_of(answer, ids, sizeof ids), "z y x");
    for (int64_t i = 0; i < 3; i++) {
        char rank[32], score[32];
        (void)snprintf(rank, sizeof rank, "/items/%d/rank", (int)i);
        (void)snprintf(score, sizeof score, "/items/%d/score", (int)i);
        assert_int_equal(integer_at(answer, rank), i + 1);
        assert_close(number_at(answer, score), 0, 0, 0);
    }
}

static void ranking_ids_are_made_where_none_is_given(void **state)
{
    const struct answer *one = post(*state, "/v1/score", "{" ITEMS "}");
    const struct answer *other = post(*state, "/v1/score", "{\"ranking_id\": null, " ITEMS "}");
    const char *id = text_at(one, "/ranking_id");
    assert_int_equal(strlen(id), 26);
    assert_int_equal(strspn(id, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), 26);
    assert_string_not_equal(id, text_at(other, "/ranking_id"));
    assert_string_equal(status_of_click(*state, id, "a"), "accepted");
}

static void what_was_clicked_scores_higher_afterwards(void **state)
{
    char ids[64];
    const struct answer *answer;
    for (int i = 0; i < 8; i++) {
        char ranking[16];
        (void)snprintf(ranking, sizeof ranking, "r%d", i);
        score_and_click(*state, ranking);
    }
    assert_true(train(*state, "default") > 0);
    answer = post(*state, "/v1/score", "{\"user\": {\"id\": \"u\"}, " ITEMS "}");
    assert_true(integer_at(answer, "/version") > 0);
    assert_string_equal(ids_of(answer, ids, sizeof ids), "c a b");
    assert_true(number_at(answer, "/items/0/score") > number_at(answer, "/items/1/score"));
}

static void equal_scores_keep_the_requests_order(void **state)
{
    char ids[256];
    const struct answer *answer;
    score_and_click(*state, "r");
    assert_true(train(*state, "default") > 0);
    assert_answered(
        put(*state, "/v1/models/plain", "{\"kind\": \"fm\", \"use_ids\": false, \"dim\": 2}"), 201);
    answer = post(*state, "/v1/batches",
                  "{\"model\": \"plain\", \"groups\": [{\"items\": ["
                  "{\"id\": \"1\", \"features\": {\"f\": \"x\"}, \"label\": 1},"
                  "{\"id\": \"2\", \"features\": {\"f\": \"y\"}}]}]}");
    assert_answered(answer, 200);
    assert_int_equal(train(*state, "plain"), 1);
    answer = post(*state, "/v1/score",
                  "{\"model\": \"plain\", \"items\": [\"q\", \"d\", {\"id\": \"w\", \"features\":"
                  " {\"f\": \"x\"}}, \"a\", {\"id\": \"v\", \"features\": {\"f\": \"x\"}}, \"b\","
                  " \"c\"]}");
    assert_string_equal(ids_of(answer, ids, sizeof ids), "w v q d a b c");
}

/* The score of one item id for a user id, by the library's own forward pass. */
static float forward_score(struct api_fixture *fixture, const char *item)
{
    const struct served *served = models_find(models_now(&fixture->service.models), "default");
    const struct rk_space *space = &served->config.model.features;
    const struct rk_feature user = rk_feature_category(RK_USER, "id", 2, "u", 1, 1.0F);
    const struct rk_feature id = rk_feature_category(RK_ITEM, "id", 2, item, strlen(item), 1.0F);
    struct rk_group_builder builder;
    struct rk_group group;
    double score = 0;
    void *work;
    rk_group_builder_init(&builder);
    assert_ok(rk_group_begin(&builder, space, user.hash, NULL));
    assert_ok(rk_group_add(&builder, &user, NULL));
    assert_ok(rk_group_begin_item(&builder, id.hash, NULL));
    assert_ok(rk_group_add(&builder, &id, NULL));
    assert_ok(rk_group_end(&builder, false, &group, NULL));
    work = malloc(rk_model_work(served->model, 1, 2));
    assert_ok(
        rk_model_forward(served->model, live_served(&served->live), &group, work, &score, NULL));
    free(work);
    rk_group_builder_deinit(&builder);
    return (float)score;
}

static void scores_restore_the_float_exactly(void **state)
{
    const struct answer *answer;
    const char *at;
    for (int i = 0; i < 5; i++) {
        char ranking[16];
        (void)snprintf(ranking, sizeof ranking, "r%d", i);
        score_and_click(*state, ranking);
    }
    (void)train(*state, "default");
    answer = post(*state, "/v1/score", "{\"user\": {\"id\": \"u\"}, " ITEMS "}");
    at = answer->text;
    for (size_t i = 0; i < 3; i++) {
        char pointer[32];
        (void)snprintf(pointer, sizeof pointer, "/items/%zu/id", i);
        at = strstr(at, "\"score\":");
        assert_non_null(at);
        at += strlen("\"score\":");
        assert_true(strtof(at, NULL) == forward_score(*state, text_at(answer, pointer)));
        assert_true(strtof(at, NULL) != 0);
    }
}

static void excluded_items_and_those_beyond_top_k_were_not_shown(void **state)
{
    char ids[64];
    const struct answer *answer =
        post(*state, "/v1/score",
             "{\"ranking_id\": \"r\", \"items\": [\"a\", \"b\", \"c\", \"d\"],"
             " \"exclude\": [\"b\", \"elsewhere\", \"b\"], \"top_k\": 2}");
    assert_string_equal(ids_of(answer, ids, sizeof ids), "a c");
    assert_int_equal(integer_at(answer, "/items/1/rank"), 2);
    assert_string_equal(status_of_click(*state, "r", "b"), "not_shown");
    assert_string_equal(status_of_click(*state, "r", "d"), "not_shown");
    assert_string_equal(status_of_click(*state, "r", "elsewhere"), "not_shown");
    assert_string_equal(status_of_click(*state, "r", "c"), "accepted");
}

static void a_list_of_which_nothing_is_shown_is_not_logged(void **state)
{
    const int64_t before = log_end(*state);
    const struct answer *answer = post(*state, "/v1/score",
                                       "{\"ranking_id\": \"r\", \"items\": [\"a\"], \"exclude\":"
                                       " [\"a\"]}");
    assert_answered(answer, 200);
    assert_int_equal(count_at(answer, "/items"), 0);
    assert_false(flag_at(answer, "/logged"));
    assert_int_equal(log_end(*state), before);
}

static void an_empty_list_is_answered_empty_and_not_logged(void **state)
{
    const int64_t before = log_end(*state);
    const struct answer *answer =
        post(*state, "/v1/score", "{\"ranking_id\": \"r\", \"items\": []}");
    assert_answered(answer, 200);
    assert_string_equal(text_at(answer, "/ranking_id"), "r");
    assert_int_equal(count_at(answer, "/items"), 0);
    assert_int_equal(log_end(*state), before);
    assert_string_equal(status_of_click(*state, "r", "a"), "unknown_ranking");
    assert_problem(get(*state, "/v1/rankings/r"), 404, "unknown-ranking");
}

static void log_false_keeps_a_list_out_of_the_log(void **state)
{
    const int64_t before = log_end(*state);
    const struct answer *answer =
        post(*state, "/v1/score", "{\"ranking_id\": \"r\", \"log\": false, " ITEMS "}");
    assert_answered(answer, 200);
    assert_false(flag_at(answer, "/logged"));
    assert_int_equal(count_at(answer, "/items"), 3);
    assert_int_equal(log_end(*state), before);
    assert_string_equal(status_of_click(*state, "r", "a"), "unknown_ranking");
}

static void an_id_used_before_is_scored_but_events_join_the_first_list(void **state)
{
    const struct answer *answer =
        post(*state, "/v1/score", "{\"ranking_id\": \"r\", \"items\": [\"a\", \"b\"]}");
    int64_t before;
    assert_false(is_at(answer, "/logged"));
    before = log_end(*state);
    answer = post(*state, "/v1/score", "{\"ranking_id\": \"r\", \"items\": [\"x\", \"y\"]}");
    assert_answered(answer, 200);
    assert_int_equal(count_at(answer, "/items"), 2);
    assert_false(flag_at(answer, "/logged"));
    assert_int_equal(log_end(*state), before);
    assert_string_equal(status_of_click(*state, "r", "x"), "not_shown");
    assert_string_equal(status_of_click(*state, "r", "a"), "accepted");
}

static void an_id_that_is_only_queued_counts_as_used(void **state)
{
    const struct answer *first, *second;
    hold_writer(*state);
    first = post(*state, "/v1/score", "{\"ranking_id\": \"r\", \"items\": [\"a\"]}");
    second = post(*state, "/v1/score", "{\"ranking_id\": \"r\", \"items\": [\"b\"]}");
    let_writer_go(*state);
    assert_false(is_at(first, "/logged"));
    assert_false(flag_at(second, "/logged"));
    assert_string_equal(status_of_click(*state, "r", "b"), "not_shown");
}

static void a_list_that_is_shed_says_so_and_is_counted(void **state)
{
    struct api_fixture *fixture = *state;
    const struct answer *first, *second;
    api_fixture_stop(fixture);
    fixture->service.options.queue_rankings = 1;
    api_fixture_start(fixture);
    hold_writer(fixture);
    first = post(fixture, "/v1/score", "{\"ranking_id\": \"r1\", " ITEMS "}");
    second = post(fixture, "/v1/score", "{\"ranking_id\": \"r2\", " ITEMS "}");
    let_writer_go(fixture);
    assert_false(is_at(first, "/logged"));
    assert_false(flag_at(second, "/logged"));
    assert_int_equal(count_at(second, "/items"), 3);
    assert_string_equal(status_of_click(fixture, "r1", "a"), "accepted");
    assert_string_equal(status_of_click(fixture, "r2", "a"), "unknown_ranking");
    assert_non_null(
        strstr(get(fixture, "/metrics")->text, "rankd_rankings_total{result=\"shed\"} 1\n"));
}

/* What stands in each line of the answer. */
static const char *const line_parts[] = {
    "{\"ranking_id\":\"r1\",\"model\":\"default\",\"version\":0,\"items\":[{\"id\":\"a\","
    "\"rank\":1,\"score\":0}]}",
    "/problems/unknown-field",
    "\"logged\":false",
    "/problems/invalid-json",
    "/problems/unknown-model",
    "\"items\":[]"};

static void lines_are_answered_line_by_line(void **state)
{
    const struct answer *answer =
        post_lines(*state, "/v1/score",
                   "{\"ranking_id\": \"r1\", \"items\": [\"a\"]}\n\n"
                   "{\"ranking_id\": \"r2\", \"itms\": [\"a\"]}\r\n"
                   "{\"ranking_id\": \"r1\", \"items\": [\"b\"]}\n"
                   "nonsense\n"
                   "{\"ranking_id\": \"r3\", \"model\": \"none\", \"items\": []}\n"
                   "{\"ranking_id\": \"r4\", \"items\": []}");
    const char *line = answer->text;
    assert_answered(answer, 200);
    assert_string_equal(answer->type, "application/x-ndjson");
    for (size_t i = 0; i < sizeof line_parts / sizeof *line_parts; i++) {
        const size_t n = strcspn(line, "\n");
        json_t *json = json_loadb(line, n, 0, NULL);
        assert_non_null(json);
        json_decref(json);
        assert_non_null(memmem(line, n, line_parts[i], strlen(line_parts[i])));
        line += n + 1;
    }
    assert_string_equal(line, "");
}

static void no_lines_are_answered_with_none(void **state)
{
    const struct answer *answer = post_lines(*state, "/v1/score", "\n \n");
    assert_answered(answer, 200);
    assert_string_equal(answer->text, "");
}

static void a_score_that_is_not_finite_falls_back_to_the_requests_order(void **state)
{
    struct api_fixture *fixture = *state;
    struct served *served = models_find(models_now(&fixture->service.models), "default");
    const struct answer *answer;
    char ids[64];
    live_learning(&served->live)[0] = INFINITY; /* nothing was logged: the trainer is idle */
    live_publish_all(&served->live, 1);
    answer = post(fixture, "/v1/score", "{" ITEMS ", \"log\": false}");
    assert_answered(answer, 200);
    assert_string_equal(text_at(answer, "/degraded"), "fallback");
    assert_string_equal(ids_of(answer, ids, sizeof ids), "a b c");
    assert_close(number_at(answer, "/items/0/score"), 0, 0, 0);
    assert_non_null(strstr(get(fixture, "/metrics")->text, "rankd_nonfinite_total 1\n"));
    atomic_store(&served->checkpoint_version, 1); /* not to be stored */
}

static void *get_ranking(void *fixture)
{
    return get(fixture, "/v1/rankings/r%2F1");
}

/* Asks for a ranking that is still on its way into the log. */
static const struct answer *get_queued_ranking(struct api_fixture *fixture)
{
    const int64_t deadline_ns = clock_monotonic_ns() + INT64_C(30000000000);
    pthread_t thread;
    void *answer;
    assert_int_equal(pthread_create(&thread, NULL, get_ranking, fixture), 0);
    while (writer_queued(fixture->service.writer).jobs == 0) { /* until it waits for the writer */
        assert_true(clock_monotonic_ns() < deadline_ns);
        (void)sched_yield();
    }
    let_writer_go(fixture);
    assert_int_equal(pthread_join(thread, &answer), 0);
    return answer;
}

static void a_ranking_can_be_read_right_after_it_was_served(void **state)
{
    const struct answer *answer;
    hold_writer(*state);
    assert_answered(post(*state, "/v1/score",
                         "{\"ranking_id\": \"r/1\", \"user\": {\"id\": \"u\"}, " ITEMS
                         ", \"top_k\": 2}"),
                    200);
    answer = get_queued_ranking(*state);
    assert_answered(answer, 200);
    assert_members(answer, "",
                   "ranking_id model version time seq catalogue_seq request items events learned "
                   "reproducible");
    assert_string_equal(text_at(answer, "/ranking_id"), "r/1");
    assert_string_equal(text_at(answer, "/model"), "default");
    assert_int_equal(count_at(answer, "/items"), 2);
    assert_string_equal(text_at(answer, "/request/user/id"), "u");
    assert_int_equal(count_at(answer, "/events"), 0);
    assert_true(json_is_null(value_at(answer, "/learned")));
}

static void a_ranking_shows_its_events_and_the_version_that_learned_from_them(void **state)
{
    const struct answer *answer;
    int64_t version;
    score_and_click(*state, "r");
    version = train(*state, "default");
    answer = get(*state, "/v1/rankings/r");
    assert_answered(answer, 200);
    assert_members(answer, "/events/0", "event_id item_id type value received seq");
    assert_string_equal(text_at(answer, "/events/0/item_id"), "c");
    assert_int_equal(integer_at(answer, "/learned/version"), version);
    assert_string_equal(text_at(answer, "/learned/outcome"), "published");
    assert_problem(get(*state, "/v1/rankings/none"), 404, "unknown-ranking");
}

static void a_ranking_says_whether_what_led_to_it_is_kept(void **state)
{
    struct api_fixture *fixture = *state;
    score_and_click(fixture, "r");
    (void)train(fixture, "default");
    score_and_click(fixture, "again");
    (void)train(fixture, "default");
    assert_true(json_is_true(value_at(get(fixture, "/v1/rankings/again"), "/reproducible")));
    fixture_run_sql(fixture->path, "DELETE FROM checkpoint WHERE version = 1");
    assert_true(json_is_true(value_at(get(fixture, "/v1/rankings/again"), "/reproducible")));
    fixture_run_sql(fixture->path, "DELETE FROM step WHERE version = 1");
    assert_true(json_is_false(value_at(get(fixture, "/v1/rankings/again"), "/reproducible")));
    assert_true(json_is_true(value_at(get(fixture, "/v1/rankings/r"), "/reproducible")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(an_answer_has_the_shape_of_the_contract),
        API_TEST(an_untrained_model_answers_score_0_in_the_given_order),
        API_TEST(ranking_ids_are_made_where_none_is_given),
        API_TEST(what_was_clicked_scores_higher_afterwards),
        API_TEST(equal_scores_keep_the_requests_order),
        API_TEST(scores_restore_the_float_exactly),
        API_TEST(excluded_items_and_those_beyond_top_k_were_not_shown),
        API_TEST(a_list_of_which_nothing_is_shown_is_not_logged),
        API_TEST(an_empty_list_is_answered_empty_and_not_logged),
        API_TEST(log_false_keeps_a_list_out_of_the_log),
        API_TEST(an_id_used_before_is_scored_but_events_join_the_first_list),
        API_TEST(an_id_that_is_only_queued_counts_as_used),
        API_TEST(a_list_that_is_shed_says_so_and_is_counted),
        API_TEST(lines_are_answered_line_by_line),
        API_TEST(no_lines_are_answered_with_none),
        API_TEST(a_score_that_is_not_finite_falls_back_to_the_requests_order),
        API_TEST(a_ranking_can_be_read_right_after_it_was_served),
        API_TEST(a_ranking_shows_its_events_and_the_version_that_learned_from_them),
        API_TEST(a_ranking_says_whether_what_led_to_it_is_kept),
    };
    return cmocka_run_group_tests_name("api_score", tests, api_fixture_group, NULL);
}
