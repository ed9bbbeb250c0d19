/*
 * The binary with tokens: made, used and revoked by commands while it runs, its first one, and where it
 * does not listen without.
 */
#include "clock.h"
#include "http_client.h"
#include "server_process.h"
#include "temp_folder.h"
#include "test.h"
#include "token.h"

#include <sys/stat.h>
#include <sysexits.h>

struct serving {
    struct temp_folder folder;
    char db[TEMP_PATH_MAX], file[TEMP_PATH_MAX];
    struct server_process server;
    struct http_client client;
};

static int setup(void **state)
{
    struct serving *serving = calloc(1, sizeof *serving);
    assert_non_null(serving);
    temp_folder_make(&serving->folder);
    temp_folder_path(&serving->folder, "rankd.db", serving->db);
    temp_folder_path(&serving->folder, "token", serving->file);
    *state = serving;
    return 0;
}

static int teardown(void **state)
{
    struct serving *serving = *state;
    temp_folder_remove(&serving->folder);
    free(serving);
    return 0;
}

#define SERVE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void start(struct serving *serving, const char *const *options)
{
    server_start(&serving->server, serving->db, options);
    http_client_init(&serving->client, serving->server.port);
}

static void stop(struct serving *serving)
{
    http_client_deinit(&serving->client);
    server_stop(&serving->server);
}

/* Makes a token. @param token  (TOKEN_TEXT) out. */
static void create(const struct serving *serving, const char *name, const char *scope,
                   char token[TOKEN_TEXT])
{
    const char *const words[] = {"token", "create",  "--db", serving->db, "--name",
                                 name,    "--scope", scope,  "--json",    NULL};
    char text[512] = "";
    const char *at;
    assert_int_equal(server_command(words, text, sizeof text), EX_OK);
    at = strstr(text, "rkd_");
    assert_non_null(at);
    memcpy(token, at, TOKEN_TEXT - 1);
    token[TOKEN_TEXT - 1] = '\0';
}

static void revoke(const struct serving *serving, const char *name)
{
    const char *const words[] = {"token", "revoke", "--db", serving->db, "--name", name, NULL};
    assert_int_equal(server_command(words, NULL, 0), EX_OK);
}

/* Asks for what is there with a token (or NULL). @return the status. */
static int ask(struct serving *serving, const char *path, const char *token)
{
    char header[128] = "";
    struct http_response response;
    int status;
    (void)snprintf(header, sizeof header, "Authorization: Bearer %s\r\n", token);
    response = http_client_ask(&serving->client, "GET", path, token != NULL ? header : NULL, NULL);
    status = response.status;
    http_response_deinit(&response);
    return status;
}

/* 429 from the eleventh time on that it is no token. */
static bool is_refused(struct serving *serving, const char *path, const char *token)
{
    const int status = ask(serving, path, token);
    assert_true(status == 200 || status == 401 || status == 429);
    return status != 200;
}

/* Waits until a request is refused, or is not. */
static void await(struct serving *serving, const char *path, const char *token, bool refused)
{
    const int64_t start_ns = clock_monotonic_ns();
    while (is_refused(serving, path, token) != refused) {
        assert_true(clock_monotonic_ns() - start_ns < INT64_C(30000000000));
    }
    print_message("after %lld ms\n", (long long)(clock_monotonic_ns() - start_ns) / 1000000);
}

static void tokens_are_made_and_revoked_while_it_runs(void **state)
{
    struct serving *serving = *state;
    char first[TOKEN_TEXT], second[TOKEN_TEXT];
    start(serving, NULL);
    assert_int_equal(ask(serving, "/v1/models", NULL), 200);
    create(serving, "ops", "admin", first);
    await(serving, "/v1/models", NULL, true);
    assert_int_equal(ask(serving, "/v1/models", first), 200);
    assert_int_equal(ask(serving, "/metrics", first), 403);
    create(serving, "ops", "admin", second); /* rotation: both are good */
    await(serving, "/v1/models", second, false);
    assert_int_equal(ask(serving, "/v1/models", first), 200);
    revoke(serving, "ops");
    await(serving, "/v1/models", second, true);
    assert_true(is_refused(serving, "/v1/models", first));
    assert_int_equal(ask(serving, "/v1/models", NULL), 401);
    assert_int_equal(ask(serving, "/readyz", NULL), 200);
    stop(serving);
}

