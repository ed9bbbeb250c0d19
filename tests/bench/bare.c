/*
 * A server of a few lines.
 */
#include "bare.h"

#include "bench.h"

#include <poll.h>
#include <stdatomic.h>
#include <string.h>

#define MEMORY     ((size_t)32 << 10) /* of a connection, as rankd's */
#define ANSWER_MAX ((size_t)1 << 20)
#define END_MS     100 /* until an idle one sees that it is to end */

static enum MHD_Result bare_answer(void *context, struct MHD_Connection *connection,
                                   const char *url, const char *method, const char *version,
                                   const char *upload, size_t *upload_n, void **request)
{
    static int seen;
    struct bare *bare = context;
    struct MHD_Response *response;
    enum MHD_Result queued;

    (void)url, (void)method, (void)version, (void)upload;
    if (*request == NULL || *upload_n > 0) {
        *request = &seen;
        *upload_n = 0;
        return MHD_YES;
    }
    response = MHD_create_response_from_buffer(atomic_load(&bare->answer_n), bare->answer,
                                               MHD_RESPMEM_PERSISTENT);
    queued = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return queued;
}

uint16_t bare_port(const struct bare *bare)
{
    return MHD_get_daemon_info(bare->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

/* Waits before the daemon's own epoll, which could wait for ever (as rankd's workers do). */
static void *serve(void *context)
{
    struct bare *bare = context;
    struct pollfd ready = {
        .fd = MHD_get_daemon_info(bare->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
        .events = POLLIN};

    while (!atomic_load(&bare->ending)) {
        MHD_UNSIGNED_LONG_LONG ms;
        (void)poll(&ready, 1, MHD_get_timeout(bare->daemon, &ms) == MHD_YES ? (int)ms : END_MS);
        (void)MHD_run(bare->daemon);
    }
    return NULL;
}

void bare_start(struct bare *bare, const char *expected)
{
    bare->answer = bench_alloc(ANSWER_MAX);
    memset(bare->answer, ' ', ANSWER_MAX);
    memcpy(bare->answer, expected, strlen(expected));
    bare_answers(bare, strlen(expected));
    bare->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, bare_answer, bare,
                                    MHD_OPTION_CONNECTION_MEMORY_LIMIT, MEMORY, MHD_OPTION_END);
    bench_need(bare->daemon != NULL && pthread_create(&bare->thread, NULL, serve, bare) == 0,
               "no bare server");
}

void bare_stop(struct bare *bare)
{
    atomic_store(&bare->ending, true);
    (void)pthread_join(bare->thread, NULL);
    MHD_stop_daemon(bare->daemon);
    free(bare->answer);
}

void bare_answers(struct bare *bare, size_t n)
{
    bench_need(n <= ANSWER_MAX, "an answer is too long");
    atomic_store(&bare->answer_n, n);
}
