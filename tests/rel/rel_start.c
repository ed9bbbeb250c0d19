/*
 * A start after kill -9 with a large database and a large write-ahead log, and much learned since the
 * last checkpoint: that is served at once, and the model catches up behind it. What is served
 * meanwhile comes out to the bit again, what is sent meanwhile is there afterwards, and the model comes
 * to the bytes that it had. The sizes and no time decide.
 *   MIB=100 WAL_MIB=64 make rel-start
 */
#include "clock.h"
#include "dbfile.h"
#include "emit.h"
#include "http_ask.h"
#include "rel.h"
#include "server_process.h"
#include "temp_folder.h"
#include "test.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <xxhash.h>

#define MIB      16
#define WAL_MIB  8
#define LISTS    200 /* of a batch */
#define ITEMS    10
#define FEATURES 8
#define PATIENCE 60000 /* moments of a millisecond */

#define MODEL    "/v1/models/default"
#define TRAINING MODEL "/training"

struct state {
    int64_t version;
    uint64_t hash; /* with the optimizer's */
};

struct run {
    struct temp_folder folder;
    char db[TEMP_PATH_MAX], wal[TEMP_PATH_MAX];
    struct server_process server;
    struct http_client http;
    uint64_t random;
    size_t faults;                     /* what is not as it has to be; each is printed */
    size_t meanwhile, served, acked;   /* rankings: of a version before the last, all; events */
    double ready_ms, first_ms, all_ms; /* since the process was started */
};

static void fault(struct run *run, const char *what)
{
    printf("%s\n", what);
    run->faults++;
}

/* ---- a state ---- */

static size_t mib_of(const char *path)
{
    struct stat facts;

    return stat(path, &facts) == 0 ? (size_t)facts.st_size >> 20 : 0;
}

static void write_item(struct run *run, int i, struct emit *out)
{
    emit_format(out, "%s{\"id\": \"i%d-%llu\", \"label\": %d, \"features\": {", i > 0 ? ", " : "",
                i, (unsigned long long)rel_below(&run->random, 100000), i == 0);
    for (int f = 0; f < FEATURES; f++) {
        emit_format(out, "%s\"f%d\": \"v%llu\"", f > 0 ? ", " : "", f,
                    (unsigned long long)rel_below(&run->random, 1000000000));
    }
    emit_format(out, "}}");
}

static void send_batch(struct run *run)
{
    struct emit out = {0};

    emit_format(&out, "{\"groups\": [");
    for (int l = 0; l < LISTS; l++) {
        emit_format(&out, "%s{\"user\": {\"id\": \"u%d\"}, \"items\": [", l > 0 ? ", " : "", l);
        for (int i = 0; i < ITEMS; i++) {
            write_item(run, i, &out);
        }
        emit_format(&out, "]}");
    }
    emit_format(&out, "]}");
    assert_false(out.failed);
    http_must(&run->http, "POST", "/v1/batches", out.text);
    emit_deinit(&out);
}

static int64_t number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void await_learned(struct run *run)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    int64_t lag = 1;

    for (int i = 0; i < PATIENCE && lag > 0; i++) {
        json_t *training = http_json(&run->http, "GET", TRAINING, NULL, 200);
        lag = number(training, "lag");
        json_decref(training);
        (void)nanosleep(&moment, NULL);
    }
    assert_int_equal(lag, 0);
}

static struct state look(struct run *run)
{
    json_t *model = http_json(&run->http, "GET", MODEL, NULL, 200);
    struct state state = {.version = number(model, "version")};
    struct http_response file;
    char path[96];

    json_decref(model);
    (void)snprintf(path, sizeof path, MODEL "/versions/%lld?optimizer=1", (long long)state.version);
    file = http_client_ask(&run->http, "GET", path, NULL, NULL);
    assert_int_equal(file.status, 200);
    state.hash = XXH3_64bits(file.body, file.body_n);
    http_response_deinit(&file);
    return state;
}

/* The database, of which a quarter is in a checkpoint; then a reader holds back what comes to it. */
static struct state fill(struct run *run, size_t mib, size_t wal_mib)
{
    struct state state;
    sqlite3 *reader;

    while (mib_of(run->db) < mib / 4 + 1) {
        send_batch(run);
    }
    http_must(&run->http, "POST", MODEL "/train?wait=1", NULL);
    while (mib_of(run->db) < mib) {
        send_batch(run);
    }
    reader = dbfile_open(run->db);
    dbfile_run(reader, "BEGIN");
    (void)dbfile_number(reader, "SELECT count(*) FROM log");
    while (mib_of(run->wal) < wal_mib) {
        send_batch(run);
    }
    await_learned(run);
    state = look(run);
    server_signal(&run->server, SIGKILL);
    http_client_deinit(&run->http);
    assert_int_equal(server_end(&run->server), 128 + SIGKILL);
    /* As the kill left it: closing it would take the log into the database. */
    assert_int_equal(sqlite3_db_config(reader, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL),
                     SQLITE_OK);
    dbfile_run(reader, "ROLLBACK");
    dbfile_close(reader);
    return state;
}

/* ---- the start ---- */

