/*
 * Calls to the disk that fail: what the service does from start to stop, done again and again with
 * one call of the VFS failing, another one each time, in each way it can; and a sample with all
 * calls failing from one on. Each try is a process of its own. Scoring has to go on, nothing that
 * was acknowledged may be missing in the file, and when the fault is over events are taken again.
 */
#include "api_fixture.h"
#include "clock.h"
#include "dbfile.h"
#include "fault_vfs.h"
#include "json.h"
#include "learning_fixture.h"
#include "ledger.h"
#include "log.h"
#include "rel.h"
#include "test.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#define POINTS     400 /* about so many */
#define LASTING    60  /* of them with all calls failing */
#define ROUNDS     4
#define PATIENCE_S 60 /* for one try */
#define RESUME_NS  INT64_C(20000000000)
#define RANKINGS   64

#define LIVES(X) X(LIFE, "life") X(BIRTH, "birth")

/* A whole life on a file that is there, or a first start alone. */
enum scene {
#define SCENE_ENUM(name, text) SCENE_##name,
    LIVES(SCENE_ENUM)
#undef SCENE_ENUM
    SCENE_COUNT
};

static const char *const scene_text[] = {
#define SCENE_TEXT(name, text) text,
    LIVES(SCENE_TEXT)
#undef SCENE_TEXT
};

/* What a try came to; the numbers of faults alone in one that counts calls. */
struct report {
    uint64_t calls[FAULT_KIND_COUNT];
    uint64_t acked;
    uint64_t false_ack; /* acknowledged, and not in the file */
    uint64_t unlogged;  /* rankings that were said to be logged, and are not in the file */
    uint64_t unscored;
    bool met;
    bool refused; /* it did not start, which is as good */
    bool resumed;
    bool whole; /* the file opens, and all models recover */
};

struct
try {
    struct api_fixture fixture;
    struct ledger ledger;
    char ranking[RANKINGS][LEDGER_ID_MAX]; /* said to be logged */
    size_t n_rankings;
    struct report report;
};

struct point {
    enum scene scene;
    enum fault_kind kind;
    uint64_t nth; /* 0: none fails */
    bool lasting;
};

static char template[TEMP_PATH_MAX];

/* ---- what is done ---- */

static bool score(struct try *try, const char *id)
{
    const struct answer *answer =
        postf(&try->fixture, "/v1/score",
              "{\"ranking_id\": \"%s\", \"user\": {\"id\": \"u\"}, \"items\": [\"a\", \"b\"]}", id);
    const bool logged = answer->status == 200 && !is_at(answer, "/logged");

    try->report.unscored += answer->status != 200;
    if (logged) {
        assert_true(try->n_rankings < RANKINGS);
        (void)snprintf(try->ranking[try->n_rankings++], LEDGER_ID_MAX, "%s", id);
    }
    return logged;
}

/* Clicks, and takes down what was acknowledged. @return it was taken. */
static bool click(struct try *try, const char *id)
{
    const struct answer *answer =
        postf(&try->fixture, "/v1/feedback",
              "{\"event_id\": \"%s\", \"ranking_id\": \"%s\", \"item_id\": \"b\", \"type\": "
              "\"click\"}",
              id, id);
    const char *status = answer->status == 200 ? text_at(answer, "/results/0/status") : "";
    const bool taken = strcmp(status, "accepted") == 0 || strcmp(status, "duplicate") == 0;

    if (taken) {
        ledger_add(&try->ledger, LEDGER_EVENT, id, "");
    }
    return taken;
}

static void send_batch(struct try *try, const char *id)
{
    const struct answer *answer =
        postf(&try->fixture, "/v1/batches",
              "{\"batch_id\": \"%s\", \"groups\": [{\"items\": [{\"id\": \"a\", \"label\": 1}, "
              "{\"id\": \"b\", \"label\": 0}]}]}",
              id);

    if (answer->status == 200) {
        ledger_add(&try->ledger, LEDGER_BATCH, id, "");
    }
}

