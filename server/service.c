/*
 * Starting in the order of need: store, writer, catalogue, models, trainer, API, listeners; stopping
 * in reverse.
 */
#include "clock.h"
#include "codec.h"
#include "failpoint.h"
#include "log.h"
#include "service_impl.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DRAIN_MS       10000
#define CATALOGUE_PAGE 1000

static void on_commit(void *context, int64_t log_end)
{
    struct service *service = context;
    struct trainer *trainer = atomic_load(&service->trainer);

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
    struct rk_error err; /* of the first one that cannot be read */
};

static void take_entry(void *context, const char *id, const char *features)
{
    struct page *page = context;
    const enum rk_side side = page->side == CATALOGUE_ITEM ? RK_ITEM : RK_USER;
    struct catalogue_entry *entry;

    if (page->err.status == RK_OK &&
        codec_entry_parse(side, id, features, &entry, &page->err) == RK_OK) {
        page->change[page->n++] = (struct catalogue_change){
            .side = page->side, .hash = entry->hash, .id = entry->id, .entry = entry};
    }
}

/* Reads the page behind an id and takes it in. @param after  in and out. */
static enum rk_status load_page(struct service *service, struct store *store, int64_t log_end,
                                char after[STORE_ID_MAX + 1], struct page *page,
                                struct rk_error *err)
{
    enum rk_status status;

    page->n = 0;
    status = store_list_features(store, page->side == CATALOGUE_ITEM ? STORE_ITEM : STORE_USER,
                                 after, CATALOGUE_PAGE, take_entry, page, err);
    if (status == RK_OK && page->err.status != RK_OK) {
        status = rk_fail(err, page->err.status, "%s", page->err.text);
    }
    if (status == RK_OK) {
        status = catalogue_reserve(&service->catalogue, page->side, page->n, err);
    }
    if (status != RK_OK) {
        while (page->n > 0) {
            free(page->change[--page->n].entry);
        }
        return status;
    }
    if (page->n > 0) {
        memcpy(after, page->change[page->n - 1].id, STORE_ID_MAX + 1);
    }
    catalogue_change(&service->catalogue, page->change, page->n, log_end);
    return RK_OK;
}

/* Reads one side of the catalogue into memory, page by page. */
static enum rk_status load_side(struct service *service, struct store *store,
                                enum catalogue_side side, int64_t log_end, struct rk_error *err)
{
    struct page *page = calloc(1, sizeof *page);
    char after[STORE_ID_MAX + 1] = "";
    enum rk_status status;

    if (page == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for the catalogue");
    }
    page->side = side;
    do {
        status = load_page(service, store, log_end, after, page, err);
    } while (status == RK_OK && page->n == CATALOGUE_PAGE);
    free(page);
    return status;
}

static enum rk_status load_catalogue(struct service *service, struct rk_error *err)
{
    struct store *store = NULL;
    int64_t log_end = 0;
    enum rk_status status = store_open_reader(service->options.db, &store, err);

    if (status == RK_OK) {
        status = store_log_end(store, &log_end, err);
    }
    for (int side = 0; side < CATALOGUE_SIDES && status == RK_OK; side++) {
        status = load_side(service, store, (enum catalogue_side)side, log_end, err);
    }
    store_close(&store);
    return status;
}

static size_t thread_count(const struct options *options)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);

    return options->threads > 0 ? (size_t)options->threads : cores > 0 ? (size_t)cores : 1;
}

static void note_jump(int64_t jump_ms)
{
    if (jump_ms != 0) {
        log_warn("clock_jump", log_number("delta_s", jump_ms / 1000));
    }
}

/* Server time goes on where the log ends. */
static enum rk_status start_clock(struct store *store, struct rk_error *err)
{
    int64_t last_ms = 0;
    const enum rk_status status = store_log_time(store, INT64_MAX, &last_ms, err);

    if (status == RK_OK) {
        note_jump(clock_start(last_ms));
    }
    return status;
}

/* What the end before left in the write-ahead log has been taken up; what is served is a backup. */
static void note_recovery(struct service *service, const struct store *store)
{
    if (store_restored(store) >= 0) {
        log_notice("db_restored", log_number("seq", store_restored(store)));
    }
    if (store_wal_found(store) > 0) {
        log_warn("recovered", log_number("unclean", 1),
                 log_number("wal_bytes", store_wal_found(store)));
        metrics_add(service->metrics, METRIC_UNCLEAN_STARTS, 1);
    }
}

static enum rk_status start_store(struct service *service, struct rk_error *err)
{
    const struct options *options = &service->options;
    const struct writer_limits limits = {.jobs = (size_t)options->queue_jobs,
                                         .bytes = (size_t)options->queue_mib << 20,
                                         .rankings = (size_t)options->queue_rankings,
                                         .late_ms = options->storage_wait_ms,
                                         .retry_ms = options->storage_retry_ms};
    struct store *store = NULL;
    enum rk_status status = store_lock(options->db, &service->lock, err);

