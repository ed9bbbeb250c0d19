/*
 * One model in training: its learner, where it stands in the log, and the life of a step (design:
 * learned, judged, recorded, then published or undone). For the trainer thread, or for start-up
 * before there is one.
 */
#ifndef RANKD_SERVER_TRAINEE_H
#define RANKD_SERVER_TRAINEE_H

#include "checkpoint.h"
#include "cut.h"
#include "held.h"
#include "metrics.h"
#include "models.h"
#include "retention.h"
#include "store_registry.h"
#include "writer.h"

#include <rankd/eval.h>
#include <rankd/learner.h>

/* Is told of each list before it is learned from: where it is, and its metrics. */
struct trainee_watch {
    void (*list)(void *context, int64_t seq, const struct rk_eval_sum *metrics); /* NULL: nobody */
    void *context;
};

/* What no update may pass: far above all that was seen of numbers that mean something. */
#define TRAINEE_GRADIENT_MAX  1e6
#define TRAINEE_PARAMETER_MAX 1e4

/*
 * So many lists that cannot be learned from, and such a part of the step, and it is refused whole: of
 * poison, what happens to stay within the limits is poison too (of 64 lists with raw numbers of 1e6,
 * 24 to 40).
 */
#define TRAINEE_POISONED_MIN  8
#define TRAINEE_POISONED_PART 4 /* one list of so many */

#define TRAINEE_REFUSED_MAX 3 /* steps in a row, then the model is paused */

/* A list whose turn it is to be learned from. */
struct trainee_turn {
    const struct rk_group *group; /* borrowed from cut or held */
    int64_t seq;
};

struct trainee {
    struct served *served; /* borrowed */
    struct rk_learner *learner;
    int64_t seq, due_seq; /* learned up to here */
    int64_t step;         /* the last step row in the state */
    int64_t config;       /* which of its configurations it has: store_config.seq */
    struct cut_era *era;  /* (n_eras) how long its rankings wait, and waited */
    size_t n_eras, cap_eras;
    int64_t branch;       /* of its lineage that it was recovered on; -1: not known */
    int64_t last_version; /* the largest version ever used */
    int64_t stored_ns;    /* when the newest checkpoint was started, monotonic */
    bool paused;          /* as the store has it */
    bool behind;          /* steps recorded after what was loaded are yet to be taken again */
    bool halted;          /* and one of them cannot be: no new ones may follow */
    _Atomic bool storing; /* a checkpoint is under way */
    struct rk_eval_sum since_stored; /* progressive metrics since then */
    struct trainee_watch watch;      /* set by who wants to know */
    struct cut cut;
    struct held held;          /* lists held back for the judge */
    struct trainee_turn *turn; /* (n_turns) of the step under way */
    size_t n_turns, cap_turns;
    int refused;   /* steps in a row; trainee_refused */
    double *score; /* (cap_score) */
    size_t cap_score;
    unsigned char *work; /* (cap_work) of a forward pass, or of metrics */
    size_t cap_work;
};

/* What a trainee works with. */
struct trainee_tools {
    struct store *store;         /* a reading connection */
    struct writer *writer;       /* NULL: a rehearsal, of which nothing is recorded */
    int64_t now_ms;              /* of a rehearsal: the time it plays at; 0: the server's */
    struct metrics *metrics;     /* may be NULL */
    const struct models *models; /* where teachers are found; NULL: there are none */
};

/** Makes the trainee of a served model, which outlives it, at the log position its row was made. */
RK_MUST_CHECK enum rk_status trainee_create(struct served *served, int64_t seq,
                                            struct trainee **trainee, struct rk_error *err);

/**
 * Makes model and trainee of a row of the store, empty: something has to be loaded.
 *
 * @param max_bytes  as served_create; 0: whatever is stored. @param n_slots  reading threads.
 * @return RK_OK: trainee_close it; RK_CORRUPT: the configuration; RK_TOOBIG; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status trainee_open(const struct store_model *row, size_t max_bytes,
                                          size_t n_slots, struct trainee **trainee,
                                          struct rk_error *err);

/** What it learns by now; borrowed from it. */
struct cut_terms trainee_terms(const struct trainee *trainee);

/** What retention has to know of it. */
struct retention_model trainee_for_retention(const struct trainee *trainee);

/**
 * Learns by another configuration from the next step on, in two parts: what may fail, before the
 * change is recorded; and the change, once it is.
 *
 * @param models  where it is served, or NULL. @param config  differs in what PATCH can change alone.
 * @param text    the configuration as JSON, taken. @param seq  log position of the change.
 */
RK_MUST_CHECK enum rk_status trainee_reserve_config(struct trainee *trainee, struct rk_error *err);
void trainee_configure(struct trainee *trainee, struct models *models,
                       const struct model_config *config, char *text, int64_t seq);