static void score(struct run *run, int64_t last)
{
    char body[256];
    json_t *answer;
    int64_t version;

    (void)snprintf(body, sizeof body,
                   "{\"ranking_id\": \"r%zu\", \"user\": {\"id\": \"u%zu\"}, \"items\": [\"i1\", "
                   "\"i2\", {\"id\": \"x\", \"features\": {\"f1\": \"v%zu\"}}, \"i3\"]}",
                   run->served, run->served % LISTS, run->served);
    answer = http_json(&run->http, "POST", "/v1/score", body, 200);
    version = number(answer, "version");
    json_decref(answer);
    if (version == 0 || version > last) {
        fault(run, "a ranking of a version that there was not");
    }
    run->meanwhile += version < last;
    run->served++;
}

static void click(struct run *run)
{
    char body[128];
    json_t *answer;

    (void)snprintf(body, sizeof body,
                   "{\"ranking_id\": \"r%zu\", \"item_id\": \"x\", \"type\": \"click\"}",
                   run->served - 1);
    answer = http_json(&run->http, "POST", "/v1/feedback", body, 200);
    run->acked += (size_t)number(answer, "accepted");
    json_decref(answer);
}

/* What is said of a model that is behind: it lags, and its versions grow. */
static void check_said(struct run *run, int64_t *before, int64_t last)
{
    json_t *training = http_json(&run->http, "GET", TRAINING, NULL, 200);
    const int64_t version = number(training, "version");

    if (version < *before || version > last) {
        fault(run, "versions do not grow up to the last one");
    }
    if (version < last &&
        (number(training, "lag") == 0 || !json_is_true(json_object_get(training, "behind")))) {
        fault(run, "a model that is behind does not say so");
    }
    *before = version;
    json_decref(training);
}

static double since(int64_t start_ns)
{
    return (double)(clock_monotonic_ns() - start_ns) / 1e6;
}

static void start(struct run *run)
{
    const int64_t start_ns = clock_monotonic_ns();

    server_start(&run->server, run->db, NULL);
    http_client_init(&run->http, run->server.port);
    http_must(&run->http, "GET", "/readyz", NULL);
    run->ready_ms = since(start_ns);
    if (!server_wrote(&run->server, "event=model_loaded model=default ")) {
        fault(run, "it was not ready before it had learned all again");
    }
}

/* Serves and takes events until the model has what it had; what is new it is not to learn. */
static void use(struct run *run, int64_t start_ns, int64_t last)
{
    int64_t version = 0;

    score(run, last);
    run->first_ms = since(start_ns);
    http_must(&run->http, "POST", MODEL "/pause", NULL);
    do {
        score(run, last);
        click(run);
        check_said(run, &version, last);
    } while (!server_wrote(&run->server, "event=model_recovered model=default ") &&
             !server_wrote(&run->server, "event=training_halted ") &&
             !server_has_ended(&run->server));
    run->all_ms = since(start_ns);
}

/* ---- afterwards ---- */

/* @return how many rankings were served, and come out to the bit. */
static size_t reproduce(struct run *run)
{
    char text[4096] = "";
    json_t *told;
    size_t identical = 0;

    (void)server_command(
        (const char *const[]){"replay", "--db", run->db, "--rankings", "--json", NULL}, text,
        sizeof text);
    told = json_loads(strchr(text, '{') != NULL ? strchr(text, '{') : "", 0, NULL);
    if (told == NULL) {
        fault(run, text);
        return 0;
    }
    identical = (size_t)number(told, "identical");
    json_decref(told);
    if (server_command((const char *const[]){"replay", "--db", run->db, "--model", "default", NULL},
                       text, sizeof text) != 0) {
        fault(run, text);
    }
    return identical;
}

static size_t count_events(const struct run *run)
{
    sqlite3 *db = dbfile_open(run->db);
    const int64_t n = dbfile_number(db, "SELECT count(*) FROM event");

    dbfile_close(db);
    return (size_t)n;
}

int main(void)
{
    struct run run = {.random = rel_seed()};
    struct state before, after;
    size_t mib, wal_mib;
    int64_t start_ns;
    size_t reproduced, kept;
    bool equal;

    temp_folder_make(&run.folder);
    temp_folder_path(&run.folder, "rankd.db", run.db);
    temp_folder_path(&run.folder, "rankd.db-wal", run.wal);
    server_start(&run.server, run.db, (const char *const[]){"--checkpoint-s", "86400", NULL});
    http_client_init(&run.http, run.server.port);
    before = fill(&run, rel_count("MIB", MIB), rel_count("WAL_MIB", WAL_MIB));
    mib = mib_of(run.db);
    wal_mib = mib_of(run.wal);
    start_ns = clock_monotonic_ns();
    start(&run);
    use(&run, start_ns, before.version);
    after = look(&run);
    equal = after.version == before.version && after.hash == before.hash;
    http_must(&run.http, "POST", MODEL "/resume", NULL);
    http_must(&run.http, "POST", MODEL "/train?wait=1", NULL);
    http_client_deinit(&run.http);
    server_stop(&run.server);
    reproduced = reproduce(&run);
    kept = count_events(&run);
    printf("start: mib=%zu wal_mib=%zu ready_ms=%.0f first_score_ms=%.0f caught_up_ms=%.0f "
           "equal=%d served=%zu meanwhile=%zu reproduced=%zu acked=%zu kept=%zu faults=%zu\n",
           mib, wal_mib, run.ready_ms, run.first_ms, run.all_ms, equal, run.served, run.meanwhile,
           reproduced, run.acked, kept, run.faults);
    temp_folder_remove(&run.folder);
    return equal && reproduced == run.served && kept == run.acked && run.acked > 0 &&
                   run.faults == 0
               ? EXIT_SUCCESS
               : EXIT_FAILURE;
}
