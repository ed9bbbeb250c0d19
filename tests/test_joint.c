/*
 * The joint click/ranking model: two heads, what a list is ordered by, and lists without a user.
 */
#include "gradient_check.h"
#include "test.h"

#define ITEMS 7

static struct rk_model_config joint_config(const char *loss, uint32_t n_hidden)
{
    struct rk_model_config config = checked_config("joint", RK_INDEXED, loss);

    config.n_hidden = n_hidden;
    memcpy(config.hidden, (uint32_t[]){7, 4, 5}, sizeof config.hidden);
    return config;
}

/* The click head over the sum of both rows as one dense vector, its first layer as PyTorch's. */
static double plain_logit(const struct rk_model *model, const float *theta, const double *x)
{
    const struct rk_model_config *config = rk_model_config(model);
    float first[SAMPLE_COLUMNS * 7];
    double in[SAMPLE_COLUMNS], out[SAMPLE_COLUMNS];
    size_t n_in = SAMPLE_COLUMNS;

    for (size_t i = 0; i < SAMPLE_COLUMNS * 7; i++) { /* the block holds (in, out) */
        first[i % 7 * SAMPLE_COLUMNS + i / 7] = theta[sample_tensor(model, "ctrs.0.weight") + i];
    }
    memcpy(in, x, sizeof in);
    for (uint32_t l = 0; l <= config->n_hidden; l++) {
        const bool hidden = l < config->n_hidden;
        const size_t n_out = hidden ? config->hidden[l] : 1;
        char weight[32], bias[32];
        snprintf(weight, sizeof weight, "ctrs.%u.weight", (unsigned)(2 * l));
        snprintf(bias, sizeof bias, "ctrs.%u.bias", (unsigned)(2 * l));
        sample_layer(l == 0 ? first : theta + sample_tensor(model, weight),
                     theta + sample_tensor(model, bias), in, n_in, n_out, hidden, out);
        memcpy(in, out, n_out * sizeof *in);
        n_in = n_out;
    }
    return in[0];
}

static double plain_dot(const struct rk_model *model, const float *theta,
                        const struct rk_group *group, size_t item)
{
    const float *user = theta + sample_tensor(model, "user_embedding.weight");
    const float *items = theta + sample_tensor(model, "item_embedding.weight");
    double sum = 0;

    for (size_t d = 0; d < 3; d++) {
        sum += (double)user[(group->id[0] - 1) * 3 + d] *
               (double)items[(group->id[item + 1] - 1) * 3 + d];
    }
    return sum;
}

static void heads_are_dot_product_and_mlp(void **state)
{
    (void)state;
    const struct sample_shape shape = {.n_items = ITEMS, .n_shared = 5, .n_own = 6, .grades = 2};

    for (uint32_t layers = 1; layers <= RK_HIDDEN_MAX; layers++) {
        const struct rk_model_config config = joint_config("pairwise_logistic", layers);
        struct rk_random random = {500 + layers};
        double head[2 * ITEMS];
        print_message("seed %u\n", 500 + (unsigned)layers);
        struct rk_model *model = sample_model(&config);
        float *theta = sample_theta(model, 500 + layers);
        struct rk_group *group = sample_group(model, &shape, &random);
        sample_score(model, theta, group, head);
        for (size_t i = 0; i < ITEMS; i++) {
            double x[SAMPLE_COLUMNS] = {0};
            for (uint32_t e = 0; e < group->offset[i + 2]; e++) {
                if (e < group->offset[1] || e >= group->offset[i + 1]) {
                    x[group->index[e]] += (double)group->value[e];
                }
            }
            assert_close(head[i], plain_dot(model, theta, group, i), 1e-12, 1e-12);
            assert_close(head[ITEMS + i], plain_logit(model, theta, x), 1e-12, 1e-12);
        }
        free(theta);
        rk_group_destroy(&group);
        rk_model_destroy(&model);
    }
}

