/*
 * Learning that is killed again and again comes to the same bytes as learning that is not: over the
 * same log, which is all there before either begins.
 *   KILLS=200 make rel-resume
 */
#include "dbfile.h"
#include "failpoint.h"
#include "fold.h"
#include "rel.h"
#include "server_process.h"
#include "temp_folder.h"
#include "test.h"

#include <signal.h>

#define KILLS   40
#define LIFE    5  /* kills in one training */
#define BATCHES 80 /* of GROUPS lists, for each model */
#define GROUPS  10
#define ALONE   4 /* m0 ... m3; m4 learns from what m0 says meanwhile */
#define TEXT    8192

/* Checkpoints are stored when a model has nothing left. */
static const struct place {
    enum failpoint at;
    uint64_t often;
} places[] = {
    {FAILPOINT_BEFORE_BEGIN, 40},     {FAILPOINT_AFTER_BEGIN, 40},
    {FAILPOINT_BEFORE_COMMIT, 40},    {FAILPOINT_AFTER_COMMIT, 40},
    {FAILPOINT_STEP_RECORDED, 40},    {FAILPOINT_PUBLISHED, 40},
    {FAILPOINT_CHECKPOINT_CHUNK, 1},  {FAILPOINT_BEFORE_CHECKPOINT_ROW, 1},
    {FAILPOINT_CHECKPOINT_STORED, 1}, {FAILPOINT_STEP_REPEATED, 40},
};

static void post(struct http_client *http, const char *path, const char *body, bool surely)
{
    struct http_response response = http_client_post(http, path, body);

    if (surely && response.status != 200) {
        fail_msg("%s: %d %s", path, response.status, response.body);
    }
    http_response_deinit(&response);
}

static void post_to(struct http_client *http, int model, const char *verb, bool surely)
{
    char path[64];

    (void)snprintf(path, sizeof path, "/v1/models/m%d/%s", model, verb);
    post(http, path, "", surely);
}

static void write_batch(char text[TEXT], int model, uint64_t *random)
{
    int n = snprintf(text, TEXT, "{\"model\": \"m%d\", \"groups\": [", model);

    for (int g = 0; g < GROUPS; g++) {
        n += snprintf(text + n, TEXT - (size_t)n,
                      "%s{\"user\": {\"id\": \"u%d\", \"features\": {\"age\": %d}}, \"items\": [",
                      g > 0 ? ", " : "", (int)rel_below(random, 9), (int)rel_below(random, 80));
        for (int i = 0; i < 4; i++) {
            n += snprintf(text + n, TEXT - (size_t)n, "%s{\"id\": \"i%d\", \"label\": %d}",
                          i > 0 ? ", " : "", i, (int)rel_below(random, 3));
        }
        n += snprintf(text + n, TEXT - (size_t)n, "]}");
    }
    (void)snprintf(text + n, TEXT - (size_t)n, "]}");
}

/* A database with all models, paused, and what they are to learn. */
static void make_log(const char *db, uint64_t *random)
{
    struct server_process server;
    struct http_client http;
    char text[TEXT];

    server_start(&server, db, NULL);
    traffic_make_models(server.port);
    http_client_init(&http, server.port);
    for (int model = 0; model < TRAFFIC_MODELS; model++) {
        post_to(&http, model, "pause", true);
        for (int i = 0; i < BATCHES; i++) {
            write_batch(text, model, random);
            post(&http, "/v1/batches", text, true);
        }
    }
    http_client_deinit(&http);
    server_stop(&server);
}

/* Has the models learn until the place is come to, or they have nothing left. */
static void train_and_kill(const char *db, const struct place *place, uint64_t *random)
{
    struct server_process server;
    struct http_client http;
    char text[64];
    bool started;

    (void)snprintf(text, sizeof text, "%s:%d:kill", failpoint_text(place->at),
                   1 + (int)rel_below(random, place->often));
    assert_int_equal(setenv("RANKD_FAILPOINT", text, 1), 0);
    started = server_try(&server, db, NULL);
    assert_int_equal(unsetenv("RANKD_FAILPOINT"), 0);
    http_client_init(&http, server.port);
    for (int i = 0; started && i < 2 * ALONE; i++) {
        const int model = (int)rel_below(random, TRAFFIC_MODELS);
        post_to(&http, model, "resume", false);
        post_to(&http, model, "train?wait=1", false);
    }
    http_client_deinit(&http);
    (void)kill(server.pid, SIGKILL);
    assert_int_equal(server_end(&server), 128 + SIGKILL);
}

static int64_t count_steps(const char *path, const char *copy)
{
    sqlite3 *db;
    int64_t n;

    dbfile_copy(path, copy);
    db = dbfile_open(copy);
    n = dbfile_number(db, "SELECT count(*) FROM step");
    dbfile_close(db);
    return n;
}

static size_t count_equal(const struct fold *once, const struct fold *again)
{
    size_t n = 0;

    for (int i = 0; i < ALONE; i++) {
        const bool same = once->version[i] == again->version[i] && once->hash[i] == again->hash[i];
        n += same;
        if (!same || once->version[i] == 0) {
            printf("m%d: version %lld without a kill, %lld with kills, %s bytes\n", i,
                   (long long)once->version[i], (long long)again->version[i],
                   same ? "the same" : "other");
        }
    }
    return n;
}

struct run {
    uint64_t random;
    size_t kills, done;
    size_t trainings, unfinished; /* of them, at the last kill */
    size_t models, equal;
};

/* One log, learned from in one go and with kills. */
static void one_training(struct run *run, const struct temp_folder *folder)
{
    char whole[TEMP_PATH_MAX], killed[TEMP_PATH_MAX], copy[TEMP_PATH_MAX];
    struct fold once, again;
    int64_t steps;

    temp_folder_path(folder, "whole.db", whole);
    temp_folder_path(folder, "killed.db", killed);
    temp_folder_path(folder, "copy.db", copy);
    make_log(whole, &run->random);
    dbfile_copy(whole, killed);
    for (int i = 0; i < LIFE && run->done < run->kills; i++, run->done++) {
        train_and_kill(killed, &places[run->done % (sizeof places / sizeof *places)], &run->random);
    }
    steps = count_steps(killed, copy);
    once = fold_settle(whole);
    again = fold_settle(killed);
    run->trainings++;
    run->unfinished += steps > 0 && steps < count_steps(killed, copy);
    run->models += ALONE;
    run->equal += count_equal(&once, &again);
}

int main(void)
{
    struct run run = {.kills = (size_t)rel_count("KILLS", KILLS)};

    run.random = rel_seed();
    while (run.done < run.kills) {
        struct temp_folder folder;
        temp_folder_make(&folder);
        one_training(&run, &folder);
        temp_folder_remove(&folder);
    }
    printf("resume: kills=%zu trainings=%zu unfinished_at_the_last_kill=%zu models=%zu equal=%zu\n",
           run.done, run.trainings, run.unfinished, run.models, run.equal);
    return run.equal == run.models && 2 * run.unfinished >= run.trainings ? EXIT_SUCCESS
                                                                          : EXIT_FAILURE;
}
