/*
 * kill -9 at any moment, and at each place where what is stored and what was said may differ: what
 * was acknowledged is there afterwards, once; nothing is learned twice or missed; every model is, byte
 * for byte, what its log and step rows make from the untrained start.
 *   CYCLES=1000 RANKD_SEED=7 make rel-kill
 */
#include "dbfile.h"
#include "failpoint.h"
#include "fold.h"
#include "rel.h"
#include "server_process.h"
#include "temp_folder.h"
#include "test.h"

#include <signal.h>
#include <time.h>

#define CYCLES      300
#define LIFE        20  /* cycles of one database */
#define KILL_MS     300 /* after the start, at the latest */
#define PATIENCE_MS 500 /* for a place to be come to */

/* Where this program can have a server killed, and how often it comes there at the least. */
static const struct place {
    enum failpoint at;
    unsigned often;
    enum {
        SERVING,
        FIRST_START,
        START,
        ENDING
    } when;
} places[] = {
    {FAILPOINT_REQUEST_READ, 200, SERVING},       {FAILPOINT_BEFORE_BEGIN, 60, SERVING},
    {FAILPOINT_AFTER_BEGIN, 60, SERVING},         {FAILPOINT_BEFORE_COMMIT, 60, SERVING},
    {FAILPOINT_AFTER_COMMIT, 60, SERVING},        {FAILPOINT_BEFORE_ANSWER, 200, SERVING},
    {FAILPOINT_STEP_RECORDED, 30, SERVING},       {FAILPOINT_PUBLISHED, 30, SERVING},
    {FAILPOINT_CHECKPOINT_CHUNK, 3, SERVING},     {FAILPOINT_BEFORE_CHECKPOINT_ROW, 3, SERVING},
    {FAILPOINT_CHECKPOINT_STORED, 3, SERVING},    {FAILPOINT_MODEL_RECORDED, 1, SERVING},
    {FAILPOINT_PAUSE_RECORDED, 3, SERVING},       {FAILPOINT_CONFIG_RECORDED, 1, SERVING},
    {FAILPOINT_ACTIVATION_RECORDED, 1, SERVING},  {FAILPOINT_IMPORT_RECORDED, 1, SERVING},
    {FAILPOINT_STEP_REPEATED, 8, START},          {FAILPOINT_DRAINED, 1, ENDING},
    {FAILPOINT_WAL_CHECKPOINT, 1, ENDING},        {FAILPOINT_MODEL_RECORDED, 1, FIRST_START},
    {FAILPOINT_BEFORE_MIGRATION, 1, FIRST_START},
};
#define N_PLACES (sizeof places / sizeof *places)

struct run {
    struct temp_folder folder;
    char db[TEMP_PATH_MAX], copy[TEMP_PATH_MAX];
    struct ledger ledger;
    uint64_t random;
    size_t turn[2]; /* the place whose turn it is: in a life, and at its first start */
    unsigned cycle;
    size_t at_place[N_PLACES]; /* kills there */
    size_t acked, lost, unexpected, damaged, twice, missed, refolds, equal, unseen;
};

/* ---- one kill ---- */

static void set_place(const struct place *place, uint64_t nth)
{
    char text[64];

    (void)snprintf(text, sizeof text, "%s:%llu:kill", failpoint_text(place->at),
                   (unsigned long long)nth);
    assert_int_equal(setenv("RANKD_FAILPOINT", text, 1), 0);
}

/* Waits until the server has ended, or the time is over. */
static void await_end(struct server_process *server, uint64_t ms)
{
    const struct timespec moment = {.tv_nsec = 1000000};

    for (uint64_t i = 0; i < ms && !server_has_ended(server); i++) {
        (void)nanosleep(&moment, NULL);
    }
}

/* Starts a server. A place on the way to listening may kill it: then once more without. */
static void start(struct run *run, struct server_process *server, const struct place *place)
{
    bool started;

    if (place != NULL) {
        set_place(place, 1 + rel_below(&run->random, place->often));
    }
    started = server_try(server, run->db, NULL);
    assert_int_equal(unsetenv("RANKD_FAILPOINT"), 0);
    if (!started) {
        assert_int_equal(server_end(server), 128 + SIGKILL);
        assert_non_null(place);
        run->at_place[place - places]++;
        server_start(server, run->db, NULL);
    }
}

/* Has clients at work until the place is come to, or for a random time; then kills. */
static void serve_and_kill(struct run *run, struct server_process *server,
                           const struct place *place)
{
    const bool waits = place != NULL && place->when == SERVING;
    struct traffic traffic;

    traffic_start(&traffic, server->port, run->cycle, &run->ledger, run->random);
    await_end(server, waits ? PATIENCE_MS : 20 + rel_below(&run->random, KILL_MS - 20));
    if (place != NULL && place->when == ENDING) {
        server_signal(server, SIGTERM);
        await_end(server, PATIENCE_MS);
    }
    if (server_has_ended(server) && place != NULL) {
        run->at_place[place - places]++;
    }
    (void)kill(server->pid, SIGKILL);
    traffic_end(&traffic);
    assert_int_equal(server_end(server), 128 + SIGKILL);
    run->lost += atomic_load(&traffic.lost);
    run->unexpected += atomic_load(&traffic.unexpected);
}

/* Looks at a copy of what the kill left. */
static void check_copy(struct run *run)
{
    struct fold_faults faults;
    sqlite3 *db;

    dbfile_copy(run->db, run->copy);
    db = dbfile_open(run->copy);
    faults = fold_check(db);
    run->lost += ledger_missing(&run->ledger, db);
    run->damaged += faults.damaged;
    run->twice += faults.twice;
    run->missed += faults.missed;
    dbfile_close(db);
}

