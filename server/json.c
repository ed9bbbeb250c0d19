/*
 * Strict JSON reading on jansson. The depth is checked by a scan before jansson sees the text, and
 * the heap by an allocator that charges a budget: jansson turns 1 MiB of "{}," into 82 MB. Where it
 * is refused memory the parse is left.
 */
#include "json.h"

#include "emit.h"
#include "pointer.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTEGER_MAX (((int64_t)1 << 53) - 1) /* beyond it a double skips whole numbers */

/*
 * In front of every block, so that a free knows what to give back, and a refusal what to free; a
 * multiple of malloc's alignment.
 */
struct block {
    _Alignas(16) size_t bytes;
    struct block *next, *before; /* of the parse that runs */
};

/*
 * What the parse that runs on this thread may still take. jansson's allocator is a pair of
 * functions without a context, one for the process, and a parse runs from start to end on one
 * thread: so the thread is the context. Nothing outlives a json_parse.
 */
static _Thread_local struct {
    bool active;
    bool over_budget; /* what was refused it; else memory is short */
    size_t left;
    struct block *blocks; /* the newest */
    jmp_buf refused;
} charge;

/*
 * jansson is never told that an allocation failed while it parses: its lexer goes on with a text
 * that lacks its end (load.c, lex_save ignores what strbuffer_append_byte says), and then aborts in
 * an assertion, copies from beyond it, or gives a value that lacks bytes. The parse is left instead;
 * all that jansson holds are blocks of the list.
 */
static void *refuse(bool over_budget)
{
    if (charge.active) {
        charge.over_budget = over_budget;
        longjmp(charge.refused, 1);
    }
    return NULL;
}

static void link_in(struct block *block)
{
    block->next = charge.blocks;
    block->before = NULL;
    if (block->next != NULL) {
        block->next->before = block;
    }
    charge.blocks = block;
}

static void unlink_from(struct block *block)
{
    if (block->next != NULL) {
        block->next->before = block->before;
    }
    if (block->before != NULL) {
        block->before->next = block->next;
    } else {
        charge.blocks = block->next;
    }
}

static void *allocate(size_t n)
{
    if (n > SIZE_MAX - sizeof(struct block)) {
        return refuse(true);
    }
    size_t bytes = n + sizeof(struct block);
    if (charge.active && bytes > charge.left) {
        return refuse(true);
    }
    struct block *block = malloc(bytes);
    if (block == NULL) {
        return refuse(false);
    }
    block->bytes = bytes;
    if (charge.active) {
        charge.left -= bytes;
        link_in(block);
    }
    return block + 1;
}

/*
 * While a parse runs, all that it frees it took itself; json_close frees when none runs, and
 * credits nothing.
 */
static void release(void *memory)
{
    if (memory != NULL) {
        struct block *block = (struct block *)memory - 1;
        if (charge.active) {
            charge.left += block->bytes;
            unlink_from(block);
        }
        free(block);
    }
}

void json_start(void)
{
    json_set_alloc_funcs(allocate, release);
    json_object_seed(0); /* from the system's random source, before threads could race for it */
}

/*
 * The deepest nesting that a parser could meet. Where the text is not JSON the count may be wrong,
 * but only after the place at which the parser stops.
 */
static bool too_deep(const char *text, size_t n)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (in_string) {
            i += c == '\\' ? 1 : 0;
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX) {
                return true;
            }
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

/* jansson's words, without what it repeats of the input or says of its own flags. */
static bool parse_problem(const json_error_t *error, struct problem *problem)
{
    static const char *const endings[] = {" near '", " '\\u", " without JSON_"};
    size_t length = strlen(error->text);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        const char *found = strstr(error->text, endings[i]);
        if (found != NULL && (size_t)(found - error->text) < length) {
            length = (size_t)(found - error->text);
        }
    }
    enum problem_kind kind = json_error_code(error) == json_error_duplicate_key
                                 ? PROBLEM_DUPLICATE_KEY
                                 : PROBLEM_INVALID_JSON;
    return problem_set(problem, kind, "%.*s at line %d, column %d", (int)length, error->text,
                       error->line, error->column);
}

/* @return false: it was refused memory, and left; then nothing of it is there. */
static bool load(const char *text, size_t n, size_t budget, json_t **value, json_error_t *error)
{
    charge.left = budget;
    charge.blocks = NULL;
    charge.active = true;
    if (setjmp(charge.refused) == 0) {
        *value = json_loadb(n > 0 ? text : "", n, JSON_REJECT_DUPLICATES, error);
        charge.active = false;
        return true;
    }
    charge.active = false;
    while (charge.blocks != NULL) {
        struct block *next = charge.blocks->next;
        free(charge.blocks);
        charge.blocks = next;
    }
    return false;
}

