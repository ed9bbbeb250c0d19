/*
 * /v1/models: what is served and how it is configured. Changes are commands to the trainer.
 */
#include "api_impl.h"
#include "codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void write_model(const struct served *served, struct emit *out)
{
    const char *config = served->config_text;
    const bool behind = atomic_load(&served->behind); /* before the version that it speaks of */

    emit_open(out, '{');
    emit_key(out, "name");
    emit_string(out, served->name);
    emit_key(out, "config");
    emit_json(out, config, strlen(config));
    emit_key(out, "version");
    emit_integer(out, live_version(&served->live));
    emit_key(out, "parameters");
    emit_integer(out, (int64_t)rk_model_learned(served->model));
    emit_key(out, "bytes"); /* the statistics of numbers are in them too */
    emit_integer(out, (int64_t)(rk_model_params(served->model) * sizeof(float)));
    emit_key(out, "training");
    emit_open(out, '{');
    emit_key(out, "state");
    emit_string(out, served_state_text(served));
    emit_key(out, "behind");
    emit_boolean(out, behind);
    emit_close(out, '}');
    emit_close(out, '}');
}

bool api_models_list(struct api *api, struct api_slot *slot, struct api_call *call)
{
    const struct models_copy *models = models_read(api->models, slot->number);

    emit_open(&call->answer, '{');
    emit_key(&call->answer, "models");
    emit_open(&call->answer, '[');
    for (size_t i = 0; i < models->n; i++) {
        if (token_reaches(&call->grant, models->model[i]->name)) {
            write_model(models->model[i], &call->answer);
        }
    }
    emit_close(&call->answer, ']');
    emit_close(&call->answer, '}');
    models_done(api->models, slot->number, models);
    return api_answer(call, 200);
}

bool api_with_model(struct api *api, struct api_slot *slot, struct api_call *call,
                    api_model_handler handle)
{
    const struct models_copy *models = models_read(api->models, slot->number);
    const struct served *served = models_find(models, call->param[0]);
    const bool answered =
        served != NULL ? handle(api, slot, call, served)
                       : api_fail(call, PROBLEM_UNKNOWN_MODEL, "there is no model of this name");

    models_done(api->models, slot->number, models);
    return answered;
}

static bool get_model(struct api *api, struct api_slot *slot, struct api_call *call,
                      const struct served *served)
{
    (void)api;
    (void)slot;
    write_model(served, &call->answer);
    return api_answer(call, 200);
}

bool api_model_get(struct api *api, struct api_slot *slot, struct api_call *call)
{
    return api_with_model(api, slot, call, get_model);
}

/* ---- commands ---- */

static void waiting_done(struct trainer_command *command)
{
    struct api_waiting *waiting = (struct api_waiting *)command;
    struct api_call *call = waiting->call;

    if (call != NULL && command->problem.kind != PROBLEM_NONE) {
        (void)api_problem(call, &command->problem);
    } else if (call != NULL) {
        waiting->answer(waiting);
    }
    free(waiting);
    if (call != NULL) {
        call->finish(call);
    }
}

struct api_waiting *api_waiting_create(struct api *api, struct api_call *call,
                                       enum trainer_verb verb, void (*answer)(struct api_waiting *))
{
    struct api_waiting *waiting = calloc(1, sizeof *waiting);

    if (waiting != NULL) {
        *waiting = (struct api_waiting){.command = {.verb = verb, .done = waiting_done},
                                        .api = api,
                                        .call = call,
                                        .answer = answer};
        /* It fits: it is a model's, or was checked to be a name. */
        (void)snprintf(waiting->command.model, sizeof waiting->command.model, "%.*s",
                       STORE_NAME_MAX, call->param[0]);
    }
    return waiting;
}

/*
 * The model as it is after the command. In the trainer thread, which is the only one that changes
 * the table: no slot is needed.
 */
