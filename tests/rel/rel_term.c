/*
 * SIGTERM at full load: every request that was under way, every connection that was taken, also those
 * still in the backlog, gets its answer; the end is a clean one. And SIGKILL at full load: how soon is
 * the next one there.
 *   N=100 make rel-term
 */
#include "clock.h"
#include "dbfile.h"
#include "ledger.h"
#include "rel.h"
#include "server_process.h"
#include "temp_folder.h"
#include "test.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define ROUNDS   20
#define KEEPING  8 /* clients that keep their connection */
#define CHANGING 8 /* clients that connect for each request */
#define CLIENTS  (KEEPING + CHANGING)
#define WARM     30 /* answers before the signal comes, in all a random number more */
#define TAIL     1500
#define RACE_MS  20 /* idle for longer, a kept connection may be closed from both sides at once */

struct run {
    struct temp_folder folder;
    char db[TEMP_PATH_MAX];
    struct ledger ledger;
    struct server_process server;
    uint64_t random;
    unsigned round;
    atomic_size_t answered, dropped, raced, draining, unexpected;
    size_t terms, kills, unclean, missing;
    int64_t end_ms, ready_ms; /* the longest */
};

struct client {
    struct run *run;
    pthread_t thread;
    int number;
    struct http_client http;
    int64_t idle_since_ms;
};

static int64_t now_ms(void)
{
    return clock_monotonic_ns() / 1000000;
}

/* ---- clients ---- */

/* @return the request was answered as if nothing had happened, and there may be more. */
static bool ask(struct client *client, const char *path, const char *body, const char *part)
{
    struct run *run = client->run;
    const bool kept = client->http.fd >= 0;
    struct http_response response;
    bool more;

    if (!http_client_connect(&client->http)) {
        return false; /* the door is closed */
    }
    response = http_client_post(&client->http, path, body);
    more = response.status == 200 && strstr(response.body, part) != NULL;
    if (more) {
        atomic_fetch_add(&run->answered, 1);
    } else if (response.status == 0 && kept && now_ms() - client->idle_since_ms > RACE_MS) {
        atomic_fetch_add(&run->raced, 1);
    } else if (response.status == 0) {
        atomic_fetch_add(&run->dropped, 1);
    } else if (strstr(response.body, "/problems/draining") != NULL) {
        atomic_fetch_add(&run->draining, 1);
    } else {
        printf("unexpected answer %d: %s\n", response.status, response.body);
        atomic_fetch_add(&run->unexpected, 1);
    }
    more = more && (!response.closed || client->number >= KEEPING);
    http_response_deinit(&response);
    if (client->number >= KEEPING) {
        http_client_close(&client->http);
    }
    client->idle_since_ms = now_ms();
    return more;
}

static void *work(void *context)
{
    struct client *client = context;
    bool more = true;

    for (int i = 0; more; i++) {
        char ranking[32], text[256];
        (void)snprintf(ranking, sizeof ranking, "%u-%d-%d", client->run->round, client->number, i);
        (void)snprintf(text, sizeof text, "{\"ranking_id\": \"%s\", \"items\": [\"a\", \"b\"]}",
                       ranking);
        more = ask(client, "/v1/score", text, "\"ranking_id\"");
        (void)snprintf(text, sizeof text,
                       "{\"event_id\": \"%s\", \"ranking_id\": \"%s\", \"item_id\": \"b\","
                       " \"type\": \"click\"}",
                       ranking, ranking);
        if (more) {
            more = ask(client, "/v1/feedback", text, "\"accepted\":1");
        }
        if (more) {
            ledger_add(&client->run->ledger, LEDGER_EVENT, ranking, text);
        }
    }
    http_client_deinit(&client->http);
    return NULL;
}

static void start_clients(struct run *run, struct client client[CLIENTS])
{
    const size_t before = atomic_load(&run->answered);
    const size_t enough = before + CLIENTS * WARM + rel_below(&run->random, 1000);

    for (int i = 0; i < CLIENTS; i++) {
        client[i] = (struct client){.run = run, .number = i};
        http_client_init(&client[i].http, run->server.port);
        assert_int_equal(pthread_create(&client[i].thread, NULL, work, &client[i]), 0);
    }
    while (atomic_load(&run->answered) < enough && !server_has_ended(&run->server)) {
        (void)sched_yield();
    }
}

static void end_clients(struct client client[CLIENTS])
{
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(pthread_join(client[i].thread, NULL), 0);
    }
}

/* ---- a request that is half there when the signal comes ---- */

static const char half_head[] = "POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Type: "
                                "application/json\r\nContent-Length: 16\r\n\r\n{\"items\"";

