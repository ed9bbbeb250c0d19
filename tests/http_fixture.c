/*
 * The listener's fixture.
 */
#include "http_fixture.h"

#include "test.h"

#define THREADS     2
#define CONNECTIONS 64
#define POOL_BYTES  ((size_t)64 << 20)

void http_fixture_start(struct listening *listening, struct http_options options)
{
    options.address = "127.0.0.1:0";
    options.threads = THREADS;
    options.connections = CONNECTIONS;
    options.body_pool_bytes = options.body_pool_bytes > 0 ? options.body_pool_bytes : POOL_BYTES;
    assert_ok(http_start(&listening->api->service.api, &options, &listening->http, NULL));
    assert_true(http_port(listening->http) > 0);
    http_client_init(&listening->client, http_port(listening->http));
}

int http_fixture_setup(void **state)
{
    struct listening *listening = calloc(1, sizeof *listening);
    void *api = NULL;
    assert_int_equal(api_fixture_setup(&api), 0);
    listening->api = api;
    http_fixture_start(listening, (struct http_options){0});
    *state = listening;
    return 0;
}

void http_fixture_stop(struct listening *listening)
{
    http_client_deinit(&listening->client);
    (void)http_drain(listening->http, 10000);
    http_stop(&listening->http);
}

int http_fixture_teardown(void **state)
{
    struct listening *listening = *state;
    void *api = listening->api;
    http_fixture_stop(listening);
    (void)api_fixture_teardown(&api);
    free(listening);
    return 0;
}

void assert_response(struct http_response response, int status, const char *part)
{
    assert_int_equal(response.status, status);
    if (part != NULL && strstr(response.body, part) == NULL &&
        strstr(response.head, part) == NULL) {
        fail_msg("there is no \"%s\" in:\n%s%s", part, response.head, response.body);
    }
    http_response_deinit(&response);
}

void assert_header(const struct http_response *response, const char *name, const char *expected)
{
    char value[256];
    assert_non_null(http_response_header(response, name, value, sizeof value));
    assert_string_equal(value, expected);
}

struct http_response ask_for(struct listening *listening, const char *method, const char *path,
                             const char *headers)
{
    return http_client_ask(&listening->client, method, path, headers, NULL);
}

struct http_response send_raw(struct listening *listening, const char *text)
{
    assert_true(http_client_connect(&listening->client));
    assert_true(http_client_send(&listening->client, text, strlen(text)));
    return http_client_receive(&listening->client, true);
}
