/*
 * POST /v1/score: read, assemble, score with one version, order, answer, and queue the ranking for
 * the log.
 */
#include "api_impl.h"
#include "assemble.h"
#include "clock.h"
#include "codec.h"
#include "explain.h"
#include "lines.h"
#include "ulid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define LINES_ANSWER_MAX ((size_t)256 << 20) /* of 16 MiB of lists with the shortest ids */

/* What an answer has beside its items: ids of 128 bytes, each escaped with at most 6, and words. */
#define HEAD_ROOM ((size_t)2 << 10)

/* One list on its way through. */
struct scoring {
    struct codec_score request;
    const char *text; /* as received */
    size_t text_n;
    struct list_rules rules;
    size_t n_shown; /* of its items, how many are */
    const struct served *model;
    int64_t version;
    int64_t catalogue_seq;
    char made_id[ULID_TEXT];
    const char *ranking_id;
    bool logged;
    struct rk_explanation *explanation; /* (n_shown), owned; NULL: none are asked for */
};

/* ---- features from the catalogue ---- */

/* The catalogue, and what is known of its items to the model. */
struct catalogue_source {
    const struct catalogue_copy *copy;
    struct known_list *known;
};

static const struct catalogue_entry *find_entry(const struct catalogue_source *source,
                                                enum rk_side side, const struct list_entity *entity,
                                                const struct rk_feature **features, size_t *n)
{
    const struct catalogue_entry *entry = catalogue_find(
        source->copy, side == RK_ITEM ? CATALOGUE_ITEM : CATALOGUE_USER, entity->hash, entity->id);

    *features = entry != NULL ? entry->feature : NULL;
    *n = entry != NULL ? entry->n : 0;
    return entry;
}

static enum rk_status catalogue_features(void *context, enum rk_side side,
                                         const struct list_entity *entity,
                                         const struct rk_feature **features, size_t *n,
                                         struct rk_error *err)
{
    (void)err;
    (void)find_entry(context, side, entity, features, n);
    return RK_OK;
}

static bool known_item(void *context, size_t item, const struct list_entity *entity,
                       const struct rk_feature **features, size_t *n)
{
    const struct catalogue_source *source = context;

    return known_list_item(source->known, item, find_entry(source, RK_ITEM, entity, features, n));
}

/* Stored features that do not fit the model: the place is the item that has them. */
static bool assemble_problem(const struct rk_error *err, size_t where, struct problem *problem)
{
    if (err->status != RK_MISMATCH) {
        return problem_from_error(problem, err);
    }
    problem_set(problem, PROBLEM_INDEX_OUTSIDE, "a stored feature: %s", err->text);
    problem->has_pointer = true;
    if (where == SIZE_MAX) {
        (void)snprintf(problem->pointer, sizeof problem->pointer, "/user/id");
    } else {
        (void)snprintf(problem->pointer, sizeof problem->pointer, "/items/%zu", where);
    }
    return false;
}

/*
 * What does not fit the model was read by nobody's rules, since the request names the model. Read
 * once more by the model's own, a feature of the request is told with its place; if there is none,
 * a stored one does not fit.
 */
static bool misfit(struct api_slot *slot, struct scoring *scoring, const struct rk_error *err,
                   size_t where, struct problem *problem)
{
    struct list_rules rules = scoring->rules;

    rules.features = &scoring->model->config.model.features;
    return codec_score_read(scoring->text, scoring->text_n, &rules, &slot->list, &scoring->request,
                            problem) &&
           assemble_problem(err, where, problem);
}

static bool assemble(struct api *api, struct api_slot *slot, struct scoring *scoring,
                     struct rk_group *group, struct problem *problem)
{
    const struct catalogue_copy *copy = catalogue_read(api->catalogue, slot->number);
    struct catalogue_source from = {copy, &slot->known};
    const struct assemble_source source = {catalogue_features, &from, known_item};
    struct rk_error err = {0};
    size_t where;
    const enum rk_status status =
        assemble_group(&slot->list, &scoring->model->config.model, &source, scoring->request.which,
                       scoring->request.n, false, &slot->builder, group, &where, &err);

