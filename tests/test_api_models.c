/*
 * /v1/models: made, read, deleted; their versions, activated; their training, paused and resumed.
 */
#include "api_fixture.h"
#include "clock.h"
#include "test.h"

#include <sched.h>

#define SMALL "{\"kind\": \"fm\", \"features\": {\"space\": \"hashed\", \"bits\": 8}, \"dim\": 4}"

static struct answer *remove_model(struct api_fixture *fixture, const char *path)
{
    return ask(fixture, "DELETE", path, NULL, NULL);
}

static struct answer *order(struct api_fixture *fixture, const char *path)
{
    return ask(fixture, "POST", path, NULL, NULL);
}

static void an_empty_database_is_given_a_default_model(void **state)
{
    const struct answer *answer = get(*state, "/v1/models");
    assert_answered(answer, 200);
    assert_int_equal(count_at(answer, "/models"), 1);
    assert_members(answer, "/models/0", "name config version parameters bytes training");
    assert_string_equal(text_at(answer, "/models/0/name"), "default");
    assert_string_equal(text_at(answer, "/models/0/config/kind"), "fm");
    assert_int_equal(integer_at(answer, "/models/0/version"), 0);
    assert_string_equal(text_at(answer, "/models/0/training/state"), "idle");
    assert_int_equal(integer_at(answer, "/models/0/parameters"), (1 << 18) * 17 + 1);
    assert_true(integer_at(answer, "/models/0/bytes") >=
                4 * integer_at(answer, "/models/0/parameters"));
}

static void the_default_model_shows_all_defaults(void **state)
{
    static const char *const places[] = {"/config/features/space",
                                         "/config/features/bits",
                                         "/config/features/numbers",
                                         "/config/dim",
                                         "/config/use_ids",
                                         "/config/loss/name",
                                         "/config/loss/pairs",
                                         "/config/loss/reduction",
                                         "/config/optimizer/name",
                                         "/config/optimizer/learning_rate",
                                         "/config/optimizer/l2",
                                         "/config/init/std",
                                         "/config/init/seed",
                                         "/config/labels/click",
                                         "/config/training/enabled",
                                         "/config/training/update_groups",
                                         "/config/training/batch_groups",
                                         "/config/training/attribution_s",
                                         "/config/training/negatives"};
    const struct answer *answer = get(*state, "/v1/models/default");
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        assert_true(is_at(answer, places[i]));
    }
    assert_int_equal(integer_at(answer, "/config/dim"), 16);
    assert_int_equal(integer_at(answer, "/config/features/bits"), 18);
}

static void a_model_is_made_once_and_the_same_again_is_fine(void **state)
{
    const struct answer *made = put(*state, "/v1/models/m-1_x", SMALL);
    const struct answer *again;
    assert_answered(made, 201);
    assert_members(made, "", "name config version parameters bytes training");
    assert_string_equal(text_at(made, "/name"), "m-1_x");
    assert_int_equal(integer_at(made, "/parameters"), 256 * 5 + 1);
    again = put(*state, "/v1/models/m-1_x", SMALL);
    assert_answered(again, 200);
    assert_string_equal(again->text, made->text);
    /* Compared with defaults filled in. */
    assert_answered(put(*state, "/v1/models/m-1_x",
                        "{\"dim\": 4, \"use_ids\": true, \"kind\": \"fm\", \"features\": {\"bits\":"
                        " 8}, \"labels\": {\"click\": 1.0}}"),
                    200);
    assert_string_equal(get(*state, "/v1/models/m-1_x")->text, made->text);
}

static void a_model_with_another_configuration_exists(void **state)
{
    int64_t before;
    assert_answered(put(*state, "/v1/models/m", SMALL), 201);
    before = log_end(*state);
    assert_problem(put(*state, "/v1/models/m", "{\"kind\": \"fm\"}"), 409, "model-exists");
    assert_int_equal(integer_at(get(*state, "/v1/models/m"), "/config/dim"), 4);
    assert_int_equal(log_end(*state), before);
}

