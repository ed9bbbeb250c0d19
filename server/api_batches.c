/*
 * POST /v1/batches: labelled lists, checked by the rules of the model they are for, answered after
 * the commit; or, with ?dry_run=1, tried by the trainer and not stored.
 */
#include "api_impl.h"
#include "clock.h"
#include "codec.h"
#include "trainee_dry_run.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

struct batch {
    struct api_job base;
    struct api *api;
    struct codec_batch request;
    struct store_batch row;
};

static enum rk_status batch_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    return store_put_batch(store, &((struct batch *)job)->row, clock_unix_ms(), err);
}

static void batch_free(struct api_job *job)
{
    struct batch *batch = (struct batch *)job;

    codec_batch_close(&batch->request);
    free(batch);
}

static void write_answer(const struct batch *batch, struct emit *out)
{
    emit_open(out, '{');
    emit_key(out, "accepted_groups");
    emit_integer(out, batch->row.duplicate ? 0 : (int64_t)batch->row.n);
    emit_key(out, "items");
    emit_integer(out, batch->row.items);
    emit_key(out, "seq");
    emit_open(out, '[');
    if (batch->row.n > 0) {
        emit_integer(out, batch->row.first_seq);
        emit_integer(out, batch->row.last_seq);
    }
    emit_close(out, ']');
    if (batch->row.duplicate) {
        emit_key(out, "duplicate");
        emit_boolean(out, true);
    }
    emit_close(out, '}');
}

static bool conflict(struct api_call *call)
{
    return api_fail(call, PROBLEM_BATCH_CONFLICT, "the batch id was used before with other lists");
}

static void batch_answer(struct api_job *job, struct api_call *call,
                         const struct writer_outcome *outcome)
{
    if (outcome->err.status == RK_OK) {
        write_answer((struct batch *)job, &call->answer);
        (void)api_answer(call, 200);
    } else if (outcome->err.status == RK_MISMATCH) {
        (void)conflict(call);
    } else {
        (void)api_outcome_problem(call, outcome);
    }
}

static void count_groups(struct api_job *job)
{
    const struct batch *batch = (struct batch *)job;

    metrics_add(batch->api->metrics, METRIC_GROUPS_ACCEPTED,
                batch->row.duplicate ? 0 : batch->row.n);
}

/* ---- dry run ---- */

struct trial {
    struct trainer_command command;
    struct trainee_dry_run run;
    struct batch *batch;
    struct api_call *call;
};

/* Loss and norm as a step row has them: the mean over updates, the largest. */
static void write_trial(const struct trial *trial, struct emit *out)
{
    const struct rk_learned *learned = &trial->run.learned;

    emit_open(out, '{');
    emit_key(out, "dry_run");
    emit_boolean(out, true);
    emit_key(out, "version");
    emit_integer(out, trial->run.version);
    emit_key(out, "groups");
    emit_integer(out, (int64_t)trial->run.n);
    emit_key(out, "items");
    emit_integer(out, trial->batch->row.items);
    emit_key(out, "updates");
    emit_integer(out, (int64_t)learned->updates);
    emit_key(out, "pairs");
    emit_integer(out, (int64_t)learned->pairs);
    emit_key(out, "loss");
    emit_double(out, learned->updates > 0 ? learned->loss / (double)learned->updates : 0);
    emit_key(out, "gradient_norm");
    emit_double(out, learned->grad_norm);
    if (trial->run.n_refused > 0) {
        emit_key(out, "refused");
        emit_json(out, trial->run.refused.text, trial->run.refused.length);
    }
    if (trial->batch->row.duplicate) {
        emit_key(out, "duplicate");
        emit_boolean(out, true);
    }
    emit_close(out, '}');
}

static void trial_done(struct trainer_command *command)
{
    struct trial *trial = (struct trial *)command;
    struct api_call *call = trial->call;

    if (command->problem.kind != PROBLEM_NONE) {
        (void)api_problem(call, &command->problem);
    } else {
        write_trial(trial, &call->answer);
        (void)api_answer(call, 200);
    }
    emit_deinit(&trial->run.refused);
    batch_free(&trial->batch->base);
    free(trial);
    call->finish(call);
}

/* Takes the batch. What its id says is looked up as when it is stored. */
static bool try_batch(struct api *api, struct api_slot *slot, struct api_call *call,
                      struct batch *batch)
{
    struct trial *trial = calloc(1, sizeof *trial);
    struct rk_error err = {0};
    enum rk_status status;

