/*
 * Adding a token to the file of tokens, and revoking one.
 */
#ifndef RANKD_SERVER_TOKEN_ISSUE_H
#define RANKD_SERVER_TOKEN_ISSUE_H

#include "token_file.h"

/**
 * Adds a token, which may be used from then on.
 *
 * @param token  filled in, but for kid, hash and creation, which are out.
 * @param text   its text; if "" one is made: out.
 * @return RK_OK; RK_INVALID: its kid is known already; RK_CORRUPT; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status token_issue(const char *db, struct token *token, char text[TOKEN_TEXT],
                                         struct rk_error *err);

/**
 * Revokes a token by its kid, or all of a name. @param n  out: how many were revoked that were not before.
 * @return RK_OK; RK_NOTFOUND: none is called so; RK_CORRUPT; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status token_revoke(const char *db, const char *which, size_t *n,
                                          struct rk_error *err);

#endif
