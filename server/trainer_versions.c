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

/* Serves a checkpoint whose activation is recorded. */
static bool serve(struct trainer *trainer, struct trainer_command *command, struct trainee *t,
                  const struct store_checkpoint *row, const struct store_activation *activation)
{
    struct rk_error err = {0};

    /* Recorded but not loaded: what would be learned now is of a branch that was left. */
    t->halted = trainee_load(t, trainer->tools.store, row, activation->seq, activation->seq,
                             activation->step, &err) != RK_OK;
    trainee_show(t, false);
    if (t->halted) {
        log_error("model_halted", log_text("model", t->served->name), log_text("reason", err.text));
        trainer_fail(trainer, command, &err);
    }
    return !t->halted;
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

/* Checks the checkpoint, has the activation recorded, then serves it. */
void trainer_activate(struct trainer *trainer, struct trainer_command *command, struct trainee *t)
{
    struct store_checkpoint checkpoint;
    struct store_activation activation = {.model = t->served->id};
    struct activate_job job = {.job = {.run = activate_run, .weight = 1},
                               .activation = &activation};
    char *held;
    struct rk_error err = {0};
    struct writer_outcome outcome;

    trainer_await_checkpoint(trainer, t);
    if (find_checkpoint(trainer, t, command->version, &checkpoint, &err) != RK_OK ||
        checkpoint_verify(trainer->tools.store, &checkpoint, &err) != RK_OK) {
        trainer_fail(trainer, command, &err);
        return;
    }
    held = trainee_held_text(t);
    if (held == NULL) {
        problem_set(&command->problem, PROBLEM_OUT_OF_MEMORY, "no memory for an activation");
        return;
    }
    activation.checkpoint = checkpoint.id;
    activation.held = held;
    outcome = writer_run(trainer->tools.writer, &job.job);
    free(held);
    if (outcome.err.status != RK_OK) {
        trainer_fail(trainer, command, &outcome.err);
        return;
    }
    failpoint(FAILPOINT_ACTIVATION_RECORDED);
    if (serve(trainer, command, t, &checkpoint, &activation)) {
        command->served_version = checkpoint.version;
        log_info("version_activated", log_text("model", t->served->name),
                 log_number("version", checkpoint.version));
    }
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
 * Reads the file, has it stored as the next version, with its activation where it is to be served,
 * then serves it. Until the row is committed nothing has changed.
 */
void trainer_import(struct trainer *trainer, struct trainer_command *command, struct trainee *t)
{
    struct store_activation activation = {.model = t->served->id};
    struct store_checkpoint *row = &command->row;
    struct checkpoint_bytes file = {0};
    struct rk_error err = {0};
    char *held;
    enum rk_status status;

    trainer_await_checkpoint(trainer, t);
    *row = (struct store_checkpoint){.model = t->served->id,
                                     .version = t->last_version + 1,
                                     .parent = live_version(&t->served->live),
                                     .source = STORE_SOURCE_IMPORT,
                                     .time_ms = clock_unix_ms(),
                                     .seq = t->seq,
                                     .due_seq = t->due_seq,
                                     .step = t->step};
    if (parameters_import(t->served->model, command->bytes, command->n, row->version, &file,
                          &err) != RK_OK) {
        fail_import(trainer, command, &err);
        return;
    }
    checkpoint_seal(&file, row);
    held = trainee_held_text(t);
    activation.held = held;
    status = held != NULL ? checkpoint_put(trainer->tools.writer, &file, row,
                                           command->activate ? &activation : NULL, &err)
                          : rk_fail(&err, RK_NOMEM, "no memory for an activation");
    free(held);
    free(file.bytes);
    if (status != RK_OK) {
        trainer_fail(trainer, command, &err);
        return;
    }
    failpoint(FAILPOINT_IMPORT_RECORDED);
    t->last_version = row->version;
    log_info("version_imported", log_text("model", t->served->name),
             log_number("version", row->version), log_number("bytes", row->bytes));
    if (command->activate) {
        (void)serve(trainer, command, t, row, &activation);
    }
    command->served_version = live_version(&t->served->live);
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
    if (command->version == served && !t->halted) {
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
