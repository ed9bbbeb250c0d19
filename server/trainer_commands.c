/*
 * What requests ask of the trainer, one function a verb.
 */
#include "clock.h"
#include "failpoint.h"
#include "log.h"
#include "storage.h"
#include "trainee_dry_run.h"
#include "trainer_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRAIN_NS INT64_C(60000000000) /* what one train command takes at most */

void trainer_fail(const struct trainer *trainer, struct trainer_command *command,
                  const struct rk_error *err)
{
    const enum store_trouble trouble =
        writer_trouble_since(trainer->tools.writer, trainer->obeying_ns);

    if (err->status == RK_TOOBIG) {
        problem_set(&command->problem, PROBLEM_MODEL_TOO_LARGE, "%s", err->text);
    } else if (err->status == RK_INVALID) {
        problem_set(&command->problem, PROBLEM_INVALID_MODEL, "%s", err->text);
    } else if (err->status == RK_NOTFOUND &&
               (command->verb == TRAINER_ACTIVATE || command->verb == TRAINER_EXPORT)) {
        problem_set(&command->problem, PROBLEM_UNKNOWN_VERSION, "%s", err->text);
    } else if (err->status == RK_IO && trouble != STORE_FINE) {
        problem_set(&command->problem, storage_problem(trouble),
                    "nothing of this request counts as stored; sending it again is safe");
    } else {
        problem_from_error(&command->problem, err);
    }
}

/* Nothing can be learned from what is not in the log yet, or not any more. */
static bool check_from_seq(struct trainer *trainer, struct trainer_command *command)
{
    const int64_t end = writer_log_end(trainer->tools.writer);
    struct rk_error err = {0};
    int64_t start;

    if (!command->goes_back) {
        return true;
    }
    if (store_log_start(trainer->tools.store, &start, &err) != RK_OK) {
        trainer_fail(trainer, command, &err);
        return false;
    }
    return (command->from_seq >= start && command->from_seq <= end) ||
           problem_set(&command->problem, PROBLEM_VALUE_OUT_OF_RANGE,
                       "from_seq: the log is kept from position %lld to %lld", (long long)start,
                       (long long)end);
}

static void do_create(struct trainer *trainer, struct trainer_command *command)
{
    const struct trainee *t = trainer_find(trainer, command->model);
    struct rk_error err = {0};
    struct emit text = {0};

    if (t == NULL && command->config.teacher[0] != '\0' &&
        trainer_find(trainer, command->config.teacher) == NULL) {
        problem_set(&command->problem, PROBLEM_INVALID_MODEL, "there is no model to teach it");
        command->problem.has_pointer = true;
        (void)snprintf(command->problem.pointer, sizeof command->problem.pointer, "/teacher");
        return;
    }
    if (t == NULL) {
        const int64_t from_seq = command->goes_back ? command->from_seq : TRAINER_LOG_END;
        command->created = true;
        if (check_from_seq(trainer, command) &&
            trainer_create(trainer, command->model, &command->config, from_seq, &err) != RK_OK) {
            trainer_fail(trainer, command, &err);
        }
        return;
    }
    model_config_write(&command->config, &text);
    if (text.failed) {
        problem_set(&command->problem, PROBLEM_OUT_OF_MEMORY, "no memory for a configuration");
    } else if (strcmp(text.text, t->served->config_text) != 0) {
        problem_set(&command->problem, PROBLEM_MODEL_EXISTS,
                    "the model is there with another configuration");
    }
    emit_deinit(&text);
}

struct model_job {
    struct writer_job job;
    int64_t model;
    bool paused;
};

static enum rk_status delete_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    return store_delete_model(store, ((struct model_job *)job)->model, clock_unix_ms(), err);
}

static enum rk_status pause_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    const struct model_job *pause = (struct model_job *)job;

    return store_set_paused(store, pause->model, pause->paused, clock_unix_ms(), err);
}

static void do_delete(struct trainer *trainer, struct trainer_command *command, struct trainee *t)
{
    struct model_job job = {.job = {.run = delete_run, .weight = 1}, .model = t->served->id};
    struct writer_outcome outcome;

    trainer_await_checkpoint(trainer, t);
    outcome = writer_run(trainer->tools.writer, &job.job);
    if (outcome.err.status != RK_OK) {
        trainer_fail(trainer, command, &outcome.err);
        return;
    }
    models_remove(trainer->models, t->served);
    for (size_t i = 0; i < trainer->n; i++) {
        if (trainer->trainee[i] == t) {
            trainer->trainee[i] = trainer->trainee[--trainer->n];
            break;
        }
    }
    log_info("model_deleted", log_text("model", t->served->name));
    trainee_close(&t);
}

static void do_pause(struct trainer *trainer, struct trainer_command *command, struct trainee *t,
                     bool paused)
{
    struct model_job job = {
        .job = {.run = pause_run, .weight = 1}, .model = t->served->id, .paused = paused};
    const struct writer_outcome outcome = writer_run(trainer->tools.writer, &job.job);

    if (outcome.err.status != RK_OK) {
        trainer_fail(trainer, command, &outcome.err);
        return;
    }
    failpoint(FAILPOINT_PAUSE_RECORDED);
    t->paused = paused;
    t->refused = 0;
    trainee_show(t, false);
}

