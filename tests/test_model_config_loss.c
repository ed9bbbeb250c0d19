/*
 * The losses of a configuration that are more than a name of the library's: "joint" around another
 * one, those on embeddings, those with a teacher.
 */
#include "config_fixture.h"
#include "test.h"

#include <rankd/loss.h>

/* ---- the loss "joint" ---- */

static void joint_mixes_another_loss_with_a_click_loss(void **state)
{
    struct model_config config;

    (void)state;
    config_must_read("{\"kind\":\"fm\",\"loss\":{\"rank_params\":{\"k\":3,\"pairs\":\"binary\"},"
                     "\"alpha\":0.25,\"rank\":\"lambdarank\",\"name\":\"joint\"}}",
                     &config);
    assert_true(config.mixed && config.model.alpha == 0.25);
    assert_int_equal(config.model.loss.name, RK_LAMBDARANK);
    assert_int_equal(config.model.loss.k, 3);
    assert_int_equal(config.model.loss.pairs, RK_PAIRS_BINARY);
    assert_int_equal(config.model.loss.reduction, RK_SUM_MEAN_VALID_GROUPS);
}

static void joint_alone_is_pairwise_logistic_at_one_half(void **state)
{
    (void)state;
    config_same("{\"kind\":\"ffm\",\"loss\":{\"name\":\"joint\"}}",
                "{\"kind\":\"ffm\",\"loss\":{\"name\":\"joint\",\"alpha\":0.5,\"rank\":"
                "\"pairwise_logistic\",\"rank_params\":{\"pairs\":\"graded\",\"reduction\":"
                "\"group_mean\",\"sigma\":1}}}");
    config_same("{\"kind\":\"ffm\",\"loss\":{\"name\":\"joint\"}}",
                "{\"kind\":\"ffm\",\"loss\":{\"name\":\"joint\",\"alpha\":null,\"rank\":null,"
                "\"rank_params\":null}}");
}

static void without_joint_the_ranking_loss_is_alone(void **state)
{
    struct model_config config;

    (void)state;
    config_must_read("{\"kind\":\"fm\"}", &config);
    assert_true(!config.mixed && config.model.alpha == 1);
    config_must_read("{\"kind\":\"joint\"}", &config);
    assert_true(!config.mixed && config.model.alpha == 0.5);
}

static void joint_read_from_what_it_wrote_is_the_same(void **state)
{
    static const char *const texts[] = {
        "{\"kind\":\"fm\",\"loss\":{\"name\":\"joint\",\"alpha\":0,\"rank\":\"smooth_hinge\"}}",
        "{\"kind\":\"deepfm\",\"loss\":{\"name\":\"joint\",\"rank\":\"n_pair\"}}",
        "{\"kind\":\"ffm\",\"loss\":{\"name\":\"joint\",\"rank\":\"ranking_distillation\","
        "\"rank_params\":{\"hybrid\":true}},\"teacher\":\"big\"}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct model_config config;
        char *text, *turned;
        config_must_read(texts[i], &config);
        text = config_text(&config);
        turned = config_reversed(text);
        config_same(text, texts[i]);
        config_same(turned, texts[i]);
        free(text);
        free(turned);
    }
}

static void wrong_members_of_joint_are_told_with_their_place(void **state)
{
    (void)state;
    config_refuses("{\"kind\":\"joint\",\"loss\":{\"name\":\"joint\"}}", PROBLEM_INVALID_MODEL,
                   "/loss/name");
    config_refuses("{\"kind\":\"fm\",\"loss\":{\"name\":\"joint\",\"rank\":\"joint\"}}",
                   PROBLEM_INVALID_MODEL, "/loss/rank");
    config_refuses("{\"kind\":\"fm\",\"loss\":{\"name\":\"joint\",\"rank\":\"triplet\"}}",
                   PROBLEM_INVALID_MODEL, "/loss/rank");
    config_refuses("{\"kind\":\"fm\",\"loss\":{\"name\":\"joint\",\"rank\":1}}",
                   PROBLEM_VALIDATION_FAILED, "/loss/rank");
    config_refuses("{\"kind\":\"fm\",\"loss\":{\"name\":\"joint\",\"alpha\":1.5}}",
                   PROBLEM_VALUE_OUT_OF_RANGE, "/loss/alpha");
    config_refuses("{\"kind\":\"fm\",\"loss\":{\"name\":\"joint\",\"sigma\":1}}",
                   PROBLEM_UNKNOWN_FIELD, "/loss/sigma");
    config_refuses("{\"kind\":\"fm\",\"loss\":{\"name\":\"joint\",\"rank_params\":[]}}",
                   PROBLEM_VALIDATION_FAILED, "/loss/rank_params");
    config_refuses("{\"kind\":\"fm\",\"loss\":{\"name\":\"joint\",\"rank_params\":{\"k\":1}}}",
                   PROBLEM_INVALID_MODEL, "/loss/rank_params/k");
    config_refuses("{\"kind\":\"fm\",\"loss\":{\"name\":\"n_pair\",\"rank\":\"n_pair\"}}",
                   PROBLEM_UNKNOWN_FIELD, "/loss/rank");
}

/* It was skipped like the name of the loss itself. */
static void a_name_among_the_options_of_the_ranking_loss_is_unknown(void **state)
{
    static const char text[] = "{\"kind\":\"fm\",\"loss\":{\"name\":\"joint\",\"rank_params\":"
                               "{\"name\":\"lambdarank\"}}}";
    struct model_config config;
    struct problem problem;

    (void)state;
    config_refuses(text, PROBLEM_UNKNOWN_FIELD, "/loss/rank_params/name");
    assert_true(config_read(text, true, &config, &problem));
    assert_int_equal(config.model.loss.name, RK_PAIRWISE_LOGISTIC);
}

