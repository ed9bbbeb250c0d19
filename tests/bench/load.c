/*
 * The process that sends requests. Its connections are kept from command to command.
 */
#include "load.h"

#include "bench.h"
#include "grow.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t)1 << 20)
#define PORTS      4
#define SHOWN_MAX  500 /* of an answer that is not good */

struct command {
    uint16_t port;
    size_t request, n, connections;
    double per_second; /* 0: as soon as there was an answer */
    bool until;
};

struct connection {
    int fd;
    bool busy;
    double since; /* seconds: when its request was sent, or due */
    char *answer; /* (ANSWER_MAX + 1) */
    size_t n;
};

/* All connections to one port. */
struct way {
    uint16_t port; /* 0: none */
    int ready;     /* epoll */
    size_t n;
    struct connection connection[LOAD_CONNECTIONS];
};

struct client {
    struct load *load;
    struct way way[PORTS];
    double *waited; /* (n) of a command, seconds */
    size_t room;
};

static double now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- connections ---- */

static void connect_one(struct way *way, struct connection *connection)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(way->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    const int on = 1;

    connection->fd = socket(AF_INET, SOCK_STREAM, 0);
    connection->answer = bench_alloc(ANSWER_MAX + 1);
    bench_need(connect(connection->fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                   setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
                   epoll_ctl(way->ready, EPOLL_CTL_ADD, connection->fd, &event) == 0,
               "no connection to the server");
}

static struct way *way_to(struct client *client, uint16_t port, size_t connections)
{
    struct way *way = client->way;

    while (way->port != 0 && way->port != port) {
        way++;
        bench_need(way < client->way + PORTS, "too many ports");
    }
    if (way->port == 0) {
        way->port = port;
        way->ready = epoll_create1(0);
    }
    while (way->n < connections) {
        connect_one(way, &way->connection[way->n++]);
    }
    return way;
}

/* Takes what has come. @return the body when all of it is there, else NULL. */
static const char *receive(struct connection *connection, size_t *body_n)
{
    const ssize_t n =
        recv(connection->fd, connection->answer + connection->n, ANSWER_MAX - connection->n, 0);
    const char *length, *body;

    bench_need(n > 0, "a connection was closed, or an answer is too long");
    connection->n += (size_t)n;
    connection->answer[connection->n] = '\0';
    body = strstr(connection->answer, "\r\n\r\n");
    length = strcasestr(connection->answer, "\r\nContent-Length:");
    if (body == NULL || length == NULL || length > body) {
        return NULL;
    }
    *body_n = strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
    body += 4;
    return (size_t)(connection->answer + connection->n - body) >= *body_n ? body : NULL;
}

static bool is_good(const struct connection *connection, const char *body, const char *expected)
{
    return strncmp(connection->answer, "HTTP/1.1 2", 10) == 0 && strstr(body, expected) != NULL;
}

static void write_number(char *at, size_t number)
{
    for (size_t i = LOAD_DIGITS; i > 0; i--) {
        at[i - 1] = (char)('0' + number % 10);
        number /= 10;
    }
}

/* Every third number ends an e; and so does the last. */
static void write_numbers(struct load_request *request)
{
    for (size_t i = 0; i < request->n_numbers; i++) {
        const size_t e = request->next, part = i % 3;
        write_number(request->text + request->number[i], part == 0   ? e
                                                         : part == 1 ? e / LOAD_ITEMS
                                                                     : e % LOAD_ITEMS);
        request->next += part == 2 || i + 1 == request->n_numbers ? 1 : 0;
    }
}

static void send_on(struct connection *connection, struct load_request *request, double since)
{
    write_numbers(request);
    connection->n = 0;
    connection->busy = true;
    connection->since = since;
    for (size_t sent = 0; sent < request->n;) {
        const ssize_t n =
            send(connection->fd, request->text + sent, request->n - sent, MSG_NOSIGNAL);
        bench_need(n > 0, "a request cannot be sent");
        sent += (size_t)n;
    }
}

/* ---- commands ---- */

/* Sends what is due on connections that are free. @return milliseconds until the next is due. */
static int send_due(struct way *way, const struct command *command, struct load_request *request,
                    double start, size_t *sent)
{
    for (size_t i = 0; i < command->connections && *sent < command->n; i++) {
        const double due =
            command->per_second > 0 ? start + (double)*sent / command->per_second : now_s();
        const double wait = due - now_s();
        if (wait > 0) {
            return wait < 1e-3 ? 0 : (int)(wait * 1e3);
        }
        if (!way->connection[i].busy) {
            send_on(&way->connection[i], request, due);
            ++*sent;
        }
    }
    return -1;
}

static void take_answers(struct client *client, struct way *way, const struct command *command,
                         int timeout_ms, struct load_result *result)
{
    const struct load_request *request = &client->load->request[command->request];
    struct epoll_event event[LOAD_CONNECTIONS];
    const int n = epoll_wait(way->ready, event, LOAD_CONNECTIONS, timeout_ms);

    for (int i = 0; i < n; i++) {
        struct connection *connection = event[i].data.ptr;
        const char *body = receive(connection, &result->answer_n);
        if (body == NULL) {
            continue;
        }
        connection->busy = false;
        if (is_good(connection, body, request->expected)) {
            client->waited[result->n++] = now_s() - connection->since;
        } else {
            connection->answer[SHOWN_MAX] = '\0';
            bench_need(command->until, connection->answer);
        }
    }
}

static struct load_result obey(struct client *client, const struct command *command)
{
    struct load_request *request = &client->load->request[command->request];
    struct way *way = way_to(client, command->port, command->connections);
    struct load_result result = {0};
    const double start = now_s();
    size_t sent = 0;

    if (command->n > client->room) {
        free(client->waited);
        client->waited = bench_alloc(command->n * sizeof *client->waited);
        client->room = command->n;
    }
    while (result.n < command->n) {
        const int timeout_ms = send_due(way, command, request, start, &sent);
        take_answers(client, way, command, timeout_ms, &result);
        if (command->until && result.n == 0 && !way->connection[0].busy) {
            sent = 0;
        }
    }
    qsort(client->waited, result.n, sizeof *client->waited, bench_compare);
    result.p50_s = client->waited[result.n / 2];
    result.p99_s = client->waited[result.n * 99 / 100];
    return result;
}

static void serve_commands(struct load *load, int ask, int answer)
{
    static struct client client;
    struct command command;

    client.load = load;
    while (read(ask, &command, sizeof command) == (ssize_t)sizeof command) {
        const struct load_result result = obey(&client, &command);
        bench_need(write(answer, &result, sizeof result) == (ssize_t)sizeof result,
                   "nobody waits for the result");
    }
    exit(0);
}

/* ---- the side that commands ---- */

static void find_numbers(struct load_request *request, const char *body)
{
    size_t room = 0;

    for (const char *at = strchr(body, '#'); at != NULL; at = strchr(at + LOAD_DIGITS, '#')) {
        bench_need(grow_reserve(&request->number, &room, request->n_numbers + 1), "out of memory");
        request->number[request->n_numbers++] = (size_t)(at - request->text);
    }
}

size_t load_add(struct load *load, const char *method, const char *path, const char *body, size_t n,
                const char *expected)
{
    struct load_request *request = &load->request[load->n_requests];
    FILE *out = open_memstream(&request->text, &request->n);

    bench_need(load->n_requests < LOAD_REQUESTS && out != NULL, "too many requests");
    (void)fprintf(out,
                  "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                  "Content-Length: %zu\r\n\r\n",
                  method, path, n);
    (void)fwrite(body, 1, n, out);
    bench_need(fclose(out) == 0, "out of memory");
    request->expected = expected;
    find_numbers(request, request->text + request->n - n);
    return load->n_requests++;
}

void load_start(struct load *load)
{
    int ask[2], answer[2];

    bench_need(pipe(ask) == 0 && pipe(answer) == 0, "no pipes");
    load->process = fork();
    bench_need(load->process >= 0, "no process for the clients");
    if (load->process == 0) {
        (void)close(ask[1]);
        (void)close(answer[0]);
        serve_commands(load, ask[0], answer[1]);
    }
    (void)close(ask[0]);
    (void)close(answer[1]);
    load->ask = ask[1];
    load->answer = answer[0];
}

void load_stop(struct load *load)
{
    (void)close(load->ask);
    (void)close(load->answer);
    (void)waitpid(load->process, NULL, 0);
    for (size_t i = 0; i < load->n_requests; i++) {
        free(load->request[i].text);
        free(load->request[i].number);
    }
}

static struct load_result tell(struct load *load, const struct command *command)
{
    struct load_result result;

    bench_need(write(load->ask, command, sizeof *command) == (ssize_t)sizeof *command &&
                   read(load->answer, &result, sizeof result) == (ssize_t)sizeof result,
               "the clients have ended");
    return result;
}

struct load_result load_closed(struct load *load, uint16_t port, size_t request, size_t n,
                               size_t connections)
{
    return load_open(load, port, request, n, connections, 0);
}

struct load_result load_open(struct load *load, uint16_t port, size_t request, size_t n,
                             size_t connections, double per_second)
{
    const struct command command = {.port = port,
                                    .request = request,
                                    .n = n,
                                    .connections = connections,
                                    .per_second = per_second};

    return tell(load, &command);
}

void load_until(struct load *load, uint16_t port, size_t request)
{
    const struct command command = {
        .port = port, .request = request, .n = 1, .connections = 1, .until = true};

    (void)tell(load, &command);
}
