/*
 * CSV with a header: a record is an item, and a run of equal text in the group's column a list.
 */
#include "datafile_impl.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

enum special {
    LABEL,
    GROUP,
    USER,
    ITEM,
    SPECIALS
};

#define NONE SIZE_MAX

struct column {
    const char *name; /* in the header's text */
    size_t n;
    bool is_feature;
    uint32_t number; /* among the features */
};

struct csv {
    struct datafile_reader *reader;
    struct datafile_cells header, cells;
    struct column *column;    /* (header.n), owned */
    size_t special[SPECIALS]; /* the columns that were named, or NONE */
    struct list list;         /* the open one, if it has items */
    char *group;              /* the text of its group, owned */
    char user[LIST_ID_MAX + 1];
    char item[LIST_ITEMS_MAX][LIST_ID_MAX + 1];
    size_t line[LIST_ITEMS_MAX]; /* where each item's record begins */
    size_t wrong_line;           /* what an error is about; 0: the line last read */
};

/* ---- the header ---- */

static bool is_printable(const char *name)
{
    while ((unsigned char)*name >= ' ' && *name != 0x7f) {
        name++;
    }
    return *name == '\0';
}

static enum rk_status check_names(const struct csv *csv, struct rk_error *err)
{
    for (size_t i = 0; i < csv->header.n; i++) {
        const char *name = csv->column[i].name;
        if (csv->column[i].n < 1 || csv->column[i].n > LIST_NAME_MAX || !is_printable(name) ||
            !utf8_valid(name, strlen(name))) {
            return rk_fail(err, RK_INVALID,
                           "the name of column %zu is not 1 to %d bytes of printable UTF-8", i + 1,
                           LIST_NAME_MAX);
        }
    }
    return RK_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum rk_status check_twins(const struct csv *csv, struct rk_error *err)
{
    const size_t n = csv->header.n;
    const char **names = malloc(n * sizeof(const char *));
    enum rk_status status = RK_OK;

    if (names == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for %zu columns", n);
    }
    for (size_t i = 0; i < n; i++) {
        names[i] = csv->column[i].name;
    }
    qsort(names, n, sizeof(const char *), by_text);
    for (size_t i = 1; i < n && status == RK_OK; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            status = rk_fail(err, RK_INVALID, "two columns are called \"%s\"", names[i]);
        }
    }
    free(names);
    return status;
}

/* Finds the columns that were named. */
static enum rk_status find_special(struct csv *csv, struct rk_error *err)
{
    const struct datafile_columns *columns = &csv->reader->options->columns;
    const char *const names[SPECIALS] = {columns->label, columns->group, columns->user,
                                         columns->item};

    for (size_t s = 0; s < SPECIALS; s++) {
        csv->special[s] = NONE;
        for (size_t i = 0; i < csv->header.n && names[s] != NULL; i++) {
            if (strcmp(csv->column[i].name, names[s]) == 0) {
                csv->special[s] = i;
                csv->column[i].is_feature = false;
            }
        }
        if (csv->special[s] == NONE && names[s] != NULL) {
            return rk_fail(err, RK_INVALID, "the header has no column \"%.64s\"", names[s]);
        }
    }
    return RK_OK;
}

/* Numbers the features. */
static enum rk_status count_features(struct csv *csv, struct rk_error *err)
{
    const struct rk_space *space = &csv->reader->options->config->features;
    uint32_t n = 0;

    for (size_t i = 0; i < csv->header.n; i++) {
        csv->column[i].number = n;
        n += csv->column[i].is_feature ? 1 : 0;
    }
    if (space->kind == RK_INDEXED && n > space->size) {
        return rk_fail(err, RK_INVALID, "%u columns are features, the model has %u", (unsigned)n,
                       (unsigned)space->size);
    }
    return RK_OK;
}

static enum rk_status read_header(struct csv *csv, struct rk_error *err)
{
    enum rk_status status = datafile_cells_read(csv->reader, &csv->header, err);

    if (status != RK_OK) {
        return status;
    }
    if (csv->header.n > LIST_COLUMNS_MAX) {
        return rk_fail(err, RK_INVALID, "the header has more than %d columns", LIST_COLUMNS_MAX);
    }
    csv->column = calloc(csv->header.n, sizeof *csv->column);
    csv->list.item = calloc(LIST_ITEMS_MAX, sizeof *csv->list.item);
    if (csv->column == NULL || csv->list.item == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for %zu columns", csv->header.n);
    }
    csv->list.cap_items = LIST_ITEMS_MAX;
    for (size_t i = 0; i < csv->header.n; i++) {
        const char *name = datafile_cell(&csv->header, i);
        csv->column[i] = (struct column){.name = name, .n = strlen(name), .is_feature = true};
    }
    status = check_names(csv, err);
    if (status == RK_OK) {
        status = check_twins(csv, err);
    }
    if (status == RK_OK) {
        status = find_special(csv, err);
    }
    return status == RK_OK ? count_features(csv, err) : status;
}

