/*
 * POST /v1/batches, and the features of items and users.
 */
#include "codec.h"
#include "codec_records.h"
#include "lines.h"

#include <stdlib.h>
#include <string.h>

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
    *batch = (struct codec_batch){.text_n = n};
    if (ndjson) {
        batch->text = n > 0 ? text : "";
    }
    if (!copy_text(model != NULL ? model : "default", &batch->model, problem) ||
        (batch_id != NULL && !copy_text(batch_id, &batch->batch_id, problem))) {
        return false;
    }
    if (batch_id != NULL && (batch_id[0] == '\0' || strlen(batch_id) > STORE_ID_MAX)) {
        return problem_set(problem,
                           batch_id[0] == '\0' ? PROBLEM_VALIDATION_FAILED : PROBLEM_LIMIT_EXCEEDED,
                           "batch_id must be 1 to %d bytes", STORE_ID_MAX);
    }
    if (ndjson) {
        return true;
    }
    return json_parse(text, n, CODEC_BUDGET_BULK, &batch->document, &batch->root, problem) &&
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

struct group_reader {
    struct codec_batch *batch; /* with room for one more payload */
    const struct rk_space *space;
    bool lenient;
    struct list *list;
    int64_t *items;
};

/* Where ids are rows of tables, each must be one. */
static bool check_ids(const struct codec_batch *batch, const struct list *list,
                      const struct json_node *node, struct problem *problem)
{
    struct json_node items, item, user;
    struct rk_error err = {0};
    uint64_t key;

    if (batch->users != NULL && list_key(batch->users, &list->user, &key, &err) != RK_OK) {
        return json_problem(json_member(node, "user", &user) ? &user : node, PROBLEM_INDEX_OUTSIDE,
                            problem, "%s", err.text);
    }
    for (size_t i = 0; batch->items != NULL && i < list->n_items; i++) {
        if (list_key(batch->items, &list->item[i].entity, &key, &err) != RK_OK) {
            (void)json_member(node, "items", &items);
            json_element(&items, i, &item);
            return json_problem(&item, PROBLEM_INDEX_OUTSIDE, problem, "%s", err.text);
        }
    }
    return true;
}

static bool read_group(void *context, const struct json_node *node, struct problem *problem)
{
    const struct group_reader *reader = context;
    struct codec_batch *batch = reader->batch;

    if (!json_only(node, group_members, reader->lenient, problem) ||
        !list_read(node, reader->space, true, reader->lenient, reader->list, problem) ||
        !check_ids(batch, reader->list, node, problem)) {
        return false;
    }
    batch->payload[batch->n] = json_text(node, &batch->payload_n[batch->n]);
    if (batch->payload[batch->n] == NULL) {
        return problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for a list");
    }
    batch->n++;
    *reader->items += (int64_t)reader->list->n_items;
    return true;
}

bool codec_batch_groups(struct codec_batch *batch, const struct rk_space *space, bool lenient,
                        struct list *list, int64_t *items, struct problem *problem)
{
    struct group_reader group = {batch, space, lenient, list, items};
    const struct codec_reader reader = {read_group, &group};
    struct json_node groups;

    *items = 0;
    if (batch->text != NULL) {
        return reserve_payloads(batch, lines_count(batch->text, batch->text_n), problem) &&
               codec_each_line(batch->text, batch->text_n, CODEC_BUDGET_BULK, &reader, problem);
    }
    if (!json_member(&batch->root, "groups", &groups)) {
        return json_problem(&batch->root, PROBLEM_VALIDATION_FAILED, problem,
                            "a batch needs groups");
    }
    return json_as_array(&groups, problem) &&
           reserve_payloads(batch, json_count(&groups), problem) &&
           codec_each_element(&groups, &reader, problem);
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

static struct list_entity entity_of(enum rk_side side, const char *id)
{
    const size_t n = strlen(id);

    return (struct list_entity){.id = id, .id_n = n, .hash = list_id_hash(side, id, n)};
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

/* One {"features"} of a known id, or {"id", "features"} records. */
struct entry_reader {
    enum rk_side side;
    const char *id; /* NULL: each record has its own */
    bool lenient;
    struct list *list;
    struct codec_entries *entries; /* with room for one more */
};

static bool read_entry_id(const struct entry_reader *reader, const struct json_node *node,
                          struct list_entity *name, struct problem *problem)
{
    struct json_node member;

