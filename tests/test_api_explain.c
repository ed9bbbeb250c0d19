/*
 * POST /v1/score with "explain": parts that add up to the score, under the names of the request and
 * of what is stored.
 */
#include "api_fixture.h"
#include "test.h"

#include <rankd/feature.h>

#define USER    "\"user\": {\"id\": \"u1\", \"features\": {\"age\": 31, \"country\": \"DE\"}}"
#define CONTEXT "\"context\": {\"hour\": 14, \"mobile\": true}"

/* ---- learning something ---- */

/* Makes a model and teaches it lists of the two items, so that its version is above 0. */
static void teach(struct api_fixture *fixture, const char *config, const char *shared,
                  const char *good, const char *bad)
{
    assert_answered(put(fixture, "/v1/models/m", config), 201);
    for (int i = 0; i < 3; i++) {
        assert_answered(
            postf(fixture, "/v1/batches",
                  "{\"model\": \"m\", \"groups\": [{%s%s\"items\": [{\"id\": \"i1\", \"features\":"
                  " %s, \"label\": 1}, {\"id\": \"i2\", \"features\": %s}]}]}",
                  shared, shared[0] != '\0' ? ", " : "", good, bad),
            200);
    }
    assert_true(train(fixture, "m") > 0);
}

static const struct answer *explain(struct api_fixture *fixture, const char *members)
{
    const struct answer *answer =
        postf(fixture, "/v1/score", "{\"model\": \"m\", \"explain\": true, %s}", members);

    assert_answered(answer, 200);
    return answer;
}

/* ---- looking at explanations ---- */

static double sum_of_weights(const json_t *parts)
{
    double sum = 0;

    for (size_t i = 0; i < json_array_size(parts); i++) {
        sum += json_number_value(json_object_get(json_array_get(parts, i), "weight"));
    }
    return sum;
}

/* All printed numbers of all items add up to the printed scores. */
static void assert_sums(const struct answer *answer)
{
    const json_t *items = value_at(answer, "/items");

    assert_true(json_array_size(items) > 0);
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        const json_t *parts = json_object_get(item, "explain");
        const double sum = sum_of_weights(json_object_get(parts, "features")) +
                           sum_of_weights(json_object_get(parts, "pairs")) +
                           json_number_value(json_object_get(parts, "mlp")) +
                           json_number_value(json_object_get(parts, "dot")) +
                           json_number_value(json_object_get(parts, "bias")) +
                           json_number_value(json_object_get(parts, "rest"));
        assert_non_null(parts);
        assert_close(sum, json_number_value(json_object_get(item, "score")), 1e-5, 1e-5);
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of one item's features, sorted, are these, with spaces between. */
static void assert_names(const struct answer *answer, const char *pointer, const char *expected)
{
    const json_t *features = value_at(answer, pointer);
    const size_t n = json_array_size(features);
    const char *name[64];
    char text[2048] = "";

    assert_true(n <= 64);
    for (size_t i = 0; i < n; i++) {
        name[i] = json_string_value(json_object_get(json_array_get(features, i), "name"));
    }
    qsort(name, n, sizeof *name, by_text);
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i > 0 ? " " : "",
                       name[i]);
    }
    assert_string_equal(text, expected);
}

/* The weight of a feature of the first item. */
static double weight_of(const struct answer *answer, const char *name)
{
    const json_t *features = value_at(answer, "/items/0/explain/features");

    for (size_t i = 0; i < json_array_size(features); i++) {
        const json_t *part = json_array_get(features, i);
        if (strcmp(json_string_value(json_object_get(part, "name")), name) == 0) {
            return json_number_value(json_object_get(part, "weight"));
        }
    }
    fail_msg("there is no feature %s: %s", name, answer->text);
    return 0;
}

/* ---- sums ---- */