    scoring->catalogue_seq = copy->seq;
    catalogue_done(api->catalogue, slot->number, copy);
    return status == RK_OK || (status == RK_NOMEM ? problem_from_error(problem, &err)
                                                  : misfit(slot, scoring, &err, where, problem));
}

/* ---- scores ---- */

/* Scores, their order, and explanations. */
static enum rk_status score(struct api *api, struct api_slot *slot, struct scoring *scoring,
                            const float *theta, const struct rk_group *group, struct rk_error *err)
{
    const struct rk_model *model = scoring->model->model;
    struct rk_known_items items;
    enum rk_status status =
        scorer_run(&slot->scorer, model, theta, group, known_list_items(&slot->known, &items),
                   (size_t)scoring->request.top_k, err);

    scoring->n_shown = slot->scorer.n_shown;
    if (status == RK_OK && scoring->request.explain) {
        status = explain_items(model, slot->scorer.fell_back ? NULL : theta, group,
                               slot->scorer.order, scoring->n_shown, &scoring->explanation, err);
    }
    metrics_add(api->metrics, METRIC_NONFINITE, slot->scorer.fell_back);
    metrics_add(api->metrics, METRIC_ITEMS_SCORED, scoring->request.n);
    return status;
}

/* ---- the answer ---- */

static const struct list_entity *shown_item(const struct api_slot *slot,
                                            const struct scoring *scoring, size_t rank)
{
    return &slot->list.item[scoring->request.which[slot->scorer.order[rank]]].entity;
}

/* Items with their explanations, or (source NULL) without. */
static bool write_items(const struct api_slot *slot, const struct scoring *scoring,
                        const struct explain_source *source, struct emit *out,
                        struct problem *problem)
{
    struct explain_names names = {0};
    bool done = true;

