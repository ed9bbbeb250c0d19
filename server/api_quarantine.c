/*
 * Lists a model did not learn from because that would have harmed it: listed with the reason, and
 * taken again on request.
 */
#include "api_impl.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000

/* ---- the list ---- */

static void write_entry(const struct store_step *step, int64_t retried, struct emit *out)
{
    emit_open(out, '{');
    emit_key(out, "id");
    emit_integer(out, step->id);
    emit_key(out, "time");
    emit_time(out, step->time_ms);
    emit_key(out, "outcome");
    emit_string(out, store_outcome_text(step->outcome));
    emit_key(out, "reason");
    emit_string(out, step->reason);
    emit_key(out, "version");
    emit_integer(out, step->version);
    emit_key(out, "lists");
    emit_json(out, step->quarantined, strlen(step->quarantined));
    emit_key(out, "retry_of");
    if (step->retry > 0) {
        emit_integer(out, step->retry);
    } else {
        emit_null(out);
    }
    emit_key(out, "retried_by");
    if (retried > 0) {
        emit_integer(out, retried);
    } else {
        emit_null(out);
    }
    emit_close(out, '}');
}

static void write_entries(struct store_step *steps, const int64_t *retried, size_t n,
                          const struct served *served, struct emit *out)
{
    emit_open(out, '{');
    emit_key(out, "model");
    emit_string(out, served->name);
    emit_key(out, "quarantine");
    emit_open(out, '[');
    for (size_t i = 0; i < n; i++) {
        write_entry(&steps[i], retried[i], out);
        free(steps[i].quarantined);
    }
    emit_close(out, ']');
    emit_close(out, '}');
}

/* @return true: answered, for a parameter is wrong. */
static bool read_page(struct api_call *call, int64_t *before, int64_t *limit)
{
    char text[24];

    *before = 0;
    *limit = LIMIT_DEFAULT;
    if (api_query(call, "before", text, sizeof text) && !api_whole(text, before)) {
        return api_fail(call, PROBLEM_VALIDATION_FAILED, "before is an id of this list");
    }
    if (api_query(call, "limit", text, sizeof text) &&
        (!api_whole(text, limit) || *limit < 1 || *limit > LIMIT_MAX)) {
        return api_fail(call, PROBLEM_VALIDATION_FAILED, "limit must be 1 to %d", LIMIT_MAX);
    }
    return false;
}

static bool list_quarantine(struct api *api, struct api_slot *slot, struct api_call *call,
                            const struct served *served)
{
    int64_t before, limit;
    struct rk_error err = {0};
    struct store_step *steps;
    int64_t *retried;
    size_t n;

    (void)api;
    if (read_page(call, &before, &limit)) {
        return true;
    }
    n = (size_t)limit;
    steps = calloc(n, sizeof *steps);
    retried = calloc(n, sizeof *retried);
    if (steps == NULL || retried == NULL) {
        (void)api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for the answer");
    } else if (store_list_quarantine(slot->store, served->id, before, steps, retried, &n, &err) !=
               RK_OK) {
        (void)api_error(call, &err);
    } else {
        write_entries(steps, retried, n, served, &call->answer);
        (void)api_answer(call, 200);
    }
    free(retried);
    free(steps);
    return true;
}

bool api_quarantine(struct api *api, struct api_slot *slot, struct api_call *call)
{
    return api_with_model(api, slot, call, list_quarantine);
}

/* ---- once more ---- */

static void answer_retry(struct api_waiting *waiting)
{
    const struct trainer_command *command = &waiting->command;
    struct emit *out = &waiting->call->answer;

    emit_open(out, '{');
    emit_key(out, "model");
    emit_string(out, command->model);
    emit_key(out, "step");
    emit_integer(out, command->step);
    emit_key(out, "outcome");
    emit_string(out, store_outcome_text(command->outcome));
    emit_key(out, "lists");
    emit_integer(out, command->lists);
    emit_key(out, "version");
    emit_integer(out, command->served_version);
    emit_close(out, '}');
    (void)api_answer(waiting->call, 200);
}

static bool retry(struct api *api, struct api_slot *slot, struct api_call *call,
                  const struct served *served)
{
    struct api_waiting *waiting;
    int64_t id;

    (void)slot;
    (void)served;
    if (!api_whole(call->param[1], &id)) {
        return api_fail(call, PROBLEM_UNKNOWN_QUARANTINE, "an id of this list is a whole number");
    }
    waiting = api_waiting_create(api, call, TRAINER_RETRY, answer_retry);
    if (waiting == NULL) {
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
    }
    waiting->command.step = id;
    return api_park_command(api, call, &waiting->command);
}

bool api_quarantine_retry(struct api *api, struct api_slot *slot, struct api_call *call)
{
    return api_with_model(api, slot, call, retry);
}
