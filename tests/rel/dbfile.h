/*
 * Looking into a database file, or changing it, as another program would: only ever a copy, or one
 * whose server has ended.
 */
#ifndef RANKD_DBFILE_H
#define RANKD_DBFILE_H

#include <sqlite3.h>
#include <stdint.h>

/* Copies a database as it lies there, its write-ahead log with it. */
void dbfile_copy(const char *from, const char *to);

sqlite3 *dbfile_open(const char *path);
void dbfile_close(sqlite3 *db);

/* Runs statements; reads one number. Either ends the program where it cannot. */
void dbfile_run(sqlite3 *db, const char *text);
int64_t dbfile_number(sqlite3 *db, const char *text);

#endif
