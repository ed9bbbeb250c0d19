/*
 * POST /v1/batches, and the features of items and users.
 */
#include "codec.h"
#include "codec_records.h"

#include <stdlib.h>
#include <string.h>

static bool copy_text(const char *text, char **copy, struct problem *problem)
{
    free(*copy);
    *copy = strdup(text);
    return *copy != NULL || problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
}

/* ---- batches ---- */

enum batch_member {
    BATCH_MODEL,
    BATCH_ID,
    BATCH_GROUPS
};

static bool read_name(struct pull *pull, size_t max, char **to)
{
    const char *text;
    size_t n;

    return pull_string(pull, 1, max, &text, &n) && copy_text(text, to, pull->problem);
}

static bool read_batch_member(struct pull *pull, const struct span *key, bool lenient,
                              struct codec_batch *batch)
{
    static const char *const names[] = {"model", "batch_id", "groups", NULL};
    const size_t member = pull_which(*key, names);

    if (names[member] == NULL) {
        return pull_unknown(pull, lenient);
    }
    if (pull_null(pull)) {
        return true;
    }
    switch ((enum batch_member)member) {
    case BATCH_MODEL:
        return read_name(pull, STORE_NAME_MAX, &batch->model);
    case BATCH_ID:
        return read_name(pull, STORE_ID_MAX, &batch->batch_id);
    case BATCH_GROUPS:
        batch->groups = *pull; /* they wait until the model is known */
        batch->has_groups = true;
        return pull_skip(pull);
    }
    return false;
}

static bool read_batch(const char *text, size_t n, bool lenient, struct codec_batch *batch,
                       struct problem *problem)
{
    struct pull pull;
    struct span key;

    if (!pull_begin(&pull, text, n, &batch->memory, problem) || !pull_object(&pull)) {
        return false;
    }
    while (pull_member(&pull, &key)) {
        if (!read_batch_member(&pull, &key, lenient, batch)) {
            return false;
        }
    }
    if (!pull_end(&pull)) {
        return false;
    }
    pull_resume(&batch->groups, &pull);
    return batch->has_groups ||
           pull_problem(&pull, PROBLEM_VALIDATION_FAILED, "a batch needs groups");
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
    return ndjson || read_batch(text, n, lenient, batch, problem);
}

struct group_reader {
    struct codec_batch *batch;
    const struct list_rules *rules;
    struct list *list;
    int64_t *items;
};

static bool read_group(void *context, struct pull *pull)
{
    const struct group_reader *reader = context;
    struct codec_batch *batch = reader->batch;
    const char *start = pull_here(pull);

    if (batch->n == CODEC_GROUPS_MAX) {
        return pull_problem_around(pull, PROBLEM_LIMIT_EXCEEDED,
                                   "has more than %d lists, the most a request may have",
                                   CODEC_GROUPS_MAX);
    }
    if (!list_read(pull, reader->rules, reader->list)) {
        return false;
    }
    batch->payload[batch->n] = pull_compact(pull, start, &batch->payload_n[batch->n]);
    if (batch->payload[batch->n] == NULL) {
        return pull_problem(pull, PROBLEM_OUT_OF_MEMORY, "no memory for a list");
    }
    batch->n++;
    *reader->items += (int64_t)reader->list->n_items;
    return true;
}

bool codec_batch_groups(struct codec_batch *batch, const struct list_rules *rules,
                        struct list *list, int64_t *items, struct problem *problem)
{
    struct group_reader group = {batch, rules, list, items};
    const struct codec_reader reader = {read_group, &group};

    *items = 0;
    batch->payload = calloc(CODEC_GROUPS_MAX, sizeof *batch->payload);
    batch->payload_n = calloc(CODEC_GROUPS_MAX, sizeof *batch->payload_n);
    if (batch->payload == NULL || batch->payload_n == NULL) {
        return problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for a batch");
    }
    if (batch->text != NULL) {
        return codec_each_line(batch->text, batch->text_n, &batch->memory, &reader, problem);
    }
    batch->groups.problem = problem;
    return codec_each_element(&batch->groups, &reader);
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
    pull_memory_deinit(&batch->memory);
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
    struct codec_entries *entries; /* (room) */
    size_t room;
};

/* A record on its way to an entry. */
struct entry_parts {
    struct list_entity name;
    struct list_entity own;
    char *features; /* NULL: none were given */
};

static bool read_entry_features(const struct entry_reader *reader, struct pull *pull,
                                struct entry_parts *parts)
{
    const char *start = pull_here(pull);
    size_t n;

    if (!list_read_features(pull, reader->side, NULL, reader->list, &parts->own)) {
        return false;
    }
    parts->features = pull_compact(pull, start, &n);
    return parts->features != NULL ||
           pull_problem(pull, PROBLEM_OUT_OF_MEMORY, "no memory for an entry");
}

