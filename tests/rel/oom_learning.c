/*
 * Steps, checkpoints and recovery with failing allocations.
 */
#include "oom_learning.h"

#include "learning_fixture.h"
#include "oom_heap.h"
#include "store_fixture.h"
#include "teacher_fixture.h"
#include "test.h"
#include "trainee_fixture.h"

#define SMALL    "\"features\":{\"bits\":6},\"dim\":2"
#define EACH     "\"training\":{\"batch_groups\":8,\"update_groups\":2}"
#define EXAMINED "\"training\":{\"batch_groups\":8,\"negatives\":\"examined\"}"
#define TEACHER  "{\"kind\":\"fm\"," SMALL "}"
#define LISTS    12

static const struct {
    const char *name, *config;
} kinds[] = {
    {"step fm", "{\"kind\":\"fm\"," SMALL "," EXAMINED "}"},
    {"step ffm", "{\"kind\":\"ffm\"," SMALL "," EACH "}"},
    {"step deepfm", "{\"kind\":\"deepfm\",\"hidden\":[4]," SMALL "," EACH "}"},
    {"step joint",
     "{\"kind\":\"joint\",\"hidden\":[4],\"users\":{\"bits\":6},\"items\":{\"bits\":6}," SMALL
     "," EACH "}"},
    {"step distilled",
     "{\"kind\":\"fm\",\"loss\":{\"name\":\"distill_listwise\"},\"teacher\":\"t\"," SMALL "," EACH
     "}"},
};

/* A model in training, without a thread of its own. */
struct lesson {
    struct oom *oom;
    struct learning l;
    struct models models; /* the teacher's */
    struct trainee *t;
    size_t tried; /* points whose next attempt has not come off yet */
};

/* ---- what there is to learn from ---- */

static void put_clicks(struct learning *l, int first)
{
    for (int i = first; i < first + 3; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "r%d", i);
        (void)learning_ranking(
            l, id, "[{\"id\":\"a\",\"features\":{\"brand\":\"x\"}},\"b\",{\"id\":\"c\"}]", "c a b");
        (void)learning_event(l, id, i % 3 == 0 ? "a" : "c", "click", 1);
    }
}

static struct lesson *lesson_begin(struct oom *oom, const char *config)
{
    struct lesson *lesson = calloc(1, sizeof *lesson);
    struct learning *l;

    assert_non_null(lesson);
    lesson->oom = oom;
    l = &lesson->l;
    temp_folder_make(&l->folder);
    temp_folder_path(&l->folder, "rankd.db", l->path);
    l->time_ms = 1000000;
    learning_open(l);
    assert_ok(models_init(&lesson->models, 1, NULL));
    assert_ok(models_reserve(&lesson->models, NULL));
    models_add(&lesson->models, taught_model("t", TEACHER));
    l->catalogue_seq = learning_features(l, STORE_ITEM, "a", "{\"tags\":[\"t\",\"u\"]}");
    lesson->t = trained_make(l, config);
    learning_stream(l, LISTS, 7);
    put_clicks(l, 0);
    return lesson;
}

static void lesson_end(struct lesson *lesson)
{
    trained_free(&lesson->t);
    models_deinit(&lesson->models);
    learning_close(&lesson->l);
    temp_folder_remove(&lesson->l.folder);
    free(lesson);
}

/* ---- steps ---- */

/* The whole state: what is served, the optimizer, and the copy that is learned on. */
static void check_unchanged(const struct lesson *lesson, const struct checkpoint_bytes *before,
                            int64_t seq, int64_t step)
{
    struct trainee *t = lesson->t;
    struct live *live = &t->served->live;
    struct checkpoint_bytes now = trained_bytes(t);

    if (now.n != before->n || memcmp(now.bytes, before->bytes, now.n) != 0) {
        oom_wrong(lesson->oom, "a step that failed changed what is served, or the optimizer");
    }
    if (memcmp(live_learning(live), live_served(live),
               rk_model_params(t->served->model) * sizeof(float)) != 0) {
        oom_wrong(lesson->oom, "a step that failed left its mark on the learning copy");
    }
    if (t->seq != seq || t->step != step) {
        oom_wrong(lesson->oom, "a step that failed moved on");
    }
    free(now.bytes);
}

/* One attempt at a step. @return did it fail for memory? */
static bool attempt_step(struct lesson *lesson, size_t nth, bool *more)
{
    struct trainee *t = lesson->t;
    struct trainee_tools tools = {.store = lesson->l.reader,
                                  .writer = lesson->l.writer,
                                  .metrics = &lesson->l.metrics,
                                  .models = &lesson->models};
    const int64_t end = learning_end(&lesson->l), seq = t->seq, step = t->step;
    struct checkpoint_bytes before = trained_bytes(t);
    struct rk_error err = {0};
    enum rk_status status;
    size_t failed;

    lesson->oom->counts->point = nth + 1;
    heap_arm(nth, false);
    status = trainee_step(t, &tools, end, more, &err);
    failed = heap_disarm();
    lesson->tried += failed > 0;
    lesson->oom->counts->points += failed > 0;
    if (status == RK_OK) { /* it may do without what failed */
        lesson->oom->counts->resumed += lesson->tried;
        lesson->tried = 0;
    } else if (status == RK_NOMEM && failed > 0) {
        check_unchanged(lesson, &before, seq, step);
    } else {
        oom_wrong(lesson->oom, "%zu failed, a step says %s: %s", failed, rk_status_text(status),
                  err.text);
    }
    free(before.bytes);
    return failed > 0;
}

