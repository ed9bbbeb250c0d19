/*
 * Walking the records of a body.
 */
#include "codec_records.h"

#include "lines.h"

#include <string.h>

/* The parser was given one line and calls it line 1: told is the line's place in the body. */
static bool line_problem(const struct lines *lines, const struct json_node *record,
                         const struct problem *own, struct problem *problem)
{
    static const char one[] = " at line 1,";
    const char *at = strstr(own->detail, one);

    if (at == NULL) {
        return json_problem(record, own->kind, problem, "%s", own->detail);
    }
    return json_problem(record, own->kind, problem, "%.*s at line %zu,%s", (int)(at - own->detail),
                        own->detail, lines->place, at + strlen(one));
}

bool codec_each_line(const char *text, size_t n, size_t budget, const struct codec_reader *reader,
                     struct problem *problem)
{
    struct lines lines = lines_of(text, n);
    const struct json_node all = {0};
    const char *line;
    size_t length;
    bool read = true;

    while (read && lines_next(&lines, &line, &length)) {
        struct json_document document = {0};
        struct json_node record = {0};
        struct problem own = {0};
        read = json_parse(line, length, budget, &document, &record, &own);
        record.parent = &all;
        record.index = lines.number;
        read = read ? reader->read(reader->context, &record, problem)
                    : line_problem(&lines, &record, &own, problem);
        json_close(&document);
    }
    return read;
}

bool codec_each_element(const struct json_node *node, const struct codec_reader *reader,
                        struct problem *problem)
{
    const size_t n = json_count(node);

    for (size_t i = 0; i < n; i++) {
        struct json_node element;
        json_element(node, i, &element);
        if (!reader->read(reader->context, &element, problem)) {
            return false;
        }
    }
    return true;
}
