/*
 * Access tokens: "rkd_<kid>_<secret>_<checksum>" with 8 hexadecimal digits that name it, 26 random
 * characters of base 62 (154 bits), and 6 that say whether it was copied whole. The server keeps its
 * SHA-256 alone, which is enough for a secret that nobody can guess.
 */
#ifndef RANKD_SERVER_TOKEN_H
#define RANKD_SERVER_TOKEN_H

#include "caps.h"
#include "store.h"

#include <rankd/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOKEN_TEXT       47 /* with its end */
#define TOKEN_KID_TEXT   9
#define TOKEN_NAME_MAX   64
#define TOKEN_MODELS_MAX 16

/* Scopes, a bit each: none is part of another. */
#define TOKEN_SCOPES(X)                                                                            \
    X(SCORE, "score") X(FEEDBACK, "feedback") X(METRICS, "metrics") X(ADMIN, "admin")

enum token_scope_index {
#define TOKEN_SCOPE_INDEX(name, text) TOKEN_SCOPE_INDEX_##name,
    TOKEN_SCOPES(TOKEN_SCOPE_INDEX)
#undef TOKEN_SCOPE_INDEX
    TOKEN_SCOPE_COUNT
};

enum token_scope {
#define TOKEN_SCOPE_BIT(name, text) TOKEN_##name = 1 << TOKEN_SCOPE_INDEX_##name,
    TOKEN_SCOPES(TOKEN_SCOPE_BIT)
#undef TOKEN_SCOPE_BIT
    TOKEN_ALL_SCOPES = (1 << TOKEN_SCOPE_COUNT) - 1
};

/* What a token may. Zeroed: that of a server without tokens, where everyone may everything. */
struct token_grant {
    uint32_t kid;
    unsigned scopes;
    size_t n_models; /* 0 = all */
    char model[TOKEN_MODELS_MAX][STORE_NAME_MAX + 1];
    int64_t requests_per_s; /* 0 = as many as there are, here and below */
    int64_t events_per_s;
    struct caps_rules caps;
};

/* Times in Unix seconds. */
struct token {
    char name[TOKEN_NAME_MAX + 1]; /* several may have the same: one comes, one goes */
    uint8_t sha256[STORE_SHA256_BYTES];
    int64_t created_s;
    int64_t not_before_s; /* 0 = at once */
    int64_t expires_s;    /* 0 = never */
    int64_t revoked_s;    /* 0 = it was not */
    struct token_grant grant;
};

/** Makes a token's text. @return false: the system gives no random numbers. */
bool token_make(char text[TOKEN_TEXT], uint32_t *kid);

/** Is it the text of a token, with its checksum? @param kid  out. */
bool token_parse(const char *text, size_t n, uint32_t *kid);

/** SHA-256 of n bytes. @return false: out of memory. */
bool token_hash(const char *text, size_t n, uint8_t sha256[STORE_SHA256_BYTES]);

/** Are two hashes the same? In a time that does not depend on where they differ. */
bool token_same_hash(const uint8_t a[STORE_SHA256_BYTES], const uint8_t b[STORE_SHA256_BYTES]);

/** The credentials of an Authorization header by the scheme Bearer, or NULL. @param n  out. */
const char *token_of_header(const char *authorization, size_t *n);

void token_write_kid(uint32_t kid, char text[TOKEN_KID_TEXT]);
bool token_read_kid(const char *text, uint32_t *kid);

/** "score,admin" to bits and back. @return false: not one or more of the scopes. */
bool token_read_scopes(const char *text, unsigned *scopes);
#define TOKEN_SCOPES_TEXT 40
void token_write_scopes(unsigned scopes, char text[TOKEN_SCOPES_TEXT]);

/** The name of one scope. */
const char *token_scope_text(enum token_scope scope);

/** "shop,default" to names of models; "*" is all. @return false: no such names, or too many. */
bool token_read_models(const char *text, struct token_grant *grant);

/** Is it a name: 1 to 64 letters, digits, '.', '_' and '-'? */
bool token_name_valid(const char *name);

/** May it be used at a time (Unix seconds)? */
bool token_is_live(const struct token *token, int64_t now_s);

/** Does it reach a model? */
bool token_reaches(const struct token_grant *grant, const char *model);

#endif
