/*
 * A life of the service, recorded: requests of every kind that writes, to a new database in a folder
 * of its own, and what was promised by which point of the record.
 */
#ifndef RANKD_CRASH_LIFE_H
#define RANKD_CRASH_LIFE_H

#include "crash_vfs.h"

#include <stdbool.h>

/* How the writing connection syncs: as the product has it, or as a control that has to lose. */
enum life_sync {
    LIFE_FULL,
    LIFE_NORMAL,
    LIFE_OFF
};

enum promise_kind {
    PROMISE_EVENT,      /* number; of ranking `first`, on item `last` */
    PROMISE_BATCH,      /* number; lists at log positions `first` to `last` */
    PROMISE_ITEM,       /* number of the item; its features have price `first` */
    PROMISE_VERSION,    /* served as version `number`; `first`: hash of its whole state */
    PROMISE_IMPORT,     /* stored as version `number` */
    PROMISE_ACTIVATION, /* number: how many there were */
    PROMISE_PAUSE       /* number: how many there were, with resumes */
};

/* Answered with success when the record had `at` operations. */
struct promise {
    enum promise_kind kind;
    size_t at;
    int64_t number;
    int64_t first, last;
};

struct life {
    struct crash_record *record;
    size_t began; /* the point from which there are requests */
    size_t ended;
    int64_t events; /* numbers given to events are below this */
    struct promise *promise;
    size_t n_promises, promise_room;
};

/* Kinds of lives; add them up. */
enum life_kind {
    LIFE_PLAIN = 0, /* a checkpoint whenever something was learned */
    LIFE_LARGE = 1, /* with a second model whose checkpoints are of several chunks */
    LIFE_SPARSE = 2 /* checkpoints only at an end: many steps have to be taken again */
};

/* Lives it. @param kind  of enum life_kind. */
struct life *life_record(uint64_t seed, enum life_sync sync, size_t rounds, unsigned kind);

void life_free(struct life **life);

#endif
