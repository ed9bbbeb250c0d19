/*
 * What the files of the API share: the slot, the table of routes, and how answers are made.
 */
#ifndef RANKD_SERVER_API_IMPL_H
#define RANKD_SERVER_API_IMPL_H

#include "api.h"
#include "known_list.h"
#include "list.h"
#include "scorer.h"

#include <rankd/group.h>

struct api_slot {
    _Atomic bool busy;
    size_t number;       /* in models, catalogue and live models */
    struct store *store; /* a reading connection */
    struct list list;
    struct rk_group_builder builder;
    struct scorer scorer;
    struct known_list known; /* items of the list under way */
    struct emit served;      /* the items of an answer */
};

/* Handles a call: true: answered; false: parked. */
typedef bool (*api_handler)(struct api *api, struct api_slot *slot, struct api_call *call);

enum api_body {
    API_NO_BODY,
    API_JSON,
    API_JSON_OR_NONE,
    API_JSON_OR_NDJSON,
    API_JSON_PATCH, /* application/json or application/merge-patch+json */
    API_TENSORS     /* a safetensors file of the model that the path names */
};

/* Whom a route may be used by, beside those of its scope, where a token is for some models alone. */
enum api_reach {
    API_ANY_MODEL, /* it is about none, or its handler looks at which */
    API_ITS_MODEL, /* the one that its path names */
    API_ALL_MODELS /* what all models share: for tokens that reach all */
};

#define API_OPEN 0 /* in place of a scope: needs no token */

struct api_route {
    const char *method;
    const char *path; /* "{}" is a segment that becomes a parameter */
    unsigned scope;   /* a TOKEN_ bit, or API_OPEN */
    enum api_reach reach;
    enum api_body body;
    size_t limit; /* bytes of body; of tensors those beside the model's */
    api_handler handle;
};

#define API_BODY_SMALL  ((size_t)1 << 20)
#define API_BODY_LARGE  ((size_t)16 << 20)
#define API_ANSWER_ROOM ((size_t)2 << 10) /* of every call, so that it can be told what failed */
#define API_TENSOR_FILE "application/vnd.safetensors"

/* The route of a call, or NULL. @param known  out: the path is there, with whatever method. */
const struct api_route *api_find_route(const char *method, const char *path, const char *segment[2],
                                       size_t length[2], bool *known);

/* Does the call's token reach a model? @param problem  filled in if not. */
bool api_reaches(struct api *api, const struct api_call *call, const char *model,
                 struct problem *problem);

/* Answers. All return true, so that a handler ends with them. */
bool api_answer(struct api_call *call, int status);
bool api_problem(struct api_call *call, const struct problem *problem);
bool api_fail(struct api_call *call, enum problem_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool api_error(struct api_call *call, const struct rk_error *err);

/* The body of an answer that is a problem (RFC 9457). */
void api_write_problem(const struct api_call *call, const struct problem *problem,
                       struct emit *out);

/* Answers with the problem of a job that was not committed. */
bool api_outcome_problem(struct api_call *call, const struct writer_outcome *outcome);

/* Handles a call with the model that its path names, or answers that there is none. */
typedef bool (*api_model_handler)(struct api *api, struct api_slot *slot, struct api_call *call,
                                  const struct served *served);
bool api_with_model(struct api *api, struct api_slot *slot, struct api_call *call,
                    api_model_handler handle);

/* Is the body NDJSON? */
bool api_is_ndjson(const struct api_call *call);

/*
 * A decoded query parameter; absent: false. Longer than n - 1 bytes: cut, so that no valid value
 * equals it.
 */
bool api_query(const struct api_call *call, const char *name, char *value, size_t n);

/* Is a query parameter "1" or "true"? */
bool api_query_flag(const struct api_call *call, const char *name);

/*
 * A job and the call that waits for it; embed it at the start of a struct with the job's data, which
 * takes nothing of the call with it: it may be answered before the job is done.
 */
struct api_job {
    struct writer_job job; /* run, bytes and weight are the handler's */
    void (*answer)(struct api_job *job, struct api_call *call,
                   const struct writer_outcome *outcome);
    void (*committed)(struct api_job *job); /* before that, whoever is still there; or NULL */
    void (*free)(struct api_job *job);
    struct api_call *call; /* NULL: answered, since storage took too long */
};

/*
 * Parks the call and submits a job or command; when it is not taken the call is answered with a
 * problem. Always returns false.
 */
bool api_park_job(struct api *api, struct api_call *call, struct api_job *job);
bool api_park_command(struct api *api, struct api_call *call, struct trainer_command *command);

/* A command and the call that waits for it; call NULL: nobody does. It frees itself when done. */
struct api_waiting {
    struct trainer_command command;
    struct api *api;
    struct api_call *call;
    void (*answer)(struct api_waiting *waiting); /* what was done; in the trainer thread */
};

/* Makes a command on the model that the path names, or NULL: out of memory. */
struct api_waiting *api_waiting_create(struct api *api, struct api_call *call,
                                       enum trainer_verb verb,
                                       void (*answer)(struct api_waiting *));

/* A whole number of 1 to 16 digits, as versions, ids and log positions are. @return false: it is none. */
bool api_whole(const char *text, int64_t *number);

/* Percent-decodes n bytes. @return false: broken, a zero byte, not UTF-8, or no room (cut). */
bool api_decode(const char *text, size_t n, bool plus_is_space, char *to, size_t size,
                size_t *length);

/* Handlers. */
bool api_score(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_feedback(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_batches(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_models_list(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_model_put(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_model_get(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_model_patch(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_model_delete(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_versions(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_version_get(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_version_put(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_training(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_train(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_pause(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_resume(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_quarantine(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_quarantine_retry(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_activate(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_items_list(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_items_put(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_item_put(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_item_get(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_item_delete(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_users_list(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_users_put(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_user_put(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_user_get(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_user_delete(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_backup(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_ranking(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_livez(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_readyz(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_readyz_feedback(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_metrics(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_openapi(struct api *api, struct api_slot *slot, struct api_call *call);
bool api_problem_page(struct api *api, struct api_slot *slot, struct api_call *call);

/* All routes, for metrics. */
const struct api_route *api_routes(size_t *n);

#endif
