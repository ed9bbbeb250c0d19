/*
 * /v1/models/{name}/versions: what is stored of a model, given out and taken in as safetensors.
 */
#include "api_impl.h"
#include "codec_version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool get_versions(struct api *api, struct api_slot *slot, struct api_call *call,
                         const struct served *served)
{
    const int64_t version = live_version(&served->live);
    struct store_checkpoint *rows = NULL;
    struct rk_error err = {0};
    size_t n = 0;

    (void)api;
    if (store_list_checkpoints(slot->store, served->id, &rows, &n, &err) != RK_OK) {
        return api_error(call, &err);
    }
    emit_open(&call->answer, '{');
    emit_key(&call->answer, "versions");
    emit_open(&call->answer, '[');
    for (size_t i = 0; i < n; i++) {
        codec_version_write(&rows[i], rows[i].version == version, &call->answer);
        free(rows[i].metrics);
    }
    free(rows);
    emit_close(&call->answer, ']');
    emit_close(&call->answer, '}');
    return api_answer(call, 200);
}

bool api_versions(struct api *api, struct api_slot *slot, struct api_call *call)
{
    return api_with_model(api, slot, call, get_versions);
}

/* ---- in ---- */

static void answer_import(struct api_waiting *waiting)
{
    const struct trainer_command *command = &waiting->command;

    codec_version_write(&command->row, command->row.version == command->served_version,
                        &waiting->call->answer);
    (void)snprintf(waiting->call->location, sizeof waiting->call->location,
                   "/v1/models/%s/versions/%lld", command->model, (long long)command->row.version);
    (void)api_answer(waiting->call, 201);
}

/* ?activate=0 or 1, which is the default. Anything else might have meant either. */
static bool read_activate(struct api_call *call, bool *activate)
{
    char value[8];
    const bool given = api_query(call, "activate", value, sizeof value);

    *activate = !given || strcmp(value, "1") == 0 || strcmp(value, "true") == 0;
    return *activate || strcmp(value, "0") == 0 || strcmp(value, "false") == 0 ||
           !api_fail(call, PROBLEM_BAD_REQUEST, "activate is 0 or 1");
}

/* The body stays where it is until the trainer has read it. */
static bool put_version(struct api *api, struct api_slot *slot, struct api_call *call,
                        const struct served *served)
{
    struct api_waiting *waiting;
    bool activate;

    (void)slot;
    (void)served;
    if (!read_activate(call, &activate)) {
        return true;
    }
    waiting = api_waiting_create(api, call, TRAINER_IMPORT, answer_import);
    if (waiting == NULL) {
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
    }
    waiting->command.bytes = call->body;
    waiting->command.n = call->body_n;
    waiting->command.activate = activate;
    return api_park_command(api, call, &waiting->command);
}

bool api_version_put(struct api *api, struct api_slot *slot, struct api_call *call)
{
    return api_with_model(api, slot, call, put_version);
}

/* ---- out ---- */

static void answer_export(struct api_waiting *waiting)
{
    struct checkpoint_bytes *file = &waiting->command.file;
    struct api_call *call = waiting->call;

    call->answer.limit = file->n;
    emit_raw(&call->answer, file->bytes, file->n);
    free(file->bytes);
    call->answer_type = API_TENSOR_FILE;
    (void)api_answer(call, 200);
}

static bool get_version(struct api *api, struct api_slot *slot, struct api_call *call,
                        const struct served *served)
{
    struct api_waiting *waiting;
    int64_t version;

    (void)slot;
    (void)served;
    if (!api_whole(call->param[1], &version)) {
        return api_fail(call, PROBLEM_UNKNOWN_VERSION, "a version is a whole number");
    }
    waiting = api_waiting_create(api, call, TRAINER_EXPORT, answer_export);
    if (waiting == NULL) {
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
    }
    waiting->command.version = version;
    waiting->command.optimizer = api_query_flag(call, "optimizer");
    return api_park_command(api, call, &waiting->command);
}

bool api_version_get(struct api *api, struct api_slot *slot, struct api_call *call)
{
    return api_with_model(api, slot, call, get_version);
}
