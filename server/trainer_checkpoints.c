/*
 * When checkpoints are taken: as time goes by, before a command answers, and at the end.
 */
#include "clock.h"
#include "log.h"
#include "trainer_impl.h"

#include <stdlib.h>

/* One being stored, and who waits for it. */
struct pending {
    struct trainer *trainer;
    struct trainee *trainee;
    struct rk_error err;
};

static void pending_stored(void *context, const struct store_checkpoint *row,
                           const struct rk_error *err)
{
    struct pending *pending = context;
    struct trainer *trainer = pending->trainer;
    struct served *served = pending->trainee->served;

    if (err->status == RK_OK) {
        atomic_store(&served->checkpoint_version, row->version);
        metrics_add(trainer->tools.metrics, METRIC_CHECKPOINTS, 1);
        log_info("checkpoint_stored", log_text("model", served->name),
                 log_number("version", row->version), log_number("bytes", row->bytes));
    } else {
        log_error("checkpoint_failed", log_text("model", served->name),
                  log_text("reason", err->text));
    }
    pthread_mutex_lock(
        &trainer->lock); /* whoever waits for the end may free the trainer right after it */
    atomic_store(&pending->trainee->storing, false);
    trainer->woken = true;
    pthread_cond_signal(&trainer->wake);
    pthread_mutex_unlock(&trainer->lock);
    free(pending);
}

/* Starts storing the state now; the thread goes on. */
static enum rk_status start_checkpoint(struct trainer *trainer, struct trainee *t,
                                       enum store_source source, struct rk_error *err)
{
    struct checkpoint_bytes file = {0};
    struct store_checkpoint row = {0};
    const struct rk_eval_sum since_stored = t->since_stored;
    struct pending *pending = calloc(1, sizeof *pending);
    enum rk_status status = pending != NULL ? trainee_checkpoint(t, source, &file, &row, err)
                                            : rk_fail(err, RK_NOMEM, "out of memory");

    if (status == RK_OK) {
        *pending = (struct pending){.trainer = trainer, .trainee = t};
        atomic_store(&t->storing, true);
        t->stored_ns = clock_monotonic_ns();
        status = checkpoint_store(trainer->tools.writer, &file, &row, pending_stored, pending, err);
        if (status != RK_OK) {
            t->since_stored = since_stored;
            atomic_store(&t->storing, false);
        }
    }
    if (status != RK_OK) {
        free(pending);
        free(row.metrics);
        free(row.held);
        free(file.bytes);
    }
    return status;
}

/* Waits until no checkpoint of the model is under way: its end wakes the trainer. */
void trainer_await_checkpoint(struct trainer *trainer, struct trainee *t)
{
    pthread_mutex_lock(&trainer->lock);
    while (atomic_load(&t->storing)) {
        pthread_cond_wait(&trainer->wake, &trainer->lock);
    }
    trainer->woken = true; /* a wake meant for the loop may have been taken here */
    pthread_mutex_unlock(&trainer->lock);
}

/* Not what the steps of the store make again. */
static bool has_learned(const struct trainee *t)
{
    return !t->behind &&
           live_version(&t->served->live) != atomic_load(&t->served->checkpoint_version);
}

/* Stores what has been learned since the last checkpoint and waits for it. */
enum rk_status trainer_checkpoint_now(struct trainer *trainer, struct trainee *t,
                                      struct rk_error *err)
{
    enum rk_status status = RK_OK;

    trainer_await_checkpoint(trainer, t);
    if (has_learned(t)) {
        status = start_checkpoint(trainer, t, STORE_SOURCE_TRAINING, err);
        trainer_await_checkpoint(trainer, t);
        if (status == RK_OK && has_learned(t)) {
            status = rk_fail(err, RK_IO, "the checkpoint could not be stored");
        }
    }
    return status;
}

void trainer_checkpoint_due(struct trainer *trainer)
{
    const int64_t now_ns = clock_monotonic_ns();

    for (size_t i = 0; i < trainer->n; i++) {
        struct trainee *t = trainer->trainee[i];
        struct rk_error err = {0};
        if (!atomic_load(&t->storing) && has_learned(t) &&
            now_ns - t->stored_ns >= trainer->options.checkpoint_s * 1000000000 &&
            start_checkpoint(trainer, t, STORE_SOURCE_TRAINING, &err) != RK_OK) {
            log_error("checkpoint_failed", log_text("model", t->served->name),
                      log_text("reason", err.text));
            t->stored_ns = now_ns;
        }
    }
}
