/*
 * rankd backup: a checked copy of a database that no server has open, by the function that POST
 * /v1/backup runs.
 */
#include "command.h"
#include "flags.h"
#include "log.h"
#include "shell.h"
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

struct backup_options {
    const char *db;
    const char *to;
    bool json;
    bool help;
};

#define AT(field) offsetof(struct backup_options, field)

static const struct flag table[] = {
    {"db", "FILE", FLAG_TEXT, AT(db), 0, 0, 1, 1, "the SQLite file; no server may have it open"},
    {"to", "FILE", FLAG_TEXT, AT(to), 0, 0, 1, 1, "the copy; must not be there"},
    {"json", NULL, FLAG_SWITCH, AT(json), 0, 0, 1, 0, "print one JSON object"},
    {"help", NULL, FLAG_SWITCH, AT(help), 0, 0, 1, 0, "print this"},
};

static const struct flags flags = {"backup", 1, table, sizeof table / sizeof *table};

static void write_result(const struct backup_options *options, const struct store_backup *made,
                         struct emit *out)
{
    if (!options->json) {
        emit_format(out, "%-8s %s\n%-8s %lld\n%-8s %lld\n", "path", options->to, "bytes",
                    (long long)made->bytes, "seq", (long long)made->seq);
        return;
    }
    emit_open(out, '{');
    emit_key(out, "path");
    emit_string(out, options->to);
    emit_key(out, "bytes");
    emit_integer(out, made->bytes);
    emit_key(out, "seq");
    emit_integer(out, made->seq);
    emit_close(out, '}');
    emit_raw(out, "\n", 1);
}

static enum rk_status copy(const struct backup_options *options, struct store_backup *made,
                           struct rk_error *err)
{
    const size_t n = strlen(options->to) + sizeof ".part";
    char *part = malloc(n);
    enum rk_status status;

    if (part == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory");
    }
    (void)snprintf(part, n, "%s.part", options->to);
    status = store_backup(options->db, part, NULL, made, err);
    if (status == RK_OK) {
        status = store_backup_keep(part, options->to, made, err);
    }
    free(part);
    return status;
}

static int backup(const struct backup_options *options)
{
    struct store_lock *lock = NULL;
    struct store_backup made = {0};
    struct rk_error err = {0};
    struct emit out = {0};
    enum rk_status status;

    if (access(options->db, F_OK) != 0) {
        return shell_say(flags.command, EX_NOINPUT, "there is no database %s", options->db);
    }
    if (access(options->to, F_OK) == 0) {
        return shell_say(flags.command, EX_CANTCREAT, "there is a file %s", options->to);
    }
    status = store_lock(options->db, &lock, &err);
    if (status == RK_BUSY) {
        return shell_say(flags.command, EX_TEMPFAIL,
                         "a server has %s open, have it make the backup: POST /v1/backup",
                         options->db);
    }
    if (status == RK_OK) {
        status = copy(options, &made, &err);
    }
    store_unlock(&lock);
    if (status != RK_OK) {
        return shell_say(flags.command, shell_exit_code(status), "%s", err.text);
    }
    write_result(options, &made, &out);
    return shell_print(flags.command, &out);
}

int command_backup(int argc, char *const *argv)
{
    struct backup_options options = {0};
    const int code = flags_read(&flags, argc, argv, &options, NULL);

    if (code != EX_OK) {
        return code;
    }
    if (options.help) {
        (void)printf("usage: rankd backup --db FILE --to FILE [options]\n\n");
        flags_print(&flags);
        return EX_OK;
    }
    log_start(LOG_LEVEL_WARN, false);
    (void)umask(077); /* the copy holds what users did */
    return backup(&options);
}
