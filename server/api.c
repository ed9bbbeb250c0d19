/*
 * The table of routes, and what every call goes through.
 */
#include "api_impl.h"
#include "clock.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* clang-format off */
static const struct api_route routes[] = {
    {"POST", "/v1/score", API_JSON_OR_NDJSON, API_BODY_SMALL, api_score},
    {"POST", "/v1/feedback", API_JSON_OR_NDJSON, API_BODY_SMALL, api_feedback},
    {"POST", "/v1/batches", API_JSON_OR_NDJSON, API_BODY_LARGE, api_batches},
    {"GET", "/v1/models", API_NO_BODY, 0, api_models_list},
    {"PUT", "/v1/models/{}", API_JSON, API_BODY_SMALL, api_model_put},
    {"GET", "/v1/models/{}", API_NO_BODY, 0, api_model_get},
    {"DELETE", "/v1/models/{}", API_NO_BODY, 0, api_model_delete},
    {"GET", "/v1/models/{}/versions", API_NO_BODY, 0, api_versions},
    {"GET", "/v1/models/{}/training", API_NO_BODY, 0, api_training},
    {"POST", "/v1/models/{}/train", API_NO_BODY, API_BODY_SMALL, api_train},
    {"POST", "/v1/models/{}/pause", API_NO_BODY, API_BODY_SMALL, api_pause},
    {"POST", "/v1/models/{}/resume", API_NO_BODY, API_BODY_SMALL, api_resume},
    {"POST", "/v1/models/{}/activate", API_JSON, API_BODY_SMALL, api_activate},
    {"GET", "/v1/items", API_NO_BODY, 0, api_items_list},
    {"POST", "/v1/items", API_JSON_OR_NDJSON, API_BODY_LARGE, api_items_put},
    {"PUT", "/v1/items/{}", API_JSON, API_BODY_SMALL, api_item_put},
    {"GET", "/v1/items/{}", API_NO_BODY, 0, api_item_get},
    {"DELETE", "/v1/items/{}", API_NO_BODY, 0, api_item_delete},
    {"GET", "/v1/users", API_NO_BODY, 0, api_users_list},
    {"POST", "/v1/users", API_JSON_OR_NDJSON, API_BODY_LARGE, api_users_put},
    {"PUT", "/v1/users/{}", API_JSON, API_BODY_SMALL, api_user_put},
    {"GET", "/v1/users/{}", API_NO_BODY, 0, api_user_get},
    {"DELETE", "/v1/users/{}", API_NO_BODY, 0, api_user_delete},
    {"GET", "/v1/rankings/{}", API_NO_BODY, 0, api_ranking},
    {"GET", "/livez", API_NO_BODY, 0, api_livez},
    {"GET", "/readyz", API_NO_BODY, 0, api_readyz},
    {"GET", "/readyz/feedback", API_NO_BODY, 0, api_readyz_feedback},
    {"GET", "/metrics", API_NO_BODY, 0, api_metrics},
    {"GET", "/openapi.json", API_NO_BODY, 0, api_openapi},
    {"GET", "/problems/{}", API_NO_BODY, 0, api_problem_page},
};
/* clang-format on */

#define N_ROUTES (sizeof routes / sizeof *routes)

_Static_assert(N_ROUTES <= METRIC_ROUTES_MAX, "a route has no place in the metrics");

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
        free(slot->work);
        free(slot->score);
        free(slot->order);
        free(slot->scratch);
        emit_deinit(&slot->served);
    }
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

/* The route of a call. @param known  out: the path is there, with whatever method. */
static const struct api_route *find_route(const char *method, const char *path,
                                          const char *segment[2], size_t length[2], bool *known)
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

