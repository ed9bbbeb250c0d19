/*
 * Status codes and errors: how every function of librankd says what went wrong.
 *
 * A function that can fail returns an enum rk_status and takes a struct rk_error as its last
 * argument. The caller owns that struct, usually on its stack, or passes NULL. The first error
 * wins: a struct that already holds one is kept.
 */
#ifndef RANKD_STATUS_H
#define RANKD_STATUS_H

/* name, sentence */
#define RK_STATUSES(X)                                                                             \
    X(OK, "no error")                                                                              \
    X(INVALID, "the input breaks a rule")                                                          \
    X(NOTFOUND, "no such thing")                                                                   \
    X(TOOBIG, "a limit is exceeded")                                                               \
    X(MISMATCH, "two things that belong together differ")                                          \
    X(CORRUPT, "stored bytes are not what was written")                                            \
    X(BUSY, "not now, try again")                                                                  \
    X(IO, "reading or writing failed")                                                             \
    X(NOMEM, "out of memory")                                                                      \
    X(DIVERGED, "a result is not finite")

enum rk_status {
#define RK_STATUS_ENUM(name, text) RK_##name,
    RK_STATUSES(RK_STATUS_ENUM)
#undef RK_STATUS_ENUM
};

#define RK_ERROR_TEXT_MAX 160

struct rk_error {
    enum rk_status status;
    char
        text[RK_ERROR_TEXT_MAX]; /* one sentence without a full stop; empty while status is RK_OK */
};

#define RK_MUST_CHECK __attribute__((warn_unused_result))

/**
 * The sentence of a status, for messages when no better text is at hand.
 *
 * @return a static string; never NULL. Threads: any.
 */
const char *rk_status_text(enum rk_status status);

/**
 * Fills an error and returns its status, so that a failing function ends with `return rk_fail(err,
 * ...)`.
 *
 * @param err     may be NULL; kept unchanged if it already holds an error.
 * @param format  printf format of the text; cut at RK_ERROR_TEXT_MAX - 1 bytes.
 * @return status. Threads: any number, each on its own err.
 */
enum rk_status rk_fail(struct rk_error *err, enum rk_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