static void answer_model(struct api_waiting *waiting)
{
    const struct served *served =
        models_find(models_now(waiting->api->models), waiting->command.model);

    if (served != NULL) {
        write_model(served, &waiting->call->answer);
    }
    (void)api_answer(waiting->call, waiting->command.created ? 201 : 200);
}

static void answer_nothing(struct api_waiting *waiting)
{
    (void)api_answer(waiting->call, 204);
}

/* Where a training that goes on can be looked at. */
static void write_location(struct api_call *call, const char *model)
{
    (void)snprintf(call->location, sizeof call->location, "/v1/models/%s/training", model);
}

static void answer_train(struct api_waiting *waiting)
{
    const struct trainer_command *command = &waiting->command;
    struct emit *out = &waiting->call->answer;

    emit_open(out, '{');
    emit_key(out, "model");
    emit_string(out, command->model);
    emit_key(out, "version");
    emit_integer(out, command->served_version);
    emit_key(out, "steps");
    emit_integer(out, command->steps);
    emit_key(out, "lists");
    emit_integer(out, command->lists);
    emit_close(out, '}');
    if (command->unfinished) {
        write_location(waiting->call, command->model);
    }
    (void)api_answer(waiting->call, command->unfinished ? 202 : 200);
}

/* ?from_seq=N: how far back in the log a new model starts to learn. */
static bool read_from_seq(const struct api_call *call, struct trainer_command *command,
                          struct problem *problem)
{
    char text[20];

    command->goes_back = api_query(call, "from_seq", text, sizeof text);
    return !command->goes_back || api_whole(text, &command->from_seq) ||
           problem_set(problem, PROBLEM_VALIDATION_FAILED, "from_seq is a log position");
}

bool api_model_put(struct api *api, struct api_slot *slot, struct api_call *call)
{
    struct api_waiting *waiting;
    struct json_document document = {0};
    struct json_node root;
    struct problem problem = {0};
    bool read;

    (void)slot;
    if (!model_name_valid(call->param[0])) {
        return api_fail(call, PROBLEM_INVALID_MODEL,
                        "a model's name is 1 to %d of a-z, 0-9, _ and -", MODEL_NAME_MAX);
    }
    waiting = api_waiting_create(api, call, TRAINER_CREATE, answer_model);
    if (waiting == NULL) {
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
    }
    read = read_from_seq(call, &waiting->command, &problem) &&
           json_parse(call->body, call->body_n, CODEC_BUDGET, &document, &root, &problem) &&
           model_config_read(&root, call->lenient, &waiting->command.config, &problem);
    json_close(&document);
    if (!read) {
        free(waiting);
        return api_problem(call, &problem);
    }
    return api_park_command(api, call, &waiting->command);
}

/* A command that needs nothing but the model's name. */
static bool command(struct api *api, struct api_call *call, enum trainer_verb verb,
                    void (*answer)(struct api_waiting *))
{
    struct api_waiting *waiting = api_waiting_create(api, call, verb, answer);

    if (waiting == NULL) {
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
    }
    return api_park_command(api, call, &waiting->command);
}

static bool delete_model(struct api *api, struct api_slot *slot, struct api_call *call,
                         const struct served *served)
{
    (void)slot;
    if (strcmp(served->name, "default") == 0) {
        return api_fail(call, PROBLEM_DEFAULT_MODEL, "it answers requests that name no model");
    }
    return command(api, call, TRAINER_DELETE, answer_nothing);
}

bool api_model_delete(struct api *api, struct api_slot *slot, struct api_call *call)
{
    return api_with_model(api, slot, call, delete_model);
}

static bool patch_model(struct api *api, struct api_slot *slot, struct api_call *call,
                        const struct served *served)
{
    struct api_waiting *waiting = api_waiting_create(api, call, TRAINER_CONFIGURE, answer_model);

    (void)slot;
    (void)served;
    if (waiting == NULL) {
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
    }
    waiting->command.bytes = call->body;
    waiting->command.n = call->body_n;
    waiting->command.lenient = call->lenient;
    return api_park_command(api, call, &waiting->command);
}