size_t api_body_limit(const char *method, const char *path)
{
    const char *segment[2];
    size_t length[2];
    bool known;
    const struct api_route *route = find_route(method, path, segment, length, &known);

    return route != NULL ? route->limit : 0;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool api_decode(const char *text, size_t n, bool plus_is_space, char *to, size_t size,
                size_t *length)
{
    *length = 0;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (*length + 1 >= size) {
            return false;
        }
        if (c == '+' && plus_is_space) {
            c = ' ';
        } else if (c == '%') {
            const int high = i + 2 < n ? hex(text[i + 1]) : -1;
            const int low = i + 2 < n ? hex(text[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0)) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        to[(*length)++] = c;
    }
    to[*length] = '\0';
    return true;
}

bool api_query(const struct api_call *call, const char *name, char *value, size_t n)
{
    const char *at = call->query;
    const size_t name_n = strlen(name);

    while (at != NULL && *at != '\0') {
        const size_t part = strcspn(at, "&");
        if (part >= name_n && strncmp(at, name, name_n) == 0 &&
            (part == name_n || at[name_n] == '=')) {
            size_t length;
            const size_t start = part == name_n ? name_n : name_n + 1;
            if (!api_decode(at + start, part - start, true, value, n, &length)) {
                (void)snprintf(value, n, "%%");
            }
            return true;
        }
        at += part + (at[part] == '&');
    }
    return false;
}

bool api_query_flag(const struct api_call *call, const char *name)
{
    char value[8];

    return api_query(call, name, value, sizeof value) &&
           (strcmp(value, "1") == 0 || strcmp(value, "true") == 0);
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

/* "GET, PUT": the methods of a path that is there. */
static const char *allowed(const char *path, char *text, size_t size)
{
    const char *segment[2];
    size_t length[2];

    text[0] = '\0';
    for (size_t i = 0; i < N_ROUTES; i++) {
        if (path_fits(routes[i].path, path, segment, length)) {
            const size_t used = strlen(text);
            (void)snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "",
                           routes[i].method);
        }
    }
    return text;
}

static bool check_body(const struct api_route *route, struct api_call *call)
{
    if (call->body_n > route->limit) {
        return !api_fail(call, PROBLEM_BODY_TOO_LARGE, "at most %zu bytes are taken here",
                         route->limit);
    }
    if (route->body == API_JSON && !is_type(call->content_type, "application/json")) {
        return !api_fail(call, PROBLEM_UNSUPPORTED_MEDIA_TYPE, "send application/json");
    }
    if (route->body == API_JSON_OR_NDJSON && !is_type(call->content_type, "application/json") &&
        !api_is_ndjson(call)) {
        return !api_fail(call, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
                         "send application/json or application/x-ndjson");
    }
    return true;
}

bool api_handle(struct api *api, struct api_call *call)
{
    const char *segment[2] = {NULL, NULL};
    size_t length[2] = {0, 0};
    bool known, answered;
    struct api_slot *slot;
    const struct api_route *route = find_route(call->method, call->path, segment, length, &known);

    call->again = false;
    call->route = SIZE_MAX;
    if (route == NULL && known) {
        call->allow = allowed(call->path, call->param[0], sizeof call->param[0]);
        return api_fail(call, PROBLEM_METHOD_NOT_ALLOWED, "this path takes %s", call->allow);
    }
    if (route == NULL) {
        return api_fail(call, PROBLEM_NOT_FOUND, "see /openapi.json for the paths there are");
    }
    call->route = (size_t)(route - routes);
    for (size_t i = 0; i < 2 && segment[i] != NULL; i++) {
        if (!api_decode(segment[i], length[i], false, call->param[i], API_PARAM_MAX,
                        &call->param_n[i]) ||
            call->param_n[i] > STORE_ID_MAX) {
            return api_fail(
                call, PROBLEM_BAD_REQUEST,
                "an id in the path is 1 to %d bytes, percent-encoded, without a zero byte",
                STORE_ID_MAX);
        }
    }
    if (!check_body(route, call)) {
        return true;
    }
    call->lenient = api_query_flag(call, "lenient");
    slot = slot_acquire(api);
    answered = route->handle(api, slot, call);
    slot_release(slot);
    return answered;
}

/* ---- answers ---- */

bool api_answer(struct api_call *call, int status)
{
    struct problem problem = {0};

    if (call->answer.failed) {
        emit_deinit(&call->answer);
        problem_set(&problem, PROBLEM_OUT_OF_MEMORY, "no memory for the answer");
        return api_problem(call, &problem);
    }
    call->status = status;
    if (call->answer_type == NULL) {
        call->answer_type = "application/json";
    }
    return true;
}

void api_write_problem(const struct api_call *call, const struct problem *problem, struct emit *out)
{
    char type[64];

    (void)snprintf(type, sizeof type, "/problems/%s", problem_slug(problem->kind));
    emit_open(out, '{');
    emit_key(out, "type");
    emit_string(out, type);
    emit_key(out, "title");
    emit_string(out, problem_title(problem->kind));
    emit_key(out, "status");
    emit_integer(out, problem_status(problem->kind));
    emit_key(out, "detail");
    emit_string(out, problem->detail);
    emit_key(out, "instance");
    emit_string(out, call->request_id != NULL ? call->request_id : "");
    if (problem->has_pointer) {
        emit_key(out, "errors");
        emit_open(out, '[');
        emit_open(out, '{');
        emit_key(out, "pointer");
        emit_string(out, problem->pointer);
        emit_key(out, "detail");
        emit_string(out, problem->detail);
        emit_close(out, '}');
        emit_close(out, ']');
    }
    emit_close(out, '}');
}

bool api_problem(struct api_call *call, const struct problem *problem)
{
    emit_reset(&call->answer);
    api_write_problem(call, problem, &call->answer);
    call->status = problem_status(problem->kind);
    call->answer_type = "application/problem+json";
    call->retry_after_s = problem_retry_after_s(problem->kind);
    return true;
}

void api_refuse(struct api_call *call, const struct problem *problem)
{
    call->route = SIZE_MAX;
    (void)api_problem(call, problem);
}

bool api_fail(struct api_call *call, enum problem_kind kind, const char *format, ...)
{
    struct problem problem = {0};
    char detail[sizeof problem.detail];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    problem_set(&problem, kind, "%s", detail);
    return api_problem(call, &problem);
}

bool api_error(struct api_call *call, const struct rk_error *err)
{
    struct problem problem = {0};

    problem_from_error(&problem, err);
    return api_problem(call, &problem);
}

void api_outcome_problem(const struct writer_outcome *outcome, struct problem *problem)
{
    static const enum problem_kind by_trouble[] = {
        [STORE_FINE] = PROBLEM_STORAGE_ERROR,      [STORE_FAILED] = PROBLEM_STORAGE_ERROR,
        [STORE_FULL] = PROBLEM_STORAGE_FULL,       [STORE_READ_ONLY] = PROBLEM_STORAGE_READ_ONLY,
        [STORE_DAMAGED] = PROBLEM_STORAGE_CORRUPT, [STORE_LOCKED] = PROBLEM_STORAGE_BUSY};

    if (outcome->err.status == RK_BUSY) {
        problem_set(problem, PROBLEM_OVERLOADED, "%s", outcome->err.text);
    } else if (outcome->err.status == RK_NOMEM) {
        problem_set(problem, PROBLEM_OUT_OF_MEMORY, "no memory to write");
    } else {
        problem_set(problem, by_trouble[outcome->trouble], "nothing of this request was stored");
    }
}

bool api_park_job(struct api *api, struct api_call *call, struct writer_job *job)
{
    call->park(call);
    if (!writer_submit(api->writer, job)) {
        struct writer_outcome full = {
            .err = {.status = RK_BUSY, .text = "the queue of writes is full"}};
        job->done(job, &full);
    }
    return false;
}

bool api_park_command(struct api *api, struct api_call *call, struct trainer_command *command)
{
    call->park(call);
    if (!trainer_submit(api->trainer, command)) {
        problem_set(&command->problem, PROBLEM_DRAINING, "the server is stopping");
        command->done(command);
    }
    return false;
}

void api_count(struct api *api, const struct api_call *call)
{
    const size_t class = (size_t)call->status / 100;

    if (call->route < N_ROUTES && class < 6) {
        atomic_fetch_add_explicit(&api->metrics->answers[call->route][class], 1,
                                  memory_order_relaxed);
        metrics_observe(&api->metrics->request[call->route],
                        (uint64_t)(clock_monotonic_ns() - call->start_ns));
    }
}

void api_call_deinit(struct api_call *call)
{
    emit_deinit(&call->answer);
}
