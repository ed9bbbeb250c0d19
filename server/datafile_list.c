/*
 * From a list with ids to a group: what is stored for an id is laid under what the file says, as
 * when such a list is served.
 */
#include "assemble.h"
#include "datafile_impl.h"
#include "store_log.h"

static void note_entry(void *context, const char *id, const char *features)
{
    (void)id;
    (void)features;
    *(bool *)context = true;
}

/* Most databases have no catalogue: then no id is looked for. */
enum rk_status datafile_open_stored(struct datafile_reader *reader, struct rk_error *err)
{
    struct store *store = reader->options->store;
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
        status = store_log_end(store, &reader->stored.seq, err);
    }
    reader->stored.store = any ? store : NULL;
    return status;
}

/* Ids that are rows of an indexed table have to be in it. */
static enum rk_status check_ids(const struct rk_model_config *config, const struct list *list,
                                size_t *where, struct rk_error *err)
{
    struct rk_error own = {0};
    uint64_t key;

    if (list_key(&config->users, &list->user, &key, &own) != RK_OK) {
        return rk_fail(err, RK_INVALID, "the user: %s", own.text);
    }
    for (size_t i = 0; i < list->n_items; i++) {
        if (list_key(&config->items, &list->item[i].entity, &key, &own) != RK_OK) {
            *where = i;
            return rk_fail(err, RK_INVALID, "item %zu: %s", i, own.text);
        }
    }
    return RK_OK;
}

enum rk_status datafile_add_list(struct datafile_reader *reader, struct list *list, size_t *where,
                                 struct rk_error *err)
{
    const struct rk_model_config *config = reader->options->config;
    const struct assemble_source source = stored_source(&reader->stored);
    uint32_t which[LIST_ITEMS_MAX];
    struct rk_error own = {0};
    struct rk_group view;
    enum rk_status status;

    *where = SIZE_MAX;
    status = check_ids(config, list, where, err);
    if (status != RK_OK) {
        return status;
    }
    for (size_t i = 0; i < list->n_items; i++) {
        which[i] = (uint32_t)i;
    }
    status = assemble_group(list, config, &source, which, list->n_items, true, &reader->builder,
                            &view, where, &own);
    if (status == RK_MISMATCH) {
        return *where == SIZE_MAX
                   ? rk_fail(err, RK_INVALID, "stored features of the user: %s", own.text)
                   : rk_fail(err, RK_INVALID, "stored features of item %zu: %s", *where, own.text);
    }
    return status == RK_OK ? datafile_add(reader, &view, err)
                           : rk_fail(err, status, "%s", own.text);
}
