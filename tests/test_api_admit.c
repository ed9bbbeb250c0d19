/*
 * Who may do what: every route with every kind of token, as the table of routes has it.
 */
#include "api_fixture.h"
#include "api_impl.h"
#include "clock.h"
#include "test.h"
#include "token_issue.h"

/* Tokens of every kind, and what each may. */
struct kind {
    const char *name;
    unsigned scopes; /* that it can use; 0: it is not valid */
    char *header;    /* owned */
};

enum {
    NONE,
    BAD,
    UNKNOWN,
    EXPIRED,
    EARLY,
    REVOKED,
    SCORE,
    FEEDBACK,
    METRICS,
    ADMIN,
    ALL,
    KINDS
};

static char *own(const char *text)
{
    char *copy = strdup(text);
    assert_non_null(copy);
    return copy;
}

static void make_kinds(struct api_fixture *fixture, struct kind kinds[KINDS])
{
    const int64_t now_s = clock_unix_ms() / 1000;
    struct token expired = {.expires_s = now_s - 1, .grant.scopes = TOKEN_ALL_SCOPES};
    struct token early = {.not_before_s = now_s + 3600, .grant.scopes = TOKEN_ALL_SCOPES};
    struct token revoked = {.name = "gone", .grant.scopes = TOKEN_ALL_SCOPES};
    size_t n;
    kinds[NONE] = (struct kind){"none", 0, NULL};
    kinds[BAD] = (struct kind){"bad", 0, own("Bearer rkd_00000001_x_y")};
    kinds[EXPIRED] = (struct kind){"expired", 0, api_fixture_token(fixture, &expired)};
    kinds[EARLY] = (struct kind){"early", 0, api_fixture_token(fixture, &early)};
    kinds[REVOKED] = (struct kind){"revoked", 0, api_fixture_token(fixture, &revoked)};
    for (unsigned i = 0; i < TOKEN_SCOPE_COUNT; i++) {
        struct token token = {.grant.scopes = 1U << i};
        kinds[SCORE + i] = (struct kind){token_scope_text((enum token_scope)(1U << i)), 1U << i,
                                         api_fixture_token(fixture, &token)};
    }
    struct token all = {.grant.scopes = TOKEN_ALL_SCOPES};
    kinds[ALL] = (struct kind){"all", TOKEN_ALL_SCOPES, api_fixture_token(fixture, &all)};
    kinds[UNKNOWN] = (struct kind){"unknown", 0, own(kinds[ALL].header)};
    /* Another secret of a kid that is there, with its checksum: made, never issued. */
    char text[TOKEN_TEXT];
    uint32_t kid;
    assert_true(token_make(text, &kid));
    memcpy(kinds[UNKNOWN].header + strlen("Bearer "), text, TOKEN_TEXT - 1);
    assert_ok(token_revoke(fixture->path, "gone", &n, NULL));
    access_refresh(fixture->service.access);
}

static void free_kinds(struct kind kinds[KINDS])
{
    for (size_t i = 0; i < KINDS; i++) {
        free(kinds[i].header);
    }
}

/* Puts a route's request, whose ids name nothing, with a token of a kind and a peer of its own. */
static int status_of(struct api_fixture *fixture, const struct api_route *route,
                     const struct kind *kind, uint64_t peer)
{
    struct api_call call = {.method = route->method, .body = "", .peer = peer};
    char path[128] = "";
    int status;
    for (const char *at = route->path; *at != '\0'; at++) {
        const size_t n = strlen(path);
        (void)snprintf(path + n, sizeof path - n, "%c", *at == '{' ? 'x' : *at);
        at += *at == '{';
    }
    call.path = path;
    call.authorization = kind->header;
    api_fixture_handle(fixture, &call);
    status = call.status;
    api_call_deinit(&call);
    return status;
}

/* What the table says. */
static bool is_as_the_table_says(const struct api_route *route, const struct kind *kind, int status)
{
    if (route->scope != API_OPEN && kind->scopes == 0) {
        return status == 401;
    }
    if (route->scope != API_OPEN && (kind->scopes & route->scope) == 0) {
        return status == 403;
    }
    return status != 401 && status != 403 && status != 429;
}

static void every_route_with_every_kind_of_token_is_as_the_table_says(void **state)
{
    struct api_fixture *fixture = *state;
    struct kind kinds[KINDS];
    size_t n, cells = 0;
    const struct api_route *routes = api_routes(&n);
    make_kinds(fixture, kinds);
    for (size_t r = 0; r < n; r++) {
        for (size_t k = 0; k < KINDS; k++) {
            const int status = status_of(fixture, &routes[r], &kinds[k], r * KINDS + k);
            if (!is_as_the_table_says(&routes[r], &kinds[k], status)) {
                fail_msg("%s %s with the token \"%s\" is %d", routes[r].method, routes[r].path,
                         kinds[k].name, status);
            }
            cells++;
        }
    }
    print_message("authorization matrix: %zu routes x %d tokens = %zu cells as the table\n", n,
                  KINDS, cells);
    free_kinds(kinds);
}

