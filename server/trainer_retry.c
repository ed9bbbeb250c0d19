/*
 * Taking lists out of quarantine once more.
 */
#include "trainer_impl.h"

#include <stdlib.h>

/* The step whose lists are asked for, if they are there and were not taken again. */
static bool find(struct trainer *trainer, struct trainer_command *command, const struct trainee *t,
                 struct store_step *refused)
{
    struct store *store = trainer->tools.store;
    struct rk_error err = {0};
    int64_t retried = 0;
    enum rk_status status = store_get_step(store, t->served->id, command->step, refused, &err);

    if (status == RK_NOTFOUND || (status == RK_OK && refused->quarantined == NULL)) {
        return problem_set(&command->problem, PROBLEM_UNKNOWN_QUARANTINE,
                           "the model has no such step with lists in quarantine");
    }
    if (status == RK_OK) {
        status = store_find_retry(store, refused->id, &retried, &err);
    }
    if (status == RK_OK && retried == 0) {
        return true;
    }
    free(refused->quarantined);
    if (status == RK_OK) {
        return problem_set(&command->problem, PROBLEM_ALREADY_RETRIED, "step %lld took them",
                           (long long)retried);
    }
    trainer_fail(trainer, command, &err);
    return false;
}

void trainer_retry(struct trainer *trainer, struct trainer_command *command, struct trainee *t)
{
    struct store_step refused = {0}, made;
    struct rk_error err = {0};
    enum rk_status status;

    if (!trainer_check_trains(command, t) || !find(trainer, command, t, &refused)) {
        return;
    }
    status = trainee_retry(t, &trainer->tools, &refused, &err);
    trainee_show(t, false);
    free(refused.quarantined);
    if (status == RK_OK) {
        status = store_get_step(trainer->tools.store, t->served->id, t->step, &made, &err);
    }
    if (status != RK_OK) {
        trainer_fail(trainer, command, &err);
        return;
    }
    command->step = made.id;
    command->outcome = made.outcome;
    command->lists = made.lists;
    command->served_version = live_version(&t->served->live);
    free(made.quarantined);
}
