/*
 * Numeric addresses and listening sockets.
 */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>

#define FLAGS_AT 13 /* in the head of a TCP segment */
#define FLAG_SYN 2

/* getaddrinfo takes "+80" and " 80" for a port, and 65616 for 80. */
static bool is_port(const char *text)
{
    const size_t n = strlen(text);

    return n >= 1 && n <= 5 && strspn(text, "0123456789") == n && atoi(text) <= UINT16_MAX;
}

enum rk_status address_parse(const char *text, struct addrinfo **address, struct rk_error *err)
{
    const char *colon = strrchr(text, ':');
    const bool bracketed = text[0] == '[' && colon != NULL && colon[-1] == ']';
    /* IPv6 needs its brackets: whether the end of "::1:80" is a port cannot be seen. */
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                   .ai_family = bracketed ? AF_INET6 : AF_INET,
                                   .ai_socktype = SOCK_STREAM};
    char host[64] = "";

    if (colon == NULL || (size_t)(colon - text) >= sizeof host || !is_port(colon + 1)) {
        return rk_fail(err, RK_INVALID, "\"%s\" is not address:port", text);
    }
    if (bracketed) {
        memcpy(host, text + 1, (size_t)(colon - text) - 2);
    } else {
        memcpy(host, text, (size_t)(colon - text));
    }
    if (getaddrinfo(colon != text ? host : NULL, colon + 1, &hints, address) != 0) {
        return rk_fail(err, RK_INVALID, "\"%s\" is not a numeric address and a port", text);
    }
    return RK_OK;
}

/* An IPv4 address inside an IPv6 one is that: ::ffff:127.0.0.1. */
static bool is_mapped(const struct in6_addr *in6)
{
    return IN6_IS_ADDR_V4MAPPED(in6);
}

bool address_is_loopback(const struct addrinfo *address)
{
    const struct in6_addr *in6;

    if (address->ai_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address->ai_addr;
        return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    in6 = &((const struct sockaddr_in6 *)(const void *)address->ai_addr)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(in6) || (is_mapped(in6) && in6->s6_addr[12] == IN_LOOPBACKNET);
}

uint64_t address_hash(const struct sockaddr *address)
{
    const struct in6_addr *in6;

    if (address->sa_family == AF_INET) {
        const struct in_addr *in = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
        return XXH3_64bits(in, sizeof *in);
    }
    if (address->sa_family != AF_INET6) {
        return 0;
    }
    in6 = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    return is_mapped(in6) ? XXH3_64bits(&in6->s6_addr[12], sizeof(struct in_addr))
                          : XXH3_64bits(in6, sizeof *in6 / 2);
}

static uint16_t port_of(const struct sockaddr_storage *bound)
{
    return ntohs(bound->ss_family == AF_INET6
                     ? ((const struct sockaddr_in6 *)(const void *)bound)->sin6_port
                     : ((const struct sockaddr_in *)(const void *)bound)->sin_port);
}

enum rk_status address_listen(const char *text, int *fd, uint16_t *port, struct rk_error *err)
{
    struct addrinfo *address = NULL;
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound;
    const int on = 1;
    enum rk_status status = address_parse(text, &address, err);
    int opened;

    if (status != RK_OK) {
        return status;
    }
    opened = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (opened < 0 || setsockopt(opened, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(opened, address->ai_addr, address->ai_addrlen) != 0 ||
        listen(opened, SOMAXCONN) != 0 ||
        getsockname(opened, (struct sockaddr *)&bound, &length) != 0) {
        status = rk_fail(err, errno == EADDRINUSE ? RK_BUSY : RK_IO, "cannot listen on %s: %s",
                         text, strerror(errno));
        if (opened >= 0) {
            close(opened);
        }
    } else {
        *fd = opened;
        *port = port_of(&bound);
    }
    freeaddrinfo(address);
    return status;
}

void address_shut(int fd)
{
    /* Of a TCP segment, the flags: what begins a connection is dropped, all else taken whole. */
    struct sock_filter code[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS_AT),
                                 BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, FLAG_SYN, 0, 1),
                                 BPF_STMT(BPF_RET | BPF_K, 0),
                                 BPF_STMT(BPF_RET | BPF_K, UINT32_MAX)};
    const struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};

    (void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}
