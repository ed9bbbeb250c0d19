/*
 * From a list and the catalogue to a group: ids become features, stored features are laid under
 * those of the request, and what user and context say goes into the group's row 0.
 */
#ifndef RANKD_SERVER_ASSEMBLE_H
#define RANKD_SERVER_ASSEMBLE_H

#include "list.h"

#include <rankd/group.h>
#include <rankd/model.h>

/*
 * Where stored features come from: the catalogue in memory when serving, revisions in the store
 * when learning.
 */
struct assemble_source {
    /* The features of an id: n out, 0 when nothing is stored; borrowed until the next call. */
    enum rk_status (*find)(void *context, enum rk_side side, const struct list_entity *entity,
                           const struct rk_feature **features, size_t *n, struct rk_error *err);
    void *context;
    /*
     * Is an item that comes with its id alone known? Then of its features the raw numbers alone are
     * taken. NULL: none is. @param item  its number in the group.
     */
    bool (*known)(void *context, size_t item, const struct list_entity *entity,
                  const struct rk_feature **features, size_t *n);
};

/**
 * Builds the group of a list: the same whatever the order of its features.
 *
 * @param list     where features are stored for an entity, its own are sorted by their keys.
 * @param which    (n) numbers of the items to take, in this order.
 * @param labelled the items' labels, weights and teacher scores go into the group too.
 * @param builder  its memory is reused.
 * @param group    out, a view into the builder.
 * @param where    out on error: the item whose stored features do not fit; SIZE_MAX: the user.
 * @return RK_OK; RK_MISMATCH: an id is outside its table, or a stored column outside the
 *         model's space; RK_NOMEM; what source
 * says.
 */
RK_MUST_CHECK enum rk_status assemble_group(struct list *list, const struct rk_model_config *config,
                                            const struct assemble_source *source,
                                            const uint32_t *which, size_t n, bool labelled,
                                            struct rk_group_builder *builder,
                                            struct rk_group *group, size_t *where,
                                            struct rk_error *err);

#endif
