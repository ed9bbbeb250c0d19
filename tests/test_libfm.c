/*
 * libFM's model file: read as libFM writes it, refused with the line where it is not.
 */
#include "learning_fixture.h"
#include "libfm.h"
#include "test.h"

#define FM3 "{\"kind\":\"fm\",\"features\":{\"space\":\"indexed\",\"size\":3},\"dim\":2}"

#define W0 "#global bias W0\n0.5\n"
#define W  "#unary interactions Wj\n1e-05\n-2\n+3.25\n"
#define V  "#pairwise interactions Vj,f\n1 2\n-0.5 1e2\n0 0.25\n"

static enum rk_status read_text(const char *config, const char *text, float *theta,
                                struct rk_error *err)
{
    static struct model_config parsed;
    struct rk_model *model = NULL;
    enum rk_status status;
    learning_config(config, &parsed);
    assert_ok(rk_model_create(&parsed.model, 0, &model, NULL));
    status = libfm_read(model, text, strlen(text), theta, err);
    rk_model_destroy(&model);
    return status;
}

static void assert_read(const char *text, const double expected[10])
{
    float theta[10];
    struct rk_error err = {0};
    memset(theta, 0xff, sizeof theta);
    if (read_text(FM3, text, theta, &err) != RK_OK) {
        fail_msg("%s", err.text);
    }
    for (size_t i = 0; i < 10; i++) {
        assert_close((double)theta[i], (double)(float)expected[i], 0, 0);
    }
}

static void a_file_is_told_by_its_first_bytes(void **state)
{
    (void)state;
    assert_true(libfm_is(W0, strlen(W0)));
    assert_false(libfm_is(W0, 14));
    assert_false(libfm_is(W, strlen(W)));
    assert_false(libfm_is("", 0));
}

static void bias_weights_and_factors_come_to_their_places(void **state)
{
    static const double expected[10] = {0.5, 1e-5, -2, 3.25, 1, 2, -0.5, 100, 0, 0.25};
    (void)state;
    assert_read(W0 W V, expected);
    assert_read("#global bias W0\r\n.5\r\n#unary interactions Wj\r\n1e-05\r\n-2\r\n3.25\r\n"
                "#pairwise interactions Vj,f\r\n1 2 \r\n-.5\t1E+2\r\n0 0.25",
                expected);
}

static void weights_that_were_left_out_are_0(void **state)
{
    static const double expected[10] = {0.5, 0, 0, 0, 1, 2, -0.5, 100, 0, 0.25};
    (void)state;
    assert_read(W0 V, expected);
}

#define UNARY "#unary interactions Wj"
#define PAIRS "#pairwise interactions Vj,f"

static const struct {
    const char *text;
    enum rk_status status;
    const char *error;
} bad[] = {
    {"", RK_MISMATCH, "line 1: \"#global bias W0\" should stand here"},
    {"#global bias W0 \n", RK_MISMATCH,
     "line 2: \"#global bias W0\" has 0 lines, the model needs 1"},
    {"#global bias W0\n1 2\n" W V, RK_MISMATCH, "line 2: 2 numbers, the model needs 1"},
    {"#global bias W0\n1\n2\n" W V, RK_MISMATCH,
     "line 3: \"#global bias W0\" has more lines than the model's 1"},
    {"#global bias W0\nnan\n" W V, RK_INVALID, "line 2: word 1 is not a finite decimal number"},
    {"#global bias W0\ninf\n" W V, RK_INVALID, "line 2: word 1 is not a finite decimal number"},
    {"#global bias W0\n1e39\n" W V, RK_INVALID, "line 2: word 1 is not a finite decimal number"},
    {"#global bias W0\n0x10\n" W V, RK_INVALID, "line 2: word 1 is not a finite decimal number"},
    {"#global bias W0\n1,5\n" W V, RK_INVALID, "line 2: word 1 is not a finite decimal number"},
    {"#global bias W0\n-\n" W V, RK_INVALID, "line 2: word 1 is not a finite decimal number"},
    {W0, RK_MISMATCH, "line 3: \"" UNARY "\" should stand here"},
    {W0 "#unary\n1\n", RK_MISMATCH, "line 3: \"" UNARY "\" should stand here"},
    {W0 UNARY "\n1\n2\n" V, RK_MISMATCH, "line 6: \"" UNARY "\" has 2 lines, the model needs 3"},
    {W0 W "4\n" V, RK_MISMATCH, "line 7: \"" UNARY "\" has more lines than the model's 3"},
    {W0 W, RK_MISMATCH, "line 7: \"" PAIRS "\" should stand here"},
    {W0 W PAIRS "\n1 2\n3 4\n", RK_MISMATCH,
     "line 10: \"" PAIRS "\" has 2 lines, the model needs 3"},
    {W0 W PAIRS "\n1 2\n3\n4 5\n", RK_MISMATCH, "line 9: 1 numbers, the model needs 2"},
    {W0 W PAIRS "\n1 2\n3 x\n4 5\n", RK_INVALID, "line 9: word 2 is not a finite decimal number"},
    {W0 W V "5 6\n", RK_MISMATCH, "line 11: \"" PAIRS "\" has more lines than the model's 3"},
    {W0 W V W, RK_MISMATCH, "line 11: nothing should follow the last section"},
};

static void what_is_wrong_is_told_with_its_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct rk_error err = {0};
        float theta[10];
        const enum rk_status status = read_text(FM3, bad[i].text, theta, &err);
        if (status != bad[i].status || strcmp(err.text, bad[i].error) != 0) {
            fail_msg("case %zu: %s: \"%s\", not \"%s\"", i, rk_status_text(status), err.text,
                     bad[i].error);
        }
    }
}

static void only_an_fm_on_columns_takes_it(void **state)
{
    static const char *const configs[] = {
        "{\"kind\":\"fm\",\"features\":{\"bits\":1},\"dim\":2}",
        "{\"kind\":\"deepfm\",\"features\":{\"space\":\"indexed\",\"size\":3,\"fields\":[0,0,1]},"
        "\"dim\":2}"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        float theta[1];
        assert_status(read_text(configs[i], W0 W V, theta, NULL), RK_MISMATCH);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_told_by_its_first_bytes),
        cmocka_unit_test(bias_weights_and_factors_come_to_their_places),
        cmocka_unit_test(weights_that_were_left_out_are_0),
        cmocka_unit_test(what_is_wrong_is_told_with_its_line),
        cmocka_unit_test(only_an_fm_on_columns_takes_it),
    };
    return cmocka_run_group_tests_name("libfm", tests, NULL, NULL);
}
