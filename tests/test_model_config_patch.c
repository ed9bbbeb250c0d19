/*
 * Changing a configuration: what can be changed, what cannot, and where a patch is wrong.
 */
#include "config_fixture.h"
#include "model_config.h"
#include "test.h"

#include <stdlib.h>

static const char model[] = "{\"kind\":\"fm\",\"labels\":{\"click\":1,\"view\":0.5}}";

static bool patch(const char *json, const char *text, struct model_config *config,
                  struct problem *problem)
{
    *problem = (struct problem){0};
    config_must_read(json, config);
    return model_config_patch(text, strlen(text), false, config, problem);
}

/* Patched, it is the configuration of another text. */
static void becomes(const char *json, const char *text, const char *expected)
{
    struct model_config config, other;
    struct problem problem;
    char *one, *two;
    if (!patch(json, text, &config, &problem)) {
        fail_msg("%s: %s %s", text, problem.pointer, problem.detail);
    }
    config_must_read(expected, &other);
    one = config_text(&config);
    two = config_text(&other);
    assert_string_equal(one, two);
    free(one);
    free(two);
}

static void refuses(const char *json, const char *text, enum problem_kind kind, const char *pointer)
{
    struct model_config config;
    struct problem problem;
    assert_false(patch(json, text, &config, &problem));
    assert_int_equal(problem.kind, kind);
    assert_string_equal(problem.pointer, pointer);
}

static void labels_are_merged_and_null_takes_one_out(void **state)
{
    (void)state;
    becomes(model, "{\"labels\":{\"buy\":4,\"view\":null,\"click\":2}}",
            "{\"kind\":\"fm\",\"labels\":{\"click\":2,\"buy\":4}}");
    becomes(model, "{\"labels\":{\"never\":null}}", model);
    becomes(model, "{\"labels\":{\"click\":null,\"view\":null}}",
            "{\"kind\":\"fm\",\"labels\":{}}");
    becomes(model, "{}", model);
}

static void training_changes_member_by_member(void **state)
{
    (void)state;
    becomes("{\"kind\":\"fm\",\"training\":{\"update_groups\":4,\"attribution_s\":9}}",
            "{\"training\":{\"attribution_s\":0,\"source\":\"all\",\"enabled\":false}}",
            "{\"kind\":\"fm\",\"training\":{\"update_groups\":4,\"attribution_s\":0,\"source\":"
            "\"all\",\"enabled\":false}}");
}

static void learning_rate_goes_by_both_its_names_but_not_at_once(void **state)
{
    static const char expected[] =
        "{\"kind\":\"ffm\",\"optimizer\":{\"name\":\"ftrl\",\"l1\":0.1,\"learning_rate\":0.03}}";
    static const char before[] =
        "{\"kind\":\"ffm\",\"optimizer\":{\"name\":\"ftrl\",\"l1\":0.1,\"learning_rate\":0.5}}";
    (void)state;
    becomes(before, "{\"learning_rate\":0.03}", expected);
    becomes(before, "{\"optimizer\":{\"learning_rate\":0.03}}", expected);
    refuses(before, "{\"learning_rate\":0.03,\"optimizer\":{\"learning_rate\":0.03}}",
            PROBLEM_VALIDATION_FAILED, "/learning_rate");
}

static void a_change_is_followed_where_both_were_alike(void **state)
{
    static struct model_config config, before, after, expected;
    char *one, *two;
    (void)state;
    config_must_read("{\"kind\":\"ffm\",\"labels\":{\"buy\":9},"
                     "\"training\":{\"update_groups\":4,\"source\":\"all\"}}",
                     &config);
    config_must_read("{\"kind\":\"fm\",\"labels\":{\"click\":1},"
                     "\"training\":{\"update_groups\":4}}",
                     &before);
    config_must_read("{\"kind\":\"fm\",\"labels\":{\"click\":2},"
                     "\"training\":{\"update_groups\":7,\"negatives\":\"examined\"}}",
                     &after);
    config_must_read("{\"kind\":\"ffm\",\"labels\":{\"buy\":9},\"training\":"
                     "{\"update_groups\":7,\"negatives\":\"examined\",\"source\":\"all\"}}",
                     &expected);
    before.model.optim.learning_rate = config.model.optim.learning_rate;
    after.model.optim.learning_rate = expected.model.optim.learning_rate = 0.5;
    model_config_follow(&config, &before, &after);
    one = config_text(&config);
    two = config_text(&expected);
    assert_string_equal(one, two);
    free(one);
    free(two);
}

