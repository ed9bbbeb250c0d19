/*
 * Listwise, pointwise and distillation losses against their definitions written down once more, the
 * slow way.
 */
#include "loss_sample.h"
#include "test.h"

static void n_pair_equals_its_sums_one_by_one(void **state)
{
    (void)state;
    struct sample sample;
    struct rk_loss loss = make("n_pair");
    draw(&sample, 1, 3, true);
    double total = 0.0, valid = 0.0, positives = 0.0;
    for (size_t l = 0; l < sample.n_lists; l++) {
        const struct rk_scored *list = &sample.list[l];
        double sum = 0.0, count = 0.0;
        for (size_t i = 0; i < list->n; i++) {
            double others = 0.0;
            for (size_t j = 0; j < list->n; j++) {
                others += list->label[j] > 0.0F ? 0.0 : exp(list->score[j] - list->score[i]);
            }
            if (list->label[i] > 0.0F && others > 0.0) {
                sum += weight_of(list, i) * log(1.0 + others);
                count += 1.0;
            }
        }
        total += count > 0.0 ? sum / count : 0.0;
        valid += count > 0.0;
        positives += count;
    }
    eval(&loss, &sample);
    assert_close(sample.value.value, total / valid, 1e-12, 0.0);
    assert_int_equal(sample.value.pairs, positives);
    assert_int_equal(sample.value.lists, valid);
}

static double softmax_of(const struct rk_scored *list, size_t i, double T, bool teacher)
{
    double sum = 0.0;
    for (size_t j = 0; j < list->n; j++) {
        double zj = teacher ? (double)list->teacher[j] : list->score[j];
        double zi = teacher ? (double)list->teacher[i] : list->score[i];
        sum += exp((zj - zi) / T);
    }
    return 1.0 / sum;
}

static void softmax_losses_equal_their_definitions(void **state)
{
    (void)state;
    struct sample sample;
    draw(&sample, 2, 4, false);
    struct rk_loss norm = make("listwise_softmax"), soft = norm, distill = make("distill_listwise");
    soft.target = RK_TARGET_SOFTMAX_LABEL;
    distill.temperature = 2.0;
    double want[3] = {0}, lists[3] = {0};
    for (size_t l = 0; l < sample.n_lists; l++) {
        const struct rk_scored *list = &sample.list[l];
        double sum = 0.0, exp_sum = 0.0;
        for (size_t i = 0; i < list->n; i++) {
            sum += (double)list->label[i];
            exp_sum += exp((double)list->label[i]);
        }
        for (size_t i = 0; i < list->n; i++) {
            double y = (double)list->label[i], q = softmax_of(list, i, 2.0, true);
            want[0] -= sum > 0.0 ? y / sum * log(softmax_of(list, i, 1.0, false)) : 0.0;
            want[1] -= exp(y) / exp_sum * log(softmax_of(list, i, 1.0, false));
            want[2] += 4.0 * q * log(q / softmax_of(list, i, 2.0, false));
        }
        lists[0] += sum > 0.0;
        lists[1] += list->n > 0;
        lists[2] += list->n > 0;
    }
    const struct rk_loss *losses[] = {&norm, &soft, &distill};
    for (size_t t = 0; t < 3; t++) {
        eval(losses[t], &sample);
        assert_close(sample.value.value, want[t] / lists[t], 1e-12, 0.0);
        assert_int_equal(sample.value.lists, lists[t]);
    }
}

static void approx_ndcg_equals_its_definition(void **state)
{
    (void)state;
    struct sample sample;
    struct rk_loss loss = make("approx_ndcg");
    loss.tau = 0.5;
    draw(&sample, 3, 4, false);
    double want = 0.0, lists = 0.0;
    for (size_t l = 0; l < sample.n_lists; l++) {
        const struct rk_scored *list = &sample.list[l];
        double ideal = ideal_dcg(list, 0), dcg = 0.0;
        for (size_t i = 0; i < list->n; i++) {
            double rank = 0.5; /* the item itself adds sigma(0) */
            for (size_t j = 0; j < list->n; j++) {
                rank += 1.0 / (1.0 + exp((list->score[i] - list->score[j]) / loss.tau));
            }
            dcg += (pow(2.0, (double)list->label[i]) - 1.0) / log2(1.0 + rank);
        }
        want += ideal > 0.0 ? 1.0 - dcg / ideal : 0.0;
        lists += ideal > 0.0;
    }
    eval(&loss, &sample);
    assert_close(sample.value.value, want / lists, 1e-12, 0.0);
}

