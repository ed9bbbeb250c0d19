/*
 * A VFS that records what SQLite does to the files of a folder, over the default one, for which it
 * stands in between start and stop. What a disk may hold after a power loss at any point of the
 * record is built by crash_disk.h.
 *
 * Recorded are files, not names: a name that is removed and made again is another file. Shared
 * memory is not recorded, since it does not outlive the machine.
 */
#ifndef RANKD_CRASH_VFS_H
#define RANKD_CRASH_VFS_H

#include <stddef.h>
#include <stdint.h>

enum crash_verb {
    CRASH_CREATE,
    CRASH_WRITE,
    CRASH_TRUNCATE,
    CRASH_SYNC,
    CRASH_DELETE,
    CRASH_RENAME,
    CRASH_SYNC_FOLDER
};

struct crash_op {
    enum crash_verb verb;
    size_t file;    /* number of the file it is done to, from 0 */
    int64_t offset; /* WRITE: where; TRUNCATE: the new size */
    size_t n;       /* WRITE */
    unsigned char *bytes;
    char *name; /* CREATE, DELETE: the name in the folder; RENAME: the new one; else NULL */
};

struct crash_record;

/*
 * Starts recording. Files that lie in the folder already are taken as they are, synced. No
 * connection is open in the folder, and only one record is made at a time.
 */
struct crash_record *crash_record_start(const char *folder);

/* Ends recording; no connection that was opened since the start is open. The record can be read. */
void crash_record_stop(struct crash_record *record);

void crash_record_free(struct crash_record **record);

/* How many operations there were so far. Threads: any. */
size_t crash_record_position(struct crash_record *record);

/* An operation; after stop. */
const struct crash_op *crash_record_op(const struct crash_record *record, size_t i);

/* How many files there were. */
size_t crash_record_files(const struct crash_record *record);

/*
 * What was done to a file or folder by its path beside SQLite, once it is done. Paths outside the
 * folder are ignored.
 */
void crash_record_synced(struct crash_record *record, const char *path);
void crash_record_renamed(struct crash_record *record, const char *from, const char *to);
void crash_record_removed(struct crash_record *record, const char *path);

#endif
