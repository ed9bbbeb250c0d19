/*
 * Feedback through HTTP: connections that are kept, each waiting for its acknowledgement before it
 * sends the next request; one event a request, with learning going on and paused, and a thousand.
 * Beside what each has to wait for: a commit an event, the writer without HTTP, the exchange of
 * the same bytes, and plain inserts into a table with an index on the events' ids. Wall-clock time.
 */
#include "bare.h"
#include "bench.h"
#include "commit.h"
#include "inserts.h"
#include "load.h"
#include "log.h"
#include "service.h"

#include <string.h>
#include <unistd.h>

#define EVENTS      2048   /* of a round, one a request */
#define MANY        1000   /* of one request */
#define MANY_FROM   160000 /* events that single ones do not come to */
#define REQUESTS    16     /* of a round, with many */
#define CONNECTIONS 64
#define MORE        256
#define TEXT        512
#define RANKINGS    100000 /* that are stored while events come in */
#define QUICK       16000  /* the same in bench-quick: enough for the events */

struct feedback {
    struct commit commit;
    struct inserts inserts;
    struct service service;
    struct bare bare;
    struct load load;
    size_t score, click, clicks, pause; /* requests */
    size_t connections;
    struct load_result result; /* of the last round */
};

/* ---- rounds ---- */

static void through_http(void *context, size_t round)
{
    struct feedback *f = context;

    (void)round;
    f->result = load_closed(&f->load, http_port(f->service.http), f->click, EVENTS, f->connections);
    bare_answers(&f->bare, f->result.answer_n);
}

static void many_through_http(void *context, size_t round)
{
    struct feedback *f = context;

    (void)round;
    (void)load_closed(&f->load, http_port(f->service.http), f->clicks, REQUESTS, 1);
}

static void through_bare(void *context, size_t round)
{
    struct feedback *f = context;

    (void)round;
    (void)load_closed(&f->load, bare_port(&f->bare), f->click, EVENTS, f->connections);
}

static void through_writer(void *context, size_t round)
{
    (void)round;
    commit_together(&((struct feedback *)context)->commit);
}

static void singly(void *context, size_t round)
{
    (void)round;
    commit_singly(&((struct feedback *)context)->commit);
}

static void insert(void *context, size_t round)
{
    (void)round;
    for (size_t i = 0; i < REQUESTS; i++) {
        inserts_commit(&((struct feedback *)context)->inserts, MANY);
    }
}

/* ---- set-up ---- */

static void serve(struct feedback *f)
{
    /* No ranking is to be shed while all of them are made. */
    char db[COMMIT_PATH], listen[] = "--listen=127.0.0.1:0", mib[] = "--queue-mib=1024",
                          rankings[] = "--queue-rankings=100000";
    char *const arguments[] = {db, listen, mib, rankings};
    struct rk_error err = {0};

    (void)snprintf(db, sizeof db, "--db=%s/rankd.db", f->commit.folder);
    bench_need(options_read(&f->service.options, 4, arguments, &err) == RK_OK &&
                   service_start(&f->service, &err) == RK_OK &&
                   service_listen(&f->service, &err) == RK_OK,
               err.text);
}

/* A list with LOAD_ITEMS items, another every time. */
static size_t add_list(struct load *load)
{
    char body[TEXT];
    size_t n = (size_t)snprintf(body, sizeof body, "{\"ranking_id\":\"r########\",\"items\":[");

    for (size_t i = 0; i < LOAD_ITEMS; i++) {
        n += (size_t)snprintf(body + n, sizeof body - n, "%s\"i%0*zu\"", i > 0 ? "," : "",
                              LOAD_DIGITS, i);
    }
    n += (size_t)snprintf(body + n, sizeof body - n, "]}");
    return load_add(load, "POST", "/v1/score", body, n, "\"ranking_id\":\"r");
}

static size_t add_events(struct load *load, size_t events, const char *expected)
{
    char *body;
    size_t n, request;
    FILE *out = open_memstream(&body, &n);

    bench_need(out != NULL, "out of memory");
    (void)fprintf(out, "{\"events\":[");
    for (size_t i = 0; i < events; i++) {
        (void)fprintf(out,
                      "%s{\"event_id\":\"e########\",\"ranking_id\":\"r########\","
                      "\"item_id\":\"i########\",\"type\":\"click\"}",
                      i > 0 ? "," : "");
    }
    (void)fprintf(out, "]}");
    bench_need(fclose(out) == 0, "out of memory");
    request = load_add(load, "POST", "/v1/feedback", body, n, expected);
    free(body);
    return request;
}

static void run(struct feedback *f, const char *name, size_t connections, bench_round floor,
                size_t n_floor)
{
    const struct bench_row row = {.name = name,
                                  .clock = CLOCK_MONOTONIC,
                                  .figure = BENCH_PER_SECOND,
                                  .work = through_http,
                                  .floor = floor,
                                  .n_work = EVENTS,
                                  .n_floor = (double)n_floor};

    f->connections = connections;
    bench_run(&row, f);
    (void)printf("  acknowledged after: p50 %.1f ms, p99 %.1f ms\n", 1e3 * f->result.p50_s,
                 1e3 * f->result.p99_s);
}

static void run_many(struct feedback *f)
{
    const struct bench_row row = {
        .name = "1,000 events a request / plain inserts, 1,000 a commit",
        .clock = CLOCK_MONOTONIC,
        .figure = BENCH_PER_SECOND,
        .work = many_through_http,
        .floor = insert,
        .n_work = REQUESTS * MANY,
        .n_floor = REQUESTS * MANY,
    };

    bench_run(&row, f);
}

int main(void)
{
    static struct feedback f;

    log_start(LOG_LEVEL_ERROR, false);
    f.score = add_list(&f.load);
    f.click = add_events(&f.load, 1, "\"accepted\":1");
    f.clicks = add_events(&f.load, MANY, "\"accepted\":1000");
    f.load.request[f.clicks].next = MANY_FROM;
    f.pause = load_add(&f.load, "POST", "/v1/models/default/pause", "", 0, "");
    load_start(&f.load);
    commit_open(&f.commit);
    inserts_open(&f.inserts, f.commit.folder);
    bare_start(&f.bare, "\"accepted\":1");
    serve(&f);
    (void)load_closed(&f.load, http_port(f.service.http), f.score,
                      bench_rounds() < BENCH_ROUNDS ? QUICK : RANKINGS, CONNECTIONS);
    bench_title("acknowledged events per second of wall-clock time, through HTTP");
    run(&f, "64 connections, learning / a commit an event", CONNECTIONS, singly, COMMIT_SINGLES);
    (void)load_closed(&f.load, http_port(f.service.http), f.pause, 1, 1);
    run(&f, "64 connections / a commit an event", CONNECTIONS, singly, COMMIT_SINGLES);
    run(&f, "64 connections / writer with 64 clients", CONNECTIONS, through_writer, COMMIT_EVENTS);
    run(&f, "64 connections / bare", CONNECTIONS, through_bare, EVENTS);
    run(&f, "256 connections / bare", MORE, through_bare, EVENTS);
    run_many(&f);
    (void)printf("%ld processors, which the server and its clients share\n",
                 sysconf(_SC_NPROCESSORS_ONLN));
    load_stop(&f.load);
    bare_stop(&f.bare);
    service_stop(&f.service);
    inserts_close(&f.inserts);
    commit_close(&f.commit);
    return 0;
}
