/*
 * Numbers. A decimal of up to 19 digits whose digits and power of ten are both exact in double is
 * one multiplication or division, rounded once (Clinger 1990); the rest is strtod's.
 */
#include "pull_impl.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX  19 /* so many always fit into 64 bits */
#define EXACT_MAX   (UINT64_C(1) << 53)
#define POWER_MAX   22
#define FEW_DIGITS  15                       /* so many are exact in double */
#define INTEGER_MAX (((int64_t)1 << 53) - 1) /* beyond it a double skips whole numbers */
#define FAR         100000                   /* an exponent that no double has */

static const double power_of_10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* What a number's text says. */
struct decimal {
    uint64_t digits; /* the first DIGITS_MAX from the first that is not 0 */
    int n_digits;    /* of all */
    int exponent;    /* of ten */
    bool negative;
    bool is_real; /* has a fraction or an exponent */
};

static bool is_digit(const struct pull *pull)
{
    return pull->at < pull->end && *pull->at >= '0' && *pull->at <= '9';
}

/* @return how many there were. */
static int take_digits(struct pull *pull, struct decimal *decimal)
{
    const char *start = pull->at;

    for (; is_digit(pull); pull->at++) {
        if (decimal->n_digits > 0 || *pull->at != '0') {
            if (decimal->n_digits < DIGITS_MAX) {
                decimal->digits = decimal->digits * 10 + (uint64_t)(*pull->at - '0');
            }
            decimal->n_digits += decimal->n_digits <= DIGITS_MAX ? 1 : 0;
        }
    }
    return (int)(pull->at - start < FAR ? pull->at - start : FAR);
}

static bool take_exponent(struct pull *pull, struct decimal *decimal)
{
    int exponent = 0;
    bool negative;

    pull->at++;
    negative = pull->at < pull->end && *pull->at == '-';
    pull->at += pull->at < pull->end && (*pull->at == '-' || *pull->at == '+') ? 1 : 0;
    if (!is_digit(pull)) {
        return false;
    }
    for (; is_digit(pull); pull->at++) {
        exponent = exponent < FAR ? exponent * 10 + (*pull->at - '0') : FAR;
    }
    decimal->exponent += negative ? -exponent : exponent;
    decimal->is_real = true;
    return true;
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)? */
static bool take_decimal(struct pull *pull, struct decimal *decimal)
{
    decimal->negative = *pull->at == '-';
    pull->at += decimal->negative ? 1 : 0;
    if (pull->at < pull->end && *pull->at == '0') {
        pull->at++;
        if (is_digit(pull)) {
            return false;
        }
    } else if (take_digits(pull, decimal) == 0) {
        return false;
    }
    if (pull->at < pull->end && *pull->at == '.') {
        int n;
        pull->at++;
        n = take_digits(pull, decimal);
        if (n == 0) {
            return false;
        }
        decimal->exponent = -n;
        decimal->is_real = true;
    }
    return pull->at == pull->end || (*pull->at != 'e' && *pull->at != 'E') ||
           take_exponent(pull, decimal);
}

/* The C locale's: rankd never calls setlocale. The text is terminated in the memory, for once. */
static double slow(const struct pull *pull, const char *start)
{
    char *const text = pull->memory->text + pull->text_used;
    const size_t n = (size_t)(pull->at - start);

    memcpy(text, start, n);
    text[n] = '\0';
    return strtod(text, NULL);
}

static double real(const struct pull *pull, const char *start, const struct decimal *decimal)
{
    const int exponent = decimal->exponent;
    double value;

    if (decimal->n_digits > DIGITS_MAX || decimal->digits > EXACT_MAX || exponent > POWER_MAX ||
        exponent < -POWER_MAX) {
        return slow(pull, start);
    }
    value = (double)decimal->digits;
    value = exponent < 0 ? value / power_of_10[-exponent] : value * power_of_10[exponent];
    return decimal->negative ? -value : value;
}

/* The digits at *at, as a number that has wrapped round if they are too many. */
static uint64_t run_of_digits(const char **at, const char *end, uint64_t digits)
{
    const char *from = *at;

    for (; from < end && (uint8_t)(*from - '0') <= 9; from++) {
        digits = digits * 10 + (uint64_t)(*from - '0');
    }
    *at = from;
    return digits;
}

