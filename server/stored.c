/*
 * Looking up revisions of stored features.
 */
#include "stored.h"

#include "codec.h"

#include <stdlib.h>

void stored_deinit(struct stored *stored)
{
    free(stored->entry);
    stored->entry = NULL;
}

static enum rk_status find(void *context, enum rk_side side, const struct list_entity *entity,
                           const struct rk_feature **features, size_t *n, struct rk_error *err)
{
    struct stored *stored = context;
    const char *text;
    enum rk_status status;

    *n = 0;
    if (stored->store == NULL || stored->seq == 0) {
        return RK_OK;
    }
    status = store_get_features(stored->store, side == RK_ITEM ? STORE_ITEM : STORE_USER,
                                entity->id, stored->seq, &text, NULL);
    if (status == RK_NOTFOUND) {
        return RK_OK;
    }
    if (status != RK_OK) {
        return rk_fail(err, status, "the stored features of an id cannot be read");
    }
    stored_deinit(stored);
    status = codec_entry_parse(side, entity->id, text, &stored->entry, err);
    if (status != RK_OK) {
        return status;
    }
    *features = stored->entry->feature;
    *n = stored->entry->n;
    return RK_OK;
}

struct assemble_source stored_source(struct stored *stored)
{
    return (struct assemble_source){.find = find, .context = stored};
}
