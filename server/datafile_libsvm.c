/*
 * Lines of libsvm (SVMlight), label [qid:N] index:value ... # comment, and of libffm, which has
 * field:index:value. All features of a file are of one form. Indices are taken as they stand.
 */
#include "datafile_impl.h"

#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 9  /* of an index or a list's size */
#define NAMES      64 /* of fields that are remembered */

/* The name of a field's features. Zero: none yet. */
struct field_name {
    uint64_t end; /* field + 1 */
    struct rk_name name;
};

struct libsvm {
    struct datafile_reader *reader;
    bool by_qid;   /* else by sizes */
    bool has_form; /* a feature was met, with or without a field: so are all others */
    bool has_fields;
    bool is_open;                  /* a list is */
    uint64_t qid;                  /* of the open list */
    size_t n_items;                /* in the open list so far */
    size_t left;                   /* by sizes: rows the open list still needs */
    size_t n_rows;                 /* in all lists so far */
    struct field_name name[NAMES]; /* by field modulo NAMES */
};

/* ---- rows ---- */

static enum rk_status read_label(const char **at, float *label, struct rk_error *err)
{
    double number;

    if (!datafile_take_number(at, &number)) {
        return rk_fail(err, RK_INVALID,
                       "a line starts with a label, a number from 0 to 31 (CSV takes --label and "
                       "--group)");
    }
    if (!(number >= 0 && number <= LIST_LABEL_MAX)) {
        return rk_fail(err, RK_INVALID, "label %g is not from 0 to 31", number);
    }
    *label = (float)number;
    return RK_OK;
}

/* A qid, if one stands here. */
static enum rk_status read_qid(const char **at, bool *has_qid, uint64_t *qid, struct rk_error *err)
{
    datafile_skip_blanks(at);
    *has_qid = strncmp(*at, "qid:", 4) == 0;
    if (*has_qid) {
        *at += 4;
        if (datafile_take_digits(at, 18, '\0', qid) == 0) {
            return rk_fail(err, RK_INVALID, "qid takes a whole number of at most 18 digits");
        }
    }
    return RK_OK;
}

/* A feature as it is written: [field:]index:value. */
struct word {
    const char *field; /* (field_n) digits; field_n = 0: there is none */
    const char *index; /* (index_n) digits */
    size_t field_n, index_n;
    uint64_t field_number, column;
    double value;
};

static size_t count_colons(const char *word)
{
    const char *end = word + strcspn(word, " \t\r\v\f");
    size_t n = 0;

    for (; word < end; word++) {
        n += *word == ':' ? 1 : 0;
    }
    return n;
}

/* Takes field and index; what is left is the value. */
static bool take_index(const char **at, struct word *word)
{
    const size_t colons = count_colons(*at);

    *word = (struct word){.field = *at};
    if (colons == 2) {
        word->field_n = datafile_take_digits(at, DIGITS_MAX, ':', &word->field_number);
        ++*at;
    }
    if (colons < 1 || colons > 2 || (colons == 2 && word->field_n == 0)) {
        return false;
    }
    word->index = *at;
    word->index_n = datafile_take_digits(at, DIGITS_MAX, ':', &word->column);
    ++*at;
    return word->index_n > 0;
}

static bool is_in_range(double value)
{
    return value >= -JSON_NUMBER_MAX && value <= JSON_NUMBER_MAX;
}

static enum rk_status take_value(const char **at, struct word *word, struct rk_error *err)
{
    const int n = (int)word->index_n;

    if (!datafile_take_number(at, &word->value)) {
        return rk_fail(err, RK_INVALID, "the value of index %.*s is not a finite number", n,
                       word->index);
    }
    if (!is_in_range(word->value)) {
        return rk_fail(err, RK_INVALID, "the value of index %.*s is beyond +-%g", n, word->index,
                       JSON_NUMBER_MAX);
    }
    return RK_OK;
}

