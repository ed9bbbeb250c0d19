/*
 * Between libmicrohttpd's callbacks and api_call.
 */
#include "http.h"

#include "address.h"
#include "clock.h"
#include "http_head.h"
#include "log.h"
#include "ulid.h"

#include <microhttpd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTION_MEMORY ((size_t)32 << 10) /* head of a request; its body is gathered outside */
#define BODY_ROOM         ((size_t)4 << 10)  /* at first */
#define IDLE_S            15
#define SEND_MS           1000 /* for the last answers, once the rest of the server has ended */
#define DOOR_MS           20   /* for those who were just connecting */
#define QUIET_NS          INT64_C(50000000) /* those let in last have sent their requests by then */

struct http {
    struct MHD_Daemon *daemon;
    int door; /* the listening socket; libmicrohttpd closes it */
    struct api *api;
    struct http_options options;
    uint16_t port;
    _Atomic size_t body_bytes; /* of all requests under way, but for: */
    _Atomic bool large;        /* one body that could not fit into the pool is being taken */
    _Atomic size_t under_way;
    _Atomic size_t handling; /* worker threads that are inside the API */
    _Atomic bool shut;       /* the API must not be called any more */
};

/* One request from its head to its last answer byte. */
struct request {
    struct api_call call;
    struct http *http;
    struct MHD_Connection *connection;
    struct problem refusal; /* found before the API sees it */
    bool handled;
    bool close; /* what follows on the connection cannot be trusted */
    bool large; /* its body is counted apart from the pool */
    char *path;
    char query[API_QUERY_MAX];
    char request_id[HTTP_REQUEST_ID_MAX + 1];
    char *body;
    size_t body_n, body_room, limit;
    size_t seen_n; /* of the body, kept or not */
};

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

