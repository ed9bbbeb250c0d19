/*
 * The registry: models and their configurations, what each learning step did, and checkpoints. W: as
 * in store.h.
 */
#ifndef RANKD_SERVER_STORE_REGISTRY_H
#define RANKD_SERVER_STORE_REGISTRY_H

#include "store.h"

/* ---- models ---- */

struct store_model {
    int64_t id;
    char name[STORE_NAME_MAX + 1];
    char *config; /* as it was made; owned where it was read */
    int64_t seq;
    int64_t time_ms;
    bool paused;
};

/** W. Makes a model; fills id and seq. @return RK_OK; RK_MISMATCH: the name is taken; RK_IO. */
RK_MUST_CHECK enum rk_status store_put_model(struct store *store, struct store_model *model,
                                             struct rk_error *err);
/** W. Marks a model deleted: its log stays. @return RK_OK; RK_NOTFOUND; RK_IO. */
RK_MUST_CHECK enum rk_status store_delete_model(struct store *store, int64_t model, int64_t now_ms,
                                                struct rk_error *err);
/** W. Pauses or resumes; a log record. @return RK_OK; RK_NOTFOUND; RK_IO. */
RK_MUST_CHECK enum rk_status store_set_paused(struct store *store, int64_t model, bool paused,
                                              int64_t now_ms, struct rk_error *err);
/**
 * One model, by id a deleted one too, by name a living one; free its config.
 * @return RK_OK; RK_NOTFOUND; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status store_get_model(struct store *store, int64_t id,
                                             struct store_model *model, struct rk_error *err);
RK_MUST_CHECK enum rk_status store_find_model(struct store *store, const char *name,
                                              struct store_model *model, struct rk_error *err);
/**
 * W. Changes a model's configuration to a text; a log record. @param seq  out: its log position.
 * @return RK_OK; RK_IO.
 */
RK_MUST_CHECK enum rk_status store_put_config(struct store *store, int64_t model, const char *text,
                                              int64_t now_ms, int64_t *seq, struct rk_error *err);

struct store_config {
    int64_t seq; /* log position of the change; 0: as the model was made */
    char *text;
};

/**
 * What a model's configuration was, as it was made first, with changes up to log position `upto`.
 *
 * @param configs  out, (n), n > 0; free each text and the array.
 * @return RK_OK; RK_NOTFOUND: there never was such a model; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status store_list_configs(struct store *store, int64_t model, int64_t upto,
                                                struct store_config **configs, size_t *n,
                                                struct rk_error *err);

/** All living models in order of id; free each config and the array. */
RK_MUST_CHECK enum rk_status store_list_models(struct store *store, struct store_model **models,
                                               size_t *n, struct rk_error *err);

/* ---- steps ---- */

#define STORE_OUTCOMES(X) X(PUBLISHED, "published") X(NO_OP, "no_op") X(QUARANTINED, "quarantined")
enum store_outcome {
#define STORE_OUTCOME_ENUM(name, text) STORE_##name,
    STORE_OUTCOMES(STORE_OUTCOME_ENUM)
#undef STORE_OUTCOME_ENUM
};

struct store_step {
    int64_t id; /* out when put */
    int64_t model;
    int64_t version;
    int64_t from_seq, to_seq;
    int64_t due_from, due_to;
    int64_t config; /* store_config.seq of the one it was taken with */
    enum store_outcome outcome;
    char reason[160];  /* "" = none */
    char *quarantined; /* JSON array of log positions; NULL = none; owned by who made it */
    const char
        *held; /* JSON arrays of log positions, for put alone: lists held back; NULL = none */
    const char *released; /* and lists learned from that had been */
    int64_t retry;        /* the step whose quarantined lists it took again; 0 = none */
    const float *teacher; /* (n_teacher) what a teacher said, for put alone: store_get_teacher */
    size_t n_teacher;
    int64_t lists, pairs;
    double loss, grad_norm;
    double ndcg, auc, log_loss; /* sums */
    int64_t ndcg_n, auc_n, log_loss_n;
    int64_t time_ms;
};