    if (status == RK_OK) {
        status = store_open(options->db, &store, err);
    }
    if (status == RK_OK) {
        note_recovery(service, store);
        status = start_clock(store, err);
    }
    if (status == RK_OK && service->opened != NULL) {
        service->opened(store);
    }
    if (status == RK_OK) {
        status = writer_start(store, service->metrics, &limits, on_commit, service,
                              &service->writer, err);
    }
    if (status != RK_OK) {
        store_close(&store);
        return status;
    }
    checkpoint_sweep(service->writer);
    return RK_OK;
}

static struct retention_options retention_of(const struct options *options)
{
    return (struct retention_options){.log_days = options->log_days,
                                      .log_bytes = options->log_max_mib << 20,
                                      .checkpoint_bytes = options->checkpoint_max_mib << 20,
                                      .ttl_ms = options->feedback_ttl_s * 1000};
}

static enum rk_status start_trainer(struct service *service, size_t n_slots, struct rk_error *err)
{
    const struct trainer_options options = {
        .n_slots = n_slots,
        .model_max_bytes = (size_t)service->options.model_max_mib << 20,
        .checkpoint_s = service->options.checkpoint_s,
        .pace = {service->options.trainer_cpu_percent, service->options.score_p99_ms},
        .score = api_score_seconds(&service->api),
        .retention = retention_of(&service->options)};
    struct store *store = NULL;
    struct trainer *trainer = NULL;
    enum rk_status status = store_open_reader(service->options.db, &store, err);

    if (status == RK_OK) {
        status = trainer_start(store, service->writer, &service->models, service->metrics, &options,
                               &trainer, err);
    }
    atomic_store(&service->trainer, trainer);
    service->api.trainer = trainer;
    return status;
}

void service_tick(struct service *service)
{
    note_jump(clock_steer());
    service_tend_access(service);
}

enum rk_status service_listen(struct service *service, struct rk_error *err)
{
    const struct options *options = &service->options;
    struct http_options http = {.address = options->listen,
                                .threads = thread_count(options),
                                .connections = (size_t)options->connections,
                                .body_pool_bytes = (size_t)options->body_pool_mib << 20};
    enum rk_status status = service_check_open(service, err);

    if (status == RK_OK) {
        status = http_start(&service->api, &http, &service->http, err);
    }
    if (status == RK_OK) {
        log_info("listening", log_text("address", options->listen),
                 log_number("port", http_port(service->http)));
    }
    if (status == RK_OK && options->ops_listen[0] != '\0') {
        http.address = options->ops_listen;
        http.threads = 1;
        http.ops_only = true;
        status = http_start(&service->api, &http, &service->ops, err);
    }
    service->port_taken = status == RK_BUSY;
    return status;
}

enum rk_status service_start(struct service *service, struct rk_error *err)
{
    const size_t n_slots = thread_count(&service->options) + 1; /* one for the health listener */
    enum rk_status status;

    service->metrics = calloc(1, sizeof *service->metrics);
    if (service->metrics == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory");
    }
    service->api.options = &service->options;
    service->api.catalogue = &service->catalogue;
    service->api.models = &service->models;
    service->api.metrics = service->metrics;
    status = start_store(service, err);
    service->api.writer = service->writer;
    if (status == RK_OK) {
        status = catalogue_init(&service->catalogue, n_slots, err);
    }
    if (status == RK_OK) {
        status = models_init(&service->models, n_slots, err);
    }
    if (status == RK_OK) {
        status = load_catalogue(service, err);
    }
    if (status == RK_OK) {
        status = start_trainer(service, n_slots, err);
    }
    if (status == RK_OK) {
        status = backup_start(service->options.db, service->options.backup_dir, service->metrics,
                              &service->backup, err);
        service->api.backup = service->backup;
    }
    if (status == RK_OK) {
        status = access_open(service->options.db, service->metrics, &service->access, err);
        service->api.access = service->access;
    }
    if (status == RK_OK) {
        status = api_init(&service->api, service->options.db, n_slots, err);
    }
    return status;
}

void service_stop(struct service *service)
{
    struct trainer *trainer;

    atomic_store(&service->api.draining, true);
    if (service->http != NULL) {
        size_t left = http_drain(service->http, DRAIN_MS);
        left += http_drain(service->ops, DRAIN_MS);
        log_info("drained", log_number("left", (int64_t)left));
    }
    failpoint(FAILPOINT_DRAINED);
    service_end_access(service);
    backup_stop(&service->backup);
    trainer = atomic_exchange(&service->trainer, NULL);
    trainer_stop(&trainer);
    writer_stop(&service->writer);
    http_stop(&service->http);
    http_stop(&service->ops);
    api_deinit(&service->api);
    models_deinit(&service->models);
    catalogue_deinit(&service->catalogue);
    access_close(&service->access);
    free(service->metrics);
    store_unlock(&service->lock);
    *service = (struct service){.options = service->options, .opened = service->opened};
}
