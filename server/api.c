/*
 * The table of routes, and what every call goes through.
 */
#include "api_impl.h"
#include "clock.h"
#include "failpoint.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* clang-format off */
static const struct api_route routes[] = {
    {"POST", "/v1/score", TOKEN_SCORE, API_ANY_MODEL, API_JSON_OR_NDJSON, API_BODY_SMALL, api_score},
    {"POST", "/v1/feedback", TOKEN_FEEDBACK, API_ANY_MODEL, API_JSON_OR_NDJSON, API_BODY_SMALL, api_feedback},
    {"POST", "/v1/batches", TOKEN_ADMIN, API_ANY_MODEL, API_JSON_OR_NDJSON, API_BODY_LARGE, api_batches},
    {"GET", "/v1/models", TOKEN_ADMIN, API_ANY_MODEL, API_NO_BODY, 0, api_models_list},
    {"PUT", "/v1/models/{}", TOKEN_ADMIN, API_ITS_MODEL, API_JSON, API_BODY_SMALL, api_model_put},
    {"GET", "/v1/models/{}", TOKEN_ADMIN, API_ITS_MODEL, API_NO_BODY, 0, api_model_get},
    {"PATCH", "/v1/models/{}", TOKEN_ADMIN, API_ITS_MODEL, API_JSON_PATCH, API_BODY_SMALL, api_model_patch},
    {"DELETE", "/v1/models/{}", TOKEN_ADMIN, API_ITS_MODEL, API_NO_BODY, 0, api_model_delete},
    {"GET", "/v1/models/{}/versions", TOKEN_ADMIN, API_ITS_MODEL, API_NO_BODY, 0, api_versions},
    {"POST", "/v1/models/{}/versions", TOKEN_ADMIN, API_ITS_MODEL, API_TENSORS, API_BODY_SMALL, api_version_put},
    {"GET", "/v1/models/{}/versions/{}", TOKEN_ADMIN, API_ITS_MODEL, API_NO_BODY, 0, api_version_get},
    {"GET", "/v1/models/{}/training", TOKEN_ADMIN, API_ITS_MODEL, API_NO_BODY, 0, api_training},
    {"POST", "/v1/models/{}/train", TOKEN_ADMIN, API_ITS_MODEL, API_NO_BODY, API_BODY_SMALL, api_train},
    {"POST", "/v1/models/{}/pause", TOKEN_ADMIN, API_ITS_MODEL, API_NO_BODY, API_BODY_SMALL, api_pause},
    {"POST", "/v1/models/{}/resume", TOKEN_ADMIN, API_ITS_MODEL, API_NO_BODY, API_BODY_SMALL, api_resume},
    {"GET", "/v1/models/{}/quarantine", TOKEN_ADMIN, API_ITS_MODEL, API_NO_BODY, 0, api_quarantine},
    {"POST", "/v1/models/{}/quarantine/{}/retry", TOKEN_ADMIN, API_ITS_MODEL, API_NO_BODY, API_BODY_SMALL, api_quarantine_retry},
    {"POST", "/v1/models/{}/activate", TOKEN_ADMIN, API_ITS_MODEL, API_JSON, API_BODY_SMALL, api_activate},
    {"GET", "/v1/items", TOKEN_ADMIN, API_ALL_MODELS, API_NO_BODY, 0, api_items_list},
    {"POST", "/v1/items", TOKEN_ADMIN, API_ALL_MODELS, API_JSON_OR_NDJSON, API_BODY_LARGE, api_items_put},
    {"PUT", "/v1/items/{}", TOKEN_ADMIN, API_ALL_MODELS, API_JSON, API_BODY_SMALL, api_item_put},
    {"GET", "/v1/items/{}", TOKEN_ADMIN, API_ALL_MODELS, API_NO_BODY, 0, api_item_get},
    {"DELETE", "/v1/items/{}", TOKEN_ADMIN, API_ALL_MODELS, API_NO_BODY, 0, api_item_delete},
    {"GET", "/v1/users", TOKEN_ADMIN, API_ALL_MODELS, API_NO_BODY, 0, api_users_list},
    {"POST", "/v1/users", TOKEN_ADMIN, API_ALL_MODELS, API_JSON_OR_NDJSON, API_BODY_LARGE, api_users_put},
    {"PUT", "/v1/users/{}", TOKEN_ADMIN, API_ALL_MODELS, API_JSON, API_BODY_SMALL, api_user_put},
    {"GET", "/v1/users/{}", TOKEN_ADMIN, API_ALL_MODELS, API_NO_BODY, 0, api_user_get},
    {"DELETE", "/v1/users/{}", TOKEN_ADMIN, API_ALL_MODELS, API_NO_BODY, 0, api_user_delete},
    {"GET", "/v1/rankings/{}", TOKEN_ADMIN, API_ALL_MODELS, API_NO_BODY, 0, api_ranking},
    {"POST", "/v1/backup", TOKEN_ADMIN, API_ALL_MODELS, API_JSON_OR_NONE, API_BODY_SMALL, api_backup},
    {"GET", "/livez", API_OPEN, API_ANY_MODEL, API_NO_BODY, 0, api_livez},
    {"GET", "/readyz", API_OPEN, API_ANY_MODEL, API_NO_BODY, 0, api_readyz},
    {"GET", "/readyz/feedback", API_OPEN, API_ANY_MODEL, API_NO_BODY, 0, api_readyz_feedback},
    {"GET", "/metrics", TOKEN_METRICS, API_ANY_MODEL, API_NO_BODY, 0, api_metrics},
    {"GET", "/openapi.json", API_OPEN, API_ANY_MODEL, API_NO_BODY, 0, api_openapi},
    {"GET", "/problems/{}", API_OPEN, API_ANY_MODEL, API_NO_BODY, 0, api_problem_page},
};
/* clang-format on */

