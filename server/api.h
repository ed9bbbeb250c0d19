/*
 * The API: requests to answers, without sockets. A call is handled in a worker's slot; one that has
 * to wait for the disk or the trainer is parked and finished from their thread.
 */
#ifndef RANKD_SERVER_API_H
#define RANKD_SERVER_API_H

#include "access.h"
#include "backup.h"
#include "catalogue.h"
#include "emit.h"
#include "metrics.h"
#include "models.h"
#include "options.h"
#include "problem.h"
#include "store.h"
#include "trainer.h"
#include "writer.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define API_PARAM_MAX 132  /* an id of 128 bytes, terminated */
#define API_QUERY_MAX 1024 /* a query, terminated */

/* What one worker thread computes with; kept warm. */
struct api_slot;

/* Everything the API reaches. */
struct api {
    const struct options *options;
    struct catalogue *catalogue;
    struct models *models;
    struct metrics *metrics;
    struct writer *writer;
    struct trainer *trainer;
    struct backup *backup;
    struct access *access; /* NULL: all is open */
    struct caps caps;      /* the writer thread's */
    struct api_slot *slot; /* (n_slots) */
    size_t n_slots;
    int64_t start_ns;
    _Atomic bool draining;
};

/*
 * One request and its answer. Zero it, fill in the request, hand it to api_handle, send the answer,
 * api_call_deinit.
 */
struct api_call {
    const char *method;       /* "GET" */
    const char *path;         /* raw, without the query; borrowed until the end */
    const char *query;        /* raw, or NULL; borrowed */
    const char *content_type; /* or NULL; borrowed */
    const char *body;         /* borrowed until the answer is there */
    size_t body_n;
    const char *request_id;    /* borrowed */
    const char *authorization; /* the header, or NULL; borrowed */
    uint64_t peer;             /* a hash of the address it comes from */

    /*
     * Before a call is parked, in the worker thread; and when a parked call has its answer, from
     * any thread.
     */
    void (*park)(struct api_call *call);
    void (*finish)(struct api_call *call);
    void *owner; /* whoever sends the answer */
    bool again;  /* a finished call is to be handled once more */

    int status;
    struct emit
        answer; /* failed: there was no memory for any, and the connection is to be closed */
    const char *answer_type;
    char allow[64];     /* "" = none */
    char location[192]; /* "" = none */
    int retry_after_s;  /* 0 = none */

    size_t route; /* number in the table, for metrics; SIZE_MAX = none */
    int64_t start_ns;
    char param[2][API_PARAM_MAX]; /* decoded path segments */
    size_t param_n[2];
    bool lenient;
    bool admitted;
    struct token_grant grant; /* what its token may */
    void *work;               /* what a parked call carries */
};

/** Makes slots with a reading connection each. @return RK_OK; RK_NOMEM; RK_IO. */
RK_MUST_CHECK enum rk_status api_init(struct api *api, const char *db, size_t n_slots,
                                      struct rk_error *err);
void api_deinit(struct api *api);

/** Is a call's body a tensor file: of a model's size, not of a request's? */
bool api_is_tensor_file(const struct api_call *call);

/**
 * May the call be made? Needs its method, path, authorization and peer: before the body is read.
 * api_handle asks if nobody has.
 *
 * @param problem  filled in if not. Threads: any.
 */
bool api_admit(struct api *api, struct api_call *call, struct problem *problem);

/**
 * Body bytes a route takes: checked before the body is read. 0: the route is not there or takes
 * none.
 *
 * @param content_type  or NULL. @param needed  out: the route cannot do without a body.
 * @param problem       filled in where the model to take is not there.
 * Threads: as api_handle.
 */
size_t api_body_limit(struct api *api, const char *method, const char *path,
                      const char *content_type, bool *needed, struct problem *problem);

/**
 * Handles a call. @return true: the answer is there; false: parked, call->finish will be called, or
 * was already; then, if call->again is set, it is to be handled again.
 * Threads: any, at most n_slots at once.
 */
bool api_handle(struct api *api, struct api_call *call);

/** Fills in an answer that is a problem, for what is refused before api_handle. */
void api_refuse(struct api_call *call, const struct problem *problem);

/** Counts the finished call. */
void api_count(struct api *api, const struct api_call *call);

/** Durations of score requests, among its metrics. */
const struct metric_histogram *api_score_seconds(const struct api *api);

/** Frees what the answer holds. */
void api_call_deinit(struct api_call *call);

#endif