static void logs_and_lists_name_tokens_by_their_kid_alone(void **state)
{
    struct serving *serving = *state;
    const char *const list[] = {"token", "list", "--db", serving->db, "--json", NULL};
    char token[TOKEN_TEXT], kid[9], secret[27], text[4096] = "";
    create(serving, "ops", "admin", token);
    memcpy(kid, token + 4, 8);
    memcpy(secret, token + 13, 26);
    kid[8] = secret[26] = '\0';
    start(serving, (const char *const[]){"--log-level", "debug", NULL});
    assert_int_equal(ask(serving, "/v1/models", token), 200);
    assert_int_equal(ask(serving, "/metrics", token), 403);
    assert_true(server_await(&serving->server, kid));
    assert_false(server_wrote(&serving->server, secret));
    stop(serving);
    assert_int_equal(server_command(list, text, sizeof text), EX_OK);
    assert_non_null(strstr(text, kid));
    assert_null(strstr(text, secret));
    assert_non_null(strstr(text, "\"last_used\":\"20"));
}

static void without_a_token_it_does_not_listen_beyond_its_machine(void **state)
{
    static const char *const options[][5] = {{"--listen", "0.0.0.0:0", NULL},
                                             {"--listen", "[::]:0", NULL},
                                             {"--listen", ":0", NULL},
                                             {"--ops-listen", "0.0.0.0:0", NULL}};
    const struct serving *serving = *state;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        const char *const words[] = {"serve",       "--db",        serving->db,   "--listen",
                                     "127.0.0.1:0", options[i][0], options[i][1], NULL};
        char text[8192] = "";
        assert_int_equal(server_command(words, text, sizeof text), EX_CONFIG);
        assert_non_null(strstr(text, "without a token"));
    }
}

static void it_does_so_if_it_is_told_to_and_says_so(void **state)
{
    struct serving *serving = *state;
    struct http_response response;
    start(serving, (const char *const[]){"--insecure-no-auth", "--ops-listen", "0.0.0.0:0", NULL});
    assert_true(server_await(&serving->server, "event=no_auth"));
    response = http_client_ask(&serving->client, "GET", "/metrics", NULL, NULL);
    assert_int_equal(response.status, 200);
    assert_non_null(strstr(response.body, "\nrankd_open 1\n"));
    http_response_deinit(&response);
    stop(serving);
}

