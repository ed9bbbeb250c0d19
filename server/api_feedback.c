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
};

static enum rk_status feedback_run(struct writer_job *job, struct store *store,
                                   struct rk_error *err)
{
    struct feedback *feedback = (struct feedback *)job;
    const int64_t now_ms = clock_unix_ms();
    const int64_t ttl_ms = feedback->api->options->feedback_ttl_s * 1000;
    enum rk_status status = RK_OK;

    for (size_t i = 0; i < feedback->request.n && status == RK_OK; i++) {
        status = store_put_event(store, &feedback->request.event[i], now_ms, ttl_ms,
                                 &feedback->status[i], err);
    }
    return status;
}

static void count_events(struct api_job *job)
{
    const struct feedback *feedback = (struct feedback *)job;

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

    codec_feedback_close(&feedback->request);
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

bool api_feedback(struct api *api, struct api_slot *slot, struct api_call *call)
{
    struct feedback *feedback = calloc(1, sizeof *feedback);
    struct problem problem = {0};

    (void)slot;
    if (feedback == NULL) {
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
    }
    *feedback = (struct feedback){.base = {.job = {.run = feedback_run, .bytes = call->body_n},
                                           .answer = feedback_answer,
                                           .committed = count_events,
                                           .free = feedback_free},
                                  .api = api};
    if (!codec_feedback_read(call->body, call->body_n, api_is_ndjson(call), call->lenient,
                             &slot->list.memory, &feedback->request, &problem)) {
        feedback_free(&feedback->base);
        return api_problem(call, &problem);
    }
    feedback->base.job.weight = feedback->request.n > 0 ? feedback->request.n : 1;
    feedback->status = calloc(feedback->base.job.weight, sizeof *feedback->status);
    if (feedback->status == NULL) {
        feedback_free(&feedback->base);
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
    }
    return api_park_job(api, call, &feedback->base);
}
