/*
 * A VFS of SQLite's over another one, for tests: what its files start with, and methods that do
 * nothing but go below, to be copied and replaced where a test has something to add.
 */
#ifndef RANKD_VFS_BELOW_H
#define RANKD_VFS_BELOW_H

#include <sqlite3.h>

struct vfs_file {
    sqlite3_file base;
    sqlite3_file *below; /* of the VFS below, opened by it */
};

/* Version 2: without xFetch, so that every write comes through xWrite. */
extern const sqlite3_io_methods vfs_below_methods;

/* The file below one whose struct starts with a struct vfs_file. */
sqlite3_file *vfs_below(sqlite3_file *file);

#endif