/* ---- records ---- */

/* The cell of a column that was named; "" where it was not. */
static const char *cell_of(const struct csv *csv, enum special special)
{
    return csv->special[special] == NONE ? "" : datafile_cell(&csv->cells, csv->special[special]);
}

static enum rk_status read_label(const struct csv *csv, float *label, struct rk_error *err)
{
    const char *at = cell_of(csv, LABEL);
    double number;

    if (!datafile_take_number(&at, &number) || *at != '\0' ||
        !(number >= 0 && number <= LIST_LABEL_MAX)) {
        return rk_fail(err, RK_INVALID, "the label is not a number from 0 to 31");
    }
    *label = (float)number;
    return RK_OK;
}

/* Reads an id into `to`, which the list borrows; an empty cell is none. */
static enum rk_status read_id(const char *cell, enum rk_side side, char to[LIST_ID_MAX + 1],
                              struct list_entity *entity, struct rk_error *err)
{
    const size_t n = strlen(cell);

    *entity = (struct list_entity){0};
    if (n == 0) {
        return RK_OK;
    }
    if (n > LIST_ID_MAX || !utf8_valid(cell, strlen(cell))) {
        return rk_fail(err, RK_INVALID, "the id of %s is not 1 to %d bytes of UTF-8",
                       side == RK_USER ? "a user" : "an item", LIST_ID_MAX);
    }
    memcpy(to, cell, n + 1);
    *entity = (struct list_entity){.id = to, .id_n = n, .hash = list_id_hash(side, to, n)};
    return RK_OK;
}

static enum rk_status add_feature(struct list *list, const struct rk_feature *feature,
                                  struct rk_error *err)
{
    if (list->n_features == list->cap_features) {
        const size_t cap = list->cap_features > 0 ? 2 * list->cap_features : 1024;
        struct rk_feature *grown = realloc(list->feature, cap * sizeof *grown);
        if (grown == NULL) {
            return rk_fail(err, RK_NOMEM, "out of memory for %zu features", cap);
        }
        list->feature = grown;
        list->cap_features = cap;
    }
    list->feature[list->n_features++] = *feature;
    return RK_OK;
}

/* What a cell says: a number, else text under the column's name. */
static enum rk_status read_feature(const struct csv *csv, const struct column *column,
                                   const char *cell, struct rk_feature *feature,
                                   struct rk_error *err)
{
    const bool indexed = csv->reader->options->config->features.kind == RK_INDEXED;
    const char *end = cell;
    double number;

    if (!datafile_take_number(&end, &number) || *end != '\0') {
        const size_t n = strlen(cell);
        if (indexed) {
            return rk_fail(err, RK_INVALID, "column \"%s\" of this model takes numbers",
                           column->name);
        }
        if (n > LIST_TEXT_MAX || !utf8_valid(cell, strlen(cell))) {
            return rk_fail(err, RK_INVALID, "column \"%s\": not at most %d bytes of UTF-8",
                           column->name, LIST_TEXT_MAX);
        }
        *feature = rk_feature_category(RK_ITEM, column->name, column->n, cell, n, 1.0F);
        return RK_OK;
    }
    if (!(number >= -JSON_NUMBER_MAX && number <= JSON_NUMBER_MAX)) {
        return rk_fail(err, RK_INVALID, "column \"%s\": a number beyond +-%g", column->name,
                       JSON_NUMBER_MAX);
    }
    *feature = indexed ? rk_feature_column(column->number, (float)number)
                       : rk_feature_number(RK_ITEM, column->name, column->n, (float)number);
    return RK_OK;
}

static enum rk_status read_features(struct csv *csv, struct list_entity *item, struct rk_error *err)
{
    const bool indexed = csv->reader->options->config->features.kind == RK_INDEXED;
    const size_t most = indexed ? LIST_COLUMNS_MAX : LIST_FEATURES_MAX;
    struct list *list = &csv->list;
    enum rk_status status = RK_OK;

