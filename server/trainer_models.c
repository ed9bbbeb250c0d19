/*
 * Models come into training: made new, or recovered at start.
 */
#include "clock.h"
#include "failpoint.h"
#include "grow.h"
#include "log.h"
#include "trainer_impl.h"

#include <stdlib.h>
#include <string.h>

struct trainee *trainer_find(const struct trainer *trainer, const char *name)
{
    for (size_t i = 0; i < trainer->n; i++) {
        if (strcmp(trainer->trainee[i]->served->name, name) == 0) {
            return trainer->trainee[i];
        }
    }
    return NULL;
}

/* Makes room for one model more: before it is recorded, so that nothing can fail after that. */
static enum rk_status make_room(struct trainer *trainer, struct rk_error *err)
{
    return grow_resize(&trainer->trainee, trainer->n + 1)
               ? models_reserve(trainer->models, err)
               : rk_fail(err, RK_NOMEM, "out of memory for a model");
}

/* Takes a trainee into the trainer and its model into the table, where there is room. */
static void adopt(struct trainer *trainer, struct trainee *t)
{
    models_add(trainer->models, t->served);
    trainer->trainee[trainer->n++] = t;
}

/* Writes a new model's row and its untrained start. */
struct create_job {
    struct writer_job job;
    struct store_model *model;
    struct store_checkpoint *init;
};

static enum rk_status create_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    struct create_job *create = (struct create_job *)job;
    enum rk_status status = store_put_model(store, create->model, err);

    if (status == RK_OK) {
        status = store_new_checkpoint_id(store, &create->init->id, err);
    }
    create->init->model = create->model->id;
    if (create->init->seq == TRAINER_LOG_END) {
        create->init->seq = create->model->seq;
    }
    create->init->due_seq = create->init->seq;
    return status == RK_OK ? store_put_checkpoint(store, create->init, err) : status;
}

static enum rk_status put_model(struct trainer *trainer, struct trainee *t, int64_t from_seq,
                                struct rk_error *err)
{
    struct served *served = t->served;
    struct store_model row = {.config = served->config_text, .time_ms = clock_unix_ms()};
    struct checkpoint_bytes file = {0};
    char no_metrics[] = "{}";
    struct store_checkpoint init = {.source = STORE_SOURCE_INIT,
                                    .time_ms = row.time_ms,
                                    .seq = from_seq,
                                    .metrics = no_metrics};
    struct create_job job = {
        .job = {.run = create_run, .weight = 1, .bytes = sizeof job}, .model = &row, .init = &init};
    struct writer_outcome outcome;
    enum rk_status status =
        checkpoint_write(served->model, live_served(&served->live), t->learner, 0, &file, err);

    if (status == RK_OK) {
        status = checkpoint_seal(&file, &init, err);
    }
    init.bytes = 0; /* it follows from the configuration; the checksum says what has to come out */
    free(file.bytes);
    if (status != RK_OK) {
        return status;
    }
    memcpy(row.name, served->name, sizeof row.name);
    outcome = writer_run(trainer->tools.writer, &job.job);
    if (outcome.err.status != RK_OK) {
        return rk_fail(err, outcome.err.status, "%s", outcome.err.text);
    }
    failpoint(FAILPOINT_MODEL_RECORDED);
    served->id = row.id;
    t->seq = t->due_seq = init.seq;
    atomic_store(&served->position, init.seq);
    return RK_OK;
}

enum rk_status trainer_create(struct trainer *trainer, const char *name,
                              const struct model_config *config, int64_t from_seq,
                              struct rk_error *err)
{
    struct served *served = NULL;
    struct trainee *t = NULL;
    enum rk_status status = served_create(name, config, trainer->options.model_max_bytes,
                                          trainer->options.n_slots, &served, err);

    if (status == RK_OK) {
        status = trainee_create(served, 0, &t, err);
    }
    if (status == RK_OK) {
        status = make_room(trainer, err);
    }
    if (status == RK_OK) {
        status = put_model(trainer, t, from_seq, err);
    }
    if (status != RK_OK) {
        trainee_destroy(&t);
        served_destroy(&served);
        return status;
    }
    adopt(trainer, t);
    log_info("model_created", log_text("model", name),
             log_number("parameters", (int64_t)rk_model_params(served->model)));
    return RK_OK;
}

/* ---- recovery ---- */

static void note_state(const struct trainer *trainer, const char *event, const struct trainee *t)
{
    log_info(event, log_text("model", t->served->name),
             log_number("version", live_version(&t->served->live)),
             log_number("checkpoint", atomic_load(&t->served->checkpoint_version)),
             log_number("seq", t->seq),
             log_number("ms", (clock_monotonic_ns() - trainer->started_ns) / 1000000));
}

static enum rk_status recover_model(struct trainer *trainer, const struct store_model *row,
                                    struct rk_error *err)
{
    struct store *store = trainer->tools.store;
    struct trainee *t = NULL;
    enum rk_status status =
        trainee_open(row, trainer->options.model_max_bytes, trainer->options.n_slots, &t, err);

    if (status != RK_OK) {
        return status;
    }
    t->paused = row->paused;
    status = trainer->options.only != NULL ? trainee_recover(t, store, err)
                                           : trainee_load_newest(t, store, err);
    if (status == RK_OK) {
        status = make_room(trainer, err);
    }
    if (status != RK_OK) {
        trainee_close(&t);
        return status;
    }
    trainee_show(t, false);
    adopt(trainer, t);
    note_state(trainer, t->behind ? "model_loaded" : "model_recovered", t);
    return RK_OK;
}

enum rk_status trainer_catch_up(struct trainer *trainer, struct trainee *t, struct rk_error *err)
{
    const enum rk_status status = trainee_catch_up(t, trainer->tools.store, err);

    if (!t->behind) {
        note_state(trainer, "model_recovered", t);
    }
    return status;
}

enum rk_status trainer_recover(struct trainer *trainer, struct rk_error *err)
{
    const char *only = trainer->options.only;
    struct store_model *rows = NULL;
    struct model_config config;
    size_t n = 0;
    enum rk_status status = store_list_models(trainer->tools.store, &rows, &n, err);

    for (size_t i = 0; i < n; i++) {
        if (status == RK_OK && (only == NULL || strcmp(only, rows[i].name) == 0)) {
            status = recover_model(trainer, &rows[i], err);
        }
        free(rows[i].config);
    }
    free(rows);
    if (status == RK_OK && only == NULL && trainer_find(trainer, "default") == NULL) {
        model_config_default(&config);
        status = trainer_create(trainer, "default", &config, TRAINER_LOG_END, err);
    }
    return status;
}
