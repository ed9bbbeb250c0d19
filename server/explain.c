/*
 * Naming the entries of a group: what was read from the request and the store is walked once more,
 * now with its names, and each name is kept with the model's row that its feature has. The rules of
 * reading were applied when the list was read; here only what passed them is met.
 */
#include "explain.h"

#include "codec.h"
#include "grow.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const side_name[] = {"user", "context", "item"};

/* A feature's full name, and where it went. */
struct explain_name {
    uint32_t row; /* of the model */
    size_t at;    /* in the text, n bytes */
    size_t n;
};

/* One entity whose features are gone through. */
struct walk {
    const struct explain_source *source;
    struct explain_names *names;
    enum rk_side side;
};

/* ---- keeping names ---- */

static bool out_of_memory(struct problem *problem)
{
    return problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for the names of features");
}

/* Keeps "item.brand=acme", or "item.price" without a text. */
static bool add_name(const struct walk *walk, const char *key, const char *text,
                     struct problem *problem)
{
    struct explain_names *names = walk->names;
    const size_t key_n = strlen(key);
    const struct rk_feature feature =
        text == NULL ? rk_feature_number(walk->side, key, key_n, 1)
                     : rk_feature_category(walk->side, key, key_n, text, strlen(text), 1);
    struct explain_name name = {.at = names->text.length};

    if (rk_space_row(&walk->source->config->features, &feature, &name.row, NULL) != RK_OK) {
        return true; /* a stored name of another kind of space */
    }
    if (!grow_reserve(&names->name, &names->cap, names->n + 1)) {
        return out_of_memory(problem);
    }
    emit_format(&names->text, "%s.%s%s%s", side_name[walk->side], key, text != NULL ? "=" : "",
                text != NULL ? text : "");
    name.n = names->text.length - name.at;
    names->name[names->n++] = name;
    return !names->text.failed || out_of_memory(problem);
}

/* ---- walking features ---- */

/* The texts of an array, or of an object those with a weight. */
static bool add_texts(const struct walk *walk, const struct json_node *node,
                      struct problem *problem)
{
    const bool is_array = json_kind(node) == JSON_NODE_ARRAY;
    struct json_iterator iterator = {0};
    struct json_node one;
    bool done = true;

    for (size_t i = 0; is_array && i < json_count(node) && done; i++) {
        const char *text;
        size_t n;
        json_element(node, i, &one);
        done = json_kind(&one) != JSON_NODE_STRING || /* columns of an indexed space */
               (json_as_string(&one, 0, LIST_TEXT_MAX, &text, &n, problem) &&
                add_name(walk, node->key, text, problem));
    }
    while (!is_array && done && json_next(node, &iterator, &one)) {
        double weight = 0;
        done = json_kind(&one) == JSON_NODE_NULL ||
               (json_as_number(&one, -JSON_NUMBER_MAX, JSON_NUMBER_MAX, &weight, problem) &&
                ((float)weight == 0.0F || add_name(walk, node->key, one.key, problem)));
    }
    return done;
}

/* One member of a feature object. What adds nothing to an entry is not named. */
static bool add_feature(const struct walk *walk, const struct json_node *node,
                        struct problem *problem)
{
    const char *text;
    size_t n;
    bool flag;

    switch (json_kind(node)) {
    case JSON_NODE_NULL:
        return true;
    case JSON_NODE_BOOLEAN:
        return json_as_boolean(node, &flag, problem) &&
               (!flag || add_name(walk, node->key, NULL, problem));
    case JSON_NODE_NUMBER:
        return add_name(walk, node->key, NULL, problem);
    case JSON_NODE_STRING:
        return json_as_string(node, 0, LIST_TEXT_MAX, &text, &n, problem) &&
               add_name(walk, node->key, text, problem);
    case JSON_NODE_ARRAY:
    case JSON_NODE_OBJECT:
        return add_texts(walk, node, problem);
    }
    return false;
}

