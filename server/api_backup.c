/*
 * POST /v1/backup: a copy of the database while it is written; answered when it is whole, checked and
 * on stable storage.
 */
#include "api_impl.h"
#include "codec.h"

#include <stdio.h>
#include <stdlib.h>

struct backing_up {
    struct backup_job job;
    struct api_call *call;
};

static void write_answer(const struct backup_job *job, struct emit *out)
{
    emit_open(out, '{');
    emit_key(out, "path");
    emit_string(out, job->path);
    emit_key(out, "bytes");
    emit_integer(out, job->made.bytes);
    emit_key(out, "seq");
    emit_integer(out, job->made.seq);
    emit_key(out, "time");
    emit_time(out, job->time_ms);
    emit_key(out, "took_ms");
    emit_integer(out, job->took_ms);
    emit_close(out, '}');
}

static void backup_done(struct backup_job *job)
{
    struct api_call *call = ((struct backing_up *)job)->call;
    const struct writer_outcome failure = {.err = job->err, .trouble = job->made.trouble};

    if (job->err.status == RK_OK) {
        write_answer(job, &call->answer);
        (void)api_answer(call, 200);
    } else if (job->err.status == RK_INVALID) {
        (void)api_fail(call, PROBLEM_BACKUP_EXISTS, "choose another name, or none");
    } else if (job->err.status == RK_BUSY) {
        (void)api_fail(call, PROBLEM_DRAINING, "the server is stopping: the backup was given up");
    } else {
        (void)api_outcome_problem(call, &failure);
    }
    free(job);
    call->finish(call);
}

/* {"name": "x.db"}, or no body. */
static bool read_name(const struct api_call *call, char name[BACKUP_NAME_MAX + 1],
                      struct problem *problem)
{
    static const char *const members[] = {"name", NULL};
    struct json_document document = {0};
    struct json_node root, node;
    const char *text;
    size_t n;
    bool read;

    if (call->body_n == 0) {
        return true;
    }
    read = json_parse(call->body, call->body_n, CODEC_BUDGET, &document, &root, problem) &&
           json_only(&root, members, call->lenient, problem);
    if (read && json_member(&root, "name", &node)) {
        read =
            json_as_string(&node, 1, BACKUP_NAME_MAX, &text, &n, problem) &&
            (backup_name_is_good(text) ||
             json_problem(&node, PROBLEM_VALIDATION_FAILED, problem,
                          "is a plain file name: letters, digits and . _ -, a letter, a digit or "
                          "_ first"));
        if (read) {
            (void)snprintf(name, BACKUP_NAME_MAX + 1, "%s", text);
        }
    }
    json_close(&document);
    return read;
}

bool api_backup(struct api *api, struct api_slot *slot, struct api_call *call)
{
    struct backing_up *backing_up = calloc(1, sizeof *backing_up);
    struct problem problem = {0};

    (void)slot;
    if (backing_up == NULL) {
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
    }
    *backing_up = (struct backing_up){.job = {.done = backup_done}, .call = call};
    if (!read_name(call, backing_up->job.name, &problem)) {
        free(backing_up);
        return api_problem(call, &problem);
    }
    call->park(call);
    if (!backup_submit(api->backup, &backing_up->job)) {
        free(backing_up);
        (void)api_fail(call, PROBLEM_BACKUP_RUNNING, "one is under way");
        call->finish(call);
    }
    return false;
}
