/*
 * Laying request features over stored ones, key by key.
 */
#include "assemble.h"

/* Do two features stand under the same key? */
static bool same_key(const struct rk_feature *a, const struct rk_feature *b)
{
    if (a->name != 0 && b->name != 0) {
        return a->name == b->name;
    }
    return a->column != RK_NO_COLUMN && a->column == b->column;
}

static bool has_key(const struct rk_feature *features, size_t n, const struct rk_feature *wanted)
{
    for (size_t i = 0; i < n; i++) {
        if (same_key(&features[i], wanted)) {
            return true;
        }
    }
    return false;
}

/* The id, the request's features, and those stored features whose key the request does not have. */
static enum rk_status add_entity(const struct list *list, const struct list_entity *entity,
                                 enum rk_side side, const struct rk_model_config *config,
                                 const struct assemble_source *source,
                                 struct rk_group_builder *builder, struct rk_error *err)
{
    const struct rk_feature *own = list->feature + entity->first;
    const struct rk_feature *stored = NULL;
    size_t n_stored = 0;
    enum rk_status status = RK_OK;

    if (entity->id != NULL && config->use_ids && config->features.kind == RK_HASHED) {
        const struct rk_feature id =
            rk_feature_category(side, "id", 2, entity->id, entity->id_n, 1.0F);
        status = rk_group_add(builder, &id, err);
    }
    for (size_t i = 0; i < entity->n && status == RK_OK; i++) {
        status = rk_group_add(builder, &own[i], err);
    }
    if (status == RK_OK && entity->id != NULL) {
        status = source->find(source->context, side, entity, &stored, &n_stored, err);
    }
    for (size_t i = 0; i < n_stored && status == RK_OK; i++) {
        uint32_t row;
        /*
         * One catalogue serves models of both spaces: what has no place in this model's is left
         * out.
         */
        if (rk_space_row(&config->features, &stored[i], &row, NULL) != RK_INVALID &&
            !has_key(own, entity->n, &stored[i])) {
            status = rk_group_add(builder, &stored[i], err);
        }
    }
    return status;
}

enum rk_status assemble_group(const struct list *list, const struct rk_model_config *config,
                              const struct assemble_source *source, const uint32_t *which, size_t n,
                              bool labelled, struct rk_group_builder *builder,
                              struct rk_group *group, size_t *where, struct rk_error *err)
{
    enum rk_status status = rk_group_begin(builder, &config->features, list->user.hash, err);

    *where = SIZE_MAX;
    if (status == RK_OK) {
        status = add_entity(list, &list->user, RK_USER, config, source, builder, err);
    }
    if (status == RK_OK) {
        status = add_entity(list, &list->context, RK_CONTEXT, config, source, builder, err);
    }
    for (size_t i = 0; i < n && status == RK_OK; i++) {
        const struct list_item *item = &list->item[which[i]];
        *where = which[i];
        status = rk_group_begin_item(builder, item->entity.hash, err);
        if (status == RK_OK) {
            rk_group_label(builder, item->label, item->weight);
            rk_group_teacher(builder, item->teacher);
            status = add_entity(list, &item->entity, RK_ITEM, config, source, builder, err);
        }
    }
    return status == RK_OK ? rk_group_end(builder, labelled, group, err) : status;
}