static bool halted(struct trainer_command *command)
{
    return problem_set(&command->problem, PROBLEM_TRAINING_HALTED,
                       "a recorded step cannot be taken again");
}

bool trainer_may_train(const struct trainee *t)
{
    return t->served->config.training.enabled && !t->paused;
}

bool trainer_check_trains(struct trainer_command *command, const struct trainee *t)
{
    if (!t->served->config.training.enabled) {
        return problem_set(&command->problem, PROBLEM_TRAINING_DISABLED,
                           "training.enabled is false");
    }
    if (t->paused) {
        return problem_set(&command->problem, PROBLEM_TRAINING_PAUSED, "resume it first");
    }
    return !t->halted || halted(command);
}

/* Learns from all that is committed now, then stores a checkpoint. */
static void do_train(struct trainer *trainer, struct trainer_command *command, struct trainee *t)
{
    const int64_t log_end = writer_log_end(trainer->tools.writer);
    struct rk_error err = {0};
    enum rk_status status = RK_OK;
    const int64_t deadline_ns = clock_monotonic_ns() + TRAIN_NS;
    bool more = true;

    if (!trainer_check_trains(command, t)) {
        return;
    }
    while (more && status == RK_OK && trainer_may_train(t) && clock_monotonic_ns() < deadline_ns &&
           !trainer_stopping(trainer)) {
        const int64_t step = t->step;
        const bool behind = t->behind;
        (void)trainer_pace(trainer); /* what waits behind it comes the sooner if it goes on */
        status = trainer_step(trainer, t, log_end, &more, &err);
        if (t->step != step && !behind) {
            command->steps++;
            command->lists += (int64_t)t->cut.n;
        }
    }
    command->unfinished = more && status == RK_OK; /* the loop goes on with it */
    if (status == RK_OK) {
        status = trainer_checkpoint_now(trainer, t, &err);
    }
    if (status != RK_OK) {
        trainer_fail(trainer, command, &err);
    }
    command->served_version = live_version(&t->served->live);
}

/* Also while paused or not enabled: it says what training would do. */
static void do_dry_run(struct trainer *trainer, struct trainer_command *command, struct trainee *t)
{
    struct rk_error err = {0};

    if (trainee_dry_run(t, &trainer->tools, command->dry_run, &err) != RK_OK) {
        trainer_fail(trainer, command, &err);
    }
}

/* Does it go on from what the model learned last? Training gets there by itself. */
static bool needs_newest(const struct trainer_command *command)
{
    return command->verb == TRAINER_ACTIVATE || command->verb == TRAINER_IMPORT ||
           command->verb == TRAINER_DRY_RUN || command->verb == TRAINER_RETRY ||
           command->verb == TRAINER_CONFIGURE;
}

/* Takes all recorded steps again. @return false: not now, and why is in the command's problem. */
static bool catch_up(struct trainer *trainer, struct trainer_command *command, struct trainee *t)
{
    struct rk_error err = {0};
    enum rk_status status = RK_OK;
    bool more;

    while (t->behind && !t->halted && status == RK_OK) {
        if (trainer_stopping(trainer)) {
            return problem_set(&command->problem, PROBLEM_DRAINING, "the server is stopping");
        }
        (void)trainer_pace(trainer); /* as when it trains */
        status = trainer_step(trainer, t, 0, &more, &err);
    }
    if (t->halted && (command->verb == TRAINER_ACTIVATE || command->verb == TRAINER_IMPORT)) {
        err = (struct rk_error){0}; /* another version is a way out */
        status = trainee_recall_config(t, trainer->tools.store, INT64_MAX, &err);
    } else if (t->halted) {
        return halted(command);
    }
    if (status != RK_OK) {
        trainer_fail(trainer, command, &err);
    }
    return status == RK_OK;
}

static void obey(struct trainer *trainer, struct trainer_command *command, struct trainee *t)
{
    if (command->verb == TRAINER_DELETE) {
        do_delete(trainer, command, t);
    } else if (command->verb == TRAINER_ACTIVATE) {
        trainer_activate(trainer, command, t);
    } else if (command->verb == TRAINER_IMPORT) {
        trainer_import(trainer, command, t);
    } else if (command->verb == TRAINER_EXPORT) {
        trainer_export(trainer, command, t);
    } else if (command->verb == TRAINER_TRAIN) {
        do_train(trainer, command, t);
    } else if (command->verb == TRAINER_RETRY) {
        trainer_retry(trainer, command, t);
    } else if (command->verb == TRAINER_CONFIGURE) {
        trainer_configure(trainer, command, t);
    } else if (command->verb == TRAINER_DRY_RUN) {
        do_dry_run(trainer, command, t);
    } else {
        do_pause(trainer, command, t, command->verb == TRAINER_PAUSE);
    }
}

void trainer_obey(struct trainer *trainer, struct trainer_command *command)
{
    struct trainee *t = trainer_find(trainer, command->model);

    trainer->obeying_ns = clock_monotonic_ns();
    if (command->verb == TRAINER_CREATE) {
        do_create(trainer, command);
    } else if (t == NULL) {
        problem_set(&command->problem, PROBLEM_UNKNOWN_MODEL, "there is no model of this name");
    } else if (!needs_newest(command) || catch_up(trainer, command, t)) {
        obey(trainer, command, t);
    }
    command->done(command);
}
