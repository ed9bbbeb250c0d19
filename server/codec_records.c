/*
 * Walking the records of a body.
 */
#include "codec_records.h"

#include "lines.h"

bool codec_each_line(const char *text, size_t n, struct pull_memory *memory,
                     const struct codec_reader *reader, struct problem *problem)
{
    struct lines lines = lines_of(text, n);
    const char *line;
    size_t length;

    while (lines_next(&lines, &line, &length)) {
        struct pull pull;
        if (!pull_begin_record(&pull, line, length, lines.number, lines.place, memory, problem) ||
            !reader->read(reader->context, &pull) || !pull_end(&pull)) {
            return false;
        }
    }
    return true;
}

bool codec_each_element(struct pull *pull, const struct codec_reader *reader)
{
    if (!pull_array(pull)) {
        return false;
    }
    while (pull_element(pull)) {
        if (!reader->read(reader->context, pull)) {
            return false;
        }
    }
    return pull_good(pull);
}