static void parts_add_up_to_the_score_for_every_kind(void **state)
{
    static const char *const configs[] = {
        "{\"kind\": \"fm\"}",
        "{\"kind\": \"fm\", \"features\": {\"numbers\": \"raw\"},"
        " \"optimizer\": {\"learning_rate\": 0.001}}",
        "{\"kind\": \"ffm\", \"dim\": 4}",
        "{\"kind\": \"ffm\", \"dim\": 4, \"normalize\": true}",
        "{\"kind\": \"deepfm\", \"hidden\": [8, 4]}",
        "{\"kind\": \"joint\", \"hidden\": [8]}",
        "{\"kind\": \"joint\", \"heads\": \"separate\", \"alpha\": 0.3, \"hidden\": [8]}"};
    static const char *const members[] = {
        "bias features pairs rest",        "bias features pairs rest",
        "bias features pairs rest",        "bias features pairs rest",
        "bias features pairs mlp rest",    "bias features pairs mlp dot rest",
        "bias features pairs mlp dot rest"};
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        const struct answer *answer;
        print_message("%s\n", configs[i]);
        teach(*state, configs[i], USER ", " CONTEXT,
              "{\"price\": 9.5, \"brand\": \"acme\", \"tags\": [\"new\", \"sale\"]}",
              "{\"price\": 3, \"brand\": \"blue\"}");
        answer =
            explain(*state, USER ", " CONTEXT ", \"items\": [{\"id\": \"i1\", \"features\":"
                                 " {\"price\": 8, \"brand\": \"acme\", \"tags\": [\"new\", \"old\","
                                 " \"sale\"]}}, \"i2\", {\"id\": \"i3\", \"features\": {}}]");
        assert_members(answer, "/items/0/explain", members[i]);
        assert_sums(answer);
        assert_true(number_at(answer, "/items/0/score") != 0.0);
        assert_answered(ask(*state, "DELETE", "/v1/models/m", NULL, NULL), 204);
    }
}

static void the_largest_20_are_told_apart_the_largest_first(void **state)
{
    const struct answer *answer;
    const json_t *parts[2];
    double last = INFINITY;
    teach(*state, "{\"kind\": \"fm\"}", USER, "{\"b\": \"x\"}", "{\"b\": \"y\"}");
    answer = explain(*state, USER ", " CONTEXT ", \"items\": [{\"id\": \"i1\", \"features\":"
                                  " {\"t\": [\"a\", \"b\", \"c\", \"d\"]}}]");
    assert_sums(answer);
    parts[0] = value_at(answer, "/items/0/explain/features");
    parts[1] = value_at(answer, "/items/0/explain/pairs");
    assert_int_equal(json_array_size(parts[0]) + json_array_size(parts[1]), 20);
    assert_true(number_at(answer, "/items/0/explain/rest") != 0.0);
    assert_true(json_array_size(parts[1]) > 1);
    for (size_t i = 0; i < json_array_size(parts[1]); i++) {
        const json_t *part = json_array_get(parts[1], i);
        const double size = fabs(json_number_value(json_object_get(part, "weight")));
        assert_true(size <= last);
        last = size;
    }
}

static void an_untrained_model_has_no_parts(void **state)
{
    const struct answer *answer;
    assert_answered(put(*state, "/v1/models/m", "{\"kind\": \"joint\"}"), 201);
    answer = explain(*state, USER ", \"items\": [\"a\"]");
    assert_non_null(strstr(answer->text, "\"explain\":{\"bias\":0,\"features\":[],\"pairs\":[],"
                                         "\"mlp\":0,\"dot\":0,\"rest\":0}}]"));
    answer = post(*state, "/v1/score", "{\"explain\": true, \"items\": [\"a\"]}");
    assert_non_null(strstr(answer->text, "{\"id\":\"a\",\"rank\":1,\"score\":0,\"explain\":{"
                                         "\"bias\":0,\"features\":[],\"pairs\":[],\"rest\":0}}]"));
}

static void a_list_that_fell_back_has_no_parts(void **state)
{
    struct api_fixture *fixture = *state;
    struct served *served = models_find(models_now(&fixture->service.models), "default");
    const struct answer *answer;
    live_learning(&served->live)[0] = INFINITY; /* nothing was logged: the trainer is idle */
    live_publish_all(&served->live, 1);
    answer = post(fixture, "/v1/score", "{\"explain\": true, \"log\": false, \"items\": [\"a\"]}");
    assert_answered(answer, 200);
    assert_string_equal(text_at(answer, "/degraded"), "fallback");
    assert_int_equal(count_at(answer, "/items/0/explain/features"), 0);
    assert_sums(answer);
    atomic_store(&served->checkpoint_version, 1); /* not to be stored */
}

/* ---- names ---- */

