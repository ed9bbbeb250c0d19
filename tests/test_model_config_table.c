/*
 * Every row of the configuration's table: its range, its place, when it applies, and that what is
 * written reads back. The table's own examples give each row a configuration it applies to.
 */
#include "config_fixture.h"
#include "model_config_impl.h"
#include "test.h"

#include <rankd/random.h>

/* The first example that a row applies to. */
static const char *example_of(const struct model_field *field)
{
    for (size_t i = 0; i < model_n_examples; i++) {
        struct model_config config;
        config_must_read(model_examples[i], &config);
        if (model_field_applies(field, &config)) {
            return model_examples[i];
        }
    }
    fail_msg("no example for %s", field->path);
    return NULL;
}

/* A configuration with a value for a row that applies to it; free it. */
static char *with_row(const struct model_field *field, const char *value)
{
    char *text = config_with(example_of(field), field->path, value);

    if (strcmp(value, "\"indexed\"") == 0) {
        char size[32], *sized;
        (void)snprintf(size, sizeof size, "%.*s.size", (int)strcspn(field->path, "."), field->path);
        sized = config_with(text, size, "9");
        free(text);
        return sized;
    }
    return text;
}

/* A row's place as a JSON pointer. */
static void point_at(const struct model_field *field, char pointer[64])
{
    (void)snprintf(pointer, 64, "/%s", field->path);
    if (strchr(pointer, '.') != NULL) {
        *strchr(pointer, '.') = '/';
    }
}

static void row_refuses(const struct model_field *field, const char *value, enum problem_kind kind)
{
    char *text = with_row(field, value);
    char pointer[64];

    point_at(field, pointer);
    config_refuses(text, kind, pointer);
    free(text);
}

/* Read, written and read again the value is there, and the core takes it. */
static void row_takes(const struct model_field *field, const char *value)
{
    char *text = with_row(field, value), *written;
    struct model_config config;
    struct rk_model *model = NULL;
    struct rk_error err = {0};

    config_must_read(text, &config);
    if (rk_model_create(&config.model, 0, &model, &err) != RK_OK) {
        fail_msg("%s = %s: %s", field->path, value, err.text);
    }
    rk_model_destroy(&model);
    written = config_text(&config);
    config_same(text, written);
    free(written);
    free(text);
}

static bool is_number(const struct model_field *field)
{
    switch (field->kind) {
    case FIELD_U32:
    case FIELD_SIZE:
    case FIELD_U64:
    case FIELD_I64:
    case FIELD_REAL:
        return true;
    default:
        return false;
    }
}

static void every_row_has_an_example_and_no_rival(void **state)
{
    (void)state;
    for (size_t i = 0; i < model_n_fields; i++) {
        (void)example_of(&model_fields[i]);
    }
    for (size_t e = 0; e < model_n_examples; e++) {
        struct model_config config;
        config_must_read(model_examples[e], &config);
        for (size_t i = 0; i < model_n_fields; i++) {
            for (size_t j = 0; j < i; j++) {
                assert_false(strcmp(model_fields[i].path, model_fields[j].path) == 0 &&
                             model_field_applies(&model_fields[i], &config) &&
                             model_field_applies(&model_fields[j], &config));
            }
        }
    }
}

static void every_number_is_taken_at_its_bounds_and_not_beyond(void **state)
{
    char value[64];

    (void)state;
    for (size_t i = 0; i < model_n_fields; i++) {
        const struct model_field *field = &model_fields[i];
        const bool real = field->kind == FIELD_REAL;
        if (!is_number(field)) {
            continue;
        }
        (void)snprintf(value, sizeof value, "%.17g", field->min);
        row_takes(field, value);
        (void)snprintf(value, sizeof value, "%.17g", field->max);
        row_takes(field, value);
        (void)snprintf(value, sizeof value, "%.17g",
                       real ? field->min * 0.999 - 1e-13 : field->min - 1);
        row_refuses(field, value, PROBLEM_VALUE_OUT_OF_RANGE);
        (void)snprintf(value, sizeof value, "%.17g", real ? field->max * 1.001 : field->max + 1);
        row_refuses(field, value, PROBLEM_VALUE_OUT_OF_RANGE);
    }
}

