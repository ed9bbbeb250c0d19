/*
 * Framing first (RFC 9112, 6.3 and 11.2), then length, then what the client accepts.
 */
#include "http_head.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SMALL_BODY ((size_t)32 << 10) /* cheaper to read past than to open a new connection for */

/* RFC 9110, 5.6.2. */
static bool is_token(const char *text)
{
    static const char token[] = "!#$%&'*+-.^_`|~0123456789"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    return text[0] != '\0' && text[strspn(text, token)] == '\0';
}

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return true;
        }
    }
    return false;
}

/* Does one media range of an Accept header, n bytes, take an answer of the API? "q=0" says that it does not. */
static bool takes_json(const char *range, size_t n)
{
    static const char *const types[] = {"*/*", "application/*", "application/json",
                                        "application/x-ndjson", "application/vnd.safetensors"};
    const char *const quality = memmem(range, n, "q=0", 3);
    const size_t type = strcspn(range, ",; \t");

    if (quality != NULL && strspn(quality + 3, ".0") == strcspn(quality + 3, ",; \t")) {
        return false;
    }
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (type == strlen(types[i]) && strncasecmp(range, types[i], type) == 0) {
            return true;
        }
    }
    return false;
}

static bool accepts_json(const char *accept)
{
    while (*accept != '\0') {
        const size_t n = strcspn(accept, ",");
        const size_t space = strspn(accept, " \t");
        if (space < n && takes_json(accept + space, n - space)) {
            return true;
        }
        accept += n + (accept[n] == ',');
    }
    return false;
}

static bool is_sane_id(const char *id)
{
    const size_t n = strlen(id);

    return n >= 1 && n <= HTTP_REQUEST_ID_MAX &&
           strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == n;
}

void http_head_add(struct http_head *head, const char *name, const char *value)
{
    value = value != NULL ? value : "";
    head->n_headers++;
    head->bad_name = head->bad_name || !is_token(name);
    head->bad_value = head->bad_value || has_control(value);
    if (strcasecmp(name, "Content-Length") == 0) {
        head->content_length = value;
        head->n_lengths++;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        head->transfer_encoding = value;
        head->n_codings++;
    } else if (strcasecmp(name, "Host") == 0) {
        head->n_hosts++;
    } else if (strcasecmp(name, "Content-Type") == 0) {
        head->content_type = value;
    } else if (strcasecmp(name, "Authorization") == 0) {
        head->authorization = head->authorization == NULL ? value : "";
    } else if (strcasecmp(name, "X-Request-Id") == 0) {
        head->request_id = is_sane_id(value) ? value : NULL;
    } else if (strcasecmp(name, "Accept") == 0 && value[0] != '\0') {
        head->has_accept = true;
        head->accepts_json = head->accepts_json || accepts_json(value);
    }
}

static bool frames(const struct http_head *head, struct problem *problem)
{
    if (head->bad_name) {
        return problem_set(problem, PROBLEM_BAD_FRAMING, "the name of a header is malformed");
    }
    if (head->n_lengths > 1 || head->n_codings > 1 || head->n_lengths + head->n_codings > 1) {
        return problem_set(problem, PROBLEM_BAD_FRAMING,
                           "send one Content-Length or one Transfer-Encoding, not both");
    }
    if (head->n_codings > 0 && strcasecmp(head->transfer_encoding, "chunked") != 0) {
        return problem_set(problem, PROBLEM_UNSUPPORTED_TRANSFER_ENCODING,
                           "of transfer codings chunked alone is taken");
    }
    if (head->n_lengths > 0 &&
        (head->content_length[0] == '\0' ||
         head->content_length[strspn(head->content_length, "0123456789")] != '\0')) {
        return problem_set(problem, PROBLEM_BAD_FRAMING, "Content-Length is not a number");
    }
    if (head->bad_value || head->n_hosts > 1 || head->n_headers > HTTP_HEADERS_MAX) {
        return problem_set(problem, PROBLEM_BAD_REQUEST,
                           "a header has control characters, there are two Hosts, or more than "
                           "%d headers",
                           HTTP_HEADERS_MAX);
    }
    return true;
}

static bool may_have_body(const char *method)
{
    return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
           strcmp(method, "PATCH") == 0;
}

/* Content-Length, as far as it is told. @pre it is digits. @return false: it is no number of bytes. */
static bool told_length(const struct http_head *head, unsigned long long *n)
{
    errno = 0;
    *n = head->n_lengths > 0 ? strtoull(head->content_length, NULL, 10) : 0;
    return errno == 0;
}

struct http_verdict http_head_judge(const struct http_head *head, struct api *api,
                                    struct api_call *call, struct problem *problem)
{
    struct http_verdict verdict = {0};
    unsigned long long n = 0;
    bool needed;

    if (!frames(head, problem)) {
        verdict.close = true;
        return verdict;
    }
    if (!api_admit(api, call, problem)) { /* of a body nothing is read but what is cheap */
        verdict.close = head->n_codings > 0 || !told_length(head, &n) || n > SMALL_BODY;
        return verdict;
    }
    verdict.limit =
        api_body_limit(api, call->method, call->path, head->content_type, &needed, problem);
    if (head->n_lengths + head->n_codings == 0 && may_have_body(call->method) &&
        (needed || head->content_type != NULL)) {
        verdict.close = true;
        (void)problem_set(problem, PROBLEM_LENGTH_REQUIRED, "send Content-Length");
        return verdict;
    }
    if (!told_length(head, &n) || (n > verdict.limit && verdict.limit > 0)) {
        verdict.close = true;
        (void)problem_set(problem, PROBLEM_BODY_TOO_LARGE, "at most %zu bytes are taken here",
                          verdict.limit);
    } else if (head->has_accept && !head->accepts_json && strncmp(call->path, "/v1/", 4) == 0) {
        (void)problem_set(problem, PROBLEM_NOT_ACCEPTABLE, "answers are application/json");
    }
    verdict.close = verdict.close || n > (verdict.limit > SMALL_BODY ? verdict.limit : SMALL_BODY);
    return verdict;
}
