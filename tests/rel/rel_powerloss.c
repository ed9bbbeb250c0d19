/*
 * Power loss: lives of the service are recorded write by write; for points all along the record a
 * disk is made as a power loss may leave it, opened, and checked against what was acknowledged.
 *
 * Two controls have to fail: the same life with synchronous=NORMAL loses what was acknowledged, with
 * OFF the file is damaged. Were they to pass, the disks would be too kind to prove anything.
 */
#include "crash_check.h"
#include "crash_disk.h"
#include "json.h"
#include "log.h"
#include "rel.h"
#include "temp_folder.h"
#include "test.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS         2 /* processes */
#define STATES          20000
#define STATES_A_LIFE   2500
#define ROUNDS          120
#define LARGE_ROUNDS    60
#define RECOVERED_EVERY 16 /* states */
#define CONTROL_SHARE   20 /* one control state for so many */
#define SHOWN           5  /* states that are shown with their reasons */

/* What came out, one of the real thing and one a control. */
struct count {
    uint64_t states, recovered, promises;
    uint64_t verdict[STATE_VERDICT_COUNT];
};

struct counts {
    struct count of[3]; /* by enum life_sync */
};

/* ---- one life ---- */

struct trial {
    enum life_sync sync;
    size_t states;
    uint64_t seed;
    unsigned kind; /* of enum life_kind */
};

static void show(const struct trial *trial, size_t point, enum crash_loss loss,
                 enum state_verdict verdict, const char *reason)
{
    static const char *const verdicts[] = {
#define STATE_VERDICT_TEXT(name, text) text,
        STATE_VERDICTS(STATE_VERDICT_TEXT)
#undef STATE_VERDICT_TEXT
    };

    (void)fprintf(stderr, "%s: life %llu, point %zu, loss %d: %s\n", verdicts[verdict],
                  (unsigned long long)trial->seed, point, (int)loss, reason);
}

static void try_life(const struct trial *trial, const char *folder, struct count *count)
{
    const size_t rounds = (trial->kind & LIFE_LARGE) != 0 ? LARGE_ROUNDS : ROUNDS;
    struct life *life = life_record(trial->seed, trial->sync, rounds, trial->kind);
    struct crash_disk *disk = crash_disk_create(life->record);
    const size_t from = trial->sync == LIFE_FULL ? 1 : life->began, points = life->ended - from;
    uint64_t state = trial->seed;
    char path[TEMP_PATH_MAX];

    (void)snprintf(path, sizeof path, "%s/rankd.db", folder);
    for (size_t i = 0; i < trial->states; i++) {
        const size_t point =
            from + (points * i + (size_t)rel_below(&state, points + 1)) / trial->states;
        const enum crash_loss loss = (enum crash_loss)rel_below(&state, CRASH_LOSSES);
        const bool recover = i % RECOVERED_EVERY == 0;
        char reason[STATE_REASON_MAX] = "";
        enum state_verdict verdict;
        crash_disk_advance(disk, point);
        crash_disk_write(disk, loss, folder, &state);
        verdict =
            state_check(path, life, point, STATE_SEALS + (recover ? STATE_MODELS : 0), reason);
        count->states++;
        count->recovered += recover;
        if (++count->verdict[verdict] <= SHOWN && verdict != STATE_WHOLE &&
            trial->sync == LIFE_FULL) {
            show(trial, point, loss, verdict, reason);
        }
    }
    count->promises += life->n_promises;
    crash_disk_destroy(&disk);
    life_free(&life);
}

/* ---- all of them ---- */

/* Every kind comes up, on each worker and in a small number of lives. */
static unsigned kind_of(size_t life)
{
    unsigned kind = LIFE_PLAIN;

    if (life % 8 == 7) {
        kind |= LIFE_LARGE;
    }
    if (life / WORKERS % 2 == 1) {
        kind |= LIFE_SPARSE;
    }
    return kind;
}

