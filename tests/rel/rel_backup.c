/*
 * Backups under load, through the binary: each is whole, comes out of rankd verify, holds everything
 * that was acknowledged before it was asked for, and is served when it is put in the place of the
 * database. One that is killed or finds the disk full leaves nothing but what the next one clears away.
 *   N=200 make rel-backup
 */
#include "clock.h"
#include "dbfile.h"
#include "failpoint.h"
#include "fold.h"
#include "learning_fixture.h"
#include "rel.h"
#include "server_process.h"
#include "temp_folder.h"
#include "test.h"
#include "traffic.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKUPS     20 /* of a database */
#define SAMPLES_MAX 100000
#define LOAD        500 /* acknowledged before each backup is asked for */

/* Acknowledgements timed, apart while a backup is made: printed, it decides nothing. */
struct timed {
    int64_t ns[SAMPLES_MAX];
    size_t n;
};

struct run {
    struct temp_folder folder;
    char db[TEMP_PATH_MAX], backups[TEMP_PATH_MAX];
    struct server_process server;
    struct http_client http;
    struct ledger ledger;
    struct traffic traffic;
    size_t wanted, made, unverified, damaged, missing, unserved, wrong, acked, skipped;
    size_t enough;
    unsigned cycle;
    pthread_t prober;
    atomic_bool stop, backing;
    struct timed timed[2];
};

/* ---- timing ---- */

static void *probe(void *context)
{
    struct run *run = context;
    struct http_client http;
    char body[256];

    http_client_init(&http, run->server.port);
    for (int i = 0; !atomic_load(&run->stop); i++) {
        struct timed *timed = &run->timed[atomic_load(&run->backing)];
        struct http_response response;
        int64_t start;
        (void)snprintf(body, sizeof body,
                       "{\"ranking_id\": \"probe%u-%d\", \"items\": [\"a\", \"b\"]}", run->cycle,
                       i);
        response = http_client_post(&http, "/v1/score", body);
        http_response_deinit(&response);
        (void)snprintf(body, sizeof body,
                       "{\"event_id\": \"probe%u-%d\", \"ranking_id\": \"probe%u-%d\", "
                       "\"item_id\": \"a\", \"type\": \"click\"}",
                       run->cycle, i, run->cycle, i);
        start = clock_monotonic_ns();
        response = http_client_post(&http, "/v1/feedback", body);
        if (response.status == 200 && timed->n < SAMPLES_MAX) {
            timed->ns[timed->n++] = clock_monotonic_ns() - start;
        }
        http_response_deinit(&response);
    }
    http_client_deinit(&http);
    return NULL;
}

static int by_time(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static double p99_ms(struct timed *timed)
{
    qsort(timed->ns, timed->n, sizeof *timed->ns, by_time);
    return timed->n > 0 ? (double)timed->ns[timed->n * 99 / 100] / 1e6 : 0;
}

/* ---- one backup ---- */

/* Asks for one. @return its status; path out. */
static int ask(struct run *run, char path[TEMP_PATH_MAX])
{
    struct http_response response =
        http_client_ask(&run->http, "POST", "/v1/backup", "Content-Length: 0\r\n", NULL);
    const char *at = response.status == 200 ? strstr(response.body, "\"path\":\"") : NULL;
    const int status = response.status;

    path[0] = '\0';
    if (at != NULL) {
        (void)snprintf(path, TEMP_PATH_MAX, "%.*s", (int)strcspn(at + 8, "\""), at + 8);
    }
    http_response_deinit(&response);
    return status;
}

/* Puts it in a database's place and starts on it. */
static void serve(struct run *run, const char *path)
{
    struct server_process restored;

    if (!server_try(&restored, path, NULL) || !server_wrote(&restored, "event=db_restored")) {
        run->unserved++;
    }
    server_signal(&restored, SIGTERM);
    (void)server_end(&restored);
}

static void check(struct run *run, const char *path, size_t before)
{
    struct fold_faults faults;
    char text[4096];
    sqlite3 *db;

    if (server_command((const char *const[]){"verify", "--db", path, NULL}, text, sizeof text) !=
        0) {
        printf("verify: %s", text);
        run->unverified++;
    }
    db = dbfile_open(path);
    faults = fold_check(db);
    run->damaged += faults.damaged + faults.twice + faults.missed;
    run->missing += ledger_missing_of(&run->ledger, before, db);
    dbfile_close(db);
    serve(run, path);
}

/* How many files there are in the folder of backups. */
static size_t count_files(const char *path)
{
    DIR *folder = opendir(path);
    size_t n = 0;

    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        n += entry->d_name[0] != '.';
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    return n;
}

static void expect(struct run *run, bool right, const char *what)
{
    if (!right) {
        printf("wrong: %s\n", what);
        run->wrong++;
    }
}

/* ---- scenes ---- */

static void start(struct run *run, const char *const *options)
{
    server_start(&run->server, run->db, options);
    http_client_init(&run->http, run->server.port);
}

static void stop(struct run *run)
{
    http_client_deinit(&run->http);
    server_stop(&run->server);
}

static bool is_under_load(void *context)
{
    const struct run *run = context;

    return ledger_size((struct ledger *)(uintptr_t)&run->ledger) >= run->enough;
}

/* Clients and the timed one, until so much more was acknowledged; then a backup in the midst of it. */
static int one_backup(struct run *run, uint64_t seed, char path[TEMP_PATH_MAX], size_t *before)
{
    int status;

    atomic_store(&run->stop, false);
    traffic_start(&run->traffic, run->server.port, run->cycle, &run->ledger, seed + run->cycle);
    assert_int_equal(pthread_create(&run->prober, NULL, probe, run), 0);
    run->enough = ledger_size(&run->ledger) + LOAD;
    await(is_under_load, run);
    *before = ledger_size(&run->ledger);
    atomic_store(&run->backing, true);
    status = ask(run, path);
    atomic_store(&run->backing, false);
    atomic_store(&run->stop, true);
    (void)pthread_join(run->prober, NULL);
    traffic_end(&run->traffic);
    run->wrong += atomic_load(&run->traffic.unexpected);
    return status;
}

/* A database, and what serving it has left beside it. */
static void remove_database(const char *path)
{
    static const char *const beside[] = {"", "-wal", "-shm", ".lock"};
    char file[TEMP_PATH_MAX + 8];

    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        (void)snprintf(file, sizeof file, "%s%s", path, beside[i]);
        (void)unlink(file);
    }
}

