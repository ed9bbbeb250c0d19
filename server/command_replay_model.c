/*
 * rankd replay --model: the recorded steps again, which must give what is stored; and with --config
 * another model beside it, which learns from the same log and is measured on the same lists.
 */
#include "checkpoint.h"
#include "clock.h"
#include "command_replay_impl.h"
#include "command_replay_report.h"
#include "config_file.h"
#include "progress.h"
#include "trainee_walk.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define MODEL_BYTES_MAX ((size_t)4096 << 20) /* of another one: what a server takes by default */

/* One replay on its way. */
struct learning {
    struct replay *replay;
    struct trainee *recorded; /* owned, with their models */
    struct trainee *other;    /* NULL: none */
    struct trainee_walk walk;
    struct progress progress;
    struct replay_report report;
};

/* ---- the models ---- */

static int open_recorded(struct learning *l)
{
    struct replay *replay = l->replay;
    struct store_model row = {0};
    struct rk_error err = {0};
    enum rk_status status = store_find_model(replay->store, replay->model, &row, &err);

    if (status == RK_NOTFOUND) {
        return shell_say("replay", EX_USAGE, "there is no model \"%s\" in %s", replay->model,
                         replay->db);
    }
    if (status == RK_OK) {
        status = trainee_open(&row, 0, 1, &l->recorded, &err);
    }
    free(row.config);
    return status == RK_OK ? EX_OK : replay_error(&err);
}

/* A new model of another configuration, under the recorded one's id: its lists are its own. */
static int open_other(struct learning *l)
{
    const char *path = l->replay->config;
    struct model_config config;
    struct served *served = NULL;
    struct rk_error err = {0};
    const int code = config_file_read("replay", path, &config);
    enum rk_status status;

    if (code != EX_OK) {
        return code;
    }
    if (rk_loss_needs_teacher(&config.model.loss) && config.teacher[0] != '\0') {
        return shell_say("replay", EX_CONFIG,
                         "%s: only a server can ask the teacher \"%s\": without \"teacher\" lists "
                         "that brought its scores are learned from",
                         path, config.teacher);
    }
    status = served_create(l->replay->model, &config, MODEL_BYTES_MAX, 1, &served, &err);
    if (status == RK_OK) {
        served->id = l->recorded->served->id;
        status = trainee_create(served, 0, &l->other, &err);
    }
    if (status != RK_OK) {
        served_destroy(&served);
        return shell_say("replay", EX_CONFIG, "%s: %s", path, err.text);
    }
    return EX_OK;
}

/* ---- learning ---- */

/*
 * Has the other model learn what there is up to a log position, at that time, by its configuration
 * as changes of the recorded model's up to log position `config` leave it.
 */
static enum rk_status follow(struct learning *l, int64_t upto, int64_t time_ms, int64_t config,
                             struct rk_error *err)
{
    const struct trainee_tools tools = {.store = l->replay->store, .now_ms = time_ms};
    bool more = l->other != NULL;
    enum rk_status status = RK_OK;

    if (l->other != NULL) {
        status = trainee_follow_config(l->other, tools.store, config, err);
    }
    while (more && status == RK_OK) {
        status = trainee_step(l->other, &tools, upto, &more, err);
    }
    return status;
}

/* To where the range begins: the first step's end at or behind from_seq. */
static enum rk_status go_to_start(struct learning *l, struct rk_error *err)
{
    struct trainee *t = l->recorded;
    const int64_t from = l->replay->from_seq;
    bool done = false;
    enum rk_status status = trainee_walk_start(&l->walk, t, l->replay->store, from, err);

    while (status == RK_OK && !done && t->seq < from) {
        status = trainee_walk_next(&l->walk, l->replay->to_seq, &done, err);
    }
    l->walk.steps = 0;
    l->report.from_seq = t->seq;
    t->watch = (struct trainee_watch){series_take, &l->report.recorded};
    if (l->other != NULL) {
        l->other->seq = l->other->due_seq = t->seq;
        l->other->config = t->seq; /* it was given as it is to be here */
        l->other->watch = (struct trainee_watch){series_take, &l->report.other};
    }
    return status;
}

