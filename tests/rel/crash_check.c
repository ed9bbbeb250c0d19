/*
 * Checking a state: the file, what was promised, that rows agree with one another, checkpoints, and
 * the model.
 */
#include "crash_check.h"

#include "checkpoint.h"
#include "model_config.h"
#include "models.h"
#include "store_impl.h"
#include "test.h"
#include "trainee.h"

#include <xxhash.h>

struct checking {
    struct store *store;
    const struct life *life;
    size_t point;
    char *reason;
};

static enum state_verdict wrong(const struct checking *c, enum state_verdict verdict,
                                const char *text, int64_t number)
{
    (void)snprintf(c->reason, STATE_REASON_MAX, "%s (%lld)", text, (long long)number);
    return verdict;
}

static sqlite3_stmt *prepare(const struct checking *c, const char *text)
{
    sqlite3_stmt *stmt = NULL;

    assert_int_equal(sqlite3_prepare_v2(c->store->db, text, -1, &stmt, NULL), SQLITE_OK);
    return stmt;
}

/* The number that a statement with up to three parameters gives; -1 if it gives none. */
static int64_t number_of(const struct checking *c, const char *text, int64_t a, int64_t b)
{
    sqlite3_stmt *stmt = prepare(c, text);
    int64_t number = -1;

    if (sqlite3_bind_parameter_count(stmt) > 0) {
        assert_int_equal(sqlite3_bind_int64(stmt, 1, a), SQLITE_OK);
    }
    if (sqlite3_bind_parameter_count(stmt) > 1) {
        assert_int_equal(sqlite3_bind_int64(stmt, 2, b), SQLITE_OK);
    }
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        number = sqlite3_column_int64(stmt, 0);
    }
    (void)sqlite3_finalize(stmt);
    return number;
}

static enum state_verdict check_file(const struct checking *c)
{
    sqlite3_stmt *stmt = prepare(c, "PRAGMA integrity_check(1)");
    enum state_verdict verdict = STATE_WHOLE;

    if (sqlite3_step(stmt) != SQLITE_ROW ||
        strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") != 0) {
        verdict = wrong(c, STATE_CORRUPT, "integrity_check", 0);
    }
    (void)sqlite3_finalize(stmt);
    return verdict;
}

/* ---- what was promised ---- */

/* An event as it is stored. */
struct stored_event {
    int64_t times, ranking, item;
};

static struct stored_event *read_events(const struct checking *c)
{
    struct stored_event *event = calloc((size_t)c->life->events + 1, sizeof *event);
    sqlite3_stmt *stmt =
        prepare(c, "SELECT substr(e.event_id, 2), substr(r.ranking_id, 2), substr(e.item_id, 2) "
                   "FROM event e JOIN ranking r ON r.seq = e.ranking JOIN log l ON l.seq = e.seq "
                   "WHERE l.kind = 'event' AND e.type = 'click'");

    assert_non_null(event);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        const int64_t number = sqlite3_column_int64(stmt, 0);
        if (number >= 0 && number < c->life->events) {
            event[number].times++;
            event[number].ranking = sqlite3_column_int64(stmt, 1);
            event[number].item = sqlite3_column_int64(stmt, 2);
        }
    }
    (void)sqlite3_finalize(stmt);
    return event;
}

static enum state_verdict check_events(const struct checking *c)
{
    struct stored_event *event = read_events(c);
    enum state_verdict verdict = STATE_WHOLE;

    for (size_t i = 0; i < c->life->n_promises && verdict == STATE_WHOLE; i++) {
        const struct promise *p = &c->life->promise[i];
        if (p->kind != PROMISE_EVENT || p->at > c->point) {
            continue;
        }
        const struct stored_event *stored = &event[p->number];
        if (stored->times == 0 || stored->ranking != p->first || stored->item != p->last) {
            verdict = wrong(c, STATE_LOST, "event", p->number);
        }
    }
    for (int64_t i = 0; i < c->life->events && verdict == STATE_WHOLE; i++) {
        if (event[i].times > 1) {
            verdict = wrong(c, STATE_DOUBLE, "event", i);
        }
    }
    free(event);
    return verdict;
}