/* The members of a feature object, without those whose key another object has. */
static bool add_features(const struct walk *walk, const struct json_node *node,
                         const struct json_node *without, struct problem *problem)
{
    struct json_iterator iterator = {0};
    struct json_node member, own;
    bool done = true;

    if (json_kind(node) != JSON_NODE_OBJECT) {
        return true; /* columns of an indexed space */
    }
    while (done && json_next(node, &iterator, &member)) {
        done = (without != NULL && json_member(without, member.key, &own)) ||
               add_feature(walk, &member, problem);
    }
    return done;
}

/* What is stored under an id, as of the catalogue that the group was made with. */
static bool add_stored(const struct walk *walk, const char *id, const struct json_node *own,
                       struct problem *problem)
{
    const struct explain_source *source = walk->source;
    const enum store_side side = walk->side == RK_ITEM ? STORE_ITEM : STORE_USER;
    struct json_document document = {0};
    struct json_node root;
    struct rk_error err = {0};
    const char *text;
    const enum rk_status status =
        store_get_features(source->store, side, id, source->seq, &text, &err);
    bool done;

    if (status != RK_OK) {
        return status == RK_NOTFOUND || problem_from_error(problem, &err);
    }
    done = json_parse(text, strlen(text), CODEC_BUDGET_BULK, &document, &root, problem) &&
           add_features(walk, &root, own, problem);
    json_close(&document);
    return done;
}

/* The id, the request's features, and what is stored under them: the order of a group's making. */
static bool add_entity(const struct walk *walk, const char *id, const struct json_node *own,
                       struct problem *problem)
{
    return (id == NULL || !walk->source->config->use_ids || add_name(walk, "id", id, problem)) &&
           (own == NULL || add_features(walk, own, NULL, problem)) &&
           (id == NULL || add_stored(walk, id, own, problem));
}

/* ---- the rows of a group ---- */

/* The features of the user or of an item; NULL where it has none of its own. */
static const struct json_node *own_features(const struct json_node *entity, struct json_node *own)
{
    return json_kind(entity) == JSON_NODE_OBJECT && json_member(entity, "features", own) ? own
                                                                                         : NULL;
}

static bool add_shared(const struct explain_source *source, struct explain_names *names,
                       struct problem *problem)
{
    struct json_node user, context, own;
    const bool has_user = json_member(source->request, "user", &user);
    const bool has_context = json_member(source->request, "context", &context);
    const bool done = add_entity(&(struct walk){source, names, RK_USER}, source->list->user.id,
                                 has_user ? own_features(&user, &own) : NULL, problem) &&
                      add_entity(&(struct walk){source, names, RK_CONTEXT}, NULL,
                                 has_context ? &context : NULL, problem);

    names->n_shared = names->n;
    names->shared_text = names->text.length;
    names->has_shared = done;
    return done;
}

static bool add_item(const struct explain_source *source, size_t item, struct explain_names *names,
                     struct problem *problem)
{
    const uint32_t number = source->which[item];
    struct json_node items, element, own;

    (void)json_member(source->request, "items", &items);
    json_element(&items, number, &element);
    return add_entity(&(struct walk){source, names, RK_ITEM}, source->list->item[number].entity.id,
                      own_features(&element, &own), problem);
}

/* Has the names of row 0 and of this item, and of no other. */
static bool prepare(const struct explain_source *source, size_t item, struct explain_names *names,
                    struct problem *problem)
{
    if (source->config->features.kind == RK_INDEXED) {
        return true; /* a column is its own name */
    }
    if (!names->has_shared && !add_shared(source, names, problem)) {
        return false;
    }
    names->n = names->n_shared;
    names->text.length = names->shared_text;
    return add_item(source, item, names, problem);
}

void explain_names_deinit(struct explain_names *names)
{
    free(names->name);
    emit_deinit(&names->text);
    emit_deinit(&names->joined);
    *names = (struct explain_names){0};
}

/* ---- writing ---- */

/* Was the same name met before? */
static bool is_repeated(const struct explain_names *names, size_t first, size_t i)
{
    const struct explain_name *name = &names->name[i];

    for (size_t j = first; j < i; j++) {
        const struct explain_name *other = &names->name[j];
        if (other->row == name->row && other->n == name->n &&
            memcmp(names->text.text + other->at, names->text.text + name->at, name->n) == 0) {
            return true;
        }
    }
    return false;
}