#define N_ROUTES (sizeof routes / sizeof *routes)

_Static_assert(N_ROUTES <= METRIC_ROUTES_MAX, "a route has no place in the metrics");

const struct metric_histogram *api_score_seconds(const struct api *api)
{
    size_t i = 0;

    while (routes[i].handle != api_score) {
        i++;
    }
    return &api->metrics->request[i];
}

const struct api_route *api_routes(size_t *n)
{
    *n = N_ROUTES;
    return routes;
}

/* ---- slots ---- */

enum rk_status api_init(struct api *api, const char *db, size_t n_slots, struct rk_error *err)
{
    api->slot = calloc(n_slots, sizeof *api->slot);
    if (api->slot == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for %zu workers", n_slots);
    }
    api->n_slots = n_slots;
    api->start_ns = clock_monotonic_ns();
    for (size_t i = 0; i < n_slots; i++) {
        const enum rk_status status = store_open_reader(db, &api->slot[i].store, err);
        api->slot[i].number = i;
        if (status != RK_OK) {
            return status;
        }
    }
    return RK_OK;
}

void api_deinit(struct api *api)
{
    for (size_t i = 0; i < api->n_slots; i++) {
        struct api_slot *slot = &api->slot[i];
        store_close(&slot->store);
        list_deinit(&slot->list);
        rk_group_builder_deinit(&slot->builder);
        scorer_deinit(&slot->scorer);
        known_list_deinit(&slot->known);
        emit_deinit(&slot->served);
    }
    caps_deinit(&api->caps);
    free(api->slot);
    api->slot = NULL;
}

/* There are as many slots as worker threads, so one is free or about to be. */
static struct api_slot *slot_acquire(struct api *api)
{
    for (;;) {
        for (size_t i = 0; i < api->n_slots; i++) {
            bool free_before = false;
            if (atomic_compare_exchange_strong(&api->slot[i].busy, &free_before, true)) {
                return &api->slot[i];
            }
        }
        sched_yield();
    }
}

static void slot_release(struct api_slot *slot)
{
    atomic_store(&slot->busy, false);
}

/* ---- routing ---- */

