/*
 * Cutting a body into lines.
 */
#include "lines.h"

#include <string.h>

struct lines lines_of(const char *text, size_t n)
{
    return (struct lines){.at = text, .end = n > 0 ? text + n : text};
}

static bool blank(const char *line, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r') {
            return false;
        }
    }
    return true;
}

bool lines_next(struct lines *lines, const char **line, size_t *n)
{
    while (lines->at < lines->end) {
        const char *start = lines->at;
        const char *newline = memchr(start, '\n', (size_t)(lines->end - start));
        const size_t length = (size_t)((newline != NULL ? newline : lines->end) - start);
        lines->at = newline != NULL ? newline + 1 : lines->end;
        lines->place++;
        if (!blank(start, length)) {
            *line = start;
            *n = length;
            lines->number = lines->given++;
            return true;
        }
    }
    return false;
}

size_t lines_count(const char *text, size_t n)
{
    struct lines lines = lines_of(text, n);
    const char *line;
    size_t length;

    while (lines_next(&lines, &line, &length)) {
    }
    return lines.given;
}
