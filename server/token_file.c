/*
 * Lines of key=value words: what is not known, missing or malformed is an error with its line, so that
 * a damaged file never lets anyone in, or keeps anyone out, by half.
 */
#include "token_file.h"

#include "grow.h"

#include <stdlib.h>
#include <string.h>

#define HEAD                                                                                       \
    "# rankd's access tokens, by their hashes. Written by `rankd token`, read within a second.\n"
#define WORD_MAX (TOKEN_MODELS_MAX * (STORE_NAME_MAX + 1) + 32)

/* Whole numbers of a record, of which those that are 0 are not written. */
static const struct number {
    const char *key;
    size_t offset;
} numbers[] = {
    {"created", offsetof(struct token, created_s)},
    {"not_before", offsetof(struct token, not_before_s)},
    {"expires", offsetof(struct token, expires_s)},
    {"revoked", offsetof(struct token, revoked_s)},
    {"requests_per_s", offsetof(struct token, grant.requests_per_s)},
    {"events_per_s", offsetof(struct token, grant.events_per_s)},
    {"events_per_minute", offsetof(struct token, grant.caps.events_per_minute)},
    {"user_per_minute", offsetof(struct token, grant.caps.user_per_minute)},
    {"item_per_minute", offsetof(struct token, grant.caps.item_per_minute)},
    {"once", offsetof(struct token, grant.caps.once)},
};

#define N_NUMBERS (sizeof numbers / sizeof *numbers)

/* ---- the list ---- */

void token_list_deinit(struct token_list *list)
{
    free(list->token);
    *list = (struct token_list){0};
}

struct token *token_list_find(const struct token_list *list, uint32_t kid)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->token[i].grant.kid == kid) {
            return &list->token[i];
        }
    }
    return NULL;
}

struct token *token_list_add(struct token_list *list)
{
    if (!grow_reserve(&list->token, &list->room, list->n + 1)) {
        return NULL;
    }
    list->token[list->n] = (struct token){0};
    return &list->token[list->n++];
}

/* ---- reading ---- */

static bool read_number(const char *text, int64_t *number)
{
    const size_t n = strlen(text);

    if (n < 1 || n > 18 || strspn(text, "0123456789") != n) {
        return false;
    }
    *number = strtoll(text, NULL, 10);
    return true;
}

static bool read_hash(const char *text, uint8_t sha256[STORE_SHA256_BYTES])
{
    static const char hexadecimal[] = "0123456789abcdef";
    const size_t n = strlen(text);

    for (size_t i = 0; i < n && n == (size_t)2 * STORE_SHA256_BYTES; i++) {
        const char *digit = strchr(hexadecimal, text[i]);
        if (digit == NULL) {
            return false;
        }
        sha256[i / 2] = (uint8_t)(sha256[i / 2] << 4 | (digit - hexadecimal));
    }
    return n == (size_t)2 * STORE_SHA256_BYTES;
}

static bool read_word(const char *key, const char *value, struct token *token)
{
    if (strcmp(key, "kid") == 0) {
        return token_read_kid(value, &token->grant.kid);
    }
    if (strcmp(key, "name") == 0) {
        if (token_name_valid(value)) {
            memcpy(token->name, value, strlen(value) + 1);
            return true;
        }
        return false;
    }
    if (strcmp(key, "sha256") == 0) {
        return read_hash(value, token->sha256);
    }
    if (strcmp(key, "scopes") == 0) {
        return token_read_scopes(value, &token->grant.scopes);
    }
    if (strcmp(key, "models") == 0) {
        return token_read_models(value, &token->grant);
    }
    for (size_t i = 0; i < N_NUMBERS; i++) {
        int64_t number;
        if (strcmp(key, numbers[i].key) == 0 && read_number(value, &number)) {
            memcpy((char *)token + numbers[i].offset, &number, sizeof number);
            return true;
        }
    }
    return false;
}