/* Digits as datafile_take_digits takes them. @return how many, 0: none that are a number. */
static inline size_t scan_digits(const char *c, uint64_t *number)
{
    uint64_t value = 0;
    size_t n = 0;

    for (; n <= DIGITS_MAX; n++) {
        const unsigned digit = (unsigned)(unsigned char)c[n] - '0';
        if (digit > 9) {
            break;
        }
        value = value * 10 + digit;
    }
    *number = value;
    return n > DIGITS_MAX || (n > 1 && *c == '0') ? 0 : n;
}

/* Most values are one digit. */
static inline bool take_usual_value(const char **at, double *value)
{
    const unsigned digit = (unsigned)(unsigned char)(*at)[0] - '0';

    if (digit <= 9 && ((*at)[1] == ' ' || (*at)[1] == '\0')) {
        *value = digit;
        ++*at;
        return true;
    }
    return datafile_take_number(at, value);
}

/* The usual feature, in one pass. @return false: it is another, or none; nothing is taken. */
static bool take_plain(const char **at, struct word *word)
{
    const char *c = *at, *second;
    uint64_t first, number;
    size_t n = scan_digits(c, &first), m;

    if (n == 0 || c[n] != ':') {
        return false;
    }
    second = c + n + 1;
    m = scan_digits(second, &number);
    if (m > 0 && second[m] == ':') {
        *word = (struct word){.field = c,
                              .field_n = n,
                              .field_number = first,
                              .index = second,
                              .index_n = m,
                              .column = number};
        c = second + m + 1;
    } else {
        *word = (struct word){.index = c, .index_n = n, .column = first};
        c = second;
    }
    if (!take_usual_value(&c, &word->value) || !is_in_range(word->value)) {
        return false;
    }
    *at = c;
    return true;
}

/* The fields of a file are for the model that knows fields: a column has to be in the same one. */
static enum rk_status check_field(const struct rk_model_config *config, const struct word *word,
                                  struct rk_error *err)
{
    const bool has_fields = config->features.kind == RK_INDEXED && config->fields != NULL;

    if (word->field_n > 0 && has_fields && word->column < config->features.size &&
        word->field_number != config->fields[word->column]) {
        return rk_fail(err, RK_INVALID,
                       "index %.*s is of field %.*s here, of field %u in the model",
                       (int)word->index_n, word->index, (int)word->field_n, word->field,
                       (unsigned)config->fields[word->column]);
    }
    return RK_OK;
}

/* The same field comes again and again: its name is hashed once. */
static struct rk_name name_of(struct libsvm *svm, const struct word *word)
{
    struct field_name *known = &svm->name[word->field_number % NAMES];

    if (known->end != word->field_number + 1) {
        *known = (struct field_name){word->field_number + 1,
                                     rk_name(RK_ITEM, word->field, word->field_n)};
    }
    return known->name;
}

static struct rk_feature feature_of(struct libsvm *svm, const struct word *word)
{
    const float value = (float)word->value;

    if (svm->reader->options->config->features.kind == RK_INDEXED) {
        return rk_feature_column((uint32_t)word->column, value);
    }
    if (word->field_n == 0) {
        return rk_feature_number(RK_ITEM, word->index, word->index_n, value);
    }
    return rk_name_category(name_of(svm, word), word->index, word->index_n, value);
}

static enum rk_status read_feature(struct libsvm *svm, const char **at, size_t place,
                                   struct rk_error *err)
{
    const struct rk_model_config *config = svm->reader->options->config;
    struct word word;
    enum rk_status status;
    const bool plain = take_plain(at, &word);

