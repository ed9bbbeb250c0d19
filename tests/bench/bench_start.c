/*
 * A start with a large model: from its row in the database to parameters that are served and an
 * optimizer to go on with, beside reading the bytes of its checkpoint, their checksum and one copy.
 * The share that is memory and nothing else, so of a file that is in the system's cache.
 */
#include "bench.h"
#include "clock.h"
#include "trainee.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#define DIM  15
#define BITS 21 /* (1 + DIM) * 2^21 parameters are 128 MiB, and as much of the optimizer's */

struct start {
    char path[256];
    struct store_model row;
    struct store *store; /* a reading connection */
    sqlite3 *plain;      /* another */
    int64_t checkpoint;
    size_t bytes;
    int64_t version;
};

/* ---- what is measured ---- */

static void serve(void *context, size_t round)
{
    struct start *s = context;
    struct trainee *t = NULL;

    (void)round;
    bench_need(trainee_open(&s->row, 0, 2, &t, NULL) == RK_OK, "the model is not opened");
    bench_need(trainee_load_newest(t, s->store, NULL) == RK_OK, "the model is not loaded");
    bench_need(live_version(&t->served->live) == s->version, "another version is served");
    trainee_close(&t);
}

/* The chunks one after another into one piece of memory. */
static void read_blobs(const struct start *s, char *to)
{
    sqlite3_stmt *rows;
    sqlite3_blob *blob = NULL;
    size_t n = 0;

    bench_need(sqlite3_prepare_v2(s->plain,
                                  "SELECT rowid FROM checkpoint_chunk WHERE checkpoint = ? "
                                  "ORDER BY n",
                                  -1, &rows, NULL) == SQLITE_OK &&
                   sqlite3_bind_int64(rows, 1, s->checkpoint) == SQLITE_OK,
               "no chunks");
    while (sqlite3_step(rows) == SQLITE_ROW) {
        const sqlite3_int64 row = sqlite3_column_int64(rows, 0);
        int length;
        bench_need((blob == NULL ? sqlite3_blob_open(s->plain, "main", "checkpoint_chunk", "bytes",
                                                     row, 0, &blob)
                                 : sqlite3_blob_reopen(blob, row)) == SQLITE_OK,
                   "no chunk");
        length = sqlite3_blob_bytes(blob);
        bench_need(sqlite3_blob_read(blob, to + n, length, 0) == SQLITE_OK, "a chunk is not read");
        n += (size_t)length;
    }
    (void)sqlite3_blob_close(blob);
    (void)sqlite3_finalize(rows);
    bench_need(n == s->bytes, "chunks are missing");
}

static void read_and_copy(void *context, size_t round)
{
    const struct start *s = context;
    char *bytes = bench_alloc(s->bytes), *copy = bench_alloc(s->bytes);
    unsigned char sum[32];

    (void)round;
    read_blobs(s, bytes);
    bench_need(gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, s->bytes, sum) == 0, "no checksum");
    memcpy(copy, bytes, s->bytes);
    bench_need(copy[round] == bytes[round], "no copy");
    free(copy);
    free(bytes);
}

/* ---- a database with a model ---- */

struct put {
    struct writer_job job;
    struct store_model *row;
};

static enum rk_status put_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    return store_put_model(store, ((struct put *)job)->row, err);
}

static void store_model(struct start *s)
{
    const struct writer_limits limits = {.jobs = 64, .bytes = 64 << 20};
    static struct metrics metrics;
    struct store *store = NULL;
    struct writer *writer = NULL;
    struct put put = {.job = {.run = put_run, .weight = 1}, .row = &s->row};
    struct checkpoint_bytes file = {0};
    struct store_checkpoint row = {.version = 1, .source = STORE_SOURCE_TRAINING};
    struct trainee *t = NULL;

    bench_need(store_open(s->path, &store, NULL) == RK_OK, "no database");
    bench_need(writer_start(store, &metrics, &limits, NULL, NULL, &writer, NULL) == RK_OK,
               "no writer");
    bench_need(writer_run(writer, &put.job).err.status == RK_OK, "the model is not stored");
    bench_need(trainee_open(&s->row, 0, 1, &t, NULL) == RK_OK, "no model");
    rk_model_init(t->served->model, live_learning(&t->served->live));
    live_publish_all(&t->served->live, 1);
    bench_need(trainee_checkpoint(t, STORE_SOURCE_TRAINING, &file, &row, NULL) == RK_OK,
               "no checkpoint");
    bench_need(checkpoint_put(writer, &file, &row, NULL, NULL) == RK_OK, "it is not stored");
    s->checkpoint = row.id;
    s->bytes = (size_t)row.bytes;
    s->version = row.version;
    free(row.metrics);
    free(row.held);
    free(file.bytes);
    trainee_close(&t);
    writer_stop(&writer);
}

static void open_start(struct start *s)
{
    static char config[160];
    const char *folder = getenv("TMPDIR");

    (void)snprintf(s->path, sizeof s->path, "%s/bench_start.%d.db",
                   folder != NULL ? folder : "/tmp", (int)getpid());
    (void)snprintf(config, sizeof config, "{\"kind\":\"fm\",\"dim\":%d,\"features\":{\"bits\":%d}}",
                   DIM, BITS);
    s->row = (struct store_model){.name = "m", .config = config, .time_ms = clock_unix_ms()};
    store_model(s);
    bench_need(store_open_reader(s->path, &s->store, NULL) == RK_OK, "no reader");
    bench_need(sqlite3_open_v2(s->path, &s->plain, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK,
               "no plain reader");
}

static void close_start(struct start *s)
{
    static const char *const ends[] = {"", "-wal", "-shm"};

    store_close(&s->store);
    (void)sqlite3_close(s->plain);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char name[sizeof s->path + 8];
        (void)snprintf(name, sizeof name, "%s%s", s->path, ends[i]);
        (void)unlink(name);
    }
}

int main(void)
{
    static struct start s;
    const struct bench_row row = {.name = "served again / blobs read, SHA-256, one copy",
                                  .clock = CLOCK_PROCESS_CPUTIME_ID,
                                  .work = serve,
                                  .floor = read_and_copy,
                                  .n_work = 1e9,
                                  .n_floor = 1e9};

    open_start(&s);
    bench_title("a start with a large model, seconds of CPU");
    bench_run(&row, &s);
    (void)printf("checkpoint: %zu MiB\n", s.bytes >> 20);
    close_start(&s);
    return 0;
}
