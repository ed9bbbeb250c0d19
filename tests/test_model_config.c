/*
 * A model's configuration: its defaults are those of the specification, names and labels are told
 * with their place, and equal configurations are written equally.
 */
#include "config_fixture.h"
#include "list_fixture.h"
#include "model_config_impl.h"
#include "test.h"

#define SPECIFICATION "../shared/models.md"

static const char defaults[] =
    "{\"kind\":\"fm\",\"features\":{\"space\":\"hashed\",\"bits\":18,\"numbers\":\"standard\"},"
    "\"dim\":16,\"use_ids\":true,\"loss\":{\"name\":\"pairwise_logistic\",\"pairs\":\"graded\","
    "\"reduction\":\"group_mean\",\"sigma\":1},\"optimizer\":{\"name\":\"adagrad\","
    "\"learning_rate\":0.2,\"l2\":1e-06,\"eps\":1e-10,\"init_acc\":0,\"clip_norm\":0},"
    "\"init\":{\"std\":0.05,\"seed\":1},\"labels\":{\"click\":1},\"training\":{\"enabled\":true,"
    "\"source\":\"own\",\"update_groups\":1,\"batch_groups\":64,\"attribution_s\":0,"
    "\"negatives\":\"shown\"}}";

/* ---- defaults ---- */

static void all_but_kind_has_a_default(void **state)
{
    struct model_config config;
    char *text;

    (void)state;
    config_must_read("{\"kind\":\"fm\"}", &config);
    text = config_text(&config);
    assert_string_equal(text, defaults);
    free(text);
    model_config_default(&config);
    text = config_text(&config);
    assert_string_equal(text, defaults);
    free(text);
    config_same(defaults, "{\"kind\":\"fm\"}");
}

/* The first block of JSON in the specification; free it. NULL: not there. */
static char *specified(void)
{
    static char page[65536];
    FILE *file = fopen(SPECIFICATION, "r");
    size_t n;
    char *start, *end;

    if (file == NULL) {
        return NULL;
    }
    n = fread(page, 1, sizeof page - 1, file);
    (void)fclose(file);
    page[n] = '\0';
    start = strstr(page, "```json\n");
    assert_non_null(start);
    end = strstr(start + 8, "```");
    assert_non_null(end);
    return strndup(start + 8, (size_t)(end - start) - 8);
}

static void defaults_are_those_of_the_specification(void **state)
{
    char *text = specified();

    (void)state;
    if (text == NULL) {
        print_message("skipped: no %s\n", SPECIFICATION);
        skip();
    }
    config_same(text, "{\"kind\":\"fm\"}");
    free(text);
}

static void null_is_the_default(void **state)
{
    (void)state;
    config_same("{\"kind\":\"fm\"}",
                "{\"kind\":\"fm\",\"features\":null,\"dim\":null,\"use_ids\":null,\"loss\":null,"
                "\"optimizer\":{\"name\":null,\"l2\":null},\"labels\":null,"
                "\"training\":{\"negatives\":null},\"init\":{\"seed\":null}}");
}

static void attribution_is_600_seconds_where_clicks_are_predicted_and_0_else(void **state)
{
    static const char *const texts[] = {
        "{\"kind\":\"fm\",\"loss\":{\"name\":\"bce_with_logits\"}}",
        "{\"kind\":\"deepfm\",\"loss\":{\"name\":\"joint\"}}",
        "{\"kind\":\"joint\"}",
        "{\"kind\":\"joint\",\"loss\":{\"name\":\"triplet\"}}",
        "{\"kind\":\"fm\",\"loss\":{\"name\":\"listwise_softmax\"}}",
        "{\"kind\":\"ffm\"}",
        "{\"kind\":\"joint\",\"training\":{\"attribution_s\":0}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct model_config config;
        config_must_read(texts[i], &config);
        assert_int_equal(config.training.attribution_s, i < 4 ? 600 : 0);
    }
}

