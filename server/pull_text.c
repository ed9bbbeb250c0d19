/*
 * Strings: eight bytes at a time as long as nothing in them is special.
 */
#include "pull_impl.h"
#include "utf8.h"

#include <string.h>

/* Four hexadecimal digits at *at, or -1. */
static int32_t hex4(const char *at, const char *end)
{
    int32_t value = 0;

    if (end - at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        const char c = at[i];
        const int32_t digit = c >= '0' && c <= '9'   ? c - '0'
                              : c >= 'a' && c <= 'f' ? c - 'a' + 10
                              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                     : -1;
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

static char *put_utf8(char *to, int32_t c)
{
    static const uint8_t first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    const int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    for (int i = n - 1; i > 0; i--, c >>= 6) {
        to[i] = (char)(0x80 | (c & 0x3f));
    }
    to[0] = (char)(n > 1 ? first[n] | c : c);
    return to + n;
}

/* "\uXXXX", two of them for what is past U+FFFF. pull->at is at the first digit. */
static char *unescape_unicode(struct pull *pull, char *to)
{
    int32_t c = hex4(pull->at, pull->end);

    if (c <= 0 || (c >= 0xdc00 && c < 0xe000)) {
        (void)pull_broken(pull, "invalid Unicode escape");
        return NULL;
    }
    pull->at += 4;
    if (c >= 0xd800 && c < 0xdc00) {
        const char *at = pull->at;
        const int32_t low =
            pull->end - at >= 6 && at[0] == '\\' && at[1] == 'u' ? hex4(at + 2, pull->end) : -1;
        if (low < 0xdc00 || low >= 0xe000) {
            (void)pull_broken(pull, "invalid Unicode escape");
            return NULL;
        }
        pull->at += 6;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    return put_utf8(to, c);
}

/* pull->at is after the backslash. */
static char *unescape(struct pull *pull, char *to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    const char c = pull->at < pull->end ? *pull->at : '\0';
    const char *found = c != '\0' ? strchr(from, c) : NULL;

    if (c == 'u') {
        pull->at++;
        return unescape_unicode(pull, to);
    }
    if (found == NULL) {
        (void)pull_broken(pull, "invalid escape");
        return NULL;
    }
    pull->at++;
    *to = into[found - from];
    return to + 1;
}

/* A byte that is neither plain nor a quote, and what belongs to it. NULL: broken. */
static char *special(struct pull *pull, char *to)
{
    const unsigned char c = (unsigned char)*pull->at;
    const size_t n =
        c >= 0x80 ? utf8_length((const unsigned char *)pull->at, (size_t)(pull->end - pull->at))
                  : 0;

    if (c == '\\') {
        pull->at++;
        return unescape(pull, to);
    }
    if (n == 0) {
        (void)pull_broken(pull, c < 0x20 ? "control character" : "unable to decode byte as UTF-8");
        return NULL;
    }
    memcpy(to, pull->at, n);
    pull->at += n;
    return to + n;
}

/* One that is not plain: into the memory, terminated. */
static bool copy(struct pull *pull, const char *start, struct span *span)
{
    char *const text = pull->memory->text + pull->text_used;
    char *to = text;

    for (const char *from = start;; from = pull->at) {
        pull->at = pull_plain_end(from, pull->end);
        memcpy(to, from, (size_t)(pull->at - from));
        to += pull->at - from;
        if (pull->at == pull->end) {
            return pull_broken(pull, "unexpected end of a string");
        }
        if (*pull->at == '"') {
            break;
        }
        to = special(pull, to);
        if (to == NULL) {
            return false;
        }
    }
    pull->at++;
    *to = '\0';
    pull->text_used += (size_t)(to - text) + 1;
    *span = (struct span){text, (size_t)(to - text)};
    return true;
}

bool pull_quoted(struct pull *pull, struct span *span)
{
    const char *start = pull->at;
    const char *at = pull_plain_end(start, pull->end);

    if (at == pull->end || *at != '"') {
        return copy(pull, start, span);
    }
    *span = (struct span){start, (size_t)(at - start)};
    pull->at = at + 1;
    return true;
}

bool pull_any_span(struct pull *pull, size_t min, size_t max, struct span *span)
{
    if (pull_kind(pull) != JSON_NODE_STRING) {
        return pull_other(pull, "Must be a string");
    }
    pull->at++;
    if (!pull_quoted(pull, span)) {
        return false;
    }
    if (span->n > max) {
        return pull_problem(pull, PROBLEM_LIMIT_EXCEEDED, "Must have at most %zu bytes, not %zu",
                            max, span->n);
    }
    return span->n >= min ||
           pull_problem(pull, PROBLEM_VALIDATION_FAILED, "Must have at least %zu byte%s", min,
                        min == 1 ? "" : "s");
}

bool pull_string(struct pull *pull, size_t min, size_t max, const char **text, size_t *n)
{
    char *const kept = pull->memory->text + pull->text_used;
    struct span span;

    if (!pull_span(pull, min, max, &span)) {
        return false;
    }
    if (span.at != kept) {
        memcpy(kept, span.at, span.n);
        kept[span.n] = '\0';
        pull->text_used += span.n + 1;
    }
    *text = kept;
    *n = span.n;
    return true;
}
