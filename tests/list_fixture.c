/*
 * Reading lists for tests.
 */
#include "list_fixture.h"

#include "test.h"

const struct rk_space fixture_hashed = {.kind = RK_HASHED, .bits = 10};
const struct rk_space fixture_indexed = {.kind = RK_INDEXED, .size = 10};

int list_fixture_setup(void **state)
{
    *state = calloc(1, sizeof(struct list_fixture));
    return *state != NULL ? 0 : -1;
}

int list_fixture_teardown(void **state)
{
    struct list_fixture *f = *state;

    list_deinit(&f->list);
    emit_deinit(&f->text);
    free(f);
    return 0;
}

bool fixture_read_by(struct list_fixture *f, const struct list_rules *rules, const char *text)
{
    struct pull pull;

    f->problem = (struct problem){0};
    return pull_begin(&pull, text, strlen(text), &f->list.memory, &f->problem) &&
           list_read(&pull, rules, &f->list) && pull_end(&pull);
}

bool fixture_read(struct list_fixture *f, const struct rk_space *space, const char *text)
{
    return fixture_read_by(f, &(struct list_rules){.features = space}, text);
}

bool fixture_read_labelled(struct list_fixture *f, const char *text)
{
    return fixture_read_by(f, &(struct list_rules){.features = &fixture_hashed, .labelled = true},
                           text);
}

void fixture_must_read(struct list_fixture *f, const struct rk_space *space, const char *text)
{
    if (!fixture_read(f, space, text)) {
        fail_msg("%.80s: %s at \"%s\"", text, f->problem.detail, f->problem.pointer);
    }
}

bool fixture_read_features(struct list_fixture *f, const struct rk_space *space,
                           const char *features)
{
    struct emit text = {0};
    bool good;

    emit_format(&text, "{\"items\":[{\"id\":\"a\",\"features\":%s}]}", features);
    good = fixture_read(f, space, text.text);
    emit_deinit(&text);
    return good;
}

const char *fixture_pattern(struct list_fixture *f, const char *head, size_t n, const char *piece,
                            const char *tail)
{
    emit_reset(&f->text);
    emit_format(&f->text, "%s", head);
    for (size_t i = 0; i < n; i++) {
        emit_raw(&f->text, ",", i > 0 ? 1 : 0);
        for (const char *c = piece; *c != '\0'; c++) {
            if (*c == '#') {
                emit_format(&f->text, "%zu", i);
            } else {
                emit_raw(&f->text, c, 1);
            }
        }
    }
    emit_format(&f->text, "%s", tail);
    assert_false(f->text.failed);
    return f->text.text;
}

const char *fixture_letters(struct list_fixture *f, const char *head, size_t n, const char *tail)
{
    emit_reset(&f->text);
    emit_format(&f->text, "%s", head);
    for (size_t i = 0; i < n; i++) {
        emit_raw(&f->text, "x", 1);
    }
    emit_format(&f->text, "%s", tail);
    assert_false(f->text.failed);
    return f->text.text;
}

void fixture_assert_problem(const char *text, const struct problem *problem, enum problem_kind kind,
                            const char *pointer)
{
    if (problem->kind != kind || strcmp(problem->pointer, pointer) != 0) {
        fail_msg("%.120s gave %s at \"%s\" (%s), expected %s at \"%s\"", text,
                 problem->kind != PROBLEM_NONE ? problem_slug(problem->kind) : "no problem",
                 problem->pointer, problem->detail, problem_slug(kind), pointer);
    }
    assert_true(strlen(problem->detail) > 0);
}

void fixture_assert_feature(const struct rk_feature *feature, const struct rk_feature *expected)
{
    assert_true(feature->name == expected->name);
    assert_true(feature->hash == expected->hash);
    assert_int_equal(feature->column, expected->column);
    assert_int_equal(feature->kind, expected->kind);
    assert_true(feature->value == expected->value);
}

void fixture_assert_groups(const struct rk_group *group, const struct rk_group *expected)
{
    const size_t n = expected->n_items, nnz = expected->offset[n + 1];

    assert_int_equal(group->n_items, n);
    assert_int_equal(group->n_numbers, expected->n_numbers);
    assert_memory_equal(group->offset, expected->offset, (n + 2) * sizeof *group->offset);
    assert_memory_equal(group->id, expected->id, (n + 1) * sizeof *group->id);
    assert_memory_equal(group->index, expected->index, nnz * sizeof *group->index);
    assert_memory_equal(group->value, expected->value, nnz * sizeof *group->value);
    assert_memory_equal(group->name, expected->name, nnz * sizeof *group->name);
    assert_memory_equal(group->number, expected->number, group->n_numbers * sizeof *group->number);
    assert_memory_equal(group->label, expected->label, n * sizeof *group->label);
    assert_memory_equal(group->weight, expected->weight, n * sizeof *group->weight);
}