/* Reads the head into the call, and finds what is to be refused before the API sees it. */
static void read_head(struct request *request)
{
    struct api_call *call = &request->call;
    struct http_head head = {0};
    struct http_verdict verdict;

    (void)MHD_get_connection_values(request->connection, MHD_HEADER_KIND, add_header, &head);
    name_request(request, head.request_id);
    call->content_type = head.content_type;
    verdict =
        http_head_judge(&head, request->http->api, call->method, call->path, &request->refusal);
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

static void finish(struct api_call *call)
{
    MHD_resume_connection(((struct request *)call->owner)->connection);
}

static struct request *request_create(struct http *http, struct MHD_Connection *connection,
                                      const char *path, const char *method)
{
    struct request *request = calloc(1, sizeof *request);
    char *copy = strdup(path);

    if (request == NULL || copy == NULL) {
        free(request);
        free(copy);
        return NULL;
    }
    request->path = copy;
    request->http = http;
    request->connection = connection;
    request->call = (struct api_call){.method = method,
                                      .path = request->path,
                                      .query = request->query,
                                      .park = park,
                                      .finish = finish,
                                      .owner = request,
                                      .start_ns = clock_monotonic_ns()};
    read_head(request);
    atomic_fetch_add(&http->under_way, 1);
    return request;
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

static void give_memory(struct request *request, size_t n)
{
    if (!request->large) {
        atomic_fetch_sub(&request->http->body_bytes, n);
    }
}

/* The body has done its work: whoever gets the answer may send the next large one at once. */
static void drop_body(struct request *request)
{
    free(request->body);
    give_memory(request, request->body_room);
    if (request->large) {
        atomic_store(&request->http->large, false);
    }
    request->large = false;
    request->body = NULL;
    request->body_n = request->body_room = 0;
}

/* Room for n bytes more, which are within the limit. */
static bool reserve(struct request *request, size_t n)
{
    size_t room = request->body_room > 0 ? request->body_room : BODY_ROOM;
    char *grown;

    if (request->body_n + n <= request->body_room) {
        return true;
    }
    while (room < request->body_n + n) {
        room *= 2;
    }
    room = room < request->limit ? room : request->limit;
    if (!take_memory(request, room - request->body_room)) {
        return false;
    }
    grown = realloc(request->body, room);
    if (grown == NULL) {
        give_memory(request, room - request->body_room);
        return problem_set(&request->refusal, PROBLEM_OUT_OF_MEMORY,
                           "no memory for a request body");
    }
    request->body = grown;
    request->body_room = room;
    return true;
}

/* A piece of the body. What is refused is read past, up to twice the limit; then it is cut off. */
static enum MHD_Result take_body(struct request *request, const char *bytes, size_t n)
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

/* ---- the answer ---- */

static void add_headers(struct MHD_Response *response, const struct request *request)
{
    const struct api_call *call = &request->call;
    char number[16];

    (void)MHD_add_response_header(response, "X-Request-Id", request->request_id);
    (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    if (call->answer_type != NULL && call->status != MHD_HTTP_NO_CONTENT) {
        (void)MHD_add_response_header(response, "Content-Type", call->answer_type);
    }
    /* Empty values are refused, and nothing is added. */
    (void)MHD_add_response_header(response, "Allow", call->allow);
    (void)MHD_add_response_header(response, "Location", call->location);
    if (call->retry_after_s > 0) {
        (void)snprintf(number, sizeof number, "%d", call->retry_after_s);
        (void)MHD_add_response_header(response, "Retry-After", number);
    }
    if (request->close || atomic_load(&request->http->api->draining)) {
        (void)MHD_add_response_header(response, "Connection", "close");
    }
}

static enum MHD_Result send_answer(struct request *request)
{
    size_t n = 0;
    char *text = emit_take(&request->call.answer, &n);
    struct MHD_Response *response =
        text != NULL ? MHD_create_response_from_buffer(n, text, MHD_RESPMEM_MUST_FREE) : NULL;
    drop_body(request);
    if (response == NULL) {
        free(text);
        return MHD_NO; /* without memory for any answer the connection is closed */
    }
    add_headers(response, request);
    api_count(request->http->api, &request->call);
    const enum MHD_Result queued =
        MHD_queue_response(request->connection, (unsigned)request->call.status, response);
    MHD_destroy_response(response);
    return queued;
}

/* @return true: the answer is there; false: parked. */
static bool ask_api(struct request *request)
{
    struct http *http = request->http;
    bool answered = true;

    request->handled = true;
    request->call.body = request->body != NULL ? request->body : "";
    request->call.body_n = request->body_n;
    atomic_fetch_add(&http->handling, 1);
    if (atomic_load(&http->shut)) {
        problem_set(&request->refusal, PROBLEM_DRAINING, "the server is stopping");
        api_refuse(&request->call, &request->refusal);
    } else {
        answered = api_handle(http->api, &request->call);
    }
    atomic_fetch_sub(&http->handling, 1);
    return answered;
}

static enum MHD_Result handle(struct request *request)
{
    if (request->refusal.kind != PROBLEM_NONE) {
        api_refuse(&request->call, &request->refusal);
    } else if ((!request->handled || request->call.again) && !ask_api(request)) {
        return MHD_YES; /* suspended: called again when it is finished */
    }
    return send_answer(request);
}

/* ---- libmicrohttpd's callbacks ---- */

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_n, void **request_context)
{
    struct request *request = *request_context;

    (void)version;
    if (request == NULL) {
        request = request_create(context, connection, url, method);
        *request_context = request;
        if (request == NULL) {
            return MHD_NO;
        }
        /* An answer before the body closes the connection: for what must not be read alone. */
        return request->close ? handle(request) : MHD_YES;
    }
    if (*upload_n > 0) {
        const enum MHD_Result taken = take_body(request, upload, *upload_n);
        *upload_n = 0;
        return taken;
    }
    return handle(request);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **request_context,
                         enum MHD_RequestTerminationCode code)
{
    struct http *http = context;
    struct request *request = *request_context;

    (void)connection;
    (void)code;
    if (request == NULL) {
        return;
    }
    drop_body(request);
    atomic_fetch_sub(&http->under_way, 1);
    api_call_deinit(&request->call);
    free(request->path);
    free(request);
    *request_context = NULL;
}

/* Paths and arguments are decoded after routing, not before. */
static size_t leave_escaped(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strlen(text);
}

static void on_log(void *context, const char *format, va_list args)
{
    char line[256];

    (void)context;
    (void)vsnprintf(line, sizeof line, format, args);
    line[strcspn(line, "\r\n")] = '\0';
    log_notice("http", log_text("message", line));
}

/* ---- start and stop ---- */

enum rk_status http_start(struct api *api, const struct http_options *options, struct http **http,
                          struct rk_error *err)
{
    struct http *h = calloc(1, sizeof *h);
    enum rk_status status;

    if (h == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for the listener");
    }
    h->api = api;
    h->options = *options;
    status = address_listen(options->address, &h->door, &h->port, err);
    if (status != RK_OK) {
        free(h);
        return status;
    }
    /* A pool of one is not a pool to libmicrohttpd: then the daemon's own thread does the work. */
    h->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_INTERNAL_POLLING_THREAD | MHD_ALLOW_SUSPEND_RESUME |
            MHD_USE_ERROR_LOG,
        0, NULL, NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, h->door, MHD_OPTION_THREAD_POOL_SIZE,
        options->threads > 1 ? (unsigned)options->threads : 0U, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)options->connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, h, MHD_OPTION_END);
    if (h->daemon == NULL) {
        (void)close(h->door);
        free(h);
        return rk_fail(err, RK_IO, "cannot start listening on %s", options->address);
    }
    *http = h;
    return RK_OK;
}

uint16_t http_port(const struct http *http)
{
    return http->port;
}

/* Waits until nothing has been under way for quiet_ns, or the time is over. */
static void await_answers(struct http *http, int64_t wait_ms, int64_t quiet_ns)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    const int64_t end_ns = clock_monotonic_ns() + wait_ms * 1000000;
    int64_t now_ns, quiet_since_ns = clock_monotonic_ns();

    while ((now_ns = clock_monotonic_ns()) < end_ns) {
        if (atomic_load(&http->under_way) > 0) {
            quiet_since_ns = now_ns;
        } else if (now_ns - quiet_since_ns >= quiet_ns) {
            break;
        }
        (void)nanosleep(&moment, NULL);
    }
}

/*
 * Nobody new is heard from here on, and the workers take in those who were before. This is not left
 * to MHD_quiesce_daemon: it takes the listening socket from the workers while they may let go of it
 * themselves, and aborts the process when both do (0.9.75, daemon.c).
 */
size_t http_drain(struct http *http, int64_t wait_ms)
{
    if (http == NULL) {
        return 0;
    }
    address_shut(http->door);
    await_answers(http, DOOR_MS, INT64_MAX);
    await_answers(http, wait_ms, QUIET_NS);
    atomic_store(&http->shut, true);
    while (atomic_load(&http->handling) > 0) {
        (void)sched_yield(); /* handlers compute; none waits */
    }
    return atomic_load(&http->under_way);
}

void http_stop(struct http **http)
{
    struct http *h = *http;

    if (h == NULL) {
        return;
    }
    await_answers(h, SEND_MS, 0);
    MHD_stop_daemon(h->daemon); /* it aborts the process if a connection is suspended still */
    free(h);
    *http = NULL;
}