/** W. Appends a step row and fills its id. */
RK_MUST_CHECK enum rk_status store_put_step(struct store *store, struct store_step *step,
                                            struct rk_error *err);
/**
 * Steps of a model with id > after, at most n, oldest first (newest first if `newest`). quarantined
 * is malloc'ed or NULL.
 */
RK_MUST_CHECK enum rk_status store_list_steps(struct store *store, int64_t model, int64_t after,
                                              bool newest, struct store_step *steps, size_t *n,
                                              struct rk_error *err);
/**
 * What a teacher said of a step's lists, bit for bit: malloc'ed, or NULL and 0.
 * @return RK_OK; RK_CORRUPT: these are no numbers; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status store_get_teacher(struct store *store, int64_t step, float **scores,
                                               size_t *n, struct rk_error *err);
/**
 * The step of a model that took a batch or event at log position seq; quarantined is malloc'ed or
 * NULL.
 * @return RK_OK; RK_NOTFOUND: none has yet, or it made no list; RK_IO.
 */
RK_MUST_CHECK enum rk_status store_find_step(struct store *store, int64_t model, int64_t seq,
                                             struct store_step *step, struct rk_error *err);
/** The step with an id; quarantined is malloc'ed or NULL. @return RK_OK; RK_NOTFOUND; RK_IO. */
RK_MUST_CHECK enum rk_status store_get_step(struct store *store, int64_t model, int64_t id,
                                            struct store_step *step, struct rk_error *err);
/**
 * The step after `after` that learned from a list that had been held back; quarantined is malloc'ed
 * or NULL.
 * @return RK_OK; RK_NOTFOUND: none has yet; RK_IO.
 */
RK_MUST_CHECK enum rk_status store_find_release(struct store *store, int64_t model, int64_t after,
                                                int64_t seq, struct store_step *step,
                                                struct rk_error *err);
/* Lists of a step that it did not learn from. */
enum store_left_out {
    STORE_LISTS_HELD,
    STORE_LISTS_QUARANTINED
};
/**
 * Is the list at log position seq one of those that a step left out?
 */
RK_MUST_CHECK enum rk_status store_is_left_out(struct store *store, int64_t step,
                                               enum store_left_out which, int64_t seq, bool *is,
                                               struct rk_error *err);
/**
 * Steps of a model with lists in quarantine, newest first, below id `before` (0: from the newest),
 * at most n. retried: (n) out, the step that took its lists again, 0 = none has.
 */
RK_MUST_CHECK enum rk_status store_list_quarantine(struct store *store, int64_t model,
                                                   int64_t before, struct store_step *steps,
                                                   int64_t *retried, size_t *n,
                                                   struct rk_error *err);
/** The step that took the quarantined lists of a step again; 0 = none has. */
RK_MUST_CHECK enum rk_status store_find_retry(struct store *store, int64_t step, int64_t *retry,
                                              struct rk_error *err);
/** The step row that published a version. @return RK_OK; RK_NOTFOUND: none that is kept; RK_IO. */
RK_MUST_CHECK enum rk_status store_find_version(struct store *store, int64_t model, int64_t version,
                                                int64_t *step, struct rk_error *err);
/** The largest version any step or checkpoint of a model has. */
RK_MUST_CHECK enum rk_status store_last_version(struct store *store, int64_t model,
                                                int64_t *version, struct rk_error *err);

/* ---- checkpoints ---- */

#define STORE_SOURCES(X) X(INIT, "init") X(IMPORT, "import") X(TRAINING, "training") X(FILE, "file")
enum store_source {
#define STORE_SOURCE_ENUM(name, text) STORE_SOURCE_##name,
    STORE_SOURCES(STORE_SOURCE_ENUM)
#undef STORE_SOURCE_ENUM
};

struct store_checkpoint {
    int64_t id;
    int64_t model;
    int64_t version, parent;
    enum store_source source;
    int64_t time_ms;
    int64_t seq, due_seq, step;
    int64_t bytes;
    uint8_t sha256[STORE_SHA256_BYTES];
    char *metrics; /* JSON; owned where it was read */
    char *held;    /* lists held back, as text, for put alone: store_get_held */
};

