/*
 * What tests of learning share: a database with a writer and a reader, the smallest records to learn
 * from, and models from JSON.
 */
#ifndef RANKD_LEARNING_FIXTURE_H
#define RANKD_LEARNING_FIXTURE_H

#include "metrics.h"
#include "model_config.h"
#include "store_log.h"
#include "temp_folder.h"
#include "writer.h"

#include <pthread.h>
#include <stdatomic.h>

#define LEARNING_MODEL 1 /* the model that records are for, unless a test sets another */
#define LEARNING_SMALL "\"features\":{\"bits\":10},\"dim\":3"

struct learning {
    struct temp_folder folder;
    char path[TEMP_PATH_MAX];
    struct metrics metrics;
    struct writer *writer; /* NULL while closed */
    struct store *reader;
    int64_t model;         /* whom new records are for */
    int64_t time_ms;       /* when new records are made */
    int64_t catalogue_seq; /* of new rankings and batches */
};

/* For cmocka: a new database, open. */
int learning_setup(void **state);
int learning_teardown(void **state);

#define LEARNING_TEST(name) cmocka_unit_test_setup_teardown(name, learning_setup, learning_teardown)

/* Starts writer and reader on the path, or stops and closes both. */
void learning_open(struct learning *l);
void learning_close(struct learning *l);

/* A configuration from JSON; fails the test if it is none. */
void learning_config(const char *json, struct model_config *config);

/* Runs something in the writer's transaction; fails the test if it fails. */
void learning_write(struct learning *l,
                    enum rk_status (*run)(struct store *, void *, struct rk_error *),
                    void *context);

/* Puts a model with its untrained start; new records are for it from now on. @return its id. */
int64_t learning_model(struct learning *l, const char *name, const char *json);

/*
 * Puts a ranking. @param items  JSON of the request's items; @param shown  ids in served order, with
 * spaces between. @return its seq.
 */
int64_t learning_ranking(struct learning *l, const char *id, const char *items, const char *shown);

/* Puts an event of the type, with the value, on an item of a ranking. @return its seq. */
int64_t learning_event(struct learning *l, const char *ranking, const char *item, const char *type,
                       double value);

/* Puts a labelled list. @return its seq. */
int64_t learning_batch(struct learning *l, const char *list);

/* Puts features of an item or user; NULL deletes. @return the seq. */
int64_t learning_features(struct learning *l, enum store_side side, const char *id,
                          const char *features);

/* Puts n lists made from a seed: users, items, brands and prices, one or two labels each. */
void learning_stream(struct learning *l, size_t n, uint64_t seed);

/* The end of the committed log. */
int64_t learning_end(const struct learning *l);

/* ---- waiting, without sleeping ---- */

/* A door that threads wait at until it is opened. Zero is closed. */
struct gate {
    _Atomic int reached; /* how many came to it */
    _Atomic int open;
};

void gate_pass(struct gate *gate); /* counts in and waits */
void gate_await(struct gate *gate,
                int reached); /* waits until so many came; fails after a minute */
void gate_open(struct gate *gate);

/* Waits until it is true; fails the test after a minute. */
void await(bool (*is_true)(void *context), void *context);

#endif