/* models.md, with the text that a joint model is stored as. */
static void a_joint_model_has_the_defaults_of_the_specification(void **state)
{
    struct model_config config;
    char *text;

    (void)state;
    config_must_read("{\"kind\":\"joint\"}", &config);
    text = config_text(&config);
    assert_string_equal(
        text,
        "{\"kind\":\"joint\",\"features\":{\"space\":\"hashed\",\"bits\":18,\"numbers\":"
        "\"standard\"},\"dim\":16,\"use_ids\":true,\"hidden\":[64,32],\"alpha\":0.5,\"heads\":"
        "\"shared\",\"users\":{\"space\":\"hashed\",\"bits\":16},\"items\":{\"space\":\"hashed\","
        "\"bits\":16},\"loss\":{\"name\":\"pairwise_logistic\",\"pairs\":\"graded\",\"reduction\":"
        "\"group_mean\",\"sigma\":1},\"optimizer\":{\"name\":\"adagrad\",\"learning_rate\":0.2,"
        "\"l2\":1e-06,\"eps\":1e-10,\"init_acc\":0,\"clip_norm\":0},\"init\":{\"std\":0.05,"
        "\"seed\":1},\"labels\":{\"click\":1},\"training\":{\"enabled\":true,\"source\":\"own\","
        "\"update_groups\":1,\"batch_groups\":64,\"attribution_s\":600,\"negatives\":\"shown\"}}");
    config_same(text, "{\"kind\":\"joint\"}");
    free(text);
}

