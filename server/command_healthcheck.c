/*
 * rankd healthcheck: asks /readyz of the server at --listen and says how it is by the exit code.
 * For containers.
 */
#include "address.h"
#include "command.h"
#include "options.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sysexits.h>
#include <unistd.h>

#define TIMEOUT_S 3

/*
 * Connects to "address:port"; one of all interfaces is asked on the loopback one. @return -1:
 * cannot.
 */
static int connect_to(const char *text)
{
    const struct timeval timeout = {.tv_sec = TIMEOUT_S};
    struct addrinfo *address = NULL;
    char loopback[32];
    const char *port = strrchr(text, ':');
    int fd;

    if (port != NULL &&
        (port == text || strncmp(text, "0.0.0.0:", 8) == 0 || strncmp(text, "[::]:", 5) == 0)) {
        (void)snprintf(loopback, sizeof loopback, "127.0.0.1%s", port);
        text = loopback;
    }
    if (address_parse(text, &address, NULL) != RK_OK) {
        return -1;
    }
    fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) != 0 ||
                    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) != 0 ||
                    connect(fd, address->ai_addr, address->ai_addrlen) != 0)) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(address);
    return fd;
}

int command_healthcheck(int argc, char *const *argv)
{
    static const char request[] =
        "GET /readyz HTTP/1.1\r\nHost: rankd\r\nConnection: close\r\n\r\n";
    struct options options;
    struct rk_error err = {0};
    char answer[32] = "";
    const char *address;
    int fd;
    bool ready;

    if (argc > 0 && strcmp(argv[0], "--help") == 0) {
        (void)printf("usage: rankd healthcheck [--listen ADDRESS:PORT] "
                     "[--ops-listen ADDRESS:PORT]\n\n"
                     "Asks /readyz, of the health listener where there is one; exits with 0 when "
                     "the server is ready.\n");
        return EX_OK;
    }
    if (options_read(&options, argc, argv, &err) != RK_OK) {
        (void)fprintf(stderr, "rankd: %s\n", err.text);
        return EX_USAGE;
    }
    address = options.ops_listen[0] != '\0' ? options.ops_listen : options.listen;
    fd = connect_to(address);
    if (fd < 0) {
        (void)fprintf(stderr, "rankd: nobody listens on %s\n", address);
        return EX_UNAVAILABLE;
    }
    ready = send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)sizeof request - 1 &&
            recv(fd, answer, sizeof answer - 1, MSG_WAITALL) > 12 &&
            strncmp(answer + 9, "200", 3) == 0;
    close(fd);
    if (!ready) {
        (void)fprintf(stderr, "rankd: not ready\n");
    }
    return ready ? EX_OK : EX_UNAVAILABLE;
}
