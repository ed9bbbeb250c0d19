/*
 * Backups: copies of the database made while it is written, by a thread of their own, so that neither
 * requests nor commits wait for one. One at a time.
 */
#ifndef RANKD_SERVER_BACKUP_H
#define RANKD_SERVER_BACKUP_H

#include "metrics.h"
#include "store.h"

#include <rankd/status.h>
#include <stdbool.h>
#include <stdint.h>

#define BACKUP_NAME_MAX 100
#define BACKUP_PATH_MAX 1200

struct backup;

/* A backup to make; embed it at the start of a struct with more. */
struct backup_job {
    char name[BACKUP_NAME_MAX + 1];       /* "": "rankd-<UTC time>-<the log's end>.db" */
    void (*done)(struct backup_job *job); /* in the backups' thread; may free the job */

    /* out, before done */
    struct rk_error err; /* RK_INVALID: there is a file of the name; RK_BUSY: given up at the end */
    struct store_backup made;
    char path[BACKUP_PATH_MAX];
    int64_t time_ms; /* when it began */
    int64_t took_ms;
};

/**
 * Starts the thread.
 *
 * @param db, metrics  borrowed. @param folder  made with the first backup if it is missing; "":
 *        "backups" beside the database. Copied.
 * @return RK_OK; RK_TOOBIG: the path is too long; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status backup_start(const char *db, const char *folder,
                                          struct metrics *metrics, struct backup **backup,
                                          struct rk_error *err);

/** Gives up the one under way, ends the thread and frees it all. NULL is accepted. */
void backup_stop(struct backup **backup);

/** Is it a plain file name: 1 to 100 of A-Z a-z 0-9 . _ -, without a dot or dash at its start? */
bool backup_name_is_good(const char *name);

/**
 * Has a backup made: of all that is committed now, and maybe more. @return false: one is under way,
 * and done is not called. Threads: any.
 */
bool backup_submit(struct backup *backup, struct backup_job *job);

#endif
