/*
 * A list's claims: each that known_list_item makes is ended in known_list_end.
 */
#include "known_list.h"

#include "grow.h"

void known_list_deinit(struct known_list *list)
{
    free(list->sums);
    free(list->note);
    free(list->place);
    free(list->row);
    *list = (struct known_list){0};
}

static bool reserve(struct known_list *list, size_t n)
{
    if (n > list->cap) {
        if (!grow_resize(&list->sums, n) || !grow_resize(&list->note, n) ||
            !grow_resize(&list->place, n)) {
            return false;
        }
        list->cap = n;
    }
    return true;
}

void known_list_begin(struct known_list *list, struct known *known,
                      const struct rk_model_config *config, size_t n)
{
    list->known = known != NULL && reserve(list, n) ? known : NULL;
    list->config = config;
    list->n = n;
    for (size_t i = 0; i < n && list->known != NULL; i++) {
        list->sums[i] = NULL;
        list->note[i] = NULL;
        list->place[i] = KNOWN_NONE;
    }
}

static bool is_number(const struct known_list *list, const struct rk_feature *feature)
{
    return list->config->features.kind == RK_HASHED && feature->kind == RK_NUMBER;
}

/* Is a row that of the id or of another feature than numbers? */
static bool has_row(const struct known_list *list, const struct catalogue_entry *entry,
                    uint32_t row)
{
    const struct rk_space *space = &list->config->features;
    const struct rk_feature id = {
        .hash = entry->hash, .column = RK_NO_COLUMN, .kind = RK_CATEGORY, .value = 1.0F};
    uint32_t other;

    for (uint32_t i = 0; i < entry->n; i++) {
        if (!is_number(list, &entry->feature[i]) &&
            rk_space_row(space, &entry->feature[i], &other, NULL) == RK_OK && other == row) {
            return true;
        }
    }
    return list->config->use_ids && rk_space_row(space, &id, &other, NULL) == RK_OK && other == row;
}

/* Does a number share its row with something else of the entry? They are one feature to the model. */
static bool is_mixed(const struct known_list *list, const struct catalogue_entry *entry)
{
    for (uint32_t i = 0; i < entry->n; i++) {
        uint32_t row;
        if (is_number(list, &entry->feature[i]) &&
            rk_space_row(&list->config->features, &entry->feature[i], &row, NULL) == RK_OK &&
            has_row(list, entry, row)) {
            return true;
        }
    }
    return false;
}

bool known_list_item(struct known_list *list, size_t item, const struct catalogue_entry *entry)
{
    uint32_t place;

    if (list->known == NULL || entry == NULL) {
        return false;
    }
    list->sums[item] = known_find(list->known, entry->number, &place);
    if (list->sums[item] != NULL) {
        return true;
    }
    if (place != KNOWN_NONE && is_mixed(list, entry)) {
        known_refuse(list->known, place);
    } else if (place != KNOWN_NONE) {
        list->place[item] = place;
        list->note[item] = known_room(list->known, place);
    }
    return false;
}

const struct rk_known_items *known_list_items(const struct known_list *list,
                                              struct rk_known_items *items)
{
    if (list->known == NULL) {
        return NULL;
    }
    *items = (struct rk_known_items){(const double *const *)list->sums, list->note};
    return items;
}

/* The rows of an item that are no numbers. false: no memory. */
static bool take_rows(struct known_list *list, const struct rk_group *group, size_t item, size_t *n)
{
    const uint32_t first = group->offset[item + 1], end = group->offset[item + 2];
    size_t number = 0;

    *n = 0;
    if (!grow_reserve(&list->row, &list->cap_row, end - first)) {
        return false;
    }
    while (number < group->n_numbers && group->number[number] < first) {
        number++;
    }
    for (uint32_t e = first; e < end; e++) {
        if (number < group->n_numbers && group->number[number] == e) {
            number++;
        } else {
            list->row[(*n)++] = group->index[e];
        }
    }
    return true;
}

void known_list_end(struct known_list *list, const struct rk_group *group)
{
    for (size_t i = 0; i < list->n && list->known != NULL; i++) {
        size_t n;
        if (list->place[i] == KNOWN_NONE) {
            continue;
        }
        if (group != NULL && take_rows(list, group, i, &n)) {
            known_note(list->known, list->place[i], list->row, n);
        } else {
            known_leave(list->known, list->place[i]);
        }
    }
    list->known = NULL;
}
