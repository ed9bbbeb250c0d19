/*
 * Laws that hold for every kind of model: learning is taken back to the bit and repeats to the bit,
 * learns, and takes lists of any shape; and shapes that cannot be are refused.
 */
#include "gradient_check.h"
#include "test.h"

/* Every kind with everything on: numbers and fields learned, l2, clicks mixed in for joint. */
static struct rk_model_config full_config(size_t kind, size_t optim)
{
    struct rk_model_config config = learner_config(optim);

    sample_kind(&config, sample_kinds[kind]);
    config.alpha = strcmp(sample_kinds[kind], "joint") == 0 ? 0.5 : 1;
    config.separate = optim % 2 == 0;
    config.normalize = optim % 3 == 0;
    return config;
}

static void undo_restores_every_kind_with_every_optimizer_to_the_bit(void **state)
{
    (void)state;
    for (size_t c = 0; c < SAMPLE_KINDS * LEARNER_OPTIMS; c++) {
        const struct rk_model_config config = full_config(c % SAMPLE_KINDS, c / SAMPLE_KINDS);
        struct learner_fixture f;
        learner_make(&f, &config, 800 + c);
        rk_learner_begin(f.learner);
        struct learner_copy start = learner_copy(&f);
        (void)learner_update(&f, 0, 2);
        rk_learner_undo(f.learner, f.theta);
        learner_assert_as(&f, start);
        rk_learner_begin(f.learner);
        (void)learner_update(&f, 0, 3);
        rk_learner_begin(f.learner);
        struct learner_copy before = learner_copy(&f);
        for (size_t g = 0; g + 2 <= LEARNER_GROUPS; g++) {
            (void)learner_update(&f, g, 1 + g % 2);
        }
        assert_true(learner_differs(&f, &before));
        rk_learner_undo(f.learner, f.theta);
        learner_assert_as(&f, before);
        learner_end(&f);
    }
}

static void undo_of_embedding_losses_restores_to_the_bit(void **state)
{
    (void)state;
    for (size_t o = 0; o < LEARNER_OPTIMS; o++) {
        struct rk_model_config config = full_config(SAMPLE_KINDS - 1, o);
        struct learner_fixture f;
        config.embedding_loss = o % 2 == 0 ? RK_TRIPLET : RK_N_PAIR_EMBEDDING;
        learner_make(&f, &config, 840 + o);
        rk_learner_begin(f.learner);
        struct learner_copy before = learner_copy(&f);
        (void)learner_update(&f, 0, 6);
        (void)learner_update(&f, 6, 6);
        assert_true(learner_differs(&f, &before));
        rk_learner_undo(f.learner, f.theta);
        learner_assert_as(&f, before);
        learner_end(&f);
    }
}

static void same_lists_give_the_same_bytes(void **state)
{
    (void)state;
    for (size_t c = 0; c < SAMPLE_KINDS * LEARNER_OPTIMS; c++) {
        const struct rk_model_config config = full_config(c % SAMPLE_KINDS, c / SAMPLE_KINDS);
        struct learner_fixture f, twin, other;
        learner_make(&f, &config, 850);
        learner_make(&twin, &config, 850);
        learner_make(&other, &config, 851);
        for (size_t g = 0; g < LEARNER_GROUPS; g++) {
            (void)learner_update(&f, g, 1);
            (void)learner_update(&twin, g, 1);
            (void)learner_update(&other, g, 1);
        }
        struct learner_copy copy = learner_copy(&other);
        assert_true(learner_differs(&f, &copy));
        learner_copy_free(&copy);
        learner_assert_as(&f, learner_copy(&twin));
        learner_end(&f);
        learner_end(&twin);
        learner_end(&other);
    }
}

/*
 * Users are of two sorts, by id and by feature, and so are items; a user clicks items of the same
 * sort, whatever user and item are alone.
 */
static struct rk_group *separable_group(const struct rk_model *model, struct rk_random *random)
{
    const uint32_t user = rk_random_below(random, 2);
    const struct rk_feature shared = rk_feature_column(20 + user, 1.0F);
    struct rk_group_builder builder = {0};
    struct rk_group view, *copy = NULL;

