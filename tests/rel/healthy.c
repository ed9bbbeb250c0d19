/*
 * A trainee alone: the log is stored, its steps are rehearsed, so that none waits for a disk.
 */
#include "healthy.h"

#include "test.h"
#include "trainee_fixture.h"

#include <rankd/judge.h>

#define AT_ONCE 1000 /* lists in a batch */

struct put {
    struct store_batch batch;
    int64_t now_ms;
};

static enum rk_status put_batch(struct store *store, void *context, struct rk_error *err)
{
    struct put *put = context;

    return store_put_batch(store, &put->batch, put->now_ms, err);
}

/* Is it a step whose labels are turned round? None is before the judge sits. */
static bool is_flipped(const struct healthy_pace *pace, size_t step)
{
    return pace->flip_every > 0 && step % pace->flip_every == 0 &&
           step * pace->step > RK_JUDGE_LISTS_MIN * HELD_EVERY;
}

/* Puts the next lists, of which there were `n`, as one batch. @return how many. */
static size_t put_lists(struct learning *l, struct stream *stream, const struct healthy_pace *pace,
                        size_t n)
{
    char *text[AT_ONCE];
    size_t length[AT_ONCE], got = 0;
    struct put put = {.batch = {.model = l->model}, .now_ms = l->time_ms};
    struct stream_list list;

    for (; got < AT_ONCE && stream_next(stream, &list); got++) {
        const struct stream_shape shape = {.flipped = is_flipped(pace, (n + got) / pace->step)};
        struct emit out = {0};
        stream_write(&list, &shape, &stream->random, &out);
        text[got] = emit_take(&out, &length[got]);
    }
    put.batch.payload = (const char *const *)text;
    put.batch.payload_n = length;
    put.batch.n = got;
    if (got > 0) {
        learning_write(l, put_batch, &put);
    }
    for (size_t i = 0; i < got; i++) {
        free(text[i]);
    }
    return got;
}

/* Takes all there is in steps. */
static void take_steps(struct learning *l, struct trainee *t, const struct healthy_pace *pace,
                       struct healthy *healthy)
{
    const struct trainee_tools tools = {.store = l->reader, .metrics = &l->metrics};
    const _Atomic uint64_t *refused = &l->metrics.counter[METRIC_STEPS_QUARANTINED];
    bool more = true;

    for (size_t step = 0; more; step++) {
        const size_t before = atomic_load(refused);
        assert_ok(trainee_step(t, &tools, learning_end(l), &more, NULL));
        if (is_flipped(pace, step)) {
            healthy->flipped++;
            healthy->stopped += atomic_load(refused) - before;
        } else {
            healthy->steps++;
            healthy->refused += atomic_load(refused) - before;
        }
    }
}

struct healthy healthy_learn(struct stream *stream, const struct healthy_pace *pace)
{
    struct learning *l;
    void *state = NULL;
    char config[128];
    size_t lists = 0, got;
    struct healthy healthy = {0};

    (void)learning_setup(&state);
    l = state;
    (void)snprintf(config, sizeof config, "{\"kind\":\"%s\",\"training\":{\"batch_groups\":%zu}}",
                   pace->kind, pace->step);
    struct trainee *t = trained_make(l, config);
    while ((got = put_lists(l, stream, pace, lists)) > 0) {
        lists += got;
    }
    take_steps(l, t, pace, &healthy);
    healthy.auc = t->since_stored.auc / (double)t->since_stored.auc_n;
    trained_free(&t);
    (void)learning_teardown(&state);
    return healthy;
}