/**
 * Learns by the configuration it had at a log position, and what it says of how long rankings up to
 * there wait. What everyone is shown stays. @return RK_OK; RK_CORRUPT; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status trainee_recall_config(struct trainee *trainee, struct store *store,
                                                   int64_t seq, struct rk_error *err);

/**
 * Has a rehearsal change its configuration as the recorded model's was changed up to a log position,
 * wherever the two were alike. @return RK_OK; RK_CORRUPT: a configuration cannot be read; RK_IO;
 * RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status trainee_follow_config(struct trainee *trainee, struct store *store,
                                                   int64_t upto, struct rk_error *err);

/** Frees it, not the served model; NULL is accepted. */
void trainee_destroy(struct trainee **trainee);

/** Frees it and its served model, which nobody uses any more; NULL is accepted. */
void trainee_close(struct trainee **trainee);

/** Lets everyone see whether it is paused, learning now or idle. */
void trainee_show(struct trainee *trainee, bool running);

/**
 * Loads the newest good checkpoint of the branch that is learned on now (lineage.h), or what that
 * started with: it can be served at once. `behind` says whether steps after it are recorded.
 * Checkpoints that fail their checks are passed over and logged; one that was activated is then made
 * again from one before it.
 *
 * @return RK_OK; RK_CORRUPT: no checkpoint can be loaded; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status trainee_load_newest(struct trainee *trainee, struct store *store,
                                                 struct rk_error *err);

/**
 * Cuts and learns the next recorded step again and serves what it published then, as that version;
 * where there is none, it is behind no more. It may be served and read meanwhile.
 *
 * @return RK_OK; RK_IO, RK_NOMEM: nothing happened, try again later; RK_MISMATCH: the step does not
 *         repeat as recorded, RK_CORRUPT and others: it is halted, and serves what it has.
 */
RK_MUST_CHECK enum rk_status trainee_catch_up(struct trainee *trainee, struct store *store,
                                              struct rk_error *err);

/** Brings it to the state of the store: both of these, to the end. @return as they do. */
RK_MUST_CHECK enum rk_status trainee_recover(struct trainee *trainee, struct store *store,
                                             struct rk_error *err);

/**
 * Brings it to the state in which it published a version, and no further: parameters and optimizer
 * are as they were, from the version's own checkpoint or by the steps that led to it on its branch.
 * Where it stands on the way there already, it goes on from there. Not to be trained on.
 *
 * @return RK_OK; RK_NOTFOUND: what led to the version is not kept; else as trainee_recover.
 */
RK_MUST_CHECK enum rk_status trainee_reach(struct trainee *trainee, struct store *store,
                                           int64_t version, struct rk_error *err);

/**
 * Makes the newest version that was learned and stored again, from what is stored before it and the
 * steps between, and compares the two byte for byte. Not to be trained on.
 *
 * @param from, to  out: the versions.
 * @return RK_OK: the same; RK_NOTFOUND: there is none; RK_MISMATCH: others, or a step does not repeat
 *         as recorded; RK_CORRUPT: nothing before it can be loaded; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status trainee_retrace(struct trainee *trainee, struct store *store,
                                             int64_t *from, int64_t *to, struct rk_error *err);

/**
 * Takes one step of what the log holds.
 *
 * @param log_end  last committed seq. @param more  out: there may be more to take.
 * @return RK_OK; RK_IO and others: nothing happened, try again later.
 */
RK_MUST_CHECK enum rk_status trainee_step(struct trainee *trainee,
                                          const struct trainee_tools *tools, int64_t log_end,
                                          bool *more, struct rk_error *err);

/**
 * Takes the lists that a step put into quarantine again, with the labels they have by now, as a step of its own.
 *
 * @param refused  its row. @return as trainee_step.
 */
RK_MUST_CHECK enum rk_status trainee_retry(struct trainee *trainee,
                                           const struct trainee_tools *tools,
                                           const struct store_step *refused, struct rk_error *err);

/** The lists held back, as text for a row of the store; malloc'ed, NULL when out of memory. */
char *trainee_held_text(const struct trainee *trainee);

/**
 * Loads a checkpoint of the store and serves it: learning goes on from log position seq, after step
 * row `step`. On an error there is no state, until one is loaded.
 */
RK_MUST_CHECK enum rk_status trainee_load(struct trainee *trainee, struct store *store,
                                          const struct store_checkpoint *checkpoint, int64_t seq,
                                          int64_t due_seq, int64_t step, struct rk_error *err);

/* A state beside the one that is served and learned on. Zero, or made. */
struct trainee_state {
    float *theta; /* (params), owned */
    struct rk_learner *learner;
};

/** Makes an untrained one; destroy it. @return RK_OK; RK_NOMEM. */
RK_MUST_CHECK enum rk_status trainee_state_create(const struct trainee *trainee,
                                                  struct trainee_state *state,
                                                  struct rk_error *err);
void trainee_state_destroy(struct trainee_state *state);

/**
 * Serves the state as a version and learns on from it, after step row `step` and log position seq.
 * Nothing can fail: it can be recorded before.
 */
void trainee_take_over(struct trainee *trainee, struct trainee_state *state, int64_t version,
                       int64_t seq, int64_t step);

/** Writes the row and the bytes of a checkpoint of the state now. */
RK_MUST_CHECK enum rk_status trainee_checkpoint(struct trainee *trainee, enum store_source source,
                                                struct checkpoint_bytes *file,
                                                struct store_checkpoint *row, struct rk_error *err);

#endif
