/*
 * Changes of the file of tokens.
 */
#include "token_issue.h"

#include "clock.h"

#include <string.h>

struct issue {
    struct token *token;
    char *text; /* (TOKEN_TEXT) */
};

/* A text that was brought, or a new one whose kid nobody has. */
static enum rk_status find_text(const struct issue *issue, const struct token_list *list,
                                struct rk_error *err)
{
    uint32_t *kid = &issue->token->grant.kid;

    if (issue->text[0] != '\0') {
        return token_parse(issue->text, strlen(issue->text), kid) &&
                       token_list_find(list, *kid) == NULL
                   ? RK_OK
                   : rk_fail(err, RK_INVALID, "it is no token, or its kid is known already");
    }
    do {
        if (!token_make(issue->text, kid)) {
            return rk_fail(err, RK_IO, "the system gives no random numbers");
        }
    } while (token_list_find(list, *kid) != NULL);
    return RK_OK;
}

static enum rk_status add(void *context, struct token_list *list, struct rk_error *err)
{
    const struct issue *issue = context;
    struct token *added;
    enum rk_status status = find_text(issue, list, err);

    if (status != RK_OK) {
        return status;
    }
    issue->token->created_s = clock_unix_ms() / 1000;
    added = token_list_add(list);
    if (added == NULL || !token_hash(issue->text, strlen(issue->text), issue->token->sha256)) {
        return rk_fail(err, RK_NOMEM, "out of memory for a token");
    }
    *added = *issue->token;
    return RK_OK;
}

enum rk_status token_issue(const char *db, struct token *token, char text[TOKEN_TEXT],
                           struct rk_error *err)
{
    struct issue issue = {token, text};

    return token_file_change(db, add, &issue, err);
}

struct revocation {
    const char *which;
    size_t n;
};

static enum rk_status revoke(void *context, struct token_list *list, struct rk_error *err)
{
    struct revocation *revocation = context;
    uint32_t kid = 0;
    const bool is_kid = token_read_kid(revocation->which, &kid);
    bool found = false;

    for (size_t i = 0; i < list->n; i++) {
        struct token *token = &list->token[i];
        if ((is_kid && token->grant.kid == kid) || strcmp(token->name, revocation->which) == 0) {
            found = true;
            revocation->n += token->revoked_s == 0;
            token->revoked_s = token->revoked_s != 0 ? token->revoked_s : clock_unix_ms() / 1000;
        }
    }
    return found ? RK_OK : rk_fail(err, RK_NOTFOUND, "there is no token of this kid or name");
}

enum rk_status token_revoke(const char *db, const char *which, size_t *n, struct rk_error *err)
{
    struct revocation revocation = {.which = which};
    const enum rk_status status = token_file_change(db, revoke, &revocation, err);

    if (status == RK_OK) {
        *n = revocation.n;
    }
    return status;
}
