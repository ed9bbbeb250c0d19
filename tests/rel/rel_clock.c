/*
 * The wall clock jumps - an hour, ten years, to 1970, past 2038, there and back - while the server
 * runs and while it does not: no ranking expires early or comes to life again, no window of a list
 * ends early or never, nothing is learned twice or missed, and the log's time goes with its order.
 *   JUMPS=100 RANKD_SEED=7 make rel-clock
 */
#include "clock.h"
#include "dbfile.h"
#include "fold.h"
#include "rel.h"
#include "server_process.h"
#include "temp_folder.h"
#include "test.h"

#include <glob.h>
#include <time.h>

#define JUMPS       20
#define TTL_S       5
#define WINDOW_MS   1000
#define TENTH(ms)   ((ms) / 10) /* server time may be that much faster or slower */
#define DEADLINE_MS 60000
#define HOUR_S      INT64_C(3600)
#define YEAR_S      (24 * 365 * HOUR_S)
#define YEAR_2038_S (INT64_C(1) << 31)
#define RANKINGS    4096

static const char *const options[] = {"--feedback-ttl-s=5", NULL};
/* One learns from clicks as they come, one from lists that nobody clicked on when their window ends. */
enum {
    CLICKS,
    WINDOWS
};
static const char *const configs[] = {
    "{\"kind\": \"fm\", \"features\": {\"bits\": 8}, \"dim\": 2}",
    "{\"kind\": \"joint\", \"features\": {\"bits\": 8}, \"users\": {\"bits\": 6}, \"items\":"
    " {\"bits\": 6}, \"dim\": 2, \"hidden\": [4], \"training\": {\"attribution_s\": 1}}"};

struct run {
    struct temp_folder folder;
    char db[TEMP_PATH_MAX], clock[TEMP_PATH_MAX];
    struct server_process server;
    struct http_client http;
    uint64_t random;
    int64_t offset_s;            /* of the wall clock, now */
    int64_t served_ms[RANKINGS]; /* when rankings m0-<i> and m1-<i> were, monotonic */
    int64_t started_ms;
    size_t dead; /* rankings before this one were expired once */
    size_t n, jumps, restarts, told;
    size_t expired, alive, early, late, skipped, unexpected;
};

static int64_t now_ms(void)
{
    return clock_monotonic_ns() / 1000000;
}

/* ---- the clock ---- */

/* The library that lies about the time; NULL: it is not there, or cannot be used. */
static char *find_liar(void)
{
    glob_t found = {0};
    char *path = NULL;

#ifndef RANKD_SANITIZED
    if (glob("/usr/lib/*/faketime/libfaketimeMT.so.1", 0, NULL, &found) == 0) {
        path = strdup(found.gl_pathv[0]);
    }
#endif
    globfree(&found);
    return path;
}

/* The wall clock of the server is so much ahead from now on. */
static void set_clock(struct run *run, int64_t offset_s)
{
    char text[32], next[TEMP_PATH_MAX];

    run->offset_s = offset_s;
    (void)snprintf(text, sizeof text, "%+lld\n", (long long)offset_s);
    temp_folder_path(&run->folder, "next", next);
    temp_file_write(next, text, strlen(text));
    assert_int_equal(rename(next, run->clock), 0);
}

static int64_t random_offset(struct run *run)
{
    const int64_t now_s = (int64_t)time(NULL);
    const int64_t offsets[] = {0,           HOUR_S,           -HOUR_S,
                               10 * YEAR_S, -10 * YEAR_S,     -now_s + HOUR_S,
                               HOUR_S / 2,  -24 * HOUR_S * 3, YEAR_2038_S - now_s + HOUR_S};

    for (;;) {
        const int64_t offset_s = offsets[rel_below(&run->random, sizeof offsets / sizeof *offsets)];
        if (offset_s != run->offset_s) {
            return offset_s;
        }
    }
}

