/*
 * The fixture of retention.
 */
#include "retention_fixture.h"

#include "clock.h"
#include "retention_twin.h"
#include "store_fixture.h"
#include "test.h"
#include "trainee_fixture.h"

#include <unistd.h>

void life_start(struct life *life, struct learning *l, uint64_t seed)
{
    *life = (struct life){.l = l,
                          .random = {seed},
                          .options = {.log_days = 1,
                                      .log_bytes = INT64_MAX,
                                      .checkpoint_bytes = INT64_MAX,
                                      .ttl_ms = LIFE_TTL_MS}};
    l->time_ms = clock_unix_ms() - 20 * DAY_MS;
}

void life_end(struct life *life)
{
    for (size_t i = 0; i < LIFE_MODELS; i++) {
        trained_free(&life->t[i]);
    }
}

int64_t life_count(const struct life *life, const char *sql)
{
    return fixture_read_number(life->l->path, sql);
}

void life_wait(struct life *life, int64_t ms)
{
    life->l->time_ms += ms;
}

/* ---- models ---- */

struct trainee *life_model(struct life *life, size_t i, const char *json)
{
    char name[8];
    struct store_model row = {0};
    (void)snprintf(name, sizeof name, "m%zu", i);
    assert_ok(store_get_model(life->l->reader, learning_model(life->l, name, json), &row, NULL));
    assert_ok(trainee_open(&row, 0, 2, &life->t[i], NULL));
    assert_ok(trainee_recover(life->t[i], life->l->reader, NULL));
    free(row.config);
    return life->t[i];
}

static enum rk_status delete_model(struct store *store, void *context, struct rk_error *err)
{
    const struct life *life = context;
    return store_delete_model(store, life->l->model, life->l->time_ms, err);
}

void life_delete(struct life *life, size_t i)
{
    life->l->model = life->t[i]->served->id;
    learning_write(life->l, delete_model, life);
    trained_free(&life->t[i]);
}

void life_learn(struct life *life, size_t i)
{
    trained_catch_up(life->l, life->t[i]);
}

void life_store(struct life *life, size_t i)
{
    (void)trained_store(life->l, life->t[i]);
}

/* ---- lists ---- */

size_t life_rank(struct life *life, size_t i)
{
    char id[16], items[256];
    (void)snprintf(id, sizeof id, "r%zu", life->n_rankings);
    (void)snprintf(items, sizeof items,
                   "[{\"id\":\"a\",\"features\":{\"x\":%u}},{\"id\":\"b\"},{\"id\":\"c%u\"}]",
                   (unsigned)rk_random_below(&life->random, 9),
                   (unsigned)rk_random_below(&life->random, 9));
    life->l->model = life->t[i]->served->id;
    (void)learning_ranking(life->l, id, items, "a b");
    return life->n_rankings++;
}

void life_click(struct life *life, size_t ranking)
{
    char id[16];
    (void)snprintf(id, sizeof id, "r%zu", ranking);
    (void)learning_event(life->l, id, rk_random_below(&life->random, 2) == 0 ? "a" : "b", "click",
                         1);
}

static size_t any_model(struct life *life)
{
    size_t i;
    do {
        i = rk_random_below(&life->random, LIFE_MODELS);
    } while (life->t[i] == NULL);
    return i;
}

/* One of the last rankings, if it is there and takes events. */
static void click_late(struct life *life)
{
    char sql[200];
    const size_t back = 1 + rk_random_below(&life->random, 12);
    if (back > life->n_rankings) {
        return;
    }
    (void)snprintf(sql, sizeof sql,
                   "SELECT count(*) FROM ranking WHERE ranking_id = 'r%zu' AND time_ms > %lld",
                   life->n_rankings - back, (long long)(life->l->time_ms - LIFE_TTL_MS));
    if (life_count(life, sql) > 0) {
        life_click(life, life->n_rankings - back);
    }
}

