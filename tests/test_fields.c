/*
 * Fields of hashed spaces, through the learner: how they get their numbers, and what becomes of
 * features that have none.
 */
#include "gradient_check.h"
#include "test.h"

#define FIELDS 3

static struct rk_model_config named_config(const char *kind)
{
    struct rk_model_config config = checked_config(kind, RK_HASHED, "pairwise_logistic");

    config.features.bits = 12;
    config.max_fields = FIELDS;
    config.standardize = false;
    return config;
}

static struct rk_feature flag(enum rk_side side, const char *name)
{
    return rk_feature_flag(side, name, strlen(name), 1.0F);
}

/* A user with one feature and items with one each: "user.<own[0]>", "item.<own[1]>", ... */
static struct rk_group *named_group(const struct rk_model *model, size_t n, const char *const *name,
                                    const float *label)
{
    struct rk_group_builder builder = {0};
    struct rk_group view, *copy = NULL;

    assert_ok(rk_group_begin(&builder, &rk_model_config(model)->features, 0, NULL));
    for (size_t i = 0; i < n; i++) {
        const struct rk_feature feature = flag(i == 0 ? RK_USER : RK_ITEM, name[i]);
        if (i > 0) {
            assert_ok(rk_group_begin_item(&builder, 0, NULL));
            rk_group_label(&builder, label[i - 1], 1);
        }
        assert_ok(rk_group_add(&builder, &feature, NULL));
    }
    assert_ok(rk_group_end(&builder, true, &view, NULL));
    assert_ok(rk_group_copy(&view, &copy, NULL));
    rk_group_builder_deinit(&builder);
    return copy;
}

/* Four floats of 16 bits, the highest first. */
static uint64_t name_of(const struct learner_fixture *f, size_t field)
{
    const float *row = f->theta + sample_tensor(f->model, "fields.weight") + 4 * field;
    uint64_t name = 0;

    for (size_t c = 0; c < 4; c++) {
        name = name << 16 | (uint64_t)row[c];
    }
    return name;
}

static void learn(struct learner_fixture *f, size_t n, const char *const *name, const float *label)
{
    struct rk_group *group = named_group(f->model, n, name, label);

    (void)sample_update(f->learner, f->theta, group);
    rk_group_destroy(&group);
}

static const float clicked[] = {1, 0, 0, 0};

static void fields_are_numbered_in_the_order_met(void **state)
{
    (void)state;
    static const char *const kinds[] = {"ffm", "deepfm"};

    for (size_t k = 0; k < 2; k++) {
        const struct rk_model_config config = named_config(kinds[k]);
        struct learner_fixture f;
        checked_make(&f, &config, 600);
        learn(&f, 3, (const char *const[]){"age", "brand", "brand"}, clicked);
        assert_true(name_of(&f, 0) == rk_feature_name(RK_USER, "age", 3));
        assert_true(name_of(&f, 1) == rk_feature_name(RK_ITEM, "brand", 5));
        assert_true(name_of(&f, 2) == 0);
        learn(&f, 3, (const char *const[]){"age", "age", "brand"}, clicked);
        assert_true(name_of(&f, 1) == rk_feature_name(RK_ITEM, "brand", 5));
        assert_true(name_of(&f, 2) == rk_feature_name(RK_ITEM, "age", 3));
        learner_end(&f);
    }
}

static void field_is_the_name_before_the_category(void **state)
{
    (void)state;
    const struct rk_model_config config = named_config("ffm");
    struct rk_group_builder builder = {0};
    struct rk_group group;
    struct learner_fixture f;

    checked_make(&f, &config, 601);
    assert_ok(rk_group_begin(&builder, &config.features, 0, NULL));
    for (size_t i = 0; i < 3; i++) {
        const char text = (char)('a' + i);
        const struct rk_feature brand = rk_feature_category(RK_ITEM, "brand", 5, &text, 1, 1.0F);
        assert_ok(rk_group_begin_item(&builder, 0, NULL));
        rk_group_label(&builder, clicked[i], 1);
        assert_ok(rk_group_add(&builder, &brand, NULL));
    }
    assert_ok(rk_group_end(&builder, true, &group, NULL));
    (void)sample_update(f.learner, f.theta, &group);
    assert_true(name_of(&f, 0) == rk_feature_name(RK_ITEM, "brand", 5) && name_of(&f, 1) == 0);
    rk_group_builder_deinit(&builder);
    learner_end(&f);
}