static void kinds_have_their_options_and_no_others(void **state)
{
    static const char *const has[][2] = {
        {"fm", ""},
        {"ffm", "\"normalize\":false,\"max_fields\":16,"},
        {"deepfm", "\"hidden\":[64,32],\"max_fields\":16,"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof has / sizeof *has; i++) {
        struct model_config config;
        char text[64], wanted[128], *written;
        (void)snprintf(text, sizeof text, "{\"kind\":\"%s\"}", has[i][0]);
        (void)snprintf(wanted, sizeof wanted, "\"use_ids\":true,%s\"loss\":{", has[i][1]);
        config_must_read(text, &config);
        written = config_text(&config);
        assert_non_null(strstr(written, wanted));
        free(written);
    }
}

static void defaults_follow_the_names(void **state)
{
    struct model_config config;

    (void)state;
    config_must_read("{\"kind\":\"fm\",\"loss\":{\"name\":\"lambdarank\"},"
                     "\"optimizer\":{\"name\":\"adam\"}}",
                     &config);
    assert_int_equal(config.model.loss.reduction, RK_SUM_MEAN_VALID_GROUPS);
    assert_int_equal(config.model.loss.k, 10);
    assert_true(config.model.optim.eps == 1e-8);
    config_must_read("{\"kind\":\"fm\",\"features\":{\"space\":\"indexed\",\"size\":3}}", &config);
    assert_false(config.model.use_ids || config.model.standardize);
    assert_int_equal(config.model.features.size, 3);
    config_must_read("{\"kind\":\"deepfm\",\"optimizer\":{\"name\":\"ftrl\"}}", &config);
    assert_true(config.model.optim.learning_rate == 0.05);
    config_must_read("{\"kind\":\"deepfm\",\"optimizer\":{\"learning_rate\":0.2}}", &config);
    assert_true(config.model.optim.learning_rate == 0.2);
}

static void equal_configurations_in_another_order_are_the_same_text(void **state)
{
    (void)state;
    config_same("{\"kind\":\"fm\",\"dim\":8,\"labels\":{\"buy\":3,\"click\":1},"
                "\"loss\":{\"name\":\"margin_ranking\",\"margin\":0.5,\"pairs\":\"binary\"},"
                "\"optimizer\":{\"name\":\"sgd\",\"momentum\":0.9,\"l2\":0},"
                "\"features\":{\"space\":\"hashed\",\"bits\":10}}",
                "{\"features\":{\"bits\":10.0,\"space\":\"hashed\"},"
                "\"optimizer\":{\"l2\":-0.0,\"momentum\":9e-1,\"name\":\"sgd\"},"
                "\"loss\":{\"pairs\":\"binary\",\"margin\":0.50,\"name\":\"margin_ranking\"},"
                "\"labels\":{\"click\":1.0,\"buy\":3},\"dim\":8,\"kind\":\"fm\"}");
}

/* ---- names, labels, unknown members ---- */

static void wrong_names_are_told_with_their_place(void **state)
{
    (void)state;
    config_refuses("[]", PROBLEM_VALIDATION_FAILED, "");
    config_refuses("{}", PROBLEM_INVALID_MODEL, "");
    config_refuses("{\"kind\":\"gbdt\"}", PROBLEM_INVALID_MODEL, "/kind");
    config_refuses("{\"kind\":1}", PROBLEM_VALIDATION_FAILED, "/kind");
    config_refuses("{\"kind\":\"fm\",\"loss\":\"bce\"}", PROBLEM_VALIDATION_FAILED, "/loss");
    config_refuses("{\"kind\":\"fm\",\"loss\":{\"name\":\"bce\"}}", PROBLEM_INVALID_MODEL,
                   "/loss/name");
    config_refuses("{\"kind\":\"fm\",\"loss\":{\"name\":[]}}", PROBLEM_VALIDATION_FAILED,
                   "/loss/name");
    config_refuses("{\"kind\":\"fm\",\"optimizer\":{\"name\":\"lion\"}}", PROBLEM_INVALID_MODEL,
                   "/optimizer/name");
    config_refuses("{\"kind\":\"fm\",\"optimizer\":[]}", PROBLEM_VALIDATION_FAILED, "/optimizer");
    config_refuses("{\"kind\":\"fm\",\"features\":{\"space\":\"torus\"}}", PROBLEM_INVALID_MODEL,
                   "/features/space");
    config_refuses("{\"kind\":\"fm\",\"features\":{\"space\":\"indexed\"}}", PROBLEM_INVALID_MODEL,
                   "/features");
    config_refuses("{\"kind\":\"fm\",\"training\":[]}", PROBLEM_VALIDATION_FAILED, "/training");
}

static void an_unknown_member_is_refused_unless_lenient(void **state)
{
    static const char *const texts[][2] = {
        {"{\"kind\":\"fm\",\"layers\":[1]}", "/layers"},
        {"{\"kind\":\"fm\",\"name\":\"x\"}", "/name"},
        {"{\"kind\":\"fm\",\"features.bits\":5}", "/features.bits"},
        {"{\"kind\":\"fm\",\"training\":{\"rate\":1}}", "/training/rate"},
        {"{\"kind\":\"fm\",\"training\":{\"rate\":null}}", "/training/rate"},
        {"{\"kind\":\"fm\",\"training\":{\"name\":\"x\"}}", "/training/name"},
        {"{\"kind\":\"fm\",\"loss\":{\"temperature\":1}}", "/loss/temperature"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct model_config config;
        struct problem problem;
        char *text;
        config_refuses(texts[i][0], PROBLEM_UNKNOWN_FIELD, texts[i][1]);
        assert_true(config_read(texts[i][0], true, &config, &problem));
        text = config_text(&config);
        assert_string_equal(text, defaults);
        free(text);
    }
}

static void labels_are_a_table_of_their_own(void **state)
{
    struct model_config config;

    (void)state;
    config_must_read("{\"kind\":\"fm\",\"labels\":{\"view\":0,\"buy\":31,\"click\":0.5}}", &config);
    assert_int_equal(config.n_labels, 3);
    assert_string_equal(config.label[0].type, "buy");
    assert_string_equal(config.label[2].type, "view");
    config_must_read("{\"kind\":\"fm\",\"labels\":{}}", &config);
    assert_int_equal(config.n_labels, 0);
    config_refuses("{\"kind\":\"fm\",\"labels\":[]}", PROBLEM_VALIDATION_FAILED, "/labels");
    config_refuses("{\"kind\":\"fm\",\"labels\":{\"a\":31.5}}", PROBLEM_VALUE_OUT_OF_RANGE,
                   "/labels/a");
    config_refuses("{\"kind\":\"fm\",\"labels\":{\"a\":-1}}", PROBLEM_VALUE_OUT_OF_RANGE,
                   "/labels/a");
    config_refuses("{\"kind\":\"fm\",\"labels\":{\"a\":null}}", PROBLEM_VALIDATION_FAILED,
                   "/labels/a");
    config_refuses("{\"kind\":\"fm\",\"labels\":{\"\":1}}", PROBLEM_LIMIT_EXCEEDED, "/labels/");
}

static void labels_have_limits(void **state)
{
    struct list_fixture *f = *state;
    struct model_config config;
    char pointer[96];

    config_must_read(fixture_pattern(f, "{\"kind\":\"fm\",\"labels\":{", 64, "\"l#\":1", "}}"),
                     &config);
    assert_int_equal(config.n_labels, 64);
    config_refuses(fixture_pattern(f, "{\"kind\":\"fm\",\"labels\":{", 65, "\"l#\":1", "}}"),
                   PROBLEM_LIMIT_EXCEEDED, "/labels/l64");
    config_must_read(fixture_letters(f, "{\"kind\":\"fm\",\"labels\":{\"", 64, "\":2}}"), &config);
    assert_int_equal(strlen(config.label[0].type), 64);
    (void)snprintf(pointer, sizeof pointer, "/labels/%.65s", fixture_letters(f, "", 65, ""));
    config_refuses(fixture_letters(f, "{\"kind\":\"fm\",\"labels\":{\"", 65, "\":2}}"),
                   PROBLEM_LIMIT_EXCEEDED, pointer);
}

static void a_grade_is_label_times_value_up_to_31(void **state)
{
    struct model_config config;

    (void)state;
    config_must_read("{\"kind\":\"fm\",\"labels\":{\"click\":1,\"buy\":5,\"view\":0}}", &config);
    assert_true(model_config_grade(&config, "click", 1) == 1);
    assert_true(model_config_grade(&config, "buy", 2.5) == 12.5);
    assert_true(model_config_grade(&config, "buy", 6.2) == 31);
    assert_true(model_config_grade(&config, "buy", 1e6) == 31);
    assert_true(model_config_grade(&config, "buy", 0) == 0);
    assert_true(model_config_grade(&config, "view", 1e6) == 0);
    assert_true(model_config_grade(&config, "share", 1) < 0);
    assert_true(model_config_grade(&config, "clic", 1) < 0);
}

static void the_table_prints_a_line_for_every_row(void **state)
{
    struct emit out = {0};
    size_t lines = 0;

    (void)state;
    model_config_markdown(&out);
    for (const char *c = out.text; *c != '\0'; c++) {
        lines += *c == '\n';
    }
    assert_int_equal(lines, model_n_fields + 2 + 7); /* and the head and names */
    assert_non_null(strstr(out.text, "| `dim` | 16 | 1 to 256 | length of an embedding |\n"));
    assert_non_null(strstr(out.text, "| `heads` | \"shared\" | shared, separate | "));
    assert_non_null(strstr(out.text, "| `features.size` | needed | 1 to 268435456 | "));
    assert_non_null(strstr(out.text, "| `loss.on` | \"scores\" | "));
    assert_non_null(strstr(out.text, "| `training.negatives` | \"shown\" | shown, examined | "));
    emit_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_but_kind_has_a_default),
        cmocka_unit_test(defaults_are_those_of_the_specification),
        cmocka_unit_test(null_is_the_default),
        cmocka_unit_test(attribution_is_600_seconds_where_clicks_are_predicted_and_0_else),
        cmocka_unit_test(a_joint_model_has_the_defaults_of_the_specification),
        cmocka_unit_test(kinds_have_their_options_and_no_others),
        cmocka_unit_test(defaults_follow_the_names),
        cmocka_unit_test(equal_configurations_in_another_order_are_the_same_text),
        cmocka_unit_test(wrong_names_are_told_with_their_place),
        cmocka_unit_test(an_unknown_member_is_refused_unless_lenient),
        cmocka_unit_test(labels_are_a_table_of_their_own),
        LIST_TEST(labels_have_limits),
        cmocka_unit_test(a_grade_is_label_times_value_up_to_31),
        cmocka_unit_test(the_table_prints_a_line_for_every_row),
    };
    json_start();
    return cmocka_run_group_tests_name("model_config", tests, NULL, NULL);
}
