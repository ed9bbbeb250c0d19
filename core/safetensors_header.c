/*
 * The header's JSON, strictly: objects, arrays, strings and whole numbers, nothing else occurs in a
 * valid header. There is no recursion, for the caller asks for each token by kind. Sources: RFC
 * 8259 (JSON), RFC 3629 (UTF-8).
 */
#include "safetensors_impl.h"

#include <string.h>

void rk_st_fail(struct rk_st_cursor *cursor, enum rk_status status, const char *what)
{
    if (cursor->status != RK_OK) {
        return;
    }
    const size_t place = (size_t)(cursor->at - cursor->start);
    if (cursor->tensor == NULL) {
        cursor->status = rk_fail(cursor->err, status, "header byte %zu: %s", place, what);
    } else {
        cursor->status = rk_fail(cursor->err, status, "tensor \"%s\": %s at header byte %zu",
                                 rk_st_label(cursor->tensor).text, what, place);
    }
}

static void skip_space(struct rk_st_cursor *cursor)
{
    while (cursor->at < cursor->end && memchr(" \t\n\r", *cursor->at, 4) != NULL) {
        cursor->at++;
    }
}

bool rk_st_take(struct rk_st_cursor *cursor, char wanted)
{
    if (cursor->status != RK_OK) {
        return false;
    }
    skip_space(cursor);
    if (cursor->at == cursor->end || *cursor->at != (unsigned char)wanted) {
        return false;
    }
    cursor->at++;
    return true;
}

void rk_st_expect(struct rk_st_cursor *cursor, char wanted)
{
    if (!rk_st_take(cursor, wanted)) {
        char what[] = "expected '?'";
        *strchr(what, '?') = wanted;
        rk_st_fail(cursor, RK_CORRUPT, what);
    }
}

void rk_st_expect_end(struct rk_st_cursor *cursor)
{
    skip_space(cursor);
    if (cursor->at != cursor->end) {
        rk_st_fail(cursor, RK_CORRUPT, "something follows the header's last brace");
    }
}

size_t rk_utf8_length(const unsigned char *bytes, size_t n)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* less is overlong */
    if (n == 0) {
        return 0;
    }
    const unsigned char lead = bytes[0];
    if (lead < 0x80) {
        return 1;
    }
    const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc0 || lead >= 0xf8 || length > n) {
        return 0;
    }
    uint32_t code = lead & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (bytes[i] & 0x3fu);
    }
    const bool surrogate = code >= 0xd800 && code < 0xe000;
    return code >= least[length] && code <= 0x10ffff && !surrogate ? length : 0;
}

static size_t utf8_encode(uint32_t code, char *to)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    const size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        to[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    to[0] = (char)((0xf00u >> length & 0xf0u) | code); /* as many ones as bytes lead */
    return length;
}

/* Takes \uXXXX, of which backslash and u were seen. */
static uint32_t take_unit(struct rk_st_cursor *cursor)
{
    static const char digits[] = "0123456789abcdef";
    uint32_t unit = 0;
    if (cursor->end - cursor->at < 6) {
        rk_st_fail(cursor, RK_CORRUPT, "a string without an end");
        return 0;
    }
    for (size_t i = 2; i < 6; i++) {
        const unsigned char c = cursor->at[i];
        const int lower = c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c;
        const char *digit = memchr(digits, lower, 16);
        if (digit == NULL) {
            rk_st_fail(cursor, RK_CORRUPT, "expected four hexadecimal digits");
            return 0;
        }
        unit = unit << 4 | (uint32_t)(digit - digits);
    }
    cursor->at += 6;
    return unit;
}

