/*
 * A pull reader: JSON taken value by value straight out of the text, in one pass, without a tree.
 *
 * Whoever reads asks for what should come next, and the first thing that is not there, breaks a rule
 * or is no JSON is the problem; from then on every question is answered with false. So a reader is
 *
 *     if (!pull_object(pull)) return false;
 *     while (pull_member(pull, &key)) {
 *         if (!(span_is(key, "id") ? pull_string(pull, 1, 128, &id, &n) : pull_skip(pull)))
 *             return false;
 *     }
 *     return pull_good(pull);
 *
 * What is accepted, and as which value, is exactly what json.h accepts (fuzz_pull compares the two):
 * depth, duplicate keys, UTF-8, escapes, numbers. Problems have the JSON pointer of the value that
 * was to be read, and broken texts their line, column and byte.
 *
 * Threads: each its own reader and memory. Nothing is allocated once the memory has grown to the
 * largest text. Cost: about a nanosecond a byte: the ways that nearly all values take are inline.
 */
#ifndef RANKD_SERVER_PULL_H
#define RANKD_SERVER_PULL_H

#include "json.h"
#include "problem.h"

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes of a text, without an end of their own. */
struct span {
    const char *at;
    size_t n;
};

#define PULL_NOT_KNOWN SIZE_MAX /* the key has escapes, or is at the text's very end */

/* A key of an object. */
struct pull_key {
    struct span span;
    size_t first; /* the number of its object's first key; PULL_NOT_KNOWN */
};

/*
 * What readers use again for every text: its strings, and the keys of the objects it is in. Keys of
 * an object that was left stay where they were until others take their place: an object like the
 * one before it, as items are, then has its keys there already, known to differ.
 */
struct pull_memory {
    char *text; /* (text_room) */
    size_t text_room;
    struct pull_key *key; /* (key_room) */
    size_t key_room;
    size_t n_known; /* keys as they were stored, each unlike those before it of its object */
};

/* An object or array that the reader is in. */
struct pull_level {
    bool is_object;
    size_t count;     /* members or elements begun */
    struct span key;  /* of the member begun last */
    size_t first_key; /* in the memory: those of this object, `count` of them */
};

struct pull {
    const char *begin, *at, *end;
    struct pull_memory *memory;
    size_t text_used;
    struct problem *problem;
    size_t record; /* the text's number among the lines it is one of; SIZE_MAX: it is alone */
    size_t line;   /* of its first line, from 1 */
    size_t depth;
    size_t n_keys; /* in the memory, of all objects that the reader is in */
    struct pull_level level[JSON_DEPTH_MAX];
};

/** Frees what a memory owns; a zeroed one is accepted. */
void pull_memory_deinit(struct pull_memory *memory);

/**
 * Starts at the first byte of a text.
 *
 * @param text     n bytes, not necessarily terminated; borrowed as long as what is read from it.
 * @param memory   whatever it held before is gone.
 * @param problem  filled once something is wrong; the first wins. @pre PROBLEM_NONE.
 * @return false: PROBLEM_OUT_OF_MEMORY, or PROBLEM_INVALID_JSON: neither object nor array.
 */
bool pull_begin(struct pull *pull, const char *text, size_t n, struct pull_memory *memory,
                struct problem *problem);

/**
 * The same with a text that is one line of many.
 *
 * @param record  its number: the first token of every pointer. @param line  its place, from 1.
 */
bool pull_begin_record(struct pull *pull, const char *text, size_t n, size_t record, size_t line,
                       struct pull_memory *memory, struct problem *problem);

/** Is nothing wrong so far? */
bool pull_good(const struct pull *pull);

/** After the last value: requires that nothing follows it but white space. */
bool pull_end(struct pull *pull);

/* enum json_kind by the first byte of a value. */
extern const uint8_t pull_kinds[256];

/* Goes past white space; false: the text has ended. */
static inline bool pull_space(struct pull *pull)
{
    while (pull->at < pull->end && (uint8_t)*pull->at <= ' ' &&
           (*pull->at == ' ' || *pull->at == '\n' || *pull->at == '\r' || *pull->at == '\t')) {
        pull->at++;
    }
    return pull->at < pull->end;
}

/** What the next value is, by its first byte; what is no JSON counts as null. */
static inline enum json_kind pull_kind(struct pull *pull)
{
    return pull_space(pull) ? (enum json_kind)pull_kinds[(uint8_t)*pull->at] : JSON_NODE_NULL;
}

/** Requires an object or an array, and goes in (PROBLEM_VALIDATION_FAILED). */
bool pull_object(struct pull *pull);
bool pull_array(struct pull *pull);

/* Are n bytes the same? Both are followed by at least 8 more that may be read. */
static inline bool pull_same(const char *a, const char *b, size_t n)
{
    uint64_t x, y;

    for (; n >= sizeof x; n -= sizeof x, a += sizeof x, b += sizeof x) {
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        if (x != y) {
            return false;
        }
    }
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return ((htole64(x) ^ htole64(y)) & ((UINT64_C(1) << (8 * n)) - 1)) == 0;
}

/*
 * A member whose key is at its place already, written `,"brand":` or `, "brand":`. Where the key
 * ends need not be looked for then: the same bytes have no quote in them.
 */