/** W. An id no checkpoint or chunk has or had, never given out twice. */
RK_MUST_CHECK enum rk_status store_new_checkpoint_id(struct store *store, int64_t *id,
                                                     struct rk_error *err);
/** W. Stores chunk n (from 0) of a checkpoint, at most STORE_CHUNK_BYTES. */
RK_MUST_CHECK enum rk_status store_put_chunk(struct store *store, int64_t checkpoint, int64_t n,
                                             const void *bytes, size_t length,
                                             struct rk_error *err);
/** W. Stores the checkpoint's row: from now on it counts. */
RK_MUST_CHECK enum rk_status store_put_checkpoint(struct store *store,
                                                  const struct store_checkpoint *checkpoint,
                                                  struct rk_error *err);
/** W. Leaves the chunks of a checkpoint that came to nothing to store_drop_chunk; with a row it stays. */
RK_MUST_CHECK enum rk_status store_disown_chunks(struct store *store, int64_t id,
                                                 struct rk_error *err);
/** W. Removes a chunk of a checkpoint without a row. @param more  out: there may be others. */
RK_MUST_CHECK enum rk_status store_drop_chunk(struct store *store, bool *more,
                                              struct rk_error *err);
/** Checkpoints of a model, newest id first; free each metrics and the array. */
RK_MUST_CHECK enum rk_status store_list_checkpoints(struct store *store, int64_t model,
                                                    struct store_checkpoint **checkpoints,
                                                    size_t *n, struct rk_error *err);
/**
 * Reads all chunks of a checkpoint into to (bytes long). @return RK_OK; RK_CORRUPT: they are not
 * `bytes` in all; RK_IO.
 */
RK_MUST_CHECK enum rk_status store_read_chunks(struct store *store, int64_t checkpoint, void *to,
                                               size_t bytes, struct rk_error *err);

/**
 * The lists a checkpoint (by id) or an activation (by seq) came with, as text, malloc'ed; NULL: there
 * is no such row.
 */
RK_MUST_CHECK enum rk_status store_get_held(struct store *store, bool activated, int64_t id,
                                            char **held, struct rk_error *err);

struct store_activation {
    int64_t seq; /* out when put: learning goes on from here */
    int64_t model;
    int64_t checkpoint;
    int64_t after_checkpoint; /* out */
    int64_t step;             /* out */
    const char *held;         /* lists held back, as text, for put alone: store_get_held */
};

/**
 * W. Appends an activation and fills what is out. @return RK_OK; RK_NOTFOUND: no such checkpoint of
 * the model; RK_IO.
 */
RK_MUST_CHECK enum rk_status store_put_activation(struct store *store,
                                                  struct store_activation *activation,
                                                  int64_t now_ms, struct rk_error *err);
/** The last activation of a model. @return RK_OK; RK_NOTFOUND: it never had one; RK_IO. */
RK_MUST_CHECK enum rk_status store_get_activation(struct store *store, int64_t model,
                                                  struct store_activation *activation,
                                                  struct rk_error *err);
/** All activations of a model, oldest first; free the array. */
RK_MUST_CHECK enum rk_status store_list_activations(struct store *store, int64_t model,
                                                    struct store_activation **activations,
                                                    size_t *n, struct rk_error *err);

/** The text of an outcome or source. */
const char *store_outcome_text(enum store_outcome outcome);
const char *store_source_text(enum store_source source);

/* ---- tokens ---- */

/** W. Notes that a token was used in a minute (Unix time / 60). */
RK_MUST_CHECK enum rk_status store_put_token_use(struct store *store, uint32_t kid, int64_t minute,
                                                 struct rk_error *err);
/** The minute a token was last used in; 0: never, as far as is known. */
RK_MUST_CHECK enum rk_status store_get_token_use(struct store *store, uint32_t kid, int64_t *minute,
                                                 struct rk_error *err);

#endif