/* Rows of the feature's weight and vectors that differ from a copy: bit 0 and bit 1. */
static int moved(const struct learner_fixture *f, const struct learner_copy *before,
                 struct rk_feature feature)
{
    size_t n;
    const struct rk_tensor *t = rk_model_tensors(f->model, &n);
    uint32_t row;
    int bits = 0;

    assert_ok(rk_space_row(&rk_model_config(f->model)->features, &feature, &row, NULL));
    for (size_t i = 0; i < 2; i++) {
        const size_t at = t[1 + i].offset + row * t[1 + i].cols;
        if (memcmp(f->theta + at, before->theta + at, t[1 + i].cols * sizeof(float)) != 0) {
            bits |= 1 << i;
        }
    }
    return bits;
}

static void features_beyond_max_fields_have_a_linear_term_only(void **state)
{
    (void)state;
    static const char *const kinds[] = {"ffm", "deepfm"};

    for (size_t k = 0; k < 2; k++) {
        const struct rk_model_config config = named_config(kinds[k]);
        const char *const name[] = {"a", "b", "c", "d"};
        struct learner_fixture f;
        double score[3], without[3];
        checked_make(&f, &config, 602);
        struct rk_group *group = named_group(f.model, 4, name, clicked);
        struct learner_copy before = learner_copy(&f);
        (void)sample_update(f.learner, f.theta, group);
        assert_true(name_of(&f, 2) == rk_feature_name(RK_ITEM, "c", 1));
        assert_int_equal(moved(&f, &before, flag(RK_USER, "a")), 2); /* linear: shift-free */
        assert_int_equal(moved(&f, &before, flag(RK_ITEM, "b")), 3);
        assert_int_equal(moved(&f, &before, flag(RK_ITEM, "c")), 3);
        assert_int_equal(moved(&f, &before, flag(RK_ITEM, "d")), 1);
        learner_copy_free(&before);
        const uint32_t d = group->index[3];
        sample_score(f.model, f.theta, group, score);
        f.theta[sample_tensor(f.model, "linear.weight") + d] += 0.5F;
        f.theta[sample_tensor(f.model, "embedding.weight") + d * 3] += 7.0F;
        sample_score(f.model, f.theta, group, without);
        assert_close(without[2], score[2] + 0.5, 1e-6, 0);
        assert_true(without[0] == score[0]);
        rk_group_destroy(&group);
        learner_end(&f);
    }
}

static void before_learning_every_feature_is_linear(void **state)
{
    (void)state;
    const struct rk_model_config config = named_config("ffm");
    const char *const name[] = {"a", "b", "c"};
    struct learner_fixture f;
    double score[2];

    checked_make(&f, &config, 603);
    const float *w = f.theta + sample_tensor(f.model, "linear.weight");
    struct rk_group *group = named_group(f.model, 3, name, clicked);
    sample_score(f.model, f.theta, group, score);
    for (size_t i = 0; i < 2; i++) {
        assert_true(score[i] == (double)f.theta[0] + (double)w[group->index[0]] +
                                    (double)w[group->index[1 + i]]);
    }
    rk_group_destroy(&group);
    learner_end(&f);
}

static void names_are_touched_rows_and_part_of_undo(void **state)
{
    (void)state;
    const struct rk_model_config config = named_config("ffm");
    struct learner_fixture f;
    size_t n, named = 0, n_tensors;

    checked_make(&f, &config, 604);
    const struct rk_tensor *t = rk_model_tensors(f.model, &n_tensors);
    const size_t first = t[n_tensors - 1].first_row;
    struct learner_copy before = learner_copy(&f);
    rk_learner_begin(f.learner);
    learn(&f, 3, (const char *const[]){"a", "b", "c"}, clicked);
    learn(&f, 3, (const char *const[]){"a", "b", "c"}, clicked);
    const uint32_t *row = rk_learner_touched(f.learner, &n);
    float *published = malloc(rk_model_params(f.model) * sizeof *published);
    memcpy(published, before.theta, rk_model_params(f.model) * sizeof *published);
    rk_model_copy_rows(f.model, row, n, f.theta, published);
    assert_memory_equal(published, f.theta, rk_model_params(f.model) * sizeof *published);
    for (size_t i = 0; i < n; i++) {
        named += row[i] >= first;
    }
    assert_int_equal(named, 3);
    assert_true(first >= 1 && t[n_tensors - 1].offset >= rk_model_learned(f.model));
    rk_learner_undo(f.learner, f.theta);
    learner_assert_as(&f, before);
    free(published);
    learner_end(&f);
}