/* What no token is without. */
static const char *const needed[] = {"kid", "name", "sha256", "scopes", "models"};

/* Takes a line, n bytes, apart. */
static bool read_line(const char *line, size_t n, struct token *token)
{
    size_t seen = 0;

    while (n > 0) {
        const char *space = memchr(line, ' ', n);
        const size_t length = space != NULL ? (size_t)(space - line) : n;
        char word[WORD_MAX] = "";
        char *value;
        if (length == 0 || length >= sizeof word || length + 1 == n) {
            return false; /* also a space at the end */
        }
        memcpy(word, line, length);
        value = strchr(word, '=');
        if (value == NULL || strlen(word) != length) {
            return false;
        }
        *value++ = '\0';
        if (!read_word(word, value, token)) {
            return false;
        }
        seen += seen < sizeof needed / sizeof *needed && strcmp(word, needed[seen]) == 0;
        line += length + (space != NULL);
        n -= length + (space != NULL);
    }
    return seen == sizeof needed / sizeof *needed;
}

static enum rk_status add_line(const char *line, size_t n, size_t number, struct token_list *list,
                               struct rk_error *err)
{
    struct token token = {0};
    struct token *added;

    if (!read_line(line, n, &token)) {
        return rk_fail(err, RK_CORRUPT, "line %zu of the file of tokens is malformed", number);
    }
    if (token_list_find(list, token.grant.kid) != NULL) {
        return rk_fail(err, RK_CORRUPT, "line %zu of the file of tokens: its kid was there before",
                       number);
    }
    added = token_list_add(list);
    if (added == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for tokens");
    }
    *added = token;
    return RK_OK;
}

enum rk_status token_file_parse(const char *text, size_t n, struct token_list *list,
                                struct rk_error *err)
{
    enum rk_status status = RK_OK;

    /* A file that does not end with a line's end was cut off. */
    if (n < sizeof HEAD - 1 || memcmp(text, HEAD, sizeof HEAD - 1) != 0 || text[n - 1] != '\n') {
        return rk_fail(err, RK_CORRUPT, "it is no file of tokens, or not a whole one");
    }
    for (size_t number = 1; n > 0 && status == RK_OK; number++) {
        const char *end = memchr(text, '\n', n);
        const size_t length = (size_t)(end - text);
        if (length > 0 && text[0] != '#') {
            status = add_line(text, length, number, list, err);
        }
        text += length + 1;
        n -= length + 1;
    }
    if (status != RK_OK) {
        token_list_deinit(list);
    }
    return status;
}

/* ---- writing ---- */

static void write_token(const struct token *token, struct emit *out)
{
    const struct token_grant *grant = &token->grant;
    char kid[TOKEN_KID_TEXT], scopes[TOKEN_SCOPES_TEXT];

    token_write_kid(grant->kid, kid);
    token_write_scopes(grant->scopes, scopes);
    emit_format(out, "kid=%s name=%s sha256=", kid, token->name);
    for (size_t i = 0; i < STORE_SHA256_BYTES; i++) {
        emit_format(out, "%02x", token->sha256[i]);
    }
    emit_format(out, " scopes=%s models=%s", scopes, grant->n_models == 0 ? "*" : "");
    for (size_t i = 0; i < grant->n_models; i++) {
        emit_format(out, "%s%s", i > 0 ? "," : "", grant->model[i]);
    }
    for (size_t i = 0; i < N_NUMBERS; i++) {
        int64_t number;
        memcpy(&number, (const char *)token + numbers[i].offset, sizeof number);
        if (number != 0) {
            emit_format(out, " %s=%lld", numbers[i].key, (long long)number);
        }
    }
    emit_raw(out, "\n", 1);
}

void token_file_write(const struct token_list *list, struct emit *out)
{
    emit_raw(out, HEAD, sizeof HEAD - 1);
    for (size_t i = 0; i < list->n; i++) {
        write_token(&list->token[i], out);
    }
}
