/*
 * /v1/items and /v1/users: stored features, by id and in bulk. The two sides differ in a table row
 * alone.
 */
#include "api_impl.h"
#include "clock.h"
#include "codec.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000

struct side {
    enum rk_side side;
    enum store_side stored;
    enum catalogue_side cached;
    const char *plural;
    enum problem_kind unknown;
};

static const struct side items = {RK_ITEM, STORE_ITEM, CATALOGUE_ITEM, "items",
                                  PROBLEM_UNKNOWN_ITEM};
static const struct side users = {RK_USER, STORE_USER, CATALOGUE_USER, "users",
                                  PROBLEM_UNKNOWN_USER};

/*
 * Entries to put, or one id to delete, parked until they are on stable storage and in the
 * catalogue.
 */
struct change {
    struct api_job base;
    struct api *api;
    const struct side *side;
    char id[API_PARAM_MAX];           /* of a single one */
    struct codec_entries entries;     /* empty: delete id */
    struct catalogue_change *changes; /* (n), owned */
    size_t n;                         /* of the entries, or the one to delete */
    size_t reserved;                  /* places in the catalogue */
    bool bulk;
    bool existed; /* of a single id */
    int64_t seq;  /* of the last one written */
};

/* What was decided, in the catalogue's words. */
static void fill_changes(struct change *change)
{
    const char *id = change->id;

    if (!change->bulk && change->entries.n == 0) {
        change->changes[0] =
            (struct catalogue_change){.side = change->side->cached,
                                      .hash = list_id_hash(change->side->side, id, strlen(id)),
                                      .id = id};
    }
    for (size_t i = 0; i < change->entries.n; i++) {
        struct catalogue_entry *entry = change->entries.entry[i];
        change->changes[i] = (struct catalogue_change){
            .side = change->side->cached, .hash = entry->hash, .id = entry->id, .entry = entry};
    }
}

/* Once it is committed it has to come into the catalogue: the room for it is made before. */
static enum rk_status change_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    struct change *change = (struct change *)job;
    const int64_t now_ms = clock_unix_ms();
    enum rk_status status = RK_OK;

    if (change->entries.n == 0 && !change->bulk) {
        return store_put_features(store, change->side->stored, change->id, NULL, now_ms,
                                  &change->seq, &change->existed, err);
    }
    if (change->reserved == 0) { /* it may be run again */
        status =
            catalogue_reserve(change->api->catalogue, change->side->cached, change->entries.n, err);
        change->reserved = status == RK_OK ? change->entries.n : 0;
    }
    for (size_t i = 0; i < change->entries.n && status == RK_OK; i++) {
        status = store_put_features(store, change->side->stored, change->entries.entry[i]->id,
                                    change->entries.features[i], now_ms, &change->seq,
                                    &change->existed, err);
    }
    return status;
}

/* Takes what was committed into the catalogue in memory. In the writer thread. */
static void remember(struct api_job *job)
{
    struct change *change = (struct change *)job;

    if (change->entries.n > 0 || change->existed) {
        catalogue_change(change->api->catalogue, change->changes, change->n, change->seq);
        for (size_t i = 0; i < change->entries.n; i++) {
            change->entries.entry[i] = NULL; /* the catalogue's from now on */
        }
        change->reserved = 0;
    }
}

static void change_answer(struct api_job *job, struct api_call *call,
                          const struct writer_outcome *outcome)
{
    const struct change *change = (struct change *)job;
    struct emit *out = &call->answer;

    if (outcome->err.status != RK_OK) {
        (void)api_outcome_problem(call, outcome);
    } else if (change->bulk) {
        emit_open(out, '{');
        emit_key(out, "accepted");
        emit_integer(out, (int64_t)change->entries.n);
        emit_close(out, '}');
        (void)api_answer(call, 200);
    } else if (change->entries.n > 0) {
        emit_open(out, '{');
        emit_key(out, "id");
        emit_string(out, change->id);
        emit_key(out, "features");
        emit_json(out, change->entries.features[0], strlen(change->entries.features[0]));
        emit_close(out, '}');
        (void)api_answer(call, change->existed ? 200 : 201);
    } else if (change->existed) {
        (void)api_answer(call, 204);
    } else {
        (void)api_fail(call, change->side->unknown, "nothing is stored for this id");
    }
}

static void change_free(struct api_job *job)
{
    struct change *change = (struct change *)job;

    if (change->reserved > 0) { /* then this is the writer thread */
        catalogue_give_back(change->api->catalogue, change->side->cached, change->reserved);
    }
    codec_entries_close(&change->entries);
    free(change->changes);
    free(change);
}

