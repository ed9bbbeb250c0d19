/*
 * A small HTTP/1.1 client for tests: one keep-alive connection without delay, blocking, with a
 * deadline. Safe in any thread: it asserts nothing and says what went wrong in the response.
 */
#ifndef RANKD_HTTP_CLIENT_H
#define RANKD_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_client {
    uint16_t port;
    int fd;       /* -1: not connected */
    char *buffer; /* what was received and not used yet, owned */
    size_t used, room;
};

struct http_response {
    int status;    /* 0: no whole response came */
    char *head;    /* status line and headers, owned */
    char *body;    /* terminated, owned */
    size_t body_n; /* as Content-Length has it */
    bool closed;   /* the connection is not to be used again */
};

/* Starts without connecting; ends and frees. */
void http_client_init(struct http_client *client, uint16_t port);
void http_client_deinit(struct http_client *client);

/* Connects to 127.0.0.1, if it is not connected. */
bool http_client_connect(struct http_client *client);

/* Closes; the next request connects again. */
void http_client_close(struct http_client *client);

/*
 * Sends a request and waits for its response. headers: lines that end with "\r\n", or NULL; body
 * may be NULL. Free the response with http_response_deinit, also where status is 0.
 */
struct http_response http_client_ask(struct http_client *client, const char *method,
                                     const char *path, const char *headers, const char *body);

/* POST of JSON. */
struct http_response http_client_post(struct http_client *client, const char *path,
                                      const char *json);

/* The two halves, for bytes that are no proper request; has_body: false after HEAD. */
bool http_client_send(struct http_client *client, const void *bytes, size_t n);
struct http_response http_client_receive(struct http_client *client, bool has_body);

/* Waits for the other side to close. @return false: it sent something instead, or the time is over.
 */
bool http_client_at_end(struct http_client *client);

/* The value of a header up to the end of its line, or NULL; into text. */
const char *http_response_header(const struct http_response *response, const char *name, char *text,
                                 size_t size);

void http_response_deinit(struct http_response *response);

#endif
