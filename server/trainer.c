/*
 * The trainer thread: commands first, then a step of each model, then whatever checkpoint is due;
 * then it waits.
 */
#include "clock.h"
#include "log.h"
#include "trainer_impl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define NICE     10                  /* scoring and acknowledging go first */
#define RETRY_NS INT64_C(1000000000) /* after a step that storage did not let happen */

/* ---- the thread ---- */

bool trainer_stopping(struct trainer *trainer)
{
    bool stop;

    pthread_mutex_lock(&trainer->lock);
    stop = trainer->stop;
    pthread_mutex_unlock(&trainer->lock);
    return stop;
}

static bool timed_out(struct trainer *trainer, int64_t ns)
{
    const struct timespec deadline = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

    return pthread_cond_timedwait(&trainer->wake, &trainer->lock, &deadline) != 0;
}

/* @return false: a command or the end came. */
static bool wait_undisturbed(struct trainer *trainer, int64_t ns)
{
    const int64_t until_ns = clock_monotonic_ns() + ns;
    bool over = false, disturbed;

    pthread_mutex_lock(&trainer->lock);
    while (trainer->first == NULL && !trainer->stop && !over) {
        over = timed_out(trainer, until_ns);
    }
    disturbed = trainer->first != NULL || trainer->stop;
    pthread_mutex_unlock(&trainer->lock);
    return !disturbed;
}

bool trainer_pace(struct trainer *trainer)
{
    for (;;) {
        const struct pace_wait wait = pace_next(&trainer->pace);
        if (wait.reason == PACE_GO) {
            return true;
        }
        metrics_add(trainer->tools.metrics,
                    wait.reason == PACE_SHARE ? METRIC_TRAINER_WAITS_SHARE
                                              : METRIC_TRAINER_WAITS_LATENCY,
                    1);
        if (!wait_undisturbed(trainer, wait.ns)) {
            return false;
        }
    }
}

static void note_failure(struct trainer *trainer, const struct trainee *t,
                         const struct rk_error *err)
{
    log_error(t->halted ? "training_halted" : "step_failed", log_text("model", t->served->name),
              log_text("reason", err->text));
    if (store_trouble(trainer->tools.store) == STORE_DAMAGED) {
        writer_report_damage(trainer->tools.writer, err->text);
    }
}

enum rk_status trainer_step(struct trainer *trainer, struct trainee *t, int64_t log_end, bool *more,
                            struct rk_error *err)
{
    enum rk_status status;

    trainee_show(t, true);
    if (t->behind) {
        status = trainer_catch_up(trainer, t, err);
        *more = status == RK_OK; /* what came meanwhile */
    } else {
        status = trainee_step(t, &trainer->tools, log_end, more, err);
    }
    trainee_show(t, false);
    if (status != RK_OK) {
        note_failure(trainer, t, err);
    }
    return status;
}

/* What could not be recorded would be learned for nothing, again and again. */
static bool has_work(const struct trainee *t, int64_t log_end, bool recording)
{
    const struct cut_terms terms = trainee_terms(t);

    if (t->behind) {
        return !t->halted;
    }
    return recording && trainer_may_train(t) &&
           (t->seq < log_end || cut_waits_upto(&terms) > t->due_seq);
}

/*
 * One step of each model that has something to learn, or to learn again, as long as nothing goes
 * first. @return true: there may be more.
 */
static bool step_all(struct trainer *trainer, bool recording, bool *failed)
{
    const int64_t log_end = writer_log_end(trainer->tools.writer);
    bool any = false;

    for (size_t i = 0; i < trainer->n; i++) {
        struct trainee *t = trainer->trainee[i];
        struct rk_error err = {0};
        bool more = false;
        if (!has_work(t, log_end, recording)) {
            continue;
        }
        if (!trainer_pace(trainer)) {
            return true;
        }
        if (trainer_step(trainer, t, log_end, &more, &err) != RK_OK) {
            *failed = true;
        }
        any = any || more;
    }
    return any;
}

/*
 * Waits for a command, a grown log, the end, or a second: time makes windows end and checkpoints
 * due.
 */
static void wait_a_moment(struct trainer *trainer, bool ignore_wake)
{
    const int64_t until_ns = clock_monotonic_ns() + RETRY_NS;
    bool over = false;

    while ((ignore_wake || !trainer->woken) && trainer->first == NULL && !trainer->stop && !over) {
        over = timed_out(trainer, until_ns);
    }
    trainer->woken = false;
}

static struct trainer_command *take_command(struct trainer *trainer)
{
    struct trainer_command *command = trainer->first;

    if (command != NULL) {
        trainer->first = command->next;
        if (trainer->first == NULL) {
            trainer->last = &trainer->first;
        }
    }
    return command;
}

