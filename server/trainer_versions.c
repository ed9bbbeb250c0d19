/*
 * Versions of a model: an older one served again, one from elsewhere taken in, one given out.
 */
#include "clock.h"
#include "failpoint.h"
#include "log.h"
#include "parameters.h"
#include "trainer_impl.h"

#include <stdlib.h>

/* The stored checkpoint of a version, newest first; its metrics are freed. */
static enum rk_status find_checkpoint(struct trainer *trainer, const struct trainee *t,
                                      int64_t version, struct store_checkpoint *found,
                                      struct rk_error *err)
{
    struct store_checkpoint *rows = NULL;
    size_t n = 0;
    enum rk_status status =
        store_list_checkpoints(trainer->tools.store, t->served->id, &rows, &n, err);
    bool is_there = false;

    for (size_t i = 0; i < n; i++) {
        if (!is_there && rows[i].version == version) {
            *found = rows[i];
            is_there = true;
        }
        free(rows[i].metrics);
    }
    free(rows);
    return status == RK_OK && !is_there
               ? rk_fail(err, RK_NOTFOUND, "there is no checkpoint of version %lld",
                         (long long)version)
               : status;
}

/* ---- activate ---- */

struct activate_job {
    struct writer_job job;
    struct store_activation *activation;
};

static enum rk_status activate_run(struct writer_job *job, struct store *store,
                                   struct rk_error *err)
{
    return store_put_activation(store, ((struct activate_job *)job)->activation, clock_unix_ms(),
                                err);
}

/* Has the activation recorded, then serves what was read before. */
static enum rk_status serve(struct trainer *trainer, struct trainee *t,
                            const struct store_checkpoint *checkpoint, struct trainee_state *state,
                            struct rk_error *err)
{
    char *held = trainee_held_text(t);
    struct store_activation activation = {
        .model = t->served->id, .checkpoint = checkpoint->id, .held = held};
    struct activate_job job = {.job = {.run = activate_run, .weight = 1},
                               .activation = &activation};
    struct writer_outcome outcome;

    if (held == NULL) {
        return rk_fail(err, RK_NOMEM, "no memory for an activation");
    }
    outcome = writer_run(trainer->tools.writer, &job.job);
    free(held);
    if (outcome.err.status != RK_OK) {
        return rk_fail(err, outcome.err.status, "%s", outcome.err.text);
    }
    failpoint(FAILPOINT_ACTIVATION_RECORDED);
    trainee_take_over(t, state, checkpoint->version, activation.seq, activation.step);
    log_info("version_activated", log_text("model", t->served->name),
             log_number("version", checkpoint->version));
    return RK_OK;
}

void trainer_activate(struct trainer *trainer, struct trainer_command *command, struct trainee *t)
{
    struct store_checkpoint checkpoint;
    struct trainee_state state = {0};
    struct rk_error err = {0};
    enum rk_status status;

    trainer_await_checkpoint(trainer, t);
    status = find_checkpoint(trainer, t, command->version, &checkpoint, &err);
    if (status == RK_OK) {
        status = trainee_state_create(t, &state, &err);
    }
    if (status == RK_OK) {
        status = checkpoint_load(trainer->tools.store, &checkpoint, t->served->model, state.theta,
                                 state.learner, &err);
    }
    if (status == RK_OK) {
        status = serve(trainer, t, &checkpoint, &state, &err);
    }
    if (status == RK_OK) {
        command->served_version = checkpoint.version;
    } else {
        trainer_fail(trainer, command, &err);
    }
    trainee_state_destroy(&state);
}

/* ---- import ---- */

static void fail_import(const struct trainer *trainer, struct trainer_command *command,
                        const struct rk_error *err)
{
    if (err->status == RK_NOMEM) {
        trainer_fail(trainer, command, err);
    } else {
        problem_set(&command->problem, PROBLEM_INVALID_TENSOR_FILE, "%s", err->text);
    }
}