/* What must stay: this is the table a person reads, and a route that opens by mistake is found. */
static void routes_have_the_scopes_that_are_documented(void **state)
{
    size_t n, open = 0;
    const struct api_route *routes = api_routes(&n);
    (void)state;
    for (size_t i = 0; i < n; i++) {
        const char *path = routes[i].path;
        const unsigned wanted = strcmp(path, "/v1/score") == 0      ? TOKEN_SCORE
                                : strcmp(path, "/v1/feedback") == 0 ? TOKEN_FEEDBACK
                                : strcmp(path, "/metrics") == 0     ? TOKEN_METRICS
                                : strncmp(path, "/v1/", 4) == 0     ? TOKEN_ADMIN
                                                                    : API_OPEN;
        assert_int_equal(routes[i].scope, wanted);
        open += routes[i].scope == API_OPEN;
    }
    assert_int_equal(open, 5); /* health and documents */
}

static void without_tokens_all_is_open_and_with_one_nothing_but_health_is(void **state)
{
    struct api_fixture *fixture = *state;
    struct token token = {.grant.scopes = TOKEN_SCORE};
    assert_answered(get(fixture, "/v1/models"), 200);
    char *header = api_fixture_token(fixture, &token);
    assert_problem(get(fixture, "/v1/models"), 401, "invalid-token");
    assert_problem(get(fixture, "/metrics"), 401, "invalid-token");
    assert_answered(get(fixture, "/livez"), 200);
    assert_answered(get(fixture, "/readyz"), 200);
    assert_answered(get(fixture, "/openapi.json"), 200);
    assert_problem(get(fixture, "/no"), 404, "not-found");
    size_t n;
    assert_ok(token_revoke(fixture->path, "test", &n, NULL)); /* the last one: nothing opens */
    access_refresh(fixture->service.access);
    assert_problem(get(fixture, "/v1/models"), 401, "invalid-token");
    free(header);
}

static void missing_unknown_expired_and_revoked_tokens_get_one_body(void **state)
{
    struct api_fixture *fixture = *state;
    struct kind kinds[KINDS];
    make_kinds(fixture, kinds);
    const char *first = get(fixture, "/v1/models")->text;
    for (size_t i = BAD; i <= REVOKED; i++) {
        fixture->authorization = kinds[i].header;
        assert_string_equal(get(fixture, "/v1/models")->text, first);
    }
    free_kinds(kinds);
}

static void a_token_for_some_models_reaches_those_alone(void **state)
{
    struct api_fixture *fixture = *state;
    struct token token = {.grant = {.scopes = TOKEN_ALL_SCOPES, .n_models = 1, .model = {"mine"}}};
    assert_answered(put(fixture, "/v1/models/mine", "{\"kind\":\"fm\"}"), 201);
    assert_answered(put(fixture, "/v1/models/other", "{\"kind\":\"fm\"}"), 201);
    char *header = api_fixture_token(fixture, &token);
    fixture->authorization = header;
    assert_answered(get(fixture, "/v1/models/mine"), 200);
    assert_answered(get(fixture, "/v1/models/m%69ne"), 200);
    assert_problem(get(fixture, "/v1/models/other"), 403, "model-not-allowed");
    assert_problem(get(fixture, "/v1/models/never"), 403, "model-not-allowed");
    assert_int_equal(count_at(get(fixture, "/v1/models"), "/models"), 1);
    assert_answered(post(fixture, "/v1/score", "{\"model\":\"mine\",\"items\":[\"a\"]}"), 200);
    assert_problem(post(fixture, "/v1/score", "{\"items\":[\"a\"]}"), 403, "model-not-allowed");
    const struct answer *lines =
        post_lines(fixture, "/v1/score", "{\"model\":\"other\",\"items\":[\"a\"]}\n");
    assert_string_equal(text_at(lines, "/type"), "/problems/model-not-allowed");
    assert_problem(post(fixture, "/v1/batches", "{\"groups\":[]}"), 403, "model-not-allowed");
    assert_answered(post(fixture, "/v1/batches", "{\"model\":\"mine\",\"groups\":[]}"), 200);
    assert_problem(get(fixture, "/v1/items"), 403, "model-not-allowed");
    assert_problem(post(fixture, "/v1/backup", ""), 403, "model-not-allowed");
    free(header);
}

