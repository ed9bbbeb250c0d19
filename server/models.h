/*
 * The models that are served, by name: a pair of tables, so that a request finds and uses a model
 * without a lock while the trainer adds or removes one.
 */
#ifndef RANKD_SERVER_MODELS_H
#define RANKD_SERVER_MODELS_H

#include "live.h"
#include "model_config.h"
#include "pair.h"
#include "store.h"

#include <rankd/model.h>
#include <stdatomic.h>

enum model_state {
    MODEL_IDLE,
    MODEL_RUNNING,
    MODEL_PAUSED,
    MODEL_HALTED
};

/*
 * One model as everyone sees it. Only what is atomic changes, and of config what PATCH can change:
 * labels, training and the learning rate are the trainer's, and no other thread looks at them.
 */
struct served {
    int64_t id; /* the store's */
    char name[STORE_NAME_MAX + 1];
    struct model_config config;
    _Atomic(char *) config_text; /* JSON with all defaults, owned; who reads the table may use it */
    _Atomic bool enabled;        /* config.training.enabled, for everyone */
    struct rk_model *model;      /* owned */
    struct live live;
    _Atomic int state;                  /* enum model_state */
    _Atomic bool behind;                /* what it had learned before the start is not all there */
    _Atomic int64_t position;           /* log position learned up to */
    _Atomic int64_t checkpoint_version; /* of the newest stored checkpoint */
};

struct models_copy {
    struct served **model; /* (n), owned array, borrowed models */
    size_t n;
};

struct models {
    struct pair pair;
    struct models_copy copy[2];
};

/** Makes an empty table. */
RK_MUST_CHECK enum rk_status models_init(struct models *models, size_t n_slots,
                                         struct rk_error *err);

/** Frees the table and the models in it. @pre nobody reads. */
void models_deinit(struct models *models);

/** Starts and ends reading: models found in the copy live until models_done. Never waits. */
const struct models_copy *models_read(struct models *models, size_t slot);
void models_done(struct models *models, size_t slot, const struct models_copy *copy);

/** The table as it is, for the trainer thread, which is the only one that changes it. */
const struct models_copy *models_now(const struct models *models);

/** The model of a name, or NULL. */
struct served *models_find(const struct models_copy *copy, const char *name);

/** Makes room for one model more, so that adding it cannot fail. For the trainer alone. */
RK_MUST_CHECK enum rk_status models_reserve(struct models *models, struct rk_error *err);

/**
 * Adds a model, taking it; @pre there is room reserved. Or removes one and waits until nobody uses
 * it, giving it back. For the trainer alone.
 */
void models_add(struct models *models, struct served *served);
void models_remove(struct models *models, struct served *served);

/**
 * Takes over what can be changed of a configuration, and the text to show it by, which is taken. For
 * the trainer alone.
 *
 * @param models  where the model is served: returns when nobody reads the text before; or NULL: it is
 *                not served yet.
 */
void models_configure(struct models *models, struct served *served,
                      const struct model_config *config, char *text);

/**
 * Makes a model ready to serve version 0.
 *
 * @param n_slots  reading threads. @return RK_OK; RK_TOOBIG; RK_INVALID; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status served_create(const char *name, const struct model_config *config,
                                           size_t max_bytes, size_t n_slots, struct served **served,
                                           struct rk_error *err);

/** The same for a stored model: without parameters, until a version of it is published. */
RK_MUST_CHECK enum rk_status served_create_empty(const char *name,
                                                 const struct model_config *config,
                                                 size_t max_bytes, size_t n_slots,
                                                 struct served **served, struct rk_error *err);

/** Frees it and clears the pointer; NULL is accepted. */
void served_destroy(struct served **served);

/** "idle", "running", "paused" or "halted". */
const char *served_state_text(const struct served *served);

#endif
