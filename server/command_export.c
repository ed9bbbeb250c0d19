/*
 * rankd export: writes a version of a model as a safetensors file with PyTorch's names.
 */
#include "admin.h"
#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define PART ".part"

/* Writes the whole file beside its place, then moves it there: an old one stays until then. */
static int write_file(const struct admin_options *options, const struct checkpoint_bytes *bytes)
{
    const size_t n = strlen(options->out);
    char *part = malloc(n + sizeof PART);
    FILE *file;
    bool written;

    if (part == NULL) {
        return admin_fail(options, EX_SOFTWARE, "out of memory");
    }
    memcpy(part, options->out, n);
    memcpy(part + n, PART, sizeof PART);
    file = fopen(part, "we");
    if (file == NULL) {
        free(part);
        return admin_fail(options, EX_CANTCREAT, "%s: cannot be written: %s", options->out,
                          strerror(errno));
    }
    written = fwrite(bytes->bytes, 1, bytes->n, file) == bytes->n;
    written = fclose(file) == 0 && written && rename(part, options->out) == 0;
    if (!written) {
        (void)admin_fail(options, EX_IOERR, "%s: cannot be written: %s", options->out,
                         strerror(errno));
        (void)remove(part);
    }
    free(part);
    return written ? EX_OK : EX_IOERR;
}

static void write_result(const struct admin_options *options, const struct trainer_command *command,
                         struct emit *out)
{
    if (!options->json) {
        emit_format(out, "%-8s %s\n%-8s %lld\n%-8s %zu\n%-8s %s\n", "model", options->model,
                    "version", (long long)command->version, "bytes", command->file.n, "file",
                    options->out);
        return;
    }
    emit_open(out, '{');
    emit_key(out, "model");
    emit_string(out, options->model);
    emit_key(out, "version");
    emit_integer(out, command->version);
    emit_key(out, "bytes");
    emit_integer(out, (int64_t)command->file.n);
    emit_key(out, "file");
    emit_string(out, options->out);
    emit_close(out, '}');
    emit_raw(out, "\n", 1);
}

static int export_version(struct admin *admin)
{
    const struct admin_options *options = admin->options;
    struct trainer_command command = {
        .verb = TRAINER_EXPORT,
        .version = options->version == ADMIN_NO_VERSION ? TRAINER_SERVED : options->version,
        .optimizer = options->optimizer};
    struct emit out = {0};
    int code = admin_do(admin, &command);

    if (code == EX_OK) {
        code = write_file(options, &command.file);
    }
    if (code == EX_OK) {
        write_result(options, &command, &out);
        code = shell_print(admin_command_text(options->command), &out);
    }
    free(command.file.bytes);
    return code;
}

int command_export(int argc, char *const *argv)
{
    struct admin_options options;
    struct admin admin = {0};
    int code = admin_options_read(ADMIN_EXPORT, argc, argv, &options);

    if (code != EX_OK) {
        return code;
    }
    if (options.help) {
        admin_options_help(options.command);
        return EX_OK;
    }
    code = admin_open(&options, options.model, false, &admin);
    if (code == EX_OK) {
        code = admin_model(&admin) != NULL ? export_version(&admin) : EX_USAGE;
    }
    admin_close(&admin);
    return code;
}