static void update_without_pairs_or_that_diverges_leaves_no_name(void **state)
{
    (void)state;
    const struct rk_model_config config = named_config("ffm");
    struct rk_learned learned = {0};
    struct learner_fixture f;
    size_t n;

    checked_make(&f, &config, 605);
    struct rk_group *group = named_group(f.model, 3, (const char *const[]){"a", "b", "c"}, clicked);
    struct learner_copy before = learner_copy(&f);
    rk_learner_begin(f.learner);
    learn(&f, 3, (const char *const[]){"a", "b", "c"}, (float[]){1, 1});
    (void)rk_learner_touched(f.learner, &n);
    assert_int_equal(n, 0);
    learner_assert_as(&f, before);
    f.theta[sample_tensor(f.model, "linear.weight") + group->index[1]] = INFINITY;
    before = learner_copy(&f);
    assert_status(rk_learner_update(f.learner, f.theta, (const struct rk_group *const *)&group, 1,
                                    &learned, NULL),
                  RK_DIVERGED);
    learner_assert_as(&f, before);
    rk_group_destroy(&group);
    learner_end(&f);
}

static void feature_without_a_name_has_a_linear_term_only(void **state)
{
    (void)state;
    const struct rk_model_config config = named_config("deepfm");
    static const uint64_t nameless[3] = {0};
    struct learner_fixture f;

    checked_make(&f, &config, 608);
    struct rk_group *group = named_group(f.model, 3, (const char *const[]){"a", "b", "c"}, clicked);
    struct rk_group view = *group;
    view.name = nameless;
    rk_learner_begin(f.learner);
    (void)sample_update(f.learner, f.theta, &view);
    assert_true(learner_touched(&f, "linear.weight", group->index[1]));
    assert_false(learner_touched(&f, "embedding.weight", group->index[1]));
    assert_false(learner_touched(&f, "fields.weight", 0));
    rk_group_destroy(&group);
    learner_end(&f);
}

/* What a client imported is any float. */
static void table_of_anything_is_read_without_harm(void **state)
{
    (void)state;
    static const float odd[] = {-1.0F, 1e30F, 65536.0F, 0.5F, 65535.0F, -0.0F};
    const struct rk_model_config config = named_config("ffm");
    const char *const name[] = {"a", "b", "c", "d"};
    struct learner_fixture f;
    double score[3];

    checked_make(&f, &config, 606);
    float *table = f.theta + sample_tensor(f.model, "fields.weight");
    struct rk_group *group = named_group(f.model, 4, name, clicked);
    for (size_t i = 0; i < 6; i++) {
        for (size_t c = 0; c < 4 * FIELDS; c++) {
            table[c] = odd[(i + c) % 6];
        }
        sample_score(f.model, f.theta, group, score);
        (void)sample_update(f.learner, f.theta, group);
        assert_true(isfinite(score[0]) && isfinite(score[1]) && isfinite(score[2]));
    }
    rk_group_destroy(&group);
    learner_end(&f);
}

/* A list of fields that a hashed configuration happens to carry once was read beyond its end. */
static void indexed_fields_do_not_matter_on_a_hashed_space(void **state)
{
    (void)state;
    struct rk_model_config config = named_config("ffm");
    struct learner_fixture f, plain;

    checked_make(&plain, &config, 607);
    config.fields = sample_fields;
    config.n_fields = SAMPLE_FIELDS;
    checked_make(&f, &config, 607);
    for (size_t g = 0; g < 4; g++) {
        (void)learner_update(&f, g, 1);
        (void)learner_update(&plain, g, 1);
    }
    learner_assert_as(&f, learner_copy(&plain));
    learner_end(&f);
    learner_end(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_numbered_in_the_order_met),
        cmocka_unit_test(field_is_the_name_before_the_category),
        cmocka_unit_test(features_beyond_max_fields_have_a_linear_term_only),
        cmocka_unit_test(before_learning_every_feature_is_linear),
        cmocka_unit_test(names_are_touched_rows_and_part_of_undo),
        cmocka_unit_test(update_without_pairs_or_that_diverges_leaves_no_name),
        cmocka_unit_test(feature_without_a_name_has_a_linear_term_only),
        cmocka_unit_test(table_of_anything_is_read_without_harm),
        cmocka_unit_test(indexed_fields_do_not_matter_on_a_hashed_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
