/*
 * The text of a token, and what its record says.
 */
#include "token.h"

#include "model_config.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#define PREFIX        "rkd_"
#define KID_DIGITS    8
#define SECRET_DIGITS 26
#define CHECK_DIGITS  6
#define SECRET_AT     (sizeof PREFIX - 1 + KID_DIGITS + 1)
#define CHECK_AT      (SECRET_AT + SECRET_DIGITS + 1)
#define BASE          62

_Static_assert(CHECK_AT + CHECK_DIGITS + 1 == TOKEN_TEXT, "the parts make the whole");

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* ---- the text ---- */

/* CRC-32 (ISO 3309), bit by bit: it finds typing errors, and nothing hangs on its speed. */
static uint32_t crc32_of(const char *text, size_t n)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned char)text[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ ((crc & 1) != 0 ? UINT32_C(0xedb88320) : 0);
        }
    }
    return ~crc;
}

static void write_check(const char *text, char check[CHECK_DIGITS])
{
    uint32_t crc = crc32_of(text, CHECK_AT - 1);

    for (size_t i = CHECK_DIGITS; i-- > 0; crc /= BASE) {
        check[i] = digits[crc % BASE];
    }
}

/* Random digits, each as likely: bytes from 248 on would make the first ones likelier. */
static bool write_secret(char secret[SECRET_DIGITS])
{
    size_t n = 0;

    while (n < SECRET_DIGITS) {
        unsigned char bytes[2 * SECRET_DIGITS];
        if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
            return false;
        }
        for (size_t i = 0; i < sizeof bytes && n < SECRET_DIGITS; i++) {
            if (bytes[i] < 256 / BASE * BASE) {
                secret[n++] = digits[bytes[i] % BASE];
            }
        }
    }
    return true;
}

void token_write_kid(uint32_t kid, char text[TOKEN_KID_TEXT])
{
    (void)snprintf(text, TOKEN_KID_TEXT, "%08x", (unsigned)kid);
}

static bool read_kid(const char *text, uint32_t *kid)
{
    static const char hexadecimal[] = "0123456789abcdef";

    *kid = 0;
    for (size_t i = 0; i < KID_DIGITS; i++) {
        const char *digit = text[i] != '\0' ? strchr(hexadecimal, text[i]) : NULL;
        if (digit == NULL) {
            return false;
        }
        *kid = *kid << 4 | (uint32_t)(digit - hexadecimal);
    }
    return *kid != 0; /* 0 stands for none */
}

bool token_read_kid(const char *text, uint32_t *kid)
{
    return strlen(text) == KID_DIGITS && read_kid(text, kid);
}

bool token_make(char text[TOKEN_TEXT], uint32_t *kid)
{
    char name[TOKEN_KID_TEXT];

    do {
        if (getrandom(kid, sizeof *kid, 0) != (ssize_t)sizeof *kid) {
            return false;
        }
    } while (*kid == 0);
    token_write_kid(*kid, name);
    (void)snprintf(text, TOKEN_TEXT, PREFIX "%s_", name);
    if (!write_secret(text + SECRET_AT)) {
        return false;
    }
    text[CHECK_AT - 1] = '_';
    write_check(text, text + CHECK_AT);
    text[TOKEN_TEXT - 1] = '\0';
    return true;
}

bool token_parse(const char *text, size_t n, uint32_t *kid)
{
    char check[CHECK_DIGITS];

    if (n != TOKEN_TEXT - 1 || memcmp(text, PREFIX, sizeof PREFIX - 1) != 0 ||
        !read_kid(text + sizeof PREFIX - 1, kid) || text[SECRET_AT - 1] != '_' ||
        text[CHECK_AT - 1] != '_') {
        return false;
    }
    for (size_t i = SECRET_AT; i < CHECK_AT - 1; i++) {
        if (memchr(digits, text[i], BASE) == NULL) {
            return false;
        }
    }
    write_check(text, check);
    return memcmp(check, text + CHECK_AT, sizeof check) == 0;
}

