/*
 * The objective through the learner: its gradient for every kind of model and every loss, how the
 * ranking loss and the click loss mix, and losses on embeddings.
 */
#include "gradient_check.h"
#include "test.h"

static const char *const losses[] = {
    "pairwise_logistic", "margin_ranking",   "smooth_hinge",        "n_pair",
    "listwise_softmax",  "lambdarank",       "approx_ndcg",         "bce_with_logits",
    "distill_pointwise", "distill_listwise", "ranking_distillation"};

#define N_LOSSES (sizeof losses / sizeof *losses)

static void gradient_equals_central_differences_for_every_kind_and_loss(void **state)
{
    (void)state;
    for (size_t k = 0; k < SAMPLE_KINDS; k++) {
        for (size_t l = 0; l < N_LOSSES; l++) {
            const struct rk_model_config config =
                checked_config(sample_kinds[k], RK_INDEXED, losses[l]);
            assert_gradient(&config, 100 + 20 * k + l);
        }
    }
}

static void gradient_equals_central_differences_on_hashed_spaces(void **state)
{
    (void)state;
    for (size_t k = 0; k < SAMPLE_KINDS; k++) {
        const struct rk_model_config pairwise =
            checked_config(sample_kinds[k], RK_HASHED, "pairwise_logistic");
        const struct rk_model_config pointwise =
            checked_config(sample_kinds[k], RK_HASHED, "bce_with_logits");
        assert_gradient(&pairwise, 200 + k);
        assert_gradient(&pointwise, 210 + k);
    }
}

static void gradient_of_a_mix_with_clicks_equals_central_differences(void **state)
{
    (void)state;
    for (size_t k = 0; k < SAMPLE_KINDS; k++) {
        for (size_t a = 0; a < 5; a++) {
            struct rk_model_config config =
                checked_config(sample_kinds[k], RK_INDEXED, losses[a * 2]);
            config.alpha = (double)a / 4;
            assert_gradient(&config, 220 + 5 * k + a);
            config.separate = true;
            assert_gradient(&config, 240 + 5 * k + a);
        }
    }
}

/* joint with a loss on its embeddings. */
static struct rk_model_config embedding_config(enum rk_embedding_loss loss)
{
    struct rk_model_config config = checked_config("joint", RK_INDEXED, "pairwise_logistic");

    config.embedding_loss = loss;
    config.triplet_margin = 0.25; /* some triplets are content */
    config.embedding_l2 = 0.125;
    return config;
}

static void gradient_of_embedding_losses_equals_central_differences(void **state)
{
    (void)state;
    struct rk_model_config config;

    for (size_t i = 0; i < 12; i++) {
        config = embedding_config(i % 3 == 2 ? RK_N_PAIR_EMBEDDING : RK_TRIPLET);
        config.triplet_squared = i % 3 == 0;
        config.alpha = i < 6 ? 1 : 0.4;
        config.separate = i % 2 == 0;
        assert_gradient(&config, 260 + i);
    }
}

/* The heads of a fixture's first groups, mixed by two weights. */
static size_t mixed_scores(const struct learner_fixture *f, size_t n, double first, double second,
                           struct rk_scored *list, double *score)
{
    size_t items = 0;

    for (size_t g = 0; g < n; g++) {
        const struct rk_group *group = f->group[g];
        double head[12];
        sample_score(f->model, f->theta, group, head);
        for (size_t i = 0; i < group->n_items; i++) {
            score[items + i] = first * head[i] + second * head[group->n_items + i];
        }
        list[g] = (struct rk_scored){.n = group->n_items,
                                     .score = score + items,
                                     .label = group->label,
                                     .weight = group->weight,
                                     .teacher = group->teacher};
        items += group->n_items;
    }
    return items;
}

static double loss_of(const char *name, const struct rk_scored *list, size_t n)
{
    struct rk_loss loss;
    struct rk_loss_value value;
    double work[64], grad[64];

    assert_ok(rk_loss_default(name, &loss, NULL));
    assert_ok(rk_loss_eval(&loss, list, n, work, grad, &value, NULL));
    return value.value;
}