static const struct {
    const char *body;
    int status;
    const char *slug, *pointer;
} bad_configs[] = {
    {"{\"kind\": \"forest\"}", 422, "invalid-model", "/kind"},
    {"{}", 422, "invalid-model", ""},
    {"{\"kind\": \"fm\", \"dims\": 4}", 422, "unknown-field", "/dims"},
    {"{\"kind\": \"fm\", \"dim\": 0}", 422, "value-out-of-range", "/dim"},
    {"{\"kind\": \"fm\", \"dim\": 257}", 422, "value-out-of-range", "/dim"},
    {"{\"kind\": \"fm\", \"features\": {\"bits\": 29}}", 422, "value-out-of-range",
     "/features/bits"},
    {"{\"kind\": \"fm\", \"features\": {\"space\": \"indexed\", \"size\": 3, \"bits\": 3}}", 422,
     "invalid-model", "/features/bits"},
    {"{\"kind\": \"fm\", \"optimizer\": {\"name\": \"adagrad\", \"momentum\": 0.5}}", 422,
     "invalid-model", "/optimizer/momentum"},
    {"{\"kind\": \"fm\", \"loss\": {\"name\": \"distill_listwise\"}, \"teacher\": \"nobody\"}", 422,
     "invalid-model", "/teacher"},
    {"{\"kind\": \"fm\", \"loss\": {\"name\": \"distill_listwise\"}, \"teacher\": \"m\"}", 422,
     "invalid-model", "/teacher"}, /* itself */
    {"{\"kind\": \"fm\", \"loss\": {\"name\": \"distill_listwise\"}, \"teacher\": \"No One\"}", 422,
     "invalid-model", "/teacher"},
    {"{\"kind\": \"fm\", \"teacher\": \"default\"}", 422, "invalid-model", "/teacher"},
    {"{\"kind\": \"fm\", \"labels\": {\"click\": 32}}", 422, "value-out-of-range", "/labels/click"},
    {"{\"kind\": \"fm\", \"training\": {\"enabled\": 1}}", 422, "validation-failed",
     "/training/enabled"}};

static void configurations_that_break_a_rule_are_refused_with_the_place(void **state)
{
    const int64_t before = log_end(*state);
    for (size_t i = 0; i < sizeof bad_configs / sizeof *bad_configs; i++) {
        assert_problem_at(put(*state, "/v1/models/m", bad_configs[i].body), bad_configs[i].status,
                          bad_configs[i].slug, bad_configs[i].pointer);
    }
    assert_problem(put(*state, "/v1/models/m", "[]"), 422, "validation-failed");
    assert_problem(put(*state, "/v1/models/m", "{"), 400, "invalid-json");
    assert_int_equal(log_end(*state), before);
    assert_int_equal(count_at(get(*state, "/v1/models"), "/models"), 1);
}

static void names_of_models_are_checked(void **state)
{
    static const char *const names[] = {"A", "a.b", "a%20b", "a%2Fb", "%C3%A9"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)snprintf(path, sizeof path, "/v1/models/%s", names[i]);
        assert_problem(put(*state, path, SMALL), 422, "invalid-model");
    }
    (void)snprintf(path, sizeof path, "/v1/models/%065d", 0);
    assert_problem(put(*state, path, SMALL), 422, "invalid-model");
    (void)snprintf(path, sizeof path, "/v1/models/%064d", 0);
    assert_answered(put(*state, path, SMALL), 201);
}

/* A longer name was cut to 64 bytes, and the model of that name deleted. */
static void a_name_that_is_too_long_is_no_other_model(void **state)
{
    char path[160];
    (void)snprintf(path, sizeof path, "/v1/models/%064d", 0);
    assert_answered(put(*state, path, SMALL), 201);
    (void)snprintf(path, sizeof path, "/v1/models/%065d", 0);
    assert_problem(remove_model(*state, path), 404, "unknown-model");
    (void)snprintf(path, sizeof path, "/v1/models/%065d/train?wait=1", 0);
    assert_problem(order(*state, path), 404, "unknown-model");
    (void)snprintf(path, sizeof path, "/v1/models/%065d/activate", 0);
    assert_problem(post(*state, path, "{\"version\": 0}"), 404, "unknown-model");
    (void)snprintf(path, sizeof path, "/v1/models/%064d", 0);
    assert_answered(get(*state, path), 200);
}

