/*
 * What the files of the listener share: its workers, and a request on its way through it.
 */
#ifndef RANKD_SERVER_HTTP_IMPL_H
#define RANKD_SERVER_HTTP_IMPL_H

#include "http.h"
#include "http_head.h"
#include "ulid.h"

#include <microhttpd.h>
#include <pthread.h>

#define CONNECTION_MEMORY ((size_t)32 << 10) /* head of a request; its body is gathered outside */

/* A thread, and the daemon that it runs: connections stay with the worker that accepted them. */
struct http_worker {
    struct http *http;
    struct MHD_Daemon *daemon;
    pthread_t thread;
    int wake; /* eventfd */
    _Atomic bool ending;
    bool started;
};

struct http {
    struct http_worker *worker; /* (n_workers), owned */
    size_t n_workers;
    int door; /* the listening socket; workers have it too */
    struct api *api;
    struct http_options options;
    uint16_t port;
    _Atomic size_t body_bytes; /* of all requests under way, but for: */
    _Atomic bool large;        /* one body that could not fit into the pool is being taken */
    _Atomic size_t under_way;
    _Atomic size_t handling; /* worker threads that are inside the API */
    _Atomic bool shut;       /* the API must not be called any more */
};

/*
 * One request from its head to its last answer byte. Those of a connection follow each other in the
 * same memory, which keeps the room that ordinary bodies and answers need.
 */
struct request {
    struct api_call call;
    struct http *http;
    struct http_worker *worker;
    struct MHD_Connection *connection;
    struct problem refusal; /* found before the API sees it */
    bool handled;
    bool close; /* what follows on the connection cannot be trusted */
    bool large; /* its body is counted apart from the pool */
    char *path;
    size_t path_room;
    char query[API_QUERY_MAX];
    char request_id[HTTP_REQUEST_ID_MAX + 1];
    char *body;
    size_t body_n, body_room, limit;
    size_t counted_n; /* of the room, in the pool that all requests share */
    size_t seen_n;    /* of the body, kept or not */
};

/* Runs the worker's daemon in its thread. false: there is none to be had. */
bool http_worker_start(struct http_worker *worker);

/* Has it look for calls that were finished. Threads: any. */
void http_worker_wake(struct http_worker *worker);

/* Ends the thread; the daemon is left. One that was not started is accepted. */
void http_worker_stop(struct http_worker *worker);

/* Memory for the requests of a connection; NULL: there is none. */
struct request *request_create(struct http_worker *worker, struct MHD_Connection *connection);
void request_destroy(struct request *request);

/* Starts one with its head, and counts it as under way. false: out of memory. */
bool request_begin(struct request *request, const char *path, const char *method);
void request_end(struct request *request);

/* A piece of the body. What is refused is read past, up to twice the limit; then it is cut off. */
enum MHD_Result request_take_body(struct request *request, const char *bytes, size_t n);

/* The body has done its work: whoever gets the answer may send the next large one at once. */
void request_drop_body(struct request *request);

#endif
