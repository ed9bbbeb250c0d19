/*
 * Sparse gradient rows against a dense twin.
 */
#include "test.h"

#include <rankd/gradient.h>
#include <rankd/random.h>

#define ROWS 200

static size_t length_of(uint32_t row)
{
    return 1 + row % 5;
}

static double *row_of(struct rk_gradient *grad, uint32_t row)
{
    double *sum = rk_gradient_row(grad, row, length_of(row));

    assert_non_null(sum);
    return sum;
}

static void row_is_zero_when_first_met_and_kept_after(void **state)
{
    (void)state;
    struct rk_gradient grad = {0};

    assert_int_equal(grad.rows.n, 0);
    assert_true(row_of(&grad, 3)[0] == 0.0);
    row_of(&grad, 3)[0] += 2.5;
    row_of(&grad, 8)[0] += 1.0;
    assert_true(row_of(&grad, 3)[0] == 2.5);
    assert_int_equal(grad.rows.n, 2);
    rk_gradient_deinit(&grad);
}

static void rows_stand_in_the_order_they_were_first_met(void **state)
{
    (void)state;
    static const uint32_t met[] = {7, 2, 199, 2, 0, 7};
    static const uint32_t order[] = {7, 2, 199, 0};
    struct rk_gradient grad = {0};

    for (size_t i = 0; i < sizeof met / sizeof *met; i++) {
        row_of(&grad, met[i]);
    }
    assert_int_equal(grad.rows.n, 4);
    assert_memory_equal(grad.rows.row, order, sizeof order);
    rk_gradient_deinit(&grad);
}

/* Row 5 is the first of the first round, which row 9 is in the second. */
static void cleared_row_is_not_mistaken_for_the_one_in_its_old_slot(void **state)
{
    (void)state;
    struct rk_gradient grad = {0};

    row_of(&grad, 5)[0] = 1.0;
    rk_gradient_clear(&grad);
    assert_int_equal(grad.rows.n, 0);
    row_of(&grad, 9)[0] = 2.0;
    assert_true(row_of(&grad, 5)[0] == 0.0);
    row_of(&grad, 5)[0] = 3.0;
    assert_true(row_of(&grad, 9)[0] == 2.0);
    assert_int_equal(grad.rows.n, 2);
    rk_gradient_deinit(&grad);
}

static void add_at_random(struct rk_gradient *grad, double dense[ROWS][5], struct rk_random *random)
{
    const uint32_t row = rk_random_below(random, ROWS);
    double *sum = row_of(grad, row);

    for (size_t i = 0; i < length_of(row); i++) {
        const double x = rk_random_normal(random);
        sum[i] += x;
        dense[row][i] += x;
    }
}

static void sums_equal_a_dense_twin_over_several_rounds(void **state)
{
    (void)state;
    struct rk_random random = {11};
    struct rk_gradient grad = {0};

    print_message("seed 11\n");
    for (int round = 0; round < 5; round++) {
        double dense[ROWS][5] = {{0}};
        size_t sums = 0;
        rk_gradient_clear(&grad);
        for (int i = 0; i < 600; i++) {
            add_at_random(&grad, dense, &random);
        }
        for (size_t r = 0; r < grad.rows.n; r++) {
            const size_t n = length_of(grad.rows.row[r]);
            assert_memory_equal(grad.sum + grad.start[r], dense[grad.rows.row[r]],
                                n * sizeof(double));
            sums += n;
        }
        assert_int_equal(grad.n_sums, sums);
    }
    rk_gradient_deinit(&grad);
}

static void empty_gradients_can_be_freed(void **state)
{
    (void)state;
    struct rk_gradient zero = {0}, fresh = {0};
    uint32_t row;

    rk_gradient_deinit(&zero);
    rk_gradient_clear(&fresh);
    assert_int_equal(rk_gradient_take(&fresh, &row), 0);
    assert_true(rk_gradient_norm(&fresh) == 0.0);
    rk_gradient_deinit(&fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_is_zero_when_first_met_and_kept_after),
        cmocka_unit_test(rows_stand_in_the_order_they_were_first_met),
        cmocka_unit_test(cleared_row_is_not_mistaken_for_the_one_in_its_old_slot),
        cmocka_unit_test(sums_equal_a_dense_twin_over_several_rounds),
        cmocka_unit_test(empty_gradients_can_be_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
