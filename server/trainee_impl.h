/*
 * What a live step and a repeated one share.
 */
#ifndef RANKD_SERVER_TRAINEE_IMPL_H
#define RANKD_SERVER_TRAINEE_IMPL_H

#include "emit.h"
#include "trainee.h"

#include <rankd/paired.h>

/* Makes the trainee of a model that was made empty: a checkpoint has to be loaded. */
RK_MUST_CHECK enum rk_status trainee_create_empty(struct served *served, int64_t seq,
                                                  struct trainee **trainee, struct rk_error *err);

/* Makes a learner as this model's has to be: with the trainee's limits, and the rate of its configuration. */
RK_MUST_CHECK enum rk_status trainee_learner(const struct served *served, const float *theta,
                                             struct rk_learner **learner, struct rk_error *err);

/* Log positions on their way into a step row. */
struct positions {
    struct emit text; /* JSON array; nothing where there are none */
    size_t n;
};

/* What a step did with its groups. */
struct step_result {
    struct rk_learned learned;
    struct rk_eval_sum before;   /* with the served parameters, before it learned */
    struct rk_paired preference; /* likewise: rk_judge_preference of each list, less 0.5 */
    struct positions quarantined, held, released;
    bool refused;  /* nothing of it is to be served: all its lists are in quarantine */
    int64_t retry; /* the step whose lists it takes again; 0: it takes the log's next */
    char reason[RK_ERROR_TEXT_MAX];
};

/* Ends its texts, before the row is made. @return false: out of memory. */
bool step_result_close(struct step_result *result);
void step_result_deinit(struct step_result *result);

/*
 * Progressive validation: each list of the cut is scored with what is served before anything is
 * learned from it, and told to the watch. Version 0 scores 0.
 */
RK_MUST_CHECK enum rk_status trainee_evaluate(struct trainee *t, struct step_result *result,
                                              struct rk_error *err);

/*
 * Learns from the groups of the cut on the learning copy, update by update; every 20th list is held
 * back, and learned from when it leaves the ring. An update that is not finite or beyond a limit is
 * taken back alone and its lists are put into quarantine; a step that has little else is refused.
 *
 * @param upto  the step's to_seq. @return RK_OK; RK_NOMEM: take the step back.
 */
RK_MUST_CHECK enum rk_status trainee_learn(struct trainee *t, int64_t upto,
                                           struct step_result *result, struct rk_error *err);

/* Refuses the whole step: every list of it is in quarantine, and nothing else has happened. */
void trainee_refuse(struct trainee *t, struct step_result *result, const char *reason);

/*
 * Refuses a step whose labels contradict what is served, or that made the lists held back worse; both
 * where there are enough of those.
 */
RK_MUST_CHECK enum rk_status trainee_judge(struct trainee *t, struct step_result *result,
                                           struct rk_error *err);

/* Takes back what was learned and held since the step began, to the bit. */
void trainee_take_back(struct trainee *t);

/* Steps refused in a row after one of an outcome; 0 again where that is once too often. */
int trainee_refused(const struct trainee *t, enum store_outcome outcome);

/* Counts them by the newest step rows: some may be from before the checkpoint that was loaded. */
RK_MUST_CHECK enum rk_status trainee_recall_refused(struct trainee *t, struct store *store,
                                                    struct rk_error *err);

/* Cuts the lists a step put into quarantine again, with their events up to a log position. */
RK_MUST_CHECK enum rk_status trainee_cut_again(struct trainee *t, struct store *store,
                                               const struct store_step *refused, int64_t upto,
                                               struct rk_error *err);

/* Makes the lists held back those of a checkpoint (by id) or of an activation (by seq). */
RK_MUST_CHECK enum rk_status trainee_hold(struct trainee *t, struct store *store, bool activated,
                                          int64_t id, struct rk_error *err);

/* Shows everyone the configuration it learns by. @pre it is not served yet. */
RK_MUST_CHECK enum rk_status trainee_show_config(struct trainee *t, struct rk_error *err);

/* Goes past a step that was refused and taken back. */
void trainee_pass(struct trainee *t, const struct store_step *row);

/* Serves what was learned as a version. */
void trainee_publish(struct trainee *t, int64_t version);

/* Serves the learning copy, as the checkpoint of a version: learning goes on from there. */
void trainee_stand_at(struct trainee *t, int64_t version, int64_t seq, int64_t due_seq,
                      int64_t step);

/* Takes a recorded step again. */
RK_MUST_CHECK enum rk_status trainee_repeat_step(struct trainee *t, struct store *store,
                                                 const struct store_step *row,
                                                 struct rk_error *err);

/* Takes the recorded steps after t->step again, up to and with `last`. */
RK_MUST_CHECK enum rk_status trainee_repeat(struct trainee *t, struct store *store, int64_t last,
                                            struct rk_error *err);

/* The model that the configuration names as the teacher, or NULL: none, or it is not there. */
const struct served *trainee_teacher(const struct trainee *t, const struct trainee_tools *tools);

/* The position moves on; a row says so only where there were lists, if without a teacher. */
void trainee_move_on(struct trainee *t, const struct cut_range *range);

#endif