static void work(size_t worker, size_t states, uint64_t seed, struct counts *counts)
{
    const size_t lives = (states + STATES_A_LIFE - 1) / STATES_A_LIFE;
    const struct trial control = {.sync = worker == 0 ? LIFE_NORMAL : LIFE_OFF,
                                  .states = states / CONTROL_SHARE,
                                  .seed = seed};
    struct temp_folder folder;

    temp_folder_make(&folder);
    for (size_t i = worker; i < lives; i += WORKERS) {
        const struct trial trial = {
            .sync = LIFE_FULL, .states = states / lives, .seed = seed + 2 * i, .kind = kind_of(i)};
        try_life(&trial, folder.path, &counts->of[LIFE_FULL]);
    }
    try_life(&control, folder.path, &counts->of[control.sync]);
    temp_folder_remove(&folder);
}

/* @return false: a worker did not come to its end. */
static bool work_in_processes(size_t states, uint64_t seed, struct counts *counts)
{
    pid_t child[WORKERS];
    bool ended = true;

    (void)fflush(stdout);
    for (size_t i = 0; i < WORKERS; i++) {
        child[i] = fork();
        assert_true(child[i] >= 0);
        if (child[i] == 0) {
            work(i, states, seed, &counts[i]);
            _exit(0);
        }
    }
    for (size_t i = 0; i < WORKERS; i++) {
        int result = 0;
        ended = waitpid(child[i], &result, 0) == child[i] && result == 0 && ended;
    }
    return ended;
}

static struct counts sum(const struct counts *counts)
{
    struct counts all = {0};
    const uint64_t *from;
    uint64_t *to = (uint64_t *)&all;

    for (size_t i = 0; i < WORKERS; i++) {
        from = (const uint64_t *)&counts[i];
        for (size_t k = 0; k < sizeof all / sizeof *to; k++) {
            to[k] += from[k];
        }
    }
    return all;
}

static bool report(const struct counts *counts)
{
    const struct count *full = &counts->of[LIFE_FULL], *normal = &counts->of[LIFE_NORMAL],
                       *off = &counts->of[LIFE_OFF];
    const uint64_t *verdict = full->verdict;
    const bool whole = full->states > 0 && verdict[STATE_WHOLE] == full->states;
    const bool controls_fail = normal->verdict[STATE_LOST] * 10 > normal->states &&
                               off->verdict[STATE_CORRUPT] * 20 > off->states;

    printf("powerloss: states=%llu acked=%llu corrupt=%llu lost=%llu double=%llu uncovered=%llu "
           "recovered=%llu unrecovered=%llu control_normal_lost=%llu/%llu "
           "control_off_corrupt=%llu/%llu\n",
           (unsigned long long)full->states, (unsigned long long)full->promises,
           (unsigned long long)verdict[STATE_CORRUPT], (unsigned long long)verdict[STATE_LOST],
           (unsigned long long)verdict[STATE_DOUBLE], (unsigned long long)verdict[STATE_UNCOVERED],
           (unsigned long long)full->recovered, (unsigned long long)verdict[STATE_UNRECOVERED],
           (unsigned long long)normal->verdict[STATE_LOST], (unsigned long long)normal->states,
           (unsigned long long)off->verdict[STATE_CORRUPT], (unsigned long long)off->states);
    if (!controls_fail) {
        printf("powerloss: a control did not fail as it has to\n");
    }
    return whole && controls_fail;
}

int main(void)
{
    const size_t states = (size_t)rel_count("STATES", STATES);
    const uint64_t seed = rel_seed();
    struct counts *counts = mmap(NULL, WORKERS * sizeof *counts, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct counts all;
    bool ended;

    assert_true(counts != MAP_FAILED);
    if (access("/dev/shm", W_OK) == 0) {
        (void)setenv("TMPDIR", "/dev/shm", 0); /* the disks are made there: nothing is synced */
    }
    json_start();
    log_start(LOG_LEVEL_WARN, false);
    ended = work_in_processes(states, seed, counts);
    all = sum(counts);
    return report(&all) && ended ? 0 : 1;
}