static void gradient_equals_central_differences_at_every_depth(void **state)
{
    (void)state;
    for (uint32_t layers = 1; layers <= RK_HIDDEN_MAX; layers++) {
        for (uint64_t separate = 0; separate < 2; separate++) {
            struct rk_model_config config = joint_config("pairwise_logistic", layers);
            config.alpha = 0.5;
            config.separate = separate;
            assert_gradient(&config, 510 + 2 * layers + separate);
        }
    }
}

static void list_is_ordered_and_clicks_are_told_by_the_heads_weights(void **state)
{
    (void)state;
    const double head[] = {1, -2, 0.5, 3};

    for (int separate = 0; separate < 2; separate++) {
        struct rk_model_config config = joint_config("pairwise_logistic", 2);
        double score[4], logit[2];
        config.alpha = 0.25;
        config.separate = separate;
        struct rk_model *model = sample_model(&config);
        assert_int_equal(rk_model_heads(model), 2);
        rk_model_scores(model, head, 2, score);
        assert_true(rk_model_click_logits(model, head, 2, logit));
        assert_true(score[0] == (separate ? 0.25 * 1 + 0.75 * 0.5 : 1.5));
        assert_true(score[1] == (separate ? 0.25 * -2 + 0.75 * 3 : 1));
        assert_true(logit[0] == (separate ? 0.5 : 1.5) && logit[1] == (separate ? 3 : 1));
        memcpy(score, head, sizeof head);
        rk_model_scores(model, score, 2, score);
        assert_true(score[1] == (separate ? 1.75 : 1));
        rk_model_destroy(&model);
    }
}

static void kinds_with_one_head_have_no_click_logits(void **state)
{
    (void)state;
    const struct rk_model_config config = sample_config("pairwise_logistic", "sgd");
    struct rk_model *model = sample_model(&config);
    double head[] = {1, 2}, score[2], logit[] = {7, 7};

    rk_model_scores(model, head, 2, score);
    assert_memory_equal(score, head, sizeof head);
    assert_false(rk_model_click_logits(model, head, 2, logit));
    assert_true(logit[0] == 7 && logit[1] == 7);
    rk_model_destroy(&model);
}

/* The fixture's first list without its user, or without the ids of its items. */
static struct rk_group *without_ids(const struct rk_group *group, bool user)
{
    struct rk_group view = *group, *copy = NULL;
    uint64_t id[ITEMS + 1] = {0};

    id[0] = user ? 0 : group->id[0];
    for (size_t i = 1; user && i <= group->n_items; i++) {
        id[i] = group->id[i];
    }
    view.id = id;
    assert_ok(rk_group_copy(&view, &copy, NULL));
    return copy;
}

static void without_user_or_item_id_the_dot_product_is_0_and_learns_nothing(void **state)
{
    (void)state;
    for (size_t c = 0; c < 8; c++) {
        struct rk_model_config config = joint_config("pairwise_logistic", 2);
        struct learner_fixture f;
        double head[2 * ITEMS];
        config.alpha = 0.5;
        config.separate = c & 1;
        config.embedding_loss = c & 2 ? RK_TRIPLET : RK_ON_SCORES;
        checked_make(&f, &config, 520);
        struct rk_group *group = without_ids(f.group[0], c & 4);
        struct learner_copy before = learner_copy(&f);
        const size_t tables = sample_tensor(f.model, "user_embedding.weight");
        sample_score(f.model, f.theta, group, head);
        assert_true(head[0] == 0 && head[5] == 0 && head[6] != 0);
        assert_int_equal(sample_update(f.learner, f.theta, group).updates, 1);
        assert_true(learner_differs(&f, &before));
        assert_memory_equal(f.theta + tables, before.theta + tables,
                            (rk_model_params(f.model) - tables) * sizeof(float));
        learner_copy_free(&before);
        rk_group_destroy(&group);
        learner_end(&f);
    }
}

