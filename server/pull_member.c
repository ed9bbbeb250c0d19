/*
 * Objects and arrays, member by member: keys of one object differ.
 */
#include "grow.h"
#include "pull_impl.h"

#include <stdlib.h>
#include <string.h>

#define FEW_KEYS 32 /* so many are compared one by one */

size_t pull_which(struct span key, const char *const *names)
{
    size_t i = 0;

    while (names[i] != NULL &&
           !(key.n > 0 && *names[i] == *key.at && strncmp(names[i], key.at, key.n) == 0 &&
             names[i][key.n] == '\0')) {
        i++;
    }
    return i;
}

bool pull_begins_with(struct pull *pull, const char *const *names)
{
    const char *at;

    if (pull_kind(pull) != JSON_NODE_OBJECT) {
        return false;
    }
    for (at = pull->at + 1; at < pull->end && *at != '"'; at++) {
    }
    for (; pull->end - at > 1 && *names != NULL; names++) {
        const size_t n = at[1] == **names ? strlen(*names) : 0;
        if (n > 0 && (size_t)(pull->end - at) > n + 1 && at[n + 1] == '"' &&
            memcmp(at + 1, *names, n) == 0) {
            return true;
        }
    }
    return false;
}

static int by_text(const void *a, const void *b)
{
    const struct span *x = &((const struct pull_key *)a)->span;
    const struct span *y = &((const struct pull_key *)b)->span;

    if (x->n != y->n) {
        return x->n < y->n ? -1 : 1;
    }
    return memcmp(x->at, y->at, x->n);
}

static bool same(const struct span *a, const struct span *b)
{
    return a->n == b->n && (a->n == 0 || (*a->at == *b->at && memcmp(a->at, b->at, a->n) == 0));
}

/* Keeps a key that is not known at its place; while they are few it is compared with all. */
static bool add_key(struct pull *pull, const struct pull_level *level, const struct span *key)
{
    struct pull_memory *memory = pull->memory;
    bool in_text;

    for (size_t i = level->first_key; level->count <= FEW_KEYS && i < pull->n_keys; i++) {
        if (same(&memory->key[i].span, key)) {
            return pull_problem(pull, PROBLEM_DUPLICATE_KEY, "This member is given twice");
        }
    }
    if (!grow_reserve(&memory->key, &memory->key_room, pull->n_keys + 1)) {
        return pull_problem(pull, PROBLEM_OUT_OF_MEMORY, "No memory to read the JSON");
    }
    in_text = key->at >= pull->begin && key->at < pull->end;
    memory->key[pull->n_keys++] = (struct pull_key){
        *key,
        in_text && (size_t)(pull->end - key->at) >= key->n + 8 ? level->first_key : PULL_NOT_KNOWN};
    memory->n_known = pull->n_keys;
    return true;
}

/* The same where white space may stand, and the colon is not looked at. */
static bool take_known_key(struct pull *pull, struct pull_level *level)
{
    const struct pull_key *known = &pull->memory->key[pull->n_keys];
    const char *at = pull->at + 1;

    if (pull->n_keys >= pull->memory->n_known || known->first != level->first_key ||
        (size_t)(pull->end - at) <= known->span.n || at[known->span.n] != '"' ||
        memcmp(at, known->span.at, known->span.n) != 0) {
        return false;
    }
    level->key = known->span;
    pull->at = at + known->span.n + 1;
    pull->n_keys++;
    return true;
}

/* Many keys are compared when the object ends, in order: a comparison with all would be quadratic. */
static bool keys_differ(struct pull *pull, const struct pull_level *level)
{
    struct pull_key *key = pull->memory->key + level->first_key;

    if (level->count <= FEW_KEYS + 1) {
        return true;
    }
    pull->memory->n_known = level->first_key;
    qsort(key, level->count, sizeof *key, by_text);
    for (size_t i = 1; i < level->count; i++) {
        if (same(&key[i - 1].span, &key[i].span)) {
            pull->level[pull->depth - 1].key = key[i].span;
            return pull_problem(pull, PROBLEM_DUPLICATE_KEY, "This member is given twice");
        }
    }
    return true;
}

/* Leaves the object or array; nothing follows. */
static void leave(struct pull *pull, const struct pull_level *level)
{
    pull->at++;
    pull->n_keys = level->first_key;
    pull->depth--;
}

/* Goes past the comma between two. */
static bool follows(struct pull *pull, const struct pull_level *level, char bracket)
{
    if (level->count > 0) {
        if (*pull->at != ',') {
            return pull_broken(pull, bracket == '}' ? "'}' expected" : "']' expected");
        }
        pull->at++;
    }
    return true;
}

static bool take_key(struct pull *pull, struct pull_level *level)
{
    pull->at++;
    return pull_quoted(pull, &level->key) && add_key(pull, level, &level->key);
}

bool pull_any_member(struct pull *pull)
{
    struct pull_level *level = &pull->level[pull->depth - 1];

    if (!pull_space(pull)) {
        return pull_broken(pull, "unexpected end");
    }
    if (*pull->at == '}') {
        if (keys_differ(pull, level)) {
            leave(pull, level);
        }
        return false;
    }
    if (!follows(pull, level, '}')) {
        return false;
    }
    if (!pull_space(pull) || *pull->at != '"') {
        return pull_broken(pull, "string or '}' expected");
    }
    if (!take_known_key(pull, level) && !take_key(pull, level)) {
        return false;
    }
    level->count++;
    if (!pull_space(pull) || *pull->at != ':') {
        return pull_broken(pull, "':' expected");
    }
    pull->at++;
    return true;
}

bool pull_any_element(struct pull *pull)
{
    struct pull_level *level = &pull->level[pull->depth - 1];

    if (!pull_space(pull)) {
        return pull_broken(pull, "unexpected end");
    }
    if (*pull->at == ']') {
        leave(pull, level);
        return false;
    }
    if (!follows(pull, level, ']')) {
        return false;
    }
    level->count++;
    return true;
}
