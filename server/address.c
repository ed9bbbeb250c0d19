/*
 * Numeric addresses and listening sockets.
 */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum rk_status address_parse(const char *text, struct addrinfo **address, struct rk_error *err)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                   .ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM};
    const char *colon = strrchr(text, ':');
    char host[64] = "";

    if (colon == NULL || (size_t)(colon - text) >= sizeof host || colon[1] == '\0') {
        return rk_fail(err, RK_INVALID, "\"%s\" is not address:port", text);
    }
    if (text[0] == '[' && colon[-1] == ']') {
        memcpy(host, text + 1, (size_t)(colon - text) - 2);
    } else {
        memcpy(host, text, (size_t)(colon - text));
    }
    if (getaddrinfo(host[0] != '\0' ? host : NULL, colon + 1, &hints, address) != 0) {
        return rk_fail(err, RK_INVALID, "\"%s\" is not a numeric address and a port", text);
    }
    return RK_OK;
}

enum rk_status address_listen(const char *text, int *fd, uint16_t *port, struct rk_error *err)
{
    struct addrinfo *address = NULL;
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound;
    const int on = 1;
    enum rk_status status = address_parse(text, &address, err);

    if (status != RK_OK) {
        return status;
    }
    *fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0 || setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(*fd, address->ai_addr, address->ai_addrlen) != 0 || listen(*fd, SOMAXCONN) != 0 ||
        getsockname(*fd, (struct sockaddr *)&bound, &length) != 0) {
        status = rk_fail(err, errno == EADDRINUSE ? RK_BUSY : RK_IO, "cannot listen on %s: %s",
                         text, strerror(errno));
        if (*fd >= 0) {
            close(*fd);
        }
    } else {
        *port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                  : ((struct sockaddr_in *)&bound)->sin_port);
    }
    freeaddrinfo(address);
    return status;
}
