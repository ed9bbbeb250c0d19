/*
 * Opening, telling, closing; and how commands of the shell speak.
 */
#include "admin.h"

#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define SLOTS           1                    /* reading threads: this one */
#define MODEL_BYTES_MAX ((size_t)4096 << 20) /* of a new one: what a server takes by default */

/* ---- speaking ---- */

int admin_fail(const struct admin_options *options, int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    code = shell_fail(admin_command_text(options->command), code, format, arguments);
    va_end(arguments);
    return code;
}

static int exit_code_of(enum problem_kind kind)
{
    switch (kind) {
    case PROBLEM_UNKNOWN_MODEL:
    case PROBLEM_UNKNOWN_VERSION:
        return EX_USAGE;
    case PROBLEM_INVALID_TENSOR_FILE:
    case PROBLEM_STORAGE_CORRUPT:
        return EX_DATAERR;
    case PROBLEM_MODEL_EXISTS:
    case PROBLEM_MODEL_TOO_LARGE:
    case PROBLEM_INVALID_MODEL:
        return EX_CONFIG;
    case PROBLEM_STORAGE_ERROR:
        return EX_IOERR;
    default:
        return EX_SOFTWARE;
    }
}

int admin_read_file(const struct admin_options *options, const char *path, char **bytes, size_t *n)
{
    FILE *file = fopen(path, "re");
    struct stat facts;
    char *read;
    int code = EX_OK;

    if (file == NULL) {
        return admin_fail(options, EX_NOINPUT, "%s: cannot be opened: %s", path, strerror(errno));
    }
    if (fstat(fileno(file), &facts) != 0 || !S_ISREG(facts.st_mode)) {
        (void)fclose(file);
        return admin_fail(options, EX_NOINPUT, "%s: is not a file", path);
    }
    read = malloc((size_t)facts.st_size + 1);
    if (read == NULL) {
        code = admin_fail(options, EX_SOFTWARE, "%s: out of memory", path);
    } else if (fread(read, 1, (size_t)facts.st_size, file) != (size_t)facts.st_size) {
        code = admin_fail(options, EX_IOERR, "%s: cannot be read", path);
    }
    (void)fclose(file);
    if (code != EX_OK) {
        free(read);
        return code;
    }
    read[facts.st_size] = '\0';
    *bytes = read;
    *n = (size_t)facts.st_size;
    return EX_OK;
}

/* ---- opening and closing ---- */

static enum rk_status start(struct admin *admin, const char *model, struct rk_error *err)
{
    static const struct writer_limits limits = {.jobs = 1, .bytes = STORE_CHUNK_BYTES};
    const struct trainer_options training = {
        .n_slots = SLOTS, .model_max_bytes = MODEL_BYTES_MAX, .only = model};
    struct store *store = NULL;
    enum rk_status status = store_open(admin->options->db, &store, err);

    if (status == RK_OK) {
        status = writer_start(store, admin->metrics, &limits, NULL, NULL, &admin->writer, err);
        if (status != RK_OK) {
            store_close(&store);
        }
    }
    if (status == RK_OK) {
        status = models_init(&admin->models, SLOTS, err);
    }
    if (status == RK_OK) {
        status = store_open_reader(admin->options->db, &admin->store, err);
    }
    if (status == RK_OK) {
        status = store_open_reader(admin->options->db, &store, err);
    }
    return status == RK_OK ? trainer_start(store, admin->writer, &admin->models, admin->metrics,
                                           &training, &admin->trainer, err)
                           : status;
}

int admin_open(const struct admin_options *options, const char *model, bool may_make,
               struct admin *admin)
{
    struct rk_error err = {0};
    enum rk_status status;

    *admin = (struct admin){.options = options};
    log_start(LOG_LEVEL_WARN, false); /* what is done, the command says itself */
    if (!may_make && access(options->db, F_OK) != 0) {
        return admin_fail(options, EX_NOINPUT, "there is no database %s", options->db);
    }
    status = store_lock(options->db, &admin->lock, &err);
    if (status == RK_BUSY) {
        return admin_fail(options, EX_TEMPFAIL, "%s is in use, stop the server first: %s",
                          options->db, err.text);
    }
    admin->metrics = calloc(1, sizeof *admin->metrics);
    if (status == RK_OK) {
        status = admin->metrics != NULL ? start(admin, model, &err)
                                        : rk_fail(&err, RK_NOMEM, "out of memory for the writer");
    }
    return status == RK_OK ? EX_OK : admin_fail(options, shell_exit_code(status), "%s", err.text);
}

void admin_close(struct admin *admin)
{
    trainer_stop(&admin->trainer);
    store_close(&admin->store);
    writer_stop(&admin->writer);
    models_deinit(&admin->models);
    store_unlock(&admin->lock);
    free(admin->metrics);
    *admin = (struct admin){.options = admin->options};
}

/* ---- telling ---- */

static void note_done(struct trainer_command *command)
{
    (void)command;
}

int admin_do(struct admin *admin, struct trainer_command *command)
{
    command->done = note_done;
    (void)snprintf(command->model, sizeof command->model, "%s", admin->options->model);
    (void)trainer_submit(admin->trainer, command); /* there is no thread: it is done now */
    return command->problem.kind == PROBLEM_NONE
               ? EX_OK
               : admin_fail(admin->options, exit_code_of(command->problem.kind), "%s",
                            command->problem.detail);
}

const struct served *admin_model(const struct admin *admin)
{
    const struct served *served = models_find(models_now(&admin->models), admin->options->model);

    if (served == NULL) {
        (void)admin_fail(
            admin->options, EX_USAGE, "there is no model \"%s\" in %s%s", admin->options->model,
            admin->options->db,
            admin->options->command == ADMIN_IMPORT ? ": give its --config and it is made" : "");
    }
    return served;
}
