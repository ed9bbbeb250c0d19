/*
 * What rankd train takes from the store and gives to it: what the log still holds for the model, a
 * new model's row, and the version that was learned.
 */
#include "clock.h"
#include "command_train_impl.h"

#include <stdlib.h>
#include <string.h>

enum rk_status training_start_writer(struct training *training, struct rk_error *err)
{
    static const struct writer_limits limits = {.jobs = 1, .bytes = STORE_CHUNK_BYTES};
    struct offline *o = &training->offline;
    enum rk_status status = RK_OK;

    training->metrics = calloc(1, sizeof *training->metrics);
    if (training->metrics == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for the writer");
    }
    if (o->store == NULL) {
        status = store_open(o->options->db, &o->store, err);
    }
    if (status == RK_OK) {
        status =
            writer_start(o->store, training->metrics, &limits, NULL, NULL, &training->writer, err);
    }
    if (status == RK_OK) {
        o->store = NULL;
        status = store_open_reader(o->options->db, &training->reader, err);
    }
    return status;
}

enum rk_status training_catch_up(struct training *training, struct rk_error *err)
{
    const struct trainee_tools tools = {
        .store = training->reader, .writer = training->writer, .metrics = training->metrics};
    const int64_t log_end = writer_log_end(training->writer);
    struct trainee *t = training->offline.trainee;
    bool more = !training->offline.is_new && t->served->config.training.enabled &&
                atomic_load(&t->served->state) != MODEL_PAUSED;
    enum rk_status status = RK_OK;

    while (more && status == RK_OK) {
        status = trainee_step(t, &tools, log_end, &more, err);
    }
    return status;
}

enum rk_status training_seal_init(struct training *training, struct rk_error *err)
{
    const struct trainee *t = training->offline.trainee;
    struct checkpoint_bytes file = {0};
    enum rk_status status = checkpoint_write(t->served->model, live_served(&t->served->live),
                                             t->learner, 0, &file, err);

    if (status == RK_OK) {
        status = checkpoint_seal(&file, &training->init, err);
    }
    training->init.source = STORE_SOURCE_INIT;
    training->init.bytes = 0; /* it follows from the configuration */
    free(file.bytes);
    return status;
}

struct create_job {
    struct writer_job job;
    struct store_model model;
    struct store_checkpoint init;
};

static enum rk_status create_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    struct create_job *create = (struct create_job *)job;
    enum rk_status status = store_put_model(store, &create->model, err);

    if (status == RK_OK) {
        status = store_new_checkpoint_id(store, &create->init.id, err);
    }
    create->init.model = create->model.id;
    create->init.seq = create->init.due_seq = create->model.seq;
    return status == RK_OK ? store_put_checkpoint(store, &create->init, err) : status;
}

enum rk_status training_put_model(struct training *training, struct rk_error *err)
{
    struct trainee *t = training->offline.trainee;
    char no_metrics[] = "{}";
    struct create_job create = {
        .job = {.run = create_run, .weight = 1, .bytes = sizeof create},
        .model = {.config = t->served->config_text, .time_ms = clock_unix_ms()},
        .init = training->init};
    struct writer_outcome outcome;

    memcpy(create.model.name, t->served->name, sizeof create.model.name);
    create.init.time_ms = create.model.time_ms;
    create.init.metrics = no_metrics;
    outcome = writer_run(training->writer, &create.job);
    if (outcome.err.status != RK_OK) {
        return rk_fail(err, outcome.err.status, "%s", outcome.err.text);
    }
    t->served->id = create.model.id;
    t->seq = t->due_seq = create.model.seq;
    return RK_OK;
}

static void take_stored(void *context, const struct store_checkpoint *row,
                        const struct rk_error *err)
{
    (void)row;
    *(struct rk_error *)context = *err;
}

/* The writer commits all chunks before it stops, so that its end is what is waited for. */
enum rk_status training_put_version(struct training *training, struct rk_error *err)
{
    struct trainee *t = training->offline.trainee;
    struct checkpoint_bytes file = {0};
    struct store_checkpoint row = {0};
    struct rk_error stored = {0};
    enum rk_status status;

    live_publish_all(&t->served->live, ++t->last_version);
    t->since_stored = training->before;
    status = trainee_checkpoint(t, STORE_SOURCE_FILE, &file, &row, err);
    if (status == RK_OK) {
        status = checkpoint_store(training->writer, &file, &row, take_stored, &stored, err);
    }
    if (status != RK_OK) {
        free(row.metrics);
        free(row.held);
        free(file.bytes);
        return status;
    }
    store_close(&training->reader);
    writer_stop(&training->writer);
    return stored.status == RK_OK ? RK_OK : rk_fail(err, stored.status, "%s", stored.text);
}