/*
 * Step by step, so that both models know as much of the log as each other before every list. What is
 * behind the last step the other one learns in steps of its own.
 */
static enum rk_status learn(struct learning *l, struct rk_error *err)
{
    struct replay *replay = l->replay;
    int64_t end = 0, time_ms = 0, position = l->recorded->seq;
    bool done = false;
    enum rk_status status = store_log_end(replay->store, &end, err);

    end = end < replay->to_seq ? end : replay->to_seq;
    progress_start(&l->progress, "replaying", "log positions",
                   end > position ? (uint64_t)(end - position) : 0);
    while (status == RK_OK && !done) {
        status = trainee_walk_next(&l->walk, end, &done, err);
        if (status == RK_OK && !done) {
            status = follow(l, l->walk.row.to_seq, l->walk.row.time_ms, l->walk.row.config, err);
            progress_add(&l->progress, (uint64_t)(l->recorded->seq - position));
            position = l->recorded->seq;
        }
    }
    if (status == RK_OK) {
        status = store_log_time(replay->store, end, &time_ms, err);
    }
    if (status == RK_OK) {
        status = follow(l, end, time_ms, end, err);
    }
    progress_end(&l->progress);
    l->report.to_seq = end;
    return status == RK_OK && (l->report.recorded.failed || l->report.other.failed)
               ? rk_fail(err, RK_NOMEM, "out of memory for the metrics of lists")
               : status;
}

/* ---- the outcome ---- */

static enum rk_status seal(const struct trainee *t, struct replay_outcome *outcome,
                           struct rk_error *err)
{
    const struct live *live = &t->served->live;
    struct checkpoint_bytes file = {0};
    struct store_checkpoint row = {0};
    enum rk_status status = checkpoint_write(t->served->model, live_served(live), t->learner,
                                             live_version(live), &file, err);

    if (status == RK_OK) {
        status = checkpoint_seal(&file, &row, err);
    }
    if (status == RK_OK) {
        outcome->version = live_version(live);
        memcpy(outcome->sha256, row.sha256, sizeof outcome->sha256);
    }
    free(file.bytes);
    return status;
}

static enum rk_status finish(struct learning *l, struct rk_error *err)
{
    struct replay_report *report = &l->report;
    enum rk_status status = seal(l->recorded, &report->outcome, err);

    report->has_other = l->other != NULL;
    if (status == RK_OK && report->has_other) {
        status = seal(l->other, &report->other_outcome, err);
    }
    report->steps = l->walk.steps;
    report->compared = l->walk.compared;
    report->stored_version = l->walk.newest.version;
    return status;
}

static int replay_both(struct learning *l)
{
    const int64_t start_ns = clock_monotonic_ns();
    struct rk_error err = {0};
    enum rk_status status = go_to_start(l, &err);

    if (status == RK_OK) {
        status = learn(l, &err);
    }
    if (status == RK_OK) {
        status = finish(l, &err);
    }
    l->report.seconds = (double)(clock_monotonic_ns() - start_ns) / 1e9;
    return status == RK_OK ? replay_report_print(l->replay, &l->report) : replay_error(&err);
}

int replay_model(struct replay *replay)
{
    struct learning l = {.replay = replay};
    int code = open_recorded(&l);

    if (code == EX_OK && replay->config != NULL) {
        code = open_other(&l);
    }
    if (code == EX_OK) {
        code = replay_both(&l);
    }
    trainee_walk_end(&l.walk);
    series_deinit(&l.report.recorded);
    series_deinit(&l.report.other);
    trainee_close(&l.recorded);
    trainee_close(&l.other);
    return code;
}