    item->first = list->n_features;
    for (size_t i = 0; i < csv->cells.n && status == RK_OK; i++) {
        const char *cell = datafile_cell(&csv->cells, i);
        struct rk_feature feature;
        if (csv->column[i].is_feature && *cell != '\0') {
            status = read_feature(csv, &csv->column[i], cell, &feature, err);
            status = status == RK_OK ? add_feature(list, &feature, err) : status;
        }
    }
    item->n = list->n_features - item->first;
    if (status == RK_OK && item->n > most) {
        return rk_fail(err, RK_INVALID, "an item has more than %zu features", most);
    }
    return status;
}

/* ---- lists ---- */

static enum rk_status close_list(struct csv *csv, struct rk_error *err)
{
    size_t where;
    enum rk_status status;

    if (csv->list.n_items == 0) {
        return RK_OK;
    }
    status = datafile_add_list(csv->reader, &csv->list, &where, err);
    csv->wrong_line = csv->line[where == SIZE_MAX ? 0 : where];
    list_reset(&csv->list);
    return status;
}

static enum rk_status open_list(struct csv *csv, const char *group, struct rk_error *err)
{
    char *copy = strdup(group);

    if (copy == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for a group's name");
    }
    free(csv->group);
    csv->group = copy;
    return read_id(cell_of(csv, USER), RK_USER, csv->user, &csv->list.user, err);
}

/* Opens a new list where the record begins one. */
static enum rk_status place_record(struct csv *csv, struct rk_error *err)
{
    const char *group = cell_of(csv, GROUP);
    enum rk_status status;

    if (*group == '\0') {
        return rk_fail(err, RK_INVALID, "the group is empty");
    }
    if (csv->list.n_items == 0 || strcmp(group, csv->group) != 0) {
        status = close_list(csv, err);
        if (status != RK_OK) {
            return status;
        }
        csv->wrong_line = csv->cells.line;
        return open_list(csv, group, err);
    }
    if (csv->list.n_items == LIST_ITEMS_MAX) {
        return rk_fail(err, RK_INVALID, "a list has more than %d items", LIST_ITEMS_MAX);
    }
    if (strcmp(cell_of(csv, USER), csv->list.user.id != NULL ? csv->list.user.id : "") != 0) {
        return rk_fail(err, RK_INVALID, "the user is not the one of the list's first row");
    }
    return RK_OK;
}

/* Adds the record as an item. */
static enum rk_status add_item(struct csv *csv, struct rk_error *err)
{
    const size_t i = csv->list.n_items;
    struct list_item *item = &csv->list.item[i];
    enum rk_status status;

    *item = (struct list_item){.weight = 1.0F};
    csv->line[i] = csv->cells.line;
    status = read_label(csv, &item->label, err);
    if (status == RK_OK) {
        status = read_id(cell_of(csv, ITEM), RK_ITEM, csv->item[i], &item->entity, err);
    }
    if (status == RK_OK) {
        status = read_features(csv, &item->entity, err);
    }
    csv->list.n_items++;
    return status;
}

static enum rk_status read_record(struct csv *csv, struct rk_error *err)
{
    enum rk_status status = datafile_cells_read(csv->reader, &csv->cells, err);

    if (status != RK_OK) {
        return status;
    }
    csv->wrong_line = csv->cells.line;
    if (csv->cells.n != csv->header.n) {
        return rk_fail(err, RK_INVALID, "the record has %zu cells, the header has %zu",
                       csv->cells.n, csv->header.n);
    }
    status = place_record(csv, err);
    if (status != RK_OK) {
        return status;
    }
    return add_item(csv, err);
}

static enum rk_status read_records(struct csv *csv, struct rk_error *err)
{
    enum rk_status status = read_header(csv, err);
    bool got = true;

    while (status == RK_OK && got) {
        csv->wrong_line = 0;
        status = datafile_next(csv->reader, &got, err);
        if (status == RK_OK && got) {
            status = read_record(csv, err);
        }
    }
    return status == RK_OK ? close_list(csv, err) : status;
}

enum rk_status datafile_read_csv(struct datafile_reader *reader, struct rk_error *err)
{
    struct csv *csv = calloc(1, sizeof *csv);
    enum rk_status status;

    if (csv == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for a list");
    }
    csv->reader = reader;
    reader->repeats = true;
    status = datafile_open_stored(reader, err);
    if (status == RK_OK) {
        status = read_records(csv, err);
    }
    if (status != RK_OK && csv->wrong_line > 0) {
        reader->lines.number = csv->wrong_line;
    }
    list_deinit(&csv->list);
    datafile_cells_close(&csv->header);
    datafile_cells_close(&csv->cells);
    free(csv->column);
    free(csv->group);
    free(csv);
    return status;
}