/* Everything there is to do, whatever is answered. */
static void live(struct try *try)
{
    struct api_fixture *fixture = &try->fixture;

    (void)put(fixture, "/v1/models/m",
              "{\"kind\": \"fm\", \"dim\": 2, \"features\": {\"bits\": 8}}");
    for (int i = 0; i < ROUNDS; i++) {
        char id[LEDGER_ID_MAX];
        (void)snprintf(id, sizeof id, "r%d", i);
        (void)score(try, id);
        (void)click(try, id);
        (void)put(fixture, "/v1/items/a", "{\"features\": {\"price\": 1.5}}");
        send_batch(try, id);
        (void)get(fixture, "/v1/rankings/r0");
        (void)get(fixture, "/v1/items");
        (void)ask(fixture, "POST", "/v1/models/default/train?wait=1", NULL, NULL);
    }
    (void)get(fixture, "/v1/models/default/training");
    (void)ask(fixture, "POST", "/v1/models/default/pause", NULL, NULL);
    (void)ask(fixture, "POST", "/v1/models/default/resume", NULL, NULL);
    (void)post(fixture, "/v1/models/default/activate", "{\"version\": 1}");
    (void)ask(fixture, "DELETE", "/v1/models/m", NULL, NULL);
    (void)ask(fixture, "DELETE", "/v1/items/a", NULL, NULL);
}

/* Are events taken again? */
static bool resumes(struct try *try)
{
    const int64_t deadline_ns = clock_monotonic_ns() + RESUME_NS;
    char id[LEDGER_ID_MAX] = "";

    for (int i = 0; clock_monotonic_ns() < deadline_ns; i++) {
        if (i % 1000 == 0 && try->n_rankings < RANKINGS - 1) {
            (void)snprintf(id, sizeof id, "again%zu", try->n_rankings);
            (void)score(try, id);
        }
        if (click(try, id)) {
            return true;
        }
        api_fixture_forget(&try->fixture);
        (void)sched_yield();
    }
    return false;
}

/* ---- one try ---- */

static bool start(struct try *try)
{
    struct service *service = &try->fixture.service;
    struct rk_error err = {0};

    memcpy(service->options.db, try->fixture.path, sizeof try->fixture.path);
    if (service_start(service, &err) != RK_OK) {
        log_error("start_failed", log_text("reason", err.text));
        service_stop(service);
        return false;
    }
    return true;
}

static void prepare(struct try *try, enum scene scene)
{
    struct options *options = &try->fixture.service.options;

    temp_folder_make(&try->fixture.folder);
    temp_folder_path(&try->fixture.folder, "rankd.db", try->fixture.path);
    if (scene == SCENE_LIFE) {
        dbfile_copy(template, try->fixture.path);
    }
    assert_ok(options_read(options, 0, NULL, NULL));
    options->threads = 1;
    options->storage_retry_ms = 10;
    ledger_init(&try->ledger);
}

/* Looks for what was acknowledged, and has all models recover. */
static void check(struct try *try)
{
    struct report *report = &try->report;
    sqlite3 *db;

    report->whole = start(try);
    if (report->whole) {
        report->resumed = resumes(try) && report->resumed;
        service_stop(&try->fixture.service);
    }
    db = dbfile_open(try->fixture.path);
    report->acked = ledger_size(&try->ledger);
    report->false_ack = report->acked > 0 ? ledger_missing(&try->ledger, db) : 0;
    for (size_t i = 0; i < try->n_rankings; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "SELECT count(*) FROM ranking WHERE ranking_id = '%s'",
                       try->ranking[i]);
        report->unlogged += dbfile_number(db, text) != 1;
    }
    dbfile_close(db);
}

static void count_calls(struct report *report)
{
    for (int kind = 0; kind < FAULT_KIND_COUNT; kind++) {
        report->calls[kind] = fault_calls((enum fault_kind)kind);
    }
}