bool token_hash(const char *text, size_t n, uint8_t sha256[STORE_SHA256_BYTES])
{
    return gnutls_hash_fast(GNUTLS_DIG_SHA256, text, n, sha256) >= 0;
}

bool token_same_hash(const uint8_t a[STORE_SHA256_BYTES], const uint8_t b[STORE_SHA256_BYTES])
{
    return gnutls_memcmp(a, b, STORE_SHA256_BYTES) == 0;
}

const char *token_of_header(const char *authorization, size_t *n)
{
    static const char scheme[] = "Bearer ";

    if (authorization == NULL || strncasecmp(authorization, scheme, sizeof scheme - 1) != 0) {
        return NULL;
    }
    authorization += sizeof scheme - 1;
    authorization += strspn(authorization, " ");
    *n = strlen(authorization);
    while (*n > 0 && authorization[*n - 1] == ' ') {
        (*n)--;
    }
    return authorization;
}

/* ---- what it may ---- */

static const char *const scope_text[] = {
#define SCOPE_TEXT(name, text) text,
    TOKEN_SCOPES(SCOPE_TEXT)
#undef SCOPE_TEXT
};

const char *token_scope_text(enum token_scope scope)
{
    size_t i = 0;

    while (i + 1 < TOKEN_SCOPE_COUNT && (unsigned)scope != 1U << i) {
        i++;
    }
    return scope_text[i];
}

/* Cuts the first of a list with commas off. @return false: it is empty, or longer than size - 1. */
static bool next_word(const char **text, char *word, size_t size)
{
    const size_t n = strcspn(*text, ",");

    if (n == 0 || n >= size) {
        return false;
    }
    memcpy(word, *text, n);
    word[n] = '\0';
    *text += n;
    if (**text == ',') {
        (*text)++;
        return **text != '\0';
    }
    return true;
}

bool token_read_scopes(const char *text, unsigned *scopes)
{
    char word[TOKEN_SCOPES_TEXT];

    *scopes = 0;
    do {
        size_t i = 0;
        if (!next_word(&text, word, sizeof word)) {
            return false;
        }
        while (i < TOKEN_SCOPE_COUNT && strcmp(word, scope_text[i]) != 0) {
            i++;
        }
        if (i == TOKEN_SCOPE_COUNT) {
            return false;
        }
        *scopes |= 1U << i;
    } while (*text != '\0');
    return true;
}

void token_write_scopes(unsigned scopes, char text[TOKEN_SCOPES_TEXT])
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < TOKEN_SCOPE_COUNT; i++) {
        if ((scopes & 1U << i) != 0) {
            used += (size_t)snprintf(text + used, TOKEN_SCOPES_TEXT - used, "%s%s",
                                     used > 0 ? "," : "", scope_text[i]);
        }
    }
}

bool token_read_models(const char *text, struct token_grant *grant)
{
    grant->n_models = 0;
    if (strcmp(text, "*") == 0) {
        return true;
    }
    do {
        if (grant->n_models == TOKEN_MODELS_MAX ||
            !next_word(&text, grant->model[grant->n_models], STORE_NAME_MAX + 1) ||
            !model_name_valid(grant->model[grant->n_models])) {
            return false;
        }
        grant->n_models++;
    } while (*text != '\0');
    return true;
}

bool token_name_valid(const char *name)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const size_t n = strlen(name);

    return n >= 1 && n <= TOKEN_NAME_MAX && strspn(name, good) == n;
}

bool token_is_live(const struct token *token, int64_t now_s)
{
    return token->revoked_s == 0 && token->not_before_s <= now_s &&
           (token->expires_s == 0 || now_s < token->expires_s);
}

bool token_reaches(const struct token_grant *grant, const char *model)
{
    for (size_t i = 0; i < grant->n_models; i++) {
        if (strcmp(grant->model[i], model) == 0) {
            return true;
        }
    }
    return grant->n_models == 0;
}