static void joint_value_mixes_the_losses_of_its_heads(void **state)
{
    (void)state;
    for (int separate = 0; separate < 2; separate++) {
        struct rk_model_config config = checked_config("joint", RK_INDEXED, "listwise_softmax");
        struct learner_fixture f;
        struct rk_scored list[3];
        double score[18], value;
        config.alpha = 0.3;
        config.separate = separate;
        checked_make(&f, &config, 280);
        (void)mixed_scores(&f, 3, 1, separate ? 0 : 1, list, score);
        value = 0.3 * loss_of("listwise_softmax", list, 3);
        (void)mixed_scores(&f, 3, separate ? 0 : 1, 1, list, score);
        value += 0.7 * loss_of("bce_with_logits", list, 3);
        assert_close(objective_value(&f, 3), value, 1e-13, 0);
        learner_end(&f);
    }
}

/* Grades below 1 once counted as half a click. */
static void click_of_a_mix_is_any_label_above_0(void **state)
{
    (void)state;
    const struct rk_feature own[] = {rk_feature_column(1, 1.0F), rk_feature_column(2, 1.0F)};
    struct rk_model_config config = checked_config("fm", RK_INDEXED, "pairwise_logistic");
    struct learner_fixture f;
    double value[2];

    config.alpha = 0.5;
    checked_make(&f, &config, 281);
    sample_groups_destroy(f.group, 2);
    f.group[0] = sample_list(f.model, 2, own, (float[]){0.25F, 0});
    f.group[1] = sample_list(f.model, 2, own, (float[]){3, 0});
    value[0] = objective_value(&f, 1);
    rk_group_destroy(&f.group[0]);
    f.group[0] = sample_list(f.model, 2, own, (float[]){3, 0});
    value[1] = objective_value(&f, 1);
    assert_true(value[0] == value[1] && value[0] > 0);
    learner_end(&f);
}

/* Of labels without a pair. */
static struct rk_group *flat_group(const struct rk_model *model, uint64_t seed)
{
    const struct sample_shape flat = {.n_items = 5, .n_shared = 3, .n_own = 4, .grades = 1};
    struct rk_random random = {seed};

    return sample_group(model, &flat, &random);
}

static void list_without_events_teaches_clicks_but_no_order(void **state)
{
    (void)state;
    for (size_t k = 0; k < SAMPLE_KINDS; k++) {
        struct rk_model_config config =
            checked_config(sample_kinds[k], RK_HASHED, "pairwise_logistic");
        for (int mixed = 0; mixed < 2; mixed++) {
            struct learner_fixture f;
            config.alpha = mixed ? 0.5 : 1;
            checked_make(&f, &config, 282);
            struct rk_group *group = flat_group(f.model, 282);
            struct learner_copy before = learner_copy(&f);
            const struct rk_learned learned = sample_update(f.learner, f.theta, group);
            assert_true(learned.updates == (mixed ? 1U : 0U) &&
                        learner_differs(&f, &before) == mixed);
            assert_true(rk_learner_steps(f.learner) == (mixed ? 1U : 0U));
            assert_true(learned.pairs == (mixed ? 5U : 0U) && learned.lists == (mixed ? 1U : 0U));
            learner_copy_free(&before);
            rk_group_destroy(&group);
            learner_end(&f);
        }
    }
}

/* Weight 0 of either loss leaves the parameters of its head alone. */
static void separate_heads_learn_apart(void **state)
{
    (void)state;
    for (int ranks = 0; ranks < 2; ranks++) {
        struct rk_model_config config = checked_config("joint", RK_INDEXED, "pairwise_logistic");
        struct learner_fixture f;
        bool clicks_move = false, ranks_move = false;
        config.separate = true;
        config.alpha = ranks;
        checked_make(&f, &config, 283);
        double *grad = objective_gradient(&f, 4);
        const size_t tables = sample_tensor(f.model, "user_embedding.weight");
        for (size_t i = 0; i < rk_model_params(f.model); i++) {
            clicks_move = clicks_move || (i < tables && grad[i] != 0.0);
            ranks_move = ranks_move || (i >= tables && grad[i] != 0.0);
        }
        assert_true(clicks_move == !ranks && ranks_move == ranks);
        free(grad);
        learner_end(&f);
    }
}

