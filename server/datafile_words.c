/*
 * Words of the text formats. strtod reads in the "C" locale, since rankd never calls setlocale; in
 * another one a number with a point would be refused, not misread.
 */
#include "datafile_impl.h"

#include <stdlib.h>
#include <string.h>

#define EXACT_DIGITS 15 /* a whole number of so many is a double, exactly */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static bool is_end(char c)
{
    return c == '\0' || is_blank(c);
}

void datafile_skip_blanks(const char **at)
{
    while (is_blank(**at)) {
        ++*at;
    }
}

/*
 * A short decimal without an exponent: digits and a power of ten that are both exact, so that one
 * division rounds as strtod does (Clinger, "How to read floating point numbers accurately", 1990).
 */
static bool take_short_number(const char **at, double *number)
{
    static const double power[EXACT_DIGITS + 1] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                   1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    const char *c = *at;
    const bool is_negative = *c == '-';
    uint64_t digits = 0;
    size_t n = 0, after_point = 0;

    c += is_negative || *c == '+' ? 1 : 0;
    for (; *c >= '0' && *c <= '9' && n <= EXACT_DIGITS; c++, n++) {
        digits = digits * 10 + (uint64_t)(*c - '0');
    }
    if (*c == '.') {
        for (c++; *c >= '0' && *c <= '9' && n <= EXACT_DIGITS; c++, n++, after_point++) {
            digits = digits * 10 + (uint64_t)(*c - '0');
        }
    }
    if (n == 0 || n > EXACT_DIGITS || !is_end(*c)) {
        return false;
    }
    *number = after_point > 0 ? (double)digits / power[after_point] : (double)digits;
    *number = is_negative ? -*number : *number;
    *at = c;
    return true;
}

bool datafile_take_number(const char **at, double *number)
{
    size_t length;
    char *end;

    if (take_short_number(at, number)) {
        return true;
    }
    length = strspn(*at, "+-.0123456789eE");
    *number = strtod(*at, &end);
    if (length == 0 || end != *at + length || !is_end(*end)) {
        return false;
    }
    *at = end;
    return true;
}

size_t datafile_take_digits(const char **at, size_t most, char stop, uint64_t *number)
{
    const char *digit = *at;
    size_t n;

    *number = 0;
    for (; *digit >= '0' && *digit <= '9' && digit < *at + most; digit++) {
        *number = *number * 10 + (uint64_t)(*digit - '0');
    }
    n = (size_t)(digit - *at);
    if ((n > 1 && **at == '0') || !(*digit == stop || (stop == '\0' && is_end(*digit)))) {
        return 0;
    }
    *at = digit;
    return n;
}
