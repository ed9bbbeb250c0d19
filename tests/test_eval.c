/*
 * Metrics: against brute force, by their laws, and where they are undefined.
 */
#include "test.h"

#include <rankd/eval.h>
#include <rankd/random.h>

#define N_MAX 2000

struct list {
    size_t n;
    double score[N_MAX];
    float label[N_MAX];
    uint32_t order[N_MAX];
};

/* A list with ties among `levels` scores. */
static void draw(struct list *list, size_t n, uint64_t seed, uint32_t levels, uint32_t grades)
{
    static uint32_t work[N_MAX];
    struct rk_random random = {seed};
    print_message("seed %llu\n", (unsigned long long)seed);
    list->n = n;
    for (size_t i = 0; i < n; i++) {
        list->score[i] = (double)rk_random_below(&random, levels) - 3.0;
        list->label[i] = (float)rk_random_below(&random, grades);
    }
    rk_eval_order(list->score, n, list->order, work);
}

/* How many stand before an item, by the definition. */
static size_t count_before(const struct list *list, size_t i)
{
    size_t before = 0;
    for (size_t j = 0; j < list->n; j++) {
        before += list->score[j] > list->score[i] || (list->score[j] == list->score[i] && j < i);
    }
    return before;
}

static void order_equals_counting_and_keeps_ties(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 31, 32, 33, 100, 1000, 1024, 1025, 2000};
    (void)state;
    static struct list list;
    for (size_t c = 0; c < 33; c++) {
        draw(&list, sizes[c % 11], c, c < 11 ? 5 : c < 22 ? 1000000 : 1, 2);
        for (size_t r = 0; r < list.n; r++) {
            assert_int_equal(count_before(&list, list.order[r]), r);
        }
    }
}

/* Scores whose bits differ in all places, in the lowest alone, or in the sign of zero alone. */
static double odd_score(struct rk_random *random, size_t shape)
{
    static const double few[] = {0.0, -0.0, 4.9e-324, -4.9e-324, 1.0, 1.7e308, -1.7e308};
    const double x = rk_random_normal(random);
    switch (shape) {
    case 0:
        return x;
    case 1:
        return few[rk_random_below(random, 7)];
    case 2:
        return x * pow(10.0, (double)rk_random_below(random, 300));
    case 3:
        return 1.0 + 2.3e-16 * (double)rk_random_below(random, 3) + (x > 2.0 ? -9e99 : 0.0);
    default:
        return (double)(float)x;
    }
}

static void order_and_its_beginning_hold_for_any_bits(void **state)
{
    static const size_t tops[] = {0, 1, 2, 10, 16, 17, 500, 3000};
    (void)state;
    static struct list list;
    static uint32_t work[N_MAX], top[N_MAX];
    for (size_t c = 0; c < 80; c++) {
        struct rk_random random = {c};
        print_message("seed %zu\n", c);
        list.n = c % 2 == 0 ? 1500 : 90;
        for (size_t i = 0; i < list.n; i++) {
            list.score[i] = odd_score(&random, c / 8 % 5);
        }
        rk_eval_order(list.score, list.n, list.order, work);
        for (size_t r = 0; r < list.n; r++) {
            assert_int_equal(count_before(&list, list.order[r]), r);
        }
        const size_t k = tops[c % 8] < list.n ? tops[c % 8] : list.n;
        rk_eval_top(list.score, list.n, tops[c % 8], top, work);
        assert_memory_equal(top, list.order, k * sizeof *top);
    }
}

static double dcg(const uint32_t *order, const float *label, size_t n, size_t k)
{
    double sum = 0.0;
    for (size_t r = 0; r < n && (k == 0 || r < k); r++) {
        sum += (pow(2.0, (double)label[order[r]]) - 1.0) / log2((double)(r + 2));
    }
    return sum;
}

/* The best DCG over all orders, by trying them (Heap's algorithm). */
static double best_dcg(uint32_t *order, size_t free, const float *label, size_t n, size_t k)
{
    double best = free <= 1 ? dcg(order, label, n, k) : 0.0;
    for (size_t i = 0; i < free && free > 1; i++) {
        best = fmax(best, best_dcg(order, free - 1, label, n, k));
        size_t a = free % 2 == 0 ? i : 0;
        uint32_t kept = order[a];
        order[a] = order[free - 1];
        order[free - 1] = kept;
    }
    return best;
}

static void ndcg_equals_dcg_over_the_best_of_all_orders(void **state)
{
    (void)state;
    static struct list list;
    for (size_t c = 0; c < 40; c++) {
        float work[6];
        uint32_t all[6] = {0, 1, 2, 3, 4, 5};
        size_t k = c % 7;
        draw(&list, 6, c, 4, 4);
        double best = best_dcg(all, 6, list.label, 6, k);
        double want = best > 0.0 ? dcg(list.order, list.label, 6, k) / best : (double)NAN;
        assert_close(rk_eval_ndcg(list.order, list.label, 6, k, work), want, 1e-14, 0.0);
    }
}

static void ndcg_of_a_long_perfect_order_is_exactly_one(void **state)
{
    (void)state;
    static struct list list;
    static float work[N_MAX];
    static uint32_t swap[N_MAX];
    draw(&list, N_MAX, 1, 10, 32);
    for (size_t i = 0; i < list.n; i++) {
        list.score[i] = (double)list.label[i];
    }
    rk_eval_order(list.score, list.n, list.order, swap);
    assert_true(rk_eval_ndcg(list.order, list.label, list.n, 0, work) == 1.0);
    assert_true(rk_eval_ndcg(list.order, list.label, list.n, 10, work) == 1.0);
}