bool api_model_patch(struct api *api, struct api_slot *slot, struct api_call *call)
{
    return api_with_model(api, slot, call, patch_model);
}

/* What stops these commands for good is looked at before they queue up. */
static bool check_enabled(struct api_call *call, const struct served *served)
{
    return served->enabled ||
           !api_fail(call, PROBLEM_TRAINING_DISABLED, "training.enabled is false");
}

static bool pause_model(struct api *api, struct api_slot *slot, struct api_call *call,
                        const struct served *served)
{
    (void)slot;
    return !check_enabled(call, served) || command(api, call, TRAINER_PAUSE, answer_model);
}

static bool resume_model(struct api *api, struct api_slot *slot, struct api_call *call,
                         const struct served *served)
{
    (void)slot;
    return !check_enabled(call, served) || command(api, call, TRAINER_RESUME, answer_model);
}

bool api_pause(struct api *api, struct api_slot *slot, struct api_call *call)
{
    return api_with_model(api, slot, call, pause_model);
}

bool api_resume(struct api *api, struct api_slot *slot, struct api_call *call)
{
    return api_with_model(api, slot, call, resume_model);
}

/* Without ?wait=1 the command goes its way, and the answer says where to look. */
static bool start_training(struct api *api, struct api_slot *slot, struct api_call *call,
                           const struct served *served)
{
    struct api_waiting *waiting;

    (void)slot;
    if (!check_enabled(call, served)) {
        return true;
    }
    if (atomic_load(&served->state) == MODEL_PAUSED) {
        return api_fail(call, PROBLEM_TRAINING_PAUSED, "resume it first");
    }
    waiting = api_waiting_create(api, call, TRAINER_TRAIN, answer_train);
    if (waiting == NULL) {
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
    }
    waiting->call = NULL;
    if (!trainer_submit(api->trainer, &waiting->command)) {
        free(waiting);
        return api_fail(call, PROBLEM_DRAINING, "the server is stopping");
    }
    write_location(call, served->name);
    emit_open(&call->answer, '{');
    emit_key(&call->answer, "model");
    emit_string(&call->answer, served->name);
    emit_key(&call->answer, "state");
    emit_string(&call->answer, "running");
    emit_close(&call->answer, '}');
    return api_answer(call, 202);
}

static bool train_model(struct api *api, struct api_slot *slot, struct api_call *call,
                        const struct served *served)
{
    return api_query_flag(call, "wait") ? command(api, call, TRAINER_TRAIN, answer_train)
                                        : start_training(api, slot, call, served);
}

bool api_train(struct api *api, struct api_slot *slot, struct api_call *call)
{
    return api_with_model(api, slot, call, train_model);
}

/* {"version": 17} */
static bool read_version(const struct api_call *call, int64_t *number, struct problem *problem)
{
    static const char *const members[] = {"version", NULL};
    struct json_document document = {0};
    struct json_node root, version;
    bool read = json_parse(call->body, call->body_n, CODEC_BUDGET, &document, &root, problem) &&
                json_only(&root, members, call->lenient, problem);

    if (read && !json_member(&root, "version", &version)) {
        read = json_problem(&root, PROBLEM_VALIDATION_FAILED, problem, "needs version");
    }
    read = read && json_as_integer(&version, 0, (int64_t)1 << 53, number, problem);
    json_close(&document);
    return read;
}

static bool activate_model(struct api *api, struct api_slot *slot, struct api_call *call,
                           const struct served *served)
{
    struct problem problem = {0};
    struct api_waiting *waiting;
    int64_t version = 0;

    (void)slot;
    (void)served;
    if (!read_version(call, &version, &problem)) {
        return api_problem(call, &problem);
    }
    waiting = api_waiting_create(api, call, TRAINER_ACTIVATE, answer_model);
    if (waiting == NULL) {
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
    }
    waiting->command.version = version;
    return api_park_command(api, call, &waiting->command);
}

bool api_activate(struct api *api, struct api_slot *slot, struct api_call *call)
{
    return api_with_model(api, slot, call, activate_model);
}
