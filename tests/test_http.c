/*
 * The listener: headers of answers, parking, and its end. Over sockets, with the API behind it.
 */
#include "clock.h"
#include "http_fixture.h"
#include "test.h"

#include <pthread.h>
#include <sched.h>

#define CLIENTS 8
#define ROUNDS  25

/* ---- answers ---- */

static void every_answer_has_the_common_headers(void **state)
{
    static const struct {
        const char *method, *path;
        int status;
    } cases[] = {{"GET", "/livez", 200}, {"GET", "/nowhere", 404}, {"GET", "/v1/models", 200}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_response response = ask_for(*state, cases[i].method, cases[i].path, NULL);
        char id[128];
        assert_int_equal(response.status, cases[i].status);
        assert_header(&response, "Cache-Control", "no-store");
        assert_non_null(http_response_header(&response, "X-Request-Id", id, sizeof id));
        assert_int_equal(strlen(id), 26);
        assert_non_null(http_response_header(&response, "Content-Type", id, sizeof id));
        http_response_deinit(&response);
    }
}

static void a_sane_request_id_is_echoed_and_another_replaced(void **state)
{
    struct http_response response =
        ask_for(*state, "GET", "/nowhere", "X-Request-Id: Abc-1._x\r\n");
    assert_header(&response, "X-Request-Id", "Abc-1._x");
    assert_response(response, 404, "\"instance\":\"Abc-1._x\"");
    response = ask_for(*state, "GET", "/livez", "X-Request-Id: a b\r\n");
    assert_null(strstr(response.head, "a b"));
    http_response_deinit(&response);
    response = ask_for(*state, "GET", "/livez", "X-Request-Id: \"><script>\r\n");
    assert_null(strstr(response.head, "script"));
    http_response_deinit(&response);
}

static void problems_carry_their_headers(void **state)
{
    struct listening *listening = *state;
    struct http_response response = ask_for(listening, "DELETE", "/v1/models", NULL);
    assert_header(&response, "Content-Type", "application/problem+json");
    assert_header(&response, "Allow", "GET, HEAD");
    assert_response(response, 405, "/problems/method-not-allowed");
    response = http_client_ask(&listening->client, "POST", "/v1/models/default/train", NULL, "");
    assert_header(&response, "Location", "/v1/models/default/training");
    assert_response(response, 202, "running");
    atomic_store(&listening->api->service.api.draining, true);
    response = ask_for(listening, "GET", "/readyz", NULL);
    assert_header(&response, "Retry-After", "5");
    assert_header(&response, "Connection", "close");
    assert_response(response, 503, "/problems/draining");
}

static void head_has_the_headers_of_get_and_no_body(void **state)
{
    struct http_response get = ask_for(*state, "GET", "/v1/models", NULL);
    struct http_response head = ask_for(*state, "HEAD", "/v1/models", NULL);
    assert_int_equal(head.status, 200);
    assert_int_equal(head.body_n, get.body_n);
    assert_string_equal(head.body, "");
    http_response_deinit(&get);
    http_response_deinit(&head);
    assert_response(ask_for(*state, "GET", "/livez", NULL), 200, "ok");
}

static void no_content_has_no_content_type(void **state)
{
    struct listening *listening = *state;
    struct http_response response;
    char value[64];
    assert_response(http_client_ask(&listening->client, "PUT", "/v1/items/a%2Fb", HTTP_JSON,
                                    "{\"features\": {}}"),
                    201, "\"a/b\"");
    response = ask_for(listening, "DELETE", "/v1/items/a%2fb", NULL);
    assert_int_equal(response.status, 204);
    assert_null(http_response_header(&response, "Content-Type", value, sizeof value));
    http_response_deinit(&response);
}

