/*
 * The fixture of learning.
 */
#include "learning_fixture.h"

#include "clock.h"
#include "store_fixture.h"
#include "store_log.h"
#include "store_registry.h"
#include "test.h"

#include <rankd/random.h>
#include <sched.h>

#define PATIENCE_NS INT64_C(60000000000)
#define ROOM        4096

int learning_setup(void **state)
{
    struct learning *l = calloc(1, sizeof *l);
    temp_folder_make(&l->folder);
    temp_folder_path(&l->folder, "rankd.db", l->path);
    l->model = LEARNING_MODEL;
    l->time_ms = 1000000;
    learning_open(l);
    *state = l;
    return 0;
}

int learning_teardown(void **state)
{
    struct learning *l = *state;
    learning_close(l);
    temp_folder_remove(&l->folder);
    free(l);
    return 0;
}

void learning_open(struct learning *l)
{
    static const struct writer_limits limits = {
        .jobs = 1000, .bytes = (size_t)1 << 24, .rankings = 1000};
    struct store *store = fixture_open(l->path);
    assert_ok(writer_start(store, &l->metrics, &limits, NULL, NULL, &l->writer, NULL));
    assert_ok(store_open_reader(l->path, &l->reader, NULL));
}

void learning_close(struct learning *l)
{
    store_close(&l->reader);
    writer_stop(&l->writer);
}

void learning_config(const char *json, struct model_config *config)
{
    struct problem problem = {0};
    if (!model_config_parse(json, strlen(json), config, &problem)) {
        fail_msg("%s: %s", problem.pointer, problem.detail);
    }
}

/* ---- records ---- */

struct written {
    struct writer_job job;
    enum rk_status (*run)(struct store *, void *, struct rk_error *);
    void *context;
};

static enum rk_status written_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    struct written *written = (struct written *)job;
    return written->run(store, written->context, err);
}

void learning_write(struct learning *l,
                    enum rk_status (*run)(struct store *, void *, struct rk_error *), void *context)
{
    struct written written = {
        .job = {.run = written_run, .weight = 1}, .run = run, .context = context};
    struct writer_outcome outcome = writer_run(l->writer, &written.job);
    if (outcome.err.status != RK_OK) {
        fail_msg("%s", outcome.err.text);
    }
}

static enum rk_status put_model(struct store *store, void *context, struct rk_error *err)
{
    struct store_model *row = context;
    struct store_checkpoint init = {.source = STORE_SOURCE_INIT};
    enum rk_status status = store_put_model(store, row, err);
    if (status == RK_OK) {
        status = store_new_checkpoint_id(store, &init.id, err);
    }
    init.model = row->id;
    init.seq = init.due_seq = row->seq;
    return status == RK_OK ? store_put_checkpoint(store, &init, err) : status;
}

int64_t learning_model(struct learning *l, const char *name, const char *json)
{
    struct model_config config;
    struct emit text = {0};
    struct store_model row = {0};
    learning_config(json, &config);
    model_config_write(&config, &text);
    (void)snprintf(row.name, sizeof row.name, "%s", name);
    row.config = text.text;
    learning_write(l, put_model, &row);
    emit_deinit(&text);
    l->model = row.id;
    return row.id;
}

static enum rk_status put_ranking(struct store *store, void *context, struct rk_error *err)
{
    return store_put_ranking(store, context, err);
}

int64_t learning_ranking(struct learning *l, const char *id, const char *items, const char *shown)
{
    uint64_t hashes[64];
    char request[ROOM], served[ROOM] = "[", ids[ROOM];
    size_t n = 0;
    (void)snprintf(ids, sizeof ids, "%s", shown);
    for (char *rest = ids, *one = strtok_r(ids, " ", &rest); one != NULL;
         one = strtok_r(NULL, " ", &rest)) {
        size_t length = strlen(served);
        (void)snprintf(served + length, sizeof served - length, "%s{\"id\":\"%s\",\"score\":0}",
                       n > 0 ? "," : "", one);
        hashes[n++] = fixture_item_hash(one);
    }
    (void)strcat(served, "]");
    qsort(hashes, n, sizeof *hashes, fixture_ascending);
    int length = snprintf(request, sizeof request, "{\"items\":%s}", items);
    struct store_ranking ranking = {.ranking_id = id,
                                    .model = l->model,
                                    .catalogue_seq = l->catalogue_seq,
                                    .time_ms = l->time_ms,
                                    .request = request,
                                    .request_n = (size_t)length,
                                    .served = served,
                                    .served_n = strlen(served),
                                    .shown = hashes,
                                    .n_shown = n};
    learning_write(l, put_ranking, &ranking);
    return ranking.seq;
}

struct put_event {
    struct store_event event;
    int64_t now_ms;
};

static enum rk_status put_event(struct store *store, void *context, struct rk_error *err)
{
    struct put_event *put = context;
    enum store_event_status status;
    enum rk_status result =
        store_put_event(store, &put->event, put->now_ms, INT64_C(1) << 50, &status, err);
    return result == RK_OK && status != STORE_EVENT_ACCEPTED
               ? rk_fail(err, RK_INVALID, "the event is %s", store_event_text(status))
               : result;
}