static void run(struct try *try, const struct point *point)
{
    struct report *report = &try->report;

    prepare(try, point->scene);
    fault_start();
    if (point->nth > 0) {
        fault_arm(point->kind, point->nth, point->lasting);
    }
    report->refused = !start(try);
    if (report->refused && point->lasting) {
        fault_end();
    }
    if (report->refused && !start(try)) {
        return;
    }
    count_calls(report);
    if (point->scene == SCENE_LIFE) {
        live(try);
    }
    report->met = fault_was_met();
    if (point->lasting && report->met) {
        fault_end();
    }
    /* What lasts and has not come yet comes at the end: then the next start says whether it is over. */
    report->resumed = (point->lasting && !report->met) || resumes(try);
    service_stop(&try->fixture.service);
    report->met = fault_was_met();
    fault_end();
    if (point->scene == SCENE_LIFE) { /* of a birth what comes after it is no part */
        count_calls(report);
    }
    check(try);
    fault_stop();
}

static void try_free(struct try *try)
{
    api_fixture_forget(&try->fixture);
    temp_folder_remove(&try->fixture.folder);
    ledger_deinit(&try->ledger);
    free(try);
}

/* The process of a try; what leaks in it is found where its end is looked at. */
static void be_child(const struct point *point, int to)
{
    struct try *try = calloc(1, sizeof *try);
    bool told;

    assert_non_null(try);
    (void)alarm(PATIENCE_S);
    run(try, point);
    told = write(to, &try->report, sizeof try->report) == sizeof try->report;
    try_free(try);
    exit(told ? 0 : 1);
}

/* @return false: it crashed or hung. */
static bool try_point(const struct point *point, struct report *report)
{
    int ends[2], status = 0;
    ssize_t n;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    (void)fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(ends[0]);
        be_child(point, ends[1]);
    }
    (void)close(ends[1]);
    n = read(ends[0], report, sizeof *report);
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return n == (ssize_t)sizeof *report && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- all of them ---- */

struct total {
    uint64_t points, met, crash, false_ack, unlogged, unscored, refused, resumed, broken, acked;
};

static void count(struct total *total, const struct point *point)
{
    struct report report = {0};
    const bool ended = try_point(point, &report);
    const bool good = ended && report.false_ack == 0 && report.unlogged == 0 &&
                      report.unscored == 0 && report.resumed && report.whole;

    total->points++;
    total->crash += !ended;
    total->met += report.met;
    total->false_ack += report.false_ack;
    total->unlogged += report.unlogged;
    total->unscored += report.unscored;
    total->refused += report.refused;
    total->resumed += report.resumed;
    total->broken += ended && !report.whole;
    total->acked += report.acked;
    if (!good) {
        printf("%s, %s %llu%s:%s false_ack=%llu unlogged=%llu unscored=%llu%s%s\n",
               scene_text[point->scene], fault_text(point->kind), (unsigned long long)point->nth,
               point->lasting ? " and on" : "", ended ? "" : " crashed",
               (unsigned long long)report.false_ack, (unsigned long long)report.unlogged,
               (unsigned long long)report.unscored, report.resumed ? "" : " not resumed",
               report.whole ? "" : " not whole");
        (void)fflush(stdout);
    }
}

/* A database whose models are small, so that a try is short. */
static void make_template(const struct temp_folder *folder)
{
    struct learning l = {.time_ms = 1};

    temp_folder_path(folder, "template.db", template);
    memcpy(l.path, template, sizeof template);
    learning_open(&l);
    (void)learning_model(&l, "default",
                         "{\"kind\":\"fm\",\"dim\":2,\"features\":{\"bits\":8},"
                         "\"training\":{\"batch_groups\":1}}");
    learning_close(&l);
}

/* How many calls each kind can hit in a scene; the same try has to be good without a fault. */
static void measure(enum scene scene, struct report *report)
{
    const struct point none = {.scene = scene};

    if (!try_point(&none, report) || report->false_ack > 0 || report->unlogged > 0 ||
        report->unscored > 0 || !report->resumed || !report->whole || report->refused) {
        printf("iofault: without a fault it goes wrong\n");
        exit(1);
    }
}

