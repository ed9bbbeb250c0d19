/*
 * The state of the storage as the writer meets it: fine, or down of something. What a failure is
 * called, told, counted and cured by is one table; storage is down from the first failure to the
 * first sign that it works again, and nothing is written in between.
 */
#ifndef RANKD_SERVER_STORAGE_H
#define RANKD_SERVER_STORAGE_H

#include "metrics.h"
#include "problem.h"
#include "store.h"

#include <rankd/status.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct storage {
    struct store *store;     /* the writing connection, borrowed */
    struct metrics *metrics; /* borrowed */
    int64_t retry_ns;
    int64_t next_ns;         /* when to look again, monotonic; the writer's, as the next */
    bool is_fresh;           /* the last look found it fine: a failure now is the first */
    int cure;                /* the most that any trouble since then needs: enum of storage.c */
    _Atomic int64_t down_ns; /* since when it is down */
    _Atomic int trouble;     /* enum store_trouble */
    _Atomic int last;        /* that it failed of, whatever is known now */
    _Atomic int64_t last_ns; /* when */
};

/** Starts as fine. @param retry_ms  between looks. */
void storage_init(struct storage *storage, struct store *store, struct metrics *metrics,
                  int64_t retry_ms);

/** What is wrong with it; STORE_FINE: nothing is known. Threads: any. */
enum store_trouble storage_trouble(const struct storage *storage);

/** The same where something is; else what it failed of last, if that was since a time. */
enum store_trouble storage_trouble_since(const struct storage *storage, int64_t since_ns);

/**
 * Takes a failure in: counts it, tells it where the state changes, and storage is down.
 *
 * @param trouble  STORE_FINE is counted alone: it was not the storage's fault.
 * Threads: STORE_DAMAGED any; all others the writer's.
 */
void storage_failed(struct storage *storage, enum store_trouble trouble,
                    const struct rk_error *err);

/**
 * Has a look, where it is time for one: at the files while it is fine, and whether it works again
 * while it is down. It may wait for the disk. The writer's thread, outside a transaction.
 *
 * @param now  it is time in any case.
 */
void storage_tend(struct storage *storage, bool now);

/** What a request is told that cannot be stored. */
enum problem_kind storage_problem(enum store_trouble trouble);

#endif
