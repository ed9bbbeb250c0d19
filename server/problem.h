/*
 * Problems: what a request is told when it cannot be done (RFC 9457). A leaf: one table of all
 * slugs, their HTTP status, title and explanation; the same table serves the pages below /problems/
 * and the README.
 */
#ifndef RANKD_SERVER_PROBLEM_H
#define RANKD_SERVER_PROBLEM_H

#include <rankd/status.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * enum suffix, slug, HTTP status, Retry-After in seconds (0 = none), title; explanations: problem.c
 */
#define PROBLEMS(X)                                                                                \
    X(INVALID_JSON, "invalid-json", 400, 0, "The body is not valid JSON")                          \
    X(DUPLICATE_KEY, "duplicate-key", 400, 0, "An object has a key twice")                         \
    X(TOO_DEEP, "too-deep", 400, 0, "The JSON is nested too deeply")                               \
    X(BAD_REQUEST, "bad-request", 400, 0, "The request cannot be understood")                      \
    X(BAD_FRAMING, "bad-framing", 400, 0, "The end of the request is not certain")                 \
    X(INVALID_TOKEN, "invalid-token", 401, 0, "A valid token is needed")                           \
    X(INSUFFICIENT_SCOPE, "insufficient-scope", 403, 0, "The token has not the scope for this")    \
    X(MODEL_NOT_ALLOWED, "model-not-allowed", 403, 0, "The token is not for this model")           \
    X(UNKNOWN_QUARANTINE, "unknown-quarantine", 404, 0,                                            \
      "The model has no such lists in quarantine")                                                 \
    X(NOT_FOUND, "not-found", 404, 0, "There is nothing at this path")                             \
    X(UNKNOWN_MODEL, "unknown-model", 404, 0, "No model has this name")                            \
    X(UNKNOWN_VERSION, "unknown-version", 404, 0, "The model has no such checkpoint")              \
    X(UNKNOWN_RANKING, "unknown-ranking", 404, 0, "No ranking has this id")                        \
    X(UNKNOWN_ITEM, "unknown-item", 404, 0, "No item has this id")                                 \
    X(UNKNOWN_USER, "unknown-user", 404, 0, "No user has this id")                                 \
    X(METHOD_NOT_ALLOWED, "method-not-allowed", 405, 0, "The path does not take this method")      \
    X(NOT_ACCEPTABLE, "not-acceptable", 406, 0, "No media type that is accepted can be given")     \
    X(MODEL_EXISTS, "model-exists", 409, 0, "A model of this name has another configuration")      \
    X(DEFAULT_MODEL, "default-model", 409, 0, "The model \"default\" cannot be deleted")           \
    X(BATCH_CONFLICT, "batch-conflict", 409, 0, "The batch id was used with another body")         \
    X(BACKUP_EXISTS, "backup-exists", 409, 0, "There is a backup of this name")                    \
    X(BACKUP_RUNNING, "backup-running", 409, 0, "A backup is being made")                          \
    X(TRAINING_DISABLED, "training-disabled", 409, 0,                                              \
      "The model's configuration turns training off")                                              \
    X(ALREADY_RETRIED, "already-retried", 409, 0, "These lists were taken again already")          \
    X(TRAINING_PAUSED, "training-paused", 409, 0, "The model's training is paused")                \
    X(TRAINING_HALTED, "training-halted", 409, 0, "The model cannot learn on")                     \
    X(LENGTH_REQUIRED, "length-required", 411, 0, "The request has no length")                     \
    X(BODY_TOO_LARGE, "body-too-large", 413, 0, "The body is over the limit")                      \
    X(JSON_TOO_COMPLEX, "json-too-complex", 413, 0, "The JSON needs too much memory")              \
    X(UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", 415, 0, "The body has another media type") \
    X(VALIDATION_FAILED, "validation-failed", 422, 0, "A value breaks a rule")                     \
    X(UNKNOWN_FIELD, "unknown-field", 422, 0, "A member is not known")                             \
    X(VALUE_OUT_OF_RANGE, "value-out-of-range", 422, 0, "A number is out of range")                \
    X(LIMIT_EXCEEDED, "limit-exceeded", 422, 0, "A limit is exceeded")                             \
    X(DUPLICATE_ITEM, "duplicate-item", 422, 0, "An item is in the list twice")                    \
    X(INDEX_OUTSIDE, "index-outside", 422, 0, "An index is outside the model's space")             \
    X(INVALID_MODEL, "invalid-model", 422, 0, "The model configuration breaks a rule")             \
    X(MODEL_TOO_LARGE, "model-too-large", 422, 0, "The model would be too large")                  \
    X(INVALID_TENSOR_FILE, "invalid-tensor-file", 422, 0,                                          \
      "The file does not hold this model's tensors")                                               \
    X(RATE_LIMITED, "rate-limited", 429, 1, "The token asks too often")                            \
    X(AUTH_RATE_LIMITED, "auth-rate-limited", 429, 60, "Too many tokens that are not valid")       \
    X(INTERNAL, "internal", 500, 0, "Something went wrong inside")                                 \
    X(NON_FINITE_SCORE, "non-finite-score", 500, 0, "A score came out not finite")                 \
    X(UNSUPPORTED_TRANSFER_ENCODING, "unsupported-transfer-encoding", 501, 0,                      \
      "The transfer coding is not known")                                                          \
    X(OVERLOADED, "overloaded", 503, 1, "The queue is full")                                       \
    X(DRAINING, "draining", 503, 5, "The server is stopping")                                      \
    X(OUT_OF_MEMORY, "out-of-memory", 503, 1, "Memory is short")                                   \
    X(STORAGE_ERROR, "storage-error", 503, 5, "The storage failed")                                \
    X(STORAGE_BUSY, "storage-busy", 503, 1, "The storage is locked by someone else")               \
    X(STORAGE_READ_ONLY, "storage-read-only", 503, 30, "The storage cannot be written")            \
    X(STORAGE_CORRUPT, "storage-corrupt", 503, 30, "The storage is damaged")                       \
    X(STORAGE_LOST, "storage-lost", 503, 30, "The database is not at its place any more")          \
    X(STORAGE_SLOW, "storage-slow", 503, 5, "The storage does not answer")                         \
    X(STORAGE_FULL, "storage-full", 507, 30, "The disk is full")

enum problem_kind {
    PROBLEM_NONE,
#define PROBLEM_ENUM(name, slug, status, retry, title) PROBLEM_##name,
    PROBLEMS(PROBLEM_ENUM)
#undef PROBLEM_ENUM
    PROBLEM_COUNT
};

struct problem {
    enum problem_kind kind; /* PROBLEM_NONE = no problem */
    char pointer[320];      /* JSON pointer (RFC 6901) to the place, "" if none */
    char detail[200];       /* one sentence; never the input itself */
    bool has_pointer;
    int retry_after_s; /* 0 = as its kind's */
};

/** Static facts of a kind; never NULL for a kind that is not PROBLEM_NONE. */
const char *problem_slug(enum problem_kind kind);
const char *problem_title(enum problem_kind kind);
const char *problem_explanation(enum problem_kind kind); /* a paragraph for /problems/<slug> */
int problem_status(enum problem_kind kind);
int problem_retry_after_s(enum problem_kind kind); /* 0 = none */

/** The kind of a slug, or PROBLEM_NONE. */
enum problem_kind problem_find(const char *slug);

/**
 * Fills a problem without a place; the first problem wins. Always returns false, so that a reader
 * ends with `return problem_set(...)`.
 */
bool problem_set(struct problem *problem, enum problem_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** The same from a core error: which kind a status is, is one table. Always returns false. */
bool problem_from_error(struct problem *problem, const struct rk_error *err);

/**
 * The error of what was accepted and stored but cannot be read now. Memory being short is told apart
 * from damage: it passes, and what would be left out for it would be missing for ever.
 *
 * @param format  what it is. @return RK_NOMEM or RK_CORRUPT.
 */
enum rk_status problem_stored(const struct problem *problem, struct rk_error *err,
                              const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
