/*
 * Any bytes as an Authorization header, and as a file of tokens. What is accepted as a token has its
 * checksum; a file that is accepted is written as one that is read as the same tokens.
 */
#include "token_file.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void check_header(const char *text)
{
    size_t n = 0;
    const char *token = token_of_header(text, &n);
    char name[TOKEN_KID_TEXT];
    uint32_t kid = 0;

    if (token == NULL) {
        return;
    }
    CHECK(token >= text && token + n <= text + strlen(text));
    if (token_parse(token, n, &kid)) {
        token_write_kid(kid, name);
        CHECK(kid != 0 && n == TOKEN_TEXT - 1 && memcmp(token + 4, name, 8) == 0);
    }
}

static void check_words(const char *text)
{
    char again[TOKEN_SCOPES_TEXT];
    struct token_grant grant = {0};
    unsigned scopes, read = 0;

    if (token_read_scopes(text, &scopes)) {
        token_write_scopes(scopes, again);
        CHECK(scopes != 0 && token_read_scopes(again, &read) && read == scopes);
    }
    if (token_read_models(text, &grant)) {
        CHECK(grant.n_models <= TOKEN_MODELS_MAX);
        for (size_t i = 0; i < grant.n_models; i++) {
            CHECK(token_reaches(&grant, grant.model[i]));
        }
    }
}

static void check_file(const char *text, size_t n)
{
    struct token_list list = {0}, again = {0};
    struct rk_error err = {0};
    struct emit out = {0};

    if (token_file_parse(text, n, &list, &err) != RK_OK) {
        CHECK(list.n == 0 && list.token == NULL && err.text[0] != '\0');
        return;
    }
    token_file_write(&list, &out);
    CHECK(!out.failed && token_file_parse(out.text, out.length, &again, NULL) == RK_OK);
    CHECK(again.n == list.n);
    for (size_t i = 0; i < list.n; i++) {
        const struct token *a = &list.token[i], *b = &again.token[i];
        CHECK(strcmp(a->name, b->name) == 0 && memcmp(a->sha256, b->sha256, sizeof a->sha256) == 0);
        CHECK(a->grant.kid == b->grant.kid && a->grant.scopes == b->grant.scopes);
        CHECK(a->created_s == b->created_s && a->expires_s == b->expires_s);
        CHECK(a->revoked_s == b->revoked_s && a->not_before_s == b->not_before_s);
        CHECK(memcmp(&a->grant.caps, &b->grant.caps, sizeof a->grant.caps) == 0);
        CHECK(a->grant.n_models == b->grant.n_models);
    }
    emit_deinit(&out);
    token_list_deinit(&list);
    token_list_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char *text = malloc(n + 1);

    CHECK(text != NULL);
    memcpy(text, bytes, n);
    text[n] = '\0';
    check_header(text);
    check_words(text);
    free(text);
    text = malloc(n > 0 ? n : 1); /* not a byte after its end may be read */
    CHECK(text != NULL);
    memcpy(text, bytes, n);
    check_file(text, n);
    free(text);
    return 0;
}
