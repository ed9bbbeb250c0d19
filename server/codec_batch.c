/*
 * POST /v1/batches, and the features of items and users.
 */
#include "codec.h"
#include "lines.h"

#include <stdlib.h>
#include <string.h>

#define BODY_BUDGET (CODEC_JSON_FACTOR * ((size_t)16 << 20))

static const char *const batch_members[] = {"model", "batch_id", "groups", NULL};
static const char *const group_members[] = {"user", "context", "items", NULL};
static const char *const features_members[] = {"features", NULL};
static const char *const entry_members[] = {"id", "features", NULL};

static bool copy_text(const char *text, char **copy, struct problem *problem)
{
    free(*copy);
    *copy = strdup(text);
    return *copy != NULL || problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
}

static bool read_name(const struct json_node *root, const char *key, size_t max, char **to,
                      struct problem *problem)
{
    struct json_node member;
    const char *text;
    size_t n;

    if (!json_member(root, key, &member)) {
        return true;
    }
    return json_as_string(&member, 1, max, &text, &n, problem) && copy_text(text, to, problem);
}

bool codec_batch_open(const char *text, size_t n, bool ndjson, const char *model,
                      const char *batch_id, bool lenient, struct codec_batch *batch,
                      struct problem *problem)
{
    *batch = (struct codec_batch){.text = ndjson ? text : NULL, .text_n = n};
    if (!copy_text(model != NULL ? model : "default", &batch->model, problem) ||
        (batch_id != NULL && !copy_text(batch_id, &batch->batch_id, problem))) {
        return false;
    }
    if (batch_id != NULL && (batch_id[0] == '\0' || strlen(batch_id) > STORE_ID_MAX)) {
        return problem_set(problem, PROBLEM_VALIDATION_FAILED, "batch_id must be 1 to %d bytes",
                           STORE_ID_MAX);
    }
    if (ndjson) {
        return true;
    }
    return json_parse(text, n, BODY_BUDGET, &batch->document, &batch->root, problem) &&
           json_as_object(&batch->root, problem) &&
           json_only(&batch->root, batch_members, lenient, problem) &&
           read_name(&batch->root, "model", STORE_NAME_MAX, &batch->model, problem) &&
           read_name(&batch->root, "batch_id", STORE_ID_MAX, &batch->batch_id, problem);
}

static bool reserve_payloads(struct codec_batch *batch, size_t n, struct problem *problem)
{
    if (n > CODEC_GROUPS_MAX) {
        return problem_set(problem, PROBLEM_LIMIT_EXCEEDED,
                           "%zu lists, at most %d are taken in a request", n, CODEC_GROUPS_MAX);
    }
    batch->payload = calloc(n > 0 ? n : 1, sizeof *batch->payload);
    batch->payload_n = calloc(n > 0 ? n : 1, sizeof *batch->payload_n);
    return (batch->payload != NULL && batch->payload_n != NULL) ||
           problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for %zu lists", n);
}

static bool read_group(struct codec_batch *batch, const struct json_node *node,
                       const struct rk_space *space, bool lenient, struct list *list,
                       int64_t *items, struct problem *problem)
{
    if (!json_as_object(node, problem) || !json_only(node, group_members, lenient, problem) ||
        !list_read(node, space, true, lenient, list, problem)) {
        return false;
    }
    batch->payload[batch->n] = json_text(node, &batch->payload_n[batch->n]);
    if (batch->payload[batch->n] == NULL) {
        return problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for a list");
    }
    batch->n++;
    *items += (int64_t)list->n_items;
    return true;
}

static bool read_group_lines(struct codec_batch *batch, const struct rk_space *space, bool lenient,
                             struct list *list, int64_t *items, struct problem *problem)
{
    struct lines lines = lines_of(batch->text, batch->text_n);
    const char *line;
    size_t length;
    bool read = reserve_payloads(batch, lines_count(batch->text, batch->text_n), problem);

