/*
 * /v1/models: what is served, how it is configured and how it learns. Changes are commands to the
 * trainer.
 */
#include "api_impl.h"
#include "codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_SHOWN   20
#define STEPS_READ    1024 /* for the progressive metrics */
#define CONFIG_BUDGET (CODEC_JSON_FACTOR * API_BODY_SMALL)

static void write_model(const struct served *served, struct emit *out)
{
    emit_open(out, '{');
    emit_key(out, "name");
    emit_string(out, served->name);
    emit_key(out, "config");
    emit_json(out, served->config_text, strlen(served->config_text));
    emit_key(out, "version");
    emit_integer(out, live_version(&served->live));
    emit_key(out, "parameters");
    emit_integer(out, (int64_t)rk_model_params(served->model));
    emit_key(out, "bytes");
    emit_integer(out, (int64_t)(rk_model_params(served->model) * sizeof(float)));
    emit_key(out, "training");
    emit_open(out, '{');
    emit_key(out, "state");
    emit_string(out, served_state_text(served));
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
        write_model(models->model[i], &call->answer);
    }
    emit_close(&call->answer, ']');
    emit_close(&call->answer, '}');
    models_done(api->models, slot->number, models);
    return api_answer(call, 200);
}

/* Answers with what `write` makes of the model of the path. */
static bool with_model(struct api *api, struct api_slot *slot, struct api_call *call,
                       bool (*write)(struct api *api, struct api_slot *slot, struct api_call *call,
                                     const struct served *served))
{
    const struct models_copy *models = models_read(api->models, slot->number);
    const struct served *served = models_find(models, call->param[0]);
    const bool answered =
        served != NULL ? write(api, slot, call, served)
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
    return with_model(api, slot, call, get_model);
}

/* ---- versions ---- */

static void write_version(const struct store_checkpoint *row, bool served, struct emit *out)
{
    emit_open(out, '{');
    emit_key(out, "version");
    emit_integer(out, row->version);
    emit_key(out, "parent");
    emit_integer(out, row->parent);
    emit_key(out, "source");
    emit_string(out, store_source_text(row->source));
    emit_key(out, "time");
    emit_time(out, row->time_ms);
    emit_key(out, "seq");
    emit_integer(out, row->seq);
    emit_key(out, "bytes");
    emit_integer(out, row->bytes);
    emit_key(out, "sha256");
    emit_hex(out, row->sha256, sizeof row->sha256);
    emit_key(out, "metrics");
    emit_json(out, row->metrics, strlen(row->metrics));
    emit_key(out, "served");
    emit_boolean(out, served);
    emit_close(out, '}');
}

static bool get_versions(struct api *api, struct api_slot *slot, struct api_call *call,
                         const struct served *served)
{
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
        write_version(&rows[i], rows[i].version == live_version(&served->live), &call->answer);
        free(rows[i].metrics);
    }
    free(rows);
    emit_close(&call->answer, ']');
    emit_close(&call->answer, '}');
    return api_answer(call, 200);
}

bool api_versions(struct api *api, struct api_slot *slot, struct api_call *call)
{
    return with_model(api, slot, call, get_versions);
}

/* ---- training ---- */

static void write_mean(struct emit *out, const char *key, double sum, int64_t n)
{
    emit_key(out, key);
    if (n > 0) {
        emit_double(out, sum / (double)n);
    } else {
        emit_null(out);
    }
}

static void write_step(const struct store_step *step, struct emit *out)
{
    emit_open(out, '{');
    emit_key(out, "time");
    emit_time(out, step->time_ms);
    emit_key(out, "version");
    emit_integer(out, step->version);
    emit_key(out, "outcome");
    emit_string(out, store_outcome_text(step->outcome));
    if (step->reason[0] != '\0') {
        emit_key(out, "reason");
        emit_string(out, step->reason);
    }
    if (step->quarantined != NULL) {
        emit_key(out, "quarantined");
        emit_json(out, step->quarantined, strlen(step->quarantined));
    }
    emit_key(out, "seq");
    emit_open(out, '[');
    emit_integer(out, step->from_seq + 1);
    emit_integer(out, step->to_seq);
    emit_close(out, ']');
    emit_key(out, "lists");
    emit_integer(out, step->lists);
    emit_key(out, "pairs");
    emit_integer(out, step->pairs);
    emit_key(out, "loss");
    emit_double(out, step->loss);
    emit_key(out, "gradient_norm");
    emit_double(out, step->grad_norm);
    write_mean(out, "ndcg@10", step->ndcg, step->ndcg_n);
    write_mean(out, "auc", step->auc, step->auc_n);
    write_mean(out, "log_loss", step->log_loss, step->log_loss_n);
    emit_close(out, '}');
}

