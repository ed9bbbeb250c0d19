/*
 * The recorded life: rounds of scores, events, batches, features, learning, versions, pauses, and
 * now and then an end and a new start.
 */
#include "crash_life.h"

#include "api_fixture.h"
#include "grow.h"
#include "learning_fixture.h"
#include "rel.h"
#include "store_impl.h"
#include "test.h"

#include <xxhash.h>

#define ITEMS      40
#define LIST_ITEMS 6
#define WAL_PAGES  60 /* so that the write-ahead log begins anew many times in a short life */

/* Cheap to check by hand: small, with an optimizer that has state. */
#define SMALL_MODEL "{\"kind\":\"fm\"," LEARNING_SMALL "}"
#define LARGE_MODEL "{\"kind\":\"fm\",\"features\":{\"bits\":15},\"dim\":8}"

struct living {
    struct api_fixture fixture;
    struct life *life;
    uint64_t state; /* of rel_below */
    int64_t rankings, batches, activations, pauses;
};

static void promise(struct living *l, struct promise made)
{
    struct life *life = l->life;

    made.at = crash_record_position(life->record);
    assert_true(grow_reserve(&life->promise, &life->promise_room, life->n_promises + 1));
    life->promise[life->n_promises++] = made;
}

/* ---- requests ---- */

static void put_items(struct living *l, char *text, size_t size)
{
    size_t n = 0;
    const uint64_t first = rel_below(&l->state, ITEMS);

    for (uint64_t i = 0; i < LIST_ITEMS; i++) {
        n += (size_t)snprintf(text + n, size - n, "%s\"i%d\"", i > 0 ? "," : "",
                              (int)((first + i * 5) % ITEMS));
    }
}

static void score(struct living *l)
{
    char items[256];

    put_items(l, items, sizeof items);
    assert_answered(postf(&l->fixture, "/v1/score",
                          "{\"ranking_id\":\"r%lld\",\"user\":{\"id\":\"u%d\"},\"items\":[%s]}",
                          (long long)++l->rankings, (int)rel_below(&l->state, 9), items),
                    200);
}

/* An item that the last score's answer has. */
static int64_t shown_item(struct living *l)
{
    char pointer[32];

    (void)snprintf(pointer, sizeof pointer, "/items/%d/id", (int)rel_below(&l->state, LIST_ITEMS));
    return strtoll(text_at(l->fixture.answers, pointer) + 1, NULL, 10);
}

/* Scores a list, then sends one to three events of it at once. */
static void click(struct living *l)
{
    const int64_t first = l->life->events, n = 1 + (int64_t)rel_below(&l->state, 3);
    int64_t item[3];
    char lines[512];
    size_t used = 0;
    const struct answer *answer;

    score(l);
    for (int64_t i = 0; i < n; i++) {
        item[i] = shown_item(l);
        used +=
            (size_t)snprintf(lines + used, sizeof lines - used,
                             "{\"event_id\":\"e%lld\",\"ranking_id\":\"r%lld\",\"item_id\":"
                             "\"i%lld\",\"type\":\"click\"}\n",
                             (long long)(first + i), (long long)l->rankings, (long long)item[i]);
    }
    l->life->events += n;
    answer = post_lines(&l->fixture, "/v1/feedback", lines);
    assert_answered(answer, 200);
    assert_int_equal(integer_at(answer, "/accepted"), n);
    for (int64_t i = 0; i < n; i++) {
        promise(l, (struct promise){.kind = PROMISE_EVENT,
                                    .number = first + i,
                                    .first = l->rankings,
                                    .last = item[i]});
    }
}

static void send_batch(struct living *l, const char *model)
{
    const uint64_t n = 1 + rel_below(&l->state, 4);
    char groups[1024];
    size_t used = 0;
    const struct answer *answer;

    for (uint64_t i = 0; i < n; i++) {
        used += (size_t)snprintf(groups + used, sizeof groups - used,
                                 "%s{\"items\":[{\"id\":\"i%d\",\"label\":1},\"i%d\",\"i%d\"]}",
                                 i > 0 ? "," : "", (int)rel_below(&l->state, 13),
                                 13 + (int)rel_below(&l->state, 13),
                                 26 + (int)rel_below(&l->state, 13));
    }
    answer = postf(&l->fixture, "/v1/batches",
                   "{\"model\":\"%s\",\"batch_id\":\"b%lld\",\"groups\":[%s]}", model,
                   (long long)++l->batches, groups);
    assert_answered(answer, 200);
    promise(l, (struct promise){.kind = PROMISE_BATCH,
                                .number = l->batches,
                                .first = integer_at(answer, "/seq/0"),
                                .last = integer_at(answer, "/seq/1")});
}

static void put_item(struct living *l)
{
    const int64_t item = (int64_t)rel_below(&l->state, ITEMS);
    const int64_t price = (int64_t)rel_below(&l->state, 1000);
    char path[32], body[64];
    const struct answer *answer;

    (void)snprintf(path, sizeof path, "/v1/items/i%d", (int)item);
    (void)snprintf(body, sizeof body, "{\"features\":{\"price\":%d}}", (int)price);
    answer = put(&l->fixture, path, body);
    assert_true(answer->status == 200 || answer->status == 201 || answer->status == 204);
    promise(l, (struct promise){.kind = PROMISE_ITEM, .number = item, .first = price});
}