static void rankings_of_other_models_are_unknown_to_a_tokens_feedback(void **state)
{
    static const char events[] =
        "{\"events\":[{\"event_id\":\"1\",\"ranking_id\":\"r\",\"item_id\":\"a\",\"type\":"
        "\"click\"},"
        "{\"event_id\":\"2\",\"ranking_id\":\"s\",\"item_id\":\"a\",\"type\":\"click\"}]}";
    struct api_fixture *fixture = *state;
    struct token token = {.grant = {.scopes = TOKEN_FEEDBACK, .n_models = 1, .model = {"mine"}}};
    assert_answered(put(fixture, "/v1/models/mine", "{\"kind\":\"fm\"}"), 201);
    assert_answered(post(fixture, "/v1/score",
                         "{\"model\":\"mine\",\"ranking_id\":\"r\",\"items\":[\"a\",\"b\"]}"),
                    200);
    assert_answered(post(fixture, "/v1/score", "{\"ranking_id\":\"s\",\"items\":[\"a\",\"b\"]}"),
                    200);
    char *header = api_fixture_token(fixture, &token);
    fixture->authorization = header;
    const struct answer *answer = post(fixture, "/v1/feedback", events);
    assert_string_equal(text_at(answer, "/results/0/status"), "accepted");
    assert_string_equal(text_at(answer, "/results/1/status"), "unknown_ranking");
    free(header);
}

static void requests_beyond_a_tokens_rate_are_refused_with_a_time(void **state)
{
    struct api_fixture *fixture = *state;
    struct token token = {.grant = {.scopes = TOKEN_ADMIN, .requests_per_s = 1}};
    char *header = api_fixture_token(fixture, &token);
    const struct answer *answer = NULL;
    fixture->authorization = header;
    for (int i = 0; i < 1000 && (answer == NULL || answer->status == 200); i++) {
        answer = get(fixture, "/v1/models");
    }
    assert_problem(answer, 429, "rate-limited");
    assert_int_equal(answer->retry_after_s, 1);
    free(header);
}

static void events_beyond_a_tokens_rate_are_refused_whole(void **state)
{
    struct api_fixture *fixture = *state;
    struct token token = {.grant = {.scopes = TOKEN_FEEDBACK | TOKEN_SCORE, .events_per_s = 1}};
    char *header = api_fixture_token(fixture, &token);
    fixture->authorization = header;
    assert_answered(post(fixture, "/v1/score", "{\"ranking_id\":\"r\",\"items\":[\"a\"]}"), 200);
    assert_answered(post(fixture, "/v1/feedback",
                         "{\"events\":[{\"ranking_id\":\"r\",\"item_id\":\"a\",\"type\":\"1\"},"
                         "{\"ranking_id\":\"r\",\"item_id\":\"a\",\"type\":\"2\"},"
                         "{\"ranking_id\":\"r\",\"item_id\":\"a\",\"type\":\"3\"}]}"),
                    200); /* more than the burst: taken when it is full, and waited for */
    const int64_t end = log_end(fixture);
    const struct answer *refused =
        post(fixture, "/v1/feedback", "{\"ranking_id\":\"r\",\"item_id\":\"a\",\"type\":\"4\"}");
    assert_problem(refused, 429, "rate-limited");
    assert_in_range(refused->retry_after_s, 1, 2);
    assert_int_equal(log_end(fixture), end);
    free(header);
}

static void eleven_wrong_tokens_from_an_address_are_too_many_and_valid_ones_pass(void **state)
{
    struct api_fixture *fixture = *state;
    struct token token = {.grant.scopes = TOKEN_ADMIN};
    char *header = api_fixture_token(fixture, &token);
    const struct answer *answer = NULL;
    fixture->authorization = "Bearer rkd_nonsense";
    for (int i = 0; i < 100 && (answer == NULL || answer->status != 429); i++) {
        answer = get(fixture, "/v1/models"); /* a minute may end in between, and another begin */
        assert_true(answer->status == 401 || (answer->status == 429 && i >= 10));
    }
    assert_problem(answer, 429, "auth-rate-limited");
    assert_in_range(answer->retry_after_s, 1, 60);
    fixture->authorization = NULL; /* nothing is guessed by sending none */
    assert_problem(get(fixture, "/v1/models"), 401, "invalid-token");
    fixture->authorization = header;
    assert_answered(get(fixture, "/v1/models"), 200);
    free(header);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(every_route_with_every_kind_of_token_is_as_the_table_says),
        API_TEST(routes_have_the_scopes_that_are_documented),
        API_TEST(without_tokens_all_is_open_and_with_one_nothing_but_health_is),
        API_TEST(missing_unknown_expired_and_revoked_tokens_get_one_body),
        API_TEST(a_token_for_some_models_reaches_those_alone),
        API_TEST(rankings_of_other_models_are_unknown_to_a_tokens_feedback),
        API_TEST(requests_beyond_a_tokens_rate_are_refused_with_a_time),
        API_TEST(events_beyond_a_tokens_rate_are_refused_whole),
        API_TEST(eleven_wrong_tokens_from_an_address_are_too_many_and_valid_ones_pass),
    };
    return cmocka_run_group_tests_name("api_admit", tests, api_fixture_group, NULL);
}