static void auc_equals_counting_pairs_with_ties_half(void **state)
{
    (void)state;
    static struct list list;
    for (size_t c = 0; c < 20; c++) {
        double won = 0.0, pairs = 0.0;
        draw(&list, 5 + 10 * c, c, c < 10 ? 4 : 1000000, 3);
        for (size_t p = 0; p < list.n * list.n; p++) {
            size_t i = p / list.n, j = p % list.n;
            if (list.label[i] > 0.0F && list.label[j] <= 0.0F) {
                double d = list.score[i] - list.score[j];
                won += d > 0.0 ? 1.0 : d < 0.0 ? 0.0 : 0.5;
                pairs += 1.0;
            }
        }
        assert_true(pairs > 0.0);
        assert_close(rk_eval_auc(list.order, list.score, list.label, list.n), won / pairs, 1e-14,
                     0.0);
    }
}

static void ap_and_rr_equal_precision_at_each_relevant_item(void **state)
{
    (void)state;
    static struct list list;
    for (size_t c = 0; c < 20; c++) {
        draw(&list, 3 + 5 * c, c, 1000, 2);
        list.label[0] = 1.0F;
        double sum = 0.0, relevant = 0.0, first = 0.0;
        for (size_t r = 0; r < list.n; r++) {
            double hits = 0.0;
            for (size_t q = 0; q <= r; q++) {
                hits += list.label[list.order[q]] > 0.0F;
            }
            if (list.label[list.order[r]] > 0.0F) {
                sum += hits / (double)(r + 1);
                relevant += 1.0;
                first = fmax(first, 1.0 / (double)(r + 1));
            }
        }
        assert_close(rk_eval_ap(list.order, list.label, list.n), sum / relevant, 1e-14, 0.0);
        assert_close(rk_eval_rr(list.order, list.label, list.n), first, 1e-15, 0.0);
    }
}

static void log_loss_takes_any_grade_as_a_click_and_any_score(void **state)
{
    (void)state;
    const double score[] = {1000.0, -1000.0, 0.0, -1e30};
    const float label[] = {4.0F, 0.0F, 0.5F, 0.0F};
    assert_close(rk_eval_log_loss(score, label, 4), log(2.0) / 4.0, 1e-15, 0.0);
    const float wrong[] = {0.0F, 1.0F};
    assert_close(rk_eval_log_loss(score, wrong, 2), 1000.0, 1e-15, 0.0);
}

static void metrics_are_undefined_without_what_they_measure(void **state)
{
    (void)state;
    const uint32_t order[] = {0, 1};
    const double score[] = {0.5, 0.2};
    const float none[] = {0.0F, 0.0F}, all[] = {3.0F, 3.0F};
    float work[2];
    assert_true(isnan(rk_eval_ndcg(order, none, 2, 0, work)));
    assert_true(isnan(rk_eval_ndcg(order, none, 0, 0, work)));
    assert_true(isnan(rk_eval_auc(order, score, none, 2)));
    assert_true(isnan(rk_eval_auc(order, score, all, 2)));
    assert_true(isnan(rk_eval_ap(order, none, 2)));
    assert_true(isnan(rk_eval_rr(order, none, 2)));
    assert_true(isnan(rk_eval_log_loss(score, none, 0)));
}

static void sums_leave_out_what_is_undefined(void **state)
{
    (void)state;
    const double score[] = {0.1, 0.9, 0.5};
    const float click[] = {0.0F, 0.0F, 1.0F}, none[] = {0.0F, 0.0F, 0.0F};
    struct rk_eval_sum sum = {0};
    void *work = malloc(rk_eval_work(3));
    rk_eval_add(&sum, score, click, 3, work);
    rk_eval_add(&sum, score, none, 3, work);
    rk_eval_add(&sum, score, none, 0, work);
    free(work);
    assert_int_equal(sum.lists, 3);
    assert_int_equal(sum.ndcg_n + sum.auc_n + sum.ap_n + sum.rr_n, 4);
    assert_int_equal(sum.log_loss_n, 2);
    assert_close(sum.ndcg, 1.0 / log2(3.0), 1e-15, 0.0);
    assert_close(sum.auc, 0.5, 0.0, 0.0);
    assert_close(sum.ap, 0.5, 0.0, 0.0);
    assert_close(sum.rr, 0.5, 0.0, 0.0);
    assert_close(sum.log_loss, rk_eval_log_loss(score, click, 3) + rk_eval_log_loss(score, none, 3),
                 1e-15, 0.0);
}

static void summed_ndcg_is_cut_at_ten(void **state)
{
    (void)state;
    static struct list list;
    struct rk_eval_sum sum = {0};
    double work[64];
    assert_true(rk_eval_work(12) <= sizeof work);
    for (size_t i = 0; i < 12; i++) {
        list.score[i] = -(double)i;
        list.label[i] = i == 10 ? 1.0F : 0.0F;
    }
    rk_eval_add(&sum, list.score, list.label, 12, work);
    assert_int_equal(sum.ndcg_n, 1);
    assert_true(sum.ndcg == 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_equals_counting_and_keeps_ties),
        cmocka_unit_test(order_and_its_beginning_hold_for_any_bits),
        cmocka_unit_test(ndcg_equals_dcg_over_the_best_of_all_orders),
        cmocka_unit_test(ndcg_of_a_long_perfect_order_is_exactly_one),
        cmocka_unit_test(auc_equals_counting_pairs_with_ties_half),
        cmocka_unit_test(ap_and_rr_equal_precision_at_each_relevant_item),
        cmocka_unit_test(log_loss_takes_any_grade_as_a_click_and_any_score),
        cmocka_unit_test(metrics_are_undefined_without_what_they_measure),
        cmocka_unit_test(sums_leave_out_what_is_undefined),
        cmocka_unit_test(summed_ndcg_is_cut_at_ten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