    assert_ok(rk_group_begin(&builder, &rk_model_config(model)->features,
                             1 + user + 2 * rk_random_below(random, 2), NULL));
    assert_ok(rk_group_add(&builder, &shared, NULL));
    for (size_t i = 0; i < 6; i++) {
        const bool clicked = i == 0 || (i < 5 && rk_random_below(random, 4) == 0);
        const uint32_t item = clicked ? user : 1 - user;
        const struct rk_feature own =
            rk_feature_column(3 * item + rk_random_below(random, 3), 1.0F);
        assert_ok(rk_group_begin_item(&builder, 1 + 4 * item + rk_random_below(random, 4), NULL));
        assert_ok(rk_group_add(&builder, &own, NULL));
        rk_group_label(&builder, clicked ? 1 : 0, 1);
    }
    assert_ok(rk_group_end(&builder, true, &view, NULL));
    assert_ok(rk_group_copy(&view, &copy, NULL));
    rk_group_builder_deinit(&builder);
    return copy;
}

/* The mean loss of the last 20 of 400 mini-batches over that of the first 20. */
static double learning_curve(const struct rk_model_config *config, uint64_t seed)
{
    struct rk_random random = {seed};
    struct learner_fixture f;
    double first = 0, last = 0;

    learner_make(&f, config, seed);
    for (int i = 0; i < 400; i++) {
        struct rk_group *group[4];
        struct rk_learned learned = {0};
        for (size_t g = 0; g < 4; g++) {
            group[g] = separable_group(f.model, &random);
        }
        assert_ok(rk_learner_update(f.learner, f.theta, (const struct rk_group *const *)group, 4,
                                    &learned, NULL));
        first += i < 20 ? learned.loss : 0;
        last += i >= 380 ? learned.loss : 0;
        sample_groups_destroy(group, 4);
    }
    print_message("%s: %.3f to %.3f\n", config->kind, first / 20, last / 20);
    learner_end(&f);
    return last / first;
}

static void loss_falls_on_separable_lists_for_every_kind(void **state)
{
    (void)state;
    for (size_t k = 0; k < SAMPLE_KINDS; k++) {
        struct rk_model_config config =
            checked_config(sample_kinds[k], RK_INDEXED, "pairwise_logistic");
        assert_ok(rk_optim_default("adagrad", &config.optim, NULL));
        assert_true(learning_curve(&config, 860) < 0.2);
        config.alpha = 0.5;
        assert_true(learning_curve(&config, 861) < 0.2);
        config.separate = true;
        assert_true(learning_curve(&config, 862) < 0.2);
    }
}

static void triplet_loss_falls_on_separable_lists(void **state)
{
    (void)state;
    for (int squared = 0; squared < 2; squared++) {
        struct rk_model_config config = checked_config("joint", RK_INDEXED, "pairwise_logistic");
        assert_ok(rk_optim_default("adagrad", &config.optim, NULL));
        config.embedding_loss = RK_TRIPLET;
        config.triplet_squared = squared;
        assert_true(learning_curve(&config, 863) < 0.2);
    }
}

/* Users click their own item: n-pairs learn who belongs to whom. */
static void n_pair_loss_falls_where_users_have_their_own_items(void **state)
{
    (void)state;
    struct rk_model_config config = checked_config("joint", RK_INDEXED, "pairwise_logistic");
    struct learner_fixture f;
    double first = 0, last = 0;

    assert_ok(rk_optim_default("adagrad", &config.optim, NULL));
    config.embedding_loss = RK_N_PAIR_EMBEDDING;
    learner_make(&f, &config, 864);
    for (size_t g = 0; g < 4; g++) {
        struct rk_group_builder builder = {0};
        struct rk_group view;
        rk_group_destroy(&f.group[g]);
        assert_ok(rk_group_begin(&builder, &config.features, 1 + g, NULL));
        assert_ok(rk_group_begin_item(&builder, 8, NULL));
        assert_ok(rk_group_begin_item(&builder, 1 + g, NULL));
        rk_group_label(&builder, 2, 1);
        assert_ok(rk_group_end(&builder, true, &view, NULL));
        assert_ok(rk_group_copy(&view, &f.group[g], NULL));
        rk_group_builder_deinit(&builder);
    }
    for (int i = 0; i < 200; i++) {
        last = learner_update(&f, 0, 4).loss;
        first = i == 0 ? last : first;
    }
    assert_close(first, log(4), 0.05, 0);
    assert_true(last < 0.1 * first);
    learner_end(&f);
}