static const struct place *next_place(struct run *run, bool first)
{
    size_t *turn = &run->turn[first];
    const struct place *place;

    if (!first && run->cycle % 3 == 0) {
        return NULL; /* at a random moment */
    }
    do {
        place = &places[*turn];
        *turn = (*turn + 1) % N_PLACES;
    } while ((place->when == FIRST_START) != first);
    return place;
}

static void one_cycle(struct run *run, bool first)
{
    const struct place *place = next_place(run, first);
    struct server_process server;

    start(run, &server, place);
    if (first) {
        traffic_make_models(server.port);
    }
    serve_and_kill(run, &server, place);
    check_copy(run);
}

/* ---- the end of a database ---- */

static void compare(struct run *run, const struct fold *kept)
{
    struct fold again = {0};

    dbfile_copy(run->db, run->copy);
    fold_forget(run->copy);
    run->refolds += TRAFFIC_MODELS;
    if (!fold_look(run->copy, &again)) {
        return;
    }
    for (int i = 0; i < TRAFFIC_MODELS; i++) {
        const bool same = again.version[i] == kept->version[i] && again.hash[i] == kept->hash[i];
        run->equal += same;
        if (!same) {
            printf("m%d: version %lld, and folded again %lld\n", i, (long long)kept->version[i],
                   (long long)again.version[i]);
        }
    }
}

/* The same looks at copies that something was done to: each has to see it. */
static void control(struct run *run, const struct fold *kept)
{
    struct fold again;
    sqlite3 *db;

    printf("what is found from here on was done on purpose:\n");
    dbfile_copy(run->db, run->copy);
    db = dbfile_open(run->copy);
    dbfile_run(db, "DELETE FROM event WHERE seq = (SELECT min(seq) FROM event)");
    run->unseen += ledger_missing(&run->ledger, db) != 1;
    run->unseen += fold_check(db).damaged != 0; /* the event is gone without a trace */
    dbfile_run(db, "UPDATE step SET from_seq = from_seq - 1 WHERE id = (SELECT max(id) FROM step)");
    run->unseen += fold_check(db).twice != 1;
    dbfile_run(db, "DELETE FROM step WHERE id = (SELECT id FROM step WHERE model = "
                   "(SELECT id FROM model WHERE name = 'm0') ORDER BY id LIMIT 1 OFFSET 3)");
    run->unseen += fold_check(db).missed == 0;
    dbfile_close(db);
    dbfile_copy(run->db, run->copy);
    db = dbfile_open(run->copy);
    dbfile_run(db, "UPDATE event SET item_id = 'i' || ((substr(item_id, 2) + 1) % 5) WHERE seq = "
                   "(SELECT min(e.seq) FROM event e JOIN log l ON l.seq = e.seq JOIN model m "
                   "ON m.id = l.model WHERE m.name = 'm0')");
    dbfile_close(db);
    fold_forget(run->copy);
    run->unseen += fold_look(run->copy, &again) && again.hash[0] == kept->hash[0];
}

static void one_life(struct run *run, unsigned cycles, bool last)
{
    struct fold kept;

    temp_folder_make(&run->folder);
    temp_folder_path(&run->folder, "rankd.db", run->db);
    temp_folder_path(&run->folder, "copy.db", run->copy);
    ledger_init(&run->ledger);
    for (unsigned i = 0; i < cycles; i++, run->cycle++) {
        one_cycle(run, i == 0);
    }
    kept = fold_settle(run->db);
    check_copy(run);
    compare(run, &kept);
    run->acked += ledger_size(&run->ledger);
    if (last) {
        control(run, &kept);
    }
    ledger_deinit(&run->ledger);
    temp_folder_remove(&run->folder);
}

/* ---- all of it ---- */

/* Each place's turn has come often enough: has a server been killed there? */
static size_t never_met(const struct run *run, unsigned cycles)
{
    size_t n = 0;

    for (size_t i = 0; i < N_PLACES && cycles >= CYCLES; i++) {
        if (run->at_place[i] == 0) {
            printf("nothing was killed at %s\n", failpoint_text(places[i].at));
            n++;
        }
    }
    return n;
}

int main(void)
{
    const unsigned cycles = (unsigned)rel_count("CYCLES", CYCLES);
    struct run run = {.random = rel_seed()};
    size_t at_places = 0, unmet;

    while (run.cycle < cycles) {
        const unsigned left = cycles - run.cycle;
        one_life(&run, left < LIFE ? left : LIFE, left <= LIFE);
    }
    for (size_t i = 0; i < N_PLACES; i++) {
        at_places += run.at_place[i];
    }
    unmet = never_met(&run, cycles);
    printf("kill9: cycles=%u acked=%zu lost=%zu dup=%zu missed=%zu integrity=%s refolds=%zu "
           "equal=%zu at_places=%zu never_met=%zu unexpected=%zu controls_blind=%zu\n",
           cycles, run.acked, run.lost, run.twice, run.missed, run.damaged == 0 ? "ok" : "damaged",
           run.refolds, run.equal, at_places, unmet, run.unexpected, run.unseen);
    return run.lost + run.twice + run.missed + run.damaged + run.unexpected + run.unseen + unmet >
                       0 ||
                   run.equal != run.refolds
               ? EXIT_FAILURE
               : EXIT_SUCCESS;
}