static void approx_ndcg_approaches_one_minus_ndcg_as_tau_falls(void **state)
{
    (void)state;
    const double score[] = {3, 2, 1, 0};
    const float label[] = {0, 2, 1, 0};
    struct sample sample;
    struct rk_loss loss = make("approx_ndcg");
    loss.tau = 0.001;
    one_list(&sample, 4, score, label);
    eval(&loss, &sample);
    double dcg = 3.0 / log2(3.0) + 1.0 / 2.0, ideal = 3.0 + 1.0 / log2(3.0);
    assert_close(sample.value.value, 1.0 - dcg / ideal, 0.0, 1e-12);
}

static void pointwise_losses_equal_their_definitions(void **state)
{
    (void)state;
    struct sample sample;
    struct rk_loss bce = make("bce_with_logits"), distill = make("distill_pointwise");
    double T = distill.temperature = 3.0, bce_sum = 0.0, distill_sum = 0.0;
    bce.pos_weight = 2.0;
    draw(&sample, 4, 3, true);
    sample.label[2] = 0.25F; /* soft */
    for (size_t i = 0; i < sample.items; i++) {
        double y = fmin((double)sample.label[i], 1.0), w = (double)sample.weight[i];
        double p = 1.0 / (1.0 + exp(-sample.score[i])), s = 1.0 / (1.0 + exp(-sample.score[i] / T));
        double q = 1.0 / (1.0 + exp(-(double)sample.teacher[i] / T));
        bce_sum -= w * (2.0 * y * log(p) + (1.0 - y) * log(1.0 - p));
        distill_sum -= w * T * T * (q * log(s) + (1.0 - q) * log(1.0 - s));
    }
    eval(&bce, &sample);
    assert_close(sample.value.value, bce_sum / (double)sample.items, 1e-12, 0.0);
    assert_int_equal(sample.value.pairs, sample.items);
    eval(&distill, &sample);
    assert_close(sample.value.value, distill_sum / (double)sample.items, 1e-12, 0.0);
}

static void ranking_distillation_weighs_the_teachers_top_k(void **state)
{
    (void)state;
    const double score[] = {0.5, -1.0, 2.0, 0.0};
    const float label[4] = {0}, teacher[] = {0.1F, 3.0F, 0.1F, 2.0F};
    struct sample sample;
    struct rk_loss loss = make("ranking_distillation");
    one_list(&sample, 4, score, label);
    memcpy(sample.teacher, teacher, sizeof teacher);
    loss.k = 3; /* items 1, 3, 0: a tie goes to the lower index */
    double w[] = {exp(-0.5), exp(-1.0), exp(-1.5)}, z = w[0] + w[1] + w[2];
    double want = (w[0] * log(1 + exp(1.0)) + w[1] * log(2) + w[2] * log(1 + exp(-0.5))) / z;
    eval(&loss, &sample);
    assert_close(sample.value.value, want, 1e-12, 0.0);
    assert_true(sample.grad[2] == 0.0);
    loss.hybrid = true; /* student ranks 4, 3, 2 against 1, 2, 3: the last is ahead already */
    w[0] *= tanh(0.1 * 3.0);
    w[1] *= tanh(0.1 * 1.0);
    eval(&loss, &sample);
    want = (w[0] * log(1 + exp(1.0)) + w[1] * log(2)) / (w[0] + w[1]);
    assert_close(sample.value.value, want, 1e-12, 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(n_pair_equals_its_sums_one_by_one),
        cmocka_unit_test(softmax_losses_equal_their_definitions),
        cmocka_unit_test(approx_ndcg_equals_its_definition),
        cmocka_unit_test(approx_ndcg_approaches_one_minus_ndcg_as_tau_falls),
        cmocka_unit_test(pointwise_losses_equal_their_definitions),
        cmocka_unit_test(ranking_distillation_weighs_the_teachers_top_k),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