/* Steps with each allocation failing, until all is learned; then from the start, the same bytes. */
static void try_steps(struct oom *oom, const char *name, const char *config)
{
    const size_t live = heap_live();
    struct lesson *lesson;
    bool more = true;

    if (!oom_begin(oom, name)) {
        return;
    }
    lesson = lesson_begin(oom, config);
    while (more && oom->counts->wrong == 0) {
        size_t nth = 0;
        while (attempt_step(lesson, nth, &more)) {
            nth++;
        }
    }
    if (lesson->t->seq != learning_end(&lesson->l) || live_version(&lesson->t->served->live) == 0) {
        oom_wrong(oom, "it did not learn to the end");
    }
    trained_check_refold(&lesson->l, &lesson->t);
    lesson_end(lesson);
    heap_mark();
    oom_check_live(oom, live);
}

/* ---- checkpoints ---- */

static void note_stored(void *context, const struct store_checkpoint *row,
                        const struct rk_error *err)
{
    struct gate *gate = context;

    (void)row;
    atomic_fetch_add(&gate->reached, err->status == RK_OK ? 1 : 1000);
}

/* Stores a checkpoint. @return did it come off? */
static bool attempt_checkpoint(struct lesson *lesson, size_t nth, size_t *failed)
{
    struct checkpoint_bytes file = {0};
    struct store_checkpoint row = {0};
    struct gate gate = {0};
    enum rk_status status;

    heap_arm(nth, false);
    status = trainee_checkpoint(lesson->t, STORE_SOURCE_TRAINING, &file, &row, NULL);
    if (status == RK_OK) {
        status = checkpoint_store(lesson->l.writer, &file, &row, note_stored, &gate, NULL);
    }
    if (status == RK_OK) {
        gate_await(&gate, 1);
    } else {
        free(file.bytes);
        free(row.metrics);
        free(row.held);
    }
    *failed = heap_disarm();
    return status == RK_OK && gate.reached == 1;
}

static void try_checkpoint(struct oom *oom)
{
    const size_t live = heap_live();
    struct lesson *lesson;
    size_t failed = 1;

    if (!oom_begin(oom, "checkpoint")) {
        return;
    }
    lesson = lesson_begin(oom, kinds[0].config);
    trained_catch_up(&lesson->l, lesson->t);
    for (size_t nth = 0; failed > 0; nth++) {
        oom->counts->point = nth + 1;
        if (!attempt_checkpoint(lesson, nth, &failed) && failed == 0) {
            oom_wrong(oom, "a checkpoint was not stored");
        }
        oom->counts->points += failed > 0;
        oom->counts->resumed += failed > 0;
    }
    lesson_end(lesson);
    heap_mark();
    oom_check_live(oom, live);
}

/* ---- recovery ---- */

/* Recovers the model with failures. @return how many there were. */
static size_t attempt_recovery(struct lesson *lesson, size_t nth,
                               const struct checkpoint_bytes *expected)
{
    struct oom *oom = lesson->oom;
    struct trainee *t = trained_find(&lesson->l);
    struct checkpoint_bytes now = {0};
    struct rk_error err = {0};
    enum rk_status status;
    size_t failed;

    heap_arm(nth, false);
    status = trainee_recover(t, lesson->l.reader, &err);
    failed = heap_disarm();
    if (status == RK_OK) {
        now = trained_bytes(t);
    }
    if (status == RK_OK &&
        (now.n != expected->n || memcmp(now.bytes, expected->bytes, now.n) != 0)) {
        oom_wrong(oom, "recovered to other bytes");
    } else if (status != RK_OK && (status != RK_NOMEM || failed == 0)) {
        oom_wrong(oom, "%zu failed, recovery says %s: %s", failed, rk_status_text(status),
                  err.text);
    }
    free(now.bytes);
    trained_free(&t);
    return failed;
}

/* From the start by all steps, and from a checkpoint. */
static void try_recovery(struct oom *oom, const char *name, const char *config, bool checkpoint)
{
    const size_t live = heap_live();
    struct checkpoint_bytes expected;
    struct lesson *lesson;

    if (!oom_begin(oom, name)) {
        return;
    }
    lesson = lesson_begin(oom, config);
    trained_catch_up_taught(&lesson->l, lesson->t, &lesson->models);
    if (checkpoint) {
        (void)trained_store(&lesson->l, lesson->t);
        put_clicks(&lesson->l, 3);
        trained_catch_up(&lesson->l, lesson->t);
    }
    expected = trained_bytes(lesson->t);
    for (size_t nth = 0;; nth++) {
        oom->counts->point = nth + 1;
        if (attempt_recovery(lesson, nth, &expected) == 0) {
            break;
        }
        oom->counts->points++;
        if (nth % 16 == 0 && attempt_recovery(lesson, SIZE_MAX, &expected) > 0) {
            oom_wrong(oom, "recovery does not come off any more");
        }
        oom->counts->resumed++;
    }
    free(expected.bytes);
    lesson_end(lesson);
    heap_mark();
    oom_check_live(oom, live);
}

void oom_learning(struct oom *oom)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        try_steps(oom, kinds[i].name, kinds[i].config);
    }
    try_checkpoint(oom);
    try_recovery(oom, "recovery by steps", kinds[0].config, false);
    try_recovery(oom, "recovery by steps, distilled", kinds[4].config, false);
    try_recovery(oom, "recovery from a checkpoint", kinds[3].config, true);
}