static void paths_and_queries_come_through_undecoded(void **state)
{
    struct listening *listening = *state;
    assert_response(http_client_post(&listening->client, "/v1/items",
                                     "{\"items\": [{\"id\": \"a b\", \"features\": {}},"
                                     " {\"id\": \"a+b&c=%\", \"features\": {}}, {\"id\": \"z\","
                                     " \"features\": {}}]}"),
                    200, "3");
    assert_response(ask_for(listening, "GET", "/v1/items?after=a%20b&limit=1", NULL), 200,
                    "{\"items\":[{\"id\":\"a+b&c=%\",\"features\":{}}]}");
    assert_response(ask_for(listening, "GET", "/v1/items?limit=1&after=a%2Bb%26c%3D%25", NULL), 200,
                    "{\"items\":[{\"id\":\"z\"");
    assert_response(ask_for(listening, "GET", "/v1/items/a%00b", NULL), 400, "bad-request");
    assert_response(ask_for(listening, "GET", "/v1/items?after=%zz", NULL), 400, "bad-request");
}

static void a_query_that_is_too_long_is_refused(void **state)
{
    char path[2048];
    (void)snprintf(path, sizeof path, "/v1/items?after=%01500d", 1);
    assert_response(ask_for(*state, "GET", path, NULL), 400, "bad-request");
    assert_response(ask_for(*state, "GET", "/livez", NULL), 200, NULL);
}

static void an_answer_that_is_not_accepted_is_refused(void **state)
{
    assert_response(ask_for(*state, "GET", "/v1/models", "Accept: text/html\r\n"), 406,
                    "not-acceptable");
    assert_response(ask_for(*state, "GET", "/v1/models", "Accept: text/html, */*\r\n"), 200, NULL);
}

/* ---- parking ---- */

struct poster {
    pthread_t thread;
    uint16_t port;
    int number;
    int failed; /* requests that were not answered as they should */
};

static void *post_clicks(void *context)
{
    struct poster *poster = context;
    struct http_client client;
    http_client_init(&client, poster->port);
    for (int i = 0; i < ROUNDS; i++) {
        char body[256];
        struct http_response response;
        (void)snprintf(body, sizeof body, "{\"ranking_id\": \"%d-%d\", \"items\": [\"a\", \"b\"]}",
                       poster->number, i);
        response = http_client_post(&client, "/v1/score", body);
        poster->failed += response.status != 200;
        http_response_deinit(&response);
        (void)snprintf(body, sizeof body,
                       "{\"ranking_id\": \"%d-%d\", \"item_id\": \"b\", \"type\": \"click\"}",
                       poster->number, i);
        response = http_client_post(&client, "/v1/feedback", body);
        poster->failed += response.status != 200 || strstr(response.body, "accepted\"}") == NULL;
        http_response_deinit(&response);
    }
    http_client_deinit(&client);
    return NULL;
}

