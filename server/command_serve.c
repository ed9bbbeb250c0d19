/*
 * rankd serve: puts the parts together, waits for a signal, takes them apart in reverse.
 */
#include "api.h"
#include "clock.h"
#include "codec.h"
#include "command.h"
#include "failpoint.h"
#include "http.h"
#include "log.h"
#include "options.h"
#include "trainer.h"
#include "writer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define DRAIN_MS       10000
#define CATALOGUE_PAGE 1000

/* Everything that runs. */
struct server {
    struct options options;
    struct store_lock *lock;
    struct metrics *metrics;
    struct catalogue catalogue;
    struct models models;
    struct writer *writer;
    _Atomic(struct trainer *) trainer; /* the writer looks for it while it is still being made */
    struct api api;
    struct http *http;
    struct http *ops;
    bool port_taken; /* what the start failed of */
};

/* ---- parts ---- */

static void on_commit(void *context, int64_t log_end)
{
    struct server *server = context;
    struct trainer *trainer = atomic_load(&server->trainer);

    (void)log_end;
    if (trainer != NULL) {
        trainer_wake(trainer);
    }
}

/* One page of stored features on its way into the catalogue. */
struct page {
    enum catalogue_side side;
    struct catalogue_change change[CATALOGUE_PAGE];
    size_t n;
    bool broken;
};

static void take_entry(void *context, const char *id, const char *features)
{
    struct page *page = context;
    const enum rk_side side = page->side == CATALOGUE_ITEM ? RK_ITEM : RK_USER;
    struct catalogue_entry *entry = codec_entry_parse(side, id, features);

    if (entry == NULL) {
        page->broken = true;
        return;
    }
    page->change[page->n++] = (struct catalogue_change){
        .side = page->side, .hash = entry->hash, .id = entry->id, .entry = entry};
}

/* Reads one side of the catalogue into memory, page by page. */
static enum rk_status load_side(struct server *server, struct store *store,
                                enum catalogue_side side, int64_t log_end, struct rk_error *err)
{
    struct page *page = calloc(1, sizeof *page);
    char after[STORE_ID_MAX + 1] = "";
    enum rk_status status = RK_OK;

    if (page == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for the catalogue");
    }
    page->side = side;
    do {
        page->n = 0;
        status = store_list_features(store, side == CATALOGUE_ITEM ? STORE_ITEM : STORE_USER, after,
                                     CATALOGUE_PAGE, take_entry, page, err);
        if (page->broken) {
            status = rk_fail(err, RK_CORRUPT, "stored features cannot be read");
        }
        if (status == RK_OK && page->n > 0) {
            memcpy(after, page->change[page->n - 1].id, sizeof after);
            status = catalogue_change(&server->catalogue, page->change, page->n, log_end, err);
        }
    } while (status == RK_OK && page->n == CATALOGUE_PAGE);
    free(page);
    return status;
}

static enum rk_status load_catalogue(struct server *server, struct rk_error *err)
{
    struct store *store = NULL;
    int64_t log_end = 0;
    enum rk_status status = store_open_reader(server->options.db, &store, err);

    if (status == RK_OK) {
        status = store_log_end(store, &log_end, err);
    }
    for (int side = 0; side < CATALOGUE_SIDES && status == RK_OK; side++) {
        status = load_side(server, store, (enum catalogue_side)side, log_end, err);
    }
    store_close(&store);
    return status;
}

static size_t thread_count(const struct options *options)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);

    return options->threads > 0 ? (size_t)options->threads : cores > 0 ? (size_t)cores : 1;
}

static enum rk_status start_store(struct server *server, struct rk_error *err)
{
    const struct options *options = &server->options;
    const struct writer_limits limits = {.jobs = (size_t)options->queue_jobs,
                                         .bytes = (size_t)options->queue_mib << 20,
                                         .rankings = (size_t)options->queue_rankings};
    struct store *store = NULL;
    enum rk_status status = store_lock(options->db, &server->lock, err);

    if (status == RK_OK) {
        status = store_open(options->db, &store, err);
    }
    if (status == RK_OK) {
        status =
            writer_start(store, server->metrics, &limits, on_commit, server, &server->writer, err);
        if (status != RK_OK) {
            store_close(&store);
        }
    }
    return status;
}

static enum rk_status start_trainer(struct server *server, size_t n_slots, struct rk_error *err)
{
    const struct trainer_options options = {.n_slots = n_slots,
                                            .model_max_bytes = (size_t)server->options.model_max_mib
                                                               << 20,
                                            .checkpoint_s = server->options.checkpoint_s};
    struct store *store = NULL;
    struct trainer *trainer = NULL;
    enum rk_status status = store_open_reader(server->options.db, &store, err);

    if (status == RK_OK) {
        status = trainer_start(store, server->writer, &server->models, server->metrics, &options,
                               &trainer, err);
    }
    atomic_store(&server->trainer, trainer);
    server->api.trainer = trainer;
    return status;
}

static enum rk_status start_http(struct server *server, struct rk_error *err)
{
    const struct options *options = &server->options;
    struct http_options http = {.address = options->listen,
                                .threads = thread_count(options),
                                .connections = (size_t)options->connections,
                                .body_pool_bytes = (size_t)options->body_pool_mib << 20};
    enum rk_status status = http_start(&server->api, &http, &server->http, err);

