/*
 * Retention between learning steps: it looks at the log while nothing is learned from it.
 */
#include "clock.h"
#include "log.h"
#include "trainer_impl.h"

#include <stdlib.h>

/* What is behind needs what it learned from before, and one that is halted is evidence. */
static bool is_any_behind(const struct trainer *trainer)
{
    for (size_t i = 0; i < trainer->n; i++) {
        if (trainer->trainee[i]->behind) {
            return true;
        }
    }
    return false;
}

/* The models as they are now. */
static struct retention_model *list_models(const struct trainer *trainer)
{
    struct retention_model *models = calloc(trainer->n + 1, sizeof *models);

    for (size_t i = 0; models != NULL && i < trainer->n; i++) {
        models[i] = trainee_for_retention(trainer->trainee[i]);
    }
    return models;
}

bool trainer_trim(struct trainer *trainer)
{
    struct retention_model *models;
    struct rk_error err = {0};
    bool more = false;

    if (trainer->retention == NULL || is_any_behind(trainer)) {
        return false;
    }
    models = list_models(trainer);
    if (models != NULL && retention_step(trainer->retention, models, trainer->n, clock_unix_ms(),
                                         &more, &err) != RK_OK) {
        log_error("retention_failed", log_text("reason", err.text));
    }
    free(models);
    return more;
}
