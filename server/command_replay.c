/*
 * rankd replay: what the log says, done again. A ranking, to see that it comes out as it was served;
 * or a model's learning, as it was or with another configuration. Nothing is written.
 */
#include "command.h"
#include "command_replay_impl.h"
#include "flags.h"
#include "log.h"
#include "model_config.h"

#include <stddef.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#define EVERY_DEFAULT 1000
#define REPLAY        1U /* the one command of the table */

#define AT(field) offsetof(struct replay, field)

static const struct flag table[] = {
    {"db", "FILE", FLAG_TEXT, AT(db), 0, 0, REPLAY, REPLAY,
     "the SQLite file, of a stopped server or a backup"},
    {"ranking", "ID", FLAG_TEXT, AT(ranking), 0, 0, REPLAY, 0,
     "serve this ranking again, and compare it to the bit"},
    {"rankings", NULL, FLAG_SWITCH, AT(rankings), 0, 0, REPLAY, 0, "all rankings of the range"},
    {"model", "NAME", FLAG_TEXT, AT(model), 0, 0, REPLAY, 0,
     "take this model's recorded steps again; a file here is taken for --config"},
    {"config", "FILE", FLAG_TEXT, AT(config), 0, 0, REPLAY, 0,
     "another configuration (JSON): would it have ranked better? (of --model default)"},
    {"every", "N", FLAG_WHOLE, AT(every), 1, INT64_MAX, REPLAY, 0,
     "lists a row of the table stands for (1000)"},
    {"from-seq", "A", FLAG_WHOLE, AT(from_seq), 0, INT64_MAX, REPLAY, 0,
     "what came after this log position (0)"},
    {"to-seq", "B", FLAG_WHOLE, AT(to_seq), 0, INT64_MAX, REPLAY, 0,
     "what came up to this one (the log's end)"},
    {"json", NULL, FLAG_SWITCH, AT(json), 0, 0, REPLAY, 0, "print one JSON object"},
    {"help", NULL, FLAG_SWITCH, AT(help), 0, 0, REPLAY, 0, "print this"},
};

static const struct flags flags = {"replay", REPLAY, table, sizeof table / sizeof *table};

static void print_help(void)
{
    (void)printf("usage: rankd replay --db FILE --ranking ID [--json]\n"
                 "       rankd replay --db FILE --rankings [options]\n"
                 "       rankd replay --db FILE --model NAME [--config FILE] [options]\n\n");
    flags_print(&flags);
    (void)printf(
        "\nexit: 0 all came out identical, 65 something differs, 66 it is not kept any more,"
        "\n75 a server has the file: make a backup (POST /v1/backup) and replay that\n");
}

int replay_error(const struct rk_error *err)
{
    /* The log, not the configuration, is what does not fit. */
    return shell_say("replay",
                     shell_exit_code(err->status == RK_MISMATCH ? RK_CORRUPT : err->status), "%s",
                     err->text);
}

/* Opens what nobody may change meanwhile, and leaves it as it is. */
static int open_db(struct replay *replay)
{
    struct rk_error err = {0};
    enum rk_status status;

    if (access(replay->db, F_OK) != 0) {
        return shell_say("replay", EX_NOINPUT, "there is no database %s", replay->db);
    }
    status = store_lock_if_served(replay->db, &replay->lock, &err);
    if (status == RK_BUSY) {
        return shell_say("replay", EX_TEMPFAIL,
                         "%s is in use (%s): make a backup with POST /v1/backup and replay that",
                         replay->db, err.text);
    }
    if (status == RK_OK) {
        status = store_open_still(replay->db, &replay->store, &err);
    }
    return status == RK_OK ? EX_OK : shell_say("replay", shell_exit_code(status), "%s", err.text);
}

/* What is to be done is said once; no name of a model looks like a file's. */
static int check(struct replay *replay)
{
    if (replay->model != NULL && !model_name_valid(replay->model) && replay->config == NULL) {
        replay->config = replay->model;
        replay->model = NULL;
    }
    if (replay->model == NULL && replay->config != NULL) {
        replay->model = "default";
    }
    if ((replay->ranking != NULL) + replay->rankings + (replay->model != NULL) != 1) {
        return shell_say("replay", EX_USAGE, "give one of --ranking, --rankings and --model");
    }
    if (replay->from_seq > replay->to_seq) {
        return shell_say("replay", EX_USAGE, "--from-seq is beyond --to-seq");
    }
    return EX_OK;
}

static int run(struct replay *replay)
{
    if (replay->model != NULL) {
        return replay_model(replay);
    }
    return replay->rankings ? replay_rankings(replay) : replay_ranking(replay);
}

int command_replay(int argc, char *const *argv)
{
    struct replay replay = {.to_seq = INT64_MAX, .every = EVERY_DEFAULT};
    int code = flags_read(&flags, argc, argv, &replay, NULL);

    if (code != EX_OK) {
        return code;
    }
    if (replay.help) {
        print_help();
        return EX_OK;
    }
    log_start(LOG_LEVEL_WARN, false);
    code = check(&replay);
    if (code == EX_OK) {
        code = open_db(&replay);
    }
    if (code == EX_OK) {
        code = run(&replay);
    }
    store_close(&replay.store);
    store_unlock(&replay.lock);
    return code;
}