static void many_clients_click_at_once(void **state)
{
    struct listening *listening = *state;
    struct poster poster[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        poster[i] = (struct poster){.port = http_port(listening->http), .number = i};
        assert_int_equal(pthread_create(&poster[i].thread, NULL, post_clicks, &poster[i]), 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(pthread_join(poster[i].thread, NULL), 0);
        assert_int_equal(poster[i].failed, 0);
    }
    assert_non_null(strstr(get(listening->api, "/metrics")->text,
                           "rankd_events_total{status=\"accepted\"} 200\n"));
}

static void await_queued(struct listening *listening, size_t jobs)
{
    const int64_t deadline_ns = clock_monotonic_ns() + INT64_C(30000000000);
    while (writer_queued(listening->api->service.writer).jobs < jobs) {
        assert_true(clock_monotonic_ns() < deadline_ns);
        (void)sched_yield();
    }
}

static const char click[] = "{\"ranking_id\": \"r\", \"item_id\": \"c\", \"type\": \"click\"}";

/* Serves ranking r, then holds the writer and sends a click, which is parked. */
static void park_a_click(struct listening *listening)
{
    char request[256];
    (void)snprintf(request, sizeof request,
                   "POST /v1/feedback HTTP/1.1\r\nHost: x\r\n" HTTP_JSON
                   "Content-Length: %zu\r\n\r\n%s",
                   strlen(click), click);
    assert_answered(
        post(listening->api, "/v1/score", "{\"ranking_id\": \"r\", \"items\": [\"c\"]}"), 200);
    (void)log_end(listening->api);
    hold_writer(listening->api);
    assert_true(http_client_connect(&listening->client));
    assert_true(http_client_send(&listening->client, request, strlen(request)));
    await_queued(listening, 1);
}

static void a_client_that_vanishes_while_parked_does_no_harm(void **state)
{
    struct listening *listening = *state;
    park_a_click(listening);
    http_client_close(&listening->client);
    let_writer_go(listening->api);
    assert_response(http_client_post(&listening->client, "/v1/feedback", click), 200, "duplicate");
}

/* ---- the end ---- */

/* libmicrohttpd aborts the process when it is stopped with a suspended connection. */
static void a_call_that_is_parked_longer_than_the_drain_is_answered_still(void **state)
{
    struct listening *listening = *state;
    park_a_click(listening);
    assert_int_equal(http_drain(listening->http, 10), 1);
    let_writer_go(listening->api);
    http_stop(&listening->http);
    assert_null(listening->http);
    assert_response(http_client_receive(&listening->client, true), 200, "accepted");
}

static void what_comes_after_the_drain_does_not_reach_the_api(void **state)
{
    struct listening *listening = *state;
    struct http_client late;
    assert_response(ask_for(listening, "GET", "/livez", NULL), 200, "ok");
    assert_int_equal(http_drain(listening->http, 10000), 0);
    assert_response(ask_for(listening, "GET", "/livez", NULL), 503, "/problems/draining");
    http_client_init(&late, http_port(listening->http));
    assert_false(http_client_connect(&late));
    http_client_deinit(&late);
}

static void nothing_is_drained_and_stopped_where_nothing_runs(void **state)
{
    struct http *none = NULL;
    (void)state;
    assert_int_equal(http_drain(NULL, 10000), 0);
    http_stop(&none);
    assert_null(none);
}

/* ---- listeners ---- */

static void a_listener_for_operation_knows_no_other_paths(void **state)
{
    struct listening *listening = *state;
    http_fixture_stop(listening);
    http_fixture_start(listening, (struct http_options){.ops_only = true});
    assert_response(ask_for(listening, "GET", "/readyz", NULL), 200, "ok");
    assert_response(ask_for(listening, "GET", "/metrics", NULL), 200, "rankd_");
    assert_response(ask_for(listening, "GET", "/problems/overloaded", NULL), 200, NULL);
    assert_response(ask_for(listening, "GET", "/v1/models", NULL), 404, "not-found");
    assert_response(http_client_post(&listening->client, "/v1/score", "{\"items\": []}"), 404,
                    "not-found");
}

static void a_taken_port_and_a_bad_address_are_told_apart(void **state)
{
    struct listening *listening = *state;
    struct http *other = NULL;
    struct rk_error err = {0};
    char address[32];
    struct http_options options = {.address = address, .threads = 1, .connections = 8};
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", http_port(listening->http));
    assert_status(http_start(&listening->api->service.api, &options, &other, &err), RK_BUSY);
    options.address = "nowhere:1";
    assert_status(http_start(&listening->api->service.api, &options, &other, NULL), RK_INVALID);
    assert_null(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTP_TEST(every_answer_has_the_common_headers),
        HTTP_TEST(a_sane_request_id_is_echoed_and_another_replaced),
        HTTP_TEST(problems_carry_their_headers),
        HTTP_TEST(head_has_the_headers_of_get_and_no_body),
        HTTP_TEST(no_content_has_no_content_type),
        HTTP_TEST(paths_and_queries_come_through_undecoded),
        HTTP_TEST(a_query_that_is_too_long_is_refused),
        HTTP_TEST(an_answer_that_is_not_accepted_is_refused),
        HTTP_TEST(many_clients_click_at_once),
        HTTP_TEST(a_client_that_vanishes_while_parked_does_no_harm),
        HTTP_TEST(a_call_that_is_parked_longer_than_the_drain_is_answered_still),
        HTTP_TEST(what_comes_after_the_drain_does_not_reach_the_api),
        cmocka_unit_test(nothing_is_drained_and_stopped_where_nothing_runs),
        HTTP_TEST(a_listener_for_operation_knows_no_other_paths),
        HTTP_TEST(a_taken_port_and_a_bad_address_are_told_apart),
    };
    return cmocka_run_group_tests_name("http", tests, api_fixture_group, NULL);
}
