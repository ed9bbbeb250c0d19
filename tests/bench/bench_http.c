/*
 * Scoring over HTTP: processor time of the server's process a request, beside a server of a few lines
 * on the same library that takes the same bytes in and sends as many back; requests a second; and
 * how long answers take at half of what the server can do. The clients are a process of their own.
 */
#include "bare.h"
#include "bench.h"
#include "folder.h"
#include "load.h"
#include "log.h"
#include "service.h"

#include <string.h>
#include <unistd.h>

#define EXPECTED     "\"score\":" /* stands in every answer */
#define CONNECTIONS  16
#define REQUESTS     1000 /* of a round */
#define CATALOGUE    1000
#define CONTEXT      16 /* features of user and context together */
#define BARE_MEMORY  ((size_t)32 << 10)
#define LATENCY_S    3
#define ANSWER_MAX   ((size_t)1 << 20)
#define MILLISECONDS 1e3
#define HALF         0.5

struct bench {
    struct load load;
    char folder[FOLDER_PATH];
    struct service service;
    struct bare bare;
    size_t request; /* the one that is measured */
    size_t n;       /* of a round */
    struct load_result last;
};

/* ---- requests ---- */

static void write_shared(FILE *out)
{
    (void)fprintf(out, "\"user\":{\"id\":\"u1\",\"features\":{");
    for (size_t i = 0; i < CONTEXT / 2; i++) {
        (void)fprintf(out, "%s\"taste%zu\":\"t%zu\"", i > 0 ? "," : "", i, i * 7);
    }
    (void)fprintf(out, "}},\"context\":{");
    for (size_t i = 0; i < CONTEXT / 2; i++) {
        (void)fprintf(out, "%s\"situation%zu\":%zu.5", i > 0 ? "," : "", i, i);
    }
    (void)fprintf(out, "}");
}

static void write_features(FILE *out, size_t i)
{
    (void)fprintf(out,
                  "{\"brand\":\"brand-%zu\",\"category\":\"shoes\",\"price\":%zu.99,"
                  "\"rating\":4.%zu,\"new\":%s,\"colour\":\"c%zu\",\"stock\":%zu,"
                  "\"tags\":[\"sale\"]}",
                  i % 50, 10 + i % 200, i % 10, i % 3 == 0 ? "true" : "false", i % 12, i % 1000);
}

static size_t add_score(struct load *load, size_t items, bool with_features, const char *more)
{
    char *body;
    size_t n, request;
    FILE *out = open_memstream(&body, &n);

    bench_need(out != NULL, "out of memory");
    (void)fprintf(out, "{");
    if (with_features) {
        write_shared(out);
    } else {
        (void)fprintf(out, "\"user\":{\"id\":\"u1\"}");
    }
    (void)fprintf(out, ",%s\"items\":[", more);
    for (size_t i = 0; i < items; i++) {
        (void)fprintf(out,
                      with_features ? "%s{\"id\":\"item-%zu\",\"features\":" : "%s\"item-%zu\"",
                      i > 0 ? "," : "", i);
        if (with_features) {
            write_features(out, i);
            (void)fprintf(out, "}");
        }
    }
    (void)fprintf(out, "]}");
    bench_need(fclose(out) == 0, "out of memory");
    request = load_add(load, "POST", "/v1/score", body, n, EXPECTED);
    free(body);
    return request;
}

/* The catalogue, and a batch to learn something of. */
static size_t add_items(struct load *load, const char *path, bool labelled, const char *expected)
{
    char *body;
    size_t n, request;
    FILE *out = open_memstream(&body, &n);

    bench_need(out != NULL, "out of memory");
    (void)fprintf(out, labelled ? "{\"groups\":[{\"items\":[" : "{\"items\":[");
    for (size_t i = 0; i < CATALOGUE; i++) {
        (void)fprintf(out, "%s{\"id\":\"item-%zu\",", i > 0 ? "," : "", i);
        (void)fprintf(out, labelled ? "\"label\":%zu," : "", i % 2);
        (void)fprintf(out, "\"features\":");
        write_features(out, i);
        (void)fprintf(out, "}");
    }
    (void)fprintf(out, labelled ? "]}]}" : "]}");
    bench_need(fclose(out) == 0, "out of memory");
    request = load_add(load, "POST", path, body, n, expected);
    free(body);
    return request;
}

