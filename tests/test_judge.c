/*
 * The paired test of the judge: its laws, its thresholds, and a twin that sorts and sums plainly.
 */
#include "test.h"

#include <rankd/judge.h>
#include <rankd/random.h>

#define LISTS 256
#define SEED  20261124

struct losses {
    double before[LISTS], after[LISTS];
};

/* Losses from 0.5 to 1.5; after: each changed by `rise` and noise of that size at most. */
static void draw(struct losses *losses, uint64_t seed, double rise, double noise)
{
    struct rk_random random = {seed};

    for (int i = 0; i < LISTS; i++) {
        losses->before[i] = 0.5 + (double)rk_random_below(&random, 1001) / 1000;
        losses->after[i] =
            losses->before[i] + rise + noise * ((double)rk_random_below(&random, 2001) / 1000 - 1);
    }
}

static struct rk_verdict judge_by(const struct losses *losses, size_t n, double share)
{
    double work[LISTS];

    return rk_judge(losses->before, losses->after, n, share, work);
}

static struct rk_verdict judge(const struct losses *losses, size_t n)
{
    return judge_by(losses, n, RK_JUDGE_WORSE);
}

/* ---- laws ---- */

static void clear_rise_is_worse_and_a_fall_is_not(void **state)
{
    struct losses losses;

    (void)state;
    draw(&losses, SEED, 0.1, 0.1);
    assert_true(judge(&losses, LISTS).worse);
    draw(&losses, SEED, -0.1, 0.1);
    assert_false(judge(&losses, LISTS).worse);
}

static void share_says_how_much_of_the_mean_loss_is_worse(void **state)
{
    struct losses losses;

    (void)state;
    draw(&losses, SEED, 0.04, 0.01); /* of a mean near 1 */
    assert_true(judge(&losses, LISTS).worse);
    assert_false(judge_by(&losses, LISTS, RK_JUDGE_WORSE_ALL).worse);
    draw(&losses, SEED, 0.06, 0.01);
    assert_true(judge_by(&losses, LISTS, RK_JUDGE_WORSE_ALL).worse);
}

static void equal_losses_are_not_worse(void **state)
{
    struct losses losses;

    (void)state;
    draw(&losses, SEED, 0, 0);
    const struct rk_verdict verdict = judge(&losses, LISTS);
    assert_false(verdict.worse);
    assert_true(verdict.before == verdict.after && verdict.error == 0);
    losses = (struct losses){0};
    assert_false(judge(&losses, LISTS).worse);
}

static void fewer_than_200_lists_are_never_worse(void **state)
{
    struct losses losses;

    (void)state;
    draw(&losses, SEED, 0.2, 0.01);
    for (size_t n = 0; n < RK_JUDGE_LISTS_MIN; n++) {
        assert_false(judge(&losses, n).worse);
        assert_int_equal(judge(&losses, n).lists, n);
    }
    assert_true(judge(&losses, RK_JUDGE_LISTS_MIN).worse);
}

static void lists_without_a_loss_on_either_side_are_left_out(void **state)
{
    struct losses losses, others;
    size_t n = 0;

    (void)state;
    draw(&losses, SEED, 0.05, 0.3);
    for (size_t i = 0; i < LISTS; i++) {
        if (i % 8 == 0) {
            (i % 16 == 0 ? losses.before : losses.after)[i] = NAN;
        } else {
            others.before[n] = losses.before[i];
            others.after[n++] = losses.after[i];
        }
    }
    const struct rk_verdict with = judge(&losses, LISTS), without = judge(&others, n);
    assert_int_equal(with.lists, n);
    assert_memory_equal(&with, &without, sizeof with);
    for (size_t i = 0; i < LISTS; i++) {
        losses.after[i] = NAN;
    }
    assert_int_equal(judge(&losses, LISTS).lists, 0);
    assert_false(judge(&losses, LISTS).worse);
}

/* ---- thresholds ---- */

