/*
 * Losses: central differences, the laws they obey, the edges of the input, and the registry.
 */
#include "loss_sample.h"
#include "test.h"

/* Every loss with options that are not the defaults; the number of variants. */
static size_t variants(struct rk_loss *out)
{
    size_t n = 0;
    for (int name = 0; name < RK_N_LOSSES; name++) {
        struct rk_loss loss = make(rk_loss_text((enum rk_loss_name)name));
        loss.margin = 1.3;
        loss.sigma = 0.8;
        loss.temperature = 2.0;
        loss.tau = 0.7;
        out[n++] = loss;
        loss.pairs = RK_PAIRS_BINARY;
        loss.reduction = RK_MEAN_PAIRS;
        loss.target = RK_TARGET_SOFTMAX_LABEL;
        loss.pos_weight = 3.0;
        loss.hybrid = true;
        loss.mu = 0.5;
        loss.k = 4;
        out[n++] = loss;
    }
    return n;
}

#define VARIANTS_MAX (2 * RK_N_LOSSES)

static void every_gradient_equals_central_differences(void **state)
{
    (void)state;
    struct rk_loss losses[VARIANTS_MAX];
    struct sample sample, moved;
    const double h = 1e-6;
    for (size_t v = 0, n = variants(losses); v < n; v++) {
        draw(&sample, 100 + v, 4, v % 4 < 2);
        eval(&losses[v], &sample);
        draw(&moved, 100 + v, 4, v % 4 < 2);
        for (size_t i = 0; i < sample.items; i++) {
            moved.score[i] = sample.score[i] + h;
            eval(&losses[v], &moved);
            double above = moved.value.value;
            moved.score[i] = sample.score[i] - h;
            eval(&losses[v], &moved);
            moved.score[i] = sample.score[i];
            assert_close(sample.grad[i], (above - moved.value.value) / (2.0 * h), 1e-6, 1e-8);
        }
    }
}

static void a_shift_of_a_list_changes_only_pointwise_losses(void **state)
{
    (void)state;
    struct rk_loss losses[VARIANTS_MAX];
    struct sample sample, moved;
    for (size_t v = 0, n = variants(losses); v < n; v++) {
        draw(&sample, 200, 4, true);
        draw(&moved, 200, 4, true);
        for (size_t i = 0; i < 7; i++) {
            moved.score[i] += 3.0;
        }
        eval(&losses[v], &sample);
        eval(&losses[v], &moved);
        double sum = 0.0, change = fabs(moved.value.value - sample.value.value);
        for (size_t i = 0; i < 7; i++) {
            sum += sample.grad[i];
            change += fabs(moved.grad[i] - sample.grad[i]);
        }
        assert_int_equal(change < 1e-12, rk_loss_shift_invariant(&losses[v]));
        assert_int_equal(fabs(sum) < 1e-14, rk_loss_shift_invariant(&losses[v]));
    }
}

static void the_order_of_items_and_lists_does_not_matter(void **state)
{
    (void)state;
    struct rk_loss losses[VARIANTS_MAX];
    struct sample sample, mirrored;
    for (size_t v = 0, n = variants(losses); v < n; v++) {
        draw(&sample, 300 + v, 4, true);
        mirrored = (struct sample){0};
        for (size_t l = LISTS_MAX; l-- > 0;) {
            add_list(&mirrored, sample.list[l].n, true);
        }
        for (size_t i = 0, last = sample.items - 1; i < sample.items; i++) {
            mirrored.score[i] = sample.score[last - i];
            mirrored.label[i] = sample.label[last - i];
            mirrored.weight[i] = sample.weight[last - i];
            mirrored.teacher[i] = sample.teacher[last - i];
        }
        eval(&losses[v], &sample);
        eval(&losses[v], &mirrored);
        assert_close(mirrored.value.value, sample.value.value, 1e-12, 0.0);
        for (size_t i = 0; i < sample.items; i++) {
            assert_close(mirrored.grad[i], sample.grad[sample.items - 1 - i], 1e-12, 1e-15);
        }
    }
}

static void without_a_pair_value_and_gradient_are_exactly_zero(void **state)
{
    static const char *const names[] = {
        "pairwise_logistic", "margin_ranking", "smooth_hinge",    "n_pair",
        "lambdarank",        "approx_ndcg",    "listwise_softmax"};
    (void)state;
    struct sample sample;
    for (size_t c = 0; c < 7 * 5; c++) {
        struct rk_loss loss = make(names[c % 7]);
        loss.reduction = (enum rk_reduction)(c / 7);
        draw(&sample, c, 1, false); /* every label is 0 */
        eval(&loss, &sample);
        assert_true(sample.value.value == 0.0);
        assert_int_equal(sample.value.pairs, 0);
        assert_int_equal(sample.value.lists, 0);
        for (size_t i = 0; i < sample.items; i++) {
            assert_true(sample.grad[i] == 0.0);
        }
    }
}