/* Every step-th call of a kind from one of the first on. */
static void try_kind(struct total *total, struct point point, uint64_t calls, uint64_t step,
                     uint64_t *state)
{
    for (point.nth = 1 + rel_below(state, step); point.nth <= calls; point.nth += step) {
        count(total, &point);
    }
}

static void try_scene(struct total *total, enum scene scene, uint64_t wanted, uint64_t lasting,
                      uint64_t *state)
{
    struct report base = {0};
    uint64_t all = 0;

    measure(scene, &base);
    for (int kind = 0; kind < FAULT_HANG; kind++) {
        all += base.calls[kind];
    }
    printf("%s: %llu calls to fail\n", scene_text[scene], (unsigned long long)all);
    for (int kind = 0; kind < FAULT_HANG; kind++) {
        struct point point = {.scene = scene, .kind = (enum fault_kind)kind};
        try_kind(total, point, base.calls[kind], 1 + (all - 1) / wanted, state);
        point.lasting = true;
        try_kind(total, point, base.calls[kind], 1 + base.calls[kind] * FAULT_HANG / lasting,
                 state);
    }
}

/* An acknowledged event that is taken out of the file has to be missed. */
static bool control_fails(void)
{
    struct try *try = calloc(1, sizeof *try);
    sqlite3 *db;
    bool seen;

    assert_non_null(try);
    prepare(try, SCENE_LIFE);
    assert_true(start(try));
    live(try);
    service_stop(&try->fixture.service);
    db = dbfile_open(try->fixture.path);
    dbfile_run(db, "UPDATE event SET event_id = 'gone' WHERE event_id = 'r1'");
    dbfile_close(db);
    check(try);
    seen = try->report.false_ack == 1 && try->report.unlogged == 0;
    try_free(try);
    return seen;
}

/* TRY="scene kind nth lasting", numbers as in the tables: that one alone. */
static bool try_one(struct total *total)
{
    struct point point = {0};
    unsigned scene, kind, lasting;
    unsigned long long nth;
    const char *text = getenv("TRY");

    if (text == NULL || sscanf(text, "%u %u %llu %u", &scene, &kind, &nth, &lasting) != 4) {
        return false;
    }
    point = (struct point){.scene = (enum scene)scene,
                           .kind = (enum fault_kind)kind,
                           .nth = nth,
                           .lasting = lasting != 0};
    count(total, &point);
    return true;
}

int main(void)
{
    const uint64_t wanted = rel_count("POINTS", POINTS);
    const uint64_t lasting = rel_count("LASTING", LASTING);
    uint64_t state = rel_seed();
    struct total total = {0};
    struct temp_folder folder;
    bool seen;

    json_start();
    log_start(LOG_LEVEL_ERROR, false);
    if (getenv("VERBOSE") == NULL) {
        assert_int_equal(dup2(open("/dev/null", O_WRONLY), STDERR_FILENO), STDERR_FILENO);
    }
    if (access("/dev/shm", W_OK) == 0) {
        (void)setenv("TMPDIR", "/dev/shm", 0);
    }
    temp_folder_make(&folder);
    make_template(&folder);
    if (!try_one(&total)) {
        try_scene(&total, SCENE_LIFE, wanted, lasting, &state);
        try_scene(&total, SCENE_BIRTH, wanted / 20 + 1, lasting / 5 + 1, &state);
    }
    seen = control_fails();
    temp_folder_remove(&folder);
    printf("iofault: points=%llu met=%llu crash=%llu false_ack=%llu unlogged=%llu unscored=%llu "
           "refused_starts=%llu resumed=%llu broken=%llu acked=%llu control_blind=%d\n",
           (unsigned long long)total.points, (unsigned long long)total.met,
           (unsigned long long)total.crash, (unsigned long long)total.false_ack,
           (unsigned long long)total.unlogged, (unsigned long long)total.unscored,
           (unsigned long long)total.refused, (unsigned long long)total.resumed,
           (unsigned long long)total.broken, (unsigned long long)total.acked, !seen);
    return total.crash > 0 || total.false_ack > 0 || total.unlogged > 0 || total.unscored > 0 ||
           total.resumed < total.points || total.broken > 0 || !seen;
}