static void change_catalogue(struct life *life)
{
    char id[8], features[32];
    (void)snprintf(id, sizeof id, "%c", 'a' + (char)rk_random_below(&life->random, 3));
    (void)snprintf(features, sizeof features, "{\"y\":%u}",
                   (unsigned)rk_random_below(&life->random, 99));
    life->l->catalogue_seq =
        learning_features(life->l, rk_random_below(&life->random, 3) == 0 ? STORE_USER : STORE_ITEM,
                          id, rk_random_below(&life->random, 5) == 0 ? NULL : features);
    life->l->catalogue_seq = learning_end(life->l);
}

/* Back to any of its stored versions. */
static void activate(struct life *life, size_t i)
{
    struct store_checkpoint *rows = NULL;
    size_t n = 0, which;
    assert_ok(store_list_checkpoints(life->l->reader, life->t[i]->served->id, &rows, &n, NULL));
    which = rk_random_below(&life->random, (uint32_t)n);
    if (rows[which].source == STORE_SOURCE_TRAINING) {
        trained_activate(life->l, life->t[i], &rows[which]);
    }
    for (size_t k = 0; k < n; k++) {
        free(rows[k].metrics);
    }
    free(rows);
}

void life_go_on(struct life *life, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        const size_t i = any_model(life);
        const uint32_t what = rk_random_below(&life->random, 100);
        if (what < 40) {
            (void)life_rank(life, i);
        } else if (what < 65) {
            click_late(life);
        } else if (what < 72) {
            life->l->model = life->t[i]->served->id;
            learning_stream(life->l, 1 + rk_random_below(&life->random, 3), what + k);
        } else if (what < 78) {
            change_catalogue(life);
        } else if (what < 86) {
            life_learn(life, i);
        } else if (what < 90) {
            life_learn(life, i);
            life_store(life, i);
        } else if (what < 91) {
            activate(life, i);
        } else {
            life_wait(life, (int64_t)rk_random_below(&life->random, 2 * (uint32_t)HOUR_MS));
        }
    }
}

/* ---- removing ---- */

void life_trim(struct life *life, int64_t now_ms)
{
    struct retention_model models[LIFE_MODELS];
    struct retention *retention = NULL;
    char sql[64];
    bool more = true;
    size_t n = 0;
    for (size_t i = 0; i < LIFE_MODELS; i++) {
        if (life->t[i] != NULL) {
            models[n++] = trainee_for_retention(life->t[i]);
        }
    }
    twin_decide(life->l->path, now_ms, life->options.log_days, life->options.ttl_ms);
    (void)snprintf(sql, sizeof sql, "UPDATE retention SET now_ms = %lld", (long long)now_ms);
    fixture_run_sql(life->l->path, sql);
    assert_ok(retention_create(&life->options, life->l->reader, life->l->writer, &life->l->metrics,
                               &retention, NULL));
    while (more) {
        assert_ok(retention_step(retention, models, n, now_ms, &more, NULL));
    }
    retention_destroy(&retention);
    if (life->options.log_bytes == INT64_MAX) {
        twin_check(life->l->path);
    }
}

/* ---- laws ---- */

/* Recovers a model from a database and compares it with one that was never stopped. */
static void check_recovered(struct store *store, const struct store_model *row,
                            struct trainee *alive, const char *what)
{
    struct trainee *t = NULL;
    struct rk_error err = {0};
    struct checkpoint_bytes expected = trained_bytes(alive);
    assert_ok(trainee_open(row, 0, 2, &t, NULL));
    if (trainee_recover(t, store, &err) != RK_OK) {
        fail_msg("%s: %s: %s", row->name, what, err.text);
    }
    trained_compare(t, &expected);
    free(expected.bytes);
    trained_free(&t);
}

