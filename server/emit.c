/*
 * The bounded writer. Every byte goes through emit_reserve(), which is the only place where memory grows
 * or the limit is met. printf and strtof are used in the "C" locale: rankd never calls setlocale.
 */
#include "emit.h"

#include <endian.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CAPACITY_MIN ((size_t)256)
#define NUMBER_MAX   ((size_t)32) /* bytes of the longest number, terminated */
#define ESCAPED_MAX  ((size_t)6)  /* bytes of an escaped one */
#define MINUS_ZERO   "-0.0"       /* many readers take "-0" for an integer and lose the sign */

/* Room for n bytes and the terminator; false, and failed, when there is none. */
bool emit_reserve(struct emit *emit, size_t n)
{
    size_t limit = emit->limit != 0 ? emit->limit : EMIT_LIMIT_DEFAULT;
    if (emit->failed || n > limit || emit->length > limit - n) {
        emit->failed = true;
        return false;
    }
    size_t needed = emit->length + n + 1;
    if (needed <= emit->capacity) {
        return true;
    }
    size_t capacity = emit->capacity < CAPACITY_MIN ? CAPACITY_MIN : emit->capacity;
    while (capacity < needed) {
        capacity *= 2;
    }
    capacity = capacity > limit + 1 ? limit + 1 : capacity;
    char *text = realloc(emit->text, capacity);
    if (text == NULL) {
        emit->failed = true;
        return false;
    }
    emit->text = text;
    emit->capacity = capacity;
    return true;
}

/* The end of the text, with room for n bytes more behind it; or NULL. */
static inline char *room(struct emit *emit, size_t n)
{
    return (!emit->failed && n < emit->capacity - emit->length) || emit_reserve(emit, n)
               ? emit->text + emit->length
               : NULL;
}

/* The text ends here now. */
static inline void end_at(struct emit *emit, char *end)
{
    *end = '\0';
    emit->length = (size_t)(end - emit->text);
}

static inline char *copied(char *to, const char *text, size_t n)
{
    if (n > 0) {
        memcpy(to, text, n);
    }
    return to + n;
}

static void put(struct emit *emit, const char *text, size_t n)
{
    char *to = room(emit, n);

    if (to != NULL) {
        end_at(emit, copied(to, text, n));
    }
}

/* Where a value goes, behind the comma that it needs, with room for n bytes; or NULL. */
static inline char *value_room(struct emit *emit, size_t n)
{
    char *to = room(emit, n + (emit->comma ? 1 : 0));

    if (to != NULL && emit->comma) {
        *to++ = ',';
    }
    emit->comma = true;
    return to;
}

static void put_value(struct emit *emit, const char *text, size_t n)
{
    char *to = value_room(emit, n);

    if (to != NULL) {
        end_at(emit, copied(to, text, n));
    }
}

void emit_reset(struct emit *emit)
{
    emit->length = 0;
    emit->failed = false;
    emit->comma = false;
    if (emit->text != NULL) {
        emit->text[0] = '\0';
    }
}

void emit_deinit(struct emit *emit)
{
    free(emit->text);
    *emit = (struct emit){.limit = emit->limit};
}

char *emit_take(struct emit *emit, size_t *length)
{
    put(emit, "", 0); /* an empty text is a text */
    if (emit->failed) {
        emit_deinit(emit);
        return NULL;
    }
    char *text = emit->text;
    if (length != NULL) {
        *length = emit->length;
    }
    *emit = (struct emit){.limit = emit->limit};
    return text;
}

void emit_open(struct emit *emit, char bracket)
{
    put_value(emit, &bracket, 1);
    emit->comma = false;
}

void emit_close(struct emit *emit, char bracket)
{
    put(emit, &bracket, 1);
    emit->comma = true;
}

