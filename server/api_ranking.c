/*
 * GET /v1/rankings/{id}: a list as it was served, what was done to it, and what came of that.
 */
#include "api_impl.h"
#include "lineage.h"

#include <stdlib.h>
#include <string.h>

/*
 * A ranking that was served a moment ago may still be on its way into the log: then the call waits
 * for the writer.
 */
struct lookup {
    struct api_job base;
    char id[API_PARAM_MAX];
    bool found;
};

/* Writes events as they come, and notes the last one. */
struct events {
    struct emit *out;
    int64_t last_seq;
};

static void write_event(void *context, const struct store_event *event, int64_t time_ms)
{
    struct events *events = context;
    struct emit *out = events->out;

    events->last_seq = event->seq;
    emit_open(out, '{');
    emit_key(out, "event_id");
    emit_string(out, event->event_id);
    emit_key(out, "item_id");
    emit_string(out, event->item_id);
    emit_key(out, "type");
    emit_string(out, event->type);
    emit_key(out, "value");
    emit_double(out, event->value);
    if (event->event_ms != INT64_MIN) {
        emit_key(out, "time");
        emit_time(out, event->event_ms);
    }
    emit_key(out, "received");
    emit_time(out, time_ms);
    emit_key(out, "seq");
    emit_integer(out, event->seq);
    emit_close(out, '}');
}

static void write_ranking(const struct store_ranking *ranking, const char *model, struct emit *out)
{
    emit_key(out, "ranking_id");
    emit_string(out, ranking->ranking_id);
    emit_key(out, "model");
    emit_string(out, model); /* null: deleted since */
    emit_key(out, "version");
    emit_integer(out, ranking->version);
    emit_key(out, "time");
    emit_time(out, ranking->time_ms);
    emit_key(out, "seq");
    emit_integer(out, ranking->seq);
    emit_key(out, "catalogue_seq");
    emit_integer(out, ranking->catalogue_seq);
    emit_key(out, "request");
    emit_json(out, ranking->request, ranking->request_n);
    emit_key(out, "items");
    emit_json(out, ranking->served, ranking->served_n);
}

/*
 * The step that learned from a list's last event, or from the list when it was no longer held back
 * for the judge. @param held  out: it still is. @return RK_OK; RK_NOTFOUND: none has; RK_IO.
 */
static enum rk_status find_learned(struct store *store, int64_t model, int64_t seq,
                                   int64_t last_event, struct store_step *step, bool *held)
{
    struct store_step release;
    enum rk_status status =
        last_event > 0 ? store_find_step(store, model, last_event, step, NULL) : RK_NOTFOUND;

    *held = false;
    if (status != RK_OK) {
        return status;
    }
    status = store_is_left_out(store, step->id, STORE_LISTS_HELD, seq, held, NULL);
    if (status == RK_OK && *held) {
        status = store_find_release(store, model, step->id, seq, &release, NULL);
        *held = status == RK_NOTFOUND;
        if (status == RK_OK) {
            free(step->quarantined);
            *step = release;
        }
        status = *held ? RK_OK : status;
    }
    if (status != RK_OK) {
        free(step->quarantined);
    }
    return status;
}

/* {"version", "outcome"} of the step that learned from the list as it is now, or null. */
static enum rk_status write_learned(struct store *store, int64_t model, int64_t seq,
                                    int64_t last_event, struct emit *out, struct rk_error *err)
{
    struct store_step step;
    bool held, quarantined = false;
    enum rk_status status = find_learned(store, model, seq, last_event, &step, &held);

    emit_key(out, "learned");
    if (status == RK_NOTFOUND) {
        emit_null(out);
        return RK_OK;
    }
    if (status == RK_OK) {
        free(step.quarantined);
        status =
            store_is_left_out(store, step.id, STORE_LISTS_QUARANTINED, seq, &quarantined, NULL);
    }
    if (status != RK_OK) {
        return rk_fail(err, status, "the steps cannot be read");
    }
    emit_open(out, '{');
    emit_key(out, "version");
    emit_integer(out, step.version);
    emit_key(out, "outcome");
    emit_string(out,
                held ? "held" : store_outcome_text(quarantined ? STORE_QUARANTINED : step.outcome));
    emit_close(out, '}');
    return RK_OK;
}

/* Is what led to the version still kept? */
static enum rk_status write_reproducible(struct store *store, int64_t model, int64_t version,
                                         struct emit *out, struct rk_error *err)
{
    struct rk_error own = {0};
    const enum rk_status status = lineage_reaches(store, model, version, &own);

    if (status != RK_OK && status != RK_NOTFOUND) {
        return rk_fail(err, status, "%s", own.text);
    }
    emit_key(out, "reproducible");
    emit_boolean(out, status == RK_OK);
    return RK_OK;
}

/*
 * @param models  for the model's name. @return RK_NOTFOUND: there is no such ranking, and nothing
 * was written.
 */
static enum rk_status write_all(struct store *store, const struct models_copy *models,
                                struct api_call *call, struct rk_error *err)
{
    struct store_ranking ranking;
    struct events events = {.out = &call->answer};
    int64_t seq, model, version;
    const char *name = NULL;
    enum rk_status status = store_get_ranking(store, 0, call->param[0], &ranking, err);

    if (status != RK_OK) {
        return status;
    }
    seq = ranking.seq;
    model = ranking.model;
    version = ranking.version;
    for (size_t i = 0; i < models->n; i++) {
        name = models->model[i]->id == model ? models->model[i]->name : name;
    }
    emit_open(&call->answer, '{');
    write_ranking(&ranking, name, &call->answer);
    emit_key(&call->answer, "events");
    emit_open(&call->answer, '[');
    status = store_read_events(store, seq, INT64_MAX, write_event, &events, err);
    emit_close(&call->answer, ']');
    if (status == RK_OK) {
        status = write_learned(store, model, seq, events.last_seq, &call->answer, err);
    }
    if (status == RK_OK) {
        status = write_reproducible(store, model, version, &call->answer, err);
    }
    emit_close(&call->answer, '}');
    return status;
}

static enum rk_status lookup_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    struct lookup *lookup = (struct lookup *)job;

    return store_has_ranking(store, lookup->id, &lookup->found, err);
}

/* Once it is in the log the call is handled again, by a worker. */
static void lookup_answer(struct api_job *job, struct api_call *call,
                          const struct writer_outcome *outcome)
{
    if (outcome->err.status != RK_OK) {
        (void)api_outcome_problem(call, outcome);
    } else if (!((struct lookup *)job)->found) {
        (void)api_fail(call, PROBLEM_UNKNOWN_RANKING, "no ranking with this id is kept");
    } else {
        call->again = true;
    }
}

static void lookup_free(struct api_job *job)
{
    free(job);
}

bool api_ranking(struct api *api, struct api_slot *slot, struct api_call *call)
{
    const struct models_copy *models = models_read(api->models, slot->number);
    struct rk_error err = {0};
    const enum rk_status status = write_all(slot->store, models, call, &err);
    struct lookup *lookup;

    models_done(api->models, slot->number, models);
    if (status == RK_OK) {
        return api_answer(call, 200);
    }
    if (status != RK_NOTFOUND) {
        return api_error(call, &err);
    }
    lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL) {
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
    }
    *lookup = (struct lookup){.base = {.job = {.run = lookup_run, .weight = 1},
                                       .answer = lookup_answer,
                                       .free = lookup_free}};
    memcpy(lookup->id, call->param[0], sizeof lookup->id);
    return api_park_job(api, call, &lookup->base);
}