    while (read && lines_next(&lines, &line, &length)) {
        const struct json_node all = {0};
        struct json_document document = {0};
        struct json_node root;
        read = json_parse(line, length, BODY_BUDGET, &document, &root, problem);
        if (read) {
            root.parent = &all;
            root.index = lines.number;
            read = read_group(batch, &root, space, lenient, list, items, problem);
        }
        json_close(&document);
    }
    return read;
}

bool codec_batch_groups(struct codec_batch *batch, const struct rk_space *space, bool lenient,
                        struct list *list, int64_t *items, struct problem *problem)
{
    struct json_node groups;
    size_t n;

    *items = 0;
    if (batch->text != NULL) {
        return read_group_lines(batch, space, lenient, list, items, problem);
    }
    if (!json_member(&batch->root, "groups", &groups)) {
        return json_problem(&batch->root, PROBLEM_VALIDATION_FAILED, problem,
                            "a batch needs groups");
    }
    if (!json_as_array(&groups, problem)) {
        return false;
    }
    n = json_count(&groups);
    if (!reserve_payloads(batch, n, problem)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct json_node element;
        json_element(&groups, i, &element);
        if (!read_group(batch, &element, space, lenient, list, items, problem)) {
            return false;
        }
    }
    return true;
}

void codec_batch_close(struct codec_batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        free(batch->payload[i]);
    }
    free(batch->payload);
    free(batch->payload_n);
    free(batch->model);
    free(batch->batch_id);
    json_close(&batch->document);
    *batch = (struct codec_batch){0};
}

/* An entry of an id with the features that were just read into a list. */
static struct catalogue_entry *make_entry(const struct list_entity *id, const struct list *list,
                                          const struct list_entity *features)
{
    struct catalogue_entry *entry =
        calloc(1, sizeof *entry + features->n * sizeof entry->feature[0]);

    if (entry != NULL) {
        entry->hash = id->hash;
        memcpy(entry->id, id->id, id->id_n + 1);
        entry->n = (uint32_t)features->n;
        if (features->n > 0) {
            memcpy(entry->feature, list->feature + features->first,
                   features->n * sizeof entry->feature[0]);
        }
    }
    return entry;
}

/* One {"features"} of a known id, or one {"id", "features"}. */
static bool read_entry(const struct json_node *node, enum rk_side side, const char *id,
                       bool lenient, struct list *list, struct codec_entries *entries,
                       struct problem *problem)
{
    struct json_node member, features;
    struct list_entity name = {0}, own = {0};

    if (!json_as_object(node, problem) ||
        !json_only(node, id != NULL ? features_members : entry_members, lenient, problem)) {
        return false;
    }
    if (id != NULL) {
        name = (struct list_entity){
            .id = id, .id_n = strlen(id), .hash = list_id_hash(side, id, strlen(id))};
    } else if (!json_member(node, "id", &member)) {
        return json_problem(node, PROBLEM_VALIDATION_FAILED, problem, "an entry needs an id");
    } else if (!list_read_id(&member, side, &name, problem)) {
        return false;
    }
    if (!json_member(node, "features", &features)) {
        return json_problem(node, PROBLEM_VALIDATION_FAILED, problem, "an entry needs features");
    }
    list_reset(list);
    if (!list_read_features(&features, side, NULL, list, &own, problem)) {
        return false;
    }
    entries->entry[entries->n] = make_entry(&name, list, &own);
    entries->features[entries->n] = json_text(&features, &(size_t){0});
    entries->n++;
    return (entries->entry[entries->n - 1] != NULL && entries->features[entries->n - 1] != NULL) ||
           problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for an entry");
}