static void begin_half(struct run *run, struct http_client *http)
{
    http_client_init(http, run->server.port);
    assert_true(http_client_connect(http));
    assert_true(http_client_send(http, half_head, strlen(half_head)));
}

static void end_half(struct run *run, struct http_client *http)
{
    struct http_response response = {0};

    if (http_client_send(http, ": [\"a\"]}", 8)) {
        response = http_client_receive(http, true);
    }
    if (response.status != 200) {
        printf("a request that was half sent was answered %d\n", response.status);
        atomic_fetch_add(&run->dropped, 1);
    }
    http_response_deinit(&response);
    http_client_deinit(http);
}

/* ---- rounds ---- */

static void start(struct run *run, bool clean)
{
    const int64_t start_ms = now_ms();

    server_start(&run->server, run->db, NULL);
    if (now_ms() - start_ms > run->ready_ms) {
        run->ready_ms = now_ms() - start_ms;
    }
    if (server_wrote(&run->server, "event=recovered") == clean) {
        printf("the end before was %s, and the start says otherwise\n",
               clean ? "clean" : "unclean");
        run->unclean++;
    }
}

static int64_t wal_bytes(const struct run *run)
{
    char path[TEMP_PATH_MAX + 8];
    struct stat file;

    (void)snprintf(path, sizeof path, "%s-wal", run->db);
    return stat(path, &file) == 0 ? (int64_t)file.st_size : 0;
}

/* The last lines of what the server wrote, which has ended. */
static const char *tail(const struct server_process *server)
{
    return server->text_n > TAIL ? server->text + server->text_n - TAIL : server->text;
}

/* SIGTERM under load. */
static void term(struct run *run)
{
    struct client client[CLIENTS];
    struct http_client half;
    int64_t start_ms;
    bool clean;
    int code;

    start_clients(run, client);
    begin_half(run, &half);
    start_ms = now_ms();
    server_signal(&run->server, SIGTERM);
    assert_true(server_await(&run->server, "event=stopping"));
    end_half(run, &half);
    end_clients(client);
    clean = server_await(&run->server, "event=stopped") &&
            server_wrote(&run->server, "event=drained left=0");
    if (!clean) {
        printf("it ended so: %s\n", tail(&run->server));
    }
    code = server_end(&run->server);
    if (code != 0 || !clean || wal_bytes(run) > 0) {
        printf("exit code %d, write-ahead log of %lld bytes\n", code, (long long)wal_bytes(run));
        run->unclean++;
    }
    if (now_ms() - start_ms > run->end_ms) {
        run->end_ms = now_ms() - start_ms;
    }
    run->terms++;
}

static void kill_it(struct run *run)
{
    struct client client[CLIENTS];

    start_clients(run, client);
    server_signal(&run->server, SIGKILL);
    end_clients(client);
    assert_int_equal(server_end(&run->server), 128 + SIGKILL);
    run->kills++;
}

static void one_round(struct run *run, bool clean)
{
    size_t dropped, raced;
    sqlite3 *db;

    start(run, clean);
    term(run);
    db = dbfile_open(run->db);
    run->missing += ledger_missing(&run->ledger, db);
    dbfile_close(db);
    run->round++;
    start(run, true);
    dropped = atomic_load(&run->dropped); /* a kill does drop */
    raced = atomic_load(&run->raced);
    kill_it(run);
    atomic_store(&run->dropped, dropped);
    atomic_store(&run->raced, raced);
    run->round++;
}

int main(void)
{
    const size_t rounds = (size_t)rel_count("N", ROUNDS);
    struct run run = {.random = rel_seed()};
    size_t wrong;

    temp_folder_make(&run.folder);
    temp_folder_path(&run.folder, "rankd.db", run.db);
    ledger_init(&run.ledger);
    for (size_t i = 0; i < rounds; i++) {
        one_round(&run, i == 0);
    }
    printf("term: terms=%zu answered=%zu dropped=%zu raced=%zu draining=%zu acked=%zu missing=%zu "
           "unclean=%zu unexpected=%zu kills=%zu; not deciding: end_ms=%lld ready_ms=%lld\n",
           run.terms, atomic_load(&run.answered), atomic_load(&run.dropped),
           atomic_load(&run.raced), atomic_load(&run.draining), ledger_size(&run.ledger),
           run.missing, run.unclean, atomic_load(&run.unexpected), run.kills, (long long)run.end_ms,
           (long long)run.ready_ms);
    wrong = atomic_load(&run.dropped) + atomic_load(&run.unexpected) + run.missing + run.unclean;
    ledger_deinit(&run.ledger);
    temp_folder_remove(&run.folder);
    return wrong > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
