/*
 * A group: one list of items as rows of feature indices and values (CSR), learning to rank's "query
 * group".
 *
 * Row 0 is what user and context contribute to every item; row 1 + i is item i alone. Keeping row 0
 * apart is what lets a model compute it once per list. Inside a row every index occurs once, in
 * ascending order.
 */
#ifndef RANKD_GROUP_H
#define RANKD_GROUP_H

#include <rankd/feature.h>
#include <rankd/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A view: who made it owns the arrays. */
struct rk_group {
    size_t n_items;
    const uint32_t *offset; /* (n_items + 2): row r is [offset[r], offset[r + 1]) */
    const uint32_t *index;  /* (nnz) row of the model, ascending inside a row */
    const float *value;     /* (nnz) finite */
    const uint64_t
        *name; /* (nnz) feature name hash, 0 for bare columns: names fields and numbers */
    const uint32_t *number; /* (n_numbers) entries, ascending, whose value is a raw number */
    size_t n_numbers;
    const uint64_t *id;   /* (n_items + 1): key of the user, then of each item; 0 = none */
    const float *label;   /* (n_items) >= 0, or NULL when only scoring */
    const float *weight;  /* (n_items) >= 0, or NULL for all 1 */
    const float *teacher; /* (n_items) a teacher's scores, or NULL */
};

/* One feature of the open row, not yet sorted into it. */
struct rk_group_entry {
    uint64_t name;
    uint32_t index;
    float value;
    bool number;
};

/*
 * Collects one group; reused for the next, so that a warm builder does not allocate. Fields are
 * private.
 */
struct rk_group_builder {
    struct rk_space space;
    uint32_t mask;                /* of a hashed space: its rows - 1 */
    struct rk_group_entry *entry; /* (cap_entries) the open row */
    uint64_t *key;                /* (cap_entries) its sort keys */
    size_t n_entries, cap_entries;
    uint32_t *index; /* (cap_nnz) closed rows, with value, name and number */
    float *value;
    uint64_t *name;
    uint32_t *number;
    size_t nnz, n_numbers, cap_nnz;
    uint32_t *offset; /* (cap_rows + 1), with id, label, weight and teacher; row 0 is the user's */
    uint64_t *id;
    float *label;
    float *weight;
    float *teacher;
    size_t n_rows, cap_rows; /* rows begun */
};

/**
 * Makes an empty builder in the caller's memory; allocates nothing yet.
 */
void rk_group_builder_init(struct rk_group_builder *builder);

/**
 * Frees what the builder holds; views of its groups end. The builder may be all zero.
 */
void rk_group_builder_deinit(struct rk_group_builder *builder);

/**
 * Starts a new group over a space with row 0 (user and context) open. Views of the last group end.
 *
 * @param user_id  the user's key: 1 + the row of its id in the model's table of users; 0 = none.
 */
RK_MUST_CHECK enum rk_status rk_group_begin(struct rk_group_builder *builder,
                                            const struct rk_space *space, uint64_t user_id,
                                            struct rk_error *err);

/**
 * Closes the open row and opens the next item's.
 *
 * @param item_id  the item's key: 1 + the row of its id in the table of items; 0 = none. The item's label is 0, its weight 1, its teacher
 * score 0.
 */
RK_MUST_CHECK enum rk_status rk_group_begin_item(struct rk_group_builder *builder, uint64_t item_id,
                                                 struct rk_error *err);

/**
 * Adds a feature to the open row. One that occurs there already is summed with it.
 *
 * @return RK_OK; RK_INVALID or RK_MISMATCH as rk_space_row; RK_NOMEM. Cost amortised O(1), plus a
 * sort per row.
 */
RK_MUST_CHECK enum rk_status rk_group_add(struct rk_group_builder *builder,
                                          const struct rk_feature *feature, struct rk_error *err);

/**
 * Sets label and weight of the open item. @pre an item is open.
 */
void rk_group_label(struct rk_group_builder *builder, float label, float weight);

/**
 * Sets the teacher score of the open item. @pre an item is open.
 */
void rk_group_teacher(struct rk_group_builder *builder, float teacher);

/**
 * Closes the group.
 *
 * @param labelled  false: the view's label, weight and teacher are NULL.
 * @param group     out, a view that ends with the next rk_group_begin or the builder's end.
 * @return RK_OK; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status rk_group_end(struct rk_group_builder *builder, bool labelled,
                                          struct rk_group *group, struct rk_error *err);

/**
 * Makes features that all items have alike features of the list: rows of files repeat what is about
 * the query. Scores stay as they are, but for rounding; they are computed once a list then, and what
 * cannot tell items apart is not learned from.
 *
 * @param builder  closed by rk_group_end, which gave @param group (in/out): the arrays change in place.
 * Features that row 0 has too stay the items', for a row met on both sides counts twice. A group of
 * one item stays as it is. Cost O(nnz), allocates nothing.
 */
void rk_group_share(struct rk_group_builder *builder, struct rk_group *group);

/**
 * Copies a group into one block of its own.
 *
 * @param copy  out; free it with rk_group_destroy.
 * @return RK_OK; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status rk_group_copy(const struct rk_group *group, struct rk_group **copy,
                                           struct rk_error *err);

/**
 * Frees a copied group and clears the pointer; NULL is accepted.
 */
void rk_group_destroy(struct rk_group **group);

#endif