/* The mean over lists of the mean over triplets, by rk_triplet's formula. */
static double triplets_by_hand(const struct learner_fixture *f, size_t n)
{
    double sum = 0, lists = 0;

    for (size_t g = 0; g < n; g++) {
        const struct rk_group *group = f->group[g];
        const float *a = rk_model_embedding(f->model, f->theta, group, 0);
        double list = 0, count = 0;
        for (size_t t = 0; t < 36; t++) {
            const size_t i = t / 6, j = t % 6;
            const float *p = rk_model_embedding(f->model, f->theta, group, 1 + i);
            const float *q = rk_model_embedding(f->model, f->theta, group, 1 + j);
            double value = 0.25;
            for (size_t d = 0; d < 3; d++) {
                value += pow((double)a[d] - (double)p[d], 2) - pow((double)a[d] - (double)q[d], 2);
            }
            if (group->label[i] > 0 && !(group->label[j] > 0)) {
                list += (double)group->weight[i] * fmax(0, value);
                count++;
            }
        }
        sum += count > 0 ? list / count : 0;
        lists += count > 0;
    }
    return sum / lists;
}

static void triplets_are_user_clicked_item_and_shown_item(void **state)
{
    (void)state;
    const struct rk_model_config config = embedding_config(RK_TRIPLET);
    const struct sample_shape flat = {.n_items = 6, .n_own = 1, .grades = 1};
    struct rk_random random = {284};
    struct learner_fixture f;

    checked_make(&f, &config, 284);
    rk_group_destroy(&f.group[2]);
    f.group[2] = sample_group(f.model, &flat, &random); /* a list that has none */
    assert_close(objective_value(&f, 5), triplets_by_hand(&f, 5), 1e-13, 0);
    learner_end(&f);
}

/* A list without features: a user and items of the tables. */
static struct rk_group *id_group(const struct rk_model *model, uint64_t user, size_t n,
                                 const uint64_t *item, const float *label)
{
    struct rk_group_builder builder = {0};
    struct rk_group view, *copy = NULL;

    assert_ok(rk_group_begin(&builder, &rk_model_config(model)->features, user, NULL));
    for (size_t i = 0; i < n; i++) {
        assert_ok(rk_group_begin_item(&builder, item[i], NULL));
        rk_group_label(&builder, label[i], 1);
    }
    assert_ok(rk_group_end(&builder, true, &view, NULL));
    assert_ok(rk_group_copy(&view, &copy, NULL));
    rk_group_builder_deinit(&builder);
    return copy;
}

static void list_with_an_id_missing_has_no_triplets(void **state)
{
    (void)state;
    const struct rk_model_config config = embedding_config(RK_TRIPLET);
    static const struct {
        uint64_t user, item[3];
    } lists[] = {{1, {2, 3, 4}}, {0, {2, 3, 4}}, {1, {0, 3, 4}}, {1, {2, 3, 0}}};

    for (size_t l = 0; l < 4; l++) {
        struct learner_fixture f;
        checked_make(&f, &config, 287);
        f.theta[sample_tensor(f.model, "item_embedding.weight") + 3] = 2; /* item 2, far off */
        struct rk_group *group =
            id_group(f.model, lists[l].user, 3, lists[l].item, (float[]){1, 1, 0});
        assert_int_equal(sample_update(f.learner, f.theta, group).pairs, l == 0 ? 2 : 0);
        rk_group_destroy(&group);
        learner_end(&f);
    }
}