    if (!plain && !take_index(at, &word)) {
        return rk_fail(
            err, RK_INVALID,
            "feature %zu is not index:value or field:index:value, whole numbers before the value",
            place);
    }
    if (svm->has_form && svm->has_fields != (word.field_n > 0)) {
        return rk_fail(err, RK_INVALID, "feature %zu has %s field, the features before it have %s",
                       place, svm->has_fields ? "no" : "a", svm->has_fields ? "one" : "none");
    }
    svm->has_form = true;
    svm->has_fields = word.field_n > 0;
    status = plain ? RK_OK : take_value(at, &word, err);
    if (status == RK_OK) {
        status = check_field(config, &word, err);
    }
    if (status != RK_OK) {
        return status;
    }
    const struct rk_feature feature = feature_of(svm, &word); /* built where it is used */
    status = rk_group_add(&svm->reader->builder, &feature, err);
    if (status == RK_OK || status == RK_NOMEM) {
        return status;
    }
    if (err != NULL) {
        err->status = RK_INVALID; /* whatever does not fit: it is the file's */
    }
    return RK_INVALID;
}

static enum rk_status read_features(struct libsvm *svm, const char *at, struct rk_error *err)
{
    const bool indexed = svm->reader->options->config->features.kind == RK_INDEXED;
    const size_t most = indexed ? LIST_COLUMNS_MAX : LIST_FEATURES_MAX;
    enum rk_status status = RK_OK;
    size_t n = 0;

    datafile_skip_blanks(&at);
    while (*at != '\0' && status == RK_OK) {
        if (n == most) {
            return rk_fail(err, RK_INVALID, "an item has more than %zu features", most);
        }
        status = read_feature(svm, &at, ++n, err);
        datafile_skip_blanks(&at);
    }
    return status;
}

/* ---- lists ---- */

/* The size of the next list. @param got  out: false at the end. */
static enum rk_status next_size(struct libsvm *svm, bool *got, struct rk_error *err)
{
    struct datafile_reader *reader = svm->reader;
    const char *at;
    uint64_t size = 0;
    enum rk_status status;

    reader->wrong = &reader->sizes;
    status = datafile_lines_next(&reader->sizes, got, err);
    if (status != RK_OK || !*got) {
        return status;
    }
    at = reader->sizes.text;
    datafile_skip_blanks(&at);
    if (datafile_take_digits(&at, DIGITS_MAX, '\0', &size) == 0 ||
        at[strspn(at, " \t\r\v\f")] != '\0' || size == 0 || size > LIST_ITEMS_MAX) {
        return rk_fail(err, RK_INVALID, "the size of a list is a whole number from 1 to %d",
                       LIST_ITEMS_MAX);
    }
    svm->left = (size_t)size;
    reader->wrong = &reader->lines;
    return RK_OK;
}

static enum rk_status close_list(struct libsvm *svm, struct rk_error *err)
{
    struct rk_group view;
    enum rk_status status;

    if (!svm->is_open) {
        return RK_OK;
    }
    svm->is_open = false;
    status = rk_group_end(&svm->reader->builder, true, &view, err);
    return status == RK_OK ? datafile_add(svm->reader, &view, err) : status;
}

static enum rk_status open_list(struct libsvm *svm, struct rk_error *err)
{
    enum rk_status status = close_list(svm, err);
    bool got = true;

    if (status == RK_OK && !svm->by_qid) {
        status = next_size(svm, &got, err);
    }
    if (status == RK_OK && !got) {
        svm->reader->wrong = &svm->reader->lines;
        return rk_fail(err, RK_INVALID, "one row too many: the sizes of the lists add up to %zu",
                       svm->n_rows);
    }
    svm->is_open = true;
    svm->n_items = 0;
    return status == RK_OK ? rk_group_begin(&svm->reader->builder,
                                            &svm->reader->options->config->features, 0, err)
                           : status;
}

/* Opens a new list where the row begins one. */
static enum rk_status place_row(struct libsvm *svm, bool has_qid, uint64_t qid,
                                struct rk_error *err)
{
    const bool begins = !svm->is_open || (svm->by_qid ? qid != svm->qid : svm->left == 0);
    enum rk_status status = RK_OK;

    if (svm->by_qid && !has_qid) {
        return rk_fail(err, RK_INVALID, "a row without qid, the rows before it have one");
    }
    if (begins) {
        status = open_list(svm, err);
        svm->qid = qid;
    } else if (svm->n_items == LIST_ITEMS_MAX) {
        status = rk_fail(err, RK_INVALID, "a list has more than %d items", LIST_ITEMS_MAX);
    }
    return status;
}

