/*
 * Lists held back from learning, for the judge: every 20th of a model enters a ring of 256 and is
 * learned from when it leaves. The ring is part of what a model has learned up to: it is written
 * into checkpoints and activations as the log positions of its lists, and cut again from there.
 */
#ifndef RANKD_SERVER_HELD_H
#define RANKD_SERVER_HELD_H

#include "cut.h"
#include "emit.h"

#include <rankd/group.h>
#include <rankd/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HELD_LISTS 256
#define HELD_EVERY 20

struct held_list {
    struct rk_group *group; /* owned */
    struct cut_list at;
    bool known;    /* before is */
    double before; /* loss under what is served; NaN: it has none */
    double after;  /* loss under what was just learned */
};

/* Zero to start. */
struct held {
    struct held_list *list; /* (first + n) the ring is list[first] ... */
    size_t first, n, capacity;
    int64_t seen;      /* lists of the model so far */
    size_t kept_n;     /* when the step began the ring was list[0] ... list[kept_n - 1] */
    int64_t kept_seen; /* and `seen` this */
    bool judged;       /* `after` of those is of what the step learned */
};

/** Frees what it owns. */
void held_deinit(struct held *held);

/** Starts a step: what left before is freed, and held_undo comes back to here. */
void held_begin(struct held *held);

/** Counts a list. @return is it its turn to enter? */
bool held_turn(struct held *held);

/**
 * Enters a list. @param group  taken, and set to NULL, on RK_OK. @param left  out: what left for it, borrowed until the
 * next held_begin; group NULL: nothing, the ring was not full.
 *
 * @return RK_OK; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status held_enter(struct held *held, struct rk_group **group,
                                        const struct cut_list *at, struct held_list *left,
                                        struct rk_error *err);

/** The step is served: losses under it, where the judge looked, are those before the next. */
void held_publish(struct held *held);

/** Takes the step's changes back. */
void held_undo(struct held *held);

/**
 * After that, where the step was refused: its lists count, and what would have left for them goes to
 * the ring's end. Else a list that does harm would leave, be refused and leave again with every next
 * step.
 *
 * @param lists  of the step.
 */
void held_pass(struct held *held, size_t lists);

/**
 * Writes it: {"seen": n, "lists": [[seq, upto, config], [seq, upto, config, [teacher's scores]], ...]}.
 */
void held_write(const struct held *held, struct emit *out);

/* What lists are cut out of again. */
struct held_source {
    struct store *store;
    /* What a model learned by with a configuration of it (cut_list.config). */
    enum rk_status (*terms)(void *context, int64_t config, struct cut_terms *terms,
                            struct rk_error *err);
    void *context;
};

/**
 * Reads what held_write wrote and cuts the lists again; "" is an empty one.
 *
 * @param cut  used for it; its groups are gone afterwards.
 * @return RK_OK; RK_CORRUPT: it cannot be read, or a list of it is gone; RK_IO; RK_NOMEM: held is
 *         empty then.
 */
RK_MUST_CHECK enum rk_status held_read(struct held *held, const char *text,
                                       const struct held_source *source, struct cut *cut,
                                       struct rk_error *err);

#endif
