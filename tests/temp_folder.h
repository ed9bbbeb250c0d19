/*
 * A folder of its own for a test that needs files: made under TMPDIR, and removed with all that is
 * in it.
 */
#ifndef RANKD_TEMP_FOLDER_H
#define RANKD_TEMP_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEMP_PATH_MAX 512

struct temp_folder {
    char path[TEMP_PATH_MAX / 2];
};

/* Makes it; fails the test if it cannot. */
void temp_folder_make(struct temp_folder *folder);

/* Removes it and what is in it. */
void temp_folder_remove(const struct temp_folder *folder);

/* The path of a file in it. */
void temp_folder_path(const struct temp_folder *folder, const char *name, char path[TEMP_PATH_MAX]);

/* Writes a whole file; fails the test if it cannot. */
void temp_file_write(const char *path, const void *bytes, size_t n);

/* A hash of a file's bytes, 0 if there is no such file: equal bytes, equal hash. */
uint64_t temp_file_hash(const char *path);

/* Is there such a file? */
bool temp_file_exists(const char *path);

#endif
