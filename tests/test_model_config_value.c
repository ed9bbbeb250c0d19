/*
 * Values of a configuration that are not one number or one choice: layers, fields of columns, and
 * the spaces they go with.
 */
#include "config_fixture.h"
#include "list_fixture.h"
#include "test.h"

#define COLUMNS(kind, size, fields)                                                                \
    "{\"kind\":\"" kind "\",\"features\":{\"space\":\"indexed\",\"size\":" size                    \
    ",\"fields\":" fields "}}"

static void layers_are_one_to_three_widths(void **state)
{
    struct model_config config;

    (void)state;
    config_must_read("{\"kind\":\"deepfm\",\"hidden\":[7]}", &config);
    assert_int_equal(config.model.n_hidden, 1);
    assert_int_equal(config.model.hidden[0], 7);
    config_must_read("{\"kind\":\"joint\",\"hidden\":[1,1024,3]}", &config);
    assert_int_equal(config.model.n_hidden, 3);
    assert_int_equal(config.model.hidden[1], 1024);
    config_refuses("{\"kind\":\"joint\",\"hidden\":[]}", PROBLEM_INVALID_MODEL, "/hidden");
    config_refuses("{\"kind\":\"joint\",\"hidden\":[1,1,1,1]}", PROBLEM_INVALID_MODEL, "/hidden");
    config_refuses("{\"kind\":\"joint\",\"hidden\":[8,0]}", PROBLEM_VALUE_OUT_OF_RANGE,
                   "/hidden/1");
    config_refuses("{\"kind\":\"joint\",\"hidden\":[1025]}", PROBLEM_VALUE_OUT_OF_RANGE,
                   "/hidden/0");
    config_refuses("{\"kind\":\"joint\",\"hidden\":[null]}", PROBLEM_VALIDATION_FAILED,
                   "/hidden/0");
    config_refuses("{\"kind\":\"ffm\",\"hidden\":[8]}", PROBLEM_INVALID_MODEL, "/hidden");
}

static void fields_of_columns_are_told_for_ffm_and_deepfm_on_an_indexed_space(void **state)
{
    struct model_config config;

    (void)state;
    config_must_read(COLUMNS("ffm", "4", "[0,0,5,1]"), &config);
    assert_int_equal(config.model.n_fields, 6);
    assert_int_equal(config.model.fields[2], 5);
    config_must_read(COLUMNS("deepfm", "1", "[63]"), &config);
    assert_int_equal(config.model.n_fields, 64);
    config_refuses(COLUMNS("ffm", "2", "[0,64]"), PROBLEM_VALUE_OUT_OF_RANGE, "/features/fields/1");
    config_refuses(COLUMNS("ffm", "2", "[0,-1]"), PROBLEM_VALUE_OUT_OF_RANGE, "/features/fields/1");
    config_refuses(COLUMNS("fm", "2", "[0,1]"), PROBLEM_INVALID_MODEL, "/features/fields");
    config_refuses(COLUMNS("joint", "2", "[0,1]"), PROBLEM_INVALID_MODEL, "/features/fields");
    config_refuses("{\"kind\":\"ffm\",\"features\":{\"fields\":[0]}}", PROBLEM_INVALID_MODEL,
                   "/features/fields");
}

static void every_column_needs_its_field(void **state)
{
    (void)state;
    config_refuses(COLUMNS("ffm", "2", "[0]"), PROBLEM_INVALID_MODEL, "/features");
    config_refuses(COLUMNS("ffm", "2", "[0,1,1]"), PROBLEM_INVALID_MODEL, "/features");
    config_refuses(COLUMNS("deepfm", "2", "[]"), PROBLEM_INVALID_MODEL, "/features");
    config_refuses(COLUMNS("deepfm", "2", "null"), PROBLEM_INVALID_MODEL, "/features");
}