    if (reader->id != NULL) {
        *name = entity_of(reader->side, reader->id);
        return true;
    }
    if (!json_member(node, "id", &member)) {
        return json_problem(node, PROBLEM_VALIDATION_FAILED, problem, "an entry needs an id");
    }
    return list_read_id(&member, reader->side, name, problem);
}

static bool read_entry(void *context, const struct json_node *node, struct problem *problem)
{
    const struct entry_reader *reader = context;
    struct codec_entries *entries = reader->entries;
    struct json_node features;
    struct list_entity name = {0}, own = {0};

    if (!json_only(node, reader->id != NULL ? features_members : entry_members, reader->lenient,
                   problem) ||
        !read_entry_id(reader, node, &name, problem)) {
        return false;
    }
    if (!json_member(node, "features", &features)) {
        return json_problem(node, PROBLEM_VALIDATION_FAILED, problem, "an entry needs features");
    }
    list_reset(reader->list);
    if (!list_read_features(&features, reader->side, NULL, reader->list, &own, problem)) {
        return false;
    }
    entries->entry[entries->n] = make_entry(&name, reader->list, &own);
    entries->features[entries->n] = json_text(&features, NULL);
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

/* {"items": [...]} or {"users": [...]}. */
static bool read_entry_array(const struct json_node *root, struct entry_reader *entry,
                             struct problem *problem)
{
    const struct codec_reader reader = {read_entry, entry};
    const char *const name = entry->side == RK_ITEM ? "items" : "users";
    const char *const members[] = {name, NULL};
    struct json_node array;

    if (!json_only(root, members, entry->lenient, problem)) {
        return false;
    }
    if (!json_member(root, name, &array)) {
        return json_problem(root, PROBLEM_VALIDATION_FAILED, problem, "needs %s", name);
    }
    return json_as_array(&array, problem) &&
           reserve_entries(entry->entries, json_count(&array), problem) &&
           codec_each_element(&array, &reader, problem);
}

bool codec_entries_read(const char *text, size_t n, bool ndjson, enum rk_side side, const char *id,
                        bool lenient, struct codec_entries *entries, struct problem *problem)
{
    struct list list = {0};
    struct entry_reader entry = {side, id, lenient, &list, entries};
    const struct codec_reader reader = {read_entry, &entry};
    struct json_document document = {0};
    struct json_node root;
    bool read;

    *entries = (struct codec_entries){0};
    if (ndjson) {
        read = reserve_entries(entries, lines_count(text, n), problem) &&
               codec_each_line(text, n, CODEC_BUDGET_BULK, &reader, problem);
    } else if (!json_parse(text, n, id != NULL ? CODEC_BUDGET : CODEC_BUDGET_BULK, &document, &root,
                           problem)) {
        read = false;
    } else if (id != NULL) {
        read = reserve_entries(entries, 1, problem) && read_entry(&entry, &root, problem);
    } else {
        read = read_entry_array(&root, &entry, problem);
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

enum rk_status codec_entry_parse(enum rk_side side, const char *id, const char *features,
                                 struct catalogue_entry **entry, struct rk_error *err)
{
    const struct list_entity name = entity_of(side, id);
    struct list list = {0};
    struct list_entity own = {0};
    struct json_document document = {0};
    struct json_node root;
    struct problem problem = {0};
    struct catalogue_entry *made = NULL;

    if (name.id_n > LIST_ID_MAX) {
        return rk_fail(err, RK_CORRUPT, "a stored id has %zu bytes", name.id_n);
    }
    if (json_parse(features, strlen(features), CODEC_BUDGET_BULK, &document, &root, &problem) &&
        list_read_features(&root, side, NULL, &list, &own, &problem)) {
        made = make_entry(&name, &list, &own);
        if (made == NULL) {
            problem_set(&problem, PROBLEM_OUT_OF_MEMORY, "no memory for an entry");
        }
    }
    json_close(&document);
    list_deinit(&list);
    if (made == NULL) {
        return problem_stored(&problem, err, "the features of \"%s\"", id);
    }
    *entry = made;
    return RK_OK;
}
