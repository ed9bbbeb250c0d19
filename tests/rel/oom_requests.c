/*
 * The requests, and what must be so after each of them.
 */
#include "oom_requests.h"

#include "list.h"
#include "store_fixture.h"
#include "test.h"

#include <unistd.h>

#define NDJSON  "application/x-ndjson"
#define TENSORS "application/vnd.safetensors"
#define LIST                                                                                       \
    "\"user\":{\"id\":\"u\"},\"items\":[\"a\",{\"id\":\"b\",\"features\":{\"brand\":\"y\"}}]"
#define SCORE(model)   "{\"model\":\"" model "\",\"log\":false," LIST "}"
#define EXPLAIN(model) "{\"model\":\"" model "\",\"log\":false,\"explain\":true," LIST "}"
#define GROUPS         "{\"items\":[{\"id\":\"a\",\"label\":1},{\"id\":\"b\",\"label\":0,\"weight\":0.5}]}"
#define MADE           "{\"kind\":\"fm\",\"features\":{\"bits\":4},\"dim\":2}"

/* ---- is what was said so? ---- */

static bool has_text(struct oom *oom, const char *path, const char *text)
{
    struct oom_answer answer = oom_ask(oom, "GET", path, NULL);
    const bool has = answer.status == 200 && strstr(answer.text, text) != NULL;

    oom_answer_free(&answer);
    return has;
}

static bool says(const struct oom_answer *answer, const char *text)
{
    return answer->status / 100 == 2 && strstr(answer->text, text) != NULL;
}

/* A ranking is in the log if the answer says so, and only if there was one. */
static void check_logged(struct oom *oom, const struct oom_answer *answer, size_t failed)
{
    const int status = oom_status(oom, "GET", "/v1/rankings/l@", NULL);

    if (says(answer, "\"logged\":true") && status != 200) {
        oom_wrong(oom, "a ranking that was said to be logged is not there: %d", status);
    } else if (failed > 0 && answer->status != 200 && status != 404) {
        oom_wrong(oom, "a ranking that was not answered is in the log: %d", status);
    }
}

/* The ranking is committed when a request that waits for the writer is answered. */
static void rank(struct oom *oom)
{
    if (oom_status(oom, "POST", "/v1/score", "{\"ranking_id\":\"f@\"," LIST "}") != 200 ||
        oom_status(oom, "GET", "/readyz/feedback", NULL) != 200) {
        oom_wrong(oom, "no ranking to click on");
    }
}

/* An acknowledged event is in the store, once. */
static void check_event(struct oom *oom, const struct oom_answer *answer, size_t failed)
{
    struct oom_answer ranking;
    char id[64];
    const char *first;

    (void)failed;
    if (answer->status != 200) {
        return;
    }
    ranking = oom_ask(oom, "GET", "/v1/rankings/f@", NULL);
    (void)snprintf(id, sizeof id, "\"event_id\":\"e%llu\"", (unsigned long long)oom->turn);
    first = strstr(ranking.text, id);
    if (first == NULL || strstr(first + 1, id) != NULL) {
        oom_wrong(oom, "an event is not there once: %.300s", ranking.text);
    }
    oom_answer_free(&ranking);
}

/* An acknowledged batch is known. */
static void check_batch(struct oom *oom, const struct oom_answer *answer, size_t failed)
{
    struct oom_answer again;

    (void)failed;
    if (answer->status != 200) {
        return;
    }
    again = oom_ask(oom, "POST", "/v1/batches",
                    "{\"model\":\"deepfm\",\"batch_id\":\"b@\",\"groups\":[" GROUPS "]}");
    if (!says(&again, "\"duplicate\":true")) {
        oom_wrong(oom, "a batch is not there: %d %.300s", again.status, again.text);
    }
    oom_answer_free(&again);
}

/* What is stored under an id is what is served: its one number is the turn, or none is there. */
static void check_item(struct oom *oom, const struct oom_answer *answer, bool there)
{
    struct catalogue *catalogue = &oom->fixture.service.catalogue;
    const struct catalogue_copy *copy = catalogue_read(catalogue, 0);
    const struct catalogue_entry *entry =
        catalogue_find(copy, CATALOGUE_ITEM, list_id_hash(RK_ITEM, "c", 1), "c");
    const bool as_said =
        there ? entry != NULL && entry->feature[0].value == (float)oom->turn : entry == NULL;

    catalogue_done(catalogue, 0, copy);
    if (answer->status / 100 == 2 && !as_said) {
        oom_wrong(oom, "the catalogue in memory is not what was stored");
    }
    if (answer->status / 100 == 2 && there && !has_text(oom, "/v1/items/c", "\"n\":")) {
        oom_wrong(oom, "an item is not there");
    }
}

