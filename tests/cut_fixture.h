/*
 * What tests of cutting share: configurations of a small model, ranges of its log cut, and a
 * group's labels as text.
 */
#ifndef RANKD_CUT_FIXTURE_H
#define RANKD_CUT_FIXTURE_H

#include "cut.h"
#include "learning_fixture.h"

#define CUT_ABCD "[\"a\",\"b\",\"c\",\"d\"]" /* items of a ranking */

/* A configuration with more members after kind and size: ",\"labels\":{...}". */
struct model_config cut_configure(const char *more);

/* The terms of LEARNING_MODEL under a configuration. */
#define CUT_TERMS(its_config) (&(struct cut_terms){.model = LEARNING_MODEL, .config = (its_config)})

/* Cuts (from, to] of the log of LEARNING_MODEL. */
void cut_from(struct learning *l, const struct model_config *config, int64_t from, int64_t to,
              struct cut *cut);

/* The labels of a group whose items are some of a, b, c and d, by item: "a=1 b=0". */
const char *cut_labels(const struct rk_group *group);

#endif
