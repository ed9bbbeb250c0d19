/*
 * Files that ride in the binary: migrations and web files, made into C by the Makefile.
 */
#ifndef RANKD_SERVER_EMBED_H
#define RANKD_SERVER_EMBED_H

struct embedded_file {
    const char *path; /* as in the source tree: "migrations/0001_start.sql" */
    const char *text;
};

/* In order of their paths within each folder, migrations first; ends with a NULL path. */
extern const struct embedded_file embedded_files[];

#endif