static bool park_change(struct api *api, struct api_call *call, const struct side *side, bool reads,
                        bool bulk)
{
    struct change *change = calloc(1, sizeof *change);
    struct problem problem = {0};

    if (change == NULL) {
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
    }
    *change = (struct change){.base = {.job = {.run = change_run, .bytes = call->body_n},
                                       .answer = change_answer,
                                       .committed = remember,
                                       .free = change_free},
                              .api = api,
                              .side = side,
                              .bulk = bulk};
    memcpy(change->id, call->param[0], sizeof change->id);
    if (reads && !codec_entries_read(call->body, call->body_n, bulk && api_is_ndjson(call),
                                     side->side, bulk ? NULL : call->param[0], call->lenient,
                                     &change->entries, &problem)) {
        change_free(&change->base);
        return api_problem(call, &problem);
    }
    change->n = bulk ? change->entries.n : 1;
    change->base.job.weight = change->entries.n > 0 ? change->entries.n : 1;
    change->changes = calloc(change->base.job.weight, sizeof *change->changes);
    if (change->changes == NULL) {
        change_free(&change->base);
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for a request");
    }
    fill_changes(change);
    return api_park_job(api, call, &change->base);
}

static void write_entry(struct emit *out, const char *id, const char *features)
{
    emit_open(out, '{');
    emit_key(out, "id");
    emit_string(out, id);
    emit_key(out, "features");
    emit_json(out, features, strlen(features));
    emit_close(out, '}');
}

static bool get_one(struct api_slot *slot, struct api_call *call, const struct side *side)
{
    struct rk_error err = {0};
    const char *features;
    const enum rk_status status =
        store_get_features(slot->store, side->stored, call->param[0], INT64_MAX, &features, &err);

    if (status == RK_NOTFOUND) {
        return api_fail(call, side->unknown, "nothing is stored for this id");
    }
    if (status != RK_OK) {
        return api_error(call, &err);
    }
    write_entry(&call->answer, call->param[0], features);
    return api_answer(call, 200);
}

static void list_one(void *context, const char *id, const char *features)
{
    write_entry(context, id, features);
}

static bool get_many(struct api_slot *slot, struct api_call *call, const struct side *side)
{
    char after[STORE_ID_MAX + 2] = "", text[16];
    struct rk_error err = {0};
    int64_t limit = LIMIT_DEFAULT;

    (void)api_query(call, "after", after, sizeof after);
    if (api_query(call, "limit", text, sizeof text)) {
        char *end;
        limit = strtoll(text, &end, 10);
        if (*end != '\0' || end == text || limit < 1 || limit > LIMIT_MAX) {
            return api_fail(call, PROBLEM_VALIDATION_FAILED, "limit must be 1 to %d", LIMIT_MAX);
        }
    }
    emit_open(&call->answer, '{');
    emit_key(&call->answer, side->plural);
    emit_open(&call->answer, '[');
    if (store_list_features(slot->store, side->stored, after, limit, list_one, &call->answer,
                            &err) != RK_OK) {
        return api_error(call, &err);
    }
    emit_close(&call->answer, ']');
    emit_close(&call->answer, '}');
    return api_answer(call, 200);
}

bool api_items_list(struct api *api, struct api_slot *slot, struct api_call *call)
{
    (void)api;
    return get_many(slot, call, &items);
}

bool api_items_put(struct api *api, struct api_slot *slot, struct api_call *call)
{
    (void)slot;
    return park_change(api, call, &items, true, true);
}

bool api_item_put(struct api *api, struct api_slot *slot, struct api_call *call)
{
    (void)slot;
    return park_change(api, call, &items, true, false);
}

bool api_item_get(struct api *api, struct api_slot *slot, struct api_call *call)
{
    (void)api;
    return get_one(slot, call, &items);
}

bool api_item_delete(struct api *api, struct api_slot *slot, struct api_call *call)
{
    (void)slot;
    return park_change(api, call, &items, false, false);
}

bool api_users_list(struct api *api, struct api_slot *slot, struct api_call *call)
{
    (void)api;
    return get_many(slot, call, &users);
}

bool api_users_put(struct api *api, struct api_slot *slot, struct api_call *call)
{
    (void)slot;
    return park_change(api, call, &users, true, true);
}

bool api_user_put(struct api *api, struct api_slot *slot, struct api_call *call)
{
    (void)slot;
    return park_change(api, call, &users, true, false);
}

bool api_user_get(struct api *api, struct api_slot *slot, struct api_call *call)
{
    (void)api;
    return get_one(slot, call, &users);
}

bool api_user_delete(struct api *api, struct api_slot *slot, struct api_call *call)
{
    (void)slot;
    return park_change(api, call, &users, false, false);
}
