/*
 * Starts, stops and first requests with failing allocations. Every stride-th allocation fails: a
 * start has thousands.
 */
#include "oom_start.h"

#include "oom_heap.h"
#include "oom_requests.h"
#include "rel.h"
#include "store_fixture.h"
#include "test.h"

#include <unistd.h>

#define LONGEST                                                                                    \
    40 /* a new file has a default model of millions of parameters: few points are tried */
#define SCORE "{\"model\":\"joint\",\"log\":false,\"user\":{\"id\":\"u\"},\"items\":[\"a\",\"b\"]}"

/* A database as it was closed, and where it is opened. */
struct place {
    struct oom *oom;
    char seed[TEMP_PATH_MAX];         /* "": none, the file is new */
    struct oom_answer models, scored; /* without failures */
    size_t live, libraries;           /* before a start */
};

/* ---- files ---- */

static void copy_file(const char *from, const char *to)
{
    static char buffer[1 << 16];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    size_t n;

    assert_non_null(in);
    assert_non_null(out);
    while ((n = fread(buffer, 1, sizeof buffer, in)) > 0) {
        assert_int_equal(fwrite(buffer, 1, n, out), n);
    }
    assert_int_equal(fclose(out), 0);
    assert_int_equal(fclose(in), 0);
}

/* The file as it is before the first start. */
static void lay_out(const struct place *p)
{
    static const char *const beside[] = {"", "-wal", "-shm", "-journal"};
    const char *path = p->oom->fixture.path;

    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        char file[TEMP_PATH_MAX + 16];
        (void)snprintf(file, sizeof file, "%s%s", path, beside[i]);
        (void)unlink(file);
    }
    if (p->seed[0] != '\0') {
        copy_file(p->seed, path);
    }
}

/* ---- starts ---- */

static bool same_answer(struct oom *oom, const char *method, const char *path, const char *body,
                        const struct oom_answer *expected)
{
    const struct oom_call call = {.ignored = " ranking_id "};
    struct oom_answer answer = oom_ask(oom, method, path, body);
    const bool same = answer.status == expected->status && oom_same(&call, &answer, expected);

    if (!same) {
        oom_wrong(oom, "after a start %s %s is %d %.300s, not %d %.300s", method, path,
                  answer.status, answer.text, expected->status, expected->text);
    }
    oom_answer_free(&answer);
    return same;
}

static bool serves_as_ever(struct place *p)
{
    return same_answer(p->oom, "GET", "/v1/models", NULL, &p->models) &&
           same_answer(p->oom, "POST", "/v1/score", SCORE, &p->scored);
}

/* Nothing is left of a service that was stopped. */
static void check_gone(struct place *p)
{
    oom_check_live(p->oom, p->live);
    if (heap_live_libraries() != p->libraries) {
        p->oom->counts->leak++;
        printf("leak: %s, allocation %llu: blocks of libraries\n", p->oom->counts->at,
               (unsigned long long)p->oom->counts->point);
        heap_print_new();
    }
}

/* SQLite does not always say why a page could not be had. */
static bool is_short_of_memory(const struct rk_error *err)
{
    return err->status == RK_NOMEM ||
           (err->status == RK_IO && strstr(err->text, "cannot be read to be checked") != NULL);
}

/* Starts, and stops, with failures in one of the two. @return how many there were. */
static size_t attempt(struct place *p, size_t nth, bool stopping)
{
    struct service *service = &p->oom->fixture.service;
    struct rk_error err = {0};
    enum rk_status status;
    size_t failed;

    heap_mark();
    heap_arm(stopping ? SIZE_MAX : nth, false);
    status = service_start(service, &err);
    failed = heap_disarm();
    if (status == RK_OK) {
        oom_service_await(p->oom);
        (void)serves_as_ever(p);
    } else if (failed == 0 || !is_short_of_memory(&err)) {
        oom_wrong(p->oom, "%zu failed, a start says %s: %s", failed, rk_status_text(status),
                  err.text);
    }
    heap_arm(stopping ? nth : SIZE_MAX, false);
    service_stop(service);
    failed += heap_disarm();
    check_gone(p);
    return failed;
}

static void try_points(struct place *p, const char *name, bool stopping, size_t stride)
{
    struct oom *oom = p->oom;

    if (!oom_begin(oom, name)) {
        return;
    }
    for (size_t nth = rel_below(&oom->random, stride);; nth += stride) {
        oom->counts->point = nth + 1;
        lay_out(p);
        if (attempt(p, nth, stopping) == 0) {
            break;
        }
        oom->counts->points++;
        if (attempt(p, SIZE_MAX, false) == 0) {
            oom->counts->resumed++;
        }
    }
}