static void what_is_fixed_is_refused_with_its_place(void **state)
{
    (void)state;
    refuses(model, "{\"dim\":4}", PROBLEM_INVALID_MODEL, "/dim");
    refuses(model, "{\"kind\":\"fm\"}", PROBLEM_INVALID_MODEL, "/kind");
    refuses(model, "{\"optimizer\":{\"l2\":0}}", PROBLEM_INVALID_MODEL, "/optimizer/l2");
    refuses(model, "{\"optimizer\":{\"name\":\"sgd\"}}", PROBLEM_INVALID_MODEL, "/optimizer/name");
    refuses(model, "{\"name\":\"m\"}", PROBLEM_UNKNOWN_FIELD, "/name");
    refuses(model, "{\"optimizer\":{\"rate\":1}}", PROBLEM_UNKNOWN_FIELD, "/optimizer/rate");
    refuses(model, "{\"training\":{\"speed\":1}}", PROBLEM_UNKNOWN_FIELD, "/training/speed");
}

static void values_out_of_range_or_missing_are_refused_with_their_place(void **state)
{
    (void)state;
    refuses(model, "{\"labels\":{\"a\":32}}", PROBLEM_VALUE_OUT_OF_RANGE, "/labels/a");
    refuses(model, "{\"labels\":null}", PROBLEM_VALIDATION_FAILED, "/labels");
    refuses(model, "{\"training\":{\"batch_groups\":0}}", PROBLEM_VALUE_OUT_OF_RANGE,
            "/training/batch_groups");
    refuses(model, "{\"training\":{\"batch_groups\":null}}", PROBLEM_VALIDATION_FAILED,
            "/training/batch_groups");
    refuses(model, "{\"learning_rate\":0}", PROBLEM_VALUE_OUT_OF_RANGE, "/learning_rate");
    refuses(model, "{\"learning_rate\":null}", PROBLEM_VALIDATION_FAILED, "/learning_rate");
    refuses(model, "[]", PROBLEM_VALIDATION_FAILED, "");
    refuses(model, "{\"labels\":{\"a\":1,\"a\":2}}", PROBLEM_DUPLICATE_KEY, "");
}

static void what_members_say_together_is_looked_at_as_in_a_new_configuration(void **state)
{
    (void)state;
    refuses("{\"kind\":\"fm\",\"features\":{\"space\":\"indexed\",\"size\":3}}",
            "{\"training\":{\"source\":\"all\"}}", PROBLEM_INVALID_MODEL, "/training");
    refuses("{\"kind\":\"joint\",\"loss\":{\"name\":\"n_pair\",\"on\":\"embeddings\"},"
            "\"training\":{\"update_groups\":2}}",
            "{\"training\":{\"update_groups\":1}}", PROBLEM_INVALID_MODEL, "");
}

static void lenient_leaves_out_what_is_unknown_but_not_what_is_fixed(void **state)
{
    static const char unknown[] = "{\"speed\":1,\"training\":{\"x\":1,\"enabled\":false}}";
    static const char fixed[] = "{\"dim\":4}";
    struct model_config config;
    struct problem problem = {0};
    (void)state;
    config_must_read(model, &config);
    assert_true(model_config_patch(unknown, strlen(unknown), true, &config, &problem));
    assert_false(config.training.enabled);
    assert_false(model_config_patch(fixed, strlen(fixed), true, &config, &problem));
}

static void adopting_takes_what_can_be_changed_and_nothing_else(void **state)
{
    struct model_config config, other;
    char *text, *own;
    (void)state;
    config_must_read(model, &config);
    config_must_read("{\"kind\":\"fm\",\"dim\":3,\"labels\":{\"buy\":3},\"optimizer\":{"
                     "\"learning_rate\":0.01},\"training\":{\"batch_groups\":5}}",
                     &other);
    model_config_adopt(&config, &other);
    assert_int_equal(config.model.dim, 16);
    other.model.dim = 16;
    text = config_text(&other);
    own = config_text(&config);
    assert_string_equal(own, text);
    free(own);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_merged_and_null_takes_one_out),
        cmocka_unit_test(training_changes_member_by_member),
        cmocka_unit_test(learning_rate_goes_by_both_its_names_but_not_at_once),
        cmocka_unit_test(a_change_is_followed_where_both_were_alike),
        cmocka_unit_test(what_is_fixed_is_refused_with_its_place),
        cmocka_unit_test(values_out_of_range_or_missing_are_refused_with_their_place),
        cmocka_unit_test(what_members_say_together_is_looked_at_as_in_a_new_configuration),
        cmocka_unit_test(lenient_leaves_out_what_is_unknown_but_not_what_is_fixed),
        cmocka_unit_test(adopting_takes_what_can_be_changed_and_nothing_else),
    };
    json_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