/*
 * Makes a checkpoint's file and seal of a file from outside.
 *
 * @param state  not NULL: reads it, so that it can be served.
 */
static enum rk_status read_import(const struct trainee *t, struct trainer_command *command,
                                  struct checkpoint_bytes *file, struct trainee_state *state,
                                  struct rk_error *err)
{
    struct store_checkpoint *row = &command->row;
    enum rk_status status =
        parameters_import(t->served->model, command->bytes, command->n, row->version, file, err);

    if (status == RK_OK) {
        status = checkpoint_seal(file, row, err);
    }
    if (status == RK_OK && state != NULL) {
        status = trainee_state_create(t, state, err);
        if (status == RK_OK) {
            status = checkpoint_read(t->served->model, file->bytes, file->n, state->theta,
                                     state->learner, err);
        }
    }
    return status;
}

/* Stores it, with its activation where it is to be served; then serves it. */
static void put_import(struct trainer *trainer, struct trainer_command *command, struct trainee *t,
                       const struct checkpoint_bytes *file, struct trainee_state *state)
{
    char *held = trainee_held_text(t);
    struct store_activation activation = {.model = t->served->id, .held = held};
    struct store_checkpoint *row = &command->row;
    struct rk_error err = {0};
    const enum rk_status status = held != NULL
                                      ? checkpoint_put(trainer->tools.writer, file, row,
                                                       command->activate ? &activation : NULL, &err)
                                      : rk_fail(&err, RK_NOMEM, "no memory for an activation");

    free(held);
    if (status != RK_OK) {
        trainer_fail(trainer, command, &err);
        return;
    }
    failpoint(FAILPOINT_IMPORT_RECORDED);
    t->last_version = row->version;
    if (command->activate) {
        trainee_take_over(t, state, row->version, activation.seq, activation.step);
    }
    command->served_version = live_version(&t->served->live);
    log_info("version_imported", log_text("model", t->served->name),
             log_number("version", row->version), log_number("bytes", row->bytes));
}

/* Until the row is committed nothing has changed; after that nothing can fail. */
void trainer_import(struct trainer *trainer, struct trainer_command *command, struct trainee *t)
{
    struct trainee_state state = {0};
    struct checkpoint_bytes file = {0};
    struct rk_error err = {0};

    trainer_await_checkpoint(trainer, t);
    command->row = (struct store_checkpoint){.model = t->served->id,
                                             .version = t->last_version + 1,
                                             .parent = live_version(&t->served->live),
                                             .source = STORE_SOURCE_IMPORT,
                                             .time_ms = clock_unix_ms(),
                                             .seq = t->seq,
                                             .due_seq = t->due_seq,
                                             .step = t->step};
    if (read_import(t, command, &file, command->activate ? &state : NULL, &err) == RK_OK) {
        put_import(trainer, command, t, &file, &state);
    } else {
        fail_import(trainer, command, &err);
    }
    trainee_state_destroy(&state);
    free(file.bytes);
}

/* ---- export ---- */

/* What is served now is given out as it is; any other version comes from its checkpoint. */
void trainer_export(struct trainer *trainer, struct trainer_command *command, struct trainee *t)
{
    const int64_t served = live_version(&t->served->live);
    struct store_checkpoint row;
    struct rk_error err = {0};
    enum rk_status status;

    if (command->version == TRAINER_SERVED) {
        command->version = served;
    }
    if (command->version == served) {
        status =
            checkpoint_write(t->served->model, live_served(&t->served->live),
                             command->optimizer ? t->learner : NULL, served, &command->file, &err);
    } else {
        status = find_checkpoint(trainer, t, command->version, &row, &err);
        if (status == RK_OK) {
            status = parameters_export(trainer->tools.store, &row, t->served->model,
                                       command->optimizer, &command->file, &err);
        }
    }
    if (status != RK_OK) {
        free(command->file.bytes);
        command->file = (struct checkpoint_bytes){0};
        trainer_fail(trainer, command, &err);
    }
}