/* RFC 8259, 7: what must be escaped, by its short form where there is one. */
static size_t escape(char *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char to[] = "\"\\bfnrt";
    const char *found = c != '\0' ? strchr(from, c) : NULL;
    out[0] = '\\';
    if (found != NULL) {
        out[1] = to[found - from];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = hex[c >> 4];
    out[5] = hex[c & 15];
    return 6;
}

/* The first byte that must be escaped, or the end: eight at a time. */
static const char *plain_end(const char *at, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);

    for (; end - at >= 8; at += 8) {
        uint64_t x, quote, backslash, special;
        memcpy(&x, at, sizeof x);
        x = le64toh(x);
        quote = x ^ ones * '"';
        backslash = x ^ ones * '\\';
        special = ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) |
                  ((x - ones * 0x20) & ~x);
        if ((special & ones * 0x80) != 0) {
            return at + __builtin_ctzll(special & ones * 0x80) / 8;
        }
    }
    while (at < end && (unsigned char)*at >= 0x20 && *at != '"' && *at != '\\') {
        at++;
    }
    return at;
}

/* A string in quotes, with `after` behind it. */
static void put_string(struct emit *emit, const char *text, size_t n, const char *after)
{
    const char *const end = text + n;
    const size_t after_n = strlen(after);
    char *to = value_room(emit, n + 2 + after_n);

    if (to == NULL) {
        return;
    }
    *to++ = '"';
    for (const char *plain = plain_end(text, end); text < end; plain = plain_end(text, end)) {
        to = copied(to, text, (size_t)(plain - text));
        text = plain;
        if (text < end) {
            end_at(emit, to);
            to = room(emit, (size_t)(end - text) + ESCAPED_MAX + 1 + after_n);
            if (to == NULL) {
                return;
            }
            to += escape(to, (unsigned char)*text++);
        }
    }
    *to++ = '"';
    end_at(emit, copied(to, after, after_n));
}

void emit_key(struct emit *emit, const char *key)
{
    put_string(emit, key, strlen(key), ":");
    emit->comma = false;
}

void emit_string(struct emit *emit, const char *text)
{
    if (text == NULL) {
        emit_null(emit);
        return;
    }
    emit_bytes(emit, text, strlen(text));
}

void emit_bytes(struct emit *emit, const char *text, size_t n)
{
    put_string(emit, text, n, "");
}

/* Writes value so that it ends before end, at least `width` digits; returns its start. */
static char *digits(char *end, uint64_t value, int width)
{
    for (; value > 0 || width > 0; value /= 10, width--) {
        *--end = (char)('0' + value % 10);
    }
    return end;
}

void emit_integer(struct emit *emit, int64_t value)
{
    char text[NUMBER_MAX];
    char *end = text + sizeof text;
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    char *start = digits(end, magnitude, 1);
    if (value < 0) {
        *--start = '-';
    }
    put_value(emit, start, (size_t)(end - start));
}

/* numerator / 10^decimals without the zeros at its end. */
static size_t fixed_text(char *text, bool negative, uint64_t numerator, int decimals)
{
    uint64_t scale = 1;
    for (int i = 0; i < decimals; i++) {
        scale *= 10;
    }
    char *end = text + NUMBER_MAX;
    char *start = end;
    if (numerator % scale != 0) {
        start = digits(end, numerator % scale, decimals);
        while (end[-1] == '0') {
            end--;
        }
        *--start = '.';
    }
    start = digits(start, numerator / scale, 1);
    if (negative) {
        *--start = '-';
    }
    memmove(text, start, (size_t)(end - start));
    return (size_t)(end - start);
}

/*
 * The fewest of 6 to 9 digits for a magnitude in [1e-4, 1e6), where a list's scores lie, without
 * printf: 20 times as fast. Both numerator and power of ten are exact in double, so that the
 * quotient is the decimal rounded once to 53 bits; it rounds on to the same float as the decimal
 * itself does unless it lies just halfway between two floats, which is left to strtof. Returns 0
 * when it has no answer.
 */
