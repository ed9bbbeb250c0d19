/*
 * Feedback through HTTP: 64 connections that are kept, one event a request, each waiting for its
 * acknowledgement before it sends the next; with learning going on, and paused. Beside a loop that
 * commits every event in a transaction of its own, and beside the writer without HTTP. Wall-clock
 * time; the server, its trainer and the clients, which are one thread, share the machine.
 */
#include "bench.h"
#include "clock.h"
#include "commit.h"
#include "log.h"
#include "service.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS 64
#define EVENTS      2048 /* of a round */
#define ROWS        3
#define ITEMS       16 /* of a ranking; each is clicked on once */
#define ALL_EVENTS  ((size_t)ROWS * (BENCH_ROUNDS + 1) * EVENTS)
#define DIGITS      8 /* of every number in a request */
#define NUMBERS     3
#define TEXT        512
#define ANSWER      4096

_Static_assert(ALL_EVENTS % ITEMS == 0, "a ranking would have too few events");

/* A request as it goes out, but for its numbers. */
struct request {
    char text[TEXT];
    size_t n;
    char *number[NUMBERS]; /* places of DIGITS digits in text; NULL: it has no such number */
    const char *expected;  /* stands in a good answer */
};

struct connection {
    int fd;
    int64_t sent_ns; /* monotonic */
    char answer[ANSWER];
    size_t n;
};

struct feedback {
    struct commit commit;
    struct service service;
    struct connection connection[CONNECTIONS];
    int ready; /* epoll, of all connections */
    struct request score, click;
    size_t clicked;                 /* so far */
    struct metric_histogram waited; /* from sending an event to its acknowledgement */
};

/* ---- requests ---- */

