/*
 * How answers are made: JSON, problems (RFC 9457), and parking for what has to wait.
 */
#include "api_impl.h"
#include "storage.h"

#include <stdarg.h>
#include <stdio.h>

bool api_answer(struct api_call *call, int status)
{
    struct problem problem = {0};

    if (call->answer.failed) {
        problem_set(&problem, PROBLEM_OUT_OF_MEMORY, "no memory for the answer");
        return api_problem(call, &problem);
    }
    call->status = status;
    if (call->answer_type == NULL) {
        call->answer_type = "application/json";
    }
    return true;
}

void api_write_problem(const struct api_call *call, const struct problem *problem, struct emit *out)
{
    char type[64];

    (void)snprintf(type, sizeof type, "/problems/%s", problem_slug(problem->kind));
    emit_open(out, '{');
    emit_key(out, "type");
    emit_string(out, type);
    emit_key(out, "title");
    emit_string(out, problem_title(problem->kind));
    emit_key(out, "status");
    emit_integer(out, problem_status(problem->kind));
    emit_key(out, "detail");
    emit_string(out, problem->detail);
    emit_key(out, "instance");
    emit_string(out, call->request_id != NULL ? call->request_id : "");
    if (problem->has_pointer) {
        emit_key(out, "errors");
        emit_open(out, '[');
        emit_open(out, '{');
        emit_key(out, "pointer");
        emit_string(out, problem->pointer);
        emit_key(out, "detail");
        emit_string(out, problem->detail);
        emit_close(out, '}');
        emit_close(out, ']');
    }
    emit_close(out, '}');
}

bool api_problem(struct api_call *call, const struct problem *problem)
{
    struct problem short_of_memory = {0};

    problem_set(&short_of_memory, PROBLEM_OUT_OF_MEMORY, "no memory for the answer");
    call->answer.limit = 0;
    emit_reset(&call->answer);
    api_write_problem(call, problem, &call->answer);
    if (call->answer.failed) { /* this one fits into the room of every call */
        problem = &short_of_memory;
        emit_reset(&call->answer);
        api_write_problem(call, problem, &call->answer);
    }
    call->status = problem_status(problem->kind);
    call->answer_type = "application/problem+json";
    call->retry_after_s =
        problem->retry_after_s > 0 ? problem->retry_after_s : problem_retry_after_s(problem->kind);
    return true;
}

void api_refuse(struct api_call *call, const struct problem *problem)
{
    call->route = SIZE_MAX;
    (void)api_problem(call, problem);
}

bool api_fail(struct api_call *call, enum problem_kind kind, const char *format, ...)
{
    struct problem problem = {0};
    char detail[sizeof problem.detail];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    problem_set(&problem, kind, "%s", detail);
    return api_problem(call, &problem);
}

bool api_error(struct api_call *call, const struct rk_error *err)
{
    struct problem problem = {0};

    problem_from_error(&problem, err);
    return api_problem(call, &problem);
}

bool api_outcome_problem(struct api_call *call, const struct writer_outcome *outcome)
{
    if (outcome->err.status == RK_BUSY) {
        return api_fail(call, PROBLEM_OVERLOADED, "%s", outcome->err.text);
    }
    if (outcome->err.status == RK_NOMEM) {
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory to write");
    }
    return api_fail(call, storage_problem(outcome->trouble),
                    "nothing of this request counts as stored; sending it again is safe");
}

/* In a thread of the writer, which lets nobody else at the job meanwhile. */
static void answer_late(struct writer_job *job)
{
    static const struct writer_outcome slow = {.err = {.status = RK_IO}, .trouble = STORE_SLOW};
    struct api_job *late = (struct api_job *)job;
    struct api_call *call = late->call;

    late->call = NULL;
    (void)api_outcome_problem(call, &slow);
    call->finish(call);
}

static void job_done(struct writer_job *job, const struct writer_outcome *outcome)
{
    struct api_job *done = (struct api_job *)job;
    struct api_call *call = done->call;

    if (outcome->err.status == RK_OK && done->committed != NULL) {
        done->committed(done);
    }
    if (call != NULL) {
        done->answer(done, call, outcome);
    }
    done->free(done);
    if (call != NULL) {
        call->finish(call);
    }
}

bool api_park_job(struct api *api, struct api_call *call, struct api_job *job)
{
    job->call = call;
    job->job.done = job_done;
    job->job.late = answer_late;
    call->park(call);
    if (!writer_submit(api->writer, &job->job)) {
        job_done(&job->job, &job->job.outcome);
    }
    return false;
}

bool api_park_command(struct api *api, struct api_call *call, struct trainer_command *command)
{
    call->park(call);
    if (!trainer_submit(api->trainer, command)) {
        problem_set(&command->problem, PROBLEM_DRAINING, "the server is stopping");
        command->done(command);
    }
    return false;
}

void api_call_deinit(struct api_call *call)
{
    emit_deinit(&call->answer);
}
