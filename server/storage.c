/*
 * One row a trouble, and going from one to another.
 */
#include "storage.h"

#include "clock.h"
#include "log.h"

/* What it takes until storage is trusted again. */
enum cure {
    CURE_NONE,   /* a new start */
    CURE_WRITE,  /* a write that succeeds */
    CURE_REOPEN, /* a new connection, then a write */
    CURE_CHECK   /* a new connection, no damage to be seen, then a write */
};

static const struct facts {
    const char *event;
    const char *action; /* for the log */
    enum problem_kind problem;
    enum cure cure;
} facts_of[] = {
    [STORE_FINE] = {"storage_ok", "", PROBLEM_STORAGE_ERROR, CURE_NONE},
    [STORE_FAILED] = {"storage_io", "reopen", PROBLEM_STORAGE_ERROR, CURE_REOPEN},
    /* Linux drops what an fsync could not write, and the next one says that all is well. */
    [STORE_UNSYNCED] = {"storage_fsync_failed", "reopen", PROBLEM_STORAGE_ERROR, CURE_CHECK},
    [STORE_FULL] = {"storage_full", "wait", PROBLEM_STORAGE_FULL, CURE_WRITE},
    [STORE_READ_ONLY] = {"storage_read_only", "wait", PROBLEM_STORAGE_READ_ONLY, CURE_REOPEN},
    [STORE_LOCKED] = {"storage_busy", "wait", PROBLEM_STORAGE_BUSY, CURE_WRITE},
    [STORE_DAMAGED] = {"db_corrupt", "restore a backup", PROBLEM_STORAGE_CORRUPT, CURE_NONE},
    [STORE_LOST] = {"db_replaced", "put it back or start again", PROBLEM_STORAGE_LOST, CURE_CHECK},
    [STORE_SLOW] = {"storage_slow", "wait", PROBLEM_STORAGE_SLOW, CURE_NONE},
};

_Static_assert(sizeof facts_of / sizeof *facts_of == STORE_TROUBLE_COUNT, "a trouble has no facts");
_Static_assert((int)METRIC_STORAGE_SLOW - (int)METRIC_STORAGE_ERRORS == (int)STORE_SLOW,
               "the counters are in the order of the troubles");

void storage_init(struct storage *storage, struct store *store, struct metrics *metrics,
                  int64_t retry_ms)
{
    *storage = (struct storage){.store = store,
                                .metrics = metrics,
                                .retry_ns = retry_ms * INT64_C(1000000),
                                .is_fresh = true};
    storage->next_ns = clock_monotonic_ns() + storage->retry_ns;
}

enum store_trouble storage_trouble(const struct storage *storage)
{
    return (enum store_trouble)atomic_load(&storage->trouble);
}

enum store_trouble storage_trouble_since(const struct storage *storage, int64_t since_ns)
{
    const enum store_trouble now = storage_trouble(storage);

    return now == STORE_FINE && atomic_load(&storage->last_ns) >= since_ns
               ? (enum store_trouble)atomic_load(&storage->last)
               : now;
}

enum problem_kind storage_problem(enum store_trouble trouble)
{
    return facts_of[trouble].problem;
}

void storage_failed(struct storage *storage, enum store_trouble trouble, const struct rk_error *err)
{
    const struct facts *facts = &facts_of[trouble];
    int before;

    metrics_add(storage->metrics, METRIC_STORAGE_ERRORS + trouble, 1);
    if (trouble == STORE_FINE) {
        log_error("commit_failed", log_text("reason", err->text));
        return;
    }
    atomic_store(&storage->last, (int)trouble);
    atomic_store(&storage->last_ns, clock_monotonic_ns());
    before = atomic_exchange(&storage->trouble, (int)trouble);
    if (before == STORE_FINE) {
        atomic_store(&storage->down_ns, clock_monotonic_ns());
    }
    if (before == STORE_FINE && facts->cure >= CURE_REOPEN && storage->is_fresh) {
        storage->next_ns = 0; /* what a new connection cures is over before anyone waits for it */
    }
    if (facts->cure != CURE_NONE && (int)facts->cure > storage->cure) {
        storage->cure = (int)facts->cure;
    }
    if (before != (int)trouble) {
        log_error(facts->event, log_text("reason", err->text), log_text("action", facts->action));
    }
}

/* The files are what they were, and connection and disk do what they are told. */
static enum rk_status cure(struct storage *storage, enum cure cure, struct rk_error *err)
{
    struct store *store = storage->store;
    enum rk_status status = RK_OK;

    if (store_moved(store)) {
        return rk_fail(err, RK_NOTFOUND, "the database or its log is not the file that was opened");
    }
    if (cure >= CURE_REOPEN) {
        status = store_reopen(store, cure == CURE_CHECK, err);
    }
    return status == RK_OK ? store_probe(store, err) : status;
}

/* What a failed cure makes of it. */
static enum store_trouble trouble_now(const struct storage *storage, const struct rk_error *err)
{
    const enum store_trouble trouble = store_trouble(storage->store);

    return err->status == RK_NOTFOUND ? STORE_LOST
           : trouble == STORE_FINE    ? storage_trouble(storage)
                                      : trouble;
}

static void try_to_cure(struct storage *storage)
{
    const int64_t down_ns = atomic_load(&storage->down_ns);
    const enum store_trouble before = storage_trouble(storage);
    int expected = (int)before;
    struct rk_error err = {0};

    if (cure(storage, (enum cure)storage->cure, &err) != RK_OK) {
        storage_failed(storage, trouble_now(storage, &err), &err);
    } else if (atomic_compare_exchange_strong(&storage->trouble, &expected, STORE_FINE)) {
        storage->cure = CURE_NONE;
        log_notice("storage_ok", log_text("after", store_trouble_text(before)),
                   log_number("ms", (clock_monotonic_ns() - down_ns) / 1000000));
    }
}

void storage_tend(struct storage *storage, bool now)
{
    const enum store_trouble trouble = storage_trouble(storage);
    struct rk_error err = {0};

    if (!now && clock_monotonic_ns() < storage->next_ns) {
        return;
    }
    storage->is_fresh = trouble == STORE_FINE;
    if (trouble == STORE_FINE && store_moved(storage->store)) {
        (void)rk_fail(&err, RK_IO, "the database or its log is not the file that was opened");
        storage_failed(storage, STORE_LOST, &err);
    } else if (facts_of[trouble].cure != CURE_NONE) {
        try_to_cure(storage);
    }
    storage->next_ns = clock_monotonic_ns() + storage->retry_ns;
}