    emit_open(out, '[');
    for (size_t r = 0; r < scoring->n_shown && done; r++) {
        const struct list_entity *item = shown_item(slot, scoring, r);
        emit_open(out, '{');
        scorer_write(&slot->scorer, r, item->id, item->id_n, out);
        if (source != NULL) {
            emit_key(out, "explain");
            done = explain_write(source, slot->scorer.order[r], &scoring->explanation[r], &names,
                                 out, problem);
        }
        emit_close(out, '}');
    }
    emit_close(out, ']');
    explain_names_deinit(&names);
    return done && (!out->failed ||
                    problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for the answer"));
}

static void write_answer(const struct api_slot *slot, const struct scoring *scoring,
                         const struct emit *items, struct emit *out)
{
    emit_open(out, '{');
    emit_key(out, "ranking_id");
    emit_string(out, scoring->ranking_id);
    emit_key(out, "model");
    emit_string(out, scoring->model->name);
    emit_key(out, "version");
    emit_integer(out, scoring->version);
    emit_key(out, "items");
    emit_json(out, items->text, items->length);
    if (!scoring->logged) {
        emit_key(out, "logged");
        emit_boolean(out, false);
    }
    if (slot->scorer.fell_back) {
        emit_key(out, "degraded");
        emit_string(out, "fallback");
    }
    emit_close(out, '}');
}

/* ---- the log ---- */

/* A copy of the ranking in one block: hashes, then texts. */
static struct writer_ranking *ranking_copy(const struct api_slot *slot,
                                           const struct scoring *scoring)
{
    const size_t id_n = strlen(scoring->ranking_id) + 1;
    const size_t hashes = scoring->n_shown * sizeof(uint64_t);
    struct writer_ranking *copy =
        malloc(sizeof *copy + hashes + id_n + scoring->text_n + slot->served.length);
    uint64_t *shown;
    char *at;

    if (copy == NULL) {
        return NULL;
    }
    shown = (uint64_t *)(void *)(copy + 1);
    for (size_t r = 0; r < scoring->n_shown; r++) {
        shown[r] = shown_item(slot, scoring, r)->hash;
    }
    qsort(shown, scoring->n_shown, sizeof *shown, list_hash_order);
    at = (char *)shown + hashes;
    memcpy(at, scoring->ranking_id, id_n);
    memcpy(at + id_n, scoring->text, scoring->text_n);
    memcpy(at + id_n + scoring->text_n, slot->served.text, slot->served.length);
    *copy = (struct writer_ranking){.ranking = {.ranking_id = at,
                                                .model = scoring->model->id,
                                                .version = scoring->version,
                                                .catalogue_seq = scoring->catalogue_seq,
                                                .time_ms = clock_unix_ms(),
                                                .request = at + id_n,
                                                .request_n = scoring->text_n,
                                                .served = at + id_n + scoring->text_n,
                                                .served_n = slot->served.length,
                                                .user_hash = slot->list.user.hash,
                                                .shown = shown,
                                                .n_shown = scoring->n_shown}};
    return copy;
}

/*
 * Was an id that the client gave used before? What is on its way into the log is looked at first: what is committed in between is then
 * found in the log.
 */
static bool is_used(struct api *api, struct api_slot *slot, const char *id, uint64_t id_hash)
{
    bool found = false;

    return writer_holds(api->writer, id_hash) ||
           store_has_ranking(slot->store, id, &found, NULL) != RK_OK || found;
}

/* Queues the ranking. Ids that rankd made are new, and have a hash of 0 here. */
static bool log_ranking(struct api *api, struct api_slot *slot, const struct scoring *scoring)
{
    const char *id = scoring->request.ranking_id;
    const uint64_t id_hash = id != NULL ? XXH3_64bits(id, strlen(id)) | 1 : 0;
    bool used_before = id != NULL && is_used(api, slot, id, id_hash);
    struct writer_ranking *copy = used_before ? NULL : ranking_copy(slot, scoring);

    if (copy != NULL) {
        copy->id_hash = id_hash;
        if (writer_log(api->writer, copy, &used_before)) {
            return true;
        }
    }
    metrics_add(api->metrics, used_before ? METRIC_RANKINGS_UNLOGGED : METRIC_RANKINGS_SHED, 1);
    return false;
}

/* ---- one list ---- */

static bool name_ranking(struct scoring *scoring, struct problem *problem)
{
    scoring->ranking_id = scoring->request.ranking_id;
    if (scoring->ranking_id == NULL) {
        if (!ulid_make(clock_unix_ms(), scoring->made_id)) {
            return problem_set(problem, PROBLEM_INTERNAL, "the system gives no random numbers");
        }
        scoring->ranking_id = scoring->made_id;
    }
    return true;
}

/* Explanations name what is in the text: they are few, and have it read as a tree. */
static bool write_explained(const struct api_slot *slot, const struct scoring *scoring,
                            const struct rk_group *group, struct emit *out, struct problem *problem)
{
    struct json_document document = {0};
    struct json_node root;
    const struct explain_source source = {.request = &root,
                                          .list = &slot->list,
                                          .which = scoring->request.which,
                                          .group = group,
                                          .config = &scoring->model->config.model,
                                          .store = slot->store,
                                          .seq = scoring->catalogue_seq};
    const bool done =
        json_parse(scoring->text, scoring->text_n, CODEC_BUDGET, &document, &root, problem) &&
        write_items(slot, scoring, &source, out, problem);

    json_close(&document);
    return done;
}

/* The items are written, explained too, before the list is logged: a list in the log was answered. */
static bool answer(struct api *api, struct api_slot *slot, struct scoring *scoring,
                   const struct rk_group *group, struct emit *out, struct problem *problem)
{
    struct emit explained = {0};
    bool done;

    emit_reset(&slot->served);
    done =
        write_items(slot, scoring, NULL, &slot->served, problem) &&
        (!scoring->request.explain || write_explained(slot, scoring, group, &explained, problem));
    if (done) {
        const struct emit *items = scoring->request.explain ? &explained : &slot->served;
        done = emit_reserve(out, items->length + HEAD_ROOM) ||
               problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory for the answer");
        scoring->logged =
            done && scoring->request.log && scoring->n_shown > 0 && log_ranking(api, slot, scoring);
        write_answer(slot, scoring, items, out);
    }
    emit_deinit(&explained);
    return done;
}

/* One version, whole. Explanations need all features of an item: nothing is known then. */
static bool score_version(struct api *api, struct api_slot *slot, struct served *served,
                          struct scoring *scoring, struct rk_group *group, struct problem *problem)
{
    const struct live_view view = live_read(&served->live, slot->number);
    const float *theta = view.version > 0 ? view.theta : NULL;
    const bool may_know = theta != NULL && !scoring->request.explain;
    struct rk_error err = {0};
    bool done;