    if (trial == NULL) {
        batch_free(&batch->base);
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
    }
    status = store_find_batch(slot->store, &batch->row, &err);
    if (status != RK_OK) {
        free(trial);
        batch_free(&batch->base);
        return status == RK_MISMATCH ? conflict(call) : api_error(call, &err);
    }
    *trial = (struct trial){
        .command = {.verb = TRAINER_DRY_RUN, .done = trial_done, .dry_run = &trial->run},
        .run = {.payload = batch->row.payload,
                .payload_n = batch->row.payload_n,
                .n = batch->row.n,
                .catalogue_seq = batch->row.catalogue_seq},
        .batch = batch,
        .call = call};
    memcpy(trial->command.model, batch->request.model, strlen(batch->request.model) + 1);
    return api_park_command(api, call, &trial->command);
}

/* ---- requests ---- */

/* The checksum of all payloads, each with its length before it. */
static bool seal(const struct codec_batch *request, uint8_t sha256[STORE_SHA256_BYTES])
{
    gnutls_hash_hd_t hash;

    if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0) {
        return false;
    }
    for (size_t i = 0; i < request->n; i++) {
        const uint64_t n = request->payload_n[i];
        (void)gnutls_hash(hash, &n, sizeof n);
        (void)gnutls_hash(hash, request->payload[i], request->payload_n[i]);
    }
    gnutls_hash_deinit(hash, sha256);
    return true;
}

/* Checks the lists by the rules of the model, which must exist. */
static bool read_groups(struct api *api, struct api_slot *slot, struct batch *batch, bool lenient,
                        struct problem *problem)
{
    const struct models_copy *models = models_read(api->models, slot->number);
    const struct served *served = models_find(models, batch->request.model);
    bool read = served != NULL ||
                problem_set(problem, PROBLEM_UNKNOWN_MODEL, "there is no model of this name");

    if (read) {
        const struct rk_model_config *config = &served->config.model;
        const struct list_rules rules = {.features = &config->features,
                                         .users = &config->users,
                                         .items = &config->items,
                                         .labelled = true,
                                         .lenient = lenient};
        batch->row.model = served->id;
        read = codec_batch_groups(&batch->request, &rules, &slot->list, &batch->row.items, problem);
    }
    models_done(api->models, slot->number, models);
    return read;
}

static bool open_batch(const struct api_call *call, struct batch *batch, struct problem *problem)
{
    char model[STORE_NAME_MAX + 2], batch_id[STORE_ID_MAX + 2];
    const bool ndjson = api_is_ndjson(call);
    const bool has_model = ndjson && api_query(call, "model", model, sizeof model);
    const bool has_id = ndjson && api_query(call, "batch_id", batch_id, sizeof batch_id);

    return codec_batch_open(call->body, call->body_n, ndjson, has_model ? model : NULL,
                            has_id ? batch_id : NULL, call->lenient, &batch->request, problem);
}

bool api_batches(struct api *api, struct api_slot *slot, struct api_call *call)
{
    struct batch *batch = calloc(1, sizeof *batch);
    const struct catalogue_copy *catalogue;
    struct problem problem = {0};

    if (batch == NULL) {
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
    }
    *batch = (struct batch){.base = {.job = {.run = batch_run, .bytes = call->body_n},
                                     .answer = batch_answer,
                                     .committed = count_groups,
                                     .free = batch_free},
                            .api = api};
    if (!open_batch(call, batch, &problem) ||
        !api_reaches(api, call, batch->request.model, &problem) ||
        !read_groups(api, slot, batch, call->lenient, &problem)) {
        batch_free(&batch->base);
        return api_problem(call, &problem);
    }
    catalogue = catalogue_read(api->catalogue, slot->number);
    batch->row.catalogue_seq = catalogue->seq;
    catalogue_done(api->catalogue, slot->number, catalogue);
    batch->row.batch_id = batch->request.batch_id;
    batch->row.payload = (const char *const *)batch->request.payload;
    batch->row.payload_n = batch->request.payload_n;
    batch->row.n = batch->request.n;
    batch->base.job.weight = batch->request.n > 0 ? batch->request.n : 1;
    if (!seal(&batch->request, batch->row.sha256)) {
        batch_free(&batch->base);
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for a checksum");
    }
    return api_query_flag(call, "dry_run") ? try_batch(api, slot, call, batch)
                                           : api_park_job(api, call, &batch->base);
}