/* Means over the newest steps. */
static void write_progressive(const struct store_step *steps, size_t n, struct emit *out)
{
    struct store_step sum = {0};

    for (size_t i = 0; i < n; i++) {
        sum.lists += steps[i].lists;
        sum.ndcg += steps[i].ndcg;
        sum.ndcg_n += steps[i].ndcg_n;
        sum.auc += steps[i].auc;
        sum.auc_n += steps[i].auc_n;
        sum.log_loss += steps[i].log_loss;
        sum.log_loss_n += steps[i].log_loss_n;
    }
    emit_key(out, "progressive");
    emit_open(out, '{');
    emit_key(out, "lists");
    emit_integer(out, sum.lists);
    write_mean(out, "ndcg@10", sum.ndcg, sum.ndcg_n);
    write_mean(out, "auc", sum.auc, sum.auc_n);
    write_mean(out, "log_loss", sum.log_loss, sum.log_loss_n);
    emit_close(out, '}');
}

static void write_training(const struct api *api, const struct served *served,
                           const struct store_step *steps, size_t n, struct emit *out)
{
    const int64_t position = atomic_load(&served->position);
    const int64_t log_end = writer_log_end(api->writer);

    emit_open(out, '{');
    emit_key(out, "model");
    emit_string(out, served->name);
    emit_key(out, "state");
    emit_string(out, served_state_text(served));
    emit_key(out, "version");
    emit_integer(out, live_version(&served->live));
    emit_key(out, "seq");
    emit_integer(out, position);
    emit_key(out, "log_end");
    emit_integer(out, log_end);
    emit_key(out, "lag");
    emit_integer(out, log_end > position ? log_end - position : 0);
    write_progressive(steps, n, out);
    emit_key(out, "steps");
    emit_open(out, '[');
    for (size_t i = 0; i < n && i < STEPS_SHOWN; i++) {
        write_step(&steps[i], out);
    }
    emit_close(out, ']');
    emit_key(out, "freshness_s");
    emit_open(out, '{');
    emit_key(out, "p50");
    emit_double(out, metrics_quantile(&api->metrics->freshness, 0.5));
    emit_key(out, "p99");
    emit_double(out, metrics_quantile(&api->metrics->freshness, 0.99));
    emit_close(out, '}');
    emit_close(out, '}');
}

static bool get_training(struct api *api, struct api_slot *slot, struct api_call *call,
                         const struct served *served)
{
    struct store_step *steps = calloc(STEPS_READ, sizeof *steps);
    struct rk_error err = {0};
    size_t n = STEPS_READ;

    if (steps == NULL) {
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for the answer");
    }
    if (store_list_steps(slot->store, served->id, 0, true, steps, &n, &err) != RK_OK) {
        free(steps);
        return api_error(call, &err);
    }
    write_training(api, served, steps, n, &call->answer);
    for (size_t i = 0; i < n; i++) {
        free(steps[i].quarantined);
    }
    free(steps);
    return api_answer(call, 200);
}

bool api_training(struct api *api, struct api_slot *slot, struct api_call *call)
{
    return with_model(api, slot, call, get_training);
}

/* ---- commands ---- */

/* A command and the call that waits for it; call NULL: nobody does. */
struct waiting {
    struct trainer_command command;
    struct api *api;
    struct api_call *call;
    void (*answer)(struct waiting *waiting);
};

static void waiting_done(struct trainer_command *command)
{
    struct waiting *waiting = (struct waiting *)command;
    struct api_call *call = waiting->call;

    if (call != NULL) {
        if (command->problem.kind != PROBLEM_NONE) {
            (void)api_problem(call, &command->problem);
        } else {
            waiting->answer(waiting);
        }
        call->finish(call);
    }
    free(waiting);
}

static struct waiting *waiting_create(struct api *api, struct api_call *call,
                                      enum trainer_verb verb, void (*answer)(struct waiting *))
{
    struct waiting *waiting = calloc(1, sizeof *waiting);

    if (waiting != NULL) {
        *waiting = (struct waiting){.command = {.verb = verb, .done = waiting_done},
                                    .api = api,
                                    .call = call,
                                    .answer = answer};
        (void)snprintf(waiting->command.model, sizeof waiting->command.model, "%.*s",
                       STORE_NAME_MAX, call->param[0]);
    }
    return waiting;
}

/*
 * The model as it is after the command. In the trainer thread, which is the only one that changes
 * the table: no slot is needed.
 */
static void answer_model(struct waiting *waiting)
{
    const struct served *served =
        models_find(models_now(waiting->api->models), waiting->command.model);

    if (served != NULL) {
        write_model(served, &waiting->call->answer);
    }
    (void)api_answer(waiting->call, waiting->command.created ? 201 : 200);
}