/* What counts a promise: as many rows as `wanted`, or more. First parameter: number; second: first. */
static const struct {
    const char *text;
    const char *name;
} counted[] = {
    [PROMISE_BATCH] = {"SELECT (SELECT count(*) FROM batch JOIN log USING (seq) WHERE seq BETWEEN "
                       "n.first_seq AND n.last_seq) = n.last_seq - n.first_seq + 1 AND n.first_seq "
                       "= ?2 FROM batch_name n WHERE n.batch_id = 'b' || ?1",
                       "batch"},
    [PROMISE_ITEM] = {"SELECT count(*) FROM item JOIN log USING (seq) WHERE id = 'i' || ?1 AND "
                      "features ->> '$.price' = ?2",
                      "item"},
    [PROMISE_VERSION] =
        {"SELECT max((SELECT coalesce(max(version), 0) FROM step WHERE model = 1), "
         "(SELECT coalesce(max(version), 0) FROM checkpoint WHERE model = 1)) >= ?1",
         "version"},
    [PROMISE_IMPORT] = {"SELECT count(*) FROM checkpoint WHERE model = 1 AND version = ?1",
                        "import"},
    [PROMISE_ACTIVATION] = {"SELECT count(*) >= ?1 FROM activation JOIN log USING (seq)",
                            "activation"},
    [PROMISE_PAUSE] = {"SELECT count(*) >= ?1 FROM log WHERE kind IN ('pause', 'resume')", "pause"},
};

static enum state_verdict check_promises(const struct checking *c)
{
    for (size_t i = 0; i < c->life->n_promises; i++) {
        const struct promise *p = &c->life->promise[i];
        if (p->kind != PROMISE_EVENT && p->at <= c->point &&
            number_of(c, counted[p->kind].text, p->number, p->first) < 1) {
            return wrong(c, STATE_LOST, counted[p->kind].name, p->number);
        }
    }
    return check_events(c);
}

/* ---- rows agree with one another ---- */

static const struct {
    enum state_verdict verdict;
    const char *text; /* gives 0 */
} rules[] = {
    {STATE_DOUBLE, "SELECT count(*) FROM (SELECT from_seq, lag(to_seq) OVER (PARTITION BY model "
                   "ORDER BY id) AS before FROM step) WHERE from_seq < before"},
    {STATE_DOUBLE, "SELECT count(*) - count(DISTINCT model * 1000000 + version) FROM step WHERE "
                   "outcome = 'published'"},
    {STATE_UNCOVERED, "SELECT count(*) FROM step WHERE max(to_seq, due_to) > "
                      "(SELECT coalesce(max(seq), 0) FROM log)"},
    {STATE_UNCOVERED, "SELECT count(*) FROM checkpoint WHERE max(seq, due_seq) > (SELECT "
                      "coalesce(max(seq), 0) FROM log) OR step > (SELECT coalesce(max(id), 0) FROM "
                      "step)"},
    {STATE_UNCOVERED, "SELECT count(*) FROM event WHERE ranking NOT IN (SELECT seq FROM ranking)"},
    {STATE_UNCOVERED, "SELECT (SELECT count(*) FROM log WHERE kind = 'event') - (SELECT count(*) "
                      "FROM event)"},
    {STATE_UNCOVERED, "SELECT (SELECT count(*) FROM log WHERE kind = 'ranking') - (SELECT count(*) "
                      "FROM ranking)"},
    {STATE_UNCOVERED, "SELECT (SELECT count(*) FROM log WHERE kind = 'batch') - (SELECT count(*) "
                      "FROM batch)"},
    {STATE_UNCOVERED, "SELECT count(*) - coalesce(max(seq), 0) FROM log"},
    {STATE_UNCOVERED, "SELECT count(*) FROM checkpoint_chunk WHERE checkpoint NOT IN (SELECT id "
                      "FROM checkpoint UNION ALL SELECT id FROM checkpoint_dropped)"},
};

static enum state_verdict check_rules(const struct checking *c)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const int64_t found = number_of(c, rules[i].text, 0, 0);
        if (found != 0) {
            return wrong(c, rules[i].verdict, rules[i].text, found);
        }
    }
    return STATE_WHOLE;
}

/* ---- models ---- */

static enum state_verdict check_checkpoints(const struct checking *c, int64_t model)
{
    struct store_checkpoint *row = NULL;
    struct rk_error err = {0};
    enum state_verdict verdict = STATE_WHOLE;
    size_t n = 0;

    assert_ok(store_list_checkpoints(c->store, model, &row, &n, NULL));
    for (size_t i = 0; i < n; i++) {
        if (verdict == STATE_WHOLE && checkpoint_verify(c->store, &row[i], &err) != RK_OK) {
            verdict = wrong(c, STATE_UNCOVERED, err.text, row[i].id);
        }
        free(row[i].metrics);
    }
    free(row);
    return verdict;
}