static void no_lists_and_empty_lists_give_zero(void **state)
{
    (void)state;
    struct rk_loss losses[VARIANTS_MAX];
    struct sample sample = {0};
    for (size_t v = 0, n = variants(losses); v < n; v++) {
        sample.n_lists = 0;
        for (size_t l = 0; l < 3; l++) {
            eval(&losses[v], &sample);
            assert_true(sample.value.value == 0.0);
            assert_int_equal(sample.value.lists, 0);
            sample.list[sample.n_lists++] = (struct rk_scored){0};
        }
    }
}

static void tied_scores_learn_with_margin_zero(void **state)
{
    (void)state;
    const double score[] = {0.0, -0.0, 0.0};
    const float label[] = {1, 0, 0};
    struct sample sample;
    struct rk_loss loss = make("margin_ranking");
    loss.margin = 0.0;
    one_list(&sample, 3, score, label);
    eval(&loss, &sample);
    assert_true(sample.value.value == 0.0);
    assert_true(sample.grad[0] == -1.0 && sample.grad[1] == 0.5 && sample.grad[2] == 0.5);
}

static void huge_scores_stay_exact(void **state)
{
    (void)state;
    const float label[] = {1, 0};
    struct sample sample;
    for (double big = 1e3; big < 1e31; big *= 1e27) {
        const double wrong[] = {-big, big};
        struct rk_loss logistic = make("pairwise_logistic"), bce = make("bce_with_logits");
        struct rk_loss n_pair = make("n_pair"), softmax = make("listwise_softmax");
        const struct rk_loss *losses[] = {&logistic, &n_pair, &softmax, &bce};
        one_list(&sample, 2, wrong, label);
        for (size_t c = 0; c < 4; c++) {
            eval(losses[c], &sample);
            assert_close(sample.value.value, c == 3 ? big : 2.0 * big, 1e-15, 0.0);
            assert_close(sample.grad[0], c == 3 ? -0.5 : -1.0, 1e-15, 0.0);
        }
    }
}

static void tied_huge_scores_keep_their_logarithms(void **state)
{
    (void)state;
    const double score[] = {1e30, 1e30, 1e30};
    const float label[] = {1, 0, 0};
    struct sample sample;
    struct rk_loss logistic = make("pairwise_logistic"), n_pair = make("n_pair");
    struct rk_loss softmax = make("listwise_softmax");
    one_list(&sample, 3, score, label);
    eval(&logistic, &sample);
    assert_close(sample.value.value, log(2.0), 1e-15, 0.0);
    eval(&n_pair, &sample);
    assert_close(sample.value.value, log(3.0), 1e-15, 0.0);
    eval(&softmax, &sample);
    assert_close(sample.value.value, log(3.0), 1e-15, 0.0);
}

static void saturated_pairs_keep_their_digits(void **state)
{
    (void)state;
    const double score[] = {40.0, 0.0};
    const float label[] = {1, 0};
    struct sample sample;
    struct rk_loss loss = make("pairwise_logistic");
    one_list(&sample, 2, score, label);
    eval(&loss, &sample);
    assert_close(sample.value.value, exp(-40.0), 1e-14, 0.0);
    assert_close(sample.grad[1], exp(-40.0), 1e-14, 0.0);
}

static void a_pair_weighs_what_its_positive_weighs(void **state)
{
    (void)state;
    const double score[] = {0.3, -0.4};
    const float label[] = {2, 1};
    struct sample sample;
    struct rk_loss loss = make("pairwise_logistic");
    one_list(&sample, 2, score, label);
    eval(&loss, &sample);
    double plain = sample.value.value, grad = sample.grad[1];
    sample.list[0].weight = sample.weight;
    sample.weight[0] = 3.0F;
    sample.weight[1] = 100.0F;
    eval(&loss, &sample);
    assert_close(sample.value.value, 3.0 * plain, 1e-15, 0.0);
    assert_close(sample.grad[1], 3.0 * grad, 1e-15, 0.0);
}