static void every_row_refuses_values_of_other_kinds(void **state)
{
    (void)state;
    for (size_t i = 0; i < model_n_fields; i++) {
        const struct model_field *field = &model_fields[i];
        const bool text = field->choices != NULL || field->kind == FIELD_NAME;
        row_refuses(field, "{}", PROBLEM_VALIDATION_FAILED);
        row_refuses(field, text ? "1" : "\"1\"", PROBLEM_VALIDATION_FAILED);
        if (field->kind != FIELD_BOOLEAN) {
            row_refuses(field, "true", PROBLEM_VALIDATION_FAILED);
        }
        if (is_number(field) && field->kind != FIELD_REAL) {
            row_refuses(field, "1.5", PROBLEM_VALIDATION_FAILED);
        }
    }
}

static void every_choice_is_taken_and_no_other(void **state)
{
    char value[64];

    (void)state;
    for (size_t i = 0; i < model_n_fields; i++) {
        const struct model_field *field = &model_fields[i];
        if (field->choices == NULL) {
            continue;
        }
        row_refuses(field, "\"torus\"", PROBLEM_INVALID_MODEL);
        for (size_t c = 0; field->choices[c] != NULL; c++) {
            (void)snprintf(value, sizeof value, "\"%s\"", field->choices[c]);
            row_takes(field, value);
        }
    }
    config_refuses("{\"kind\":\"fm\",\"training\":{\"source\":\"others\"}}", PROBLEM_INVALID_MODEL,
                   "/training/source");
}

static bool path_applies(const char *path, const struct model_config *config)
{
    for (size_t i = 0; i < model_n_fields; i++) {
        if (strcmp(model_fields[i].path, path) == 0 &&
            model_field_applies(&model_fields[i], config)) {
            return true;
        }
    }
    return false;
}

/* A row does not go with an example: even what it is by default is refused, null is not. */
static void example_refuses(const char *example, const struct model_field *field)
{
    char *given = config_with(example, field->path, "1");
    char *absent = config_with(example, field->path, "null");
    struct model_config config;
    struct problem problem;
    char pointer[64];

    point_at(field, pointer);
    config_refuses(given, PROBLEM_INVALID_MODEL, pointer);
    assert_false(config_read(given, true, &config, &problem));
    config_same(absent, example);
    free(given);
    free(absent);
}

static void options_that_do_not_apply_are_refused(void **state)
{
    (void)state;
    for (size_t e = 0; e < model_n_examples; e++) {
        struct model_config config;
        config_must_read(model_examples[e], &config);
        for (size_t i = 0; i < model_n_fields; i++) {
            if (!path_applies(model_fields[i].path, &config)) {
                example_refuses(model_examples[e], &model_fields[i]);
            }
        }
    }
}

/* What is written for a name, apart from the table. */
static void object_is(const char *text, const char *key, const char *expected)
{
    struct model_config config;
    char wanted[256], *written;

    config_must_read(text, &config);
    written = config_text(&config);
    (void)snprintf(wanted, sizeof wanted, "\"%s\":{%s}", key, expected);
    if (strstr(written, wanted) == NULL) {
        fail_msg("%s has no %s", written, wanted);
    }
    free(written);
}

static const char *const objects[][3] = {
    {"loss", "pairwise_logistic", ",\"pairs\":\"graded\",\"reduction\":\"group_mean\",\"sigma\":1"},
    {"loss", "margin_ranking", ",\"pairs\":\"graded\",\"reduction\":\"group_mean\",\"margin\":1"},
    {"loss", "smooth_hinge", ",\"pairs\":\"graded\",\"reduction\":\"group_mean\",\"margin\":1"},
    {"loss", "n_pair", ""},
    {"loss", "listwise_softmax", ",\"target\":\"label_norm\""},
    {"loss", "lambdarank",
     ",\"pairs\":\"graded\",\"reduction\":\"sum_mean_valid_groups\",\"sigma\":1,\"k\":10"},
    {"loss", "approx_ndcg", ",\"tau\":1"},
    {"loss", "bce_with_logits", ",\"pos_weight\":1"},
    {"loss", "distill_pointwise", ",\"T\":1"},
    {"loss", "distill_listwise", ",\"T\":1"},
    {"loss", "ranking_distillation", ",\"K\":5,\"lam\":2,\"hybrid\":false,\"mu\":0.1"},
    {"optimizer", "sgd", ",\"learning_rate\":0.2,\"l2\":1e-06,\"momentum\":0,\"clip_norm\":0"},
    {"optimizer", "adagrad",
     ",\"learning_rate\":0.2,\"l2\":1e-06,\"eps\":1e-10,\"init_acc\":0,\"clip_norm\":0"},
    {"optimizer", "ftrl",
     ",\"learning_rate\":0.2,\"l2\":1e-06,\"l1\":0,\"beta\":1,\"clip_norm\":0"},
    {"optimizer", "adam",
     ",\"learning_rate\":0.2,\"l2\":1e-06,\"eps\":1e-08,\"beta1\":0.9,\"beta2\":0.999,\"clip_"
     "norm\":0"},
    {"optimizer", "adamw",
     ",\"learning_rate\":0.2,\"l2\":1e-06,\"eps\":1e-08,\"beta1\":0.9,\"beta2\":0.999,\"clip_"
     "norm\":0"},
    {"optimizer", "sparse_adam",
     ",\"learning_rate\":0.2,\"l2\":1e-06,\"eps\":1e-08,\"beta1\":0.9,\"beta2\":0.999,\"clip_"
     "norm\":0"},
};

