/*
 * Many records in one body: one JSON text a line (NDJSON), or the elements of an array. What reads a
 * record does not see which.
 */
#ifndef RANKD_SERVER_CODEC_RECORDS_H
#define RANKD_SERVER_CODEC_RECORDS_H

#include "problem.h"
#include "pull.h"

#include <stdbool.h>
#include <stddef.h>

/* Reads the records of a body one by one; false, with the problem filled, ends the walk. */
struct codec_reader {
    bool (*read)(void *context, struct pull *pull);
    void *context;
};

/**
 * Hands every line to the reader as a record whose pointer is "/<number>". What it kept in the
 * memory ends with the call.
 *
 * @return false with the place: "/<number>", and for broken JSON the line in the text.
 */
bool codec_each_line(const char *text, size_t n, struct pull_memory *memory,
                     const struct codec_reader *reader, struct problem *problem);

/** Hands every element of an array, which stands next, to the same reader. */
bool codec_each_element(struct pull *pull, const struct codec_reader *reader);

#endif