static void features_have_the_names_they_were_given(void **state)
{
    const struct answer *answer;
    teach(*state, "{\"kind\": \"fm\"}", "", "{}", "{}");
    answer = explain(*state, "\"user\": {\"id\": \"u1\", \"features\": {\"age\": 31}}, "
                             "\"items\": [{\"id\": \"i1\", \"features\": {\"brand\": \"acme\"}}]");
    assert_names(answer, "/items/0/explain/features",
                 "item.brand=acme item.id=i1 user.age user.id=u1");
    assert_int_equal(count_at(answer, "/items/0/explain/pairs"), 6);
    assert_close(number_at(answer, "/items/0/explain/rest"), 0, 0, 0);
    answer = explain(*state, CONTEXT ", \"items\": [\"i1\", \"i2\"]");
    assert_names(answer, "/items/0/explain/features", "context.hour context.mobile item.id=i1");
    assert_names(answer, "/items/1/explain/features", "context.hour context.mobile item.id=i2");
}

static void pairs_name_both_features(void **state)
{
    const struct answer *answer;
    teach(*state, "{\"kind\": \"fm\", \"use_ids\": false}", "", "{\"b\": \"x\"}", "{\"b\": \"y\"}");
    answer = explain(*state, "\"user\": {\"features\": {\"country\": \"DE\"}},"
                             " \"items\": [{\"id\": \"i1\", \"features\": {\"b\": \"x\"}}]");
    assert_names(answer, "/items/0/explain/features", "item.b=x user.country=DE");
    assert_int_equal(count_at(answer, "/items/0/explain/pairs"), 1);
    assert_members(answer, "/items/0/explain/pairs/0", "a b weight");
    assert_string_equal(text_at(answer, "/items/0/explain/pairs/0/a"), "user.country=DE");
    assert_string_equal(text_at(answer, "/items/0/explain/pairs/0/b"), "item.b=x");
    assert_true(weight_of(answer, "item.b=x") > 0);
    assert_sums(answer);
}

static void elements_of_arrays_and_weighted_objects_have_names_of_their_own(void **state)
{
    const struct answer *answer;
    teach(*state, "{\"kind\": \"fm\", \"use_ids\": false}", "", "{\"b\": \"x\"}", "{\"b\": \"y\"}");
    answer = explain(*state, "\"items\": [{\"id\": \"i1\", \"features\": {\"tags\": [\"new\","
                             " \"sale\", \"new\"], \"genre\": {\"jazz\": 0.7, \"rock\": 0,"
                             " \"pop\": null}, \"none\": [], \"no\": false, \"yes\": true,"
                             " \"null\": null}}]");
    assert_names(answer, "/items/0/explain/features",
                 "item.genre=jazz item.tags=new item.tags=sale item.yes");
    assert_sums(answer);
}

static void stored_features_are_named_and_those_of_the_request_win(void **state)
{
    const struct answer *answer;
    teach(*state, "{\"kind\": \"fm\"}", "", "{}", "{}");
    assert_answered(
        put(*state, "/v1/items/i1", "{\"features\": {\"brand\": \"acme\", \"tags\": [\"old\"]}}"),
        201);
    assert_answered(put(*state, "/v1/users/u1", "{\"features\": {\"country\": \"DE\"}}"), 201);
    answer = explain(*state, "\"user\": {\"id\": \"u1\"}, \"items\": [\"i1\", \"i2\"]");
    assert_string_equal(text_at(answer, "/items/0/id"), "i1");
    assert_names(answer, "/items/0/explain/features",
                 "item.brand=acme item.id=i1 item.tags=old user.country=DE user.id=u1");
    answer = explain(*state, "\"user\": {\"id\": \"u1\", \"features\": {\"country\": \"FR\"}},"
                             " \"items\": [{\"id\": \"i1\", \"features\": {\"tags\": []}}]");
    assert_names(answer, "/items/0/explain/features",
                 "item.brand=acme item.id=i1 user.country=FR user.id=u1");
    assert_sums(answer);
    assert_answered(ask(*state, "DELETE", "/v1/items/i1", NULL, NULL), 204);
    answer = explain(*state, "\"items\": [\"i1\"]");
    assert_names(answer, "/items/0/explain/features", "item.id=i1");
}

