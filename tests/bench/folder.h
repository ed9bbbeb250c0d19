/*
 * A folder of its own for a benchmark that needs files, under TMPDIR: set that to try a disk.
 */
#ifndef RANKD_BENCH_FOLDER_H
#define RANKD_BENCH_FOLDER_H

#define FOLDER_PATH 256

/* Makes it, and writes its path; ends the program where it cannot. */
void folder_make(char path[FOLDER_PATH]);

/* Removes it with the files in it. */
void folder_remove(const char *path);

#endif
