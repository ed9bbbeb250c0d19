/*
 * rankd verify: is a backup, or the database of a stopped server, whole? Its pages, what rows say of
 * each other, the checksum of every checkpoint; and of each model, whether the newest version that was
 * stored comes out again, byte for byte, and a server would start with it. Nothing is written.
 */
#include "command.h"
#include "flags.h"
#include "lineage.h"
#include "log.h"
#include "shell.h"
#include "store.h"
#include "store_log.h"
#include "store_registry.h"
#include "trainee.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

struct verify {
    const char *db; /* options */
    bool json;
    bool help;

    struct store *store;
    struct emit models; /* what was found of them, as text or JSON */
    int64_t log_end;
    size_t n_models, checkpoints, retraced;
    size_t faults;
};

#define AT(field) offsetof(struct verify, field)

static const struct flag table[] = {
    {"db", "FILE", FLAG_TEXT, AT(db), 0, 0, 1, 1,
     "the SQLite file, of a stopped server or a backup"},
    {"json", NULL, FLAG_SWITCH, AT(json), 0, 0, 1, 0, "print one JSON object"},
    {"help", NULL, FLAG_SWITCH, AT(help), 0, 0, 1, 0, "print this"},
};

static const struct flags flags = {"verify", 1, table, sizeof table / sizeof *table};

/* ---- models ---- */

/* What was found of one. */
struct found {
    const struct store_model *row;
    int64_t version; /* that a server would serve */
    int64_t from, to;
    bool retraced;
    size_t checkpoints;
    struct rk_error err; /* the first fault */
};

/* A short memory or a disk that does not answer is no fault of the file. */
static enum rk_status note(enum rk_status status, const struct rk_error *own, struct found *found,
                           struct rk_error *err)
{
    if (status == RK_IO || status == RK_NOMEM) {
        return rk_fail(err, status, "%s", own->text);
    }
    if (status != RK_OK) {
        (void)rk_fail(&found->err, status, "%s", own->text);
    }
    return RK_OK;
}

static enum rk_status check_seals(struct verify *v, struct found *found, struct rk_error *err)
{
    struct lineage lineage;
    enum rk_status status = lineage_read(v->store, found->row->id, &lineage, err);

    for (size_t i = 0; i < lineage.n && status == RK_OK; i++) {
        struct rk_error own = {0};
        status = note(checkpoint_verify(v->store, &lineage.checkpoint[i], &own), &own, found, err);
        found->checkpoints++;
    }
    lineage_deinit(&lineage);
    return status;
}

typedef enum rk_status (*model_check)(struct verify *v, struct trainee *t, struct found *found,
                                      struct rk_error *err);

static enum rk_status retrace(struct verify *v, struct trainee *t, struct found *found,
                              struct rk_error *err)
{
    const enum rk_status status = trainee_retrace(t, v->store, &found->from, &found->to, err);

    found->retraced = status == RK_OK;
    return status == RK_NOTFOUND ? RK_OK : status;
}

static enum rk_status recover(struct verify *v, struct trainee *t, struct found *found,
                              struct rk_error *err)
{
    const enum rk_status status = trainee_recover(t, v->store, err);

    found->version = live_version(&t->served->live);
    return status;
}

/* Runs a check on the model as it is before it has learned anything. */
static enum rk_status run(struct verify *v, model_check check, struct found *found,
                          struct rk_error *err)
{
    struct trainee *t = NULL;
    struct rk_error own = {0};
    enum rk_status status = trainee_open(found->row, 0, 1, &t, &own);

    if (status == RK_OK) {
        status = check(v, t, found, &own);
        trainee_close(&t);
    }
    return note(status, &own, found, err);
}

static void write_model(struct verify *v, const struct found *found)
{
    struct emit *out = &v->models;

    if (!v->json) {
        emit_format(out, "%-8s %s: version %lld, %zu checkpoints", "model", found->row->name,
                    (long long)found->version, found->checkpoints);
        if (found->retraced) {
            emit_format(out, ", %lld comes out of %lld again", (long long)found->to,
                        (long long)found->from);
        }
        emit_format(out, "%s%s\n", found->err.text[0] != '\0' ? "; WRONG: " : "", found->err.text);
        return;
    }
    emit_open(out, '{');
    emit_key(out, "name");
    emit_string(out, found->row->name);
    emit_key(out, "version");
    emit_integer(out, found->version);
    emit_key(out, "checkpoints");
    emit_integer(out, (int64_t)found->checkpoints);
    emit_key(out, "retraced");
    if (found->retraced) {
        emit_open(out, '[');
        emit_integer(out, found->from);
        emit_integer(out, found->to);
        emit_close(out, ']');
    } else {
        emit_null(out);
    }
    if (found->err.text[0] != '\0') {
        emit_key(out, "wrong");
        emit_string(out, found->err.text);
    }
    emit_close(out, '}');
}