    scoring->version = view.version;
    known_list_begin(&slot->known, may_know ? view.known : NULL, &served->config.model,
                     scoring->request.n);
    done = assemble(api, slot, scoring, group, problem) &&
           (score(api, slot, scoring, theta, group, &err) == RK_OK ||
            problem_from_error(problem, &err));
    known_list_end(&slot->known, done && !slot->scorer.fell_back ? group : NULL);
    live_done(&served->live, slot->number, &view);
    return done;
}

static bool score_with(struct api *api, struct api_slot *slot, struct served *served,
                       struct scoring *scoring, struct emit *out, struct problem *problem)
{
    struct rk_group group;
    bool done;

    scoring->model = served;
    done = score_version(api, slot, served, scoring, &group, problem) &&
           name_ranking(scoring, problem);
    return done && answer(api, slot, scoring, &group, out, problem);
}

/* Answers one of the call's lists. */
static bool score_list(struct api *api, struct api_slot *slot, struct api_call *call,
                       const char *text, size_t n, struct problem *problem)
{
    struct scoring scoring = {.text = text, .text_n = n, .rules = {.lenient = call->lenient}};
    const struct models_copy *models;
    struct served *served;
    bool done;

    if (!codec_score_read(text, n, &scoring.rules, &slot->list, &scoring.request, problem) ||
        !api_reaches(api, call, scoring.request.model, problem)) {
        return false;
    }
    models = models_read(api->models, slot->number);
    served = models_find(models, scoring.request.model);
    done = served != NULL
               ? score_with(api, slot, served, &scoring, &call->answer, problem)
               : problem_set(problem, PROBLEM_UNKNOWN_MODEL, "there is no model of this name");
    models_done(api->models, slot->number, models);
    free(scoring.explanation);
    return done;
}

/*
 * A line that cannot be answered gets its problem in place of an answer; the others are answered
 * all the same.
 */
static bool score_lines(struct api *api, struct api_slot *slot, struct api_call *call)
{
    struct lines lines = lines_of(call->body, call->body_n);
    const char *line;
    size_t n;

    call->answer.limit = LINES_ANSWER_MAX;
    while (lines_next(&lines, &line, &n)) {
        struct problem problem = {0};
        const size_t start = call->answer.length;
        if (!score_list(api, slot, call, line, n, &problem)) {
            call->answer.length = start;
            api_write_problem(call, &problem, &call->answer);
        }
        emit_raw(&call->answer, "\n", 1);
        call->answer.comma = false;
    }
    call->answer_type = "application/x-ndjson";
    return api_answer(call, 200);
}

bool api_score(struct api *api, struct api_slot *slot, struct api_call *call)
{
    struct problem problem = {0};

    if (api_is_ndjson(call)) {
        return score_lines(api, slot, call);
    }
    if (!score_list(api, slot, call, call->body, call->body_n, &problem)) {
        return api_problem(call, &problem);
    }
    return api_answer(call, 200);
}
