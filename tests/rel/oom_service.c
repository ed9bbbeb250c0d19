/*
 * A service for failing requests: small models of every kind, trained a little, then paused.
 */
#include "learning_fixture.h"
#include "oom_requests.h"
#include "store_fixture.h"
#include "test.h"

#include <stdio.h>
#include <time.h>

#define PATIENCE 60000 /* moments of a millisecond */

#define SMALL "\"features\":{\"bits\":6},\"dim\":2,\"training\":{\"batch_groups\":4}"
#define ITEMS                                                                                      \
    "{\"id\":\"a\",\"features\":{\"brand\":\"x\",\"price\":2},\"label\":1},"                       \
    "{\"id\":\"b\",\"features\":{\"brand\":\"y\",\"price\":1},\"label\":0}"

static const struct {
    const char *name, *config, *group;
} models[] = {
    {"ffm", "{\"kind\":\"ffm\"," SMALL "}", "{\"items\":[" ITEMS "]}"},
    {"deepfm", "{\"kind\":\"deepfm\",\"hidden\":[4]," SMALL "}", "{\"items\":[" ITEMS "]}"},
    {"joint",
     "{\"kind\":\"joint\",\"hidden\":[4],\"users\":{\"bits\":6},\"items\":{\"bits\":6}," SMALL "}",
     "{\"user\":{\"id\":\"u\"},\"items\":[" ITEMS "]}"},
    {"pupil",
     "{\"kind\":\"fm\",\"loss\":{\"name\":\"distill_listwise\"},\"teacher\":\"default\"," SMALL "}",
     "{\"items\":[" ITEMS "]}"},
    {"columns", "{\"kind\":\"fm\",\"features\":{\"space\":\"indexed\",\"size\":8},\"dim\":2}",
     "{\"items\":[{\"id\":\"a\",\"features\":[0.5,1],\"label\":1},"
     "{\"id\":\"b\",\"features\":{\"7\":1},\"label\":0}]}"},
    {"poisoned", "{\"kind\":\"fm\",\"features\":{\"bits\":6,\"numbers\":\"raw\"},\"dim\":2}",
     OOM_POISON},
};

static void make_default(const char *path)
{
    struct learning *l = calloc(1, sizeof *l);

    assert_non_null(l);
    (void)snprintf(l->path, sizeof l->path, "%s", path);
    l->time_ms = 1000000;
    learning_open(l);
    (void)learning_model(l, "default", "{\"kind\":\"fm\"," SMALL "}");
    learning_close(l);
    free(l);
}

static void expect_status(struct oom *oom, const char *method, const char *path, const char *body,
                          int status)
{
    struct oom_answer answer = oom_ask(oom, method, path, body);

    if (answer.status != status) {
        fail_msg("%s %s: %d %s", method, path, answer.status, answer.text);
    }
    oom_answer_free(&answer);
}

/* Teaches a model a few lists, stores a checkpoint, learns once more, and pauses it. */
static void teach(struct oom *oom, const char *name, const char *group)
{
    char path[128], body[1024];

    (void)snprintf(body, sizeof body, "{\"model\":\"%s\",\"groups\":[%s,%s]}", name, group, group);
    for (int i = 0; i < 2; i++) {
        expect_status(oom, "POST", "/v1/batches", body, 200);
        (void)snprintf(path, sizeof path, "/v1/models/%s/train?wait=1", name);
        expect_status(oom, "POST", path, NULL, 200);
    }
    (void)snprintf(path, sizeof path, "/v1/models/%s/pause", name);
    expect_status(oom, "POST", path, NULL, 200);
}

/* What is recorded after a checkpoint is taken again behind a start: that is waited for. */
void oom_service_await(struct oom *oom)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    bool behind = true;

    for (int i = 0; i < PATIENCE && behind; i++) {
        struct oom_answer answer = oom_ask(oom, "GET", "/v1/models", NULL);
        behind = strstr(answer.text, "\"behind\":true") != NULL;
        oom_answer_free(&answer);
        (void)nanosleep(&moment, NULL);
    }
    assert_false(behind);
}

void oom_service_make(struct oom *oom)
{
    struct api_fixture *fixture = &oom->fixture;

    temp_folder_make(&fixture->folder);
    temp_folder_path(&fixture->folder, "rankd.db", fixture->path);
    make_default(fixture->path);
    assert_ok(options_read(&fixture->service.options, 0, NULL, NULL));
    fixture->service.options.checkpoint_s = 86400; /* on request alone */
    fixture->service.options.log_days = 0;         /* nothing is removed meanwhile */
    api_fixture_start(fixture);
    teach(oom, "default", models[0].group);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "/v1/models/%s", models[i].name);
        expect_status(oom, "PUT", path, models[i].config, 201);
        teach(oom, models[i].name, models[i].group);
    }
    expect_status(oom, "PUT", "/v1/items/a", "{\"features\":{\"brand\":\"x\",\"tags\":[\"t\"]}}",
                  201);
    expect_status(oom, "PUT", "/v1/users/u", "{\"features\":{\"age\":3}}", 201);
}

void oom_service_seed(struct oom *oom, const char *path)
{
    char sql[TEMP_PATH_MAX + 64];

    api_fixture_stop(&oom->fixture);
    fixture_run_sql(oom->fixture.path,
                    "DELETE FROM checkpoint WHERE source = 'training' AND version "
                    "= 2 AND model > 1");
    (void)snprintf(sql, sizeof sql, "VACUUM INTO '%s'", path);
    fixture_run_sql(oom->fixture.path, sql);
}

void oom_service_remove(struct oom *oom)
{
    api_fixture_stop(&oom->fixture);
    temp_folder_remove(&oom->fixture.folder);
}
