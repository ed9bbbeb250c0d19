/*
 * Percent-decoding (RFC 3986, 2.1) of path segments and query parameters. What comes out goes into
 * JSON and the store, so it is UTF-8 without a zero byte, or it is refused. And numbers in them.
 */
#include "api_impl.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 16

static int hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool api_decode(const char *text, size_t n, bool plus_is_space, char *to, size_t size,
                size_t *length)
{
    size_t used = 0;

    to[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (used + 1 >= size) {
            return false;
        }
        if (c == '+' && plus_is_space) {
            c = ' ';
        } else if (c == '%') {
            const int high = i + 2 < n ? hex(text[i + 1]) : -1;
            const int low = i + 2 < n ? hex(text[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0)) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        to[used++] = c;
        to[used] = '\0';
    }
    *length = used;
    return utf8_valid(to, used);
}

bool api_query(const struct api_call *call, const char *name, char *value, size_t n)
{
    const char *at = call->query;
    const size_t name_n = strlen(name);

    while (at != NULL && *at != '\0') {
        const size_t part = strcspn(at, "&");
        if (part >= name_n && strncmp(at, name, name_n) == 0 &&
            (part == name_n || at[name_n] == '=')) {
            const size_t start = part == name_n ? name_n : name_n + 1;
            size_t length;
            /* The query as a whole was decoded before: this can only fail for room, and cuts. */
            (void)api_decode(at + start, part - start, true, value, n, &length);
            return true;
        }
        at += part + (at[part] == '&');
    }
    return false;
}

bool api_query_flag(const struct api_call *call, const char *name)
{
    char value[8];

    return api_query(call, name, value, sizeof value) &&
           (strcmp(value, "1") == 0 || strcmp(value, "true") == 0);
}

bool api_whole(const char *text, int64_t *number)
{
    const size_t digits = strspn(text, "0123456789");

    if (digits < 1 || digits > DIGITS_MAX || text[digits] != '\0') {
        return false;
    }
    *number = strtoll(text, NULL, 10);
    return true;
}