static void a_model_that_does_not_fit_is_too_large(void **state)
{
    struct api_fixture *fixture = *state;
    api_fixture_stop(fixture);
    fixture->service.options.model_max_mib = 64;
    api_fixture_start(fixture);
    assert_problem(put(fixture, "/v1/models/m",
                       "{\"kind\": \"fm\", \"features\": {\"bits\": 28}, \"dim\": 256}"),
                   422, "model-too-large");
    assert_problem(get(fixture, "/v1/models/m"), 404, "unknown-model");
}

static void a_model_is_deleted_but_not_the_default_one(void **state)
{
    assert_problem(remove_model(*state, "/v1/models/default"), 409, "default-model");
    assert_problem(remove_model(*state, "/v1/models/m"), 404, "unknown-model");
    assert_answered(put(*state, "/v1/models/m", SMALL), 201);
    assert_answered(
        post(*state, "/v1/score", "{\"model\": \"m\", \"ranking_id\": \"r\", \"items\": [\"a\"]}"),
        200);
    assert_answered(remove_model(*state, "/v1/models/m"), 204);
    assert_problem(get(*state, "/v1/models/m"), 404, "unknown-model");
    assert_problem(post(*state, "/v1/score", "{\"model\": \"m\", \"items\": [\"a\"]}"), 404,
                   "unknown-model");
    assert_true(json_is_null(value_at(get(*state, "/v1/rankings/r"), "/model")));
    assert_answered(put(*state, "/v1/models/m", "{\"kind\": \"fm\"}"), 201);
}

static void all_routes_of_a_model_say_that_it_is_unknown(void **state)
{
    static const char *const orders[] = {"train", "train?wait=1", "pause", "resume"};
    char path[64];
    assert_problem(get(*state, "/v1/models/none"), 404, "unknown-model");
    assert_problem(get(*state, "/v1/models/none/versions"), 404, "unknown-model");
    assert_problem(get(*state, "/v1/models/none/training"), 404, "unknown-model");
    assert_problem(post(*state, "/v1/models/none/activate", "{\"version\": 1}"), 404,
                   "unknown-model");
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        (void)snprintf(path, sizeof path, "/v1/models/none/%s", orders[i]);
        assert_problem(order(*state, path), 404, "unknown-model");
    }
}

static void a_new_model_has_the_untrained_version_0(void **state)
{
    const struct answer *answer = get(*state, "/v1/models/default/versions");
    assert_answered(answer, 200);
    assert_int_equal(count_at(answer, "/versions"), 1);
    assert_members(answer, "/versions/0",
                   "version parent source time seq bytes sha256 metrics served");
    assert_int_equal(integer_at(answer, "/versions/0/version"), 0);
    assert_string_equal(text_at(answer, "/versions/0/source"), "init");
    assert_int_equal(strlen(text_at(answer, "/versions/0/sha256")), 64);
    assert_true(flag_at(answer, "/versions/0/served"));
}

static void training_stores_a_version_with_its_metrics(void **state)
{
    const struct answer *answer;
    int64_t version;
    score_and_click(*state, "r1");
    score_and_click(*state, "r2");
    version = train(*state, "default");
    answer = get(*state, "/v1/models/default/versions");
    assert_int_equal(count_at(answer, "/versions"), 2);
    assert_int_equal(integer_at(answer, "/versions/0/version"), version);
    assert_int_equal(integer_at(answer, "/versions/0/parent"), 0);
    assert_string_equal(text_at(answer, "/versions/0/source"), "training");
    assert_true(flag_at(answer, "/versions/0/served"));
    assert_false(flag_at(answer, "/versions/1/served"));
    assert_members(answer, "/versions/0/metrics", "lists ndcg@10 auc log_loss");
    assert_int_equal(integer_at(answer, "/versions/0/metrics/lists"), 2);
}