/* So many backups of a new database; later ones would take ever longer. */
static void under_load(struct run *run, size_t n, uint64_t seed)
{
    char path[TEMP_PATH_MAX];

    remove_database(run->db);
    ledger_deinit(&run->ledger);
    ledger_init(&run->ledger);
    start(run, NULL);
    traffic_make_models(run->server.port);
    for (size_t i = 0; i < n; i++) {
        size_t before;
        run->cycle++;
        if (one_backup(run, seed, path, &before) == 200) {
            run->made++;
            check(run, path, before);
            remove_database(path);
        }
    }
    run->acked += ledger_size(&run->ledger);
    stop(run);
}

/* Control: an acknowledged event that is not in a backup is seen to be missing. */
static void expect_loss_is_seen(struct run *run, const char *path)
{
    sqlite3 *db = dbfile_open(path);

    dbfile_run(db,
               "DELETE FROM event WHERE seq = (SELECT max(seq) FROM event WHERE event_id NOT LIKE "
               "'probe%')");
    expect(run, ledger_missing(&run->ledger, db) == 1, "a loss is not seen");
    dbfile_close(db);
}

/* Killed when the copy is whole and has no name yet. */
static void killed(struct run *run)
{
    char path[TEMP_PATH_MAX], text[64];

    (void)snprintf(text, sizeof text, "%s:1:kill", failpoint_text(FAILPOINT_BACKUP_CHECKED));
    assert_int_equal(setenv("RANKD_FAILPOINT", text, 1), 0);
    start(run, NULL);
    assert_int_equal(unsetenv("RANKD_FAILPOINT"), 0);
    expect(run, ask(run, path) == 0, "a backup was answered by the dead");
    http_client_deinit(&run->http);
    expect(run, server_end(&run->server) == 128 + SIGKILL, "nothing was killed");
    start(run, NULL);
    expect(run, ask(run, path) == 200, "no backup after one that was killed");
    expect(run, count_files(run->backups) == 1, "the backup is not alone");
    check(run, path, ledger_size(&run->ledger));
    expect_loss_is_seen(run, path);
    stop(run);
}

/* The copy does not fit: 507, nothing is left of it, and feedback goes on. */
static void full(struct run *run)
{
    char folder[TEMP_PATH_MAX], option[TEMP_PATH_MAX + 16], path[TEMP_PATH_MAX];
    struct http_response response;

    temp_folder_path(&run->folder, "small", folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    if (mount("none", folder, "tmpfs", 0, "size=64k") != 0) {
        run->skipped++;
        return;
    }
    (void)snprintf(option, sizeof option, "--backup-dir=%s", folder);
    start(run, (const char *const[]){option, NULL});
    expect(run, ask(run, path) == 507, "a full disk is not said to be");
    expect(run, count_files(folder) == 0, "something is left on the full disk");
    response = http_client_ask(&run->http, "GET", "/readyz/feedback", NULL, NULL);
    expect(run, response.status == 200, "the database suffers from the backup's disk");
    http_response_deinit(&response);
    stop(run);
    assert_int_equal(umount(folder), 0);
}

int main(void)
{
    struct run *run = calloc(1, sizeof *run);
    const uint64_t seed = rel_seed();

    assert_non_null(run);
    run->wanted = (size_t)rel_count("N", BACKUPS);
    run->skipped =
        unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0;
    temp_folder_make(&run->folder);
    temp_folder_path(&run->folder, "rankd.db", run->db);
    temp_folder_path(&run->folder, "backups", run->backups);
    ledger_init(&run->ledger);
    for (size_t left = run->wanted; left > 0;) {
        const size_t n = left < BACKUPS ? left : BACKUPS;
        under_load(run, n, seed);
        left -= n;
    }
    killed(run);
    if (run->skipped == 0) {
        full(run);
    }
    printf("backup: made=%zu of=%zu acked=%zu unverified=%zu damaged=%zu missing=%zu unserved=%zu "
           "wrong=%zu skipped=%zu p99_ms=%.1f without=%.1f\n",
           run->made, run->wanted, run->acked, run->unverified, run->damaged, run->missing,
           run->unserved, run->wrong, run->skipped, p99_ms(&run->timed[1]), p99_ms(&run->timed[0]));
    const bool right =
        run->made == run->wanted && run->acked > 0 &&
        run->unverified + run->damaged + run->missing + run->unserved + run->wrong == 0;
    ledger_deinit(&run->ledger);
    temp_folder_remove(&run->folder);
    free(run);
    return right ? EXIT_SUCCESS : EXIT_FAILURE;
}