static uint32_t take_unicode(struct rk_st_cursor *cursor)
{
    const uint32_t unit = take_unit(cursor);
    if (unit < 0xd800 || unit >= 0xe000) {
        if (unit == 0) { /* names and values are C strings */
            rk_st_fail(cursor, RK_CORRUPT, "a string holds a NUL");
        }
        return unit;
    }
    const bool pair = unit < 0xdc00 && cursor->end - cursor->at >= 2 && cursor->at[0] == '\\' &&
                      cursor->at[1] == 'u';
    const uint32_t low = pair ? take_unit(cursor) : 0;
    if (low < 0xdc00 || low >= 0xe000) {
        rk_st_fail(cursor, RK_CORRUPT, "a surrogate without its other half");
        return 0;
    }
    return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

/* Decodes an escape to cursor->text; the backslash is at the cursor. */
static void take_escape(struct rk_st_cursor *cursor)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    if (cursor->end - cursor->at < 2) {
        rk_st_fail(cursor, RK_CORRUPT, "a string without an end");
    } else if (cursor->at[1] == 'u') {
        const uint32_t code = take_unicode(cursor);
        cursor->text += cursor->status == RK_OK ? utf8_encode(code, cursor->text) : 0;
    } else {
        const char *letter = memchr(letters, cursor->at[1], sizeof letters - 1);
        if (letter == NULL) {
            rk_st_fail(cursor, RK_CORRUPT, "an unknown escape");
            return;
        }
        *cursor->text++ = meanings[letter - letters];
        cursor->at += 2;
    }
}

/* Copies one unescaped character to cursor->text. */
static void take_character(struct rk_st_cursor *cursor)
{
    const size_t length = rk_utf8_length(cursor->at, (size_t)(cursor->end - cursor->at));
    if (length == 0) {
        rk_st_fail(cursor, RK_CORRUPT, "invalid UTF-8");
    } else if (*cursor->at < 0x20) {
        rk_st_fail(cursor, RK_CORRUPT, "a control character in a string");
    } else {
        memcpy(cursor->text, cursor->at, length);
        cursor->text += length;
        cursor->at += length;
    }
}

const char *rk_st_string(struct rk_st_cursor *cursor)
{
    if (!rk_st_take(cursor, '"')) {
        rk_st_fail(cursor, RK_CORRUPT, "expected a string");
        return "";
    }
    const char *string = cursor->text;
    while (cursor->status == RK_OK) {
        if (cursor->at == cursor->end) {
            rk_st_fail(cursor, RK_CORRUPT, "a string without an end");
        } else if (*cursor->at == '"') {
            cursor->at++;
            *cursor->text++ = '\0';
            return string;
        } else if (*cursor->at == '\\') {
            take_escape(cursor);
        } else {
            take_character(cursor);
        }
    }
    return "";
}

static bool is_digit(const struct rk_st_cursor *cursor)
{
    return cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9';
}

static bool is_one_of(const struct rk_st_cursor *cursor, const char *set)
{
    return cursor->at < cursor->end && memchr(set, *cursor->at, strlen(set)) != NULL;
}

size_t rk_st_number(struct rk_st_cursor *cursor)
{
    skip_space(cursor);
    if (is_one_of(cursor, "-")) {
        rk_st_fail(cursor, RK_CORRUPT, "a negative number");
    } else if (!is_digit(cursor)) {
        rk_st_fail(cursor, RK_CORRUPT, "expected a whole number");
    }
    const unsigned char *first = cursor->at;
    size_t value = 0;
    while (cursor->status == RK_OK && is_digit(cursor)) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (size_t)(*cursor->at - '0'), &value)) {
            rk_st_fail(cursor, RK_CORRUPT, "a number too large");
        }
        cursor->at++;
    }
    if (is_one_of(cursor, ".eE")) {
        rk_st_fail(cursor, RK_CORRUPT, "a number that is not written as a whole one");
    } else if (cursor->at - first > 1 && *first == '0') {
        rk_st_fail(cursor, RK_CORRUPT, "a number with a leading zero");
    }
    return cursor->status == RK_OK ? value : 0;
}

struct rk_st_label rk_st_label(const char *name)
{
    struct rk_st_label label = {""};
    const unsigned char *at = (const unsigned char *)name;
    size_t left = strlen(name);
    const size_t room = sizeof label.text - 1;
    const size_t limit = left <= room ? room : room - 3; /* the rest is for the dots */
    size_t used = 0;
    while (left > 0) {
        const size_t valid = rk_utf8_length(at, left);
        const size_t length = valid == 0 ? 1 : valid;
        if (used + length > limit) {
            memcpy(label.text + used, "...", 3);
            break;
        }
        const bool control = at[0] < 0x20 || at[0] == 0x7f || (at[0] == 0xc2 && at[1] < 0xa0);
        const bool hidden = valid == 0 || control;
        memcpy(label.text + used, hidden ? "?" : (const char *)at, hidden ? 1 : length);
        used += hidden ? 1 : length;
        at += length;
        left -= length;
    }
    return label;
}
