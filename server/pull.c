/*
 * Values: what stands where, going in, going past.
 */
#include "grow.h"
#include "pointer.h"
#include "pull_impl.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pull_memory_deinit(struct pull_memory *memory)
{
    free(memory->text);
    free(memory->key);
    *memory = (struct pull_memory){0};
}

bool pull_good(const struct pull *pull)
{
    return pull->problem->kind == PROBLEM_NONE;
}

/* What is kept of a text takes no more room than the text: quotes make room for the ends. */
bool pull_begin_record(struct pull *pull, const char *text, size_t n, size_t record, size_t line,
                       struct pull_memory *memory, struct problem *problem)
{
    *pull = (struct pull){.begin = text,
                          .at = text,
                          .end = text + n,
                          .memory = memory,
                          .problem = problem,
                          .record = record,
                          .line = line};
    memory->n_known = 0;
    if (!grow_reserve(&memory->text, &memory->text_room, n + 1)) {
        return problem_set(problem, PROBLEM_OUT_OF_MEMORY, "No memory to read the JSON");
    }
    return (pull_space(pull) && (*pull->at == '{' || *pull->at == '[')) ||
           pull_broken(pull, "'[' or '{' expected");
}

bool pull_begin(struct pull *pull, const char *text, size_t n, struct pull_memory *memory,
                struct problem *problem)
{
    return pull_begin_record(pull, n > 0 ? text : "", n, SIZE_MAX, 1, memory, problem);
}

bool pull_end(struct pull *pull)
{
    return pull_good(pull) && (!pull_space(pull) || pull_broken(pull, "end of file expected"));
}

#define DIGIT JSON_NODE_NUMBER

const uint8_t pull_kinds[256] = {
    ['{'] = JSON_NODE_OBJECT,
    ['['] = JSON_NODE_ARRAY,
    ['"'] = JSON_NODE_STRING,
    ['t'] = JSON_NODE_BOOLEAN,
    ['f'] = JSON_NODE_BOOLEAN,
    ['-'] = DIGIT,
    ['0'] = DIGIT,
    ['1'] = DIGIT,
    ['2'] = DIGIT,
    ['3'] = DIGIT,
    ['4'] = DIGIT,
    ['5'] = DIGIT,
    ['6'] = DIGIT,
    ['7'] = DIGIT,
    ['8'] = DIGIT,
    ['9'] = DIGIT,
};

static bool enter(struct pull *pull, bool is_object)
{
    if (pull->depth == JSON_DEPTH_MAX) {
        return pull_unreadable(pull, PROBLEM_TOO_DEEP, "Nested deeper than %d levels",
                               JSON_DEPTH_MAX);
    }
    pull->at++;
    pull->level[pull->depth++] =
        (struct pull_level){.is_object = is_object, .first_key = pull->n_keys};
    return true;
}

bool pull_object(struct pull *pull)
{
    return pull_kind(pull) == JSON_NODE_OBJECT ? enter(pull, true)
                                               : pull_other(pull, "Must be an object");
}

bool pull_array(struct pull *pull)
{
    return pull_kind(pull) == JSON_NODE_ARRAY ? enter(pull, false)
                                              : pull_other(pull, "Must be an array");
}

static bool literal(struct pull *pull, const char *word, size_t n)
{
    if ((size_t)(pull->end - pull->at) < n || memcmp(pull->at, word, n) != 0) {
        return pull_broken(pull, "invalid token");
    }
    pull->at += n;
    return true;
}

bool pull_take_null(struct pull *pull)
{
    return literal(pull, "null", 4);
}

bool pull_boolean(struct pull *pull, bool *boolean)
{
    if (pull_kind(pull) != JSON_NODE_BOOLEAN) {
        return pull_other(pull, "Must be true or false");
    }
    *boolean = *pull->at == 't';
    return *boolean ? literal(pull, "true", 4) : literal(pull, "false", 5);
}

/* ---- going past ---- */

/* Recurses as deep as the text, which is JSON_DEPTH_MAX at most. */
bool pull_past(struct pull *pull)
{
    struct pull_digits digits;
    struct span span;
    bool boolean;

    switch (pull_kind(pull)) {
    case JSON_NODE_NULL:
        return pull_null(pull);
    case JSON_NODE_BOOLEAN:
        return pull_boolean(pull, &boolean);
    case JSON_NODE_NUMBER:
        return pull_digits(pull, &digits);
    case JSON_NODE_STRING:
        pull->at++;
        return pull_quoted(pull, &span);
    case JSON_NODE_ARRAY:
        for (bool in = enter(pull, false); in && pull_element(pull);) {
            in = pull_past(pull);
        }
        return pull_good(pull);
    case JSON_NODE_OBJECT:
        for (bool in = enter(pull, true); in && pull_member(pull, &span);) {
            in = pull_past(pull);
        }
        return pull_good(pull);
    }
    return false;
}

bool pull_skip(struct pull *pull)
{
    const size_t text_used = pull->text_used;
    const bool skipped = pull_past(pull);

    pull->text_used = text_used; /* nobody has what was in it */
    return skipped;
}

const char *pull_here(struct pull *pull)
{
    (void)pull_space(pull);
    return pull->at;
}

/* What the mark keeps goes behind what was kept since: together no more than the text has. */
void pull_resume(struct pull *mark, const struct pull *pull)
{
    mark->text_used = pull->text_used;
    mark->n_keys = pull->n_keys;
}

char *pull_compact(const struct pull *pull, const char *start, size_t *n)
{
    char *const text = malloc((size_t)(pull->at - start) + 1);
    char *to = text;
    bool in_string = false;

    for (const char *from = start; text != NULL && from < pull->at; from++) {
        if (*from == '"') {
            in_string = !in_string;
        }
        if (in_string || (*from != ' ' && *from != '\n' && *from != '\r' && *from != '\t')) {
            *to++ = *from;
        }
        if (in_string && *from == '\\') {
            *to++ = *++from;
        }
    }
    if (text != NULL) {
        *to = '\0';
        *n = (size_t)(to - text);
    }
    return text;
}

bool pull_unknown(struct pull *pull, bool lenient)
{
    return lenient ? pull_skip(pull)
                   : pull_problem(pull, PROBLEM_UNKNOWN_FIELD, "This member is not known here");
}
