/*
 * The loop of a worker. libmicrohttpd's own (0.9.75, MHD_epoll) asks for events until it gets fewer
 * than 128 at once, and waits every time: a burst on so many connections of a worker is answered
 * only when something else happens. Here the waiting is done before, and its epoll never waits.
 */
#include "http_impl.h"

#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int epoll_of(struct MHD_Daemon *daemon)
{
    return MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

/* Until the next of its connections runs out of time; -1: there is none. */
static int wait_ms(struct MHD_Daemon *daemon)
{
    MHD_UNSIGNED_LONG_LONG ms;

    if (MHD_get_timeout(daemon, &ms) != MHD_YES) {
        return -1;
    }
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

static void *work(void *argument)
{
    struct http_worker *worker = argument;
    struct pollfd ready[] = {{.fd = epoll_of(worker->daemon), .events = POLLIN},
                             {.fd = worker->wake, .events = POLLIN}};

    while (!atomic_load(&worker->ending)) {
        eventfd_t count;
        (void)poll(ready, 2, wait_ms(worker->daemon));
        (void)eventfd_read(worker->wake, &count);
        (void)MHD_run(worker->daemon);
    }
    return NULL;
}

void http_worker_wake(struct http_worker *worker)
{
    (void)eventfd_write(worker->wake, 1);
}

bool http_worker_start(struct http_worker *worker)
{
    worker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->wake >= 0 && pthread_create(&worker->thread, NULL, work, worker) == 0) {
        (void)pthread_setname_np(worker->thread, HTTP_WORKER_NAME);
        worker->started = true;
    } else if (worker->wake >= 0) {
        (void)close(worker->wake);
    }
    return worker->started;
}

void http_worker_stop(struct http_worker *worker)
{
    if (worker->started) {
        atomic_store(&worker->ending, true);
        http_worker_wake(worker);
        (void)pthread_join(worker->thread, NULL);
        (void)close(worker->wake);
        worker->started = false;
    }
}
