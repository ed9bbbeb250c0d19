/*
 * Many records in one body: one JSON text a line (NDJSON), or the elements of an array. What reads a
 * record does not see which.
 */
#ifndef RANKD_SERVER_CODEC_RECORDS_H
#define RANKD_SERVER_CODEC_RECORDS_H

#include "json.h"
#include "problem.h"

#include <stdbool.h>
#include <stddef.h>

/* Takes the records of a body one by one; false, with the problem filled, ends the walk. */
struct codec_reader {
    bool (*read)(void *context, const struct json_node *record, struct problem *problem);
    void *context;
};

/**
 * Parses every line and hands it to the reader as a record whose pointer is "/<number>". Its
 * document ends with the call: one line's tree is in memory at a time.
 *
 * @param budget  heap bytes the tree of one line may take, as json_parse.
 * @return false with the place: "/<number>", and for broken JSON the line in the text.
 */
bool codec_each_line(const char *text, size_t n, size_t budget, const struct codec_reader *reader,
                     struct problem *problem);

/** Hands every element of an array to the same reader. @pre node is an array. */
bool codec_each_element(const struct json_node *node, const struct codec_reader *reader,
                        struct problem *problem);

#endif
