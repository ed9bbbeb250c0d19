/*
 * Reading, changing and comparing configurations.
 */
#include "config_fixture.h"

#include "list_fixture.h"
#include "test.h"

#include <jansson.h>

bool config_read(const char *text, bool lenient, struct model_config *config,
                 struct problem *problem)
{
    struct json_document document = {0};
    struct json_node root;
    bool read;

    *problem = (struct problem){0};
    read = json_parse(text, strlen(text), (size_t)16 << 20, &document, &root, problem) &&
           model_config_read(&root, lenient, config, problem);
    json_close(&document);
    return read;
}

void config_must_read(const char *text, struct model_config *config)
{
    struct problem problem;

    if (!config_read(text, false, config, &problem)) {
        fail_msg("%s: %s at \"%s\"", text, problem.detail, problem.pointer);
    }
}

void config_refuses(const char *text, enum problem_kind kind, const char *pointer)
{
    struct model_config config;
    struct problem problem;

    assert_false(config_read(text, false, &config, &problem));
    fixture_assert_problem(text, &problem, kind, pointer);
}

char *config_text(const struct model_config *config)
{
    struct emit out = {0};
    char *text;

    model_config_write(config, &out);
    text = emit_take(&out, NULL);
    assert_non_null(text);
    return text;
}

void config_same(const char *a, const char *b)
{
    struct model_config first, second;
    char *one, *other;

    config_must_read(a, &first);
    config_must_read(b, &second);
    one = config_text(&first);
    other = config_text(&second);
    assert_string_equal(one, other);
    free(one);
    free(other);
}

static char *dump(json_t *root)
{
    const size_t n = json_dumpb(root, NULL, 0, JSON_COMPACT);
    char *text = calloc(1, n + 1);

    assert_non_null(text);
    assert_int_equal(json_dumpb(root, text, n, JSON_COMPACT), n);
    json_decref(root);
    return text;
}

char *config_with(const char *text, const char *path, const char *value)
{
    json_t *root = json_loads(text, 0, NULL), *object = root;
    const char *dot = strchr(path, '.');

    assert_non_null(root);
    if (dot != NULL) {
        char group[32] = "";
        (void)strncat(group, path, (size_t)(dot - path));
        if (json_object_get(root, group) == NULL) {
            assert_int_equal(json_object_set_new(root, group, json_object()), 0);
        }
        object = json_object_get(root, group);
    }
    assert_int_equal(json_object_set_new(object, dot != NULL ? dot + 1 : path,
                                         json_loads(value, JSON_DECODE_ANY, NULL)),
                     0);
    return dump(root);
}

static json_t *reversed(json_t *value)
{
    const char *keys[32], *key;
    size_t n = 0;
    json_t *turned, *member;

    if (!json_is_object(value)) {
        return json_incref(value);
    }
    json_object_foreach(value, key, member)
    {
        assert_true(n < sizeof keys / sizeof *keys);
        keys[n++] = key;
    }
    turned = json_object();
    while (n-- > 0) {
        member = reversed(json_object_get(value, keys[n]));
        assert_int_equal(json_object_set_new(turned, keys[n], member), 0);
    }
    return turned;
}

char *config_reversed(const char *text)
{
    json_t *root = json_loads(text, 0, NULL);
    json_t *turned;

    assert_non_null(root);
    turned = reversed(root);
    json_decref(root);
    return dump(turned);
}
