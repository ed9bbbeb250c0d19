/*
 * Poison: batches that would make a model explode, or turn it round. What is served must not change by
 * a bit, and learning must go on afterwards. A control, which has no lists held back, has to take it.
 * And the other side of the judge: how many steps of a healthy stream it refuses, and how many with
 * labels turned round it stops among them.
 *   BATCHES=5000 make rel-diverge
 */
#include "api_fixture.h"
#include "healthy.h"
#include "models.h"
#include "rel.h"
#include "test.h"

#include <xxhash.h>

#define BATCHES     1000
#define LISTS       64    /* in a batch, and in a step */
#define WARM        100   /* batches, so that the ring of lists held back is full */
#define COLD        10    /* too few for a judge */
#define AFTER       10    /* healthy batches for each model at the end */
#define MOVIES      48538 /* lists of the stream; */
#define SINGLE      20000 /* of them, one a step; */
#define SINGLE_DEEP 8000  /* where a list has layers to pass */
#define FLIPPED     5     /* then of so many steps one has its labels turned round */
#define REFUSED_MAX 0.005 /* of healthy steps */
#define STOPPED_MIN 0.8   /* of those turned round */

#define SMALL "\"kind\":\"fm\",\"features\":{\"bits\":12"

/* What is done to a model that has learned from healthy lists. */
static const struct poison {
    const char *name, *config;
    int warm;
    struct stream_shape healthy, poisoned;
    const char *change, *back; /* of the configuration while it is poisoned, and after */
} poisons[] = {
    {.name = "overflow",
     .config = "{" SMALL ",\"numbers\":\"raw\"}}",
     .warm = WARM,
     .healthy = {.number = 1},
     .poisoned = {.number = 1e6, .weight = 1e6}},
    {.name = "huge",
     .config = "{" SMALL ",\"numbers\":\"raw\"}}",
     .warm = WARM,
     .healthy = {.number = 1},
     .poisoned = {.number = 1e6}},
    {.name = "flipped", .config = "{" SMALL "}}", .warm = WARM, .poisoned = {.flipped = true}},
    /* Healthy lists, and steps a thousand times too long. */
    {.name = "rate",
     .config = "{" SMALL "},\"optimizer\":{\"learning_rate\":0.2}}",
     .warm = WARM,
     .change = "{\"learning_rate\":200}",
     .back = "{\"learning_rate\":0.2}"},
    {.name = "control", .config = "{" SMALL "}}", .warm = COLD, .poisoned = {.flipped = true}},
};

#define POISONS (sizeof poisons / sizeof *poisons - 1)
#define CONTROL POISONS

struct champion {
    int64_t version;
    uint64_t hash;
};

struct run {
    struct api_fixture *fixture;
    struct stream stream;
    uint64_t random;
    struct champion champion[POISONS + 1];
    size_t batches, quarantined, promoted, nonfinite, pauses, healthy, control;
};

static const struct answer *call(struct run *run, const struct poison *poison, const char *method,
                                 const char *verb, const char *body)
{
    char path[96];

    (void)snprintf(path, sizeof path, "/v1/models/%s%s", poison->name, verb);
    return ask(run->fixture, method, path, body != NULL ? "application/json" : NULL, body);
}

/* ---- what is served ---- */

/* Of both copies, which are the same where nothing is being learned. */
static struct champion served_now(const struct run *run, const struct poison *poison)
{
    struct served *served = models_find(models_now(&run->fixture->service.models), poison->name);
    const size_t bytes = rk_model_params(served->model) * sizeof(float);

    assert_memory_equal(live_served(&served->live), live_learning(&served->live), bytes);
    return (struct champion){.version = live_version(&served->live),
                             .hash = XXH3_64bits(live_served(&served->live), bytes)};
}

/* Is a healthy list scored by the model? */
static bool is_scored(struct run *run, const struct poison *poison)
{
    const struct answer *answer =
        postf(run->fixture, "/v1/score",
              "{\"model\":\"%s\",\"user\":{\"id\":\"u1\"},\"items\":[\"i1\",\"i2\"],\"log\":false}",
              poison->name);

    assert_answered(answer, 200);
    return !is_at(answer, "/degraded");
}

/* ---- batches ---- */

static void post_batch(struct run *run, const struct poison *poison,
                       const struct stream_shape *shape)
{
    struct emit out = {0};
    struct stream_list list;

    emit_open(&out, '{');
    emit_key(&out, "model");
    emit_string(&out, poison->name);
    emit_key(&out, "groups");
    emit_open(&out, '[');
    for (int i = 0; i < LISTS; i++) {
        assert_true(stream_next(&run->stream, &list));
        stream_write(&list, shape, &run->random, &out);
    }
    emit_close(&out, ']');
    emit_close(&out, '}');
    assert_answered(post(run->fixture, "/v1/batches", out.text), 200);
    emit_deinit(&out);
}

/*
 * Has a model try a batch, and resumes it if that paused it.
 *
 * @return its training, with the step first.
 */
static const struct answer *teach(struct run *run, const struct poison *poison,
                                  const struct stream_shape *shape)
{
    const struct answer *training;

    post_batch(run, poison, shape);
    (void)call(run, poison, "POST", "/train?wait=1", NULL); /* 409: it tried it and is paused */
    training = call(run, poison, "GET", "/training", NULL);
    assert_answered(training, 200);
    if (strcmp(text_at(training, "/state"), "paused") == 0) {
        run->pauses++;
        assert_answered(call(run, poison, "POST", "/resume", NULL), 200);
    }
    return training;
}