static void *trainer_thread(void *argument)
{
    struct trainer *trainer = argument;
    bool more = true, recording = true, failed = false;

    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); /* of the thread alone: Linux */
    for (;;) {
        struct trainer_command *command;
        bool stop;
        pthread_mutex_lock(&trainer->lock);
        if (!more) {
            wait_a_moment(trainer, failed || !recording);
        }
        command = take_command(trainer);
        stop = trainer->stop;
        pthread_mutex_unlock(&trainer->lock);
        if (command != NULL) {
            trainer_obey(trainer, command);
            retention_look_again(trainer->retention);
            more = true;
            continue;
        }
        if (stop) {
            return NULL;
        }
        pace_watch(&trainer->pace);
        recording = writer_trouble(trainer->tools.writer) == STORE_FINE;
        failed = false;
        more = step_all(trainer, recording, &failed) && !failed;
        if (recording && !failed) {
            trainer_checkpoint_due(trainer);
            more = trainer_trim(trainer) || more;
        }
    }
}

/* ---- start and stop ---- */

static void trainer_free(struct trainer *trainer)
{
    for (size_t i = 0; i < trainer->n; i++) {
        trainee_destroy(&trainer->trainee[i]);
    }
    free(trainer->trainee);
    retention_destroy(&trainer->retention);
    store_close(&trainer->tools.store);
    pthread_cond_destroy(&trainer->wake);
    pthread_mutex_destroy(&trainer->lock);
    free(trainer);
}

enum rk_status trainer_start(struct store *store, struct writer *writer, struct models *models,
                             struct metrics *metrics, const struct trainer_options *options,
                             struct trainer **trainer, struct rk_error *err)
{
    struct trainer *t = calloc(1, sizeof *t);
    pthread_condattr_t monotonic;
    enum rk_status status;

    if (t == NULL) {
        store_close(&store);
        return rk_fail(err, RK_NOMEM, "out of memory for the trainer");
    }
    t->last = &t->first;
    t->options = *options;
    t->started_ns = clock_monotonic_ns();
    pace_init(&t->pace, &options->pace, options->score);
    t->tools = (struct trainee_tools){
        .store = store, .writer = writer, .metrics = metrics, .models = models};
    t->models = models;
    pthread_mutex_init(&t->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&t->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    status = trainer_recover(t, err);
    if (status == RK_OK && options->only == NULL && options->retention.log_days > 0) {
        status = retention_create(&options->retention, store, writer, metrics, &t->retention, err);
    }
    if (status == RK_OK && options->only == NULL &&
        pthread_create(&t->thread, NULL, trainer_thread, t) != 0) {
        status = rk_fail(err, RK_NOMEM, "cannot start the trainer thread");
    }
    if (status != RK_OK) {
        trainer_free(t);
        return status;
    }
    *trainer = t;
    return RK_OK;
}

static enum rk_status nothing_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    (void)job;
    (void)store;
    (void)err;
    return RK_OK;
}

/* Ends the thread and stores what was learned. */
static void end_learning(struct trainer *t)
{
    pthread_mutex_lock(&t->lock);
    t->stop = true;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    for (size_t i = 0; i < t->n; i++) {
        struct rk_error err = {0};
        if (trainer_checkpoint_now(t, t->trainee[i], &err) != RK_OK) {
            log_error("checkpoint_failed", log_text("model", t->trainee[i]->served->name),
                      log_text("reason", err.text));
        }
    }
}

void trainer_stop(struct trainer **trainer)
{
    struct trainer *t = *trainer;
    struct writer_job behind = {.run = nothing_run, .weight = 1};

    if (t == NULL) {
        return;
    }
    if (t->options.only == NULL) {
        end_learning(t);
    }
    /* The writer may be about to wake the trainer after a commit: not any more behind this job. */
    (void)writer_run(t->tools.writer, &behind);
    trainer_free(t);
    *trainer = NULL;
}

void trainer_wake(struct trainer *trainer)
{
    pthread_mutex_lock(&trainer->lock);
    trainer->woken = true;
    pthread_cond_signal(&trainer->wake);
    pthread_mutex_unlock(&trainer->lock);
}

bool trainer_submit(struct trainer *trainer, struct trainer_command *command)
{
    bool taken;

    if (trainer->options.only != NULL) {
        trainer_obey(trainer, command);
        return true;
    }
    command->next = NULL;
    pthread_mutex_lock(&trainer->lock);
    taken = !trainer->stop;
    if (taken) {
        *trainer->last = command;
        trainer->last = &command->next;
        pthread_cond_signal(&trainer->wake);
    }
    pthread_mutex_unlock(&trainer->lock);
    return taken;
}
