/*
 * The whole service: its parts put together, and taken apart in reverse. What `rankd serve` runs, and
 * what tests run without a listener.
 */
#ifndef RANKD_SERVER_SERVICE_H
#define RANKD_SERVER_SERVICE_H

#include "access.h"
#include "api.h"
#include "http.h"
#include "options.h"
#include "trainer.h"
#include "writer.h"

#include <rankd/status.h>
#include <stdbool.h>

/* Everything that runs. Zero it and fill in options to start. */
struct service {
    struct options options;
    void (*opened)(struct store *store); /* sees the writing connection first; NULL: nobody */
    struct store_lock *lock;
    struct metrics *metrics;
    struct catalogue catalogue;
    struct models models;
    struct writer *writer;
    _Atomic(struct trainer *) trainer; /* the writer looks for it while it is still being made */
    struct backup *backup;
    struct access *access;
    int64_t open_told_ns, uses_told_ns; /* when service_tick last did what it does once a minute */
    struct api api;
    struct http *http;
    struct http *ops;
    bool port_taken; /* what service_listen failed of */
};

/**
 * Starts everything behind the listeners on service->options: from then on the API may be called, by
 * as many threads at once as it has slots.
 *
 * @return RK_OK; what the part met that could not be started. Stop it in any case.
 */
RK_MUST_CHECK enum rk_status service_start(struct service *service, struct rk_error *err);

/**
 * Where there are no tokens and options name a file for the first one: takes the token in it, or makes
 * one and writes it there. It may everything.
 *
 * @param made  out: the text of one that was made, "" if none was.
 * @return RK_OK; RK_MISMATCH: the file holds no token; RK_IO; RK_NOMEM; RK_CORRUPT.
 */
RK_MUST_CHECK enum rk_status service_first_token(struct service *service, char made[TOKEN_TEXT],
                                                 struct rk_error *err);

/**
 * Opens the listeners of a service that was started. @return as http_start; RK_MISMATCH: one could be
 * reached from elsewhere, and there is no token.
 */
RK_MUST_CHECK enum rk_status service_listen(struct service *service, struct rk_error *err);

/** Does what time asks for, at least once a second. Threads: the one that started it. */
void service_tick(struct service *service);

/**
 * Drains the listeners where there are any, ends trainer and writer, and frees all that was started,
 * after a start that failed too; then it may be started again. @pre nobody else calls the API.
 */
void service_stop(struct service *service);

#endif
