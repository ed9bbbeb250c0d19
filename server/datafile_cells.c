/*
 * CSV records as RFC 4180 has them: cells between commas, blanks kept; a cell in quotes may hold
 * commas, line breaks (kept as \n) and quotes written twice.
 */
#include "datafile_impl.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 256

static bool reserve_text(struct datafile_cells *cells, size_t n)
{
    size_t capacity = cells->capacity > 0 ? cells->capacity : CAPACITY_MIN;
    char *grown;

    if (cells->text != NULL && n <= cells->capacity) {
        return true;
    }
    while (capacity < n) {
        capacity *= 2;
    }
    grown = realloc(cells->text, capacity);
    if (grown != NULL) {
        cells->text = grown;
        cells->capacity = capacity;
    }
    return grown != NULL;
}

static enum rk_status append(struct datafile_cells *cells, const char *text, size_t n,
                             struct rk_error *err)
{
    if (cells->length + n > DATAFILE_LINE_MAX) {
        return rk_fail(err, RK_INVALID, "a record of more than %zu MiB", DATAFILE_LINE_MAX >> 20);
    }
    if (!reserve_text(cells, cells->length + n)) {
        return rk_fail(err, RK_NOMEM, "out of memory for a record");
    }
    memcpy(cells->text + cells->length, text, n);
    cells->length += n;
    return RK_OK;
}

static enum rk_status begin_cell(struct datafile_cells *cells, struct rk_error *err)
{
    if (cells->n == cells->cap_start) {
        const size_t capacity = cells->cap_start > 0 ? 2 * cells->cap_start : CAPACITY_MIN;
        size_t *grown = realloc(cells->start, capacity * sizeof *grown);
        if (grown == NULL) {
            return rk_fail(err, RK_NOMEM, "out of memory for %zu cells", capacity);
        }
        cells->start = grown;
        cells->cap_start = capacity;
    }
    cells->start[cells->n++] = cells->length;
    return RK_OK;
}

/* The line after a line break inside quotes. */
static enum rk_status next_line(struct datafile_reader *reader, struct datafile_cells *cells,
                                const char **at, struct rk_error *err)
{
    bool got = false;
    enum rk_status status = datafile_next_any(reader, &got, err);

    if (status == RK_OK && !got) {
        reader->lines.number = cells->line;
        return rk_fail(err, RK_INVALID, "a quote opens in this record and never closes");
    }
    *at = reader->lines.text;
    return status == RK_OK ? append(cells, "\n", 1, err) : status;
}

/* What stands between quotes; the opening one is passed already. */
static enum rk_status read_quoted(struct datafile_reader *reader, struct datafile_cells *cells,
                                  const char **at, struct rk_error *err)
{
    enum rk_status status = RK_OK;

    while (status == RK_OK) {
        const size_t n = strcspn(*at, "\"");
        status = append(cells, *at, n, err);
        *at += n;
        if (status == RK_OK && **at == '\0') {
            status = next_line(reader, cells, at, err);
        } else if (status == RK_OK && (*at)[1] == '"') {
            status = append(cells, "\"", 1, err);
            *at += 2;
        } else {
            ++*at;
            break;
        }
    }
    if (status == RK_OK && **at != ',' && **at != '\0') {
        return rk_fail(err, RK_INVALID, "cell %zu goes on after its closing quote", cells->n);
    }
    return status;
}

static enum rk_status read_plain(struct datafile_cells *cells, const char **at,
                                 struct rk_error *err)
{
    const size_t n = strcspn(*at, ",\"");
    const enum rk_status status = append(cells, *at, n, err);

    *at += n;
    if (status == RK_OK && **at == '"') {
        return rk_fail(err, RK_INVALID, "cell %zu has a quote and is not in quotes", cells->n);
    }
    return status;
}

enum rk_status datafile_cells_read(struct datafile_reader *reader, struct datafile_cells *cells,
                                   struct rk_error *err)
{
    const char *at = reader->lines.text;
    enum rk_status status;
    bool more;

    cells->n = cells->length = 0;
    cells->line = reader->lines.number;
    do {
        status = begin_cell(cells, err);
        if (status == RK_OK && *at == '"') {
            at++;
            status = read_quoted(reader, cells, &at, err);
        } else if (status == RK_OK) {
            status = read_plain(cells, &at, err);
        }
        if (status == RK_OK) {
            status = append(cells, "", 1, err);
        }
        more = status == RK_OK && *at == ',';
        at++;
    } while (more);
    return status;
}

const char *datafile_cell(const struct datafile_cells *cells, size_t i)
{
    return cells->text + cells->start[i];
}

void datafile_cells_close(struct datafile_cells *cells)
{
    free(cells->text);
    free(cells->start);
    *cells = (struct datafile_cells){0};
}