static void counts_are_pairs_and_contributing_lists(void **state)
{
    (void)state;
    const double score[] = {0.1, 0.2, 0.3, 0.4};
    const float label[] = {2, 1, 1, 0};
    struct sample sample;
    struct rk_loss loss = make("pairwise_logistic");
    one_list(&sample, 4, score, label);
    add_list(&sample, 2, false); /* both labels 0 */
    eval(&loss, &sample);
    assert_int_equal(sample.value.pairs, 5);
    assert_int_equal(sample.value.lists, 1);
    loss.pairs = RK_PAIRS_BINARY;
    eval(&loss, &sample);
    assert_int_equal(sample.value.pairs, 3);
    loss = make("listwise_softmax");
    eval(&loss, &sample);
    assert_int_equal(sample.value.pairs, 1);
}

static void defaults_are_those_of_the_table(void **state)
{
    (void)state;
    for (int name = 0; name < RK_N_LOSSES; name++) {
        struct rk_loss loss = make(rk_loss_text((enum rk_loss_name)name));
        bool lambdarank = name == RK_LAMBDARANK;
        bool distils = strstr(rk_loss_text((enum rk_loss_name)name), "distill") != NULL;
        assert_int_equal(loss.name, name);
        assert_int_equal(loss.pairs, RK_PAIRS_GRADED);
        if (name == RK_PAIRWISE_LOGISTIC || name == RK_MARGIN_RANKING || lambdarank) {
            assert_int_equal(loss.reduction, lambdarank ? RK_SUM_MEAN_VALID_GROUPS : RK_GROUP_MEAN);
        }
        assert_true(loss.sigma == 1.0 && loss.margin == 1.0 && loss.tau == 1.0);
        assert_true(loss.pos_weight == 1.0 && loss.temperature == 1.0 && !loss.hybrid);
        assert_true(loss.lambda == 2.0 && loss.mu == 0.1);
        assert_int_equal(rk_loss_needs_teacher(&loss), distils);
    }
    assert_int_equal(make("lambdarank").k, 10);
    assert_int_equal(make("ranking_distillation").k, 5);
}

static void an_unknown_name_is_not_found(void **state)
{
    (void)state;
    struct rk_loss loss;
    struct rk_error err = {0};
    assert_status(rk_loss_default("hinge", &loss, &err), RK_NOTFOUND);
    assert_non_null(strstr(err.text, "hinge"));
}

static void distillation_without_a_teacher_is_invalid(void **state)
{
    (void)state;
    const double score[] = {0.1, 0.2};
    const float label[] = {1, 0};
    struct sample sample;
    struct rk_loss loss = make("distill_listwise");
    double work[16];
    assert_true(rk_loss_work(2) <= sizeof work);
    one_list(&sample, 2, score, label);
    sample.list[0].teacher = NULL;
    assert_status(rk_loss_eval(&loss, sample.list, 1, work, sample.grad, &sample.value, NULL),
                  RK_INVALID);
}

static void an_overflow_is_divergence_and_leaves_the_value(void **state)
{
    (void)state;
    const double score[] = {-1e308, 1e308};
    const float label[] = {1, 0};
    struct sample sample;
    struct rk_loss loss = make("pairwise_logistic");
    double work[16];
    one_list(&sample, 2, score, label);
    sample.value.value = 7.0;
    assert_status(rk_loss_eval(&loss, sample.list, 1, work, sample.grad, &sample.value, NULL),
                  RK_DIVERGED);
    assert_true(sample.value.value == 7.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_gradient_equals_central_differences),
        cmocka_unit_test(a_shift_of_a_list_changes_only_pointwise_losses),
        cmocka_unit_test(the_order_of_items_and_lists_does_not_matter),
        cmocka_unit_test(without_a_pair_value_and_gradient_are_exactly_zero),
        cmocka_unit_test(no_lists_and_empty_lists_give_zero),
        cmocka_unit_test(tied_scores_learn_with_margin_zero),
        cmocka_unit_test(huge_scores_stay_exact),
        cmocka_unit_test(tied_huge_scores_keep_their_logarithms),
        cmocka_unit_test(saturated_pairs_keep_their_digits),
        cmocka_unit_test(a_pair_weighs_what_its_positive_weighs),
        cmocka_unit_test(counts_are_pairs_and_contributing_lists),
        cmocka_unit_test(defaults_are_those_of_the_table),
        cmocka_unit_test(an_unknown_name_is_not_found),
        cmocka_unit_test(distillation_without_a_teacher_is_invalid),
        cmocka_unit_test(an_overflow_is_divergence_and_leaves_the_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
