/*
 * rankd model: what a database holds of models, without a server; serve a stored version, delete one.
 */
#include "admin.h"
#include "codec_version.h"
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* One model as the store has it, and what a server would make of it. */
struct shown {
    struct store_model row;
    char *config_text; /* as it is now, owned */
    struct model_config config;
    size_t parameters, bytes;
    struct store_checkpoint *checkpoint; /* (n) newest first, owned with their metrics */
    size_t n;
    int64_t version; /* that a server would serve */
};

/* ---- reading ---- */

/*
 * By the rules of recovery: the newest checkpoint of the branch that is learned on, and the last step
 * recorded after it, whose row says which version it left.
 */
static enum rk_status find_version(struct store *store, struct shown *shown, struct rk_error *err)
{
    struct store_activation activation = {0};
    struct store_step step;
    size_t n = 1;
    int64_t after = 0;
    enum rk_status status = store_get_activation(store, shown->row.id, &activation, NULL);

    if (status != RK_OK && status != RK_NOTFOUND) {
        return rk_fail(err, status, "the activations of a model cannot be read");
    }
    for (size_t i = 0; i < shown->n; i++) {
        const struct store_checkpoint *row = &shown->checkpoint[i];
        const bool is_activated = row->id == activation.checkpoint;
        if (is_activated ||
            (row->id > activation.after_checkpoint && row->source != STORE_SOURCE_IMPORT)) {
            shown->version = row->version;
            after = is_activated ? activation.step : row->step;
            break;
        }
    }
    status = store_list_steps(store, shown->row.id, after, true, &step, &n, err);
    if (status == RK_OK && n > 0) {
        shown->version = step.version;
        free(step.quarantined);
    }
    return status;
}

static enum rk_status read_config(struct store *store, struct shown *shown, struct rk_error *err)
{
    struct store_config *configs = NULL;
    struct problem problem = {0};
    size_t n = 0;
    const enum rk_status status =
        store_list_configs(store, shown->row.id, INT64_MAX, &configs, &n, err);

    if (status != RK_OK) {
        return status;
    }
    shown->config_text = configs[--n].text; /* the newest */
    while (n > 0) {
        free(configs[--n].text);
    }
    free(configs);
    return model_config_parse(shown->config_text, strlen(shown->config_text), &shown->config,
                              &problem)
               ? RK_OK
               : rk_fail(err, RK_CORRUPT, "the configuration of model \"%s\": %.80s",
                         shown->row.name, problem.detail);
}

/* @param row  its configuration stays the caller's. */
static enum rk_status look(struct store *store, const struct store_model *row, struct shown *shown,
                           struct rk_error *err)
{
    struct rk_model *model = NULL;
    enum rk_status status;

    shown->row = *row;
    status = read_config(store, shown, err);
    if (status == RK_OK) {
        status = rk_model_create(&shown->config.model, 0, &model, err);
    }
    if (status == RK_OK) {
        shown->parameters = rk_model_learned(model);
        shown->bytes = rk_model_params(model) * sizeof(float);
        rk_model_destroy(&model);
        status = store_list_checkpoints(store, row->id, &shown->checkpoint, &shown->n, err);
    }
    return status == RK_OK ? find_version(store, shown, err) : status;
}

static void shown_free(struct shown *shown)
{
    for (size_t i = 0; i < shown->n; i++) {
        free(shown->checkpoint[i].metrics);
    }
    free(shown->checkpoint);
    free(shown->config_text);
}

/* ---- writing ---- */

static const char *state_text(const struct shown *shown)
{
    return shown->row.paused ? "paused" : "idle";
}

/* The members that GET /v1/models/{name} has. */
static void write_members(const struct shown *shown, struct emit *out)
{
    emit_key(out, "name");
    emit_string(out, shown->row.name);
    emit_key(out, "config");
    emit_json(out, shown->config_text, strlen(shown->config_text));
    emit_key(out, "version");
    emit_integer(out, shown->version);
    emit_key(out, "parameters");
    emit_integer(out, (int64_t)shown->parameters);
    emit_key(out, "bytes");
    emit_integer(out, (int64_t)shown->bytes);
    emit_key(out, "training");
    emit_open(out, '{');
    emit_key(out, "state");
    emit_string(out, state_text(shown));
    emit_close(out, '}');
}

static void write_line(const struct shown *shown, struct emit *out)
{
    emit_format(out, "%-24s %-7s %8lld %12zu %s\n", shown->row.name, shown->config.model.kind,
                (long long)shown->version, shown->parameters, state_text(shown));
}

static void write_head(struct emit *out)
{
    emit_format(out, "%-24s %-7s %8s %12s %s\n", "name", "kind", "version", "parameters", "state");
}

static void write_table(const struct shown *shown, struct emit *out)
{
    write_head(out);
    write_line(shown, out);
    emit_format(out, "\n%s\n\n%8s %8s %-9s %12s %s\n", shown->config_text, "version", "parent",
                "source", "bytes", "time");
    for (size_t i = 0; i < shown->n; i++) {
        const struct store_checkpoint *row = &shown->checkpoint[i];
        struct emit time = {0};
        emit_time(&time, row->time_ms);
        emit_format(out, "%8lld %8lld %-9s %12lld %.*s%s\n", (long long)row->version,
                    (long long)row->parent, store_source_text(row->source), (long long)row->bytes,
                    time.failed ? 0 : (int)time.length - 2, time.failed ? "" : time.text + 1,
                    row->version == shown->version ? "  served" : "");
        emit_deinit(&time);
    }
}

/* ---- list and show ---- */