static void features_that_meet_in_a_row_are_named_together(void **state)
{
    const struct answer *answer;
    const char *name;
    teach(*state, "{\"kind\": \"fm\", \"features\": {\"bits\": 1}, \"use_ids\": false}", "",
          "{\"b\": \"x\"}", "{\"b\": \"y\"}");
    answer = explain(*state, "\"items\": [{\"id\": \"i1\", \"features\": {\"t\": [\"a\", \"b\","
                             " \"c\", \"d\", \"e\", \"f\", \"g\", \"h\", \"a\"]}}]");
    assert_int_equal(count_at(answer, "/items/0/explain/features"), 2);
    assert_int_equal(count_at(answer, "/items/0/explain/pairs"), 1);
    assert_sums(answer);
    name = strstr(answer->text, "item.t=a");
    assert_non_null(name);
    for (char letter = 'a'; letter <= 'h'; letter++) { /* each in one of the two, once */
        char text[] = "item.t=?";
        int n = 0;
        text[7] = letter;
        for (size_t i = 0; i < 2; i++) {
            char pointer[64];
            (void)snprintf(pointer, sizeof pointer, "/items/0/explain/features/%zu/name", i);
            name = strstr(text_at(answer, pointer), text);
            n += name != NULL;
            assert_true(name == NULL || strstr(name + 1, text) == NULL);
            assert_non_null(strchr(text_at(answer, pointer), '+'));
        }
        assert_int_equal(n, 1);
    }
}

static void names_joined_without_end_are_cut(void **state)
{
    const struct answer *answer;
    const char *name;
    char tags[4096] = "";
    teach(*state, "{\"kind\": \"fm\", \"features\": {\"bits\": 1}, \"use_ids\": false}", "",
          "{\"b\": \"x\"}", "{\"b\": \"y\"}");
    for (int i = 0; i < 250; i++) {
        (void)snprintf(tags + strlen(tags), sizeof tags - strlen(tags), "%s\"t%d\"",
                       i > 0 ? "," : "", i);
    }
    answer = postf(*state, "/v1/score",
                   "{\"model\": \"m\", \"explain\": true, \"items\": [{\"id\": \"i1\","
                   " \"features\": {\"t\": [%s]}}]}",
                   tags);
    assert_answered(answer, 200);
    name = text_at(answer, "/items/0/explain/features/0/name");
    assert_true(strlen(name) > 1000 && strlen(name) <= 1024 + 4);
    assert_string_equal(name + strlen(name) - 4, "+...");
    assert_sums(answer);
}

static void columns_of_an_indexed_space_are_named_by_number(void **state)
{
    const struct answer *answer;
    teach(*state, "{\"kind\": \"fm\", \"features\": {\"space\": \"indexed\", \"size\": 20}}", "",
          "[1, 0]", "[0, 1]");
    assert_answered(put(*state, "/v1/items/i3", "{\"features\": [0, 2, 0.5]}"), 201);
    answer = explain(*state, "\"user\": {\"id\": \"u1\", \"features\": {\"17\": 1}},"
                             " \"items\": [{\"id\": \"i1\", \"features\": [0.5, 0, 3]},"
                             " {\"id\": \"i2\", \"features\": {\"indices\": [1, 19],"
                             " \"values\": [2, 1]}}, \"i3\"]");
    assert_sums(answer);
    assert_string_equal(text_at(answer, "/items/0/id"), "i1");
    assert_names(answer, "/items/0/explain/features", "0 17 2");
    for (size_t i = 1; i < 3; i++) {
        char pointer[32], id[32];
        (void)snprintf(pointer, sizeof pointer, "/items/%zu/explain/features", i);
        (void)snprintf(id, sizeof id, "/items/%zu/id", i);
        assert_names(answer, pointer,
                     strcmp(text_at(answer, id), "i2") == 0 ? "1 17 19" : "1 17 2");
    }
}

/* ---- numbers ---- */

/* Floats of a feature's row in a tensor of the model as it is served. */
static const float *row_of(struct api_fixture *fixture, const char *tensor_name,
                           const struct rk_feature *feature)
{
    const struct served *served = models_find(models_now(&fixture->service.models), "m");
    size_t n;
    const struct rk_tensor *tensor = rk_model_tensors(served->model, &n);
    uint32_t row;

    assert_ok(rk_space_row(&served->config.model.features, feature, &row, NULL));
    for (size_t i = 0; i < n; i++) {
        if (strcmp(tensor[i].name, tensor_name) == 0) {
            return live_served(&served->live) + tensor[i].offset + row * tensor[i].cols;
        }
    }
    fail_msg("no tensor %s", tensor_name);
    return NULL;
}