/* Numbers are written over runs of #. */
static void make_request(struct request *request, const char *path, const char *body,
                         const char *expected)
{
    char *at = request->text;

    request->n = (size_t)snprintf(request->text, sizeof request->text,
                                  "POST %s HTTP/1.1\r\nHost: localhost\r\n"
                                  "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                                  path, strlen(body), body);
    bench_need(request->n < sizeof request->text, "a request is too long");
    request->expected = expected;
    for (size_t i = 0; i < NUMBERS && (at = strchr(at, '#')) != NULL; i++) {
        request->number[i] = at;
        at += DIGITS;
    }
}

static void write_number(char *at, size_t number)
{
    for (size_t i = DIGITS; at != NULL && i > 0; i--) {
        at[i - 1] = (char)('0' + number % 10);
        number /= 10;
    }
}

/* ---- connections ---- */

/* Takes what has come. @return the answer is there. */
static bool receive(struct connection *connection, const struct request *request)
{
    const ssize_t n = recv(connection->fd, connection->answer + connection->n,
                           sizeof connection->answer - 1 - connection->n, 0);
    const char *length, *body;

    bench_need(n > 0, "a connection was closed, or an answer is too long");
    connection->n += (size_t)n;
    connection->answer[connection->n] = '\0';
    body = strstr(connection->answer, "\r\n\r\n");
    length = strcasestr(connection->answer, "\r\nContent-Length:");
    if (body == NULL || length == NULL ||
        strlen(body + 4) < strtoul(length + strlen("\r\nContent-Length:"), NULL, 10)) {
        return false;
    }
    bench_need(strncmp(connection->answer, "HTTP/1.1 200 ", 13) == 0 &&
                   strstr(body, request->expected) != NULL,
               connection->answer);
    return true;
}

static void connect_all(struct feedback *f)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(http_port(f->service.http)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    f->ready = epoll_create1(0);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct connection *connection = &f->connection[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        connection->fd = socket(AF_INET, SOCK_STREAM, 0);
        bench_need(connect(connection->fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                       epoll_ctl(f->ready, EPOLL_CTL_ADD, connection->fd, &event) == 0,
                   "no connection to the server");
    }
}

/* ---- what is asked ---- */

/* Event `number` is a click on one item of one ranking. */
static void ask(struct connection *connection, struct request *request, size_t number)
{
    write_number(request->number[0], number);
    write_number(request->number[1], number / ITEMS);
    write_number(request->number[2], number % ITEMS);
    connection->n = 0;
    connection->sent_ns = clock_monotonic_ns();
    bench_need(send(connection->fd, request->text, request->n, MSG_NOSIGNAL) == (ssize_t)request->n,
               "a request cannot be sent");
}

/* Asks for numbers [from, end), each connection for the next as soon as it has its answer. */
static void ask_all(struct feedback *f, struct request *request, size_t from, size_t end)
{
    struct epoll_event event[CONNECTIONS];
    size_t next = from, done = from;

    for (size_t i = 0; i < CONNECTIONS && next < end; i++) {
        ask(&f->connection[i], request, next++);
    }
    while (done < end) {
        const int n = epoll_wait(f->ready, event, CONNECTIONS, -1);
        for (int i = 0; i < n; i++) {
            struct connection *connection = event[i].data.ptr;
            if (!receive(connection, request)) {
                continue;
            }
            metrics_observe(&f->waited, (uint64_t)(clock_monotonic_ns() - connection->sent_ns));
            done++;
            if (next < end) {
                ask(connection, request, next++);
            }
        }
    }
}

/* ---- rounds ---- */

static void through_http(void *context, size_t round)
{
    struct feedback *f = context;

    (void)round;
    ask_all(f, &f->click, f->clicked, f->clicked + EVENTS);
    f->clicked += EVENTS;
}

static void through_writer(void *context, size_t round)
{
    (void)round;
    commit_together(&((struct feedback *)context)->commit);
}

static void singly(void *context, size_t round)
{
    (void)round;
    commit_singly(&((struct feedback *)context)->commit);
}

/* ---- set-up ---- */

static void serve(struct feedback *f)
{
    char db[COMMIT_PATH], listen[] = "--listen=127.0.0.1:0";
    char *const arguments[] = {db, listen};
    struct rk_error err = {0};

    (void)snprintf(db, sizeof db, "--db=%s/rankd.db", f->commit.folder);
    bench_need(options_read(&f->service.options, 2, arguments, &err) == RK_OK &&
                   service_start(&f->service, &err) == RK_OK &&
                   service_listen(&f->service, &err) == RK_OK,
               err.text);
    connect_all(f);
}

static void make_requests(struct feedback *f)
{
    char body[TEXT];
    size_t n = (size_t)snprintf(body, sizeof body, "{\"ranking_id\":\"r########\",\"items\":[");

    for (size_t i = 0; i < ITEMS; i++) {
        n += (size_t)snprintf(body + n, sizeof body - n, "%s\"i%0*zu\"", i > 0 ? "," : "", DIGITS,
                              i);
    }
    (void)snprintf(body + n, sizeof body - n, "]}");
    make_request(&f->score, "/v1/score", body, "\"ranking_id\":\"r");
    make_request(&f->click, "/v1/feedback",
                 "{\"event_id\":\"e########\",\"ranking_id\":\"r########\","
                 "\"item_id\":\"i########\",\"type\":\"click\"}",
                 "\"accepted\":1");
}

static void pause_learning(struct feedback *f)
{
    struct request pause = {0};

    make_request(&pause, "/v1/models/default/pause", "", "\"state\":");
    ask_all(f, &pause, 0, 1);
}

static void run(struct feedback *f, const char *name, bench_round floor, size_t n_floor)
{
    const struct bench_row row = {.name = name,
                                  .clock = CLOCK_MONOTONIC,
                                  .figure = BENCH_PER_SECOND,
                                  .work = through_http,
                                  .floor = floor,
                                  .n_work = EVENTS,
                                  .n_floor = (double)n_floor};

    f->waited = (struct metric_histogram){0};
    bench_run(&row, f);
    (void)printf("  acknowledged after: p50 %.1f ms, p99 %.1f ms\n",
                 1e3 * metrics_quantile(&f->waited, 0.5), 1e3 * metrics_quantile(&f->waited, 0.99));
}

int main(void)
{
    static struct feedback f;

    log_start(LOG_LEVEL_ERROR, false);
    commit_open(&f.commit);
    serve(&f);
    make_requests(&f);
    ask_all(&f, &f.score, 0, ALL_EVENTS / ITEMS);
    bench_title("acknowledged events per second of wall-clock time, through HTTP");
    run(&f, "HTTP, 64 connections, learning / a commit an event", singly, COMMIT_SINGLES);
    pause_learning(&f);
    run(&f, "HTTP, 64 connections / a commit an event", singly, COMMIT_SINGLES);
    run(&f, "HTTP, 64 connections / writer with 64 clients", through_writer, COMMIT_EVENTS);
    (void)printf("%ld processors, which the server and its clients share\n",
                 sysconf(_SC_NPROCESSORS_ONLN));
    for (size_t i = 0; i < CONNECTIONS; i++) {
        (void)close(f.connection[i].fd);
    }
    (void)close(f.ready);
    service_stop(&f.service);
    commit_close(&f.commit);
    return 0;
}
