/*
 * Updating a few parameters.
 */
#include "optim_fixture.h"

#include "test.h"

struct rk_optim optim_named(const char *name)
{
    struct rk_optim optim;
    assert_ok(rk_optim_default(name, &optim, NULL));
    return optim;
}

void optim_start(const struct rk_optim *optim, struct optim_learned *learned)
{
    float *const slots[] = {learned->slot[0], learned->slot[1]};
    rk_optim_init(optim, learned->p, slots, learned->n);
}

void optim_update(const struct rk_optim *optim, uint64_t step, struct optim_learned *learned,
                  const double *grad)
{
    float *const slots[] = {learned->slot[0], learned->slot[1]};
    rk_optim_update(optim, step, learned->p, slots, grad, learned->n);
}
