/*
 * The live model: two copies of a parameter block, one that readers score with and one that the
 * trainer learns on. Publishing a step costs what the step touched.
 */
#ifndef RANKD_SERVER_LIVE_H
#define RANKD_SERVER_LIVE_H

#include "known.h"
#include "pair.h"

#include <rankd/model.h>
#include <stddef.h>
#include <stdint.h>

struct live {
    const struct rk_model *model; /* borrowed */
    void *block[2];               /* owned, what theta lies in */
    float *theta[2];              /* (params) each */
    struct known *known[2];       /* owned, what is known of items under each, or NULL */
    _Atomic int64_t version[2];   /* of each copy */
    struct pair pair;
};

/* What a reader holds between live_read and live_done. */
struct live_view {
    const float *theta;
    struct known *known; /* or NULL */
    int64_t version;
    uint32_t copy;
};

/**
 * Makes a live model of version 0 with nothing in its copies: before anyone reads, they are started or
 * a version is published. @return RK_OK; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status live_init(struct live *live, const struct rk_model *model,
                                       size_t n_slots, struct rk_error *err);

/** Makes both copies the untrained start. @pre nobody reads. Cost O(params). */
void live_start(struct live *live);

/** Frees both copies; a zeroed live is accepted. @pre nobody reads. */
void live_deinit(struct live *live);

/** Starts reading one version, which stays as it is until live_done. Never waits. */
struct live_view live_read(struct live *live, size_t slot);
void live_done(struct live *live, size_t slot, const struct live_view *view);

/** The version served now. Threads: any. */
int64_t live_version(const struct live *live);

/** For the trainer: what is served now, without counting in; and the copy it may change. */
const float *live_served(const struct live *live);
float *live_learning(struct live *live);

/**
 * Publishes the learning copy as a version, then brings the other copy up to it. For the trainer
 * alone.
 *
 * @param rows  n distinct rows that differ between the copies. Waits for readers of the old copy,
 * not for more.
 */
void live_publish(struct live *live, int64_t version, const uint32_t *rows, size_t n);

/** The same where anything may differ: a loaded checkpoint. Cost O(params). */
void live_publish_all(struct live *live, int64_t version);

#endif
