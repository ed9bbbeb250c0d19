/*
 * A worker's loop: however many of its connections become ready at once, all of them are served.
 */
#include "http_fixture.h"
#include "test.h"

#define BURST 300  /* libmicrohttpd takes 128 at a time */
#define LISTS 3000 /* that keep the only worker busy meanwhile */

struct burst {
    struct http *http;
    struct http_client busy;
    struct http_client client[BURST];
};

static void start(struct burst *burst, struct listening *listening)
{
    const struct http_options options = {.address = "127.0.0.1:0",
                                         .threads = 1,
                                         .connections = 2 * BURST,
                                         .body_pool_bytes = (size_t)64 << 20};

    assert_ok(http_start(&listening->api->service.api, &options, &burst->http, NULL));
    http_client_init(&burst->busy, http_port(burst->http));
    assert_true(http_client_connect(&burst->busy));
    for (size_t i = 0; i < BURST; i++) {
        http_client_init(&burst->client[i], http_port(burst->http));
        assert_true(http_client_connect(&burst->client[i]));
    }
}

static void end(struct burst *burst)
{
    for (size_t i = 0; i < BURST; i++) {
        http_client_deinit(&burst->client[i]);
    }
    http_client_deinit(&burst->busy);
    (void)http_drain(burst->http, 10000);
    http_stop(&burst->http);
}

/* Lists, one a line, for which the worker takes longer than it takes to send the burst. */
static void keep_busy(struct http_client *client)
{
    static const char line[] = "{\"log\":false,\"items\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\"]}\n";
    const size_t n = LISTS * (sizeof line - 1);
    char head[256];
    char *body = malloc(n + 1);

    assert_non_null(body);
    for (size_t i = 0; i < LISTS; i++) {
        memcpy(body + i * (sizeof line - 1), line, sizeof line);
    }
    (void)snprintf(head, sizeof head,
                   "POST /v1/score HTTP/1.1\r\nHost: localhost\r\n"
                   "Content-Type: application/x-ndjson\r\nContent-Length: %zu\r\n\r\n",
                   n);
    assert_true(http_client_send(client, head, strlen(head)));
    assert_true(http_client_send(client, body, n));
    free(body);
}

static void a_burst_on_more_connections_than_are_taken_at_once_is_answered(void **state)
{
    static const char request[] = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    static struct burst burst;

    start(&burst, *state);
    keep_busy(&burst.busy);
    for (size_t i = 0; i < BURST; i++) {
        assert_true(http_client_send(&burst.client[i], request, strlen(request)));
    }
    for (size_t i = 0; i < BURST; i++) {
        assert_response(http_client_receive(&burst.client[i], true), 200, NULL);
    }
    assert_response(http_client_receive(&burst.busy, true), 200, "\"score\":");
    end(&burst);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTP_TEST(a_burst_on_more_connections_than_are_taken_at_once_is_answered),
    };

    return cmocka_run_group_tests_name("http_worker", tests, api_fixture_group, NULL);
}
