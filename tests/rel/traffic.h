/*
 * Everything clients do, at once: lists are scored and clicked on, events and batches come twice,
 * clicks come late, labelled batches arrive, items change, models are trained, paused, resumed, made,
 * removed, imported and activated. What is acknowledged goes into a ledger.
 */
#ifndef RANKD_TRAFFIC_H
#define RANKD_TRAFFIC_H

#include "ledger.h"

#include <stdatomic.h>
#include <stdbool.h>

#define TRAFFIC_MODELS   5 /* m0 ... m4: each kind, most optimizers; m4 is taught by m0 */
#define TRAFFIC_CLICKERS 4 /* one a model, m0 ... m3 */
#define TRAFFIC_CLIENTS  (TRAFFIC_CLICKERS + 3)

/* What one client does until the server is gone or all are told to stop. */
struct traffic_client {
    struct traffic *traffic;
    pthread_t thread;
    int number;
    uint64_t random;
    struct http_client http;
    bool gone; /* no answer came */
};

struct traffic {
    uint16_t port;
    unsigned cycle; /* goes into every id, so that none is used twice */
    struct ledger *ledger;
    atomic_bool stop;
    atomic_size_t lost;       /* acknowledged before, and not known any more */
    atomic_size_t unexpected; /* answers that no fault explains; each is printed */
    struct traffic_client client[TRAFFIC_CLIENTS];
};

/* Makes the models on a running server. */
void traffic_make_models(uint16_t port);

/* Starts the clients. @param seed  of what they do. */
void traffic_start(struct traffic *traffic, uint16_t port, unsigned cycle, struct ledger *ledger,
                   uint64_t seed);

/* Has them end after the request under way, and waits for it. */
void traffic_end(struct traffic *traffic);

#endif
