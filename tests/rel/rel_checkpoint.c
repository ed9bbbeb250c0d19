/*
 * Checkpoints of a large model while events stream in: how long acknowledgements take with one under
 * way, without, and of a plain writer on the same disk; none is lost or refused. Times are printed and
 * decide nothing.
 *   MIB=1024 CHECKPOINTS=2 make rel-checkpoint
 */
#include "clock.h"
#include "dbfile.h"
#include "ledger.h"
#include "plain_writer.h"
#include "rel.h"
#include "server_process.h"
#include "temp_folder.h"
#include "test.h"
#include "waits.h"

#include <stdatomic.h>

#define MIB         128
#define CHECKPOINTS 7 /* more than are kept: old ones have to go meanwhile */
#define CLIENTS     4
#define QUIET       200 /* acknowledgements before each checkpoint */
#define STORED_NS   INT64_C(900000000000)
#define TEXT        512

enum phase {
    WITHOUT,
    WITH,
    PHASES
};

struct stream {
    uint16_t port;
    struct ledger ledger;
    _Atomic int phase;
    atomic_bool over;
    atomic_size_t failed;
};

struct client {
    struct stream *stream;
    pthread_t thread;
    int number;
    struct http_client http;
    struct waits waits[PHASES];
};

/* @return nanoseconds until the answer with the text was there; -1: it was another, which counts. */
static int64_t ask(struct client *client, const char *path, const char *body, const char *part)
{
    const int64_t start_ns = clock_monotonic_ns();
    struct http_response response = http_client_post(&client->http, path, body);
    const int64_t ns = clock_monotonic_ns() - start_ns;
    const bool right = response.status == 200 && strstr(response.body, part) != NULL;

    if (!right && atomic_fetch_add(&client->stream->failed, 1) < 5) {
        printf("%s: %d %s\n", path, response.status, response.body != NULL ? response.body : "");
    }
    http_response_deinit(&response);
    return right ? ns : -1;
}

/* Lists are scored, and each is clicked on. */
static void *send_events(void *context)
{
    struct client *client = context;
    struct stream *stream = client->stream;

    for (int i = 0; !atomic_load(&stream->over); i++) {
        const int before = atomic_load(&stream->phase);
        char text[TEXT], id[LEDGER_ID_MAX];
        int64_t ns;
        (void)snprintf(
            text, sizeof text,
            "{\"model\": \"big\", \"ranking_id\": \"r%d-%d\", \"user\": {\"id\": \"u%d\"},"
            " \"items\": [\"i%d\", \"i%d\", \"i%d\"]}",
            client->number, i, i % 1000, i % 5000, i % 5000 + 1, i % 5000 + 2);
        (void)ask(client, "/v1/score", text, "\"ranking_id\"");
        (void)snprintf(id, sizeof id, "e%d-%d", client->number, i);
        (void)snprintf(text, sizeof text,
                       "{\"event_id\": \"%s\", \"ranking_id\": \"r%d-%d\", \"item_id\": \"i%d\","
                       " \"type\": \"click\"}",
                       id, client->number, i, i % 5000);
        ns = ask(client, "/v1/feedback", text, "\"accepted\":1");
        if (ns >= 0) {
            ledger_add(&stream->ledger, LEDGER_EVENT, id, text);
            const bool with = before == WITH || atomic_load(&stream->phase) == WITH;
            waits_add(&client->waits[with ? WITH : WITHOUT], ns);
        }
    }
    return NULL;
}

/* What is stored, and what was measured meanwhile. */
struct run {
    size_t mib; /* of parameters; a checkpoint has twice as much */
    size_t checkpoints, stored;
    struct waits waits[PHASES], disk;
};

static void wait_a_moment(void)
{
    const struct timespec moment = {.tv_nsec = 10000000};

    (void)nanosleep(&moment, NULL);
}

static void await_acknowledgements(struct stream *stream, size_t n)
{
    const size_t upto = ledger_size(&stream->ledger) + n;

    while (ledger_size(&stream->ledger) < upto) {
        wait_a_moment();
    }
}

/* A model of at least so many MiB of parameters. @return their number in MiB. */
static size_t make_model(uint16_t port, size_t mib)
{
    struct http_client http;
    struct http_response response;
    char config[TEXT];
    int bits = 10;

    while (((size_t)17 * sizeof(float) << bits) < mib << 20) {
        bits++;
    }
    (void)snprintf(config, sizeof config,
                   "{\"kind\": \"fm\", \"features\": {\"bits\": %d}, \"dim\": 16}", bits);
    http_client_init(&http, port);
    response = http_client_ask(&http, "PUT", "/v1/models/big", "Content-Type: application/json\r\n",
                               config);
    if (response.status != 201) {
        fail_msg("%d %s", response.status, response.body);
    }
    http_response_deinit(&response);
    http_client_deinit(&http);
    return ((size_t)17 * sizeof(float) << bits) >> 20;
}

