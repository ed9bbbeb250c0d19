/*
 * Health, metrics, the API's description, and the pages that problem types point to.
 */
#include "api_impl.h"
#include "clock.h"
#include "embed.h"
#include "storage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUTE_LABEL_MAX 64

static bool plain_answer(struct api_call *call, const char *text, int status)
{
    call->answer_type = "text/plain; charset=utf-8";
    emit_raw(&call->answer, text, strlen(text));
    return api_answer(call, status);
}

bool api_livez(struct api *api, struct api_slot *slot, struct api_call *call)
{
    (void)api;
    (void)slot;
    return plain_answer(call, "ok\n", 200);
}

/* Whether it can score, and whether it can store. */
static bool answer_ready(struct api_call *call, enum store_trouble trouble, int status)
{
    struct emit *out = &call->answer;

    emit_open(out, '{');
    emit_key(out, "scoring");
    emit_string(out, "ok");
    emit_key(out, "feedback");
    emit_string(out, trouble == STORE_FINE ? "ok" : "down");
    emit_key(out, "storage");
    emit_string(out, store_trouble_text(trouble));
    emit_close(out, '}');
    return api_answer(call, status);
}

bool api_readyz(struct api *api, struct api_slot *slot, struct api_call *call)
{
    (void)slot;
    if (atomic_load(&api->draining)) {
        return api_fail(call, PROBLEM_DRAINING, "the server is stopping");
    }
    return answer_ready(call, writer_trouble(api->writer), 200);
}

/* Feedback is ready when a transaction can be committed: an empty job finds out. */
static enum rk_status probe_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    (void)job;
    (void)store;
    (void)err;
    return RK_OK;
}

static void probe_answer(struct api_job *job, struct api_call *call,
                         const struct writer_outcome *outcome)
{
    (void)job;
    if (outcome->err.status == RK_OK) {
        (void)answer_ready(call, STORE_FINE, 200);
    } else if (outcome->trouble != STORE_FINE) {
        call->retry_after_s = problem_retry_after_s(storage_problem(outcome->trouble));
        (void)answer_ready(call, outcome->trouble, 503);
    } else {
        (void)api_outcome_problem(call, outcome);
    }
}

static void probe_free(struct api_job *job)
{
    free(job);
}

bool api_readyz_feedback(struct api *api, struct api_slot *slot, struct api_call *call)
{
    struct api_job *probe = calloc(1, sizeof *probe);

    (void)slot;
    if (probe == NULL) {
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
    }
    *probe = (struct api_job){
        .job = {.run = probe_run, .weight = 1}, .answer = probe_answer, .free = probe_free};
    return api_park_job(api, call, probe);
}

/* ---- metrics ---- */

static void write_models(struct api *api, struct api_slot *slot, struct emit *out)
{
    const struct models_copy *models = models_read(api->models, slot->number);
    const int64_t log_end = writer_log_end(api->writer);

    metrics_head(out, "rankd_model_version", "gauge", "The version that is served.");
    for (size_t i = 0; i < models->n; i++) {
        metrics_sample(out, "rankd_model_version", "model", models->model[i]->name,
                       (double)live_version(&models->model[i]->live));
    }
    metrics_head(out, "rankd_model_lag_records", "gauge",
                 "Log records the model has not looked at yet.");
    for (size_t i = 0; i < models->n; i++) {
        const int64_t position = atomic_load(&models->model[i]->position);
        metrics_sample(out, "rankd_model_lag_records", "model", models->model[i]->name,
                       log_end > position ? (double)(log_end - position) : 0);
    }
    metrics_head(out, "rankd_model_paused", "gauge", "1 while the model's training is paused.");
    for (size_t i = 0; i < models->n; i++) {
        metrics_sample(out, "rankd_model_paused", "model", models->model[i]->name,
                       atomic_load(&models->model[i]->state) == MODEL_PAUSED ? 1 : 0);
    }
    metrics_head(out, "rankd_model_halted", "gauge",
                 "1 where a recorded step could not be taken again, and learning ends.");
    for (size_t i = 0; i < models->n; i++) {
        metrics_sample(out, "rankd_model_halted", "model", models->model[i]->name,
                       atomic_load(&models->model[i]->state) == MODEL_HALTED ? 1 : 0);
    }
    models_done(api->models, slot->number, models);
}

static void write_gauge(struct emit *out, const char *name, const char *help, double value)
{
    metrics_head(out, name, "gauge", help);
    metrics_sample(out, name, NULL, NULL, value);
}

