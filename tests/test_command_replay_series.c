/*
 * Series of list metrics: means, pairs and their standard error, by hand.
 */
#include "command_replay_series.h"
#include "test.h"

/* Takes a list whose NDCG and log loss are defined, or (ndcg < 0) neither is. */
static void take(struct series *series, int64_t seq, double ndcg)
{
    const struct rk_eval_sum one = {.lists = 1,
                                    .ndcg = ndcg,
                                    .ndcg_n = ndcg >= 0,
                                    .log_loss = 2 * ndcg,
                                    .log_loss_n = ndcg >= 0};
    series_take(series, seq, &one);
}

static void means_leave_out_what_is_not_defined(void **state)
{
    struct series series = {0};
    (void)state;
    take(&series, 5, 0.5);
    take(&series, 9, -1);
    take(&series, 7, 0.25);
    assert_close(series_mean(&series, SERIES_NDCG, 0, 3), 0.375, 1e-15, 0);
    assert_close(series_mean(&series, SERIES_NDCG, 2, 9), 0.25, 1e-15, 0);
    assert_close(series_mean(&series, SERIES_LOG_LOSS, 0, 3), 0.75, 1e-15, 0);
    assert_true(isnan(series_mean(&series, SERIES_AUC, 0, 3)));
    assert_true(isnan(series_mean(&series, SERIES_NDCG, 1, 2)));
    series_deinit(&series);
}

/* Differences 0.1, 0.2, 0.6: mean 0.3, sample deviation sqrt(0.07), error sqrt(0.07 / 3). */
static void differences_are_of_pairs_of_the_same_list_and_occasion(void **state)
{
    struct series first = {0}, second = {0};
    struct series_difference difference[SERIES_METRICS];
    (void)state;
    take(&first, 8, 0.1); /* the other did not learn from it */
    take(&first, 3, 0.2);
    take(&first, 5, 0.4);
    take(&first, 3, 0.3); /* again, after a later click */
    take(&second, 3, 0.3);
    take(&second, 3, 0.5);
    take(&second, 4, 0.9);
    take(&second, 5, 1.0);
    take(&second, 5, 0.0);
    series_compare(&first, &second, difference);
    assert_int_equal(difference[SERIES_NDCG].n, 3);
    assert_close(difference[SERIES_NDCG].mean, 0.3, 1e-14, 0);
    assert_close(difference[SERIES_NDCG].error, sqrt(0.07 / 3), 1e-14, 0);
    assert_close(difference[SERIES_LOG_LOSS].mean, 0.6, 1e-14, 0);
    assert_int_equal(difference[SERIES_AUC].n, 0);
    series_deinit(&first);
    series_deinit(&second);
}

static void one_pair_or_none_has_no_standard_error(void **state)
{
    struct series first = {0}, second = {0};
    struct series_difference difference[SERIES_METRICS];
    (void)state;
    series_compare(&first, &second, difference);
    assert_int_equal(difference[SERIES_NDCG].n, 0);
    take(&first, 3, 0.2);
    take(&first, 4, -1);
    take(&second, 3, 0.7);
    take(&second, 4, 0.7);
    series_compare(&first, &second, difference);
    assert_int_equal(difference[SERIES_NDCG].n, 1);
    assert_close(difference[SERIES_NDCG].mean, 0.5, 1e-15, 0);
    assert_true(isnan(difference[SERIES_NDCG].error));
    series_deinit(&first);
    series_deinit(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(means_leave_out_what_is_not_defined),
        cmocka_unit_test(differences_are_of_pairs_of_the_same_list_and_occasion),
        cmocka_unit_test(one_pair_or_none_has_no_standard_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
