/*
 * A body that could not fit into the pool: the import of a large model, one at a time.
 */
#include "http_fixture.h"
#include "tensor_file.h"
#include "test.h"

#define COLUMNS  20000
#define POOL     ((size_t)1 << 20)
#define VERSIONS "/v1/models/large/versions"

/* A listener with a small pool, and a model whose tensors as F64 are larger. */
static int setup(void **state)
{
    struct listening *listening;
    assert_int_equal(http_fixture_setup(state), 0);
    listening = *state;
    http_fixture_stop(listening);
    http_fixture_start(listening, (struct http_options){.body_pool_bytes = POOL});
    assert_answered(put(listening->api, "/v1/models/large",
                        "{\"kind\": \"fm\", \"features\": {\"space\": \"indexed\", \"size\": "
                        "20000}, \"dim\": 16}"),
                    201);
    return 0;
}

#define LARGE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, http_fixture_teardown)

static char *large_file(size_t *n)
{
    const size_t floats = COLUMNS * (size_t)16;
    double *values = calloc(floats, sizeof *values);
    struct tensor_file file = {0};
    values[0] = 1;
    tensor_add(&file, "linear.bias", "F64", "[1]", values, 1);
    tensor_add(&file, "linear.weight", "F64", "[20000]", values, COLUMNS);
    tensor_add(&file, "embedding.weight", "F64", "[20000,16]", values, floats);
    free(values);
    return tensor_bytes(&file, n);
}

static void send_head(struct http_client *client, const char *path, size_t n)
{
    char head[256];
    (void)snprintf(head, sizeof head,
                   "POST %s HTTP/1.1\r\nHost: rankd\r\nContent-Type: "
                   "application/vnd.safetensors\r\nContent-Length: %zu\r\n\r\n",
                   path, n);
    assert_true(http_client_connect(client));
    assert_true(http_client_send(client, head, strlen(head)));
}

static struct http_response import(struct http_client *client, const char *bytes, size_t n)
{
    send_head(client, VERSIONS, n);
    assert_true(http_client_send(client, bytes, n));
    return http_client_receive(client, true);
}

static void an_import_larger_than_the_pool_is_taken_and_given_back(void **state)
{
    struct listening *listening = *state;
    size_t n;
    char *bytes = large_file(&n);
    struct http_response response;
    assert_true(n > 2 * POOL);
    assert_response(import(&listening->client, bytes, n), 201, "Location: " VERSIONS "/1");
    assert_response(import(&listening->client, bytes, n), 201, "\"version\":2");
    response = ask_for(listening, "GET", VERSIONS "/2", "Accept: application/vnd.safetensors\r\n");
    assert_int_equal(response.status, 200);
    assert_header(&response, "Content-Type", "application/vnd.safetensors");
    assert_true(response.body_n > (COLUMNS * (size_t)17 + 1) * sizeof(float));
    http_response_deinit(&response);
    free(bytes);
}

static void a_second_large_import_waits_its_turn_and_others_go_on(void **state)
{
    struct listening *listening = *state;
    struct http_client first;
    size_t n;
    char *bytes = large_file(&n);
    const size_t half = n / 2;
    int status = 0;
    http_client_init(&first, listening->client.port);
    for (int turn = 0; turn < 1000 && status != 503; turn++) {
        struct http_response second;
        /* The second may take the place before the first is read: then both start anew. */
        http_client_close(&first);
        send_head(&first, VERSIONS, n);
        assert_true(http_client_send(&first, bytes, half));
        second = import(&listening->client, bytes, n);
        status = second.status;
        http_response_deinit(&second);
    }
    assert_int_equal(status, 503);
    assert_response(http_client_post(&listening->client, "/v1/score", "{\"items\": [\"a\"]}"), 200,
                    NULL);
    assert_true(http_client_send(&first, bytes + half, n - half));
    assert_response(http_client_receive(&first, true), 201, NULL);
    assert_response(import(&listening->client, bytes, n), 201, NULL);
    http_client_deinit(&first);
    free(bytes);
}

static void a_large_body_for_no_model_is_refused_unread(void **state)
{
    struct listening *listening = *state;
    send_head(&listening->client, "/v1/models/nobody/versions", (size_t)64 << 20);
    assert_response(http_client_receive(&listening->client, true), 404, "unknown-model");
    http_client_close(&listening->client);
    send_head(&listening->client, VERSIONS, (size_t)64 << 20);
    assert_response(http_client_receive(&listening->client, true), 413, "body-too-large");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LARGE_TEST(an_import_larger_than_the_pool_is_taken_and_given_back),
        LARGE_TEST(a_second_large_import_waits_its_turn_and_others_go_on),
        LARGE_TEST(a_large_body_for_no_model_is_refused_unread),
    };
    return cmocka_run_group_tests_name("http_large", tests, api_fixture_group, NULL);
}