/* Losses of 1; after: half of them d + spread, half d - spread. All of it is exact in a double. */
static struct rk_verdict judge_exact(double d, double spread)
{
    struct losses losses;

    for (int i = 0; i < LISTS; i++) {
        losses.before[i] = 1;
        losses.after[i] = 1 + d + (i % 2 == 0 ? spread : -spread);
    }
    return judge(&losses, LISTS);
}

static void rise_of_one_percent_is_borne_and_more_is_not(void **state)
{
    (void)state;
    assert_false(judge_exact(1.0 / 128 + 1.0 / 512, 0).worse); /* 0.0098 */
    assert_true(judge_exact(1.0 / 128 + 1.0 / 256, 0).worse);  /* 0.0117 */
}

static void rise_of_three_errors_is_borne_and_more_is_not(void **state)
{
    const double d = 1.0 / 8;
    /* error = spread / sqrt(255) */
    const double spread = d * sqrt(LISTS - 1) / RK_JUDGE_ERRORS;

    (void)state;
    assert_false(judge_exact(d, spread * 1.01).worse);
    assert_true(judge_exact(d, spread * 0.99).worse);
    assert_close(judge_exact(d, spread).error, d / RK_JUDGE_ERRORS, 1e-9, 0);
}

/* ---- enormous losses ---- */

/* Every list is a little worse; a few are so much worse that the mean's error is their size. */
static void few_enormous_losses_do_not_hide_that_all_others_rise(void **state)
{
    struct losses losses;

    (void)state;
    draw(&losses, SEED, 0.1, 0.1);
    for (int i = 0; i < 4; i++) {
        losses.after[60 * i] = i % 2 == 0 ? 1e6 : 1e9;
    }
    assert_true(judge(&losses, LISTS).worse);
    losses.before[0] = 1e9; /* poison in the ring that got better */
    losses.after[0] = 1;
    assert_true(judge(&losses, LISTS).worse);
}

static void few_enormous_losses_alone_are_no_proof(void **state)
{
    struct losses losses;

    (void)state;
    draw(&losses, SEED, 0, 0.1);
    for (int i = 0; i < 2; i++) {
        losses.after[60 * i] = 1e9;
    }
    assert_false(judge(&losses, LISTS).worse);
}

static void large_damage_to_a_part_of_the_lists_is_worse(void **state)
{
    struct losses losses;

    (void)state;
    draw(&losses, SEED, 0, 0.1);
    for (int i = 0; i < LISTS; i += 16) {
        losses.after[i] = 1e6;
    }
    assert_true(judge(&losses, LISTS).worse);
}

static void losses_that_were_all_zero_can_be_judged(void **state)
{
    struct losses losses = {0};

    (void)state;
    for (int i = 0; i < LISTS; i += 4) {
        losses.after[i] = 1e300;
    }
    assert_true(judge(&losses, LISTS).worse);
}

/* ---- the twin ---- */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Two passes over differences instead of one. */
static bool twin_worse(const struct losses *losses, double bound)
{
    double d[LISTS], mean = 0, before = 0, squares = 0;

    for (int i = 0; i < LISTS; i++) {
        d[i] = fmin(losses->after[i], bound) - fmin(losses->before[i], bound);
        mean += d[i] / LISTS;
        before += fmin(losses->before[i], bound) / LISTS;
    }
    for (int i = 0; i < LISTS; i++) {
        squares += (d[i] - mean) * (d[i] - mean);
    }
    return mean > 0.01 * before && mean > 3 * sqrt(squares / (LISTS - 1) / LISTS);
}

