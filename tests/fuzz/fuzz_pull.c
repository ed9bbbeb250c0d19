/*
 * Any bytes, read by the pull reader and by jansson: both accept or both refuse, and what they
 * accept is the same, value by value.
 */
#include "json.h"
#include "pull.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#define BUDGET ((size_t)1 << 30)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Of readers that meet problems: they look through the whole text once more. */
static struct pull_memory aside;

/* A second reader at the same place, whose problems are its own. */
static struct pull fork_of(const struct pull *pull, struct problem *problem)
{
    struct pull fork = *pull;

    *problem = (struct problem){0};
    fork.problem = problem;
    return fork;
}

static void check_number(const struct pull *pull, const struct json_node *node)
{
    struct problem a, b = {0}, c, d = {0};
    struct pull number = fork_of(pull, &a), integer = fork_of(pull, &c);
    double x = 0, y = 0;
    int64_t i = 0, j = 0;

    number.memory = integer.memory = &aside;

    CHECK(pull_number(&number, -DBL_MAX, DBL_MAX, &x) ==
          json_as_number(node, -DBL_MAX, DBL_MAX, &y, &b));
    CHECK(a.kind == b.kind && memcmp(&x, &y, sizeof x) == 0);
    CHECK(strcmp(a.detail, b.detail) == 0 && strcmp(a.pointer, b.pointer) == 0);
    CHECK(pull_integer(&integer, INT64_MIN, INT64_MAX, &i) ==
          json_as_integer(node, INT64_MIN, INT64_MAX, &j, &d));
    CHECK(c.kind == d.kind && i == j && strcmp(c.pointer, d.pointer) == 0);
}

static void check_string(const struct pull *pull, const struct json_node *node)
{
    struct problem a, b = {0};
    struct pull fork = fork_of(pull, &a);
    const char *x = "", *y = "";
    size_t m = 0, n = 0;

    CHECK(pull_string(&fork, 0, SIZE_MAX, &x, &m) && json_as_string(node, 0, SIZE_MAX, &y, &n, &b));
    CHECK(m == n && memcmp(x, y, n) == 0 && x[m] == '\0');
}

static void check(struct pull *pull, const struct json_node *node);

static void check_array(const struct pull *pull, const struct json_node *node)
{
    struct problem problem;
    struct pull fork = fork_of(pull, &problem);
    size_t i = 0;

    CHECK(pull_array(&fork));
    for (; pull_element(&fork); i++) {
        struct json_node element;
        CHECK(i < json_count(node));
        json_element(node, i, &element);
        check(&fork, &element);
    }
    CHECK(pull_good(&fork) && i == json_count(node));
}

static void check_object(const struct pull *pull, const struct json_node *node)
{
    struct problem problem;
    struct pull fork = fork_of(pull, &problem);
    struct json_iterator iterator = {0};
    struct json_node member;
    struct span key;
    size_t n = 0;

    CHECK(pull_object(&fork));
    for (; pull_member(&fork, &key); n++) {
        CHECK(json_next(node, &iterator, &member));
        CHECK(key.n == strlen(member.key) && memcmp(key.at, member.key, key.n) == 0);
        check(&fork, &member);
    }
    CHECK(pull_good(&fork) && n == json_count(node));
}

/* Checks a value and goes past it. */
static void check(struct pull *pull, const struct json_node *node)
{
    struct problem problem;
    struct pull fork;
    bool a = false, b = false;

    CHECK(pull_kind(pull) == json_kind(node));
    switch (json_kind(node)) {
    case JSON_NODE_OBJECT:
        check_object(pull, node);
        break;
    case JSON_NODE_ARRAY:
        check_array(pull, node);
        break;
    case JSON_NODE_STRING:
        check_string(pull, node);
        break;
    case JSON_NODE_NUMBER:
        check_number(pull, node);
        break;
    case JSON_NODE_BOOLEAN:
        fork = fork_of(pull, &problem);
        problem = (struct problem){0};
        CHECK(pull_boolean(&fork, &a) && json_as_boolean(node, &b, &problem) && a == b);
        break;
    case JSON_NODE_NULL:
        fork = fork_of(pull, &problem);
        CHECK(pull_null(&fork));
        break;
    }
    CHECK(pull_skip(pull));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static struct pull_memory memory;
    struct json_document document = {0};
    struct json_node root;
    struct problem theirs = {0}, ours = {0};
    struct pull pull;
    char *text = malloc(n + 1);
    bool accepted;

    CHECK(text != NULL);
    memcpy(text, bytes, n);
    text = realloc(text, n > 0 ? n : 1); /* not a byte after its end may be read */
    json_start();
    accepted = json_parse(text, n, BUDGET, &document, &root, &theirs);
    if (pull_begin(&pull, text, n, &aside, &ours) && pull_begin(&pull, text, n, &memory, &ours)) {
        if (accepted) {
            check(&pull, &root);
        } else {
            (void)pull_skip(&pull);
        }
    }
    CHECK(pull_end(&pull) == accepted);
    CHECK(accepted || (ours.kind != PROBLEM_NONE && ours.detail[0] != '\0'));
    json_close(&document);
    free(text);
    return 0;
}
