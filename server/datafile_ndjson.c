/*
 * NDJSON lines: {"user", "context", "items": [{"id", "features", "label", "weight"}]}, by the same
 * rules as the lists of a batch. Features stored for an id are laid under those of the line, as
 * they are now.
 */
#include "assemble.h"
#include "codec.h"
#include "datafile_impl.h"

#include <stdlib.h>
#include <string.h>

static const char *const members[] = {"user", "context", "items", NULL};

/* Features of the catalogue as of the log's end. */
struct stored {
    struct store *store; /* NULL: there are none */
    int64_t log_end;
    struct catalogue_entry *entry; /* owned, the last one found */
};

struct ndjson {
    struct datafile_reader *reader;
    struct list list;
    struct stored stored;
};

static enum rk_status find_stored(void *context, enum rk_side side,
                                  const struct list_entity *entity,
                                  const struct rk_feature **features, size_t *n,
                                  struct rk_error *err)
{
    struct stored *stored = context;
    const char *text;
    enum rk_status status;

    *n = 0;
    if (stored->store == NULL) {
        return RK_OK;
    }
    status = store_get_features(stored->store, side == RK_ITEM ? STORE_ITEM : STORE_USER,
                                entity->id, stored->log_end, &text, NULL);
    if (status == RK_NOTFOUND) {
        return RK_OK;
    }
    if (status != RK_OK) {
        return rk_fail(err, status, "the stored features of an id cannot be read");
    }
    free(stored->entry);
    stored->entry = codec_entry_parse(side, entity->id, text);
    if (stored->entry == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for stored features");
    }
    *features = stored->entry->feature;
    *n = stored->entry->n;
    return RK_OK;
}

static void note_entry(void *context, const char *id, const char *features)
{
    (void)id;
    (void)features;
    *(bool *)context = true;
}

/* Most databases have no catalogue: then no id is looked for. */
static enum rk_status open_stored(struct store *store, struct stored *stored, struct rk_error *err)
{
    bool any = false;
    enum rk_status status;

    if (store == NULL) {
        return RK_OK;
    }
    status = store_list_features(store, STORE_ITEM, "", 1, note_entry, &any, err);
    if (status == RK_OK && !any) {
        status = store_list_features(store, STORE_USER, "", 1, note_entry, &any, err);
    }
    if (status == RK_OK) {
        status = store_log_end(store, &stored->log_end, err);
    }
    stored->store = any ? store : NULL;
    return status;
}

/* A problem with its place; the parser's own "line 1" is left out, since the line is known. */
static enum rk_status refuse(const struct problem *problem, struct rk_error *err)
{
    static const char own_line[] = " at line 1,";
    const char *at = strstr(problem->detail, own_line);

    if (problem->kind == PROBLEM_OUT_OF_MEMORY) {
        return rk_fail(err, RK_NOMEM, "%s", problem->detail);
    }
    if (at != NULL) {
        return rk_fail(err, RK_INVALID, "%.*s at%s", (int)(at - problem->detail), problem->detail,
                       at + strlen(own_line));
    }
    return rk_fail(err, RK_INVALID, "%s%s%s", problem->pointer,
                   problem->pointer[0] != '\0' ? ": " : "", problem->detail);
}

/* Groups the list that was read. */
static enum rk_status add_list(struct ndjson *ndjson, struct rk_error *err)
{
    const struct assemble_source source = {find_stored, &ndjson->stored};
    struct datafile_reader *reader = ndjson->reader;
    uint32_t which[LIST_ITEMS_MAX];
    struct rk_error own = {0};
    struct rk_group view;
    enum rk_status status;
    size_t where;

    for (size_t i = 0; i < ndjson->list.n_items; i++) {
        which[i] = (uint32_t)i;
    }
    status = assemble_group(&ndjson->list, reader->options->config, &source, which,
                            ndjson->list.n_items, true, &reader->builder, &view, &where, &own);
    if (status == RK_MISMATCH) {
        return where == SIZE_MAX
                   ? rk_fail(err, RK_INVALID, "stored features of the user: %s", own.text)
                   : rk_fail(err, RK_INVALID, "stored features of item %zu: %s", where, own.text);
    }
    return status == RK_OK ? datafile_add(reader, &view, err)
                           : rk_fail(err, status, "%s", own.text);
}

static enum rk_status read_list(struct ndjson *ndjson, struct rk_error *err)
{
    const struct datafile_lines *lines = &ndjson->reader->lines;
    const struct rk_space *space = &ndjson->reader->options->config->features;
    const size_t budget = CODEC_JSON_FACTOR * (lines->length + ((size_t)1 << 20));
    struct json_document document = {0};
    struct problem problem = {0};
    struct json_node root;
    const bool read = json_parse(lines->text, lines->length, budget, &document, &root, &problem) &&
                      json_as_object(&root, &problem) &&
                      json_only(&root, members, false, &problem) &&
                      list_read(&root, space, true, false, &ndjson->list, &problem);
    const enum rk_status status = read ? add_list(ndjson, err) : refuse(&problem, err);

    json_close(&document);
    return status;
}

enum rk_status datafile_read_ndjson(struct datafile_reader *reader, struct rk_error *err)
{
    struct ndjson ndjson = {.reader = reader};
    enum rk_status status = open_stored(reader->options->store, &ndjson.stored, err);
    bool got = true;

    while (status == RK_OK && got) {
        status = read_list(&ndjson, err);
        if (status == RK_OK) {
            status = datafile_next(reader, &got, err);
        }
    }
    list_deinit(&ndjson.list);
    free(ndjson.stored.entry);
    return status;
}
