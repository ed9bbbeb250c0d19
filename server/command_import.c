/*
 * rankd import: takes a model trained elsewhere in as a version, safetensors or libFM's own file. All
 * of it is read and checked before a database or a model is made for it.
 */
#include "admin.h"
#include "command.h"
#include "config_file.h"
#include "libfm.h"
#include "parameters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

struct import {
    struct admin_options options;
    struct admin admin;
    struct model_config *config; /* NULL: none given */
    char *bytes;                 /* (n) the file, owned; safetensors once converted */
    size_t n;
};

/* ---- what was given ---- */

static int read_config(struct import *import)
{
    const struct admin_options *options = &import->options;

    if (!model_name_valid(options->model)) {
        return admin_fail(options, EX_USAGE,
                          "a model's name is 1 to %d of the characters a-z 0-9 _ -",
                          STORE_NAME_MAX);
    }
    import->config = malloc(sizeof *import->config);
    return import->config != NULL
               ? config_file_read(admin_command_text(options->command), options->config,
                                  import->config)
               : admin_fail(options, EX_SOFTWARE, "out of memory for a configuration");
}

/* Makes a safetensors file of libFM's. */
static enum rk_status convert(struct import *import, const struct rk_model *model,
                              struct rk_error *err)
{
    float *theta = calloc(rk_model_params(model), sizeof *theta);
    struct checkpoint_bytes file = {0};
    enum rk_status status = theta != NULL ? libfm_read(model, import->bytes, import->n, theta, err)
                                          : rk_fail(err, RK_NOMEM, "out of memory for a model");

    if (status == RK_OK) {
        status = checkpoint_write(model, theta, NULL, 0, &file, err);
    }
    free(theta);
    if (status != RK_OK) {
        free(file.bytes);
        return status;
    }
    free(import->bytes);
    import->bytes = file.bytes;
    import->n = file.n;
    return RK_OK;
}

/* Is the file one that the model can be? libFM's is converted. */
static int check_file(struct import *import, const struct rk_model *model)
{
    struct checkpoint_bytes file = {0};
    struct rk_error err = {0};
    enum rk_status status = RK_OK;

    if (libfm_is(import->bytes, import->n)) {
        status = convert(import, model, &err);
    }
    if (status == RK_OK) {
        status = parameters_import(model, import->bytes, import->n, 0, &file, &err);
    }
    free(file.bytes);
    if (status == RK_OK) {
        return EX_OK;
    }
    return admin_fail(&import->options, status == RK_NOMEM ? EX_SOFTWARE : EX_DATAERR, "%s: %s",
                      import->options.word, err.text);
}

/* The same with the model that the configuration describes, before anything is made. */
static int check_with_config(struct import *import)
{
    struct rk_model *model = NULL;
    struct rk_error err = {0};
    int code;

    if (rk_model_create(&import->config->model, 0, &model, &err) != RK_OK) {
        return admin_fail(&import->options, EX_CONFIG, "%s: %s", import->options.config, err.text);
    }
    code = check_file(import, model);
    rk_model_destroy(&model);
    return code;
}

/* ---- the version ---- */

static int put_model(struct import *import)
{
    struct trainer_command command = {.verb = TRAINER_CREATE};

    model_config_copy(&command.config, import->config);
    return admin_do(&import->admin, &command);
}

static void write_result(const struct import *import, const struct trainer_command *command,
                         struct emit *out)
{
    if (!import->options.json) {
        emit_format(out, "%-8s %s\n%-8s %lld\n%-8s %lld\n", "model", import->options.model,
                    "version", (long long)command->row.version, "served",
                    (long long)command->served_version);
        return;
    }
    emit_open(out, '{');
    emit_key(out, "model");
    emit_string(out, import->options.model);
    emit_key(out, "version");
    emit_integer(out, command->row.version);
    emit_key(out, "served");
    emit_integer(out, command->served_version);
    emit_close(out, '}');
    emit_raw(out, "\n", 1);
}

static int put_version(struct import *import)
{
    struct trainer_command command = {.verb = TRAINER_IMPORT,
                                      .bytes = import->bytes,
                                      .n = import->n,
                                      .activate = !import->options.no_activate};
    struct emit out = {0};
    const int code = admin_do(&import->admin, &command);

    if (code != EX_OK) {
        return code;
    }
    write_result(import, &command, &out);
    return shell_print(admin_command_text(import->options.command), &out);
}

/* ---- the command ---- */

static int import_file(struct import *import)
{
    const struct admin_options *options = &import->options;
    const struct served *served;
    int code = options->config != NULL ? read_config(import) : EX_OK;

    if (code == EX_OK) {
        code = admin_read_file(options, options->word, &import->bytes, &import->n);
    }
    if (code == EX_OK && import->config != NULL) {
        code = check_with_config(import);
    }
    if (code == EX_OK) {
        code = admin_open(options, options->model, import->config != NULL, &import->admin);
    }
    if (code == EX_OK && import->config != NULL) {
        code = put_model(import);
    } else if (code == EX_OK) {
        served = admin_model(&import->admin);
        code = served != NULL ? check_file(import, served->model) : EX_USAGE;
    }
    return code == EX_OK ? put_version(import) : code;
}

int command_import(int argc, char *const *argv)
{
    struct import import = {0};
    int code = admin_options_read(ADMIN_IMPORT, argc, argv, &import.options);

    if (code == EX_OK && import.options.help) {
        admin_options_help(ADMIN_IMPORT);
    } else if (code == EX_OK) {
        code = import_file(&import);
    }
    admin_close(&import.admin);
    free(import.config);
    free(import.bytes);
    return code;
}