static void verdict_is_that_of_a_plain_twin(void **state)
{
    size_t worse = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct losses losses;
        double sorted[LISTS], u;
        draw(&losses, SEED + seed, (double)(seed % 20) / 250, 0.3);
        losses.after[seed % LISTS] = seed % 3 == 0 ? 50 : 0.1;
        memcpy(sorted, losses.before, sizeof sorted);
        qsort(sorted, LISTS, sizeof *sorted, ascending);
        u = sorted[(LISTS - 1) * 9 / 10];
        assert_int_equal(judge(&losses, LISTS).worse,
                         twin_worse(&losses, u) || twin_worse(&losses, 4 * u));
        worse += judge(&losses, LISTS).worse;
    }
    assert_true(worse > 100 && worse < 300); /* else one side is not tried */
}

/* ---- what a step's own labels say ---- */

static void preference_is_that_of_the_mean_scores_and_needs_both_kinds(void **state)
{
    const double score[] = {2, 5, -1, 0, 1};
    const float label[] = {1, 0, 3, 0, 0}, none[5] = {0}, all[] = {1, 1, 1, 2, 1};

    (void)state;
    assert_close(rk_judge_preference(score, label, 5), 1 / (1 + exp(2 - 0.5)), 1e-12, 0);
    assert_close(rk_judge_preference((double[5]){7, 7, 7, 7, 7}, label, 5), 0.5, 0, 0);
    assert_true(isnan(rk_judge_preference(score, none, 5)));
    assert_true(isnan(rk_judge_preference(score, all, 5)));
    assert_true(isnan(rk_judge_preference(score, label, 0)));
}

/* Lists of which `wrong` have a preference of 0 and the others one of `right`. */
static bool contradicts(int wrong, int others, double right)
{
    struct rk_paired preference = {0};

    for (int i = 0; i < wrong + others; i++) {
        rk_paired_add(&preference, (i < wrong ? 0 : right) - 0.5);
    }
    return rk_judge_contradicts(&preference);
}

static void labels_turned_round_contradict_and_others_do_not(void **state)
{
    (void)state;
    assert_true(contradicts(48, 16, 1));
    assert_false(contradicts(16, 48, 1));
    assert_false(contradicts(32, 32, 1)); /* nothing is known */
    assert_true(contradicts(64, 0, 1));
    assert_false(contradicts(0, 0, 1));
}

static void fewer_than_16_lists_do_not_contradict(void **state)
{
    (void)state;
    assert_false(contradicts(15, 0, 1));
    assert_true(contradicts(16, 0, 1));
}

static void preference_must_be_far_from_a_half_and_sure(void **state)
{
    (void)state;
    assert_false(contradicts(0, 1000, 0.46)); /* sure, but near */
    assert_true(contradicts(0, 1000, 0.44));
    assert_false(contradicts(12, 4, 1)); /* 0.25 +- 0.11: by 2.2 errors */
    assert_true(contradicts(24, 8, 1));  /* 0.25 +- 0.08: by 3.2 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clear_rise_is_worse_and_a_fall_is_not),
        cmocka_unit_test(share_says_how_much_of_the_mean_loss_is_worse),
        cmocka_unit_test(equal_losses_are_not_worse),
        cmocka_unit_test(fewer_than_200_lists_are_never_worse),
        cmocka_unit_test(lists_without_a_loss_on_either_side_are_left_out),
        cmocka_unit_test(rise_of_one_percent_is_borne_and_more_is_not),
        cmocka_unit_test(rise_of_three_errors_is_borne_and_more_is_not),
        cmocka_unit_test(few_enormous_losses_do_not_hide_that_all_others_rise),
        cmocka_unit_test(few_enormous_losses_alone_are_no_proof),
        cmocka_unit_test(large_damage_to_a_part_of_the_lists_is_worse),
        cmocka_unit_test(losses_that_were_all_zero_can_be_judged),
        cmocka_unit_test(verdict_is_that_of_a_plain_twin),
        cmocka_unit_test(preference_is_that_of_the_mean_scores_and_needs_both_kinds),
        cmocka_unit_test(labels_turned_round_contradict_and_others_do_not),
        cmocka_unit_test(fewer_than_16_lists_do_not_contradict),
        cmocka_unit_test(preference_must_be_far_from_a_half_and_sure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
