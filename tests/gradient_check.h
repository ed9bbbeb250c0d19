/*
 * The whole objective of a configuration as a learner sees it: its value, its gradient, and whether
 * the one is the derivative of the other.
 */
#ifndef RANKD_GRADIENT_CHECK_H
#define RANKD_GRADIENT_CHECK_H

#include "learner_fixture.h"

/* Value of the first n groups' objective; the fixture's parameters stay as they are. */
double objective_value(struct learner_fixture *f, size_t n);

/*
 * The gradient, (params) doubles for free(): minus the change of one update by plain steps.
 *
 * @pre the optimizer is sgd with rate 1 and no l2, as checked_config makes it.
 */
double *objective_gradient(struct learner_fixture *f, size_t n);

/* Of a kind and a loss, with plain steps. */
struct rk_model_config checked_config(const char *kind, enum rk_space_kind space, const char *loss);

/* learner_make with every parameter other than 0. */
void checked_make(struct learner_fixture *f, const struct rk_model_config *config, uint64_t seed);

/* Central differences over every learned parameter, on 4 groups. */
void assert_gradient(const struct rk_model_config *config, uint64_t seed);

#endif
