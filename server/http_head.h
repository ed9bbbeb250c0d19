/*
 * The head of a request, judged before a byte of its body is taken. libmicrohttpd 0.9.75 is lax
 * about where a request ends (it takes the first of two Content-Lengths, ignores one with a space
 * before its colon, and reads unknown transfer codings to the end of the connection): what is in
 * doubt here is refused, and the connection closed, so that no body is ever taken for a request.
 */
#ifndef RANKD_SERVER_HTTP_HEAD_H
#define RANKD_SERVER_HTTP_HEAD_H

#include "api.h"
#include "problem.h"

#include <stdbool.h>
#include <stddef.h>

#define HTTP_HEADERS_MAX    64
#define HTTP_REQUEST_ID_MAX 64

/* Zero it, add all headers, then judge. Texts are borrowed. */
struct http_head {
    const char *content_type; /* or NULL, as all below */
    const char *content_length;
    const char *transfer_encoding;
    const char *authorization;     /* "" where there are two */
    const char *request_id;        /* a sane one */
    bool has_accept, accepts_json; /* json: or NDJSON, or anything */
    size_t n_headers, n_hosts, n_lengths, n_codings;
    bool bad_name, bad_value;
};

/* What the head is told by. */
struct http_verdict {
    size_t limit; /* body bytes the route takes; 0 = none */
    bool close;   /* answer at once, and close: what follows must not be read */
};

/** Takes one header, in the order of the request. */
void http_head_add(struct http_head *head, const char *name, const char *value);

/**
 * Judges a whole head: framing, whether the call may be made, then length and what is accepted.
 *
 * @param api      asked for the route's limit, and whether the call is admitted.
 * @param call     its method and path (raw, without the query), authorization and peer are set.
 * @param problem  filled if the request is refused for its head.
 */
struct http_verdict http_head_judge(const struct http_head *head, struct api *api,
                                    struct api_call *call, struct problem *problem);

#endif