/* How many checkpoints the server has stored, by its own count; -1: it does not say. */
static long count_stored(struct http_client *http)
{
    static const char name[] = "\nrankd_checkpoints_total ";
    struct http_response response = http_client_ask(http, "GET", "/metrics", NULL, NULL);
    const char *found = response.status == 200 ? strstr(response.body, name) : NULL;
    const long n = found != NULL ? strtol(found + strlen(name), NULL, 10) : -1;

    http_response_deinit(&response);
    return n;
}

/* Has a checkpoint stored. @return seconds that it took, with the learning before it; < 0: it was not. */
static double store_checkpoint(struct http_client *http)
{
    const int64_t start_ns = clock_monotonic_ns();
    const long before = count_stored(http);
    struct http_response response = http_client_post(http, "/v1/models/big/train", "");
    bool goes_on = before >= 0 && response.status == 202;
    bool stored = false;

    http_response_deinit(&response);
    while (goes_on && !stored) {
        const long now = count_stored(http);
        stored = now > before;
        goes_on = now >= 0 && clock_monotonic_ns() - start_ns < STORED_NS;
        wait_a_moment();
    }
    return stored ? (double)(clock_monotonic_ns() - start_ns) * 1e-9 : -1;
}

/* One checkpoint after the other, with time between. @return how many were stored. */
static size_t store_checkpoints(struct stream *stream, size_t n)
{
    struct http_client http;
    size_t stored = 0;

    http_client_init(&http, stream->port);
    for (size_t i = 0; i < n; i++) {
        await_acknowledgements(stream, QUIET);
        atomic_store(&stream->phase, WITH);
        const double seconds = store_checkpoint(&http);
        atomic_store(&stream->phase, WITHOUT);
        stored += seconds >= 0;
        printf("checkpoint %zu: %.2f s\n", i + 1, seconds);
    }
    http_client_deinit(&http);
    return stored;
}

/* Streams events while checkpoints are stored. @return how many were. */
static size_t stream_events(struct stream *stream, size_t checkpoints, struct waits waits[PHASES])
{
    struct client client[CLIENTS];
    size_t stored;

    for (int i = 0; i < CLIENTS; i++) {
        client[i] = (struct client){.stream = stream, .number = i};
        http_client_init(&client[i].http, stream->port);
        assert_int_equal(pthread_create(&client[i].thread, NULL, send_events, &client[i]), 0);
    }
    stored = store_checkpoints(stream, checkpoints);
    atomic_store(&stream->over, true);
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(pthread_join(client[i].thread, NULL), 0);
        http_client_deinit(&client[i].http);
        for (int p = 0; p < PHASES; p++) {
            waits_join(&waits[p], &client[i].waits[p]);
            waits_deinit(&client[i].waits[p]);
        }
    }
    return stored;
}

/* Of parameters; a checkpoint has twice as much. It does not grow with REL_SCALE, as the disk does not. */
static size_t model_mib(void)
{
    const char *own = getenv("MIB");

    return own != NULL ? strtoul(own, NULL, 10) : MIB;
}

/* The same by a writer without a database, whose waits are the disk's. */
static void store_plainly(size_t mib, struct waits *waits)
{
    struct temp_folder folder;

    temp_folder_make(&folder);
    plain_writer_store(&folder, (2 * mib) << 20, waits);
    temp_folder_remove(&folder);
}

/* Events and checkpoints in a server of its own. @return the acknowledged that are not in its file. */
static size_t run_server(struct stream *stream, struct run *run)
{
    struct temp_folder folder;
    struct server_process server;
    char path[TEMP_PATH_MAX];
    size_t lost;
    sqlite3 *db;

    temp_folder_make(&folder);
    temp_folder_path(&folder, "rankd.db", path);
    server_start(&server, path, (const char *const[]){"--checkpoint-s", "86400", NULL});
    stream->port = server.port;
    run->mib = make_model(server.port, model_mib());
    store_plainly(run->mib, &run->disk);
    run->stored = stream_events(stream, run->checkpoints, run->waits);
    store_plainly(run->mib, &run->disk);
    server_stop(&server);
    db = dbfile_open(path);
    lost = ledger_missing(&stream->ledger, db);
    dbfile_close(db);
    temp_folder_remove(&folder);
    return lost;
}

int main(void)
{
    struct run run = {.checkpoints = (size_t)rel_count("CHECKPOINTS", CHECKPOINTS)};
    struct stream stream = {0};
    size_t lost, failed;

    setvbuf(stdout, NULL, _IOLBF, 0);
    ledger_init(&stream.ledger);
    lost = run_server(&stream, &run);
    failed = atomic_load(&stream.failed);
    waits_print(&run.disk, "the disk alone");
    waits_print(&run.waits[WITHOUT], "without a checkpoint under way");
    waits_print(&run.waits[WITH], "with a checkpoint under way");
    printf("checkpoint: model_mib=%zu checkpoints=%zu acked=%zu failed=%zu lost=%zu\n", run.mib,
           run.stored, ledger_size(&stream.ledger), failed, lost);
    waits_deinit(&run.disk);
    waits_deinit(&run.waits[WITHOUT]);
    waits_deinit(&run.waits[WITH]);
    ledger_deinit(&stream.ledger);
    return run.stored == run.checkpoints && failed == 0 && lost == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