static bool read_entry_parts(const struct entry_reader *reader, struct pull *pull,
                             struct entry_parts *parts)
{
    struct span key;

    if (!pull_object(pull)) {
        return false;
    }
    while (pull_member(pull, &key)) {
        const bool is_id = reader->id == NULL && span_is(key, "id");
        const bool is_features = span_is(key, "features");
        const bool read = !is_id && !is_features ? pull_unknown(pull, reader->lenient)
                          : pull_null(pull)      ? true
                          : is_id                ? list_read_id(pull, reader->side, &parts->name)
                                                 : read_entry_features(reader, pull, parts);
        if (!read) {
            return false;
        }
    }
    return pull_good(pull);
}

static bool read_entry(void *context, struct pull *pull)
{
    const struct entry_reader *reader = context;
    struct codec_entries *entries = reader->entries;
    struct entry_parts parts = {0};
    struct catalogue_entry *entry = NULL;
    bool read;

    if (entries->n == reader->room) {
        return pull_problem_around(pull, PROBLEM_LIMIT_EXCEEDED,
                                   "has more than %zu entries, the most a request may have",
                                   reader->room);
    }
    if (reader->id != NULL) {
        parts.name = entity_of(reader->side, reader->id);
    }
    list_reset(reader->list);
    read = read_entry_parts(reader, pull, &parts);
    if (read && (parts.name.id == NULL || parts.features == NULL)) {
        read = pull_problem(pull, PROBLEM_VALIDATION_FAILED, "an entry needs %s",
                            parts.name.id == NULL ? "an id" : "features");
    }
    if (read) {
        entry = make_entry(&parts.name, reader->list, &parts.own);
        read = entry != NULL || pull_problem(pull, PROBLEM_OUT_OF_MEMORY, "no memory for an entry");
    }
    if (!read) {
        free(parts.features);
        return false;
    }
    entries->entry[entries->n] = entry;
    entries->features[entries->n++] = parts.features;
    return true;
}

static bool reserve_entries(struct entry_reader *reader, size_t n, struct problem *problem)
{
    reader->room = n;
    reader->entries->entry = calloc(n, sizeof(struct catalogue_entry *));
    reader->entries->features = calloc(n, sizeof(char *));
    return (reader->entries->entry != NULL && reader->entries->features != NULL) ||
           problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for %zu entries", n);
}

/* {"items": [...]} or {"users": [...]}. */
static bool read_entry_array(struct pull *pull, struct entry_reader *entry)
{
    const struct codec_reader reader = {read_entry, entry};
    const char *const name = entry->side == RK_ITEM ? "items" : "users";
    bool given = false;
    struct span key;

    if (!pull_object(pull)) {
        return false;
    }
    while (pull_member(pull, &key)) {
        const bool wanted = span_is(key, name);
        if (!(wanted ? codec_each_element(pull, &reader) : pull_unknown(pull, entry->lenient))) {
            return false;
        }
        given = given || wanted;
    }
    return pull_good(pull) &&
           (given || pull_problem(pull, PROBLEM_VALIDATION_FAILED, "needs %s", name));
}

bool codec_entries_read(const char *text, size_t n, bool ndjson, enum rk_side side, const char *id,
                        bool lenient, struct codec_entries *entries, struct problem *problem)
{
    struct list list = {0};
    struct entry_reader entry = {side, id, lenient, &list, entries, 0};
    const struct codec_reader reader = {read_entry, &entry};
    struct pull pull;
    bool read;

    *entries = (struct codec_entries){0};
    read = reserve_entries(&entry, id != NULL ? 1 : CODEC_ENTRIES_MAX, problem);
    if (read && ndjson) {
        read = codec_each_line(text, n, &list.memory, &reader, problem);
    } else if (read) {
        read = pull_begin(&pull, text, n, &list.memory, problem) &&
               (id != NULL ? read_entry(&entry, &pull) : read_entry_array(&pull, &entry)) &&
               pull_end(&pull);
    }
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
    struct problem problem = {0};
    struct catalogue_entry *made = NULL;
    struct pull pull;

    if (name.id_n > LIST_ID_MAX) {
        return rk_fail(err, RK_CORRUPT, "a stored id has %zu bytes", name.id_n);
    }
    if (pull_begin(&pull, features, strlen(features), &list.memory, &problem) &&
        list_read_features(&pull, side, NULL, &list, &own) && pull_end(&pull)) {
        made = make_entry(&name, &list, &own);
        if (made == NULL) {
            problem_set(&problem, PROBLEM_OUT_OF_MEMORY, "no memory for an entry");
        }
    }
    list_deinit(&list);
    if (made == NULL) {
        return problem_stored(&problem, err, "the features of \"%s\"", id);
    }
    *entry = made;
    return RK_OK;
}
