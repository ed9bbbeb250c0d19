/*
 * The writer's clients, the loop, and their files.
 */
#include "commit.h"

#include "bench.h"
#include "clock.h"
#include "store.h"
#include "store_log.h"
#include "writer.h"

#include <rankd/feature.h>
#include <stdint.h>
#include <string.h>

#define ITEMS 1000 /* shown: each takes STORE_EVENTS_PER_ITEM events */

_Static_assert((BENCH_ROUNDS + 1) * COMMIT_EVENTS <= ITEMS * STORE_EVENTS_PER_ITEM,
               "the events would be capped");

/* One event on its way, again and again. */
struct commit_client {
    struct writer_job job;
    struct commit *all;
    enum store_event_status status;
    size_t number;   /* of the event */
    int64_t sent_ns; /* monotonic */
};

/* ---- events ---- */

static uint64_t item_hash(const char *id)
{
    return rk_feature_category(RK_ITEM, "id", 2, id, strlen(id), 1.0F).hash;
}

static enum rk_status put_event(struct store *store, size_t number, enum store_event_status *status,
                                struct rk_error *err)
{
    char event_id[24], item_id[24];
    struct store_event event = {.event_id = event_id,
                                .ranking_id = "r",
                                .item_id = item_id,
                                .type = "click",
                                .value = 1,
                                .event_ms = INT64_MIN};

    (void)snprintf(event_id, sizeof event_id, "e%zu", number);
    (void)snprintf(item_id, sizeof item_id, "i%zu", number % ITEMS);
    event.item_hash = item_hash(item_id);
    return store_put_event(store, &event, 1, 1000, status, err);
}

/* ---- the writer ---- */

static enum rk_status client_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    struct commit_client *client = (struct commit_client *)job;

    return put_event(store, client->number, &client->status, err);
}

/* Takes the next event, if there is one left in this round. @pre the lock is held. */
static bool client_next(struct commit_client *client)
{
    struct commit *c = client->all;
    const bool more = c->next < c->end;

    if (more) {
        client->number = c->next++;
        client->sent_ns = clock_monotonic_ns();
    }
    return more;
}

static void client_done(struct writer_job *job, const struct writer_outcome *outcome)
{
    struct commit_client *client = (struct commit_client *)job;
    struct commit *c = client->all;
    bool more;

    bench_need(outcome->err.status == RK_OK && client->status == STORE_EVENT_ACCEPTED,
               "an event was not accepted");
    metrics_observe(&c->waited, (uint64_t)(clock_monotonic_ns() - client->sent_ns));
    pthread_mutex_lock(&c->lock);
    more = client_next(client); /* before the round can end, and the next one begin */
    if (++c->done == c->end) {
        pthread_cond_signal(&c->over);
    }
    pthread_mutex_unlock(&c->lock);
    bench_need(!more || writer_submit(c->writer, job), "the queue is full");
}

/* Each client sends an event as soon as its last one is acknowledged. */
void commit_together(struct commit *commit)
{
    struct commit *c = commit;

    pthread_mutex_lock(&c->lock);
    c->end += COMMIT_EVENTS;
    for (size_t i = 0; i < COMMIT_CLIENTS; i++) {
        bench_need(client_next(&c->client[i]) && writer_submit(c->writer, &c->client[i].job),
                   "the queue is full");
    }
    while (c->done < c->end) {
        pthread_cond_wait(&c->over, &c->lock);
    }
    pthread_mutex_unlock(&c->lock);
}

/* ---- the loop ---- */

void commit_singly(struct commit *commit)
{
    struct commit *c = commit;
    enum store_event_status status = STORE_EVENT_CAPPED;

    for (size_t i = 0; i < COMMIT_SINGLES; i++) {
        bench_need(store_begin(c->single, NULL) == RK_OK &&
                       put_event(c->single, c->n_single++, &status, NULL) == RK_OK &&
                       store_commit(c->single, NULL) == RK_OK && status == STORE_EVENT_ACCEPTED,
                   "an event was not accepted");
    }
}

/* ---- set-up ---- */

static int compare_hashes(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* A file with one ranking, on which all events are. */
static struct store *open_store(const struct commit *c, const char *name)
{
    char path[COMMIT_PATH], item[24];
    uint64_t shown[ITEMS];
    struct store_ranking ranking = {.ranking_id = "r",
                                    .model = 1,
                                    .time_ms = 1,
                                    .request = "{}",
                                    .request_n = 2,
                                    .served = "[]",
                                    .served_n = 2,
                                    .shown = shown,
                                    .n_shown = ITEMS};
    struct store *store = NULL;

    for (size_t i = 0; i < ITEMS; i++) {
        (void)snprintf(item, sizeof item, "i%zu", i);
        shown[i] = item_hash(item);
    }
    qsort(shown, ITEMS, sizeof *shown, compare_hashes);
    (void)snprintf(path, sizeof path, "%s/%s", c->folder, name);
    bench_need(store_open(path, &store, NULL) == RK_OK && store_begin(store, NULL) == RK_OK &&
                   store_put_ranking(store, &ranking, NULL) == RK_OK &&
                   store_commit(store, NULL) == RK_OK,
               "no database can be made in the temporary folder");
    return store;
}

void commit_open(struct commit *commit)
{
    struct commit *c = commit;
    const struct writer_limits limits = {
        .jobs = 2 * COMMIT_CLIENTS, .bytes = 1 << 20, .rankings = 1};

    folder_make(c->folder);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->over, NULL);
    c->single = open_store(c, "single.db");
    bench_need(writer_start(open_store(c, "writer.db"), &c->metrics, &limits, NULL, NULL,
                            &c->writer, NULL) == RK_OK,
               "no writer");
    c->client = bench_alloc(COMMIT_CLIENTS * sizeof *c->client);
    for (size_t i = 0; i < COMMIT_CLIENTS; i++) {
        c->client[i] = (struct commit_client){
            .job = {.run = client_run, .done = client_done, .weight = 1}, .all = c};
    }
}

void commit_close(struct commit *commit)
{
    writer_stop(&commit->writer);
    store_close(&commit->single);
    folder_remove(commit->folder);
    free(commit->client);
    pthread_cond_destroy(&commit->over);
    pthread_mutex_destroy(&commit->lock);
}