/* Columns 0 and 1 for the user, one of the others for each item. */
static struct rk_group *two_sided(const struct rk_model *model, struct rk_random *random)
{
    struct rk_group_builder builder = {0};
    struct rk_group view, *copy = NULL;

    assert_ok(rk_group_begin(&builder, &rk_model_config(model)->features, 1, NULL));
    for (uint32_t i = 0; i < 8; i++) {
        const uint32_t column = i < 2 ? i : 2 + rk_random_below(random, SAMPLE_COLUMNS - 2);
        const struct rk_feature f = rk_feature_column(column, (float)rk_random_normal(random));
        if (i >= 2) {
            assert_ok(rk_group_begin_item(&builder, 1 + i, NULL));
            rk_group_label(&builder, (float)rk_random_below(random, 3), 1);
        }
        assert_ok(rk_group_add(&builder, &f, NULL));
    }
    assert_ok(rk_group_end(&builder, true, &view, NULL));
    assert_ok(rk_group_copy(&view, &copy, NULL));
    rk_group_builder_deinit(&builder);
    return copy;
}

/*
 * Where only linear weights tell the items apart, the gradients of bias and everything shared are
 * sums of a list's score gradients: 0, and not what rounding leaves of it. A mix has all of them.
 */
static void shift_free_losses_do_not_touch_what_items_share(void **state)
{
    (void)state;
    for (size_t c = 0; c < 6; c++) {
        const bool mixed = c >= 3, deep = c % 3 == 2;
        struct rk_model_config config =
            checked_config(sample_kinds[c % 3], RK_INDEXED, "pairwise_logistic");
        struct rk_random random = {871};
        struct learner_fixture f;
        config.alpha = mixed ? 0.5 : 1;
        checked_make(&f, &config, 871);
        const size_t v = sample_tensor(f.model, "embedding.weight"), n = rk_model_params(f.model);
        const size_t row = 3 * (c % 3 == 1 ? SAMPLE_FIELDS : 1);
        memset(f.theta + v + 2 * row, 0, (n - v - 2 * row) * sizeof *f.theta);
        rk_learner_begin(f.learner);
        for (int i = 0; i < 10; i++) {
            struct rk_group *group = two_sided(f.model, &random);
            struct learner_copy before = learner_copy(&f);
            (void)sample_update(f.learner, f.theta, group);
            memcpy(f.theta + v, before.theta + v, (n - v) * sizeof *f.theta);
            learner_copy_free(&before);
            rk_group_destroy(&group);
        }
        assert_int_equal(learner_touched(&f, "linear.bias", 0), mixed);
        assert_int_equal(learner_touched(&f, "linear.weight", 0), mixed);
        assert_int_equal(learner_touched(&f, "embedding.weight", 1), mixed);
        assert_true(!deep || learner_touched(&f, "mlp.4.bias", 0) == mixed);
        assert_true(learner_touched(&f, "linear.weight", 5));
        learner_end(&f);
    }
}

static void order_of_items_changes_neither_scores_nor_gradient(void **state)
{
    (void)state;
    for (size_t k = 0; k < SAMPLE_KINDS; k++) {
        const struct rk_model_config config =
            checked_config(sample_kinds[k], RK_INDEXED, "pairwise_logistic");
        struct learner_fixture f;
        double head[2][12];
        checked_make(&f, &config, 870);
        double *grad = objective_gradient(&f, 1);
        sample_score(f.model, f.theta, f.group[0], head[0]);
        struct rk_group *back = sample_reversed(f.group[0]);
        rk_group_destroy(&f.group[0]);
        f.group[0] = back;
        double *second = objective_gradient(&f, 1);
        sample_score(f.model, f.theta, back, head[1]);
        for (size_t i = 0; i < 6 * rk_model_heads(f.model); i++) {
            assert_true(head[0][i] == head[1][i / 6 * 6 + 5 - i % 6]);
        }
        for (size_t i = 0; i < rk_model_params(f.model); i++) {
            assert_close(grad[i], second[i], 1e-6, 1e-7);
        }
        free(grad);
        free(second);
        learner_end(&f);
    }
}