    if (status == RK_OK) {
        log_info("listening", log_text("address", options->listen),
                 log_number("port", http_port(server->http)));
    }
    if (status == RK_OK && options->ops_listen[0] != '\0') {
        http.address = options->ops_listen;
        http.threads = 1;
        http.ops_only = true;
        status = http_start(&server->api, &http, &server->ops, err);
    }
    server->port_taken = status == RK_BUSY;
    return status;
}

static enum rk_status start(struct server *server, struct rk_error *err)
{
    const size_t n_slots = thread_count(&server->options) + 1; /* one for the health listener */
    enum rk_status status;

    server->metrics = calloc(1, sizeof *server->metrics);
    if (server->metrics == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory");
    }
    server->api.options = &server->options;
    server->api.catalogue = &server->catalogue;
    server->api.models = &server->models;
    server->api.metrics = server->metrics;
    status = start_store(server, err);
    server->api.writer = server->writer;
    if (status == RK_OK) {
        status = catalogue_init(&server->catalogue, n_slots, err);
    }
    if (status == RK_OK) {
        status = models_init(&server->models, n_slots, err);
    }
    if (status == RK_OK) {
        status = load_catalogue(server, err);
    }
    if (status == RK_OK) {
        status = start_trainer(server, n_slots, err);
    }
    if (status == RK_OK) {
        status = api_init(&server->api, server->options.db, n_slots, err);
    }
    return status == RK_OK ? start_http(server, err) : status;
}

static void stop(struct server *server)
{
    struct trainer *trainer;
    size_t left;

    atomic_store(&server->api.draining, true);
    left = http_drain(server->http, DRAIN_MS);
    left += http_drain(server->ops, DRAIN_MS);
    log_info("drained", log_number("left", (int64_t)left));
    failpoint(FAILPOINT_DRAINED);
    trainer = atomic_exchange(&server->trainer, NULL);
    trainer_stop(&trainer);
    writer_stop(&server->writer);
    http_stop(&server->http);
    http_stop(&server->ops);
    api_deinit(&server->api);
    models_deinit(&server->models);
    catalogue_deinit(&server->catalogue);
    free(server->metrics);
    store_unlock(&server->lock);
}

/* ---- the command ---- */

static int exit_code(enum rk_status status)
{
    switch (status) {
    case RK_OK:
        return EX_OK;
    case RK_INVALID:
        return EX_USAGE;
    case RK_CORRUPT:
        return EX_DATAERR;
    case RK_MISMATCH:
        return EX_CONFIG;
    case RK_BUSY:
        return EX_TEMPFAIL;
    case RK_IO:
        return EX_IOERR;
    default:
        return EX_SOFTWARE;
    }
}

static int help(void)
{
    struct emit out = {0};

    emit_format(&out, "usage: rankd serve [options]\n\n");
    options_help(&out);
    (void)fputs(out.text != NULL ? out.text : "", stdout);
    emit_deinit(&out);
    return EX_OK;
}

static bool start_log(const struct options *options)
{
    enum log_level level;
    const bool json = strcmp(options->log_format, "json") == 0;

    if (!log_level_find(options->log_level, &level) ||
        (!json && strcmp(options->log_format, "logfmt") != 0)) {
        (void)fprintf(stderr, "rankd: --log-level is debug, info, notice, warn or error; "
                              "--log-format is logfmt or json\n");
        return false;
    }
    log_start(level, json);
    return true;
}

/* Signals are taken by sigwait in this thread: blocked before any other is made. */
static void block_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

/* A second signal ends at once: what was acknowledged is committed. */
static void leave(int number)
{
    (void)number;
    _exit(EX_OK);
}

static void await_signal(const sigset_t *signals)
{
    const struct sigaction second = {.sa_handler = leave};
    int number = 0;

    (void)sigwait(signals, &number);
    log_info("stopping", log_number("signal", number));
    (void)sigaction(SIGTERM, &second, NULL);
    (void)sigaction(SIGINT, &second, NULL);
    (void)pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

int command_serve(int argc, char *const *argv)
{
    struct server *server = calloc(1, sizeof *server);
    struct rk_error err = {0};
    sigset_t signals;
    int code;
    enum rk_status status;

    if (argc > 0 && strcmp(argv[0], "--help") == 0) {
        free(server);
        return help();
    }
    if (server == NULL || options_read(&server->options, argc, argv, &err) != RK_OK ||
        !start_log(&server->options)) {
        (void)fprintf(stderr, "rankd: %s\n", err.text[0] != '\0' ? err.text : "cannot start");
        free(server);
        return EX_USAGE;
    }
    (void)umask(077); /* the database holds what users did */
    block_signals(&signals);
    options_log(&server->options);
    status = start(server, &err);
    if (status == RK_OK) {
        await_signal(&signals);
    } else {
        log_error("start_failed", log_text("reason", err.text));
    }
    code = server->port_taken ? EX_UNAVAILABLE : exit_code(status);
    stop(server);
    log_info("stopped");
    free(server);
    return code;
}