/* Has the default model learn, and takes down its whole state. @return the answer with it. */
static const struct answer *learn(struct living *l)
{
    const int64_t version = train(&l->fixture, "default");
    const struct answer *answer;
    char path[80];

    (void)snprintf(path, sizeof path, "/v1/models/default/versions/%lld?optimizer=1",
                   (long long)version);
    answer = get(&l->fixture, path);
    assert_answered(answer, 200);
    promise(l, (struct promise){.kind = PROMISE_VERSION,
                                .number = version,
                                .first = (int64_t)XXH3_64bits(answer->text, answer->text_n)});
    return answer;
}

/* Stores what is served now as a version of its own, and serves it or what was served before. */
static void import(struct living *l)
{
    const struct answer *state = learn(l), *answer;
    const bool activate = rel_below(&l->state, 2) == 0;

    answer = ask_bytes(&l->fixture, "POST",
                       activate ? "/v1/models/default/versions"
                                : "/v1/models/default/versions?activate=0",
                       "application/vnd.safetensors", state->text, state->text_n);
    assert_answered(answer, 201);
    promise(l, (struct promise){.kind = PROMISE_IMPORT, .number = integer_at(answer, "/version")});
    if (activate) {
        promise(l, (struct promise){.kind = PROMISE_ACTIVATION, .number = ++l->activations});
    } else {
        answer = postf(&l->fixture, "/v1/models/default/activate", "{\"version\":%lld}",
                       (long long)integer_at(answer, "/version"));
        assert_answered(answer, 200);
        promise(l, (struct promise){.kind = PROMISE_ACTIVATION, .number = ++l->activations});
    }
}

static void pause_and_resume(struct living *l)
{
    const char *const verb[] = {"/v1/models/default/pause", "/v1/models/default/resume"};

    for (size_t i = 0; i < 2; i++) {
        assert_answered(ask(&l->fixture, "POST", verb[i], NULL, NULL), 200);
        promise(l, (struct promise){.kind = PROMISE_PAUSE, .number = ++l->pauses});
        click(l);
    }
}

/* ---- the life ---- */

static void run_on_writer(struct store *store, const char *text)
{
    assert_int_equal(sqlite3_exec(store->db, text, NULL, NULL, NULL), SQLITE_OK);
}

static void sync_full(struct store *store)
{
    char text[64];

    (void)snprintf(text, sizeof text, "PRAGMA wal_autocheckpoint = %d", WAL_PAGES);
    run_on_writer(store, text);
}

static void sync_normal(struct store *store)
{
    sync_full(store);
    run_on_writer(store, "PRAGMA synchronous = NORMAL");
}

static void sync_off(struct store *store)
{
    sync_full(store);
    run_on_writer(store, "PRAGMA synchronous = OFF");
}

/* The database as a first start makes it, but for the size of its model. */
static void begin(struct living *l)
{
    struct learning learning = {.time_ms = 1000000};

    memcpy(learning.path, l->fixture.path, sizeof learning.path);
    learning_open(&learning);
    (void)learning_model(&learning, "default", SMALL_MODEL);
    learning_close(&learning);
}

static void live_round(struct living *l, size_t round, bool large)
{
    click(l);
    if (round % 4 == 0) {
        send_batch(l, "default");
    }
    if (round % 6 == 0) {
        put_item(l);
    }
    if (round % 9 == 0) {
        (void)learn(l);
    }
    if (large && round % 40 == 10) {
        send_batch(l, "large");
        (void)train(&l->fixture, "large");
    }
    if (round % 31 == 30) {
        import(l);
    }
    if (round % 47 == 20) {
        pause_and_resume(l);
    }
    if (round % 59 == 58) {
        api_fixture_stop(&l->fixture);
        api_fixture_start(&l->fixture);
    }
}

struct life *life_record(uint64_t seed, enum life_sync sync, size_t rounds, unsigned kind)
{
    static void (*const opened[])(struct store *) = {sync_full, sync_normal, sync_off};
    struct living *l = calloc(1, sizeof *l);
    struct api_fixture *fixture;
    struct life *life = calloc(1, sizeof *life);

    assert_non_null(l);
    assert_non_null(life);
    fixture = &l->fixture;
    *l = (struct living){.life = life, .state = seed};
    temp_folder_make(&fixture->folder);
    temp_folder_path(&fixture->folder, "rankd.db", fixture->path);
    assert_ok(options_read(&fixture->service.options, 0, NULL, NULL));
    fixture->service.options.checkpoint_s = (kind & LIFE_SPARSE) != 0 ? 86400 : 0;
    fixture->service.opened = opened[sync];
    life->record = crash_record_start(fixture->folder.path);
    begin(l);
    api_fixture_start(fixture);
    life->began = crash_record_position(life->record);
    if ((kind & LIFE_LARGE) != 0) {
        assert_answered(put(fixture, "/v1/models/large", LARGE_MODEL), 201);
    }
    for (size_t i = 0; i < rounds; i++) {
        live_round(l, i, (kind & LIFE_LARGE) != 0);
    }
    api_fixture_stop(fixture);
    life->ended = crash_record_position(life->record);
    crash_record_stop(life->record);
    api_fixture_forget(fixture);
    temp_folder_remove(&fixture->folder);
    free(l);
    return life;
}

void life_free(struct life **life)
{
    crash_record_free(&(*life)->record);
    free((*life)->promise);
    free(*life);
    *life = NULL;
}
