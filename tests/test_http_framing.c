/*
 * Where a request ends, and what becomes of its body: over sockets, byte by byte.
 */
#include "http_fixture.h"
#include "test.h"

#define SMUGGLED                                                                                   \
    "PUT /v1/items/smuggled HTTP/1.1\r\nHost: x\r\n" HTTP_JSON                                     \
    "Content-Length: 15\r\n\r\n{\"features\":{}}"

static void nothing_behind_a_doubtful_request_is_executed(void **state)
{
    static const char *const heads[] = {
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Content-Length: 0\r\nContent-Length: 0\r\n",
        "Content-Length : 0\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 0\r\nHost: other\r\n"};
    struct listening *listening = *state;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        char text[1024];
        struct http_response response;
        (void)snprintf(text, sizeof text,
                       "POST /v1/score HTTP/1.1\r\nHost: x\r\n" HTTP_JSON "%s\r\n%s", heads[i],
                       SMUGGLED);
        response = send_raw(listening, text);
        assert_header(&response, "Connection", "close");
        assert_response(response, 400, "/problems/bad-");
        assert_true(http_client_at_end(&listening->client));
        http_client_close(&listening->client);
    }
    assert_response(ask_for(listening, "GET", "/v1/items/smuggled", NULL), 404, "unknown-item");
}

static void an_unknown_transfer_coding_is_refused_and_closed(void **state)
{
    static const char *const codings[] = {"identity", "gzip, chunked", "xchunked", "gzip"};
    struct listening *listening = *state;
    for (size_t i = 0; i < sizeof codings / sizeof *codings; i++) {
        char text[512];
        struct http_response response;
        (void)snprintf(text, sizeof text,
                       "POST /v1/score HTTP/1.1\r\nHost: x\r\n" HTTP_JSON
                       "Transfer-Encoding: %s\r\n\r\n" SMUGGLED,
                       codings[i]);
        response = send_raw(listening, text);
        assert_header(&response, "Connection", "close");
        assert_response(response, 501, "/problems/unsupported-transfer-encoding");
        assert_true(http_client_at_end(&listening->client));
        http_client_close(&listening->client);
    }
    assert_response(ask_for(listening, "GET", "/v1/items/smuggled", NULL), 404, "unknown-item");
}

static void a_body_without_a_length_is_refused_and_closed(void **state)
{
    struct listening *listening = *state;
    struct http_response response =
        send_raw(listening, "POST /v1/score HTTP/1.1\r\nHost: x\r\n" HTTP_JSON "\r\n" SMUGGLED);
    assert_header(&response, "Connection", "close");
    assert_response(response, 411, "/problems/length-required");
    assert_true(http_client_at_end(&listening->client));
}

static void a_body_over_the_limit_is_refused_before_it_is_sent(void **state)
{
    struct listening *listening = *state;
    struct http_response response =
        send_raw(listening, "POST /v1/score HTTP/1.1\r\nHost: x\r\n" HTTP_JSON
                            "Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n");
    assert_header(&response, "Connection", "close");
    assert_response(response, 413, "/problems/body-too-large");
    assert_true(http_client_at_end(&listening->client));
    http_client_close(&listening->client);
    assert_response(send_raw(listening, "POST /v1/items HTTP/1.1\r\nHost: x\r\n" HTTP_JSON
                                        "Content-Length: 9223372036854775808\r\n\r\n"),
                    413, "/problems/body-too-large");
}

static void a_chunked_body_is_taken_up_to_the_limit(void **state)
{
    static const char head[] =
        "POST /v1/score HTTP/1.1\r\nHost: x\r\n" HTTP_JSON "Transfer-Encoding: chunked\r\n\r\n";
    struct listening *listening = *state;
    struct emit text = {0};
    assert_response(send_raw(listening,
                             "POST /v1/score HTTP/1.1\r\nHost: x\r\n" HTTP_JSON
                             "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"ite\r\n9;x=y\r\nms\": "
                             "[]}\n\r\n0\r\n\r\n"),
                    200, "\"items\":[]");
    emit_format(&text, "%s", head);
    for (int i = 0; i < 17; i++) {
        emit_format(&text, "10000\r\n%65536d\r\n", 1);
    }
    emit_format(&text, "0\r\n\r\n");
    assert_response(send_raw(listening, text.text), 413, "/problems/body-too-large");
    emit_deinit(&text);
}

static void a_body_that_nobody_takes_is_read_past(void **state)
{
    struct listening *listening = *state;
    const int before = listening->client.fd;
    assert_response(http_client_post(&listening->client, "/nowhere", "{}"), 404, "not-found");
    assert_response(http_client_post(&listening->client, "/livez", "{}"), 405, NULL);
    assert_response(http_client_ask(&listening->client, "GET", "/livez", NULL, "{}"), 200, "ok");
    assert_response(ask_for(listening, "GET", "/livez", NULL), 200, "ok");
    assert_true(before == -1 && listening->client.fd >= 0); /* one connection for all */
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct listening *listening = *state;
    struct emit text = {0};
    for (int i = 0; i < 50; i++) {
        emit_format(&text, "GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-Id: n%d\r\n\r\n", i);
    }
    assert_true(http_client_connect(&listening->client));
    assert_true(http_client_send(&listening->client, text.text, text.length));
    for (int i = 0; i < 50; i++) {
        struct http_response response = http_client_receive(&listening->client, true);
        char id[16];
        (void)snprintf(id, sizeof id, "n%d", i);
        assert_header(&response, "X-Request-Id", id);
        assert_response(response, 200, "ok");
    }
    emit_deinit(&text);
}

static void bodies_beyond_the_pool_are_refused(void **state)
{
    struct listening *listening = *state;
    char body[20000];
    http_fixture_stop(listening);
    http_fixture_start(listening, (struct http_options){.body_pool_bytes = 8192});
    memset(body, ' ', sizeof body);
    memcpy(body, "{\"items\":[]}", 12);
    body[sizeof body - 1] = '\0';
    assert_response(http_client_post(&listening->client, "/v1/score", body), 503, "overloaded");
    body[4000] = '\0';
    assert_response(http_client_post(&listening->client, "/v1/score", body), 200, "items");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTP_TEST(nothing_behind_a_doubtful_request_is_executed),
        HTTP_TEST(an_unknown_transfer_coding_is_refused_and_closed),
        HTTP_TEST(a_body_without_a_length_is_refused_and_closed),
        HTTP_TEST(a_body_over_the_limit_is_refused_before_it_is_sent),
        HTTP_TEST(a_chunked_body_is_taken_up_to_the_limit),
        HTTP_TEST(a_body_that_nobody_takes_is_read_past),
        HTTP_TEST(pipelined_requests_are_answered_in_order),
        HTTP_TEST(bodies_beyond_the_pool_are_refused),
    };
    return cmocka_run_group_tests_name("http_framing", tests, api_fixture_group, NULL);
}