__attribute__((always_inline)) static inline bool pull_known_member(struct pull *pull)
{
    const struct pull_memory *memory = pull->memory;
    struct pull_level *level = &pull->level[pull->depth - 1];
    const struct pull_key *known = &memory->key[pull->n_keys];
    const char *at = pull->at;
    size_t n;

    if (pull->n_keys >= memory->n_known || known->first != level->first_key) {
        return false;
    }
    n = known->span.n;
    if ((size_t)(pull->end - at) < n + 13 || (level->count > 0 && *at++ != ',')) {
        return false;
    }
    at += *at == ' ' ? 1 : 0;
    if (at[0] != '"' || at[n + 1] != '"' || at[n + 2] != ':' ||
        !pull_same(at + 1, known->span.at, n)) {
        return false;
    }
    level->key = known->span;
    pull->at = at + n + 3;
    pull->n_keys++;
    level->count++;
    return true;
}

/* What the inline ways below leave. */
bool pull_any_member(struct pull *pull);
bool pull_any_element(struct pull *pull);
bool pull_take_null(struct pull *pull);

/**
 * The next member of the object: its value is to be read now. false: the object has ended and was
 * left, or something is wrong.
 *
 * @param key  valid as long as the text and the memory; where the object before had it at the same
 *             place, that one's bytes.
 */
__attribute__((always_inline)) static inline bool pull_member(struct pull *pull, struct span *key)
{
    const struct pull_level *level = &pull->level[pull->depth - 1];

    if (!pull_known_member(pull) && !pull_any_member(pull)) {
        return false;
    }
    *key = level->key;
    return true;
}

/** The next element of the array, in the same way. */
static inline bool pull_element(struct pull *pull)
{
    struct pull_level *level = &pull->level[pull->depth - 1];

    if (level->count > 0 && pull->at < pull->end && *pull->at == ',') {
        pull->at++;
        level->count++;
        return true;
    }
    return pull_any_element(pull);
}

/**
 * The number of a member's key among NULL-terminated names, none of them empty; or the number of
 * names: it is not among them.
 */
size_t pull_which(struct span key, const char *const *names);

/** Is a span just this text? */
static inline bool span_is(struct span span, const char *text)
{
    const size_t n = strlen(text);

    return span.n == n && memcmp(span.at, text, n) == 0;
}

/**
 * Could one of the names be the first key of the object that stands next? Nothing is read; a key
 * with escapes is none of them.
 */
bool pull_begins_with(struct pull *pull, const char *const *names);

/** Requires null, or takes nothing: was there one? */
static inline bool pull_null(struct pull *pull)
{
    return pull_kind(pull) == JSON_NODE_NULL && pull_take_null(pull);
}

#define PULL_EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (uint8_t)(c))

/* The highest bit of each byte that is 0, and perhaps of some after the first of them. */
static inline uint64_t pull_zeros(uint64_t x)
{
    return (x - PULL_EACH_BYTE(1)) & ~x;
}

/* The first byte that is a quote, a backslash, a control character or not ASCII; or the end. */
static inline const char *pull_plain_end(const char *at, const char *end)
{
    for (; end - at >= 8; at += 8) {
        uint64_t x, special;
        memcpy(&x, at, sizeof x);
        x = le64toh(x);
        special = (pull_zeros(x ^ PULL_EACH_BYTE('"')) | pull_zeros(x ^ PULL_EACH_BYTE('\\')) |
                   ((x - PULL_EACH_BYTE(0x20)) & ~x) | x) &
                  PULL_EACH_BYTE(0x80);
        if (special != 0) {
            return at + __builtin_ctzll(special) / 8;
        }
    }
    while (at < end && (uint8_t)(*at - 0x20) < 0x60 && *at != '"' && *at != '\\') {
        at++;
    }
    return at;
}

bool pull_any_span(struct pull *pull, size_t min, size_t max, struct span *span);

/** A string of min to max bytes; in the text, or in the memory where it has escapes. */
static inline bool pull_span(struct pull *pull, size_t min, size_t max, struct span *span)
{
    if (pull->at < pull->end && *pull->at == '"') {
        const char *const start = pull->at + 1;
        const char *const end = pull_plain_end(start, pull->end);
        const size_t n = (size_t)(end - start);
        if (end < pull->end && *end == '"' && n >= min && n <= max) {
            *span = (struct span){start, n};
            pull->at = end + 1;
            return true;
        }
    }
    return pull_any_span(pull, min, max, span);
}

/** The same, terminated, in the memory. */
bool pull_string(struct pull *pull, size_t min, size_t max, const char **text, size_t *n);

/** A number in [min, max], else PROBLEM_VALUE_OUT_OF_RANGE. */
bool pull_number(struct pull *pull, double min, double max, double *number);

/** A whole number in [min, max]; 3.0 is whole. */
bool pull_integer(struct pull *pull, int64_t min, int64_t max, int64_t *integer);

bool pull_boolean(struct pull *pull, bool *boolean);

/** Goes past a value, whatever it is, if it is well-formed. */
bool pull_skip(struct pull *pull);

/**
 * Where the next value begins, white space passed: the text from there to where the reader stands
 * after reading it is the value's.
 */
const char *pull_here(struct pull *pull);

/**
 * Comes back to a value that was skipped.
 *
 * @param mark  a copy of the reader, made where the value stood. It reads that value, while `pull`
 *              rests.
 */
void pull_resume(struct pull *mark, const struct pull *pull);

/** A value's text from `start` to where the reader stands, without white space. malloc'ed; or NULL. */
char *pull_compact(const struct pull *pull, const char *start, size_t *n);

/** Goes past a member that is not known here: PROBLEM_UNKNOWN_FIELD unless lenient. */
bool pull_unknown(struct pull *pull, bool lenient);

/** A problem at the value that is read. Always returns false. */
bool pull_problem(struct pull *pull, enum problem_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** The same at the object or array that the reader is in. */
bool pull_problem_around(struct pull *pull, enum problem_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