static void write_storage(struct api *api, struct emit *out)
{
    const enum store_trouble now = writer_trouble(api->writer);

    metrics_head(out, "rankd_storage_state", "gauge", "1 for what storage is, 0 for all else.");
    for (int i = 0; i < STORE_TROUBLE_COUNT; i++) {
        metrics_sample(out, "rankd_storage_state", "state",
                       store_trouble_text((enum store_trouble)i), (int)now == i ? 1 : 0);
    }
    write_gauge(out, "rankd_wal_bytes", "Bytes in the write-ahead log.",
                (double)writer_wal_bytes(api->writer));
}

static void write_process(struct api *api, struct api_slot *slot, struct emit *out)
{
    const struct writer_limits queued = writer_queued(api->writer);
    const struct catalogue_copy *catalogue = catalogue_read(api->catalogue, slot->number);

    metrics_head(out, "rankd_catalogue_entries", "gauge", "Ids with stored features.");
    metrics_sample(out, "rankd_catalogue_entries", "side", "item",
                   (double)catalogue_count(catalogue, CATALOGUE_ITEM));
    metrics_sample(out, "rankd_catalogue_entries", "side", "user",
                   (double)catalogue_count(catalogue, CATALOGUE_USER));
    catalogue_done(api->catalogue, slot->number, catalogue);
    write_gauge(out, "rankd_queue_events", "Events and other writes waiting for the disk.",
                (double)queued.jobs);
    write_gauge(out, "rankd_queue_bytes", "Bytes of them.", (double)queued.bytes);
    write_gauge(out, "rankd_queue_rankings", "Served rankings waiting for the disk.",
                (double)queued.rankings);
    /* Not asked of the disk, which may not answer: metrics are looked at just then. */
    write_gauge(out, "rankd_log_bytes", "Bytes of the database that no stored version has.",
                (double)atomic_load(&api->metrics->log_bytes));
    write_gauge(out, "rankd_log_rows", "Records of the log that are kept.",
                (double)atomic_load(&api->metrics->log_rows));
    write_gauge(out, "rankd_log_seq", "The end of the log.", (double)writer_log_end(api->writer));
    write_gauge(out, "rankd_open",
                "1 while the server listens beyond its machine and has no token: an alert.",
                atomic_load(&api->metrics->is_open) ? 1 : 0);
    write_gauge(out, "rankd_uptime_seconds", "Seconds since the start.",
                (double)(clock_monotonic_ns() - api->start_ns) / 1e9);
    metrics_head(out, "rankd_build_info", "gauge", "1, with the version as a label.");
    metrics_sample(out, "rankd_build_info", "version", RANKD_VERSION, 1);
}

bool api_metrics(struct api *api, struct api_slot *slot, struct api_call *call)
{
    static const size_t size = ROUTE_LABEL_MAX;
    char label[METRIC_ROUTES_MAX][ROUTE_LABEL_MAX];
    const char *labels[METRIC_ROUTES_MAX];
    size_t n;
    const struct api_route *routes = api_routes(&n);

    for (size_t i = 0; i < n; i++) {
        (void)snprintf(label[i], size, "%s %s", routes[i].method, routes[i].path);
        labels[i] = label[i];
    }
    metrics_write(api->metrics, labels, n, &call->answer);
    write_models(api, slot, &call->answer);
    write_storage(api, &call->answer);
    write_process(api, slot, &call->answer);
    call->answer_type = "text/plain; version=0.0.4; charset=utf-8";
    return api_answer(call, 200);
}

/* ---- documents ---- */

bool api_openapi(struct api *api, struct api_slot *slot, struct api_call *call)
{
    (void)api;
    (void)slot;
    for (const struct embedded_file *file = embedded_files; file->path != NULL; file++) {
        if (strcmp(file->path, "server/web/openapi.json") == 0) {
            emit_raw(&call->answer, file->text, strlen(file->text));
            return api_answer(call, 200);
        }
    }
    return api_fail(call, PROBLEM_NOT_FOUND, "this build has no description of its API");
}

bool api_problem_page(struct api *api, struct api_slot *slot, struct api_call *call)
{
    const enum problem_kind kind = problem_find(call->param[0]);

    (void)api;
    (void)slot;
    if (kind == PROBLEM_NONE) {
        return api_fail(call, PROBLEM_NOT_FOUND, "there is no problem of this name");
    }
    emit_format(&call->answer, "%s\n\nslug: %s\nstatus: %d\n\n%s\n", problem_title(kind),
                problem_slug(kind), problem_status(kind), problem_explanation(kind));
    call->answer_type = "text/plain; charset=utf-8";
    return api_answer(call, 200);
}