static bool is_refused(const struct answer *training)
{
    return strcmp(text_at(training, "/steps/0/outcome"), "quarantined") == 0 &&
           count_at(training, "/steps/0/quarantined") == LISTS;
}

static void change(struct run *run, const struct poison *poison, const char *how)
{
    if (how != NULL) {
        assert_answered(call(run, poison, "PATCH", "", how), 200);
    }
}

static void warm(struct run *run, size_t i)
{
    const struct poison *poison = &poisons[i];

    assert_answered(call(run, poison, "PUT", "", poison->config), 201);
    for (int n = 0; n < poison->warm; n++) {
        (void)teach(run, poison, &poison->healthy);
        api_fixture_forget(run->fixture);
    }
    run->champion[i] = served_now(run, poison);
    change(run, poison, poison->change);
}

/* @return was what it served replaced? */
static bool poison_once(struct run *run, size_t i)
{
    const struct answer *training = teach(run, &poisons[i], &poisons[i].poisoned);
    const struct champion now = served_now(run, &poisons[i]);
    const bool promoted =
        now.version != run->champion[i].version || now.hash != run->champion[i].hash;

    run->quarantined += i != CONTROL && is_refused(training);
    run->nonfinite += !is_scored(run, &poisons[i]);
    if (promoted && i != CONTROL) {
        printf("%s: batch %zu is served\n", poisons[i].name, run->batches);
    }
    run->champion[i] = now;
    api_fixture_forget(run->fixture);
    return promoted;
}

static void poison_all(struct run *run, size_t batches)
{
    for (; run->batches < batches; run->batches++) {
        run->promoted += poison_once(run, run->batches % POISONS);
    }
    for (int n = 0; n < COLD; n++) {
        run->control += poison_once(run, CONTROL);
    }
}

/* After a start on what is stored: the same is served, and learned on from. */
static void learn_on(struct run *run)
{
    api_fixture_stop(run->fixture);
    api_fixture_start(run->fixture);
    for (size_t i = 0; i < POISONS; i++) {
        const struct champion now = served_now(run, &poisons[i]);
        run->promoted += now.hash != run->champion[i].hash;
        change(run, &poisons[i], poisons[i].back);
        for (int n = 0; n < AFTER; n++) {
            run->healthy += !is_refused(teach(run, &poisons[i], &poisons[i].healthy));
            api_fixture_forget(run->fixture);
        }
    }
}

static bool poison_models(void)
{
    struct run run = {.random = rel_seed()};
    void *state = NULL;

    assert_int_equal(api_fixture_group(&state), 0);
    assert_int_equal(api_fixture_setup(&state), 0);
    run.fixture = state;
    stream_open_planted(&run.stream, SIZE_MAX, run.random);
    for (size_t i = 0; i <= CONTROL; i++) {
        warm(&run, i);
    }
    poison_all(&run, (size_t)rel_count("BATCHES", BATCHES));
    learn_on(&run);
    (void)api_fixture_teardown(&state);
    printf("diverge: batches=%zu quarantined=%zu promoted=%zu nonfinite=%zu pauses=%zu "
           "healthy_after=%zu/%zu control_promoted=%zu/%d\n",
           run.batches, run.quarantined, run.promoted, run.nonfinite, run.pauses, run.healthy,
           POISONS * AFTER, run.control, COLD);
    return run.quarantined == run.batches && run.promoted == 0 && run.nonfinite == 0 &&
           10 * run.healthy >= 9 * POISONS * AFTER && run.control > 0;
}

/* ---- healthy steps ---- */

static bool try_healthy(const char *kind, size_t step, size_t flip_every, size_t lists)
{
    const struct healthy_pace pace = {.kind = kind, .step = step, .flip_every = flip_every};
    struct stream stream;
    struct healthy healthy;

    if (!stream_open_movies(&stream, rel_count("MOVIES", lists))) {
        printf("healthy: SKIP: needs python3 and the movie stream\n");
        return true;
    }
    healthy = healthy_learn(&stream, &pace);
    stream_close(&stream);
    printf("healthy: kind=%s lists_a_step=%zu steps=%zu refused=%zu share=%.3f%% flipped=%zu "
           "stopped=%zu auc=%.4f\n",
           kind, step, healthy.steps, healthy.refused,
           100 * (double)healthy.refused / (double)healthy.steps, healthy.flipped, healthy.stopped,
           healthy.auc);
    return (double)healthy.refused <= REFUSED_MAX * (double)healthy.steps &&
           (double)healthy.stopped >= STOPPED_MIN * (double)healthy.flipped;
}

int main(void)
{
    bool good = poison_models();

    good = try_healthy("fm", 1, 0, SINGLE) && good;
    good = try_healthy("fm", LISTS, 0, MOVIES) && good;
    good = try_healthy("fm", LISTS, FLIPPED, MOVIES) && good;
    good = try_healthy("deepfm", 1, 0, SINGLE_DEEP) && good;
    good = try_healthy("deepfm", LISTS, 0, MOVIES) && good;
    good = try_healthy("deepfm", LISTS, FLIPPED, MOVIES) && good;
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