bool json_parse(const char *text, size_t n, size_t budget, struct json_document *document,
                struct json_node *root, struct problem *problem)
{
    if (too_deep(text, n)) {
        return problem_set(problem, PROBLEM_TOO_DEEP, "Nested deeper than %d levels",
                           JSON_DEPTH_MAX);
    }
    /* jansson loses a zero byte after a number (load.c, stream_get), and goes on behind it. */
    if (n > 0 && memchr(text, '\0', n) != NULL) {
        return problem_set(problem, PROBLEM_INVALID_JSON, "There is a zero byte in it");
    }
    json_error_t error = {0};
    json_t *value = NULL;
    if (!load(text, n, budget, &value, &error)) {
        return charge.over_budget
                   ? problem_set(problem, PROBLEM_JSON_TOO_COMPLEX,
                                 "Reading the JSON would take more memory than one request may use")
                   : problem_set(problem, PROBLEM_OUT_OF_MEMORY, "No memory to read the JSON");
    }
    if (value == NULL) {
        return parse_problem(&error, problem);
    }
    document->root = value;
    *root = (struct json_node){.value = value};
    return true;
}

void json_close(struct json_document *document)
{
    json_decref(document->root);
    document->root = NULL;
}

enum json_kind json_kind(const struct json_node *node)
{
    switch (json_typeof((const json_t *)node->value)) {
    case JSON_OBJECT:
        return JSON_NODE_OBJECT;
    case JSON_ARRAY:
        return JSON_NODE_ARRAY;
    case JSON_STRING:
        return JSON_NODE_STRING;
    case JSON_INTEGER:
    case JSON_REAL:
        return JSON_NODE_NUMBER;
    case JSON_TRUE:
    case JSON_FALSE:
        return JSON_NODE_BOOLEAN;
    case JSON_NULL:
        break;
    }
    return JSON_NODE_NULL;
}

bool json_member(const struct json_node *node, const char *key, struct json_node *member)
{
    json_t *value = json_object_get(node->value, key);
    if (value == NULL || json_is_null(value)) {
        return false;
    }
    *member = (struct json_node){.value = value, .parent = node, .key = key};
    return true;
}

size_t json_count(const struct json_node *node)
{
    return json_is_object((const json_t *)node->value) ? json_object_size(node->value)
                                                       : json_array_size(node->value);
}

void json_element(const struct json_node *node, size_t i, struct json_node *element)
{
    *element =
        (struct json_node){.value = json_array_get(node->value, i), .parent = node, .index = i};
}

bool json_next(const struct json_node *node, struct json_iterator *iterator,
               struct json_node *member)
{
    iterator->at = iterator->at == NULL ? json_object_iter(node->value)
                                        : json_object_iter_next(node->value, iterator->at);
    if (iterator->at == NULL) {
        return false;
    }
    *member = (struct json_node){.value = json_object_iter_value(iterator->at),
                                 .parent = node,
                                 .key = json_object_iter_key(iterator->at)};
    return true;
}

bool json_as_object(const struct json_node *node, struct problem *problem)
{
    return json_kind(node) == JSON_NODE_OBJECT ||
           json_problem(node, PROBLEM_VALIDATION_FAILED, problem, "Must be an object");
}

bool json_as_array(const struct json_node *node, struct problem *problem)
{
    return json_kind(node) == JSON_NODE_ARRAY ||
           json_problem(node, PROBLEM_VALIDATION_FAILED, problem, "Must be an array");
}

static bool is_among(const char *key, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (strcmp(key, *names) == 0) {
            return true;
        }
    }
    return false;
}

bool json_only(const struct json_node *node, const char *const *names, bool lenient,
               struct problem *problem)
{
    struct json_iterator iterator = {0};
    struct json_node member;
    if (!json_as_object(node, problem)) {
        return false;
    }
    while (!lenient && json_next(node, &iterator, &member)) {
        if (!is_among(member.key, names)) {
            return json_problem(&member, PROBLEM_UNKNOWN_FIELD, problem,
                                "This member is not known here");
        }
    }
    return true;
}

