/*
 * Labelled lists from a file, for the offline commands. With the columns of label and group named
 * it is CSV; else its first byte tells: `{` means NDJSON, a list a line exactly as in
 * POST /v1/batches; anything else is libsvm or libffm,
 *     label [qid:N] index:value ... # comment
 *     label [qid:N] field:index:value ... # comment
 * whose lists are runs of equal qid, or have their sizes in a file of one number a line.
 *
 * What a libsvm or libffm feature is to a model:
 *   indexed space    index is the column. Of an ffm or deepfm the field has to be the one that its
 *                    configuration gives that column; other kinds have no fields and ignore it.
 *   hashed, libsvm   the number item.<index>.
 *   hashed, libffm   the category item.<field>=<index> with the value as its weight: what a request
 *                    writes as {"<field>": {"<index>": value}}, so that the field is the model's.
 *
 * CSV (RFC 4180) has a header; lists are runs of equal text in the group's column. All columns
 * but those that are named are features of the item. A cell is a number if all of it is one, else
 * category text, and absent if it is empty. On an indexed space these columns are 0, 1, ... in the
 * header's order, and all are numbers.
 */
#ifndef RANKD_SERVER_DATAFILE_H
#define RANKD_SERVER_DATAFILE_H

#include "progress.h"
#include "store.h"

#include <rankd/group.h>
#include <rankd/model.h>
#include <rankd/status.h>
#include <stdbool.h>
#include <stddef.h>

#define DATAFILE_PATH_MAX 4096
#define DATAFILE_LINE_MAX ((size_t)16 << 20) /* bytes; what a request may have */

/* Names of CSV columns; NULL: not given. */
struct datafile_columns {
    const char *label; /* with group: the file is CSV; NULL: it is not */
    const char *group;
    const char *user; /* id of the list's user */
    const char *item; /* id of the item */
};

struct datafile_options {
    const char *path;
    const char *sizes; /* libsvm: the file of list sizes, put before any qid; NULL: qid, or else
                          <path>.query */
    struct datafile_columns columns;
    const struct rk_model_config *config; /* whose space the features have to fit */
    struct store *store; /* NDJSON, CSV: where stored features of ids come from; NULL: nowhere */
    struct progress *progress; /* zeroed; shows the bytes read; may be NULL */
};

/* The lists of a file, all in memory. */
struct datafile {
    struct rk_group **group; /* (n), owned */
    size_t n, capacity;
    size_t items;     /* in all lists */
    bool has_teacher; /* the format can bring a teacher's scores */
};

/* Where something is wrong. */
struct datafile_place {
    char path[DATAFILE_PATH_MAX];
    size_t line; /* from 1; 0 = the file as a whole */
};

/**
 * Reads a file line by line.
 *
 * @param data   out on RK_OK, close it.
 * @param place  out on errors.
 * @return RK_OK; RK_NOTFOUND: a file cannot be opened; RK_INVALID: what is in it breaks a rule;
 *         RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status datafile_read(const struct datafile_options *options,
                                           struct datafile *data, struct datafile_place *place,
                                           struct rk_error *err);

/** Frees the lists; a zeroed one is accepted. */
void datafile_close(struct datafile *data);

#endif
