/*
 * Strict JSON reading with places. The one file (with json.c) that knows jansson.
 *
 * A document is parsed under limits: depth before parsing, bytes of heap while parsing, duplicate
 * keys and bad UTF-8 refused. A json_node is a value and the way to it, kept on the reader's stack;
 * its JSON pointer is only built when something is wrong. All readers return false and fill the
 * problem when a rule is broken; the first problem wins. They are called json_as_* because jansson
 * exports json_object, json_string and the like: a second definition would take the place of its
 * own.
 */
#ifndef RANKD_SERVER_JSON_H
#define RANKD_SERVER_JSON_H

#include "problem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX  8
#define JSON_NUMBER_MAX 1e6

struct json_document {
    void *root; /* jansson's; private */
};

enum json_kind {
    JSON_NODE_NULL,
    JSON_NODE_BOOLEAN,
    JSON_NODE_NUMBER,
    JSON_NODE_STRING,
    JSON_NODE_ARRAY,
    JSON_NODE_OBJECT
};

struct json_node {
    void *value;                    /* jansson's; borrowed from the document, never changed */
    const struct json_node *parent; /* NULL at the root; must outlive this node */
    const char *key;                /* member name inside an object, NULL inside an array */
    size_t index;                   /* place inside an array */
};

/* Walks the members of an object in the order of the text. */
struct json_iterator {
    void *at; /* private */
};

/** Sets jansson's allocator to the counting one. Once, at process start, before any thread. */
void json_start(void);

/**
 * Parses one JSON text.
 *
 * @param text    n bytes, not necessarily terminated; borrowed during the call.
 * @param budget  bytes of heap the tree may take, else PROBLEM_JSON_TOO_COMPLEX.
 * @param root    out, the root node.
 * @return true: close the document later. false: PROBLEM_INVALID_JSON with line and column,
 *         PROBLEM_DUPLICATE_KEY, PROBLEM_TOO_DEEP, PROBLEM_JSON_TOO_COMPLEX, PROBLEM_OUT_OF_MEMORY;
 *         nothing to close.
 * Threads: any, each its own document.
 */
bool json_parse(const char *text, size_t n, size_t budget, struct json_document *document,
                struct json_node *root, struct problem *problem);

/** Frees a document; a zeroed one is accepted. */
void json_close(struct json_document *document);

/** What a node is. */
enum json_kind json_kind(const struct json_node *node);

/**
 * The member of an object, or false when it is absent. null counts as absent. @pre node is an
 * object.
 */
bool json_member(const struct json_node *node, const char *key, struct json_node *member);

/** Members of an object or elements of an array. */
size_t json_count(const struct json_node *node);

/** Element i of an array. @pre node is an array, i < json_count. */
void json_element(const struct json_node *node, size_t i, struct json_node *element);

/**
 * The next member of an object; start with a zeroed iterator. false at the end, once. null members
 * are given too.
 */
bool json_next(const struct json_node *node, struct json_iterator *iterator,
               struct json_node *member);

/** Requires an object or array (PROBLEM_VALIDATION_FAILED). */
bool json_as_object(const struct json_node *node, struct problem *problem);
bool json_as_array(const struct json_node *node, struct problem *problem);

/**
 * Requires an object whose members are all among the NULL-terminated names (PROBLEM_UNKNOWN_FIELD),
 * unless lenient.
 */
bool json_only(const struct json_node *node, const char *const *names, bool lenient,
               struct problem *problem);

/**
 * A string of min..max bytes; text is borrowed and terminated. Too long: PROBLEM_LIMIT_EXCEEDED.
 */
bool json_as_string(const struct json_node *node, size_t min, size_t max, const char **text,
                    size_t *n, struct problem *problem);

/** A number in [min, max], else PROBLEM_VALUE_OUT_OF_RANGE. */
bool json_as_number(const struct json_node *node, double min, double max, double *number,
                    struct problem *problem);

/** A whole number in [min, max]; 3.0 is whole. */
bool json_as_integer(const struct json_node *node, int64_t min, int64_t max, int64_t *integer,
                     struct problem *problem);

/** true or false. */
bool json_as_boolean(const struct json_node *node, bool *boolean, struct problem *problem);

/** Fills the problem with the node's JSON pointer and a sentence. Always returns false. */
bool json_problem(const struct json_node *node, enum problem_kind kind, struct problem *problem,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

/**
 * Writes a node as compact JSON again with the order of keys kept (for what is stored from inside a
 * larger body); numbers read back as the same numbers.
 *
 * @param n  out, length of the text; may be NULL.
 * @return malloc'ed, terminated text, or NULL when out of memory.
 */
char *json_text(const struct json_node *node, size_t *n);

#endif
