/*
 * A bounded writer of JSON and plain text: answers and stored payloads. It grows up to its limit;
 * past it, or out of memory, it remembers that it failed and writes no more, so that callers check
 * once at the end.
 */
#ifndef RANKD_SERVER_EMIT_H
#define RANKD_SERVER_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct emit {
    char *text; /* owned; always terminated once something was written */
    size_t length;
    size_t capacity;
    size_t limit; /* bytes; 0 = EMIT_LIMIT_DEFAULT */
    bool failed;
    bool comma; /* the next value or key needs one before it */
};

#define EMIT_LIMIT_DEFAULT ((size_t)64 << 20)

/** Empties the text and keeps its memory. */
void emit_reset(struct emit *emit);

/** Frees the text; a zeroed emit is accepted. */
void emit_deinit(struct emit *emit);

/**
 * Makes room for n more bytes, so that writing them cannot fail. @return false: there is none, and
 * the emit failed.
 */
bool emit_reserve(struct emit *emit, size_t n);

/** Hands the text over to the caller (free it), emptying the emit. NULL if it failed. */
char *emit_take(struct emit *emit, size_t *length);

/** Structure; commas and colons come by themselves. */
void emit_open(struct emit *emit, char bracket);  /* '{' or '[' */
void emit_close(struct emit *emit, char bracket); /* '}' or ']' */
void emit_key(struct emit *emit, const char *key);

/** Values. */
void emit_string(struct emit *emit, const char *text); /* escaped; terminated UTF-8; NULL: null */
void emit_bytes(struct emit *emit, const char *text, size_t n); /* escaped; n bytes of UTF-8 */
void emit_integer(struct emit *emit, int64_t value);
void emit_float(struct emit *emit,
                float value); /* fewest digits that read back exactly; not finite: null */
void emit_double(struct emit *emit, double value);        /* likewise */
void emit_mean(struct emit *emit, double sum, int64_t n); /* sum / n; null where n is 0 */
void emit_boolean(struct emit *emit, bool value);
void emit_null(struct emit *emit);
void emit_hex(struct emit *emit, const uint8_t *bytes,
              size_t n);                            /* a string of lower-case hexadecimal digits */
void emit_time(struct emit *emit, int64_t unix_ms); /* "2026-11-24T10:00:00.123Z" */
void emit_json(struct emit *emit, const char *json, size_t n); /* a value that is JSON already */

/** Text as it is. The next value gets no comma: after a newline a new NDJSON line begins. */
void emit_raw(struct emit *emit, const char *text, size_t n);
#define emit_literal(emit, text) emit_raw((emit), (text), sizeof(text) - 1)
void emit_format(struct emit *emit, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