/*
 * A number of few digits without an exponent, as nearly all are. Returns where it ends; NULL: it is
 * another, or none.
 */
static inline const char *few_digits(const struct pull *pull, double *number)
{
    const char *const start = pull->at + (*pull->at == '-' ? 1 : 0);
    const char *at = start;
    uint64_t all = run_of_digits(&at, pull->end, 0);
    const size_t whole = (size_t)(at - start);
    size_t fraction = 0;
    double value;

    if (whole == 0 || (whole > 1 && *start == '0')) {
        return NULL;
    }
    if (at < pull->end && *at == '.') {
        const char *const point = at++;
        all = run_of_digits(&at, pull->end, all);
        fraction = (size_t)(at - point) - 1;
        if (fraction == 0) {
            return NULL;
        }
    }
    if (whole + fraction > FEW_DIGITS || at == pull->end || *at == 'e' || *at == 'E') {
        return NULL;
    }
    value = fraction > 0 ? (double)all / power_of_10[fraction] : (double)all;
    /* -0 is the whole number 0, -0.0 is not. */
    *number = start > pull->at && (all > 0 || fraction > 0) ? -value : value;
    return at;
}

bool pull_digits(struct pull *pull, struct pull_digits *digits)
{
    const char *start = pull->at;
    struct decimal decimal = {0};

    if (!take_decimal(pull, &decimal)) {
        return pull_broken(pull, "invalid token");
    }
    if (decimal.is_real) {
        *digits = (struct pull_digits){real(pull, start, &decimal), true};
        return isfinite(digits->value) || pull_broken(pull, "real number overflow");
    }
    if (decimal.n_digits > DIGITS_MAX ||
        decimal.digits > (uint64_t)INT64_MAX + (decimal.negative ? 1 : 0)) {
        return pull_broken(pull, decimal.negative ? "too big negative integer" : "too big integer");
    }
    digits->value = (double)decimal.digits;
    digits->value = decimal.negative && decimal.digits > 0 ? -digits->value : digits->value;
    digits->exact = decimal.digits <= INTEGER_MAX;
    return true;
}

static bool any_number(struct pull *pull, double min, double max, double *number)
{
    struct pull_digits digits;

    if (pull_kind(pull) != JSON_NODE_NUMBER) {
        return pull_other(pull, "Must be a number");
    }
    if (!pull_digits(pull, &digits)) {
        return false;
    }
    if (!digits.exact || !(digits.value >= min && digits.value <= max)) {
        return pull_problem(pull, PROBLEM_VALUE_OUT_OF_RANGE,
                            "Must be a number from %.15g to %.15g", min, max);
    }
    *number = digits.value;
    return true;
}

bool pull_number(struct pull *pull, double min, double max, double *number)
{
    double value;

    if (pull_kind(pull) == JSON_NODE_NUMBER) {
        const char *const end = few_digits(pull, &value);
        if (end != NULL && value >= min && value <= max) {
            pull->at = end;
            *number = value;
            return true;
        }
    }
    return any_number(pull, min, max, number);
}

bool pull_integer(struct pull *pull, int64_t min, int64_t max, int64_t *integer)
{
    struct pull_digits digits;
    bool fits;
    int64_t whole;

    if (pull_kind(pull) != JSON_NODE_NUMBER) {
        return pull_other(pull, "Must be a whole number");
    }
    if (!pull_digits(pull, &digits)) {
        return false;
    }
    if (rint(digits.value) != digits.value) {
        return pull_problem(pull, PROBLEM_VALIDATION_FAILED, "Must be a whole number");
    }
    fits = digits.exact && fabs(digits.value) <= (double)INTEGER_MAX;
    whole = fits ? (int64_t)digits.value : 0;
    if (!fits || whole < min || whole > max) {
        return pull_problem(pull, PROBLEM_VALUE_OUT_OF_RANGE,
                            "Must be a whole number from %" PRId64 " to %" PRId64, min, max);
    }
    *integer = whole;
    return true;
}