static void embeddings_are_found_by_id(void **state)
{
    (void)state;
    const struct rk_model_config config = joint_config("pairwise_logistic", 2);
    struct learner_fixture f;

    checked_make(&f, &config, 530);
    const struct rk_group *group = f.group[0];
    const float *users = f.theta + sample_tensor(f.model, "user_embedding.weight");
    const float *items = f.theta + sample_tensor(f.model, "item_embedding.weight");
    struct rk_group *bare = without_ids(group, true);
    assert_ptr_equal(rk_model_embedding(f.model, f.theta, group, 0),
                     users + 3 * (group->id[0] - 1));
    assert_ptr_equal(rk_model_embedding(f.model, f.theta, group, 6),
                     items + 3 * (group->id[6] - 1));
    assert_null(rk_model_embedding(f.model, f.theta, bare, 0));
    rk_group_destroy(&bare);
    learner_end(&f);
}

static void shift_free_loss_leaves_the_last_bias_alone(void **state)
{
    (void)state;
    for (int mixed = 0; mixed < 2; mixed++) {
        struct rk_model_config config = joint_config("pairwise_logistic", 2);
        struct learner_fixture f;
        config.alpha = mixed ? 0.5 : 1;
        checked_make(&f, &config, 540);
        rk_learner_begin(f.learner);
        (void)learner_update(&f, 0, LEARNER_GROUPS);
        assert_int_equal(learner_touched(&f, "ctrs.4.bias", 0), mixed);
        assert_true(learner_touched(&f, "ctrs.4.weight", 0));
        learner_end(&f);
    }
}

static void tensors_have_the_names_and_shapes_of_pytorch(void **state)
{
    (void)state;
    static const char *const names[] = {
        "ctrs.0.weight", "ctrs.0.bias", "ctrs.2.weight",         "ctrs.2.bias",
        "ctrs.4.weight", "ctrs.4.bias", "user_embedding.weight", "item_embedding.weight"};
    const struct rk_model_config config = joint_config("pairwise_logistic", 2);
    struct rk_model *model = sample_model(&config);
    size_t n;
    const struct rk_tensor *t = rk_model_tensors(model, &n);

    assert_int_equal(n, 8);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(t[i].name, names[i]);
        assert_int_equal(t[i].transposed, i == 0);
    }
    assert_true(t[0].shape[0] == 7 && t[0].shape[1] == SAMPLE_COLUMNS);
    assert_true(t[0].rows == SAMPLE_COLUMNS && t[0].cols == 7);
    assert_true(t[2].shape[0] == 4 && t[2].shape[1] == 7 && t[2].rows == 4 && t[2].cols == 7);
    assert_true(t[6].shape[0] == SAMPLE_USERS && t[6].shape[1] == 3);
    assert_true(t[7].shape[0] == SAMPLE_ITEMS && t[7].shape[1] == 3);
    rk_model_destroy(&model);
}

static void defaults_are_those_of_the_documentation(void **state)
{
    (void)state;
    struct rk_model_config config;

    assert_ok(rk_model_default("joint", &config, NULL));
    assert_true(config.alpha == 0.5 && !config.separate && config.embedding_loss == RK_ON_SCORES);
    assert_true(config.n_hidden == 2 && config.hidden[0] == 64 && config.hidden[1] == 32);
    assert_true(config.users.kind == RK_HASHED && config.users.bits == 16);
    assert_true(config.items.kind == RK_HASHED && config.items.bits == 16);
    assert_ok(rk_model_default("deepfm", &config, NULL));
    assert_true(config.alpha == 1 && config.max_fields == 16 && !config.normalize);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_dot_product_and_mlp),
        cmocka_unit_test(gradient_equals_central_differences_at_every_depth),
        cmocka_unit_test(list_is_ordered_and_clicks_are_told_by_the_heads_weights),
        cmocka_unit_test(kinds_with_one_head_have_no_click_logits),
        cmocka_unit_test(without_user_or_item_id_the_dot_product_is_0_and_learns_nothing),
        cmocka_unit_test(embeddings_are_found_by_id),
        cmocka_unit_test(shift_free_loss_leaves_the_last_bias_alone),
        cmocka_unit_test(tensors_have_the_names_and_shapes_of_pytorch),
        cmocka_unit_test(defaults_are_those_of_the_documentation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
