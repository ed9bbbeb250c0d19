/*
 * A trainee alone: the log is stored, its steps are rehearsed, so that none waits for a disk.
 */
#include "healthy.h"

#include "test.h"
#include "trainee_fixture.h"

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

/* Puts the next lists as one batch. @return how many. */
static size_t put_lists(struct learning *l, struct stream *stream)
{
    static const struct stream_shape plain = {0};
    char *text[AT_ONCE];
    size_t length[AT_ONCE], got = 0;
    struct put put = {.batch = {.model = l->model}, .now_ms = l->time_ms};
    struct stream_list list;

    for (; got < AT_ONCE && stream_next(stream, &list); got++) {
        struct emit out = {0};
        stream_write(&list, &plain, &stream->random, &out);
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

struct healthy healthy_learn(struct stream *stream, int step)
{
    struct learning *l;
    void *state = NULL;
    char config[128];
    bool more = true;
    struct healthy healthy;

    (void)learning_setup(&state);
    l = state;
    (void)snprintf(config, sizeof config, "{\"kind\":\"fm\",\"training\":{\"batch_groups\":%d}}",
                   step);
    struct trainee *t = trained_make(l, config);
    const struct trainee_tools tools = {.store = l->reader, .metrics = &l->metrics};
    while (put_lists(l, stream) > 0) {
    }
    while (more) {
        assert_ok(trainee_step(t, &tools, learning_end(l), &more, NULL));
    }
    healthy.refused = atomic_load(&l->metrics.counter[METRIC_STEPS_QUARANTINED]);
    healthy.steps = healthy.refused + atomic_load(&l->metrics.counter[METRIC_STEPS_PUBLISHED]);
    trained_free(&t);
    (void)learning_teardown(&state);
    return healthy;
}
