/*
 * HTTP/1.1 by libmicrohttpd: the one file that knows it (with http.c). Workers with epoll, bodies
 * gathered into bounded memory, calls handed to the API, parked ones suspended until their answer
 * is there.
 */
#ifndef RANKD_SERVER_HTTP_H
#define RANKD_SERVER_HTTP_H

#include "api.h"

#include <rankd/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http;

#define HTTP_WORKER_NAME "rankd-http" /* of its threads */

struct http_options {
    const char *address; /* "127.0.0.1:8080", "[::1]:0" */
    size_t threads;
    size_t connections;
    size_t body_pool_bytes;
    bool ops_only; /* health, metrics and documents alone */
};

/**
 * Starts listening.
 *
 * @param api  borrowed; it has a slot for each thread of all listeners.
 * @return RK_OK; RK_INVALID: not an address; RK_BUSY: the port is taken; RK_IO.
 */
RK_MUST_CHECK enum rk_status http_start(struct api *api, const struct http_options *options,
                                        struct http **http, struct rk_error *err);

/** The port it listens on. */
uint16_t http_port(const struct http *http);

/**
 * Accepts no more, takes in who had connected already, and waits until every request under way has
 * its answer, at most wait_ms. From then on the API is not called any more: writer and trainer may
 * end. NULL is accepted.
 *
 * @return requests that are still under way.
 */
size_t http_drain(struct http *http, int64_t wait_ms);

/**
 * Sends the answers of calls that were parked still, closes all connections and frees the listener.
 * NULL is accepted. @pre drained, and no call is parked: writer and trainer, which finish them, have
 * ended.
 */
void http_stop(struct http **http);

#endif
