/*
 * What the store's tests share: a database in a folder of its own, and the smallest things to put
 * into it.
 */
#ifndef RANKD_STORE_FIXTURE_H
#define RANKD_STORE_FIXTURE_H

#include "store_log.h"
#include "temp_folder.h"

#define FIXTURE_SHOWN  7 /* items i0 ... i6 of a fixture's ranking */
#define FIXTURE_TTL_MS 1000

struct store_fixture {
    struct temp_folder folder;
    char path[TEMP_PATH_MAX];
    struct store *store; /* a transaction is open; NULL where a test opens for itself */
};

/* For cmocka: with no file yet, or with a store in a transaction. */
int store_fixture_folder(void **state);
int store_fixture_setup(void **state);
int store_fixture_teardown(void **state);

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)
#define FOLDER_TEST(name)                                                                          \
    cmocka_unit_test_setup_teardown(name, store_fixture_folder, store_fixture_teardown)

/* Opens the writing connection; fails the test with the reason if it cannot. */
struct store *fixture_open(const char *path);

/* Opens and closes, so that there is a file. */
void fixture_make(const char *path);

/* Commits, closes, opens, begins. */
void fixture_reopen(struct store_fixture *fixture);

/* Runs SQL on a file as another program would, or reads one number with it. */
void fixture_run_sql(const char *path, const char *text);
int64_t fixture_read_number(const char *path, const char *text);

/* The hash by which a shown item is found. */
uint64_t fixture_item_hash(const char *id);

/* qsort's order of hashes. */
int fixture_ascending(const void *a, const void *b);

/* Puts a ranking of FIXTURE_SHOWN items. @return its seq. */
int64_t fixture_put_ranking(struct store *store, const char *id, int64_t model, int64_t time_ms);

/* Puts n rankings, so that there is a log for other rows to speak of. */
void fixture_put_log(struct store *store, int n);

/* A click without a time. */
struct store_event fixture_event(const char *id, const char *ranking, const char *item);

/* Puts an event. @return its status as text. */
const char *fixture_put_event(struct store *store, struct store_event event, int64_t now_ms);

/* The log's end. */
int64_t fixture_log_end(struct store *store);

#endif
