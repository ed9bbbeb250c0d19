/*
 * What learning does to scoring, and how soon it is felt: how long answers take at a steady rate while
 * the trainer has nothing to do and while it catches up with a backlog, by default and without a
 * budget; and the time from an acknowledged list with a click to the version that learned from it. One server
 * thread; the clients are a process of their own. Wall-clock time.
 */
#include "bench.h"
#include "folder.h"
#include "load.h"
#include "log.h"
#include "service.h"

#include <string.h>
#include <unistd.h>

#define ITEMS       100  /* of a request that is timed */
#define LISTS       1000 /* of a batch of the backlog */
#define LIST_ITEMS  10
#define BATCHES     20     /* of a backlog */
#define RATE        1000.0 /* requests a second */
#define SECONDS     0.4
#define CONNECTIONS 16
#define CLICKS      200
#define CLICK_RATE  100.0
#define MILLI       1e3
#define NO_BUDGET   100 /* percent of a core */

struct tails {
    struct load load;
    char folder[FOLDER_PATH];
    struct service service;
    size_t score, batch, pause, resume, click;
};

static uint16_t port(const struct tails *t)
{
    return http_port(t->service.http);
}

/* ---- requests ---- */

static void write_ids(FILE *out, size_t n, size_t first, const char *labels)
{
    for (size_t i = 0; i < n; i++) {
        (void)fprintf(out, labels != NULL ? "%s{\"id\":\"i%zu\"%s}" : "%s\"i%zu\"%s",
                      i > 0 ? "," : "", first + i, labels != NULL && i == 0 ? labels : "");
    }
}

static size_t add_score(struct load *load, size_t items, const char *more, const char *expected)
{
    char *body;
    size_t n, request;
    FILE *out = open_memstream(&body, &n);

    bench_need(out != NULL, "out of memory");
    (void)fprintf(out, "{%s\"user\":{\"id\":\"u1\"},\"items\":[", more);
    write_ids(out, items, 0, NULL);
    (void)fprintf(out, "]}");
    bench_need(fclose(out) == 0, "out of memory");
    request = load_add(load, "POST", "/v1/score", body, n, expected);
    free(body);
    return request;
}

static size_t add_batch(struct load *load, size_t lists)
{
    char *body;
    size_t n, request;
    FILE *out = open_memstream(&body, &n);

    bench_need(out != NULL, "out of memory");
    (void)fprintf(out, "{\"groups\":[");
    for (size_t i = 0; i < lists; i++) {
        (void)fprintf(out, "%s{\"user\":{\"id\":\"u%zu\"},\"items\":[", i > 0 ? "," : "", i);
        write_ids(out, LIST_ITEMS, i % 97 * LIST_ITEMS, ",\"label\":1");
        (void)fprintf(out, "]}");
    }
    (void)fprintf(out, "]}");
    bench_need(fclose(out) == 0, "out of memory");
    request = load_add(load, "POST", "/v1/batches", body, n, "accepted_groups");
    free(body);
    return request;
}

static void make_requests(struct tails *t)
{
    t->score = add_score(&t->load, ITEMS, "\"log\":false,", "\"score\":");
    t->batch = add_batch(&t->load, LISTS);
    t->click = add_batch(&t->load, 1);
    t->pause = load_add(&t->load, "POST", "/v1/models/default/pause", "", 0, "paused");
    t->resume = load_add(&t->load, "POST", "/v1/models/default/resume", "", 0, "\"state\":");
}

/* ---- scoring beside learning ---- */

/* @return the 99th percentile, in ms. */
static double score(struct tails *t)
{
    return MILLI *
           load_open(&t->load, port(t), t->score, (size_t)(RATE * SECONDS), CONNECTIONS, RATE)
               .p99_s;
}

static void add_backlog(struct tails *t)
{
    (void)load_closed(&t->load, port(t), t->batch, BATCHES, 1);
}

static bool is_behind(const struct tails *t)
{
    const struct served *served = models_find(models_now(&t->service.models), "default");

    return atomic_load(&served->position) < writer_log_end(t->service.writer);
}

/* Idle and busy in turn; what is busy begins with a backlog that is to outlast it. */
static void beside_learning(struct tails *t, const char *name)
{
    double idle[BENCH_ROUNDS], busy[BENCH_ROUNDS], quiet, loud;
    size_t outlasted = 0;

    (void)score(t); /* warm */
    for (size_t i = 0; i < bench_rounds(); i++) {
        load_until(&t->load, port(t), t->pause);
        add_backlog(t);
        idle[i] = score(t);
        load_until(&t->load, port(t), t->resume);
        busy[i] = score(t);
        outlasted += is_behind(t);
    }
    quiet = bench_median(idle);
    loud = bench_median(busy);
    (void)printf("%-62s | %12.3f | %12.3f | %7.2f\n", name, loud, quiet, loud / quiet);
    if (outlasted < bench_rounds()) {
        (void)printf("  in %zu of %zu rounds the backlog was learned before the time was over\n",
                     bench_rounds() - outlasted, bench_rounds());
    }
    (void)fflush(stdout);
}

/* ---- freshness ---- */

static void catch_up(struct tails *t)
{
    load_until(&t->load, port(t), t->resume);
    while (is_behind(t)) {
        (void)usleep(10000);
    }
}

static void freshness(struct tails *t)
{
    struct metric_histogram *fresh = &t->service.metrics->freshness;

    catch_up(t);
    *fresh = (struct metric_histogram){0};
    (void)load_open(&t->load, port(t), t->click, CLICKS, CONNECTIONS, CLICK_RATE);
    catch_up(t);
    (void)printf("  a list acknowledged is in the served version after: p50 %.0f ms, p99 %.0f ms\n",
                 MILLI * metrics_quantile(fresh, 0.5), MILLI * metrics_quantile(fresh, 0.99));
}

/* ---- set-up ---- */

/* @param percent  of a core for the trainer; 0: what is the default. */
static void serve(struct tails *t, int percent)
{
    char db[512], listen[] = "--listen=127.0.0.1:0", threads[] = "--threads=1", budget[64];
    char *const arguments[] = {db, listen, threads, budget};
    struct rk_error err = {0};

    folder_make(t->folder);
    (void)snprintf(db, sizeof db, "--db=%s/rankd.db", t->folder);
    (void)snprintf(budget, sizeof budget, "--trainer-cpu-percent=%d", percent);
    bench_need(options_read(&t->service.options, percent > 0 ? 4 : 3, arguments, &err) == RK_OK &&
                   service_start(&t->service, &err) == RK_OK &&
                   service_listen(&t->service, &err) == RK_OK,
               err.text);
    add_backlog(t);
    catch_up(t);
}

static void end(struct tails *t)
{
    service_stop(&t->service);
    folder_remove(t->folder);
}

int main(void)
{
    static struct tails t;

    log_start(LOG_LEVEL_ERROR, false);
    make_requests(&t);
    load_start(&t.load);
    bench_title("scoring 100 ids beside learning, 1,000 requests/s, one server thread: p99 in ms");
    serve(&t, 0);
    beside_learning(&t, "trainer busy by its default budget / idle");
    freshness(&t);
    end(&t);
    serve(&t, NO_BUDGET);
    beside_learning(&t, "trainer busy without a budget / idle");
    end(&t);
    load_stop(&t.load);
    return 0;
}