/* Lists without items, with one, and with empty items, alone and among others. */
static void lists_of_any_shape_are_learned_from(void **state)
{
    (void)state;
    static const struct sample_shape shapes[] = {
        {.n_items = 0, .n_shared = 3, .grades = 2},  {.n_items = 1, .n_own = 3, .grades = 2},
        {.n_items = 5, .n_own = 0, .grades = 2},     {.n_items = 5, .n_shared = 2, .grades = 3},
        {.n_items = 3, .n_own = 30, .grades = 1000}, {.n_items = 0, .grades = 1}};

    for (size_t c = 0; c < 6 * SAMPLE_KINDS; c++) {
        struct rk_model_config config = full_config(c % SAMPLE_KINDS, 2);
        struct rk_random random = {880 + c};
        struct rk_learned learned = {0};
        struct learner_fixture f;
        config.embedding_loss = c % 3 == 0 ? RK_TRIPLET : RK_ON_SCORES;
        learner_make(&f, &config, 880 + c);
        struct rk_group *odd = sample_group(f.model, &shapes[c / SAMPLE_KINDS], &random);
        const struct rk_group *groups[] = {odd, f.group[0], odd};
        assert_ok(rk_learner_update(f.learner, f.theta, groups, 1, &learned, NULL));
        assert_ok(rk_learner_update(f.learner, f.theta, groups, 3, &learned, NULL));
        assert_true(learned.updates >= 1 && isfinite(learned.loss));
        rk_group_destroy(&odd);
        learner_end(&f);
    }
}

static void lists_of_equal_labels_have_nothing_to_rank(void **state)
{
    (void)state;
    for (size_t k = 0; k < SAMPLE_KINDS; k++) {
        for (uint64_t e = 0; e < 3; e++) {
            const struct sample_shape flat = {.n_items = 4, .n_own = 3, .grades = 1};
            struct rk_model_config config = full_config(k, 2);
            struct rk_random random = {890};
            struct learner_fixture f;
            config.alpha = 1;
            config.embedding_loss = (enum rk_embedding_loss)e;
            learner_make(&f, &config, 890);
            struct rk_group *group = sample_group(f.model, &flat, &random);
            struct learner_copy before = learner_copy(&f);
            assert_int_equal(sample_update(f.learner, f.theta, group).updates, 0);
            learner_assert_as(&f, before);
            rk_group_destroy(&group);
            learner_end(&f);
        }
    }
}

/* Parameters and values so large that exp of a score is not finite. */
static void extreme_scores_learn_or_are_refused_as_diverged(void **state)
{
    (void)state;
    for (size_t k = 0; k < SAMPLE_KINDS; k++) {
        struct rk_model_config config =
            checked_config(sample_kinds[k], RK_INDEXED, "pairwise_logistic");
        struct learner_fixture f;
        double head[12];
        config.alpha = 0.5;
        checked_make(&f, &config, 895);
        for (size_t i = 0; i < rk_model_params(f.model); i++) {
            f.theta[i] *= 1e3F;
        }
        sample_score(f.model, f.theta, f.group[0], head);
        assert_true(fabs(head[0]) > 1e3);
        assert_true(isfinite(objective_value(&f, 4)));
        for (size_t i = 0; i < rk_model_params(f.model); i++) {
            f.theta[i] = f.theta[i] > 0 ? 3e38F : -3e38F;
        }
        struct rk_learned learned = {0};
        struct learner_copy before = learner_copy(&f);
        const enum rk_status status = rk_learner_update(
            f.learner, f.theta, (const struct rk_group *const *)f.group, 4, &learned, NULL);
        if (status == RK_OK) {
            learner_copy_free(&before);
        } else {
            assert_status(status, RK_DIVERGED);
            learner_assert_as(&f, before);
        }
        learner_end(&f);
    }
}