static void each_loss_and_optimizer_has_its_options_with_their_defaults(void **state)
{
    char text[128], expected[192];

    (void)state;
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        (void)snprintf(text, sizeof text, "{\"kind\":\"fm\",\"%s\":{\"name\":\"%s\"}}",
                       objects[i][0], objects[i][1]);
        (void)snprintf(expected, sizeof expected, "\"name\":\"%s\"%s", objects[i][1],
                       objects[i][2]);
        object_is(text, objects[i][0], expected);
    }
    object_is("{\"kind\":\"fm\",\"features\":{\"space\":\"indexed\",\"size\":7}}", "features",
              "\"space\":\"indexed\",\"size\":7");
}

static void the_order_of_members_does_not_matter(void **state)
{
    (void)state;
    for (size_t e = 0; e < model_n_examples; e++) {
        struct model_config config;
        char *text, *turned;
        config_must_read(model_examples[e], &config);
        text = config_text(&config);
        turned = config_reversed(text);
        config_same(text, model_examples[e]);
        config_same(turned, text);
        free(text);
        free(turned);
    }
}

/* Draws a value for a row. */
static void draw(const struct model_field *field, struct rk_random *random, struct emit *out)
{
    const double share = rk_random_uniform(random), width = field->max - field->min;
    const double number = field->min + width * share;
    uint32_t n = 0;

    while (field->choices != NULL && field->choices[n] != NULL) {
        n++;
    }
    if (n > 0) {
        emit_string(out, field->choices[rk_random_below(random, n)]);
    } else if (field->kind == FIELD_BOOLEAN) {
        emit_boolean(out, share < 0.5);
    } else if (field->kind == FIELD_NAME) {
        emit_string(out, share < 0.5 ? "shop-2" : "default");
    } else if (field->kind == FIELD_WIDTHS || field->kind == FIELD_COLUMNS) {
        emit_format(out, "[%.0f,%.0f]", floor(number), field->max);
    } else if (field->kind == FIELD_REAL) {
        emit_double(out, number);
    } else {
        emit_integer(out, (int64_t)number);
    }
}

static void written_and_read_again_it_is_written_the_same(void **state)
{
    struct rk_random random = {11};

    (void)state;
    print_message("seed 11\n");
    for (size_t i = 0; i < 50 * model_n_fields; i++) {
        const struct model_field *field = &model_fields[i % model_n_fields];
        struct emit value = {0};
        struct model_config config;
        char *text, *first, *second;
        draw(field, &random, &value);
        text = with_row(field, value.text);
        config_must_read(text, &config);
        first = config_text(&config);
        assert_true(model_config_parse(first, strlen(first), &config, &(struct problem){0}));
        second = config_text(&config);
        assert_string_equal(first, second);
        assert_non_null(strstr(first, value.text));
        free(text);
        free(first);
        free(second);
        emit_deinit(&value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_an_example_and_no_rival),
        cmocka_unit_test(every_number_is_taken_at_its_bounds_and_not_beyond),
        cmocka_unit_test(every_row_refuses_values_of_other_kinds),
        cmocka_unit_test(every_choice_is_taken_and_no_other),
        cmocka_unit_test(options_that_do_not_apply_are_refused),
        cmocka_unit_test(each_loss_and_optimizer_has_its_options_with_their_defaults),
        cmocka_unit_test(the_order_of_members_does_not_matter),
        cmocka_unit_test(written_and_read_again_it_is_written_the_same),
    };
    json_start();
    return cmocka_run_group_tests_name("model_config_table", tests, NULL, NULL);
}
