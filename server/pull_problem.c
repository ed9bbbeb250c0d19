/*
 * What is wrong with a text, and where.
 */
#include "pointer.h"
#include "pull_impl.h"

#include <stdarg.h>
#include <stdio.h>

/* Nothing is read after a problem: all that is asked for finds the end of the text. */
static bool stop(struct pull *pull)
{
    pull->at = pull->end;
    return false;
}

static void place(const struct pull *pull, size_t depth)
{
    char *const out = pull->problem->pointer;
    const size_t size = sizeof pull->problem->pointer;
    size_t length = 0;

    out[0] = '\0';
    if (pull->record != SIZE_MAX) {
        length = pointer_index(out, size, length, pull->record);
    }
    for (size_t d = 0; d < depth; d++) {
        const struct pull_level *level = &pull->level[d];
        length = level->is_object ? pointer_key(out, size, length, level->key.at, level->key.n)
                                  : pointer_index(out, size, length, level->count - 1);
    }
}

static void describe(struct pull *pull, size_t depth, enum problem_kind kind, const char *format,
                     va_list args)
{
    struct problem *problem = pull->problem;

    if (problem->kind == PROBLEM_NONE) {
        problem->kind = kind;
        problem->has_pointer = true;
        (void)vsnprintf(problem->detail, sizeof problem->detail, format, args);
        place(pull, depth);
    }
    (void)stop(pull);
}

bool pull_unreadable(struct pull *pull, enum problem_kind kind, const char *format, ...)
{
    const bool first = pull_good(pull);
    va_list args;

    va_start(args, format);
    describe(pull, 0, kind, format, args);
    va_end(args);
    if (first) {
        pull->problem->has_pointer = pull->record != SIZE_MAX;
    }
    return false;
}

/*
 * A text that breaks a rule may be no JSON further on: that is the problem then, as it would be if
 * the whole of it had been looked at first.
 */
static void look_for_worse(const struct pull *pull)
{
    struct problem worse = {0};
    struct pull whole = *pull;

    whole.at = pull->begin;
    whole.text_used = whole.depth = whole.n_keys = whole.memory->n_known = 0;
    whole.problem = &worse;
    if (!pull_past(&whole) || !pull_end(&whole)) {
        *pull->problem = worse;
    }
}

bool pull_broken(struct pull *pull, const char *what)
{
    size_t line = pull->line, column = 1;

    for (const char *at = pull->begin; at < pull->at; at++, column++) {
        if (*at == '\n') {
            line++;
            column = 0;
        }
    }
    return pull_unreadable(pull, PROBLEM_INVALID_JSON, "%s at line %zu, column %zu (byte %zu)",
                           what, line, column, (size_t)(pull->at - pull->begin));
}

bool pull_other(struct pull *pull, const char *what)
{
    if (pull_kind(pull) == JSON_NODE_NULL && (pull->end - pull->at < 4 || *pull->at != 'n')) {
        return pull_broken(pull, pull->at < pull->end ? "unexpected token" : "unexpected end");
    }
    return pull_problem(pull, PROBLEM_VALIDATION_FAILED, "%s", what);
}

static bool refuse(struct pull *pull, size_t depth, enum problem_kind kind, const char *format,
                   va_list args)
{
    const bool first = pull_good(pull);

    describe(pull, depth, kind, format, args);
    if (first && kind != PROBLEM_DUPLICATE_KEY && kind != PROBLEM_OUT_OF_MEMORY) {
        look_for_worse(pull);
    }
    return false;
}

bool pull_problem(struct pull *pull, enum problem_kind kind, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)refuse(pull, pull->depth, kind, format, args);
    va_end(args);
    return false;
}

bool pull_problem_around(struct pull *pull, enum problem_kind kind, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)refuse(pull, pull->depth > 0 ? pull->depth - 1 : 0, kind, format, args);
    va_end(args);
    return false;
}