static size_t float_text_fixed(char *text, float value)
{
    static const double powers[] = {1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1,  1e2,  1e3, 1e4,
                                    1e5,  1e6,  1e7,  1e8,  1e9, 1e10, 1e11, 1e12};
    const double *power = powers + 4; /* power[k] = 10^k */
    const double to_whole = 0x1p52;   /* what is added to it is rounded to a whole number */
    const uint64_t halfway = UINT64_C(1) << 28;
    double x = fabs((double)value);
    if (!(x >= power[-4] && x < power[6])) {
        return 0;
    }
    int exponent = -4;
    while (x >= power[exponent + 1]) {
        exponent++;
    }
    for (int decimals = 5 - exponent; decimals <= 8 - exponent; decimals++) {
        double numerator = x * power[decimals] + to_whole - to_whole;
        double decimal = numerator / power[decimals];
        uint64_t bits;
        memcpy(&bits, &decimal, sizeof bits);
        if ((bits & (2 * halfway - 1)) != halfway && (double)(float)decimal == x) {
            return fixed_text(text, value < 0, (uint64_t)numerator, decimals);
        }
    }
    return 0;
}

static size_t float_text_printf(char *text, float value)
{
    int n = 0;
    for (int precision = 6; precision <= 9; precision++) {
        n = snprintf(text, NUMBER_MAX, "%.*g", precision, (double)value);
        if (strtof(text, NULL) == value) {
            break;
        }
    }
    return (size_t)n;
}

void emit_float(struct emit *emit, float value)
{
    char text[NUMBER_MAX];
    if (!isfinite(value)) {
        emit_null(emit);
    } else if (value == 0) {
        put_value(emit, signbit(value) ? MINUS_ZERO : "0", signbit(value) ? strlen(MINUS_ZERO) : 1);
    } else {
        size_t n = float_text_fixed(text, value);
        n = n > 0 ? n : float_text_printf(text, value);
        put_value(emit, text, n);
    }
}

void emit_double(struct emit *emit, double value)
{
    char text[NUMBER_MAX];
    int n = 0;
    if (!isfinite(value)) {
        emit_null(emit);
        return;
    }
    for (int precision = 15; precision <= 17; precision++) {
        n = snprintf(text, sizeof text, "%.*g", precision, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    bool minus_zero = value == 0 && signbit(value);
    put_value(emit, minus_zero ? MINUS_ZERO : text, minus_zero ? strlen(MINUS_ZERO) : (size_t)n);
}

void emit_mean(struct emit *emit, double sum, int64_t n)
{
    if (n > 0) {
        emit_double(emit, sum / (double)n);
    } else {
        emit_null(emit);
    }
}

void emit_boolean(struct emit *emit, bool value)
{
    put_value(emit, value ? "true" : "false", value ? 4 : 5);
}

void emit_hex(struct emit *emit, const uint8_t *bytes, size_t n)
{
    static const char hex[] = "0123456789abcdef";

    put_value(emit, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        const char pair[2] = {hex[bytes[i] >> 4], hex[bytes[i] & 15]};
        put(emit, pair, 2);
    }
    put(emit, "\"", 1);
}

void emit_null(struct emit *emit)
{
    put_value(emit, "null", 4);
}

void emit_time(struct emit *emit, int64_t unix_ms)
{
    int64_t ms = unix_ms % 1000;
    int64_t before = ms < 0 ? 1 : 0; /* C rounds towards 0, a clock towards the past */
    time_t seconds = (time_t)(unix_ms / 1000 - before);
    struct tm utc;
    char text[80];
    if (gmtime_r(&seconds, &utc) == NULL || utc.tm_year < -1900 || utc.tm_year > 9999 - 1900) {
        emit_null(emit); /* RFC 3339 has no such year */
        return;
    }
    int n = snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     (int)(ms + 1000 * before));
    emit_bytes(emit, text, (size_t)n);
}

void emit_json(struct emit *emit, const char *json, size_t n)
{
    put_value(emit, json, n);
}

void emit_raw(struct emit *emit, const char *text, size_t n)
{
    put(emit, text, n);
    emit->comma = false;
}

void emit_format(struct emit *emit, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) {
        emit->failed = true;
    } else if (emit_reserve(emit, (size_t)n)) {
        va_start(args, format);
        (void)vsnprintf(emit->text + emit->length, (size_t)n + 1, format, args);
        va_end(args);
        emit->length += (size_t)n;
    }
    emit->comma = false;
}
