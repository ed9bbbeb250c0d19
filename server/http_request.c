/*
 * A request: its head, its memory from connection to connection, its body under limits.
 */
#include "address.h"
#include "clock.h"
#include "grow.h"
#include "http_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_ROOM ((size_t)4 << 10)  /* at first */
#define KEPT_ROOM ((size_t)32 << 10) /* of a connection's body, and of its answer */

/* ---- the head ---- */

/* The caller's id if it is a sane one, else a new one. */
static void name_request(struct request *request, const char *given)
{
    char made[ULID_TEXT] = "";

    if (given != NULL) {
        memcpy(request->request_id, given, strlen(given) + 1);
    } else if (ulid_make(clock_unix_ms(), made)) {
        memcpy(request->request_id, made, sizeof made);
    }
    request->call.request_id = request->request_id;
}

static enum MHD_Result add_header(void *context, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    (void)kind;
    http_head_add(context, name, value);
    return MHD_YES;
}

/* Collects the raw query again: libmicrohttpd has cut it into arguments, but decoded nothing. */
static enum MHD_Result add_argument(void *context, enum MHD_ValueKind kind, const char *key,
                                    const char *value)
{
    struct request *request = context;
    const size_t used = strlen(request->query);
    const int n =
        snprintf(request->query + used, sizeof request->query - used, "%s%s%s%s",
                 used > 0 ? "&" : "", key, value != NULL ? "=" : "", value != NULL ? value : "");

    (void)kind;
    if (n < 0 || (size_t)n >= sizeof request->query - used) {
        problem_set(&request->refusal, PROBLEM_BAD_REQUEST, "the query is longer than %d bytes",
                    API_QUERY_MAX - 1);
        return MHD_NO;
    }
    return MHD_YES;
}

/* Whom failed attempts are counted for. */
static uint64_t peer_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

    return info != NULL ? address_hash(info->client_addr) : 0;
}

/* Reads the head into the call, and finds what is to be refused before the API sees it. */
static void read_head(struct request *request)
{
    struct api_call *call = &request->call;
    struct http_head head = {0};
    struct http_verdict verdict;

    (void)MHD_get_connection_values(request->connection, MHD_HEADER_KIND, add_header, &head);
    name_request(request, head.request_id);
    call->content_type = head.content_type;
    call->authorization = head.authorization;
    call->peer = peer_of(request->connection);
    verdict = http_head_judge(&head, request->http->api, call, &request->refusal);
    request->limit = verdict.limit;
    request->close = verdict.close;
    (void)MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, add_argument,
                                    request);
    if (request->http->options.ops_only && strncmp(call->path, "/v1/", 4) == 0) {
        problem_set(&request->refusal, PROBLEM_NOT_FOUND,
                    "this listener answers health and metrics");
    }
}

/* ---- parking ---- */

static void park(struct api_call *call)
{
    MHD_suspend_connection(((struct request *)call->owner)->connection);
}

/*
 * The worker is woken by rankd: what libmicrohttpd writes for itself may be read in a run that looked
 * for such connections already. The request may be over before this returns.
 */
static void finish(struct api_call *call)
{
    const struct request *request = call->owner;
    struct http_worker *worker = request->worker;

    MHD_resume_connection(request->connection);
    http_worker_wake(worker);
}

/* ---- from head to end ---- */

struct request *request_create(struct http_worker *worker, struct MHD_Connection *connection)
{
    struct request *request = calloc(1, sizeof *request);

    if (request != NULL) {
        request->http = worker->http;
        request->worker = worker;
        request->connection = connection;
    }
    return request;
}

bool request_begin(struct request *request, const char *path, const char *method)
{
    const size_t path_n = strlen(path) + 1;

    if (!grow_reserve(&request->path, &request->path_room, path_n)) {
        return false;
    }
    memcpy(request->path, path, path_n);
    emit_reset(&request->call.answer);
    request->call = (struct api_call){.method = method,
                                      .path = request->path,
                                      .query = request->query,
                                      .park = park,
                                      .finish = finish,
                                      .owner = request,
                                      .answer = request->call.answer,
                                      .start_ns = clock_monotonic_ns()};
    request->call.answer.limit = 0;
    request->refusal = (struct problem){0};
    request->handled = request->close = false;
    request->query[0] = request->request_id[0] = '\0';
    request->limit = request->seen_n = 0;
    read_head(request);
    atomic_fetch_add(&request->http->under_way, 1);
    return true;
}

void request_drop_body(struct request *request)
{
    struct http *http = request->http;

    if (request->large) {
        atomic_store(&http->large, false);
    } else {
        atomic_fetch_sub(&http->body_bytes, request->counted_n);
    }
    if (request->body_room > KEPT_ROOM) {
        free(request->body);
        request->body = NULL;
        request->body_room = 0;
    }
    request->large = false;
    request->body_n = request->counted_n = 0;
}

void request_end(struct request *request)
{
    request_drop_body(request);
    if (request->call.answer.capacity > KEPT_ROOM) {
        emit_deinit(&request->call.answer);
    }
    atomic_fetch_sub(&request->http->under_way, 1);
}

void request_destroy(struct request *request)
{
    if (request != NULL) {
        free(request->path);
        free(request->body);
        api_call_deinit(&request->call);
        free(request);
    }
}

/* ---- the body ---- */

/*
 * Takes n bytes out of the pool that all requests share. A tensor file that may be larger than
 * the whole pool is counted apart: one at a time.
 */
static bool take_memory(struct request *request, size_t n)
{
    struct http *http = request->http;

    if (api_is_tensor_file(&request->call) && request->limit > http->options.body_pool_bytes) {
        request->large = request->large || !atomic_exchange(&http->large, true);
        return request->large || problem_set(&request->refusal, PROBLEM_OVERLOADED,
                                             "another large body is being taken");
    }
    if (atomic_fetch_add(&http->body_bytes, n) + n > http->options.body_pool_bytes) {
        atomic_fetch_sub(&http->body_bytes, n);
        return problem_set(&request->refusal, PROBLEM_OVERLOADED,
                           "too many request bodies are in memory");
    }
    return true;
}

/* Room for n bytes more, which are within the limit. */
static bool reserve(struct request *request, size_t n)
{
    size_t room = request->body_room > 0 ? request->body_room : BODY_ROOM;
    char *grown;

    while (room < request->body_n + n) {
        room = 2 * room < request->limit ? 2 * room : request->limit;
    }
    if (room > request->counted_n && !take_memory(request, room - request->counted_n)) {
        return false;
    }
    request->counted_n = room;
    if (room > request->body_room) {
        grown = realloc(request->body, room);
        if (grown == NULL) {
            return problem_set(&request->refusal, PROBLEM_OUT_OF_MEMORY,
                               "no memory for a request body");
        }
        request->body = grown;
        request->body_room = room;
    }
    return true;
}

enum MHD_Result request_take_body(struct request *request, const char *bytes, size_t n)
{
    request->seen_n += n;
    if (request->limit > 0 && request->seen_n > request->limit) {
        request->close = true;
        problem_set(&request->refusal, PROBLEM_BODY_TOO_LARGE, "at most %zu bytes are taken here",
                    request->limit);
    }
    if (request->refusal.kind == PROBLEM_NONE && request->limit > 0 && reserve(request, n)) {
        memcpy(request->body + request->body_n, bytes, n);
        request->body_n += n;
    }
    return request->seen_n <= 2 * request->limit + CONNECTION_MEMORY ? MHD_YES : MHD_NO;
}
