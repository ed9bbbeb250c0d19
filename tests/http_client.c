/*
 * Sockets, and just as much of HTTP/1.1 as rankd's answers have.
 */
#include "http_client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define DEADLINE_S 60
#define CHUNK      ((size_t)16 << 10)

void http_client_init(struct http_client *client, uint16_t port)
{
    *client = (struct http_client){.port = port, .fd = -1};
}

void http_client_close(struct http_client *client)
{
    if (client->fd >= 0) {
        (void)close(client->fd);
        client->fd = -1;
    }
    client->used = 0;
}

void http_client_deinit(struct http_client *client)
{
    http_client_close(client);
    free(client->buffer);
    client->buffer = NULL;
    client->room = 0;
}

bool http_client_connect(struct http_client *client)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(client->port),
                                        .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const struct timeval deadline = {.tv_sec = DEADLINE_S};
    const int on = 1;

    if (client->fd >= 0) {
        return true;
    }
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0 || setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline) != 0 ||
        setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline) != 0 ||
        connect(client->fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        http_client_close(client);
        return false;
    }
    return true;
}

bool http_client_send(struct http_client *client, const void *bytes, size_t n)
{
    const char *at = bytes;

    while (n > 0) {
        const ssize_t sent = send(client->fd, at, n, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        at += sent;
        n -= (size_t)sent;
    }
    return true;
}

/* Receives more behind what is there. */
static bool receive_more(struct http_client *client)
{
    ssize_t got;

    if (client->room < client->used + CHUNK + 1) {
        const size_t room = 2 * client->room + CHUNK + 1;
        char *grown = realloc(client->buffer, room);
        if (grown == NULL) {
            return false;
        }
        client->buffer = grown;
        client->room = room;
    }
    got = recv(client->fd, client->buffer + client->used, CHUNK, 0);
    if (got <= 0) {
        return false;
    }
    client->used += (size_t)got;
    client->buffer[client->used] = '\0';
    return true;
}

/* Takes n bytes off the front of what was received. */
static char *take(struct http_client *client, size_t n)
{
    char *taken = malloc(n + 1);

    if (taken != NULL) {
        memcpy(taken, client->buffer, n);
        taken[n] = '\0';
        client->used -= n;
        memmove(client->buffer, client->buffer + n, client->used + 1);
    }
    return taken;
}

static bool receive_head(struct http_client *client, struct http_response *response)
{
    const char *end;

    while (client->used == 0 || (end = strstr(client->buffer, "\r\n\r\n")) == NULL) {
        if (!receive_more(client)) {
            return false;
        }
    }
    response->head = take(client, (size_t)(end - client->buffer) + 4);
    return response->head != NULL && strncmp(response->head, "HTTP/1.1 ", 9) == 0;
}

struct http_response http_client_receive(struct http_client *client, bool has_body)
{
    struct http_response response = {0};
    char value[64];

    if (client->fd < 0 || !receive_head(client, &response)) {
        response.closed = true;
        http_client_close(client);
        return response;
    }
    if (http_response_header(&response, "Content-Length", value, sizeof value) != NULL) {
        response.body_n = strtoul(value, NULL, 10);
    }
    while (has_body && client->used < response.body_n) {
        if (!receive_more(client)) {
            response.closed = true;
            http_client_close(client);
            return response;
        }
    }
    response.body = take(client, has_body ? response.body_n : 0);
    response.status = atoi(response.head + 9);
    if (http_response_header(&response, "Connection", value, sizeof value) != NULL &&
        strcasecmp(value, "close") == 0) {
        response.closed = true;
    }
    return response;
}

struct http_response http_client_ask(struct http_client *client, const char *method,
                                     const char *path, const char *headers, const char *body)
{
    const size_t n = body != NULL ? strlen(body) : 0;
    struct http_response response = {.closed = true};
    char *text = NULL;
    int length;

    if (!http_client_connect(client)) {
        return response;
    }
    length = body != NULL
                 ? asprintf(&text, "%s %s HTTP/1.1\r\nHost: rankd\r\n%sContent-Length: %zu\r\n\r\n",
                            method, path, headers != NULL ? headers : "", n)
                 : asprintf(&text, "%s %s HTTP/1.1\r\nHost: rankd\r\n%s\r\n", method, path,
                            headers != NULL ? headers : "");
    if (length < 0) {
        return response;
    }
    /* One piece where it is small. A server that refuses may answer before all is sent. */
    if (n < CHUNK) {
        text = realloc(text, (size_t)length + n + 1);
        memcpy(text + length, body != NULL ? body : "", n + 1);
        (void)http_client_send(client, text, (size_t)length + n);
    } else if (http_client_send(client, text, (size_t)length)) {
        (void)http_client_send(client, body, n);
    }
    free(text);
    response = http_client_receive(client, strcmp(method, "HEAD") != 0);
    if (response.closed) {
        http_client_close(client);
    }
    return response;
}

struct http_response http_client_post(struct http_client *client, const char *path,
                                      const char *json)
{
    return http_client_ask(client, "POST", path, "Content-Type: application/json\r\n", json);
}

bool http_client_at_end(struct http_client *client)
{
    char byte;

    /* A reset is an end too: the server had more to read than it wanted. */
    return client->used == 0 && recv(client->fd, &byte, 1, 0) <= 0;
}

const char *http_response_header(const struct http_response *response, const char *name, char *text,
                                 size_t size)
{
    const size_t name_n = strlen(name);

    for (const char *line = response->head; line != NULL && *line != '\0';) {
        const size_t n = strcspn(line, "\r\n");
        if (n > name_n && strncasecmp(line, name, name_n) == 0 && line[name_n] == ':') {
            const char *value = line + name_n + 1 + strspn(line + name_n + 1, " ");
            (void)snprintf(text, size, "%.*s", (int)(line + n - value), value);
            return text;
        }
        line += n + strspn(line + n, "\r\n");
    }
    return NULL;
}

void http_response_deinit(struct http_response *response)
{
    free(response->head);
    free(response->body);
    *response = (struct http_response){0};
}