static void an_activated_version_is_served_and_learned_on_from(void **state)
{
    const struct answer *answer;
    int64_t first, next;
    score_and_click(*state, "r1");
    first = train(*state, "default");
    score_and_click(*state, "r2");
    next = train(*state, "default");
    assert_true(next > first);
    answer = postf(*state, "/v1/models/default/activate", "{\"version\": %lld}", (long long)first);
    assert_answered(answer, 200);
    assert_int_equal(integer_at(answer, "/version"), first);
    answer = post(*state, "/v1/score", "{\"items\": [\"a\"], \"log\": false}");
    assert_int_equal(integer_at(answer, "/version"), first);
    answer = get(*state, "/v1/models/default/versions");
    assert_true(flag_at(answer, "/versions/1/served"));
    assert_false(flag_at(answer, "/versions/0/served"));
    score_and_click(*state, "r3");
    assert_int_equal(train(*state, "default"), next + 1);
    answer = get(*state, "/v1/models/default/versions");
    assert_int_equal(integer_at(answer, "/versions/0/parent"), first);
}

static void an_activation_that_cannot_be_is_refused(void **state)
{
    assert_problem(post(*state, "/v1/models/default/activate", "{\"version\": 7}"), 404,
                   "unknown-version");
    assert_problem_at(post(*state, "/v1/models/default/activate", "{\"version\": \"1\"}"), 422,
                      "validation-failed", "/version");
    assert_problem_at(post(*state, "/v1/models/default/activate", "{\"version\": -1}"), 422,
                      "value-out-of-range", "/version");
    assert_problem_at(post(*state, "/v1/models/default/activate", "{}"), 422, "validation-failed",
                      "");
    assert_problem_at(post(*state, "/v1/models/default/activate", "{\"v\": 1}"), 422,
                      "unknown-field", "/v");
    assert_problem(post(*state, "/v1/models/default/activate", "[]"), 422, "validation-failed");
    assert_answered(post(*state, "/v1/models/default/activate", "{\"version\": 0}"), 200);
}

/* Waits until a model has learned from all there is. */
static void await_learned(struct api_fixture *fixture, const char *path)
{
    const int64_t deadline_ns = clock_monotonic_ns() + INT64_C(30000000000);
    const int64_t end = log_end(fixture);
    while (integer_at(get(fixture, path), "/seq") < end) {
        assert_true(clock_monotonic_ns() < deadline_ns);
        (void)sched_yield();
    }
}

static void training_shows_state_position_and_steps(void **state)
{
    const struct answer *answer;
    score_and_click(*state, "r");
    await_learned(*state, "/v1/models/default/training");
    answer = get(*state, "/v1/models/default/training");
    assert_members(answer, "",
                   "model state version seq log_end lag behind progressive steps freshness_s");
    assert_string_equal(text_at(answer, "/state"), "idle");
    assert_int_equal(integer_at(answer, "/version"), 1);
    assert_int_equal(integer_at(answer, "/lag"), 0);
    assert_members(answer, "/progressive", "lists ndcg@10 auc log_loss");
    assert_int_equal(integer_at(answer, "/progressive/lists"), 1);
    assert_members(answer, "/steps/0",
                   "time version outcome seq lists pairs loss gradient_norm ndcg@10 auc log_loss");
    assert_string_equal(text_at(answer, "/steps/0/outcome"), "published");
    assert_int_equal(integer_at(answer, "/steps/0/pairs"), 2);
    assert_true(number_at(answer, "/freshness_s/p50") >= 0);
    assert_true(number_at(answer, "/freshness_s/p99") < 30);
}