static enum rk_status check_model(struct verify *v, const struct store_model *row,
                                  struct rk_error *err)
{
    struct found found = {.row = row};
    enum rk_status status = check_seals(v, &found, err);

    if (status == RK_OK) {
        status = run(v, retrace, &found, err);
    }
    if (status == RK_OK) {
        status = run(v, recover, &found, err);
    }
    write_model(v, &found);
    v->n_models++;
    v->checkpoints += found.checkpoints;
    v->retraced += found.retraced;
    v->faults += found.err.status != RK_OK;
    return status;
}

/* ---- the whole ---- */

static enum rk_status check_models(struct verify *v, struct rk_error *err)
{
    struct store_model *rows = NULL;
    size_t n = 0;
    enum rk_status status = store_list_models(v->store, &rows, &n, err);

    for (size_t i = 0; i < n; i++) {
        status = status == RK_OK ? check_model(v, &rows[i], err) : status;
        free(rows[i].config);
    }
    free(rows);
    return status;
}

static enum rk_status check(struct verify *v, struct rk_error *err)
{
    enum rk_status status = store_open_still(v->db, &v->store, err);

    if (status == RK_OK) {
        status = store_check_references(v->store, err);
    }
    if (status == RK_OK) {
        status = store_log_end(v->store, &v->log_end, err);
    }
    return status == RK_OK ? check_models(v, err) : status;
}

static void write_result(struct verify *v, struct emit *out)
{
    if (!v->json) {
        emit_format(out, "%-8s %s\n%-8s %lld\n", "path", v->db, "seq", (long long)v->log_end);
        emit_raw(out, v->models.text, v->models.length);
        emit_format(out, "%-8s %s\n", "result", v->faults == 0 ? "ok" : "wrong");
        return;
    }
    emit_open(out, '{');
    emit_key(out, "path");
    emit_string(out, v->db);
    emit_key(out, "ok");
    emit_boolean(out, v->faults == 0);
    emit_key(out, "seq");
    emit_integer(out, v->log_end);
    emit_key(out, "models");
    emit_json(out, v->models.text, v->models.length);
    emit_close(out, '}');
    emit_raw(out, "\n", 1);
}

static int verify(struct verify *v)
{
    struct store_lock *lock = NULL;
    struct rk_error err = {0};
    struct emit out = {0};
    enum rk_status status;
    int code;

    if (access(v->db, F_OK) != 0) {
        return shell_say(flags.command, EX_NOINPUT, "there is no database %s", v->db);
    }
    status = store_lock_if_served(v->db, &lock, &err);
    if (status == RK_BUSY) {
        return shell_say(flags.command, EX_TEMPFAIL,
                         "a server has %s open: make a backup (POST /v1/backup) and verify that",
                         v->db);
    }
    if (v->json) {
        emit_open(&v->models, '[');
    }
    status = status == RK_OK ? check(v, &err) : status;
    if (v->json) {
        emit_close(&v->models, ']');
    }
    store_close(&v->store);
    store_unlock(&lock);
    if (status != RK_OK) {
        emit_deinit(&v->models);
        return shell_say(flags.command, shell_exit_code(status), "%s", err.text);
    }
    write_result(v, &out);
    emit_deinit(&v->models);
    code = shell_print(flags.command, &out);
    return code == EX_OK && v->faults > 0 ? EX_DATAERR : code;
}

int command_verify(int argc, char *const *argv)
{
    struct verify v = {0};
    const int code = flags_read(&flags, argc, argv, &v, NULL);

    if (code != EX_OK) {
        return code;
    }
    if (v.help) {
        (void)printf("usage: rankd verify --db FILE [--json]\n\n");
        flags_print(&flags);
        (void)printf("\nexit: 0 all is well, 65 something is wrong, 75 a server has the file\n");
        return EX_OK;
    }
    log_start(LOG_LEVEL_ERROR, false);
    return verify(&v);
}
