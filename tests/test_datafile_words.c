/*
 * Numbers of the text formats against strtod.
 */
#include "datafile_impl.h"
#include "test.h"

#include <rankd/random.h>

#define TRIALS 200000

static void assert_number(const char *text)
{
    const char *at = text;
    double number = 0, expected = strtod(text, NULL);

    if (!datafile_take_number(&at, &number) || *at != '\0' ||
        memcmp(&number, &expected, sizeof number) != 0) {
        fail_msg("\"%s\" is read as %.17g, strtod reads %.17g", text, number, expected);
    }
}

/* A sign or none, up to 20 digits with a point anywhere or none, an exponent sometimes. */
static void draw(struct rk_random *random, char *text)
{
    static const char *const signs[] = {"", "-", "+"};
    const uint32_t n = 1 + rk_random_below(random, 20), point = rk_random_below(random, 24);
    char *at = text;

    at += sprintf(at, "%s", signs[rk_random_below(random, 3)]);
    for (uint32_t i = 0; i < n; i++) {
        if (i == point) {
            *at++ = '.';
        }
        *at++ = (char)('0' + rk_random_below(random, 10));
    }
    if (rk_random_below(random, 10) == 0) {
        at += sprintf(at, "e%d", (int)rk_random_below(random, 40) - 20);
    }
    *at = '\0';
}

static void numbers_are_read_as_strtod_reads_them(void **state)
{
    (void)state;
    static const char *const texts[] = {"0",
                                        "-0",
                                        "+0.0",
                                        ".5",
                                        "5.",
                                        "-.25",
                                        "1e3",
                                        "1E-3",
                                        "0.1",
                                        "999999999999999",
                                        "9999999999999999",
                                        "0.000000000000001",
                                        "1e400"};
    struct rk_random random = {23};
    char text[64];

    print_message("seed 23\n");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_number(texts[i]);
    }
    for (size_t i = 0; i < TRIALS; i++) {
        draw(&random, text);
        assert_number(text);
    }
}

static void what_is_no_decimal_number_is_left_where_it_is(void **state)
{
    (void)state;
    static const char *const texts[] = {"",    ".",   "-",   "+-1", "1.2.3", "1e", "0x10", "nan",
                                        "inf", "1:2", "1,5", "--1", "1-2",   "e5", "1 ex", "12a"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *at = texts[i];
        double number;
        assert_int_equal(datafile_take_number(&at, &number), strcmp(texts[i], "1 ex") == 0);
        assert_true(at == texts[i] || *at == ' ');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_as_strtod_reads_them),
        cmocka_unit_test(what_is_no_decimal_number_is_left_where_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
