/*
 * Opening a file of lists, finding out what it is, and keeping what comes out of it.
 */
#include "datafile_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CAPACITY_MIN 256

static const char blanks[] = " \t\r\n\v\f";

enum rk_status datafile_lines_open(const char *path, struct datafile_lines *lines,
                                   struct rk_error *err)
{
    lines->path = path;
    lines->file = fopen(path, "re");
    if (lines->file == NULL) {
        return rk_fail(err, RK_NOTFOUND, "cannot be opened: %s", strerror(errno));
    }
    return RK_OK;
}

static void lines_close(struct datafile_lines *lines)
{
    if (lines->file != NULL) {
        (void)fclose(lines->file);
    }
    free(lines->text);
    *lines = (struct datafile_lines){0};
}

/* Reads one line, whatever is in it. */
static enum rk_status read_line(struct datafile_lines *lines, bool *got, struct rk_error *err)
{
    ssize_t n;

    errno = 0;
    n = getline(&lines->text, &lines->capacity, lines->file);
    *got = n >= 0;
    if (n < 0) {
        return feof(lines->file) != 0 ? RK_OK
                                      : rk_fail(err, errno == ENOMEM ? RK_NOMEM : RK_IO,
                                                "cannot be read: %s", strerror(errno));
    }
    lines->number++;
    lines->length = (size_t)n;
    if (lines->length > DATAFILE_LINE_MAX) {
        return rk_fail(err, RK_INVALID, "a line of more than %zu MiB", DATAFILE_LINE_MAX >> 20);
    }
    if (memchr(lines->text, '\0', lines->length) != NULL) {
        return rk_fail(err, RK_INVALID, "a zero byte: this is not a text file");
    }
    while (lines->length > 0 && strchr("\r\n", lines->text[lines->length - 1]) != NULL) {
        lines->text[--lines->length] = '\0';
    }
    return RK_OK;
}

static bool is_blank(const char *text)
{
    return text[strspn(text, blanks)] == '\0';
}

enum rk_status datafile_lines_next(struct datafile_lines *lines, bool *got, struct rk_error *err)
{
    enum rk_status status;

    do {
        status = read_line(lines, got, err);
    } while (status == RK_OK && *got && is_blank(lines->text));
    return status;
}

enum rk_status datafile_next_any(struct datafile_reader *reader, bool *got, struct rk_error *err)
{
    const enum rk_status status = read_line(&reader->lines, got, err);

    if (status == RK_OK && *got && reader->options->progress != NULL) {
        progress_add(reader->options->progress, reader->lines.length + 1);
    }
    return status;
}

enum rk_status datafile_next(struct datafile_reader *reader, bool *got, struct rk_error *err)
{
    enum rk_status status;

    do {
        status = datafile_next_any(reader, got, err);
    } while (status == RK_OK && *got && is_blank(reader->lines.text));
    return status;
}

enum rk_status datafile_add(struct datafile_reader *reader, struct rk_group *group,
                            struct rk_error *err)
{
    struct datafile *data = reader->data;
    enum rk_status status;

    if (data->n == data->capacity) {
        const size_t cap = data->capacity > 0 ? 2 * data->capacity : CAPACITY_MIN;
        struct rk_group **grown = realloc(data->group, cap * sizeof(struct rk_group *));
        if (grown == NULL) {
            return rk_fail(err, RK_NOMEM, "out of memory for %zu lists", cap);
        }
        data->group = grown;
        data->capacity = cap;
    }
    if (reader->repeats) {
        rk_group_share(&reader->builder, group);
    }
    status = rk_group_copy(group, &data->group[data->n], err);
    if (status == RK_OK) {
        data->n++;
        data->items += group->n_items;
    }
    return status;
}

void datafile_close(struct datafile *data)
{
    for (size_t i = 0; i < data->n; i++) {
        rk_group_destroy(&data->group[i]);
    }
    free(data->group);
    *data = (struct datafile){0};
}

static void start_progress(const struct datafile_reader *reader)
{
    struct stat file;

    if (reader->options->progress != NULL) {
        const bool known = fstat(fileno(reader->lines.file), &file) == 0 && S_ISREG(file.st_mode);
        progress_start(reader->options->progress, "reading", "bytes",
                       known ? (uint64_t)file.st_size : 0);
    }
}

/* Takes a byte order mark off the first line: spreadsheets write one. */
static void cut_mark(struct datafile_lines *lines)
{
    static const char mark[] = "\xef\xbb\xbf";
    const size_t n = sizeof mark - 1;

    if (strncmp(lines->text, mark, n) == 0) {
        memmove(lines->text, lines->text + n, lines->length - n + 1);
        lines->length -= n;
    }
}

static enum rk_status read_lists(struct datafile_reader *reader, struct rk_error *err)
{
    const struct datafile_options *options = reader->options;
    bool got = false;
    enum rk_status status = datafile_lines_open(options->path, &reader->lines, err);

    if (status != RK_OK) {
        return status;
    }
    start_progress(reader);
    status = datafile_next(reader, &got, err);
    if (status == RK_OK && got) {
        const char *text = reader->lines.text;
        cut_mark(&reader->lines);
        if (options->columns.label != NULL) {
            status = datafile_read_csv(reader, err);
        } else if (text[strspn(text, blanks)] == '{') {
            status = datafile_read_ndjson(reader, err);
        } else {
            status = datafile_read_libsvm(reader, err);
        }
    }
    if (status == RK_OK && reader->data->n == 0) {
        reader->lines.number = 0;
        status = rk_fail(err, RK_INVALID, "there is no list in it");
    }
    return status;
}

enum rk_status datafile_read(const struct datafile_options *options, struct datafile *data,
                             struct datafile_place *place, struct rk_error *err)
{
    struct datafile_reader reader = {.options = options, .data = data};
    enum rk_status status;

    *data = (struct datafile){0};
    reader.wrong = &reader.lines;
    rk_group_builder_init(&reader.builder);
    status = read_lists(&reader, err);
    if (options->progress != NULL) {
        progress_end(options->progress);
    }
    if (status != RK_OK) {
        (void)snprintf(place->path, sizeof place->path, "%s", reader.wrong->path);
        place->line = reader.wrong->number;
        datafile_close(data);
    }
    rk_group_builder_deinit(&reader.builder);
    lines_close(&reader.lines);
    lines_close(&reader.sizes);
    free(reader.sizes_path);
    stored_deinit(&reader.stored);
    return status;
}
