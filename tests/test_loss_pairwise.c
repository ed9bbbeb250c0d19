/*
 * Pairwise losses against their definition pair by pair, and the hinge family by sorting against
 * the same.
 */
#include "loss_sample.h"
#include "test.h"

static bool is_pair(const struct rk_loss *loss, const struct rk_scored *list, size_t i, size_t j)
{
    return loss->pairs == RK_PAIRS_BINARY ? list->label[i] > 0.0F && list->label[j] <= 0.0F
                                          : list->label[i] > list->label[j];
}

static size_t rank_of(const struct rk_scored *list, size_t i)
{
    size_t rank = 1;
    for (size_t j = 0; j < list->n; j++) {
        rank += list->score[j] > list->score[i] || (list->score[j] == list->score[i] && j < i);
    }
    return rank;
}

static double pair_value(const struct rk_loss *loss, const struct rk_scored *list, size_t i,
                         size_t j)
{
    double d = list->score[i] - list->score[j], z = d / loss->margin;
    double logistic = log(1.0 + exp(-loss->sigma * d));
    switch (loss->name) {
    case RK_MARGIN_RANKING:
        return d < loss->margin ? loss->margin - d : 0.0;
    case RK_SMOOTH_HINGE:
        return z <= 0.0 ? 0.5 - z : z < 1.0 ? 0.5 * (1.0 - z) * (1.0 - z) : 0.0;
    case RK_LAMBDARANK:
        return logistic *
               fabs(pow(2.0, (double)list->label[i]) - pow(2.0, (double)list->label[j])) *
               fabs(discount(rank_of(list, i), loss->k) - discount(rank_of(list, j), loss->k)) /
               ideal_dcg(list, loss->k);
    default:
        return logistic;
    }
}

/* The definition: every pair of every list, then the reduction in words. */
static double brute_pairs(const struct rk_loss *loss, const struct sample *sample)
{
    double sum = 0.0, sum_of_means = 0.0, pairs = 0.0, valid = 0.0;
    for (size_t l = 0; l < sample->n_lists; l++) {
        const struct rk_scored *list = &sample->list[l];
        double list_sum = 0.0, list_pairs = 0.0;
        for (size_t p = 0; p < list->n * list->n; p++) {
            size_t i = p / list->n, j = p % list->n;
            if (is_pair(loss, list, i, j)) {
                list_sum += weight_of(list, i) * pair_value(loss, list, i, j);
                list_pairs += 1.0;
            }
        }
        sum += list_sum;
        pairs += list_pairs;
        valid += list_pairs > 0.0;
        sum_of_means += list_pairs > 0.0 ? list_sum / list_pairs : 0.0;
    }
    const double reduced[] = {sum_of_means / valid, sum, sum / pairs, sum / (double)sample->n_lists,
                              sum / valid};
    return reduced[loss->reduction];
}

static void every_pairwise_loss_equals_its_pairs_one_by_one(void **state)
{
    static const char *const names[] = {"pairwise_logistic", "margin_ranking", "smooth_hinge",
                                        "lambdarank"};
    (void)state;
    struct sample sample;
    for (unsigned c = 0; c < 4 * 2 * 5 * 2; c++) {
        struct rk_loss loss = make(names[c % 4]);
        loss.pairs = (enum rk_pairs)(c / 4 % 2);
        loss.reduction = (enum rk_reduction)(c / 8 % 5);
        loss.sigma = 1.5;
        loss.margin = 0.7;
        loss.k = c % 3 * 2;
        draw(&sample, c, 4, c / 40 == 1);
        eval(&loss, &sample);
        assert_close(sample.value.value, brute_pairs(&loss, &sample), 1e-12, 1e-12);
    }
}

/* A hinge loss and its gradient pair by pair, as a mean over pairs. */
static double brute_hinge(const struct rk_loss *loss, const struct rk_scored *list, double *grad)
{
    double sum = 0.0, pairs = 0.0;
    memset(grad, 0, list->n * sizeof *grad);
    for (size_t p = 0; p < list->n * list->n; p++) {
        size_t i = p / list->n, j = p % list->n;
        if (is_pair(loss, list, i, j)) {
            double d = list->score[i] - list->score[j], z = d / loss->margin;
            double smooth = z <= 0.0 ? 1.0 : z < 1.0 ? 1.0 - z : 0.0;
            double slope =
                loss->name == RK_MARGIN_RANKING ? (loss->margin - d >= 0.0) : smooth / loss->margin;
            sum += weight_of(list, i) * pair_value(loss, list, i, j);
            grad[i] -= weight_of(list, i) * slope;
            grad[j] += weight_of(list, i) * slope;
            pairs += 1.0;
        }
    }
    for (size_t i = 0; i < list->n; i++) {
        grad[i] /= pairs;
    }
    return sum / pairs;
}

static void assert_hinge_equals_brute_force(const struct rk_loss *loss, struct sample *sample)
{
    static double grad[N_MAX];
    double want = brute_hinge(loss, &sample->list[0], grad);
    eval(loss, sample);
    assert_close(sample->value.value, want, 1e-11, 1e-14);
    for (size_t i = 0; i < sample->items; i++) {
        assert_close(sample->grad[i], grad[i], 1e-10, 1e-14);
    }
}

static void a_long_list_by_sorting_equals_its_pairs(void **state)
{
    static const uint32_t grades[] = {2, 3, 5, 32, 1000000};
    (void)state;
    struct sample sample;
    for (unsigned c = 0; c < 5 * 2 * 2 * 2; c++) {
        struct rk_loss loss = make(c % 2 == 0 ? "margin_ranking" : "smooth_hinge");
        loss.pairs = (enum rk_pairs)(c / 2 % 2);
        loss.margin = c % 3 == 0 ? 0.05 : 2.0;
        sample = (struct sample){0};
        add_list(&sample, 1000, c / 4 % 2 == 1);
        draw_items(&sample, c, grades[c / 8]);
        for (size_t i = 0; i < sample.items; i += 3) {
            sample.label[i] = 0.0F;
        }
        for (size_t i = 0; c % 3 == 1 && i < sample.items; i++) {
            sample.score[i] = round(sample.score[i] * 4.0); /* ties, and pairs at the kink */
        }
        assert_hinge_equals_brute_force(&loss, &sample);
    }
}

static void sorting_loses_nothing_beside_scores_of_1e30(void **state)
{
    (void)state;
    struct sample sample;
    for (unsigned c = 0; c < 4; c++) {
        struct rk_loss loss = make(c % 2 == 0 ? "margin_ranking" : "smooth_hinge");
        sample = (struct sample){0};
        add_list(&sample, 1000, true);
        draw_items(&sample, c, c < 2 ? 5 : 2);
        for (size_t i = 0; i < sample.items; i += 100) {
            sample.score[i] = i % 200 == 0 ? 1e30 : -1e30;
        }
        assert_hinge_equals_brute_force(&loss, &sample);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pairwise_loss_equals_its_pairs_one_by_one),
        cmocka_unit_test(a_long_list_by_sorting_equals_its_pairs),
        cmocka_unit_test(sorting_loses_nothing_beside_scores_of_1e30),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
