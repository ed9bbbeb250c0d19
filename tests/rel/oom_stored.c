/*
 * Retention and verify. A round of retention that failed ends; the next one does what it left, and
 * every model comes out as it was. A check that failed says that memory was short, not that a file
 * is damaged.
 */
#include "oom_stored.h"

#include "command.h"
#include "oom_heap.h"
#include "oom_requests.h"
#include "rel.h"
#include "retention_fixture.h"
#include "store_fixture.h"
#include "test.h"

#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

#define LIVED   24 /* random things between two rounds */
#define CHECKED 16 /* rounds between two checks of all that is left */

/* ---- retention ---- */

/* A round, with failures. @return how many there were. */
static size_t attempt_round(struct oom *oom, struct life *life, size_t nth)
{
    struct retention_model models[LIFE_MODELS];
    const int64_t now_ms = life->l->time_ms + 3 * HOUR_MS;
    struct retention *retention = NULL;
    struct rk_error err = {0};
    enum rk_status status;
    size_t failed, n = 0;
    bool more = true;

    for (size_t i = 0; i < LIFE_MODELS; i++) {
        if (life->t[i] != NULL) {
            models[n++] = trainee_for_retention(life->t[i]);
        }
    }
    heap_arm(nth, false);
    status = retention_create(&life->options, life->l->reader, life->l->writer, &life->l->metrics,
                              &retention, &err);
    while (status == RK_OK && more) {
        status = retention_step(retention, models, n, now_ms, &more, &err);
    }
    retention_destroy(&retention);
    failed = heap_disarm();
    if (status != RK_OK && (status != RK_NOMEM || failed == 0)) {
        oom_wrong(oom, "%zu failed, a round says %s: %s", failed, rk_status_text(status), err.text);
    }
    return failed;
}

static void try_retention(struct oom *oom)
{
    static const char *const kinds[] = {"{\"kind\":\"fm\"," LEARNING_SMALL "}",
                                        "{\"kind\":\"ffm\",\"features\":{\"bits\":6},\"dim\":2}"};
    const size_t live = heap_live();
    struct life life;
    void *state = NULL;

    if (!oom_begin(oom, "retention")) {
        return;
    }
    (void)learning_setup(&state);
    life_start(&life, state, oom->random);
    (void)life_model(&life, 0, kinds[0]);
    (void)life_model(&life, 1, kinds[1]);
    life.options.log_bytes = 1; /* all goes that may */
    /* A life that goes on takes more with every round: the points have to grow faster. */
    for (size_t nth = rel_below(&oom->random, oom->stride);; nth += oom->stride + nth / 8) {
        const bool checked = oom->counts->points % CHECKED == 0;
        oom->counts->point = nth + 1;
        life_go_on(&life, LIVED);
        if (checked) {
            life_check(&life); /* notes what there is */
        }
        if (attempt_round(oom, &life, nth) == 0) {
            break;
        }
        oom->counts->points++;
        oom->counts->resumed += attempt_round(oom, &life, SIZE_MAX) == 0;
        if (checked) {
            life_check(&life);
        }
    }
    life_end(&life);
    (void)learning_teardown(&state);
    heap_mark();
    oom_check_live(oom, live);
}

/* ---- verify ---- */

/* Runs rankd verify with failures. @return what it printed, and its exit code; free it. */
static struct oom_answer verify(char *db, size_t nth, size_t *failed)
{
    char db_option[] = "--db", json_option[] = "--json";
    char *const words[] = {db_option, db, json_option, NULL};
    FILE *file = tmpfile();
    const int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct oom_answer said = {.text = calloc(1, OOM_TEXT_MAX)};

    assert_true(file != NULL && said.text != NULL && out >= 0 && err >= 0 && nowhere >= 0);
    (void)fflush(NULL);
    assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0 && dup2(nowhere, STDERR_FILENO) >= 0);
    heap_arm(nth, false);
    said.status = command_verify(3, words);
    *failed = heap_disarm();
    (void)fflush(NULL);
    assert_true(dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0);
    (void)close(out);
    (void)close(err);
    (void)close(nowhere);
    rewind(file);
    said.n = fread(said.text, 1, OOM_TEXT_MAX - 1, file);
    assert_int_equal(fclose(file), 0);
    return said;
}

/* One attempt. @return how many allocations failed. */
static size_t attempt_verify(struct oom *oom, char *db, size_t nth,
                             const struct oom_answer *expected)
{
    /* It may retrace from further back, where a checkpoint could not be loaded. */
    const struct oom_call call = {.ignored = " retraced "};
    size_t failed;
    struct oom_answer said = verify(db, nth, &failed);

    if (said.status == EX_OK ? !oom_same(&call, &said, expected)
                             : failed == 0 || said.status == EX_DATAERR) {
        oom_wrong(oom, "%zu failed, it ends with %d and prints %s, not %s", failed, said.status,
                  said.text, expected->text);
    }
    oom_answer_free(&said);
    return failed;
}

static void try_verify(struct oom *oom, char *db)
{
    struct oom_answer expected = {0};
    size_t failed, live;

    if (!oom_begin(oom, "verify")) {
        return;
    }
    for (int i = 0; i < 2; i++) { /* what libraries hold for good is there then */
        oom_answer_free(&expected);
        expected = verify(db, SIZE_MAX, &failed);
        assert_int_equal(expected.status, EX_OK);
    }
    live = heap_live();
    for (size_t nth = rel_below(&oom->random, oom->stride);; nth += oom->stride) {
        oom->counts->point = nth + 1;
        heap_mark();
        if (attempt_verify(oom, db, nth, &expected) == 0) {
            break;
        }
        oom->counts->points++;
        oom->counts->resumed += attempt_verify(oom, db, SIZE_MAX, &expected) == 0;
        oom_check_live(oom, live);
    }
    oom_answer_free(&expected);
}

void oom_stored(struct oom *oom)
{
    char db[TEMP_PATH_MAX];

    try_retention(oom);
    oom_service_make(oom);
    temp_folder_path(&oom->fixture.folder, "seed.db", db);
    oom_service_seed(oom, db);
    try_verify(oom, db);
    temp_folder_remove(&oom->fixture.folder);
}