static void training_that_is_not_waited_for_goes_its_way(void **state)
{
    const int64_t deadline_ns = clock_monotonic_ns() + INT64_C(30000000000);
    const struct answer *answer;
    score_and_click(*state, "r");
    answer = order(*state, "/v1/models/default/train");
    assert_answered(answer, 202);
    assert_string_equal(answer->location, "/v1/models/default/training");
    while (count_at(get(*state, "/v1/models/default/versions"), "/versions") < 2) {
        assert_true(clock_monotonic_ns() < deadline_ns);
        (void)sched_yield();
    }
}

static void a_pause_survives_a_restart_and_resume_catches_up(void **state)
{
    const struct answer *answer = order(*state, "/v1/models/default/pause");
    assert_answered(answer, 200);
    assert_string_equal(text_at(answer, "/training/state"), "paused");
    api_fixture_stop(*state);
    api_fixture_start(*state);
    score_and_click(*state, "r");
    assert_string_equal(text_at(get(*state, "/v1/models/default/training"), "/state"), "paused");
    assert_problem(order(*state, "/v1/models/default/train"), 409, "training-paused");
    assert_problem(order(*state, "/v1/models/default/train?wait=1"), 409, "training-paused");
    assert_int_equal(integer_at(get(*state, "/v1/models/default"), "/version"), 0);
    answer = order(*state, "/v1/models/default/resume");
    assert_answered(answer, 200);
    assert_string_not_equal(text_at(answer, "/training/state"), "paused");
    assert_int_equal(train(*state, "default"), 1);
}

static void a_model_that_does_not_learn_says_so(void **state)
{
    static const char *const orders[] = {"train", "train?wait=1", "pause", "resume"};
    assert_answered(
        put(*state, "/v1/models/m", "{\"kind\": \"fm\", \"training\": {\"enabled\": false}}"), 201);
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/v1/models/m/%s", orders[i]);
        assert_problem(order(*state, path), 409, "training-disabled");
    }
}

static void what_was_learned_is_there_after_a_restart(void **state)
{
    const struct answer *before, *after;
    score_and_click(*state, "r");
    (void)train(*state, "default");
    before = post(*state, "/v1/score",
                  "{\"ranking_id\": \"x\", \"user\": {\"id\": \"u\"},"
                  " \"items\": [\"a\", \"c\"], \"log\": false}");
    api_fixture_stop(*state);
    api_fixture_start(*state);
    after = post(*state, "/v1/score",
                 "{\"ranking_id\": \"x\", \"user\": {\"id\": \"u\"},"
                 " \"items\": [\"a\", \"c\"], \"log\": false}");
    assert_string_equal(after->text, before->text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(an_empty_database_is_given_a_default_model),
        API_TEST(the_default_model_shows_all_defaults),
        API_TEST(a_model_is_made_once_and_the_same_again_is_fine),
        API_TEST(a_model_with_another_configuration_exists),
        API_TEST(configurations_that_break_a_rule_are_refused_with_the_place),
        API_TEST(names_of_models_are_checked),
        API_TEST(a_name_that_is_too_long_is_no_other_model),
        API_TEST(a_model_that_does_not_fit_is_too_large),
        API_TEST(a_model_is_deleted_but_not_the_default_one),
        API_TEST(all_routes_of_a_model_say_that_it_is_unknown),
        API_TEST(a_new_model_has_the_untrained_version_0),
        API_TEST(training_stores_a_version_with_its_metrics),
        API_TEST(an_activated_version_is_served_and_learned_on_from),
        API_TEST(an_activation_that_cannot_be_is_refused),
        API_TEST(training_shows_state_position_and_steps),
        API_TEST(training_that_is_not_waited_for_goes_its_way),
        API_TEST(a_pause_survives_a_restart_and_resume_catches_up),
        API_TEST(a_model_that_does_not_learn_says_so),
        API_TEST(what_was_learned_is_there_after_a_restart),
    };
    return cmocka_run_group_tests_name("api_models", tests, api_fixture_group, NULL);
}