static void write_one(const struct admin_options *options, const struct shown *shown,
                      struct emit *out)
{
    if (!options->json) {
        write_table(shown, out);
        return;
    }
    emit_open(out, '{');
    write_members(shown, out);
    emit_key(out, "versions");
    emit_open(out, '[');
    for (size_t i = 0; i < shown->n; i++) {
        codec_version_write(&shown->checkpoint[i], shown->checkpoint[i].version == shown->version,
                            out);
    }
    emit_close(out, ']');
    emit_close(out, '}');
    emit_raw(out, "\n", 1);
}

static void write_listed(const struct admin_options *options, const struct shown *shown,
                         struct emit *out)
{
    if (options->json) {
        emit_open(out, '{');
        write_members(shown, out);
        emit_close(out, '}');
    } else {
        write_line(shown, out);
    }
}

/* Writes the model of the options, or where they name none, all. */
static enum rk_status write_models(const struct admin *admin, const struct store_model *rows,
                                   size_t n, struct emit *out, struct rk_error *err)
{
    const struct admin_options *options = admin->options;
    const bool one = strcmp(options->word, "show") == 0;
    struct shown *shown = malloc(sizeof *shown);
    enum rk_status status =
        shown != NULL ? RK_OK : rk_fail(err, RK_NOMEM, "out of memory for a model");
    bool found = !one;

    for (size_t i = 0; i < n && status == RK_OK; i++) {
        if (options->model != NULL && strcmp(options->model, rows[i].name) != 0) {
            continue;
        }
        memset(shown, 0, sizeof *shown);
        status = look(admin->store, &rows[i], shown, err);
        if (status == RK_OK) {
            (one ? write_one : write_listed)(options, shown, out);
        }
        shown_free(shown);
        found = true;
    }
    free(shown);
    return status == RK_OK && !found ? RK_NOTFOUND : status;
}

static int show(struct admin *admin)
{
    const struct admin_options *options = admin->options;
    const bool list = strcmp(options->word, "list") == 0;
    struct store_model *rows = NULL;
    struct rk_error err = {0};
    struct emit out = {0};
    size_t n = 0;
    enum rk_status status = store_list_models(admin->store, &rows, &n, &err);

    if (list && options->json) {
        emit_raw(&out, "{\"models\":[", 11);
    } else if (list) {
        write_head(&out);
    }
    if (status == RK_OK) {
        status = write_models(admin, rows, n, &out, &err);
    }
    if (list && options->json) {
        emit_raw(&out, "]}\n", 3);
    }
    for (size_t i = 0; i < n; i++) {
        free(rows[i].config);
    }
    free(rows);
    if (status == RK_OK) {
        return shell_print(admin_command_text(options->command), &out);
    }
    emit_deinit(&out);
    return status == RK_NOTFOUND ? admin_fail(options, EX_USAGE, "there is no model \"%s\" in %s",
                                              options->model, options->db)
                                 : admin_fail(options, shell_exit_code(status), "%s", err.text);
}

/* ---- activate and delete ---- */

static int change(struct admin *admin)
{
    const struct admin_options *options = admin->options;
    const bool delete = strcmp(options->word, "delete") == 0;
    struct trainer_command command = {.verb = delete ? TRAINER_DELETE : TRAINER_ACTIVATE,
                                      .version = options->version};
    struct emit out = {0};
    int code = admin_model(admin) != NULL ? admin_do(admin, &command) : EX_USAGE;

    if (code != EX_OK) {
        return code;
    }
    if (options->json) {
        emit_open(&out, '{');
        emit_key(&out, "model");
        emit_string(&out, options->model);
        emit_key(&out, delete ? "deleted" : "version");
        if (delete) {
            emit_boolean(&out, true);
        } else {
            emit_integer(&out, command.served_version);
        }
        emit_close(&out, '}');
        emit_raw(&out, "\n", 1);
    } else if (delete) {
        emit_format(&out, "model \"%s\" is deleted\n", options->model);
    } else {
        emit_format(&out, "model \"%s\" serves version %lld\n", options->model,
                    (long long)command.served_version);
    }
    return shell_print(admin_command_text(options->command), &out);
}

/* ---- the command ---- */

static int check(const struct admin_options *options)
{
    const char *word = options->word;
    const bool list = strcmp(word, "list") == 0, activate = strcmp(word, "activate") == 0;
    const bool delete = strcmp(word, "delete") == 0;

    if (!list && !activate && !delete &&strcmp(word, "show") != 0) {
        return admin_fail(options, EX_USAGE, "%s is not list, show, activate or delete", word);
    }
    if (!list && options->model == NULL) {
        return admin_fail(options, EX_USAGE, "%s needs --model", word);
    }
    if (activate != (options->version != ADMIN_NO_VERSION)) {
        return admin_fail(options, EX_USAGE,
                          activate ? "%s needs --version" : "%s takes no --version", word);
    }
    if (delete &&strcmp(options->model, "default") == 0) {
        return admin_fail(options, EX_USAGE, "\"default\" answers requests that name no model");
    }
    return EX_OK;
}

int command_model(int argc, char *const *argv)
{
    struct admin_options options;
    struct admin admin = {0};
    int code = admin_options_read(ADMIN_MODEL, argc, argv, &options);
    bool reads;

    if (code != EX_OK) {
        return code;
    }
    if (options.help) {
        admin_options_help(options.command);
        return EX_OK;
    }
    code = check(&options);
    if (code == EX_OK) {
        reads = strcmp(options.word, "list") == 0 || strcmp(options.word, "show") == 0;
        code = admin_open(&options, reads ? "" : options.model, false, &admin);
        if (code == EX_OK) {
            code = (reads ? show : change)(&admin);
        }
    }
    admin_close(&admin);
    return code;
}
