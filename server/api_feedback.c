/*
 * POST /v1/feedback: events are checked as a whole, decided one by one in the writer's transaction,
 * and answered after the commit.
 */
#include "api_impl.h"
#include "clock.h"
#include "codec.h"

#include <stdlib.h>

/* A request with its events, parked until they are on stable storage. */
struct feedback {
    struct api_job base;
    struct api *api;
    struct codec_feedback request;
    enum store_event_status *status; /* (request.n) */

    struct store_gate gate;
    int64_t model[TOKEN_MODELS_MAX]; /* (gate.n_models) that the token reaches */
    struct caps_rules caps;
    struct caps_event *counted; /* (n_counted) of the token's caps, to be given back on failure */
    size_t n_counted;
    int64_t now_ms; /* when they were counted */
};

/* ---- in the writer thread ---- */

/* The caps of the token. */
static enum rk_status take_event(void *context, const struct store_event *event, uint64_t user_hash,
                                 bool *capped, struct rk_error *err)
{
    struct feedback *feedback = context;
    const struct caps_event asked = {feedback->gate.token, user_hash, event->item_hash};

    if (!caps_take(&feedback->api->caps, &feedback->caps, &asked, feedback->now_ms, capped)) {
        return rk_fail(err, RK_NOMEM, "out of memory for counting events");
    }
    if (!*capped) {
        feedback->counted[feedback->n_counted++] = asked;
    }
    return RK_OK;
}

static enum rk_status feedback_run(struct writer_job *job, struct store *store,
                                   struct rk_error *err)
{
    struct feedback *feedback = (struct feedback *)job;
    const int64_t ttl_ms = feedback->api->options->feedback_ttl_s * 1000;
    enum rk_status status = RK_OK;

    feedback->now_ms = clock_unix_ms();
    for (size_t i = 0; i < feedback->request.n && status == RK_OK; i++) {
        feedback->request.event[i].gate = &feedback->gate;
        status = store_put_event(store, &feedback->request.event[i], feedback->now_ms, ttl_ms,
                                 &feedback->status[i], err);
    }
    return status;
}

static void count_events(struct api_job *job)
{
    struct feedback *feedback = (struct feedback *)job;

    feedback->n_counted = 0; /* they stay counted */
    for (size_t i = 0; i < feedback->request.n; i++) {
        metrics_add(feedback->api->metrics, METRIC_EVENTS_ACCEPTED + feedback->status[i], 1);
    }
}

static void write_results(const struct feedback *feedback, struct emit *out)
{
    int64_t accepted = 0;

    for (size_t i = 0; i < feedback->request.n; i++) {
        accepted += feedback->status[i] == STORE_EVENT_ACCEPTED;
    }
    emit_open(out, '{');
    emit_key(out, "accepted");
    emit_integer(out, accepted);
    emit_key(out, "results");
    emit_open(out, '[');
    for (size_t i = 0; i < feedback->request.n; i++) {
        emit_open(out, '{');
        emit_key(out, "event_id");
        emit_string(out, feedback->request.event[i].event_id);
        emit_key(out, "status");
        emit_string(out, store_event_text(feedback->status[i]));
        emit_close(out, '}');
    }
    emit_close(out, ']');
    emit_close(out, '}');
}

static void feedback_free(struct api_job *job)
{
    struct feedback *feedback = (struct feedback *)job;

    for (size_t i = 0; i < feedback->n_counted; i++) {
        caps_give_back(&feedback->api->caps, &feedback->caps, &feedback->counted[i],
                       feedback->now_ms);
    }
    codec_feedback_close(&feedback->request);
    free(feedback->counted);
    free(feedback->status);
    free(feedback);
}

static void feedback_answer(struct api_job *job, struct api_call *call,
                            const struct writer_outcome *outcome)
{
    if (outcome->err.status == RK_OK) {
        write_results((struct feedback *)job, &call->answer);
        (void)api_answer(call, 200);
    } else {
        (void)api_outcome_problem(call, outcome);
    }
}

/* ---- requests ---- */

/* The models of the token's names as they are now; of one that is not there nothing is known. */
static void find_models(struct api *api, struct api_slot *slot, const struct token_grant *grant,
                        struct feedback *feedback)
{
    const struct models_copy *models = models_read(api->models, slot->number);

    for (size_t i = 0; i < grant->n_models; i++) {
        const struct served *served = models_find(models, grant->model[i]);
        feedback->model[i] = served != NULL ? served->id : 0;
    }
    models_done(api->models, slot->number, models);
    feedback->gate.model = feedback->model;
    feedback->gate.n_models = grant->n_models;
}

static bool has_counts(const struct caps_rules *caps)
{
    return caps->events_per_minute > 0 || caps->user_per_minute > 0 || caps->item_per_minute > 0;
}

/* What the call's token has to do with its events. @return false: out of memory. */
static bool set_gate(struct api *api, struct api_slot *slot, const struct api_call *call,
                     struct feedback *feedback)
{
    const struct token_grant *grant = &call->grant;

    feedback->caps = grant->caps;
    feedback->gate.token = grant->kid;
    feedback->gate.once = grant->caps.once != 0;
    if (grant->n_models > 0) {
        find_models(api, slot, grant, feedback);
    }
    if (has_counts(&grant->caps)) {
        feedback->gate.take = take_event;
        feedback->gate.context = feedback;
        feedback->counted = calloc(feedback->base.job.weight, sizeof *feedback->counted);
        return feedback->counted != NULL;
    }
    return true;
}

static bool read_request(struct api *api, struct api_slot *slot, struct api_call *call,
                         struct feedback *feedback, struct problem *problem)
{
    if (!codec_feedback_read(call->body, call->body_n, api_is_ndjson(call), call->lenient,
                             &slot->list.memory, &feedback->request, problem) ||
        !access_take_events(api->access, &call->grant, feedback->request.n, problem)) {
        return false;
    }
    feedback->base.job.weight = feedback->request.n > 0 ? feedback->request.n : 1;
    feedback->status = calloc(feedback->base.job.weight, sizeof *feedback->status);
    return (feedback->status != NULL && set_gate(api, slot, call, feedback)) ||
           problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
}

bool api_feedback(struct api *api, struct api_slot *slot, struct api_call *call)
{
    struct feedback *feedback = calloc(1, sizeof *feedback);
    struct problem problem = {0};

    if (feedback == NULL) {
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
    }
    *feedback = (struct feedback){.base = {.job = {.run = feedback_run, .bytes = call->body_n},
                                           .answer = feedback_answer,
                                           .committed = count_events,
                                           .free = feedback_free},
                                  .api = api};
    if (!read_request(api, slot, call, feedback, &problem)) {
        feedback_free(&feedback->base);
        return api_problem(call, &problem);
    }
    return api_park_job(api, call, &feedback->base);
}