static void a_number_weighs_as_much_as_its_standardised_value(void **state)
{
    const struct rk_feature price = rk_feature_number(RK_ITEM, "price", 5, 0);
    const struct answer *answer;
    const float *numbers;
    double z;
    teach(*state, "{\"kind\": \"fm\"}", "", "{\"price\": 100}", "{\"price\": 300}");
    answer = explain(*state, "\"items\": [{\"id\": \"i1\", \"features\": {\"price\": 150}}]");
    numbers = row_of(*state, "numbers.weight", &price);
    z = (150 - (double)numbers[1]) / sqrt((double)numbers[2]);
    assert_true(fabs(z) > 0.1 && fabs(z) < 5);
    assert_close(weight_of(answer, "item.price"),
                 z * (double)*row_of(*state, "linear.weight", &price), 1e-6, 0);
    assert_sums(answer);
}

/* ---- who is explained ---- */

static void only_shown_items_are_explained_and_the_log_is_as_without(void **state)
{
    const struct answer *answer;
    teach(*state, "{\"kind\": \"fm\"}", "", "{\"b\": \"x\"}", "{\"b\": \"y\"}");
    answer =
        explain(*state, "\"ranking_id\": \"r\", \"exclude\": [\"i1\"], \"top_k\": 1, \"items\":"
                        " [\"i1\", {\"id\": \"i4\", \"features\": {\"b\": \"y\"}}, {\"id\":"
                        " \"i5\", \"features\": {\"b\": \"x\"}}]");
    assert_int_equal(count_at(answer, "/items"), 1);
    assert_members(answer, "", "ranking_id model version items");
    assert_members(answer, "/items/0", "id rank score explain");
    assert_names(answer, "/items/0/explain/features", "item.b=x item.id=i5");
    assert_sums(answer);
    (void)log_end(*state);
    answer = get(*state, "/v1/rankings/r");
    assert_answered(answer, 200);
    assert_members(answer, "/items/0", "id rank score");
}

static void without_explain_there_is_none(void **state)
{
    assert_members(post(*state, "/v1/score", "{\"explain\": false, \"items\": [\"a\"]}"),
                   "/items/0", "id rank score");
    assert_members(post(*state, "/v1/score", "{\"items\": [\"a\"]}"), "/items/0", "id rank score");
    assert_problem_at(post(*state, "/v1/score", "{\"explain\": 1, \"items\": []}"), 422,
                      "validation-failed", "/explain");
    assert_int_equal(
        count_at(post(*state, "/v1/score", "{\"explain\": true, \"items\": []}"), "/items"), 0);
}

static void lines_are_explained_each_for_itself(void **state)
{
    const struct answer *answer;
    const char *line;
    teach(*state, "{\"kind\": \"fm\"}", "", "{\"b\": \"x\"}", "{\"b\": \"y\"}");
    answer = post_lines(*state, "/v1/score",
                        "{\"model\": \"m\", \"explain\": true, \"items\": [\"i1\"]}\n"
                        "{\"model\": \"m\", \"items\": [\"i1\"]}\n"
                        "{\"model\": \"m\", \"explain\": true, \"items\": [\"i2\"]}\n");
    assert_answered(answer, 200);
    line = strchr(answer->text, '\n') + 1;
    assert_non_null(memmem(answer->text, (size_t)(line - answer->text), "item.id=i1", 10));
    assert_null(memmem(line, strcspn(line, "\n"), "explain", 7));
    assert_non_null(strstr(line, "item.id=i2"));
    assert_null(strstr(line, "item.id=i1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(parts_add_up_to_the_score_for_every_kind),
        API_TEST(the_largest_20_are_told_apart_the_largest_first),
        API_TEST(an_untrained_model_has_no_parts),
        API_TEST(a_list_that_fell_back_has_no_parts),
        API_TEST(features_have_the_names_they_were_given),
        API_TEST(pairs_name_both_features),
        API_TEST(elements_of_arrays_and_weighted_objects_have_names_of_their_own),
        API_TEST(stored_features_are_named_and_those_of_the_request_win),
        API_TEST(features_that_meet_in_a_row_are_named_together),
        API_TEST(names_joined_without_end_are_cut),
        API_TEST(columns_of_an_indexed_space_are_named_by_number),
        API_TEST(a_number_weighs_as_much_as_its_standardised_value),
        API_TEST(only_shown_items_are_explained_and_the_log_is_as_without),
        API_TEST(without_explain_there_is_none),
        API_TEST(lines_are_explained_each_for_itself),
    };
    return cmocka_run_group_tests_name("api_explain", tests, api_fixture_group, NULL);
}