/* The hash of the state that the default model served as a version, if that was looked at. */
static bool was_served(const struct checking *c, int64_t version, int64_t *hash)
{
    for (size_t i = 0; i < c->life->n_promises; i++) {
        const struct promise *p = &c->life->promise[i];
        if (p->kind == PROMISE_VERSION && p->number == version && p->at <= c->point) {
            *hash = p->first;
            return true;
        }
    }
    return false;
}

/* What is served by the rows: the last version since the last activation, or what that one says. */
static const char *const served_version =
    "SELECT coalesce((SELECT version FROM step WHERE model = ?1 AND outcome = 'published' AND id > "
    "coalesce((SELECT step FROM activation WHERE model = ?1 ORDER BY seq DESC LIMIT 1), 0) ORDER "
    "BY "
    "id DESC LIMIT 1), (SELECT version FROM activation a JOIN checkpoint c ON c.id = a.checkpoint "
    "WHERE a.model = ?1 ORDER BY a.seq DESC LIMIT 1), 0)";

static enum state_verdict compare_state(const struct checking *c, struct trainee *t)
{
    const int64_t version = live_version(&t->served->live);
    struct checkpoint_bytes state = {0};
    enum state_verdict verdict = STATE_WHOLE;
    int64_t hash = 0;

    assert_ok(checkpoint_write(t->served->model, live_served(&t->served->live), t->learner, version,
                               &state, NULL));
    if (strcmp(t->served->name, "default") == 0 && was_served(c, version, &hash) &&
        hash != (int64_t)XXH3_64bits(state.bytes, state.n)) {
        verdict = wrong(c, STATE_UNRECOVERED, "not the state that was served", version);
    }
    if (version != number_of(c, served_version, t->served->id, 0)) {
        verdict = wrong(c, STATE_UNRECOVERED, "another version", version);
    }
    free(state.bytes);
    return verdict;
}

static enum state_verdict recover(const struct checking *c, const struct store_model *row)
{
    struct model_config config;
    struct problem problem = {0};
    struct served *served = NULL;
    struct trainee *t = NULL;
    struct rk_error err = {0};
    enum state_verdict verdict = STATE_WHOLE;

    if (!model_config_parse(row->config, strlen(row->config), &config, &problem)) {
        return wrong(c, STATE_UNRECOVERED, problem.detail, row->id);
    }
    assert_ok(served_create(row->name, &config, 0, 1, &served, NULL));
    served->id = row->id;
    assert_ok(trainee_create(served, row->seq, &t, NULL));
    if (trainee_recover(t, c->store, &err) != RK_OK) {
        verdict = wrong(c, STATE_UNRECOVERED, err.text, row->id);
    } else {
        verdict = compare_state(c, t);
    }
    trainee_destroy(&t);
    served_destroy(&served);
    return verdict;
}

static enum state_verdict check_models(const struct checking *c, unsigned depth)
{
    struct store_model *row = NULL;
    enum state_verdict verdict = STATE_WHOLE;
    size_t n = 0;

    assert_ok(store_list_models(c->store, &row, &n, NULL));
    for (size_t i = 0; i < n; i++) {
        if (verdict == STATE_WHOLE && (depth & STATE_SEALS) != 0) {
            verdict = check_checkpoints(c, row[i].id);
        }
        if (verdict == STATE_WHOLE && (depth & STATE_MODELS) != 0) {
            verdict = recover(c, &row[i]);
        }
        free(row[i].config);
    }
    free(row);
    return verdict;
}

/* ---- a state ---- */

enum state_verdict state_check(const char *path, const struct life *life, size_t point,
                               unsigned depth, char reason[STATE_REASON_MAX])
{
    struct checking c = {.life = life, .point = point, .reason = reason};
    struct rk_error err = {0};
    enum state_verdict verdict;

    if (store_open(path, &c.store, &err) != RK_OK) {
        return wrong(&c, STATE_CORRUPT, err.text, err.status);
    }
    verdict = check_file(&c);
    verdict = verdict == STATE_WHOLE ? check_promises(&c) : verdict;
    verdict = verdict == STATE_WHOLE ? check_rules(&c) : verdict;
    verdict = verdict == STATE_WHOLE ? check_models(&c, depth) : verdict;
    store_close(&c.store);
    return verdict;
}