/* The text was over the budget it was read back with: the server did not start again. */
static void as_many_columns_as_can_be_told_read_back(void **state)
{
    struct list_fixture *f = *state;
    struct model_config config;
    struct problem problem = {0};
    char *text;

    config_must_read(fixture_pattern(f,
                                     "{\"kind\":\"ffm\",\"features\":{\"space\":\"indexed\","
                                     "\"size\":65536,\"fields\":[",
                                     65536, "63", "]}}"),
                     &config);
    text = config_text(&config);
    assert_true(model_config_parse(text, strlen(text), &config, &problem));
    assert_int_equal(config.n_columns, 65536);
    free(text);
    config_refuses(fixture_pattern(f,
                                   "{\"kind\":\"ffm\",\"features\":{\"space\":\"indexed\","
                                   "\"size\":65537,\"fields\":[",
                                   65537, "63", "]}}"),
                   PROBLEM_LIMIT_EXCEEDED, "/features/fields");
}

static void a_copy_has_the_fields_of_its_own_columns(void **state)
{
    struct model_config config, copy;
    char *text, *copied;

    (void)state;
    config_must_read(COLUMNS("ffm", "3", "[2,1,0]"), &config);
    model_config_copy(&copy, &config);
    assert_ptr_equal(copy.model.fields, copy.column_field);
    text = config_text(&config);
    memset(&config, 0xff, sizeof config);
    copied = config_text(&copy);
    assert_string_equal(copied, text);
    assert_int_equal(copy.model.fields[0], 2);
    free(text);
    free(copied);
    config_must_read("{\"kind\":\"fm\"}", &config);
    model_config_copy(&copy, &config);
    assert_null(copy.model.fields);
}

static void every_indexed_space_needs_its_size(void **state)
{
    struct model_config config;

    (void)state;
    config_refuses("{\"kind\":\"joint\",\"users\":{\"space\":\"indexed\"}}", PROBLEM_INVALID_MODEL,
                   "/users");
    config_refuses("{\"kind\":\"joint\",\"items\":{\"space\":\"indexed\"}}", PROBLEM_INVALID_MODEL,
                   "/items");
    config_refuses("{\"kind\":\"joint\",\"features\":{\"space\":\"indexed\",\"size\":null}}",
                   PROBLEM_INVALID_MODEL, "/features");
    config_must_read("{\"kind\":\"joint\",\"users\":{\"size\":5,\"space\":\"indexed\"},"
                     "\"items\":{\"bits\":3}}",
                     &config);
    assert_int_equal(rk_space_rows(&config.model.users), 5);
    assert_int_equal(rk_space_rows(&config.model.items), 8);
}

static void tables_of_users_and_items_are_for_joint(void **state)
{
    (void)state;
    config_refuses("{\"kind\":\"fm\",\"users\":{\"bits\":4}}", PROBLEM_INVALID_MODEL,
                   "/users/bits");
    config_refuses("{\"kind\":\"fm\",\"items\":{\"space\":\"hashed\"}}", PROBLEM_INVALID_MODEL,
                   "/items/space");
    config_refuses("{\"kind\":\"joint\",\"users\":{\"size\":4}}", PROBLEM_INVALID_MODEL,
                   "/users/size");
    config_refuses("{\"kind\":\"joint\",\"users\":{\"rows\":4}}", PROBLEM_UNKNOWN_FIELD,
                   "/users/rows");
    config_refuses("{\"kind\":\"joint\",\"users\":3}", PROBLEM_VALIDATION_FAILED, "/users");
}

static void a_models_name_is_1_to_64_of_some_letters(void **state)
{
    char longest[66];

    (void)state;
    memset(longest, 'a', sizeof longest);
    longest[65] = '\0';
    assert_false(model_name_valid(longest));
    longest[64] = '\0';
    assert_true(model_name_valid(longest));
    assert_true(model_name_valid("a-z_09"));
    assert_false(model_name_valid(""));
    assert_false(model_name_valid("A"));
    assert_false(model_name_valid("a.b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_are_one_to_three_widths),
        cmocka_unit_test(fields_of_columns_are_told_for_ffm_and_deepfm_on_an_indexed_space),
        cmocka_unit_test(every_column_needs_its_field),
        LIST_TEST(as_many_columns_as_can_be_told_read_back),
        cmocka_unit_test(a_copy_has_the_fields_of_its_own_columns),
        cmocka_unit_test(every_indexed_space_needs_its_size),
        cmocka_unit_test(tables_of_users_and_items_are_for_joint),
        cmocka_unit_test(a_models_name_is_1_to_64_of_some_letters),
    };
    json_start();
    return cmocka_run_group_tests_name("model_config_value", tests, NULL, NULL);
}
