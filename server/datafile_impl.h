/*
 * What the readers of the formats share: a file's lines, the words on them, and where the lists go.
 */
#ifndef RANKD_SERVER_DATAFILE_IMPL_H
#define RANKD_SERVER_DATAFILE_IMPL_H

#include "catalogue.h"
#include "datafile.h"
#include "list.h"
#include "stored.h"

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
    struct stored stored;               /* as of the log's end */
    struct rk_group_builder builder;
    bool repeats; /* the format has what is about a list in each of its rows */
    struct datafile *data;
};

/* ---- lines ---- */

/** Opens a file. @return RK_OK; RK_NOTFOUND with the reason. */
RK_MUST_CHECK enum rk_status datafile_lines_open(const char *path, struct datafile_lines *lines,
                                                 struct rk_error *err);

/** Reads the next line that is not blank. @param got  out: false at the end. */
RK_MUST_CHECK enum rk_status datafile_lines_next(struct datafile_lines *lines, bool *got,
                                                 struct rk_error *err);

/** The same of the data, counting progress. */
RK_MUST_CHECK enum rk_status datafile_next(struct datafile_reader *reader, bool *got,
                                           struct rk_error *err);

/** The next line of the data, blank or not. */
RK_MUST_CHECK enum rk_status datafile_next_any(struct datafile_reader *reader, bool *got,
                                               struct rk_error *err);

/* ---- words ---- */

/** Moves over blanks. */
void datafile_skip_blanks(const char **at);

/**
 * Takes a decimal number that ends where its word does; one that is too large becomes infinite.
 *
 * @return false: it is none, or "nan", "inf", hexadecimal.
 */
bool datafile_take_number(const char **at, double *number);

/**
 * Takes digits without sign or leading zero, up to `stop`, or to the word's end where that is '\0'.
 *
 * @return how many; 0: there is no such number, or it has more than `most` digits.
 */
size_t datafile_take_digits(const char **at, size_t most, char stop, uint64_t *number);

/* ---- lists ---- */

/** Appends a copy of the list that the builder has just made. */
RK_MUST_CHECK enum rk_status datafile_add(struct datafile_reader *reader, struct rk_group *group,
                                          struct rk_error *err);

/** Finds out whether there are stored features. */
RK_MUST_CHECK enum rk_status datafile_open_stored(struct datafile_reader *reader,
                                                  struct rk_error *err);

/**
 * Appends a labelled list; features stored for its ids are laid under those it has.
 *
 * @param where  out on errors: the item that does not fit the model; SIZE_MAX: none, or the user.
 */
RK_MUST_CHECK enum rk_status datafile_add_list(struct datafile_reader *reader, struct list *list,
                                               size_t *where, struct rk_error *err);

/* ---- formats: read all lists, the first line being there already ---- */

RK_MUST_CHECK enum rk_status datafile_read_libsvm(struct datafile_reader *reader,
                                                  struct rk_error *err);
RK_MUST_CHECK enum rk_status datafile_read_ndjson(struct datafile_reader *reader,
                                                  struct rk_error *err);
RK_MUST_CHECK enum rk_status datafile_read_csv(struct datafile_reader *reader,
                                               struct rk_error *err);

/* ---- CSV records ---- */

/* One record, its quotes taken away. */
struct datafile_cells {
    char *text; /* (capacity), owned: the cells one after the other, each terminated */
    size_t length, capacity;
    size_t *start; /* (n), owned: where each cell begins in text */
    size_t n, cap_start;
    size_t line; /* where the record begins, from 1 */
};

/** Splits the line last read, and those it goes on in. */
RK_MUST_CHECK enum rk_status datafile_cells_read(struct datafile_reader *reader,
                                                 struct datafile_cells *cells,
                                                 struct rk_error *err);

/** A cell of the record; until the next is read. */
const char *datafile_cell(const struct datafile_cells *cells, size_t i);

/** Frees what it owns; a zeroed one is accepted. */
void datafile_cells_close(struct datafile_cells *cells);

#endif
