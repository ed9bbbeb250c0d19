/*
 * A few parameters with their optimizer state.
 */
#ifndef RANKD_OPTIM_FIXTURE_H
#define RANKD_OPTIM_FIXTURE_H

#include <rankd/optim.h>

enum {
    OPTIM_COORDINATES_MAX = 16
};

struct optim_learned {
    float p[OPTIM_COORDINATES_MAX];
    float slot[RK_OPTIM_SLOTS_MAX][OPTIM_COORDINATES_MAX];
    size_t n;
};

/* The defaults of a name. */
struct rk_optim optim_named(const char *name);

/* The slots before the first update, and an update by all coordinates. */
void optim_start(const struct rk_optim *optim, struct optim_learned *learned);
void optim_update(const struct rk_optim *optim, uint64_t step, struct optim_learned *learned,
                  const double *grad);

#endif
