/*
 * The floor of taking events in: plain inserts into a table with an index on the events' ids, which
 * have no order.
 */
#ifndef RANKD_BENCH_INSERTS_H
#define RANKD_BENCH_INSERTS_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

struct inserts {
    sqlite3 *db;
    sqlite3_stmt *insert;
    uint64_t n; /* so far */
};

/** Makes a table in a file of the folder, with a write-ahead log and a sync a commit. */
void inserts_open(struct inserts *inserts, const char *folder);
void inserts_close(struct inserts *inserts);

/** Inserts n rows in one transaction. */
void inserts_commit(struct inserts *inserts, size_t n);

#endif
