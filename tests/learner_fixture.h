/*
 * A model with its learner and groups to learn from, and copies of everything a learner changes.
 */
#ifndef RANKD_LEARNER_FIXTURE_H
#define RANKD_LEARNER_FIXTURE_H

#include "sample_groups.h"

#define LEARNER_GROUPS 12

struct learner_fixture {
    struct rk_model *model;
    struct rk_learner *learner;
    float *theta;
    struct rk_group *group[LEARNER_GROUPS];
};

/* Starts from rk_model_init; groups are those of sample_groups. */
void learner_make(struct learner_fixture *f, const struct rk_model_config *config, uint64_t seed);

void learner_end(struct learner_fixture *f);

/* One update from groups [first, first + n), which must succeed. */
struct rk_learned learner_update(struct learner_fixture *f, size_t first, size_t n);

/* Everything a learner changes. */
struct learner_copy {
    float *theta, *slot[RK_OPTIM_SLOTS_MAX];
    size_t n_slots;
    uint64_t steps;
};

struct learner_copy learner_copy(const struct learner_fixture *f);

void learner_copy_free(struct learner_copy *copy);

/* The learner is as the copy, bit for bit; ends the copy. */
void learner_assert_as(const struct learner_fixture *f, struct learner_copy copy);

/* Is a row of a tensor among those touched since begin? */
bool learner_touched(const struct learner_fixture *f, const char *tensor, size_t row);

/* Do the parameters differ from the copy's? */
bool learner_differs(const struct learner_fixture *f, const struct learner_copy *copy);

/* Names of all optimizers; the second sgd is the one with momentum. */
extern const char *const learner_optims[];

#define LEARNER_OPTIMS 7

/* Numbers standardised, weight decay on. */
struct rk_model_config learner_config(size_t optim);

#endif
