/*
 * A state beside the one that a model serves and learns on, read before it is recorded that it takes
 * its place: after that nothing can fail.
 */
#include "trainee_impl.h"

#include <stdlib.h>
#include <string.h>

enum rk_status trainee_state_create(const struct trainee *trainee, struct trainee_state *state,
                                    struct rk_error *err)
{
    const struct rk_model *model = trainee->served->model;
    float *theta = malloc(rk_model_params(model) * sizeof *theta);
    enum rk_status status;

    if (theta == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for another version of a model");
    }
    rk_model_init(model, theta);
    status = trainee_learner(trainee->served, theta, &state->learner, err);
    if (status != RK_OK) {
        free(theta);
        return status;
    }
    state->theta = theta;
    return RK_OK;
}

void trainee_state_destroy(struct trainee_state *state)
{
    rk_learner_destroy(&state->learner);
    free(state->theta);
    state->theta = NULL;
}

void trainee_take_over(struct trainee *trainee, struct trainee_state *state, int64_t version,
                       int64_t seq, int64_t step)
{
    struct trainee *t = trainee;

    memcpy(live_learning(&t->served->live), state->theta,
           rk_model_params(t->served->model) * sizeof *state->theta);
    rk_learner_destroy(&t->learner);
    t->learner = state->learner;
    state->learner = NULL;
    trainee_stand_at(t, version, seq, seq, step);
    trainee_show(t, false); /* it may have been halted */
}
