/*
 * One section after the other, a line at a time. strtod reads in the "C" locale: rankd never calls
 * setlocale.
 */
#include "libfm.h"

#include "lines.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BIAS  "#global bias W0"
#define UNARY "#unary interactions Wj"
#define PAIRS "#pairwise interactions Vj,f"

struct reader {
    struct lines lines;
    const char *line; /* (n), the one read last */
    size_t n;
    bool more; /* there was one */
    struct rk_error *err;
};

bool libfm_is(const void *bytes, size_t n)
{
    return n >= strlen(BIAS) && memcmp(bytes, BIAS, strlen(BIAS)) == 0;
}

static void next(struct reader *reader)
{
    reader->more = lines_next(&reader->lines, &reader->line, &reader->n);
}

static bool is_line(const struct reader *reader, const char *text)
{
    size_t n = reader->n;

    while (reader->more && n > 0 && strchr(" \t\r", reader->line[n - 1]) != NULL) {
        n--;
    }
    return reader->more && n == strlen(text) && memcmp(reader->line, text, n) == 0;
}

/* Takes the word at *at as a number. What strtod would take beyond decimal ones is none. */
static bool take_number(const char **at, float *number)
{
    const size_t word = strcspn(*at, " \t\r\n");
    char *end;

    *number = (float)strtod(*at, &end);
    if (strspn(*at, "0123456789+-.eE") != word || end != *at + word || !isfinite(*number)) {
        return false;
    }
    *at = end;
    return true;
}

/* The line's numbers, exactly k. */
static enum rk_status read_numbers(struct reader *reader, size_t k, float *to)
{
    const char *at = reader->line, *end = reader->line + reader->n;
    const size_t line = reader->lines.place;
    size_t found = 0;

    for (;;) {
        float number;
        at += strspn(at, " \t\r");
        if (at >= end) {
            break;
        }
        if (!take_number(&at, &number)) {
            return rk_fail(reader->err, RK_INVALID,
                           "line %zu: word %zu is not a finite decimal number", line, found + 1);
        }
        if (found < k) {
            to[found] = number;
        }
        found++;
    }
    return found == k ? RK_OK
                      : rk_fail(reader->err, RK_MISMATCH,
                                "line %zu: %zu numbers, the model needs %zu", line, found, k);
}

/* A section of rows lines with k numbers each. @param title  stands on the line read last. */
static enum rk_status read_section(struct reader *reader, const char *title, size_t rows, size_t k,
                                   float *to)
{
    enum rk_status status = RK_OK;

    if (!is_line(reader, title)) {
        return rk_fail(reader->err, RK_MISMATCH, "line %zu: \"%s\" should stand here",
                       reader->lines.place + !reader->more, title);
    }
    next(reader);
    for (size_t i = 0; i < rows && status == RK_OK; i++) {
        if (!reader->more || reader->line[0] == '#') {
            return rk_fail(reader->err, RK_MISMATCH,
                           "line %zu: \"%s\" has %zu lines, the model needs %zu",
                           reader->lines.place + !reader->more, title, i, rows);
        }
        status = read_numbers(reader, k, to + i * k);
        next(reader);
    }
    if (status == RK_OK && reader->more && reader->line[0] != '#') {
        return rk_fail(reader->err, RK_MISMATCH,
                       "line %zu: \"%s\" has more lines than the model's %zu", reader->lines.place,
                       title, rows);
    }
    return status;
}

static const struct rk_tensor *find(const struct rk_model *model, const char *name)
{
    size_t n;
    const struct rk_tensor *tensors = rk_model_tensors(model, &n);

    while (n > 0 && strcmp(tensors[n - 1].name, name) != 0) {
        n--;
    }
    return n > 0 ? &tensors[n - 1] : NULL;
}

enum rk_status libfm_read(const struct rk_model *model, const char *text, size_t n, float *theta,
                          struct rk_error *err)
{
    const struct rk_model_config *config = rk_model_config(model);
    struct reader reader = {.lines = lines_of(text, n), .err = err};
    const struct rk_tensor *bias, *linear, *embedding;
    enum rk_status status;

    if (strcmp(config->kind, "fm") != 0 || config->features.kind != RK_INDEXED) {
        return rk_fail(err, RK_MISMATCH, "libFM's models are of kind fm on an indexed space");
    }
    bias = find(model, "linear.bias");
    linear = find(model, "linear.weight");
    embedding = find(model, "embedding.weight");
    memset(theta, 0, rk_model_params(model) * sizeof *theta);
    next(&reader);
    status = read_section(&reader, BIAS, 1, 1, theta + bias->offset);
    if (status == RK_OK && !is_line(&reader, PAIRS)) {
        status = read_section(&reader, UNARY, linear->rows, 1, theta + linear->offset);
    }
    if (status == RK_OK) {
        status = read_section(&reader, PAIRS, embedding->rows, embedding->cols,
                              theta + embedding->offset);
    }
    return status == RK_OK && reader.more
               ? rk_fail(err, RK_MISMATCH, "line %zu: nothing should follow the last section",
                         reader.lines.place)
               : status;
}
