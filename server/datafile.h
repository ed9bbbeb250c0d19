/*
 * Labelled lists from a file, for the offline commands. What a file is follows from its first byte:
 * `{` means NDJSON, a list a line exactly as in POST /v1/batches; anything else is libsvm,
 *     label [qid:N] index:value ... # comment
 * whose lists are runs of equal qid, or have their sizes in a file of one number a line.
 */
#ifndef RANKD_SERVER_DATAFILE_H
#define RANKD_SERVER_DATAFILE_H

#include "progress.h"
#include "store.h"

#include <rankd/group.h>
#include <rankd/model.h>
#include <rankd/status.h>
#include <stddef.h>

#define DATAFILE_PATH_MAX 4096
#define DATAFILE_LINE_MAX ((size_t)16 << 20) /* bytes; what a request may have */

struct datafile_options {
    const char *path;
    const char *sizes; /* libsvm: the file of list sizes, put before any qid; NULL: qid, or else
                          <path>.query */
    const struct rk_model_config *config; /* whose space the features have to fit */
    struct store *store;       /* NDJSON: where stored features of ids come from; NULL: nowhere */
    struct progress *progress; /* bytes read are added; may be NULL */
};

/* The lists of a file, all in memory. */
struct datafile {
    struct rk_group **group; /* (n), owned */
    size_t n, capacity;
    size_t items; /* in all lists */
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