static void check_item_put(struct oom *oom, const struct oom_answer *answer, size_t failed)
{
    (void)failed;
    check_item(oom, answer, true);
}

static void check_item_gone(struct oom *oom, const struct oom_answer *answer, size_t failed)
{
    (void)failed;
    check_item(oom, answer, false);
}

static void put_item(struct oom *oom)
{
    if (oom_status(oom, "PUT", "/v1/items/c", "{\"features\":{\"n\":@}}") / 100 != 2) {
        oom_wrong(oom, "no item to delete");
    }
}

static void delete_model(struct oom *oom)
{
    const int status = oom_status(oom, "DELETE", "/v1/models/made", NULL);

    if (status != 204 && status != 404) {
        oom_wrong(oom, "a model cannot be deleted: %d", status);
    }
}

static void make_model(struct oom *oom)
{
    if (oom_status(oom, "PUT", "/v1/models/made", MADE) / 100 != 2) {
        oom_wrong(oom, "a model cannot be made");
    }
}

static void check_model(struct oom *oom, const struct oom_answer *answer, size_t failed)
{
    const int status = oom_status(oom, "GET", "/v1/models/made", NULL);

    (void)failed;
    if (status != (answer->status / 100 == 2 ? 200 : status == 200 ? 200 : 404)) {
        oom_wrong(oom, "a model is not there");
    }
}

static int64_t version_of(struct oom *oom)
{
    return live_version(&models_find(models_now(&oom->fixture.service.models), "ffm")->live);
}

static void note_version(struct oom *oom)
{
    oom->noted = version_of(oom);
}

/* Imports are never trimmed, and looking through them would take more allocations each time. */
static void forget_imports(struct oom *oom)
{
    fixture_run_sql(oom->fixture.path, "DELETE FROM checkpoint WHERE source = 'import'");
    note_version(oom);
}

/* What was refused changed nothing of what is served. */
static void check_version(struct oom *oom, const struct oom_answer *answer, size_t failed)
{
    (void)failed;
    if (answer->status / 100 != 2 && version_of(oom) != oom->noted) {
        oom_wrong(oom, "another version is served than before");
    }
}

static void check_rate(struct oom *oom, const struct oom_answer *answer, size_t failed)
{
    struct oom_answer model = oom_ask(oom, "GET", "/v1/models/columns", NULL);
    const char *rate = strstr(model.text, "\"learning_rate\":");
    char wanted[40];

    (void)failed;
    (void)snprintf(wanted, sizeof wanted, "0.0%llu", (unsigned long long)oom->turn);
    if (answer->status == 200 &&
        (rate == NULL || strtof(strchr(rate, ':') + 1, NULL) != strtof(wanted, NULL))) {
        oom_wrong(oom, "a change is not there: %s", model.text);
    }
    oom_answer_free(&model);
}

/* A list that is left out, to be taken again. */
static void poison(struct oom *oom)
{
    struct oom_answer list;
    const char *id;

    if (oom_status(oom, "POST", "/v1/models/poisoned/resume", NULL) != 200 ||
        oom_status(oom, "POST", "/v1/batches",
                   "{\"model\":\"poisoned\",\"groups\":[" OOM_POISON "]}") != 200 ||
        oom_status(oom, "POST", "/v1/models/poisoned/resume", NULL) != 200 ||
        oom_status(oom, "POST", "/v1/models/poisoned/train?wait=1", NULL) / 100 != 2) {
        oom_wrong(oom, "no list to be left out");
    }
    list = oom_ask(oom, "GET", "/v1/models/poisoned/quarantine", NULL);
    id = strstr(list.text, "\"id\":");
    oom->noted = id != NULL ? strtoll(id + 5, NULL, 10) : 0;
    oom_answer_free(&list);
}

static void check_retried(struct oom *oom, const struct oom_answer *answer, size_t failed)
{
    char retry[48];

    (void)failed;
    (void)snprintf(retry, sizeof retry, "\"retry_of\":%lld", (long long)oom->noted);
    if (answer->status == 200 && !has_text(oom, "/v1/models/poisoned/quarantine", retry)) {
        oom_wrong(oom, "what was taken again is not there");
    }
}

