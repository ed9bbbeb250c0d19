/*
 * What the readers of the two formats share: a file's lines, and where the lists go.
 */
#ifndef RANKD_SERVER_DATAFILE_IMPL_H
#define RANKD_SERVER_DATAFILE_IMPL_H

#include "datafile.h"

#include <stdbool.h>
#include <stdio.h>

/* A file being read; the line last read lies in text. */
struct datafile_lines {
    FILE *file;
    const char *path; /* borrowed */
    char *text;       /* (capacity), owned; the line without its end, terminated */
    size_t capacity;
    size_t length;
    size_t number; /* of that line, from 1 */
};

struct datafile_reader {
    const struct datafile_options *options;
    struct datafile_lines lines;
    struct datafile_lines sizes;        /* libsvm: open where there is such a file */
    char *sizes_path;                   /* owned, where it was made from the data's */
    const struct datafile_lines *wrong; /* the file that an error is about */
    struct rk_group_builder builder;
    struct datafile *data;
};

/** Opens a file. @return RK_OK; RK_NOTFOUND with the reason. */
RK_MUST_CHECK enum rk_status datafile_lines_open(const char *path, struct datafile_lines *lines,
                                                 struct rk_error *err);

/** Reads the next line that is not blank. @param got  out: false at the end. */
RK_MUST_CHECK enum rk_status datafile_lines_next(struct datafile_lines *lines, bool *got,
                                                 struct rk_error *err);

/** The same of the data, counting progress. */
RK_MUST_CHECK enum rk_status datafile_next(struct datafile_reader *reader, bool *got,
                                           struct rk_error *err);

/** Appends a copy of a list. */
RK_MUST_CHECK enum rk_status datafile_add(struct datafile_reader *reader,
                                          const struct rk_group *group, struct rk_error *err);

/** Read all lists, the first line being there already. */
RK_MUST_CHECK enum rk_status datafile_read_libsvm(struct datafile_reader *reader,
                                                  struct rk_error *err);
RK_MUST_CHECK enum rk_status datafile_read_ndjson(struct datafile_reader *reader,
                                                  struct rk_error *err);

#endif