static void a_first_start_makes_a_token_keeps_it_and_prints_it_once(void **state)
{
    struct serving *serving = *state;
    const char *const options[] = {"--token-file", serving->file, "--ops-listen", "0.0.0.0:0",
                                   NULL};
    char token[TOKEN_TEXT] = "";
    struct stat facts;
    FILE *file;
    start(serving, options);
    file = fopen(serving->file, "r");
    assert_non_null(file);
    assert_non_null(fgets(token, sizeof token, file));
    (void)fclose(file);
    assert_int_equal(stat(serving->file, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    assert_true(server_wrote(&serving->server, token));
    assert_int_equal(ask(serving, "/v1/models", token), 200);
    assert_int_equal(ask(serving, "/metrics", token), 200);
    assert_int_equal(ask(serving, "/metrics", NULL), 401);
    stop(serving);
    start(serving, options);
    assert_int_equal(ask(serving, "/metrics", token), 200);
    assert_false(server_wrote(&serving->server, token));
    stop(serving);
}

static void a_token_that_a_file_brings_is_taken_and_anything_else_refused(void **state)
{
    struct serving *serving = *state;
    const char *const options[] = {"--token-file", serving->file, NULL};
    const char *const words[] = {"serve",       "--db",         serving->db,   "--listen",
                                 "127.0.0.1:0", "--token-file", serving->file, NULL};
    char line[TOKEN_TEXT + 1], token[TOKEN_TEXT], text[8192] = "";
    uint32_t kid;
    temp_file_write(serving->file, "secret\n", 7);
    assert_int_equal(server_command(words, text, sizeof text), EX_CONFIG);
    assert_non_null(strstr(text, "holds no token"));
    assert_true(token_make(token, &kid));
    (void)snprintf(line, sizeof line, "%s\n", token);
    temp_file_write(serving->file, line, strlen(line));
    start(serving, options);
    assert_int_equal(ask(serving, "/v1/models", token), 200);
    assert_int_equal(ask(serving, "/v1/models", NULL), 401);
    assert_false(server_wrote(&serving->server, token));
    stop(serving);
}

static void a_request_without_a_token_is_answered_before_its_body(void **state)
{
    static const char *const heads[] = {"Content-Length: 1000000\r\n",
                                        "Transfer-Encoding: chunked\r\n"};
    struct serving *serving = *state;
    char token[TOKEN_TEXT], head[256], value[64];
    create(serving, "web", "score", token);
    start(serving, NULL);
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct http_response response;
        (void)snprintf(head, sizeof head,
                       "POST /v1/score HTTP/1.1\r\nHost: rankd\r\nContent-Type: "
                       "application/json\r\n%s\r\n",
                       heads[i]);
        assert_true(http_client_connect(&serving->client));
        assert_true(http_client_send(&serving->client, head, strlen(head)));
        response = http_client_receive(&serving->client, true);
        assert_int_equal(response.status, 401);
        assert_string_equal(
            http_response_header(&response, "WWW-Authenticate", value, sizeof value), "Bearer");
        assert_non_null(strstr(response.body, "/problems/invalid-token"));
        assert_true(response.closed);
        http_response_deinit(&response);
        http_client_close(&serving->client);
    }
    stop(serving);
}

static void wrong_command_lines_are_told(void **state)
{
    static const char *const wrong[][6] = {
        {NULL},
        {"create", NULL},
        {"create", "--name", "a", NULL},
        {"create", "--scope", "score", NULL},
        {"create", "--name=a", "--scope=root", NULL},
        {"create", "--name=a/b", "--scope=score", NULL},
        {"create", "--name=a", "--scope=score", "--expires=9", NULL},
        {"create", "--name=a", "--scope=score", "--expires=0d", NULL},
        {"create", "--name=a", "--scope=score", "--models=A,b", NULL},
        {"revoke", NULL},
        {"destroy", NULL}};
    const struct serving *serving = *state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *words[10] = {"token", "--db", serving->db};
        for (size_t w = 0; wrong[i][w] != NULL; w++) {
            words[3 + w] = wrong[i][w];
        }
        assert_int_equal(server_command(words, NULL, 0), EX_USAGE);
    }
    const char *const nobody[] = {"token", "revoke", "--db", serving->db, "--name", "a", NULL};
    assert_int_equal(server_command(nobody, NULL, 0), EX_NOINPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVE_TEST(tokens_are_made_and_revoked_while_it_runs),
        SERVE_TEST(logs_and_lists_name_tokens_by_their_kid_alone),
        SERVE_TEST(without_a_token_it_does_not_listen_beyond_its_machine),
        SERVE_TEST(it_does_so_if_it_is_told_to_and_says_so),
        SERVE_TEST(a_first_start_makes_a_token_keeps_it_and_prints_it_once),
        SERVE_TEST(a_token_that_a_file_brings_is_taken_and_anything_else_refused),
        SERVE_TEST(a_request_without_a_token_is_answered_before_its_body),
        SERVE_TEST(wrong_command_lines_are_told),
    };
    return cmocka_run_group_tests_name("serve_tokens", tests, NULL, NULL);
}