static void check_backup(struct oom *oom, const struct oom_answer *answer, size_t failed)
{
    char name[64], path[TEMP_PATH_MAX];

    (void)failed;
    (void)snprintf(name, sizeof name, "backups/b%llu.db", (unsigned long long)oom->turn);
    temp_folder_path(&oom->fixture.folder, name, path);
    if (answer->status == 200 &&
        (access(path, F_OK) != 0 || fixture_read_number(path, "SELECT count(*) FROM log") == 0)) {
        oom_wrong(oom, "a backup is not there");
    }
    (void)unlink(path);
}

/* ---- the requests ---- */

#define READ(route)                                                                                \
    {                                                                                              \
        .name = "GET " route, .method = "GET", .path = route                                       \
    }

/* clang-format off */
static const struct oom_call calls[] = {
    READ("/livez"), READ("/readyz"), READ("/readyz/feedback"), READ("/openapi.json"), READ("/problems/overloaded"),
    {.name = "GET /metrics", .method = "GET", .path = "/metrics", .loose = true},
    READ("/v1/models"), READ("/v1/models/joint"), READ("/v1/models/none"), READ("/v1/nowhere"),
    READ("/v1/models/ffm/versions"), READ("/v1/models/ffm/versions/0"), READ("/v1/models/ffm/versions/1"),
    READ("/v1/models/deepfm/versions/2?optimizer=1"), READ("/v1/models/ffm/versions/99"),
    {.name = "training", .method = "GET", .path = "/v1/models/pupil/training", .ignored = " log_end lag seq "},
    READ("/v1/items"), READ("/v1/items?limit=1&after=a"), READ("/v1/items/a"), READ("/v1/items/none"),
    READ("/v1/users"), READ("/v1/users/u"), READ("/v1/rankings/none"), READ("/v1/models/poisoned/quarantine"),

    {.name = "score fm", .method = "POST", .path = "/v1/score", .body = SCORE("default"), .ignored = " ranking_id "},
    {.name = "score ffm", .method = "POST", .path = "/v1/score", .body = SCORE("ffm"), .ignored = " ranking_id "},
    {.name = "score deepfm", .method = "POST", .path = "/v1/score", .body = SCORE("deepfm"), .ignored = " ranking_id "},
    {.name = "score joint", .method = "POST", .path = "/v1/score", .body = SCORE("joint"), .ignored = " ranking_id "},
    {.name = "score indexed", .method = "POST", .path = "/v1/score", .ignored = " ranking_id ",
     .body = "{\"model\":\"columns\",\"log\":false,\"items\":[{\"id\":\"a\",\"features\":[0.5,1]},{\"id\":\"b\",\"features\":{\"7\":1}}]}"},
    {.name = "score a bad list", .method = "POST", .path = "/v1/score", .body = "{\"items\":[{\"id\":7}]}"},
    {.name = "score no JSON", .method = "POST", .path = "/v1/score", .body = "{\"items\":["},
    {.name = "explain fm", .method = "POST", .path = "/v1/score", .body = EXPLAIN("default"), .ignored = " ranking_id "},
    {.name = "explain joint", .method = "POST", .path = "/v1/score", .body = EXPLAIN("joint"), .ignored = " ranking_id "},
    {.name = "score lines", .method = "POST", .path = "/v1/score", .type = NDJSON, .lines = true, .ignored = " ranking_id ",
     .body = SCORE("default") "\n" EXPLAIN("ffm") "\n{\"items\":7}\n" SCORE("joint") "\n"},
    {.name = "score logged", .method = "POST", .path = "/v1/score", .body = "{\"ranking_id\":\"l@\"," LIST "}",
     .ignored = " ranking_id logged ", .after = check_logged},

    {.name = "feedback", .method = "POST", .path = "/v1/feedback", .ignored = " event_id status accepted ",
     .body = "{\"event_id\":\"e@\",\"ranking_id\":\"f@\",\"item_id\":\"a\",\"type\":\"click\",\"time\":\"2026-11-24T10:00:00Z\"}",
     .before = rank, .after = check_event},
    {.name = "feedback lines", .method = "POST", .path = "/v1/feedback", .type = NDJSON, .ignored = " event_id status accepted ",
     .body = "{\"ranking_id\":\"f@\",\"item_id\":\"b\",\"type\":\"click\"}\n"
             "{\"event_id\":\"e@\",\"ranking_id\":\"f@\",\"item_id\":\"a\",\"type\":\"buy\",\"value\":2}\n",
     .before = rank, .after = check_event},
    {.name = "feedback of nothing", .method = "POST", .path = "/v1/feedback",
     .body = "{\"event_id\":\"x\",\"ranking_id\":\"nowhere\",\"item_id\":\"a\",\"type\":\"click\"}"},
    {.name = "batch", .method = "POST", .path = "/v1/batches", .ignored = " seq accepted_groups duplicate ",
     .body = "{\"model\":\"deepfm\",\"batch_id\":\"b@\",\"groups\":[" GROUPS "]}", .after = check_batch},
    {.name = "batch lines", .method = "POST", .path = "/v1/batches?model=deepfm&batch_id=b@", .type = NDJSON,
     .ignored = " seq accepted_groups duplicate ", .body = GROUPS "\n", .after = check_batch},
    {.name = "ranking", .method = "GET", .path = "/v1/rankings/f@", .before = rank, .ignored = " seq time ranking_id request "},

    {.name = "put an item", .method = "PUT", .path = "/v1/items/c", .body = "{\"features\":{\"n\":@}}", .ignored = " n ", .after = check_item_put},
    {.name = "put items", .method = "POST", .path = "/v1/items", .after = check_item_put,
     .body = "{\"items\":[{\"id\":\"d\",\"features\":{\"brand\":\"z\"}},{\"id\":\"c\",\"features\":{\"n\":@}}]}"},
    {.name = "put item lines", .method = "POST", .path = "/v1/items", .type = NDJSON, .after = check_item_put,
     .body = "{\"id\":\"d\",\"features\":{\"brand\":\"z\"}}\n{\"id\":\"c\",\"features\":{\"n\":@}}\n"},
    {.name = "delete an item", .method = "DELETE", .path = "/v1/items/c", .before = put_item, .again = true, .after = check_item_gone},
    {.name = "put a user", .method = "PUT", .path = "/v1/users/w", .body = "{\"features\":{\"age\":@}}", .ignored = " age "},

    {.name = "put users", .method = "POST", .path = "/v1/users", .type = NDJSON, .body = "{\"id\":\"w\",\"features\":{\"age\":@}}\n"},
    {.name = "delete a user", .method = "DELETE", .path = "/v1/users/none"},

    {.name = "change a model", .method = "PATCH", .path = "/v1/models/columns", .body = "{\"learning_rate\":0.0@}", .loose = true, .after = check_rate},
    {.name = "retry", .method = "POST", .path = "/v1/models/poisoned/quarantine/#/retry", .loose = true,
     .before = poison, .again = true, .after = check_retried},
    {.name = "make a model", .method = "PUT", .path = "/v1/models/made", .body = MADE, .before = delete_model, .after = check_model},
    {.name = "make a model again", .method = "PUT", .path = "/v1/models/made", .body = MADE, .before = make_model},
    {.name = "delete a model", .method = "DELETE", .path = "/v1/models/made", .before = make_model, .again = true},
    {.name = "resume", .method = "POST", .path = "/v1/models/ffm/resume"},
    {.name = "train", .method = "POST", .path = "/v1/models/ffm/train?wait=1", .ignored = " steps lists "},
    {.name = "pause", .method = "POST", .path = "/v1/models/ffm/pause"},
    {.name = "activate", .method = "POST", .path = "/v1/models/ffm/activate", .body = "{\"version\":1}", .before = note_version, .after = check_version, .again = true},
    {.name = "activate nothing", .method = "POST", .path = "/v1/models/ffm/activate", .body = "{\"version\":99}"},
};
/* clang-format on */