/* What a shape must not be, and a word of the reason. */
static void assert_refused(const struct rk_model_config *config, const char *word)
{
    struct rk_model *model = NULL;
    struct rk_error err = {0};

    assert_status(rk_model_create(config, 0, &model, &err), RK_INVALID);
    assert_null(model);
    assert_non_null(strstr(err.text, word));
}

static void layers_outside_their_range_are_refused(void **state)
{
    (void)state;
    struct rk_model_config config;

    for (size_t k = 2; k < SAMPLE_KINDS; k++) {
        config = checked_config(sample_kinds[k], RK_INDEXED, "pairwise_logistic");
        config.n_hidden = 0;
        assert_refused(&config, "hidden");
        config.n_hidden = RK_HIDDEN_MAX + 1;
        assert_refused(&config, "hidden");
        config.n_hidden = 2;
        config.hidden[1] = 0;
        assert_refused(&config, "hidden");
        config.hidden[1] = RK_WIDTH_MAX + 1;
        assert_refused(&config, "hidden");
    }
}

/* A column's field past n_fields once went unchecked into memory that is not the model's. */
static void fields_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct rk_model_config config;

    for (size_t k = 1; k < 3; k++) {
        config = checked_config(sample_kinds[k], RK_INDEXED, "pairwise_logistic");
        config.n_fields = SAMPLE_FIELDS - 1;
        assert_refused(&config, "field of column");
        config.n_fields = RK_FIELDS_MAX + 1;
        assert_refused(&config, "field");
        config.n_fields = 0;
        assert_refused(&config, "field");
        config.n_fields = SAMPLE_FIELDS;
        config.fields = NULL;
        assert_refused(&config, "field");
        config = checked_config(sample_kinds[k], RK_HASHED, "pairwise_logistic");
        config.max_fields = 0;
        assert_refused(&config, "max_fields");
        config.max_fields = RK_FIELDS_MAX + 1;
        assert_refused(&config, "max_fields");
    }
}

static void tables_and_options_of_joint_outside_their_ranges_are_refused(void **state)
{
    (void)state;
    const struct rk_model_config good = checked_config("joint", RK_INDEXED, "pairwise_logistic");
    struct rk_model_config config = good;

    config.users.size = 0;
    assert_refused(&config, "users");
    config = good;
    config.items.bits = RK_BITS_MAX + 1;
    assert_refused(&config, "items");
    config = good;
    config.alpha = 1.5;
    assert_refused(&config, "alpha");
    config.alpha = (double)NAN;
    assert_refused(&config, "alpha");
    config = good;
    config.triplet_margin = -1;
    assert_refused(&config, "loss");
    config = good;
    config.embedding_l2 = (double)INFINITY;
    assert_refused(&config, "loss");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(undo_restores_every_kind_with_every_optimizer_to_the_bit),
        cmocka_unit_test(undo_of_embedding_losses_restores_to_the_bit),
        cmocka_unit_test(same_lists_give_the_same_bytes),
        cmocka_unit_test(loss_falls_on_separable_lists_for_every_kind),
        cmocka_unit_test(triplet_loss_falls_on_separable_lists),
        cmocka_unit_test(n_pair_loss_falls_where_users_have_their_own_items),
        cmocka_unit_test(shift_free_losses_do_not_touch_what_items_share),
        cmocka_unit_test(order_of_items_changes_neither_scores_nor_gradient),
        cmocka_unit_test(lists_of_any_shape_are_learned_from),
        cmocka_unit_test(lists_of_equal_labels_have_nothing_to_rank),
        cmocka_unit_test(extreme_scores_learn_or_are_refused_as_diverged),
        cmocka_unit_test(layers_outside_their_range_are_refused),
        cmocka_unit_test(fields_that_do_not_fit_are_refused),
        cmocka_unit_test(tables_and_options_of_joint_outside_their_ranges_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