/* The name of an entry: of all features that were summed into it. */
static void write_name(const struct explain_source *source, struct explain_names *names,
                       uint32_t entry, struct emit *out)
{
    const uint32_t row = source->group->index[entry];
    const bool shared = entry < source->group->offset[1];
    const size_t first = shared ? 0 : names->n_shared, end = shared ? names->n_shared : names->n;
    struct emit *joined = &names->joined;

    emit_reset(joined);
    for (size_t i = first; i < end; i++) {
        const struct explain_name *name = &names->name[i];
        if (name->row != row || is_repeated(names, first, i)) {
            continue;
        }
        if (joined->length > 0) {
            emit_raw(joined, "+", 1);
        }
        if (joined->length + name->n > EXPLAIN_NAME_MAX) {
            emit_raw(joined, "...", 3);
            break;
        }
        emit_raw(joined, names->text.text + name->at, name->n);
    }
    if (joined->length == 0) {
        emit_format(joined, "%" PRIu32, row);
    }
    emit_bytes(out, joined->text != NULL ? joined->text : "", joined->length);
    out->failed = out->failed || joined->failed; /* a name that was cut is not the name */
}

static void write_parts(const struct explain_source *source,
                        const struct rk_explanation *explanation, bool pairs,
                        struct explain_names *names, struct emit *out)
{
    emit_open(out, '[');
    for (size_t i = 0; i < explanation->n; i++) {
        const struct rk_part *part = &explanation->part[i];
        if ((part->b != RK_NO_ENTRY) != pairs) {
            continue;
        }
        emit_open(out, '{');
        emit_key(out, pairs ? "a" : "name");
        write_name(source, names, part->a, out);
        if (pairs) {
            emit_key(out, "b");
            write_name(source, names, part->b, out);
        }
        emit_key(out, "weight");
        emit_double(out, part->weight);
        emit_close(out, '}');
    }
    emit_close(out, ']');
}

static void write_number(struct emit *out, const char *key, double value)
{
    emit_key(out, key);
    emit_double(out, value);
}

bool explain_write(const struct explain_source *source, size_t item,
                   const struct rk_explanation *explanation, struct explain_names *names,
                   struct emit *out, struct problem *problem)
{
    if (explanation->n > 0 && !prepare(source, item, names, problem)) {
        return false;
    }
    emit_open(out, '{');
    write_number(out, "bias", explanation->bias);
    emit_key(out, "features");
    write_parts(source, explanation, false, names, out);
    emit_key(out, "pairs");
    write_parts(source, explanation, true, names, out);
    if (explanation->has_mlp) {
        write_number(out, "mlp", explanation->mlp);
    }
    if (explanation->has_dot) {
        write_number(out, "dot", explanation->dot);
    }
    write_number(out, "rest", explanation->rest);
    emit_close(out, '}');
    return !out->failed || out_of_memory(problem);
}

/* Entries of row 0 and of the longest of n items. */
static size_t most_entries(const struct rk_group *group, const uint32_t *item, size_t n)
{
    size_t most = 0;

    for (size_t i = 0; i < n; i++) {
        const size_t own = group->offset[item[i] + 2] - group->offset[item[i] + 1];
        most = own > most ? own : most;
    }
    return group->offset[1] + most;
}

enum rk_status explain_items(const struct rk_model *model, const float *theta,
                             const struct rk_group *group, const uint32_t *item, size_t n,
                             struct rk_explanation **parts, struct rk_error *err)
{
    void *work = malloc(rk_explain_work(model, most_entries(group, item, n)));
    struct rk_explanation *made = malloc((n + 1) * sizeof *made);
    enum rk_status status = work != NULL && made != NULL
                                ? RK_OK
                                : rk_fail(err, RK_NOMEM, "no memory to explain %zu items", n);

    for (size_t i = 0; i < n && status == RK_OK; i++) {
        status = rk_model_explain(model, theta, group, item[i], work, &made[i], err);
    }
    free(work);
    if (status != RK_OK) {
        free(made);
        return status;
    }
    *parts = made;
    return RK_OK;
}