/* Does a raw path fit a pattern? Segments of "{}" are given as start and length. */
static bool path_fits(const char *pattern, const char *path, const char *segment[2],
                      size_t length[2])
{
    size_t n = 0;

    while (*pattern != '\0') {
        if (pattern[0] == '{') {
            const size_t l = strcspn(path, "/");
            if (l == 0 || n == 2) {
                return false;
            }
            segment[n] = path;
            length[n++] = l;
            path += l;
            pattern += 2;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

static bool same_method(const char *route, const char *method)
{
    return strcmp(route, method) == 0 || (strcmp(route, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

const struct api_route *api_find_route(const char *method, const char *path, const char *segment[2],
                                       size_t length[2], bool *known)
{
    *known = false;
    for (size_t i = 0; i < N_ROUTES; i++) {
        if (path_fits(routes[i].path, path, segment, length)) {
            *known = true;
            if (same_method(routes[i].method, method)) {
                return &routes[i];
            }
        }
    }
    return NULL;
}

/* Is a Content-Type the wanted one, whatever its parameters? */
static bool is_type(const char *content_type, const char *wanted)
{
    const size_t n = strlen(wanted);

    return content_type != NULL && strncasecmp(content_type, wanted, n) == 0 &&
           (content_type[n] == '\0' || content_type[n] == ';' || content_type[n] == ' ');
}

bool api_is_ndjson(const struct api_call *call)
{
    return is_type(call->content_type, "application/x-ndjson");
}

bool api_is_tensor_file(const struct api_call *call)
{
    return is_type(call->content_type, API_TENSOR_FILE);
}

/*
 * Room for all tensors of a model, with the optimizer's, as F64. @return false: there is no such
 * model.
 */
static bool tensor_bytes(struct api *api, const char *name, size_t *bytes)
{
    struct api_slot *slot = slot_acquire(api);
    const struct models_copy *models = models_read(api->models, slot->number);
    const struct served *served = models_find(models, name);

    if (served != NULL) {
        const size_t slots = rk_optim_slots(&rk_model_config(served->model)->optim);
        *bytes = (rk_model_params(served->model) + slots * rk_model_learned(served->model)) *
                 sizeof(double);
    }
    models_done(api->models, slot->number, models);
    slot_release(slot);
    return served != NULL;
}

/* Bytes of body a route takes. @param name  the path's first parameter, decoded. */
static size_t body_limit(struct api *api, const struct api_route *route, const char *name,
                         const char *content_type, struct problem *problem)
{
    size_t bytes = 0;

    if (route->body == API_TENSORS && !tensor_bytes(api, name, &bytes)) {
        problem_set(problem, PROBLEM_UNKNOWN_MODEL, "there is no model of this name");
    }
    return route->body == API_JSON_OR_NDJSON && is_type(content_type, "application/x-ndjson")
               ? API_BODY_LARGE
               : route->limit + bytes;
}

size_t api_body_limit(struct api *api, const char *method, const char *path,
                      const char *content_type, bool *needed, struct problem *problem)
{
    const char *segment[2] = {NULL, NULL};
    char name[API_PARAM_MAX] = "";
    size_t length[2], n;
    bool known;
    const struct api_route *route = api_find_route(method, path, segment, length, &known);

    *needed = route != NULL && route->body != API_NO_BODY && route->body != API_JSON_OR_NONE;
    if (route == NULL) {
        return 0;
    }
    if (segment[0] != NULL && !api_decode(segment[0], length[0], false, name, sizeof name, &n)) {
        return route->limit; /* api_handle says what is wrong with it */
    }
    return body_limit(api, route, name, content_type, problem);
}

/* "GET, HEAD, PUT": the methods of a path that is there. */
static void write_allowed(const char *path, char *text, size_t size)
{
    const char *segment[2];
    size_t length[2];

    for (size_t i = 0; i < N_ROUTES; i++) {
        if (path_fits(routes[i].path, path, segment, length)) {
            const size_t used = strlen(text);
            (void)snprintf(text + used, size - used, "%s%s%s", used > 0 ? ", " : "",
                           routes[i].method, strcmp(routes[i].method, "GET") == 0 ? ", HEAD" : "");
        }
    }
}

static bool check_body(struct api *api, const struct api_route *route, struct api_call *call)
{
    struct problem problem = {0};
    const size_t limit = body_limit(api, route, call->param[0], call->content_type, &problem);

    if (problem.kind != PROBLEM_NONE) {
        return !api_problem(call, &problem);
    }
    if (call->body_n > limit) {
        return !api_fail(call, PROBLEM_BODY_TOO_LARGE, "at most %zu bytes are taken here", limit);
    }
    if ((route->body == API_JSON || (route->body == API_JSON_OR_NONE && call->body_n > 0)) &&
        !is_type(call->content_type, "application/json")) {
        return !api_fail(call, PROBLEM_UNSUPPORTED_MEDIA_TYPE, "send application/json");
    }
    if (route->body == API_JSON_PATCH && !is_type(call->content_type, "application/json") &&
        !is_type(call->content_type, "application/merge-patch+json")) {
        return !api_fail(call, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
                         "send application/json or application/merge-patch+json");
    }
    if (route->body == API_JSON_OR_NDJSON && !is_type(call->content_type, "application/json") &&
        !api_is_ndjson(call)) {
        return !api_fail(call, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
                         "send application/json or application/x-ndjson");
    }
    if (route->body == API_TENSORS && !api_is_tensor_file(call)) {
        return !api_fail(call, PROBLEM_UNSUPPORTED_MEDIA_TYPE, "send %s", API_TENSOR_FILE);
    }
    return true;
}

/* Decodes the path's segments into the call's parameters, and sees that the query can be. */
static bool read_parameters(struct api_call *call, const char *const segment[2],
                            const size_t length[2])
{
    char query[API_QUERY_MAX];
    size_t n;

    for (size_t i = 0; i < 2 && segment[i] != NULL; i++) {
        if (!api_decode(segment[i], length[i], false, call->param[i], API_PARAM_MAX,
                        &call->param_n[i]) ||
            call->param_n[i] > STORE_ID_MAX) {
            return !api_fail(call, PROBLEM_BAD_REQUEST,
                             "an id in the path is 1 to %d bytes of UTF-8, percent-encoded, "
                             "without a zero byte",
                             STORE_ID_MAX);
        }
    }
    if (call->query != NULL &&
        !api_decode(call->query, strlen(call->query), true, query, sizeof query, &n)) {
        return !api_fail(call, PROBLEM_BAD_REQUEST,
                         "a query is at most %d bytes of UTF-8, percent-encoded, without a zero "
                         "byte",
                         API_QUERY_MAX - 1);
    }
    return true;
}

bool api_handle(struct api *api, struct api_call *call)
{
    const char *segment[2] = {NULL, NULL};
    size_t length[2] = {0, 0};
    struct problem problem = {0};
    bool known, answered;
    struct api_slot *slot;
    const struct api_route *route =
        api_find_route(call->method, call->path, segment, length, &known);

    failpoint(FAILPOINT_REQUEST_READ);
    call->again = false;
    call->route = SIZE_MAX;
    if (!emit_reserve(&call->answer, API_ANSWER_ROOM)) {
        return api_fail(call, PROBLEM_OUT_OF_MEMORY, "no memory for an answer");
    }
    if (route == NULL && known) {
        write_allowed(call->path, call->allow, sizeof call->allow);
        return api_fail(call, PROBLEM_METHOD_NOT_ALLOWED, "this path takes %s", call->allow);
    }
    if (route == NULL) {
        return api_fail(call, PROBLEM_NOT_FOUND, "see /openapi.json for the paths there are");
    }
    call->route = (size_t)(route - routes);
    if (!call->admitted && !api_admit(api, call, &problem)) {
        return api_problem(call, &problem);
    }
    if (!read_parameters(call, segment, length) || !check_body(api, route, call)) {
        return true;
    }
    call->lenient = api_query_flag(call, "lenient");
    slot = slot_acquire(api);
    answered = route->handle(api, slot, call);
    if (store_trouble(slot->store) == STORE_DAMAGED) {
        writer_report_damage(api->writer, "found while reading");
    }
    slot_release(slot);
    return answered;
}

void api_count(struct api *api, const struct api_call *call)
{
    const size_t class = (size_t)call->status / 100;

    failpoint(FAILPOINT_BEFORE_ANSWER);
    if (call->route < N_ROUTES && class < 6) {
        atomic_fetch_add_explicit(&api->metrics->answers[call->route][class], 1,
                                  memory_order_relaxed);
        metrics_observe(&api->metrics->request[call->route],
                        (uint64_t)(clock_monotonic_ns() - call->start_ns));
    }
}