int64_t learning_event(struct learning *l, const char *ranking, const char *item, const char *type,
                       double value)
{
    char id[32];
    (void)snprintf(id, sizeof id, "e%lld", (long long)learning_end(l));
    struct put_event put = {.event = fixture_event(id, ranking, item), .now_ms = l->time_ms};
    put.event.type = type;
    put.event.value = value;
    learning_write(l, put_event, &put);
    return put.event.seq;
}

struct put_batch {
    struct store_batch batch;
    int64_t now_ms;
};

static enum rk_status put_batch(struct store *store, void *context, struct rk_error *err)
{
    struct put_batch *put = context;
    return store_put_batch(store, &put->batch, put->now_ms, err);
}

int64_t learning_batch(struct learning *l, const char *list)
{
    size_t length = strlen(list);
    struct put_batch put = {.batch = {.model = l->model,
                                      .catalogue_seq = l->catalogue_seq,
                                      .payload = &list,
                                      .payload_n = &length,
                                      .n = 1},
                            .now_ms = l->time_ms};
    learning_write(l, put_batch, &put);
    return put.batch.first_seq;
}

struct put_features {
    enum store_side side;
    const char *id, *features;
    int64_t seq;
};

static enum rk_status put_features(struct store *store, void *context, struct rk_error *err)
{
    struct put_features *put = context;
    bool existed;
    return store_put_features(store, put->side, put->id, put->features, 1, &put->seq, &existed,
                              err);
}

int64_t learning_features(struct learning *l, enum store_side side, const char *id,
                          const char *features)
{
    struct put_features put = {.side = side, .id = id, .features = features};
    learning_write(l, put_features, &put);
    return put.seq;
}

/* ---- a stream ---- */

static void make_list(struct rk_random *random, char list[ROOM])
{
    const uint32_t n = 2 + rk_random_below(random, 5), clicked = rk_random_below(random, n);
    int at =
        snprintf(list, ROOM, "{\"user\":{\"id\":\"u%u\"},\"context\":{\"hour\":%u},\"items\":[",
                 (unsigned)rk_random_below(random, 20), (unsigned)rk_random_below(random, 24));
    for (uint32_t i = 0; i < n; i++) {
        at += snprintf(list + at, (size_t)(ROOM - at),
                       "%s{\"id\":\"i%u\",\"features\":{\"brand\":\"b%u\",\"price\":%u.%u},"
                       "\"label\":%u}",
                       i > 0 ? "," : "", (unsigned)(10 * rk_random_below(random, 5) + i),
                       (unsigned)rk_random_below(random, 6), (unsigned)rk_random_below(random, 900),
                       (unsigned)rk_random_below(random, 100),
                       i == clicked ? 2U
                       : i == 1     ? 1U
                                    : 0U);
    }
    (void)snprintf(list + at, (size_t)(ROOM - at), "]}");
}

struct put_stream {
    int64_t model, now_ms, catalogue_seq;
    size_t n;
    uint64_t seed;
};

static enum rk_status put_stream(struct store *store, void *context, struct rk_error *err)
{
    const struct put_stream *put = context;
    struct rk_random random = {put->seed};
    enum rk_status status = RK_OK;
    for (size_t i = 0; i < put->n && status == RK_OK; i++) {
        char list[ROOM];
        make_list(&random, list);
        size_t length = strlen(list);
        const char *payload = list;
        struct store_batch batch = {.model = put->model,
                                    .catalogue_seq = put->catalogue_seq,
                                    .payload = &payload,
                                    .payload_n = &length,
                                    .n = 1};
        status = store_put_batch(store, &batch, put->now_ms, err);
    }
    return status;
}

void learning_stream(struct learning *l, size_t n, uint64_t seed)
{
    struct put_stream put = {l->model, l->time_ms, l->catalogue_seq, n, seed};
    learning_write(l, put_stream, &put);
}

int64_t learning_end(const struct learning *l)
{
    return writer_log_end(l->writer);
}

/* ---- waiting ---- */

void await(bool (*is_true)(void *context), void *context)
{
    const int64_t deadline = clock_monotonic_ns() + PATIENCE_NS;
    while (!is_true(context)) {
        if (clock_monotonic_ns() > deadline) {
            fail_msg("it did not come true within a minute");
        }
        sched_yield();
    }
}

void gate_pass(struct gate *gate)
{
    atomic_fetch_add(&gate->reached, 1);
    while (atomic_load(&gate->open) == 0) {
        sched_yield();
    }
}

struct expected_gate {
    struct gate *gate;
    int reached;
};

static bool is_reached(void *context)
{
    const struct expected_gate *expected = context;
    return atomic_load(&expected->gate->reached) >= expected->reached;
}

void gate_await(struct gate *gate, int reached)
{
    struct expected_gate expected = {gate, reached};
    await(is_reached, &expected);
}

void gate_open(struct gate *gate)
{
    atomic_store(&gate->open, 1);
}