static void answer_nothing(struct waiting *waiting)
{
    (void)api_answer(waiting->call, 204);
}

static void answer_train(struct waiting *waiting)
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
    (void)api_answer(waiting->call, command->unfinished ? 202 : 200);
}

static bool is_name(const char *name)
{
    const size_t n = strlen(name);

    return n >= 1 && n <= STORE_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == n;
}

bool api_model_put(struct api *api, struct api_slot *slot, struct api_call *call)
{
    struct waiting *waiting;
    struct json_document document = {0};
    struct json_node root;
    struct problem problem = {0};
    bool read;

    (void)slot;
    if (!is_name(call->param[0])) {
        return api_fail(call, PROBLEM_INVALID_MODEL,
                        "a model's name is 1 to %d of a-z, 0-9, _ and -", STORE_NAME_MAX);
    }
    waiting = waiting_create(api, call, TRAINER_CREATE, answer_model);
    if (waiting == NULL) {
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
    }
    read = json_parse(call->body, call->body_n, CONFIG_BUDGET, &document, &root, &problem) &&
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
                    void (*answer)(struct waiting *))
{
    struct waiting *waiting = waiting_create(api, call, verb, answer);

    if (waiting == NULL) {
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
    }
    return api_park_command(api, call, &waiting->command);
}

bool api_model_delete(struct api *api, struct api_slot *slot, struct api_call *call)
{
    (void)slot;
    if (strcmp(call->param[0], "default") == 0) {
        return api_fail(call, PROBLEM_DEFAULT_MODEL, "it answers requests that name no model");
    }
    return command(api, call, TRAINER_DELETE, answer_nothing);
}

bool api_pause(struct api *api, struct api_slot *slot, struct api_call *call)
{
    (void)slot;
    return command(api, call, TRAINER_PAUSE, answer_model);
}

bool api_resume(struct api *api, struct api_slot *slot, struct api_call *call)
{
    (void)slot;
    return command(api, call, TRAINER_RESUME, answer_model);
}

/* Without ?wait=1 the command goes its way: what would stop it is looked at here. */
static bool start_training(struct api *api, struct api_slot *slot, struct api_call *call,
                           const struct served *served)
{
    struct waiting *waiting;

    (void)slot;
    if (!served->config.training.enabled) {
        return api_fail(call, PROBLEM_TRAINING_DISABLED, "training.enabled is false");
    }
    if (atomic_load(&served->state) == MODEL_PAUSED) {
        return api_fail(call, PROBLEM_TRAINING_PAUSED, "resume it first");
    }
    waiting = waiting_create(api, call, TRAINER_TRAIN, answer_train);
    if (waiting == NULL) {
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
    }
    waiting->call = NULL;
    if (!trainer_submit(api->trainer, &waiting->command)) {
        free(waiting);
        return api_fail(call, PROBLEM_DRAINING, "the server is stopping");
    }
    (void)snprintf(call->location, sizeof call->location, "/v1/models/%s/training", served->name);
    emit_open(&call->answer, '{');
    emit_key(&call->answer, "model");
    emit_string(&call->answer, served->name);
    emit_key(&call->answer, "state");
    emit_string(&call->answer, "running");
    emit_close(&call->answer, '}');
    return api_answer(call, 202);
}

bool api_train(struct api *api, struct api_slot *slot, struct api_call *call)
{
    if (api_query_flag(call, "wait")) {
        return command(api, call, TRAINER_TRAIN, answer_train);
    }
    return with_model(api, slot, call, start_training);
}

bool api_activate(struct api *api, struct api_slot *slot, struct api_call *call)
{
    static const char *const members[] = {"version", NULL};
    struct json_document document = {0};
    struct json_node root, version;
    struct problem problem = {0};
    struct waiting *waiting;
    int64_t number = 0;
    bool read = json_parse(call->body, call->body_n, CONFIG_BUDGET, &document, &root, &problem) &&
                json_as_object(&root, &problem) &&
                json_only(&root, members, call->lenient, &problem);

    (void)slot;
    if (read && !json_member(&root, "version", &version)) {
        read = json_problem(&root, PROBLEM_VALIDATION_FAILED, &problem, "needs version");
    }
    read = read && json_as_integer(&version, 0, (int64_t)1 << 53, &number, &problem);
    json_close(&document);
    if (!read) {
        return api_problem(call, &problem);
    }
    waiting = waiting_create(api, call, TRAINER_ACTIVATE, answer_model);
    if (waiting == NULL) {
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
    }
    waiting->command.version = number;
    return api_park_command(api, call, &waiting->command);
}