/* Removes, in a copy, all learned checkpoints of a model but the oldest its branch goes on from. */
static void leave_the_oldest(const char *path, int64_t model)
{
    char sql[800];
    (void)snprintf(
        sql, sizeof sql,
        "DELETE FROM checkpoint WHERE source = 'training' AND model = %lld AND id <> (SELECT "
        "min(c.id) "
        "FROM checkpoint c LEFT JOIN trimmed t ON t.model = c.model WHERE c.model = %lld AND "
        "c.source = 'training' AND c.seq >= coalesce(t.seq, 0) AND c.due_seq >= "
        "coalesce(t.due_seq, "
        "0) AND c.step >= coalesce(t.step, 0) AND c.id > coalesce((SELECT max(after_checkpoint) "
        "FROM "
        "activation a WHERE a.model = c.model), 0)) AND id NOT IN (SELECT checkpoint FROM "
        "activation)",
        (long long)model, (long long)model);
    fixture_run_sql(path, sql);
}

/*
 * Of a model, what a step that is not in all of its kept checkpoints took, and what no step has taken
 * yet, but by an independent way: from step rows, event by event.
 */
#define READS(log)                                                                                 \
    "(" log ".model = m.id OR (m.config ->> '$.training.source' = 'all' AND " log                  \
    ".model IN (SELECT id FROM model WHERE hashed)))"
#define FIRST_BASE                                                                                 \
    "(SELECT min(step) FROM (SELECT step FROM checkpoint c WHERE c.model = m.id AND source = "     \
    "'training' AND NOT EXISTS (SELECT 1 FROM trimmed t WHERE t.model = m.id AND (c.seq < t.seq "  \
    "OR "                                                                                          \
    "c.step < t.step OR c.due_seq < t.due_seq)) UNION ALL SELECT max(step) FROM checkpoint c "     \
    "WHERE "                                                                                       \
    "c.model = m.id))"
#define LAST_STEP "coalesce((SELECT max(to_seq) FROM step s WHERE s.model = m.id), m.seq)"

static const char needed[] =
    "SELECT count(*) FROM kept_before k JOIN model m ON m.deleted_ms IS NULL WHERE " READS(
        "k") " AND k.seq NOT IN (SELECT seq FROM ranking UNION ALL SELECT seq FROM batch) AND "
             "(EXISTS "
             "(SELECT 1 FROM step s WHERE s.model = m.id AND s.id > " FIRST_BASE
             " AND ((k.at > s.from_seq AND k.at <= s.to_seq) OR (k.kind = 'ranking' AND k.seq > "
             "s.due_from "
             "AND k.seq <= s.due_to))) OR k.at > " LAST_STEP ")";

/* Before a removal: every list with each of its events, as they are. */
static void note_lists(const struct life *life)
{
    fixture_run_sql(life->l->path,
                    "CREATE TABLE IF NOT EXISTS kept_before (seq, at, model, kind); "
                    "DELETE FROM kept_before; INSERT INTO kept_before "
                    "SELECT seq, seq, model, 'batch' FROM batch UNION ALL "
                    "SELECT r.seq, coalesce(e.seq, 0), r.model, 'ranking' FROM ranking r LEFT JOIN "
                    "event e ON e.ranking = r.seq");
}

void life_check(struct life *life)
{
    struct learning *l = life->l;
    struct store_model *rows = NULL;
    struct store_backup made;
    struct rk_error err = {0};
    char copy[TEMP_PATH_MAX];
    size_t n = 0;
    if (life_count(life, "SELECT count(*) FROM sqlite_schema WHERE name = 'kept_before'") > 0) {
        assert_int_equal(life_count(life, needed), 0);
    }
    note_lists(life);
    temp_folder_path(&l->folder, "copy.db", copy);
    if (store_backup(l->path, copy, NULL, &made, &err) != RK_OK) { /* which looks at the rows */
        fail_msg("%s", err.text);
    }
    assert_ok(store_list_models(l->reader, &rows, &n, NULL));
    for (size_t i = 0; i < n; i++) {
        struct store *old = NULL;
        struct trainee *alive = life->t[rows[i].name[1] - '0'];
        check_recovered(l->reader, &rows[i], alive, "recovered");
        leave_the_oldest(copy, rows[i].id);
        assert_ok(store_open_reader(copy, &old, NULL));
        check_recovered(old, &rows[i], alive, "from its oldest checkpoint");
        store_close(&old);
        free(rows[i].config);
    }
    free(rows);
    assert_int_equal(unlink(copy), 0);
}