/* A file is made, with all migrations. @return how many failures there were. */
static size_t attempt_open(struct place *p, size_t nth)
{
    struct store *store = NULL;
    struct rk_error err = {0};
    enum rk_status status;
    size_t failed;

    heap_mark();
    heap_arm(nth, false);
    status = store_open(p->oom->fixture.path, &store, &err);
    failed = heap_disarm();
    if (status != RK_OK && (status != RK_NOMEM || failed == 0)) {
        oom_wrong(p->oom, "%zu failed, a new file: %s: %s", failed, rk_status_text(status),
                  err.text);
    }
    store_close(&store);
    check_gone(p);
    return failed;
}

static void try_open(struct place *p)
{
    struct oom *oom = p->oom;

    if (!oom_begin(oom, "new file")) {
        return;
    }
    for (size_t nth = rel_below(&oom->random, oom->stride);; nth += oom->stride) {
        oom->counts->point = nth + 1;
        lay_out(p);
        if (attempt_open(p, nth) == 0) {
            break;
        }
        oom->counts->points++;
        if (attempt_open(p, SIZE_MAX) == 0) {
            oom->counts->resumed++;
        }
    }
}

/* What a start without failures answers; twice, so that libraries hold what they hold for good. */
static struct place measure(struct oom *oom, const char *seed)
{
    struct place p = {.oom = oom};

    (void)snprintf(p.seed, sizeof p.seed, "%s", seed);
    for (int i = 0; i < 2; i++) {
        lay_out(&p);
        oom_answer_free(&p.models);
        oom_answer_free(&p.scored);
        api_fixture_start(&oom->fixture);
        oom_service_await(oom);
        p.models = oom_ask(oom, "GET", "/v1/models", NULL);
        p.scored = oom_ask(oom, "POST", "/v1/score", SCORE);
        api_fixture_stop(&oom->fixture);
        p.live = heap_live();
        p.libraries = heap_live_libraries();
    }
    return p;
}

static void forget(struct place *p)
{
    oom_answer_free(&p->models);
    oom_answer_free(&p->scored);
}

/* ---- first requests ---- */

static void start_again(struct oom *oom)
{
    api_fixture_stop(&oom->fixture);
    api_fixture_start(&oom->fixture);
    oom_service_await(oom);
}

static void try_first_requests(struct oom *oom)
{
    /* clang-format off */
    static const struct oom_call calls[] = {
        {.name = "first score", .method = "POST", .path = "/v1/score", .ignored = " ranking_id logged ",
         .body = "{\"ranking_id\":\"q@\",\"explain\":true,\"user\":{\"id\":\"u\"},\"items\":[\"a\",\"b\"]}"},
        {.name = "first feedback", .method = "POST", .path = "/v1/feedback",
         .body = "{\"event_id\":\"x\",\"ranking_id\":\"nowhere\",\"item_id\":\"a\",\"type\":\"click\"}"},
        {.name = "first batch", .method = "POST", .path = "/v1/batches", .ignored = " seq accepted_groups duplicate ",
         .body = "{\"model\":\"deepfm\",\"batch_id\":\"c@\",\"groups\":[{\"items\":[{\"id\":\"a\",\"label\":1},{\"id\":\"b\"}]}]}"},
        {.name = "first look at training", .method = "GET", .path = "/v1/models/joint/training", .ignored = " log_end lag seq "},
        {.name = "first look at versions", .method = "GET", .path = "/v1/models/joint/versions"},
        {.name = "first export", .method = "GET", .path = "/v1/models/joint/versions/1"},
        {.name = "first look at a ranking", .method = "GET", .path = "/v1/rankings/none"},
        {.name = "first item", .method = "PUT", .path = "/v1/items/c", .body = "{\"features\":{\"n\":@}}", .ignored = " n "},
    };
    /* clang-format on */

    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct oom_call call = calls[i];
        call.before = start_again;
        call.stride = oom->stride;
        oom_try(oom, &call);
    }
}

/* ---- all ---- */

void oom_start(struct oom *oom)
{
    char seed[TEMP_PATH_MAX];
    struct place p;

    oom_service_make(oom);
    try_first_requests(oom);
    temp_folder_path(&oom->fixture.folder, "seed.db", seed);
    oom_service_seed(oom, seed);
    oom->fixture.service.options.log_days = 1;
    p = measure(oom, seed);
    try_points(&p, "start", false, 2 * oom->stride - 1);
    try_points(&p, "stop", true, 1);
    forget(&p);
    p = measure(oom, "");
    try_open(&p);
    try_points(&p, "start on a new file", false, LONGEST * oom->stride);
    forget(&p);
    temp_folder_remove(&oom->fixture.folder);
}
