/*
 * Who may do what: the tokens a server takes, and what they have used up of their rates. Where there
 * is no token everyone may everything.
 *
 * Tokens are read again when their file has changed; a file that is damaged, or gone, changes nothing.
 * One lock, held for as long as a look-up takes.
 */
#ifndef RANKD_SERVER_ACCESS_H
#define RANKD_SERVER_ACCESS_H

#include "metrics.h"
#include "problem.h"
#include "token.h"

#define ACCESS_FAILURES_PER_MINUTE 10 /* tokens that are none, from an address */

struct access;

/** Who asks. */
struct access_request {
    const char *authorization; /* the header, or NULL; borrowed */
    uint64_t peer;             /* a hash of the address it comes from */
    enum token_scope scope;    /* that the route needs */
};

/* When a token was last used. */
struct access_use {
    uint32_t kid;
    int64_t minute; /* since 1970 */
};

/**
 * Reads the tokens of a database.
 *
 * @param metrics  borrowed, counts refusals.
 * @return RK_OK, also where there are none; RK_CORRUPT; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status access_open(const char *db, struct metrics *metrics,
                                         struct access **access, struct rk_error *err);
void access_close(struct access **access);

/** Reads them again if their file has changed. Threads: one. */
void access_refresh(struct access *access);

/** Is there a token, whatever may be done with it? Without, all is open. NULL: there is none. */
bool access_has_tokens(const struct access *access);

/**
 * May it? Takes one request of the token's rate.
 *
 * @param grant    out: what the token may.
 * @param problem  filled in if not. Threads: any.
 */
bool access_admit(struct access *access, const struct access_request *request,
                  struct token_grant *grant, struct problem *problem);

/** Takes n events of the token's rate, or none. @param problem  filled in then. Threads: any. */
bool access_take_events(struct access *access, const struct token_grant *grant, size_t n,
                        struct problem *problem);

/** Fills in that a token does not reach what was asked for, and counts it. Always false. */
bool access_refuse_model(struct access *access, const struct token_grant *grant,
                         struct problem *problem);

/**
 * The uses that nobody was told of yet. @param uses  (n); @param n  in: room; out: how many.
 */
void access_take_uses(struct access *access, struct access_use *uses, size_t *n);

#endif