/* A file that was given out, taken in again. */
static void import(struct oom *oom)
{
    struct oom_answer file = oom_ask(oom, "GET", "/v1/models/ffm/versions/1", NULL);
    struct oom_call call = {.name = "import",
                            .method = "POST",
                            .path = "/v1/models/ffm/versions",
                            .type = TENSORS,
                            .body = file.text,
                            .body_n = file.n,
                            .bytes = true,
                            .ignored = " version parent time seq sha256 bytes ",
                            .before = forget_imports,
                            .after = check_version,
                            .again = true};

    oom_try(oom, &call);
    call.name = "import and only store";
    call.path = "/v1/models/ffm/versions?activate=0";
    oom_try(oom, &call);
    call.name = "import what is none";
    call.body_n = file.n / 2;
    oom_try(oom, &call);
    oom_answer_free(&file);
}

/* A backup takes a thousand allocations and more. */
static void back_up(struct oom *oom)
{
    const struct oom_call call = {.name = "backup",
                                  .method = "POST",
                                  .path = "/v1/backup",
                                  .body = "{\"name\":\"b@.db\"}",
                                  .loose = true,
                                  .checks = true,
                                  .stride = oom->stride,
                                  .after = check_backup};

    oom_try(oom, &call);
}

void oom_requests(struct oom *oom)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        oom_try(oom, &calls[i]);
    }
    import(oom);
    back_up(oom);
}
