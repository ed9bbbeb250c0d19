/*
 * The ring of lists held back, as a queue in one array.
 */
#include "held.h"

#include "grow.h"
#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BUDGET ((size_t)64 << 20)

static void free_lists(struct held *held, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        rk_group_destroy(&held->list[i].group);
    }
}

void held_deinit(struct held *held)
{
    free_lists(held, 0, held->first + held->n);
    free(held->list);
    *held = (struct held){0};
}

void held_begin(struct held *held)
{
    free_lists(held, 0, held->first);
    if (held->first > 0) {
        memmove(held->list, held->list + held->first, held->n * sizeof *held->list);
    }
    held->first = 0;
    held->judged = false;
    held->kept_n = held->n;
    held->kept_seen = held->seen;
}

void held_publish(struct held *held)
{
    for (size_t i = held->first; i < held->first + held->n; i++) {
        held->list[i].known = held->judged && i < held->kept_n;
        held->list[i].before = held->list[i].after;
    }
    held->judged = false;
}

void held_undo(struct held *held)
{
    free_lists(held, held->kept_n, held->first + held->n);
    held->first = 0;
    held->n = held->kept_n;
    held->seen = held->kept_seen;
}

void held_pass(struct held *held, size_t lists)
{
    const int64_t seen = held->seen + (int64_t)lists;
    const size_t turns = (size_t)(seen / HELD_EVERY - held->seen / HELD_EVERY);
    struct held_list *list = held->list + held->first;

    for (size_t i = held->n + turns; i > HELD_LISTS && held->n > 0; i--) {
        const struct held_list oldest = list[0];
        memmove(list, list + 1, (held->n - 1) * sizeof *list);
        list[held->n - 1] = oldest;
    }
    held->seen = seen;
}

bool held_turn(struct held *held)
{
    return ++held->seen % HELD_EVERY == 0;
}

enum rk_status held_enter(struct held *held, struct rk_group **group, const struct cut_list *at,
                          struct held_list *left, struct rk_error *err)
{
    *left = (struct held_list){0};
    if (!grow_reserve(&held->list, &held->capacity, held->first + held->n + 1)) {
        return rk_fail(err, RK_NOMEM, "out of memory for a list held back");
    }
    held->list[held->first + held->n++] = (struct held_list){.group = *group, .at = *at};
    *group = NULL;
    if (held->n > HELD_LISTS) {
        *left = held->list[held->first++];
        held->n--;
    }
    return RK_OK;
}

/* ---- as text ---- */

static void write_list(const struct held_list *list, struct emit *out)
{
    emit_open(out, '[');
    emit_integer(out, list->at.seq);
    emit_integer(out, list->at.upto);
    emit_integer(out, list->at.config);
    if (list->group->teacher != NULL) {
        emit_open(out, '[');
        for (size_t i = 0; i < list->group->n_items; i++) {
            emit_float(out, list->group->teacher[i]);
        }
        emit_close(out, ']');
    }
    emit_close(out, ']');
}

void held_write(const struct held *held, struct emit *out)
{
    emit_open(out, '{');
    emit_key(out, "seen");
    emit_integer(out, held->seen);
    emit_key(out, "lists");
    emit_open(out, '[');
    for (size_t i = 0; i < held->n; i++) {
        write_list(&held->list[held->first + i], out);
    }
    emit_close(out, ']');
    emit_close(out, '}');
}

static bool position(const struct json_node *list, size_t i, int64_t *seq, struct problem *problem)
{
    struct json_node node;

    json_element(list, i, &node);
    return json_as_integer(&node, 0, INT64_C(1) << 53, seq, problem);
}

/* A list's place and, if they are told, what its teacher said. @param scores  out, malloc'ed. */
static bool read_list(const struct json_node *node, struct cut_list *at, float **scores, size_t *n,
                      struct problem *problem)
{
    struct json_node told, score;
    double number;

    *scores = NULL;
    *n = 0;
    if (!json_as_array(node, problem) || json_count(node) < 3 ||
        !position(node, 0, &at->seq, problem) || !position(node, 1, &at->upto, problem) ||
        !position(node, 2, &at->config, problem)) {
        return false;
    }
    if (json_count(node) == 3) {
        return true;
    }
    json_element(node, 3, &told);
    if (!json_as_array(&told, problem)) {
        return false;
    }
    *n = json_count(&told);
    *scores = calloc(*n + 1, sizeof **scores);
    for (size_t i = 0; i < *n && *scores != NULL; i++) {
        json_element(&told, i, &score);
        if (!json_as_number(&score, -INFINITY, INFINITY, &number, problem)) {
            return false;
        }
        (*scores)[i] = (float)number;
    }
    return *scores != NULL;
}

/* Cuts one list again and lets it enter at the end. */
static enum rk_status cut_again(struct held *held, const struct json_node *node,
                                const struct held_source *source, struct cut *cut,
                                struct rk_error *err)
{
    struct problem problem = {0};
    struct held_list left;
    struct cut_terms terms;
    struct cut_list at;
    float *scores;
    size_t n;
    enum rk_status status;

    if (!read_list(node, &at, &scores, &n, &problem)) {
        free(scores);
        return rk_fail(err, RK_CORRUPT, "the lists held back cannot be read");
    }
    teacher_recall(&cut->teacher, scores, n);
    status = source->terms(source->context, at.config, &terms, err);
    if (status == RK_OK) {
        status = cut_lists(source->store, &terms, &at, 1, cut, err);
    }
    if (status == RK_OK && cut->n != 1) {
        status =
            rk_fail(err, RK_CORRUPT, "the list at %lld, held back, is gone", (long long)at.seq);
    }
    return status == RK_OK ? held_enter(held, &cut->group[0], &at, &left, err) : status;
}

static enum rk_status read_lists(struct held *held, const struct json_node *root,
                                 const struct held_source *source, struct cut *cut,
                                 struct rk_error *err)
{
    struct problem problem = {0};
    struct json_node seen, lists, list;
    enum rk_status status = RK_OK;

    if (!json_as_object(root, &problem) || !json_member(root, "seen", &seen) ||
        !json_as_integer(&seen, 0, INT64_C(1) << 53, &held->seen, &problem) ||
        !json_member(root, "lists", &lists) || !json_as_array(&lists, &problem) ||
        json_count(&lists) > HELD_LISTS) {
        return rk_fail(err, RK_CORRUPT, "the lists held back cannot be read");
    }
    for (size_t i = 0; i < json_count(&lists) && status == RK_OK; i++) {
        json_element(&lists, i, &list);
        status = cut_again(held, &list, source, cut, err);
    }
    return status;
}

enum rk_status held_read(struct held *held, const char *text, const struct held_source *source,
                         struct cut *cut, struct rk_error *err)
{
    struct json_document document = {0};
    struct json_node root;
    struct problem problem = {0};
    enum rk_status status;

    held_deinit(held);
    if (text == NULL || text[0] == '\0') {
        return RK_OK;
    }
    if (!json_parse(text, strlen(text), TEXT_BUDGET, &document, &root, &problem)) {
        return problem_stored(&problem, err, "the lists held back");
    }
    status = read_lists(held, &root, source, cut, err);
    json_close(&document);
    if (status != RK_OK) {
        held_deinit(held);
    }
    return status;
}
