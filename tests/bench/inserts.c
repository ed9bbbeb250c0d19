/*
 * Rows in a table.
 */
#include "inserts.h"

#include "bench.h"

#define PATH 512
#define TEXT 32

static void run(struct inserts *inserts, const char *sql)
{
    bench_need(sqlite3_exec(inserts->db, sql, NULL, NULL, NULL) == SQLITE_OK,
               sqlite3_errmsg(inserts->db));
}

void inserts_open(struct inserts *inserts, const char *folder)
{
    char path[PATH];

    (void)snprintf(path, sizeof path, "%s/inserts.db", folder);
    bench_need(sqlite3_open(path, &inserts->db) == SQLITE_OK, "no database for inserts");
    run(inserts, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                 "CREATE TABLE event (seq INTEGER PRIMARY KEY, id TEXT UNIQUE, ranking TEXT,"
                 " item TEXT, time INTEGER)");
    bench_need(sqlite3_prepare_v2(inserts->db,
                                  "INSERT INTO event (id, ranking, item, time) VALUES (?, ?, ?, ?)",
                                  -1, &inserts->insert, NULL) == SQLITE_OK,
               sqlite3_errmsg(inserts->db));
}

void inserts_close(struct inserts *inserts)
{
    (void)sqlite3_finalize(inserts->insert);
    (void)sqlite3_close(inserts->db);
}

static void insert(struct inserts *inserts)
{
    char id[TEXT], ranking[TEXT];

    inserts->n++;
    (void)snprintf(id, sizeof id, "e%016llx",
                   (unsigned long long)(inserts->n * UINT64_C(0x9e3779b97f4a7c15)));
    (void)snprintf(ranking, sizeof ranking, "r%llu", (unsigned long long)inserts->n / 16);
    (void)sqlite3_bind_text(inserts->insert, 1, id, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(inserts->insert, 2, ranking, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(inserts->insert, 3, "item", -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(inserts->insert, 4, (sqlite3_int64)inserts->n);
    bench_need(sqlite3_step(inserts->insert) == SQLITE_DONE, sqlite3_errmsg(inserts->db));
    (void)sqlite3_reset(inserts->insert);
}

void inserts_commit(struct inserts *inserts, size_t n)
{
    run(inserts, "BEGIN");
    for (size_t i = 0; i < n; i++) {
        insert(inserts);
    }
    run(inserts, "COMMIT");
}