static enum rk_status read_row(struct libsvm *svm, struct rk_error *err)
{
    const char *at = svm->reader->lines.text;
    bool has_qid = false;
    uint64_t qid = 0;
    float label = 0;
    enum rk_status status;

    datafile_skip_blanks(&at);
    status = read_label(&at, &label, err);
    if (status == RK_OK) {
        status = read_qid(&at, &has_qid, &qid, err);
    }
    if (status == RK_OK) {
        status = place_row(svm, has_qid, qid, err);
    }
    if (status == RK_OK) {
        status = rk_group_begin_item(&svm->reader->builder, 0, err);
    }
    if (status == RK_OK) {
        rk_group_label(&svm->reader->builder, label, 1.0F);
        status = read_features(svm, at, err);
    }
    svm->n_rows++;
    svm->n_items++;
    svm->left -= svm->left > 0 ? 1 : 0;
    return status;
}

/* ---- the file ---- */

/* Cuts the comment off the line. @return false: nothing else is on it. */
static bool cut_comment(struct datafile_lines *lines)
{
    char *comment = strchr(lines->text, '#');

    if (comment != NULL) {
        *comment = '\0';
    }
    return lines->text[strspn(lines->text, " \t\r\v\f")] != '\0';
}

/* How lists are told apart: sizes that were named, else qid, else sizes beside the file. */
static enum rk_status choose_lists(struct libsvm *svm, struct rk_error *err)
{
    struct datafile_reader *reader = svm->reader;
    const struct datafile_options *options = reader->options;
    const char *path = options->sizes;
    enum rk_status status;

    if (path == NULL && strstr(reader->lines.text, "qid:") != NULL) {
        svm->by_qid = true;
        return RK_OK;
    }
    if (path == NULL) {
        const size_t room = strlen(options->path) + sizeof ".query";
        reader->sizes_path = malloc(room);
        if (reader->sizes_path == NULL) {
            return rk_fail(err, RK_NOMEM, "out of memory for a path");
        }
        (void)snprintf(reader->sizes_path, room, "%s.query", options->path);
        path = reader->sizes_path;
    }
    status = datafile_lines_open(path, &reader->sizes, options->sizes != NULL ? err : NULL);
    if (status != RK_OK && options->sizes == NULL) {
        return rk_fail(err, RK_INVALID,
                       "nothing tells its lists apart: no qid in it, no file .query beside it, no "
                       "--query");
    }
    reader->wrong = status != RK_OK ? &reader->sizes : reader->wrong;
    return status;
}

/* After the last row: no list may want more of them. */
static enum rk_status finish(struct libsvm *svm, struct rk_error *err)
{
    const size_t missing = svm->left;
    enum rk_status status = RK_OK;
    bool got = false;

    if (missing == 0 && !svm->by_qid) {
        status = next_size(svm, &got, err);
    }
    if (status == RK_OK && (missing > 0 || got)) {
        svm->reader->wrong = &svm->reader->sizes;
        return rk_fail(err, RK_INVALID, "the data has only %zu rows: this list lacks %zu",
                       svm->n_rows, missing > 0 ? missing : svm->left);
    }
    return status == RK_OK ? close_list(svm, err) : status;
}

enum rk_status datafile_read_libsvm(struct datafile_reader *reader, struct rk_error *err)
{
    struct libsvm svm = {.reader = reader};
    enum rk_status status = RK_OK;
    bool got = true, chosen = false;

    reader->repeats = true;
    while (status == RK_OK && got) {
        if (cut_comment(&reader->lines)) {
            if (!chosen) {
                status = choose_lists(&svm, err);
                chosen = true;
            }
            status = status == RK_OK ? read_row(&svm, err) : status;
        }
        if (status == RK_OK) {
            status = datafile_next(reader, &got, err);
        }
    }
    if (status == RK_OK && chosen) {
        status = finish(&svm, err);
    }
    return status;
}