/* ---- rounds ---- */

static void through_rankd(void *context, size_t round)
{
    struct bench *b = context;

    (void)round;
    b->last = load_closed(&b->load, http_port(b->service.http), b->request, b->n, CONNECTIONS);
    bare_answers(&b->bare, b->last.answer_n);
}

static void through_bare(void *context, size_t round)
{
    struct bench *b = context;

    (void)round;
    (void)load_closed(&b->load, bare_port(&b->bare), b->request, b->n, CONNECTIONS);
}

static void measure(struct bench *b, const char *what, size_t request, size_t n)
{
    char name[96];
    struct bench_row row = {
        name,     CLOCK_PROCESS_CPUTIME_ID, BENCH_NS_EACH, through_rankd, through_bare, (double)n,
        (double)n};
    struct bench_row rate = row;

    b->request = request;
    b->n = n;
    (void)snprintf(name, sizeof name, "%s: CPU a request / bare", what);
    bench_run(&row, b);
    rate.clock = CLOCK_MONOTONIC;
    rate.figure = BENCH_PER_SECOND;
    (void)snprintf(name, sizeof name, "%s: requests/s / bare", what);
    bench_run(&rate, b);
}

/* Open-loop load at half of what closed-loop load reached. */
static void wait_times(struct bench *b, size_t request)
{
    const uint16_t port = http_port(b->service.http);
    const size_t n = 20000;
    struct timespec start, end;
    struct load_result result;
    double rate;

    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    (void)load_closed(&b->load, port, request, n, CONNECTIONS);
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    rate = HALF * (double)n /
           ((double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) * 1e-9);
    result = load_open(&b->load, port, request, (size_t)(rate * LATENCY_S), LOAD_CONNECTIONS, rate);
    (void)printf("  at %.0f requests/s, half of the most: p50 %.3f ms, p99 %.3f ms\n", rate,
                 MILLISECONDS * result.p50_s, MILLISECONDS * result.p99_s);
}

/* ---- set-up ---- */

static void serve(struct bench *b)
{
    char db[512], listen[] = "--listen=127.0.0.1:0", threads[] = "--threads=1";
    char *const arguments[] = {db, listen, threads};
    struct rk_error err = {0};

    (void)snprintf(db, sizeof db, "--db=%s/rankd.db", b->folder);
    bench_need(options_read(&b->service.options, 3, arguments, &err) == RK_OK &&
                   service_start(&b->service, &err) == RK_OK &&
                   service_listen(&b->service, &err) == RK_OK,
               err.text);
}

int main(void)
{
    static struct bench b;
    size_t items, batch, version, pause, ids, few, many, logged;

    log_start(LOG_LEVEL_ERROR, false);
    items = add_items(&b.load, "/v1/items", false, "");
    batch = add_items(&b.load, "/v1/batches", true, "accepted_groups");
    version = load_add(&b.load, "GET", "/v1/models/default", "", 0, "\"version\":1");
    pause = load_add(&b.load, "POST", "/v1/models/default/pause", "", 0, "paused");
    ids = add_score(&b.load, 100, false, "\"log\":false,");
    few = add_score(&b.load, 100, true, "\"log\":false,");
    many = add_score(&b.load, 1000, true, "\"log\":false,");
    logged = add_score(&b.load, 100, false, "");
    load_start(&b.load);
    folder_make(b.folder);
    bare_start(&b.bare, EXPECTED);
    serve(&b);
    load_until(&b.load, http_port(b.service.http), items);
    load_until(&b.load, http_port(b.service.http), batch);
    load_until(&b.load, http_port(b.service.http), version);
    load_until(&b.load, http_port(b.service.http), pause);
    bench_title("scoring over HTTP, one server thread, 16 connections, ns of CPU and requests/s");
    measure(&b, "100 ids", ids, REQUESTS);
    measure(&b, "100 items x 8 + 16", few, REQUESTS);
    measure(&b, "1,000 items x 8 + 16", many, REQUESTS / 4);
    measure(&b, "100 ids, logged", logged, REQUESTS);
    wait_times(&b, few);
    load_stop(&b.load);
    bare_stop(&b.bare);
    service_stop(&b.service);
    folder_remove(b.folder);
    return 0;
}
