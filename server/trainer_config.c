/*
 * A model's configuration is changed: recorded first, then learned by. The steps recorded before the
 * change were taken without it, those after it are taken with it, and each row says by which.
 */
#include "clock.h"
#include "failpoint.h"
#include "log.h"
#include "trainer_impl.h"

#include <stdlib.h>
#include <string.h>

struct config_job {
    struct writer_job job;
    int64_t model;
    const char *text;
    int64_t seq; /* out */
};

static enum rk_status config_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    struct config_job *config = (struct config_job *)job;

    return store_put_config(store, config->model, config->text, clock_unix_ms(), &config->seq, err);
}

/* Has the change recorded, then makes it. @param text  taken. */
static void change(struct trainer *trainer, struct trainer_command *command, struct trainee *t,
                   const struct model_config *config, char *text)
{
    struct config_job job = {.job = {.run = config_run, .weight = 1, .bytes = strlen(text)},
                             .model = t->served->id,
                             .text = text};
    struct writer_outcome outcome = {0};

    if (trainee_reserve_config(t, &outcome.err) == RK_OK) {
        outcome = writer_run(trainer->tools.writer, &job.job);
    }
    if (outcome.err.status != RK_OK) {
        free(text);
        trainer_fail(trainer, command, &outcome.err);
        return;
    }
    failpoint(FAILPOINT_CONFIG_RECORDED);
    trainee_configure(t, trainer->models, config, text, job.seq);
    log_info("model_configured", log_text("model", t->served->name), log_number("seq", job.seq));
}

void trainer_configure(struct trainer *trainer, struct trainer_command *command, struct trainee *t)
{
    struct model_config *config = malloc(sizeof *config);
    struct emit written = {0};
    char *text = NULL;

    if (config == NULL) {
        problem_set(&command->problem, PROBLEM_OUT_OF_MEMORY, "no memory for a configuration");
        return;
    }
    model_config_copy(config, &t->served->config);
    if (model_config_patch(command->bytes, command->n, command->lenient, config,
                           &command->problem)) {
        model_config_write(config, &written);
        text = emit_take(&written, &(size_t){0});
        if (text == NULL) {
            problem_set(&command->problem, PROBLEM_OUT_OF_MEMORY, "no memory for a configuration");
        } else if (strcmp(text, t->served->config_text) == 0) {
            free(text); /* it says what is there already */
        } else {
            change(trainer, command, t, config, text);
        }
    }
    free(config);
}