/* Two lists with the same clicked item have no negative; the l2 term alone is no lesson. */
static void n_pairs_need_two_different_clicked_items(void **state)
{
    (void)state;
    const struct rk_model_config config = embedding_config(RK_N_PAIR_EMBEDDING);
    static const uint64_t second[][2] = {{2, 5}, {2, 6}, {0, 6}, {2, 0}};

    for (size_t s = 0; s < 4; s++) {
        struct rk_learned learned = {0};
        struct learner_fixture f;
        checked_make(&f, &config, 285);
        struct rk_group *one = id_group(f.model, 1, 1, (uint64_t[]){5}, (float[]){1});
        struct rk_group *two = id_group(f.model, second[s][0], 1, &second[s][1], (float[]){1});
        const struct rk_group *groups[] = {one, two};
        struct learner_copy before = learner_copy(&f);
        assert_ok(rk_learner_update(f.learner, f.theta, groups, 2, &learned, NULL));
        assert_true(learned.pairs == (s == 1 ? 2U : 0U));
        assert_true(learner_differs(&f, &before) == (s == 1));
        learner_copy_free(&before);
        rk_group_destroy(&one);
        rk_group_destroy(&two);
        learner_end(&f);
    }
}

static void n_pairs_are_users_and_their_lists_best_items(void **state)
{
    (void)state;
    const struct rk_model_config config = embedding_config(RK_N_PAIR_EMBEDDING);
    static const uint64_t items[] = {1, 2, 3, 4, 5, 6};
    struct rk_learned learned = {0};
    struct learner_fixture f;

    checked_make(&f, &config, 288);
    struct rk_group *one = id_group(f.model, 1, 3, items, (float[]){1, 2, 2});
    struct rk_group *two = id_group(f.model, 3, 3, items + 3, (float[]){0, 0, 0.5F});
    const struct rk_group *groups[] = {one, two};
    rk_learner_begin(f.learner);
    assert_ok(rk_learner_update(f.learner, f.theta, groups, 2, &learned, NULL));
    for (size_t i = 0; i < SAMPLE_ITEMS; i++) {
        assert_int_equal(learner_touched(&f, "item_embedding.weight", i), i == 1 || i == 5);
    }
    for (size_t u = 0; u < SAMPLE_USERS; u++) {
        assert_int_equal(learner_touched(&f, "user_embedding.weight", u), u == 0 || u == 2);
    }
    rk_group_destroy(&one);
    rk_group_destroy(&two);
    learner_end(&f);
}

static void embedding_loss_of_a_kind_without_embeddings_is_the_loss_on_scores(void **state)
{
    (void)state;
    struct rk_model_config config = checked_config("deepfm", RK_INDEXED, "pairwise_logistic");
    struct learner_fixture f, plain;

    checked_make(&plain, &config, 286);
    config.embedding_loss = RK_TRIPLET;
    checked_make(&f, &config, 286);
    (void)learner_update(&f, 0, 3);
    (void)learner_update(&plain, 0, 3);
    learner_assert_as(&f, learner_copy(&plain));
    learner_end(&f);
    learner_end(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradient_equals_central_differences_for_every_kind_and_loss),
        cmocka_unit_test(gradient_equals_central_differences_on_hashed_spaces),
        cmocka_unit_test(gradient_of_a_mix_with_clicks_equals_central_differences),
        cmocka_unit_test(gradient_of_embedding_losses_equals_central_differences),
        cmocka_unit_test(joint_value_mixes_the_losses_of_its_heads),
        cmocka_unit_test(click_of_a_mix_is_any_label_above_0),
        cmocka_unit_test(list_without_events_teaches_clicks_but_no_order),
        cmocka_unit_test(separate_heads_learn_apart),
        cmocka_unit_test(triplets_are_user_clicked_item_and_shown_item),
        cmocka_unit_test(list_with_an_id_missing_has_no_triplets),
        cmocka_unit_test(n_pairs_are_users_and_their_lists_best_items),
        cmocka_unit_test(n_pairs_need_two_different_clicked_items),
        cmocka_unit_test(embedding_loss_of_a_kind_without_embeddings_is_the_loss_on_scores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