static void start(struct run *run, const char *liar)
{
    assert_int_equal(setenv("LD_PRELOAD", liar, 1), 0);
    assert_int_equal(setenv("FAKETIME_TIMESTAMP_FILE", run->clock, 1), 0);
    assert_int_equal(setenv("FAKETIME_NO_CACHE", "1", 1), 0);
    assert_int_equal(setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1", 1), 0);
    /* Else waits on the monotonic clock go by the wrong one, and may last for ever. */
    assert_int_equal(setenv("FAKETIME_FORCE_MONOTONIC_FIX", "0", 1), 0);
    server_start(&run->server, run->db, options);
    assert_int_equal(unsetenv("LD_PRELOAD"), 0);
    http_client_init(&run->http, run->server.port);
    run->started_ms = now_ms();
}

static void stop(struct run *run)
{
    http_client_deinit(&run->http);
    run->told += server_wrote(&run->server, "event=clock_jump");
    server_stop(&run->server);
}

/* ---- requests ---- */

/* @return the answer has the text. */
static bool ask(struct run *run, const char *method, const char *path, const char *body,
                const char *part)
{
    struct http_response response = http_client_ask(
        &run->http, method, path, body != NULL ? "Content-Type: application/json\r\n" : NULL, body);
    const bool right = response.status / 100 == 2 && strstr(response.body, part) != NULL;

    if (!right) {
        printf("%s %s: %d %s\n", method, path, response.status,
               response.body != NULL ? response.body : "");
    }
    http_response_deinit(&response);
    return right;
}

/* A model's newest step as it is shown, from its time on; "" before the first. */
struct step {
    char text[256];
};

static struct step newest_step(struct run *run, int model)
{
    static const char steps[] = "\"steps\":[";
    struct step step = {""};
    char path[64];
    struct http_response response;
    const char *at;

    (void)snprintf(path, sizeof path, "/v1/models/m%d/training", model);
    response = http_client_ask(&run->http, "GET", path, NULL, NULL);
    at = response.body != NULL ? strstr(response.body, steps) : NULL;
    if (at != NULL && at[strlen(steps)] == '{') {
        (void)snprintf(step.text, sizeof step.text, "%s", at + strlen(steps));
    }
    run->unexpected += at == NULL;
    http_response_deinit(&response);
    return step;
}

/*
 * Waits until a step later than that is taken: every 20th list is held back for the judge, and makes
 * no version. @return for how long, or DEADLINE_MS.
 */
static int64_t await_step(struct run *run, int model, const struct step *than, int64_t since_ms)
{
    const struct timespec moment = {.tv_nsec = 10000000};
    struct step now = newest_step(run, model);

    while (strcmp(now.text, than->text) == 0 && now_ms() - since_ms < DEADLINE_MS) {
        (void)nanosleep(&moment, NULL);
        now = newest_step(run, model);
    }
    return now_ms() - since_ms;
}

/* Has ranking m<model>-<i> served. */
static void score(struct run *run, int model, size_t i)
{
    char body[256];

    (void)snprintf(body, sizeof body,
                   "{\"model\": \"m%d\", \"ranking_id\": \"m%d-%zu\", \"user\": {\"id\": \"u%zu\"},"
                   " \"items\": [\"a\", \"b\", \"c\"]}",
                   model, model, i, i % 5);
    run->unexpected += !ask(run, "POST", "/v1/score", body, "\"ranking_id\"");
}

/* Clicks on ranking m0-<i>. @return the answer has the status. */
static bool click(struct run *run, size_t i, const char *id, const char *status)
{
    char body[256];

    (void)snprintf(body, sizeof body,
                   "{\"event_id\": \"%s-%zu-%zu\", \"ranking_id\": \"m0-%zu\", \"item_id\": \"b\","
                   " \"type\": \"click\"}",
                   id, i, run->n, i);
    return ask(run, "POST", "/v1/feedback", body, status);
}

/* ---- what must hold ---- */

/* A list that nobody clicks on is learned when its window ends: a second later, to a tenth. */
static void check_window(struct run *run, int64_t served_ms, const struct step *before)
{
    const int64_t waited_ms = await_step(run, WINDOWS, before, served_ms);

    if (waited_ms < WINDOW_MS - TENTH(WINDOW_MS)) {
        printf("a window ended after %lld ms\n", (long long)waited_ms);
        run->early++;
    }
    if (waited_ms >= DEADLINE_MS) {
        printf("a window did not end\n");
        run->late++;
    }
}

/* A young ranking takes a click. Whether it is young is seen behind the answer. */
static void check_young(struct run *run, size_t i)
{
    const struct step before = newest_step(run, CLICKS);
    const bool accepted = click(run, i, "y", "\"accepted\":1");

    if (accepted) {
        run->late += await_step(run, CLICKS, &before, now_ms()) >= DEADLINE_MS;
    } else if (now_ms() - run->served_ms[i] < 1000 * TTL_S - TENTH(1000 * TTL_S)) {
        run->expired++;
    } else {
        run->skipped++;
    }
}

/*
 * An old one does not, whatever the clock says, and none that did not before. How long the server was
 * not there it only knows from a clock that went forward: those from before a start may be younger to
 * it.
 */
static void check_old(struct run *run)
{
    for (size_t i = run->n; i-- > 0;) {
        const bool old = run->served_ms[i] > run->started_ms &&
                         now_ms() - run->served_ms[i] > 1000 * TTL_S + TENTH(1000 * TTL_S);
        if (old || i < run->dead) {
            run->alive += !click(run, i, "o", "\"status\":\"expired\"");
            run->dead = i + 1 > run->dead ? i + 1 : run->dead;
            break;
        }
    }
}

/*
 * A jump between a list and its click and the end of its window. A start after the clock went forward
 * cannot know better: what was served before may have expired then.
 */
static void one_jump(struct run *run, const char *liar)
{
    const bool restarts = run->jumps % 4 == 3;
    const struct step before = newest_step(run, WINDOWS);
    const int64_t offset_s = random_offset(run);
    const bool forward = restarts && offset_s > run->offset_s;
    const int64_t served_ms = now_ms();
    const size_t i = run->n++;

    run->served_ms[i] = served_ms;
    score(run, CLICKS, i);
    score(run, WINDOWS, i);
    if (restarts) {
        stop(run);
        run->restarts++;
    }
    set_clock(run, offset_s);
    if (restarts) {
        start(run, liar);
    }
    if (forward) {
        run->late += await_step(run, WINDOWS, &before, served_ms) >= DEADLINE_MS;
    } else {
        check_window(run, served_ms, &before);
        check_young(run, i);
    }
    check_old(run);
    run->jumps++;
}

/* ---- all of it ---- */

static size_t count(sqlite3 *db, const char *what, const char *text)
{
    const size_t n = (size_t)dbfile_number(db, text);

    printf("%s: %zu\n", what, n);
    return n;
}

int main(void)
{
    const size_t jumps = (size_t)rel_count("JUMPS", JUMPS);
    struct run run = {.random = rel_seed()};
    struct fold_faults faults;
    size_t back, windows, wrong;
    char *liar = find_liar();
    sqlite3 *db;

    if (liar == NULL) {
        printf("clock: skipped: needs the package faketime, and no sanitizer\n");
        return EXIT_SUCCESS;
    }
    temp_folder_make(&run.folder);
    temp_folder_path(&run.folder, "rankd.db", run.db);
    temp_folder_path(&run.folder, "clock", run.clock);
    set_clock(&run, 0);
    start(&run, liar);
    run.unexpected += !ask(&run, "PUT", "/v1/models/m0", configs[CLICKS], "\"name\"");
    run.unexpected += !ask(&run, "PUT", "/v1/models/m1", configs[WINDOWS], "\"name\"");
    while (run.jumps < jumps && run.n < RANKINGS) {
        one_jump(&run, liar);
    }
    stop(&run);
    db = dbfile_open(run.db);
    faults = fold_check(db);
    back = count(db, "records earlier than the one before",
                 "SELECT count(*) FROM (SELECT time_ms, lag(time_ms) OVER (ORDER BY seq) AS before "
                 "FROM log) WHERE time_ms < before");
    windows = count(db, "lists nobody clicked on, not learned once",
                    "SELECT count(*) FROM ranking r WHERE ranking_id GLOB 'm1-*' AND 1 <> (SELECT "
                    "count(*) FROM step s WHERE s.due_from < r.seq AND s.due_to >= r.seq)");
    dbfile_close(db);
    temp_folder_remove(&run.folder);
    free(liar);
    wrong = run.expired + run.alive + run.early + run.late + faults.missed + faults.twice +
            faults.damaged + windows + back + run.unexpected;
    printf("clock: jumps=%zu restarts=%zu wrong_expiry=%zu unexpired=%zu early=%zu late=%zu "
           "missed=%zu twice=%zu windows=%zu back=%zu unexpected=%zu told=%zu skipped=%zu\n",
           run.jumps, run.restarts, run.expired, run.alive, run.early, run.late, faults.missed,
           faults.twice, windows, back, run.unexpected, run.told, run.skipped);
    return wrong > 0 || run.told == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
