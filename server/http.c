/*
 * Between libmicrohttpd's callbacks and api_call.
 */
#include "address.h"
#include "clock.h"
#include "http_impl.h"
#include "log.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define IDLE_S   15
#define SEND_MS  1000              /* for the last answers, once the rest of the server has ended */
#define DOOR_MS  20                /* for those who were just connecting */
#define QUIET_NS INT64_C(50000000) /* those let in last have sent their requests by then */

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
    if (call->status == MHD_HTTP_UNAUTHORIZED) {
        (void)MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
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
    /* The text stays as it is until the request has ended. */
    const struct emit *answer = &request->call.answer;
    struct MHD_Response *response =
        !answer->failed
            ? MHD_create_response_from_buffer(answer->length, answer->text, MHD_RESPMEM_PERSISTENT)
            : NULL;
    request_drop_body(request);
    if (response == NULL) {
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

/* The connection's memory for requests, or NULL. */
static struct request *request_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info != NULL ? info->socket_context : NULL;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_n, void **request_context)
{
    struct request *request = *request_context;

    (void)version;
    (void)context;
    if (request == NULL) {
        request = request_of(connection);
        if (request == NULL || !request_begin(request, url, method)) {
            return MHD_NO;
        }
        *request_context = request;
        /* An answer before the body closes the connection: for what must not be read alone. */
        return request->close ? handle(request) : MHD_YES;
    }
    if (*upload_n > 0) {
        const enum MHD_Result taken = request_take_body(request, upload, *upload_n);
        *upload_n = 0;
        return taken;
    }
    return handle(request);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **request_context,
                         enum MHD_RequestTerminationCode code)
{
    (void)context;
    (void)connection;
    (void)code;
    if (*request_context != NULL) {
        request_end(*request_context);
    }
    *request_context = NULL;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        request_destroy(*socket_context);
        *socket_context = NULL;
    } else { /* without memory its first request closes the connection */
        *socket_context = request_create(context, connection);
    }
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

/* A daemon for the worker, which takes connections at the door. */
static struct MHD_Daemon *make_daemon(struct http_worker *worker)
{
    const struct http *http = worker->http;
    const size_t connections = (http->options.connections + http->n_workers - 1) / http->n_workers;
    const int door = dup(http->door); /* libmicrohttpd closes it */
    struct MHD_Daemon *daemon;

    if (door < 0) {
        return NULL;
    }
    daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request,
        worker, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, door,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, worker, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, worker, MHD_OPTION_END);
    if (daemon == NULL) {
        (void)close(door);
    }
    return daemon;
}

/* All workers end before any of their daemons: a call that is finished late wakes its own. */
static void stop_workers(struct http *http)
{
    for (size_t i = 0; i < http->n_workers; i++) {
        http_worker_stop(&http->worker[i]);
    }
    for (size_t i = 0; i < http->n_workers; i++) {
        if (http->worker[i].daemon != NULL) {
            MHD_stop_daemon(http->worker[i].daemon);
        }
    }
    free(http->worker);
    (void)close(http->door);
}

static enum rk_status start_workers(struct http *http, struct rk_error *err)
{
    http->worker = calloc(http->n_workers, sizeof *http->worker);
    if (http->worker == NULL) {
        http->n_workers = 0;
        return rk_fail(err, RK_NOMEM, "out of memory for the listener");
    }
    for (size_t i = 0; i < http->n_workers; i++) {
        http->worker[i].http = http;
        http->worker[i].daemon = make_daemon(&http->worker[i]);
        if (http->worker[i].daemon == NULL || !http_worker_start(&http->worker[i])) {
            return rk_fail(err, RK_IO, "cannot start listening on %s", http->options.address);
        }
    }
    return RK_OK;
}

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
    h->n_workers = options->threads;
    status = address_listen(options->address, &h->door, &h->port, err);
    if (status == RK_OK) {
        status = start_workers(h, err);
        if (status != RK_OK) {
            stop_workers(h);
        }
    }
    if (status != RK_OK) {
        free(h);
        return status;
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
    stop_workers(h); /* libmicrohttpd aborts the process if a connection is suspended still */
    free(h);
    *http = NULL;
}
