/*
 * Words of the text formats. strtod reads in the "C" locale, since rankd never calls setlocale; in
 * another one a number with a point would be refused, not misread.
 */
#include "datafile_impl.h"

#include <stdlib.h>
#include <string.h>

static const char blanks[] = " \t\r\v\f";

void datafile_skip_blanks(const char **at)
{
    *at += strspn(*at, blanks);
}

static bool is_end(char c)
{
    return strchr(blanks, c) != NULL; /* '\0' too */
}

bool datafile_take_number(const char **at, double *number)
{
    const size_t length = strspn(*at, "+-.0123456789eE");
    char *end;

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