/* ---- embeddings ---- */

static void triplet_looks_at_embeddings_of_a_joint_model(void **state)
{
    struct model_config config;

    (void)state;
    config_must_read("{\"kind\":\"joint\",\"loss\":{\"name\":\"triplet\"}}", &config);
    assert_int_equal(config.model.embedding_loss, RK_TRIPLET);
    assert_true(config.model.triplet_margin == 1 && config.model.triplet_squared);
    config_must_read("{\"kind\":\"joint\",\"loss\":{\"margin\":0.5,\"squared\":false,"
                     "\"name\":\"triplet\"}}",
                     &config);
    assert_true(config.model.triplet_margin == 0.5 && !config.model.triplet_squared);
    config_refuses("{\"kind\":\"fm\",\"loss\":{\"name\":\"triplet\"}}", PROBLEM_INVALID_MODEL,
                   "/loss/name");
    config_refuses("{\"kind\":\"joint\",\"loss\":{\"name\":\"triplet\",\"sigma\":1}}",
                   PROBLEM_INVALID_MODEL, "/loss/sigma");
}

/* l2 in front of what makes it an option was refused. */
static void n_pair_on_embeddings_is_read_in_any_order(void **state)
{
    struct model_config config;

    (void)state;
    config_must_read("{\"training\":{\"update_groups\":2},\"loss\":{\"l2\":0.1,"
                     "\"on\":\"embeddings\",\"name\":\"n_pair\"},\"kind\":\"joint\"}",
                     &config);
    assert_int_equal(config.model.embedding_loss, RK_N_PAIR_EMBEDDING);
    assert_true(config.model.embedding_l2 == 0.1);
    config_must_read("{\"kind\":\"joint\",\"loss\":{\"name\":\"n_pair\"}}", &config);
    assert_int_equal(config.model.embedding_loss, RK_ON_SCORES);
}

static void n_pair_on_embeddings_needs_lists_to_compare(void **state)
{
    (void)state;
    config_refuses("{\"kind\":\"joint\",\"loss\":{\"name\":\"n_pair\",\"on\":\"embeddings\"}}",
                   PROBLEM_INVALID_MODEL, "/loss");
    config_refuses("{\"kind\":\"joint\",\"loss\":{\"name\":\"n_pair\",\"on\":\"scores\",\"l2\":1}}",
                   PROBLEM_INVALID_MODEL, "/loss/l2");
    config_refuses("{\"kind\":\"fm\",\"loss\":{\"name\":\"n_pair\",\"on\":\"embeddings\"}}",
                   PROBLEM_INVALID_MODEL, "/loss/on");
    config_refuses("{\"kind\":\"fm\",\"loss\":{\"name\":\"joint\",\"rank\":\"n_pair\","
                   "\"rank_params\":{\"on\":\"embeddings\"}}}",
                   PROBLEM_INVALID_MODEL, "/loss/rank_params/on");
}

/* ---- teachers ---- */

static void a_teacher_is_the_name_of_a_model(void **state)
{
    static const char *const wrong[] = {"Big", "a b", "a/b", "\\u00e9"};
    struct model_config config;

    (void)state;
    config_must_read("{\"kind\":\"fm\",\"teacher\":\"big_model-2\",\"loss\":"
                     "{\"name\":\"distill_listwise\"}}",
                     &config);
    assert_string_equal(config.teacher, "big_model-2");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[128];
        (void)snprintf(text, sizeof text,
                       "{\"kind\":\"fm\",\"teacher\":\"%s\",\"loss\":"
                       "{\"name\":\"distill_listwise\"}}",
                       wrong[i]);
        config_refuses(text, PROBLEM_INVALID_MODEL, "/teacher");
    }
    config_refuses("{\"kind\":\"fm\",\"teacher\":\"big\"}", PROBLEM_INVALID_MODEL, "/teacher");
}

/* "" was written, which could not be read back: the server did not start again. */
static void no_teacher_is_written_as_null(void **state)
{
    struct model_config config;
    char *text;

    (void)state;
    config_must_read("{\"kind\":\"fm\",\"loss\":{\"name\":\"distill_pointwise\"}}", &config);
    text = config_text(&config);
    assert_non_null(strstr(text, "\"teacher\":null,"));
    config_same(text, "{\"kind\":\"fm\",\"loss\":{\"name\":\"distill_pointwise\"}}");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joint_mixes_another_loss_with_a_click_loss),
        cmocka_unit_test(joint_alone_is_pairwise_logistic_at_one_half),
        cmocka_unit_test(without_joint_the_ranking_loss_is_alone),
        cmocka_unit_test(joint_read_from_what_it_wrote_is_the_same),
        cmocka_unit_test(wrong_members_of_joint_are_told_with_their_place),
        cmocka_unit_test(a_name_among_the_options_of_the_ranking_loss_is_unknown),
        cmocka_unit_test(triplet_looks_at_embeddings_of_a_joint_model),
        cmocka_unit_test(n_pair_on_embeddings_is_read_in_any_order),
        cmocka_unit_test(n_pair_on_embeddings_needs_lists_to_compare),
        cmocka_unit_test(a_teacher_is_the_name_of_a_model),
        cmocka_unit_test(no_teacher_is_written_as_null),
    };
    json_start();
    return cmocka_run_group_tests_name("model_config_loss", tests, NULL, NULL);
}