bool json_as_string(const struct json_node *node, size_t min, size_t max, const char **text,
                    size_t *n, struct problem *problem)
{
    if (json_kind(node) != JSON_NODE_STRING) {
        return json_problem(node, PROBLEM_VALIDATION_FAILED, problem, "Must be a string");
    }
    size_t length = json_string_length(node->value);
    if (length > max) {
        return json_problem(node, PROBLEM_LIMIT_EXCEEDED, problem,
                            "Must have at most %zu bytes, not %zu", max, length);
    }
    if (length < min) {
        return json_problem(node, PROBLEM_VALIDATION_FAILED, problem,
                            "Must have at least %zu byte%s", min, min == 1 ? "" : "s");
    }
    *text = json_string_value(node->value);
    *n = length;
    return true;
}

/* An integer past 2^53 would come out as another number, so it is out of any range. */
static bool fits_double(const json_t *value)
{
    return !json_is_integer(value) ||
           (json_integer_value(value) <= INTEGER_MAX && json_integer_value(value) >= -INTEGER_MAX);
}

bool json_as_number(const struct json_node *node, double min, double max, double *number,
                    struct problem *problem)
{
    if (json_kind(node) != JSON_NODE_NUMBER) {
        return json_problem(node, PROBLEM_VALIDATION_FAILED, problem, "Must be a number");
    }
    double value = json_number_value(node->value);
    if (!fits_double(node->value) || !(value >= min && value <= max)) {
        return json_problem(node, PROBLEM_VALUE_OUT_OF_RANGE, problem,
                            "Must be a number from %.15g to %.15g", min, max);
    }
    *number = value;
    return true;
}

bool json_as_integer(const struct json_node *node, int64_t min, int64_t max, int64_t *integer,
                     struct problem *problem)
{
    const json_t *value = node->value;
    double number = json_number_value(value);
    if (json_kind(node) != JSON_NODE_NUMBER || rint(number) != number) {
        return json_problem(node, PROBLEM_VALIDATION_FAILED, problem, "Must be a whole number");
    }
    bool fits = fits_double(value) && fabs(number) <= (double)INTEGER_MAX;
    int64_t whole = fits ? (int64_t)number : 0;
    if (!fits || whole < min || whole > max) {
        return json_problem(node, PROBLEM_VALUE_OUT_OF_RANGE, problem,
                            "Must be a whole number from %" PRId64 " to %" PRId64, min, max);
    }
    *integer = whole;
    return true;
}

bool json_as_boolean(const struct json_node *node, bool *boolean, struct problem *problem)
{
    if (json_kind(node) != JSON_NODE_BOOLEAN) {
        return json_problem(node, PROBLEM_VALIDATION_FAILED, problem, "Must be true or false");
    }
    *boolean = json_is_true((const json_t *)node->value);
    return true;
}

/* From the root down. */
static size_t write_pointer(char *out, size_t size, const struct json_node *node)
{
    size_t length;

    if (node->parent == NULL) {
        out[0] = '\0';
        return 0;
    }
    length = write_pointer(out, size, node->parent);
    return node->key != NULL ? pointer_key(out, size, length, node->key, strlen(node->key))
                             : pointer_index(out, size, length, node->index);
}

bool json_problem(const struct json_node *node, enum problem_kind kind, struct problem *problem,
                  const char *format, ...)
{
    if (problem->kind == PROBLEM_NONE) {
        va_list args;
        va_start(args, format);
        problem->kind = kind;
        problem->has_pointer = true;
        (void)vsnprintf(problem->detail, sizeof problem->detail, format, args);
        (void)write_pointer(problem->pointer, sizeof problem->pointer, node);
        va_end(args);
    }
    return false;
}

/* Recurses as deep as the document, which is JSON_DEPTH_MAX at most. */
static void write_node(const struct json_node *node, struct emit *out)
{
    struct json_iterator iterator = {0};
    struct json_node child;
    json_t *value = node->value;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        emit_open(out, '{');
        while (json_next(node, &iterator, &child)) {
            emit_key(out, child.key);
            write_node(&child, out);
        }
        emit_close(out, '}');
        break;
    case JSON_ARRAY:
        emit_open(out, '[');
        for (size_t i = 0; i < json_array_size(value); i++) {
            json_element(node, i, &child);
            write_node(&child, out);
        }
        emit_close(out, ']');
        break;
    case JSON_STRING:
        emit_bytes(out, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        emit_integer(out, json_integer_value(value));
        break;
    case JSON_REAL:
        emit_double(out, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        emit_boolean(out, json_is_true(value));
        break;
    case JSON_NULL:
        emit_null(out);
        break;
    }
}

/*
 * Not json_dumps: on a failed allocation jansson 2.14 can return a text with a key missing, and no
 * error.
 */
char *json_text(const struct json_node *node, size_t *n)
{
    struct emit out = {0};
    write_node(node, &out);
    return emit_take(&out, n);
}