static bool reserve_entries(struct codec_entries *entries, size_t n, struct problem *problem)
{
    if (n > CODEC_ENTRIES_MAX) {
        return problem_set(problem, PROBLEM_LIMIT_EXCEEDED,
                           "%zu entries, at most %d are taken in a request", n, CODEC_ENTRIES_MAX);
    }
    entries->entry = calloc(n > 0 ? n : 1, sizeof(struct catalogue_entry *));
    entries->features = calloc(n > 0 ? n : 1, sizeof(char *));
    return (entries->entry != NULL && entries->features != NULL) ||
           problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for %zu entries", n);
}

static bool read_entry_lines(const char *text, size_t n, enum rk_side side, bool lenient,
                             struct list *list, struct codec_entries *entries,
                             struct problem *problem)
{
    struct lines lines = lines_of(text, n);
    const char *line;
    size_t length;
    bool read = reserve_entries(entries, lines_count(text, n), problem);

    while (read && lines_next(&lines, &line, &length)) {
        const struct json_node all = {0};
        struct json_document document = {0};
        struct json_node root;
        read = json_parse(line, length, BODY_BUDGET, &document, &root, problem);
        if (read) {
            root.parent = &all;
            root.index = lines.number;
            read = read_entry(&root, side, NULL, lenient, list, entries, problem);
        }
        json_close(&document);
    }
    return read;
}

static bool read_entry_array(const struct json_node *root, enum rk_side side, bool lenient,
                             struct list *list, struct codec_entries *entries,
                             struct problem *problem)
{
    const char *const name = side == RK_ITEM ? "items" : "users";
    const char *const members[] = {name, NULL};
    struct json_node array;
    size_t n;

    if (!json_as_object(root, problem) || !json_only(root, members, lenient, problem)) {
        return false;
    }
    if (!json_member(root, name, &array)) {
        return json_problem(root, PROBLEM_VALIDATION_FAILED, problem, "needs %s", name);
    }
    if (!json_as_array(&array, problem)) {
        return false;
    }
    n = json_count(&array);
    if (!reserve_entries(entries, n, problem)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct json_node element;
        json_element(&array, i, &element);
        if (!read_entry(&element, side, NULL, lenient, list, entries, problem)) {
            return false;
        }
    }
    return true;
}

bool codec_entries_read(const char *text, size_t n, bool ndjson, enum rk_side side, const char *id,
                        bool lenient, struct codec_entries *entries, struct problem *problem)
{
    struct list list = {0};
    struct json_document document = {0};
    struct json_node root;
    bool read;

    *entries = (struct codec_entries){0};
    if (ndjson) {
        read = read_entry_lines(text, n, side, lenient, &list, entries, problem);
    } else if (!json_parse(text, n, BODY_BUDGET, &document, &root, problem)) {
        read = false;
    } else if (id != NULL) {
        read = reserve_entries(entries, 1, problem) &&
               read_entry(&root, side, id, lenient, &list, entries, problem);
    } else {
        read = read_entry_array(&root, side, lenient, &list, entries, problem);
    }
    json_close(&document);
    list_deinit(&list);
    return read;
}

void codec_entries_close(struct codec_entries *entries)
{
    for (size_t i = 0; i < entries->n; i++) {
        free(entries->entry[i]);
        free(entries->features[i]);
    }
    free(entries->entry);
    free(entries->features);
    *entries = (struct codec_entries){0};
}

struct catalogue_entry *codec_entry_parse(enum rk_side side, const char *id, const char *features)
{
    struct list list = {0};
    struct json_document document = {0};
    struct json_node root;
    struct problem problem = {0};
    const struct list_entity name = {
        .id = id, .id_n = strlen(id), .hash = list_id_hash(side, id, strlen(id))};
    struct list_entity own = {0};
    struct catalogue_entry *entry = NULL;

    if (json_parse(features, strlen(features), BODY_BUDGET, &document, &root, &problem) &&
        list_read_features(&root, side, NULL, &list, &own, &problem)) {
        entry = make_entry(&name, &list, &own);
    }
    json_close(&document);
    list_deinit(&list);
    return entry;
}
