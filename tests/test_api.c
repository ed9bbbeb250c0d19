/*
 * What every route has in common: paths, methods, media types, limits, parameters, problems; and
 * the routes of operation.
 */
#include "api_fixture.h"
#include "api_impl.h"
#include "test.h"

static void unknown_paths_are_not_found(void **state)
{
    static const char *const paths[] = {"",
                                        "/",
                                        "/v1",
                                        "/v1/",
                                        "/v1/score/",
                                        "//livez",
                                        "/livez/",
                                        "/v1/items/",
                                        "/v1/models/a/b",
                                        "/V1/score",
                                        "/v1/items/a/b"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_problem(get(*state, paths[i]), 404, "not-found");
    }
}

static void other_methods_are_told_which_are_allowed(void **state)
{
    static const struct {
        const char *method, *path, *allow;
    } cases[] = {{"GET", "/v1/score", "POST"},
                 {"HEAD", "/v1/feedback", "POST"},
                 {"PUT", "/v1/models", "GET, HEAD"},
                 {"POST", "/v1/models/default", "PUT, GET, HEAD, PATCH, DELETE"},
                 {"PATCH", "/v1/items", "GET, HEAD, POST"},
                 {"post", "/v1/items/a", "PUT, GET, HEAD, DELETE"},
                 {"DELETE", "/livez", "GET, HEAD"},
                 {"GET", "/v1/models/default/train", "POST"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct answer *answer = ask(*state, cases[i].method, cases[i].path, NULL, NULL);
        assert_problem(answer, 405, "method-not-allowed");
        assert_string_equal(answer->allow, cases[i].allow);
    }
}

static void head_is_answered_like_get(void **state)
{
    const struct answer *answer = ask(*state, "HEAD", "/v1/models", NULL, NULL);
    assert_answered(answer, 200);
    assert_string_equal(answer->text, get(*state, "/v1/models")->text);
}

static void a_body_needs_its_media_type(void **state)
{
    static const char *const types[] = {NULL, "", "text/plain", "application/jsonx",
                                        "application/x-www-form-urlencoded"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        assert_problem(ask(*state, "POST", "/v1/score", types[i], "{\"items\": []}"), 415,
                       "unsupported-media-type");
        assert_problem(ask(*state, "PUT", "/v1/items/a", types[i], "{\"features\": {}}"), 415,
                       "unsupported-media-type");
    }
    assert_problem(ask(*state, "PUT", "/v1/items/a", "application/x-ndjson", "{}"), 415,
                   "unsupported-media-type");
    assert_answered(
        ask(*state, "POST", "/v1/score", "Application/JSON; charset=utf-8", "{\"items\": []}"),
        200);
}

static void limits_of_bodies_are_those_of_the_route_and_the_media_type(void **state)
{
    static const struct {
        const char *method, *path, *type;
        size_t limit;
        bool needed;
    } cases[] = {{"POST", "/v1/score", "application/json", 1 << 20, true},
                 {"POST", "/v1/score", "application/x-ndjson", 16 << 20, true},
                 {"POST", "/v1/feedback", NULL, 1 << 20, true},
                 {"POST", "/v1/feedback", "application/x-ndjson; a=b", 16 << 20, true},
                 {"POST", "/v1/batches", "application/json", 16 << 20, true},
                 {"POST", "/v1/items", "application/json", 16 << 20, true},
                 {"PUT", "/v1/items/a", "application/json", 1 << 20, true},
                 {"PUT", "/v1/items/a", "application/x-ndjson", 1 << 20, true},
                 {"POST", "/v1/models/a/train", NULL, 1 << 20, false},
                 {"GET", "/v1/score", NULL, 0, false},
                 {"GET", "/v1/models", NULL, 0, false},
                 {"POST", "/nowhere", NULL, 0, false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct problem problem = {0};
        bool needed;
        assert_int_equal(
            api_body_limit(NULL, cases[i].method, cases[i].path, cases[i].type, &needed, &problem),
            cases[i].limit);
        assert_int_equal(needed, cases[i].needed);
    }
}

static void a_body_over_the_limit_is_refused_unread(void **state)
{
    const size_t n = (1 << 20) + 1;
    char *body = malloc(n);
    assert_non_null(body);
    memset(body, ' ', n);
    assert_problem(ask_bytes(*state, "POST", "/v1/score", "application/json", body, n), 413,
                   "body-too-large");
    assert_problem(ask_bytes(*state, "GET", "/livez", NULL, body, 1), 413, "body-too-large");
    memcpy(body, "{\"items\": []}", 13);
    assert_answered(ask_bytes(*state, "POST", "/v1/score", "application/json", body, n - 1), 200);
    assert_answered(ask_bytes(*state, "POST", "/v1/score", "application/x-ndjson", body, n), 200);
    free(body);
}

static void ids_in_paths_are_percent_decoded_after_routing(void **state)
{
    assert_answered(put(*state, "/v1/items/a%2Fb%20%c3%a9%25", "{\"features\": {\"x\": 1}}"), 201);
    assert_string_equal(text_at(get(*state, "/v1/items/a%2fb%20\xc3\xa9%25"), "/id"),
                        "a/b \xc3\xa9%");
    assert_string_equal(text_at(get(*state, "/v1/items/%61%2Fb%20%C3%A9%25"), "/id"),
                        "a/b \xc3\xa9%");
    assert_problem(get(*state, "/v1/items/a+b"), 404, "unknown-item");
}

static void broken_ids_in_paths_are_refused(void **state)
{
    static const char *const ids[] = {"%00", "a%00b", "%", "%4", "%zz", "a%2", "%g0"};
    char path[512];
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        (void)snprintf(path, sizeof path, "/v1/items/%s", ids[i]);
        assert_problem(get(*state, path), 400, "bad-request");
    }
    (void)snprintf(path, sizeof path, "/v1/items/%0128d", 7);
    assert_problem(get(*state, path), 404, "unknown-item");
    (void)snprintf(path, sizeof path, "/v1/items/%0129d", 7);
    assert_problem(get(*state, path), 400, "bad-request");
    (void)snprintf(path, sizeof path, "/v1/items/%0200d", 7);
    assert_problem(get(*state, path), 400, "bad-request");
}

static void ids_in_paths_that_are_not_utf8_are_refused(void **state)
{
    static const char *const ids[] = {"%ff",       "a%80",          "%c3",          "%c0%af",
                                      "%e0%80%af", "%ed%a0%80",     "%f4%90%80%80", "%f8%88%80%80",
                                      "\xff",      "%f0%80%80%80z", "%e2%82"};
    char path[64];
    const int64_t before = log_end(*state);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        (void)snprintf(path, sizeof path, "/v1/items/%s", ids[i]);
        assert_problem(put(*state, path, "{\"features\": {\"x\": 1}}"), 400, "bad-request");
    }
    assert_int_equal(log_end(*state), before);
}

static void a_query_that_cannot_be_decoded_is_refused(void **state)
{
    static const char *const queries[] = {"after=%zz", "x=%00", "%ff", "a=1&limit=%4"};
    char path[2048];
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        (void)snprintf(path, sizeof path, "/v1/items?%s", queries[i]);
        assert_problem(get(*state, path), 400, "bad-request");
    }
    (void)snprintf(path, sizeof path, "/v1/items?x=%01500d", 0);
    assert_problem(get(*state, path), 400, "bad-request");
    assert_answered(get(*state, "/v1/items?"), 200);
    assert_answered(get(*state, "/v1/items?x=a+b%20&&=&y"), 200);
}

static void every_slug_has_a_page(void **state)
{
    for (int kind = PROBLEM_NONE + 1; kind < PROBLEM_COUNT; kind++) {
        char path[80];
        const struct answer *answer;
        (void)snprintf(path, sizeof path, "/problems/%s", problem_slug((enum problem_kind)kind));
        answer = get(*state, path);
        assert_answered(answer, 200);
        assert_string_equal(answer->type, "text/plain; charset=utf-8");
        assert_non_null(strstr(answer->text, problem_title((enum problem_kind)kind)));
    }
    assert_problem(get(*state, "/problems/none"), 404, "not-found");
}

static void health_says_what_works(void **state)
{
    static const char *const all = "{\"scoring\":\"ok\",\"feedback\":\"ok\",\"storage\":\"ok\"}";
    struct api_fixture *fixture = *state;
    assert_string_equal(get(fixture, "/livez")->text, "ok\n");
    assert_string_equal(get(fixture, "/readyz")->text, all);
    assert_string_equal(get(fixture, "/readyz/feedback")->text, all);
    atomic_store(&fixture->service.api.draining, true);
    assert_problem(get(fixture, "/readyz"), 503, "draining");
    assert_true(get(fixture, "/readyz")->retry_after_s > 0);
    assert_answered(get(fixture, "/livez"), 200);
}

/* Each line is a comment or `name{labels} number`. @return lines that are samples. */
static size_t check_metrics(const char *text)
{
    size_t samples = 0;
    while (*text != '\0') {
        const size_t n = strcspn(text, "\n");
        char line[512], *space, *end;
        assert_true(n > 0 && n < sizeof line && text[n] == '\n');
        memcpy(line, text, n);
        line[n] = '\0';
        text += n + 1;
        if (line[0] == '#') {
            assert_true(strncmp(line, "# HELP rankd_", 13) == 0 ||
                        strncmp(line, "# TYPE rankd_", 13) == 0);
            continue;
        }
        space = strrchr(line, ' ');
        assert_non_null(space);
        (void)strtod(space + 1, &end);
        assert_true(end > space + 1 && *end == '\0');
        assert_int_equal(strncmp(line, "rankd_", 6), 0);
        assert_true(strchr(line, '{') == NULL || space[-1] == '}');
        samples++;
    }
    return samples;
}

static void metrics_parse_and_count_what_happened(void **state)
{
    const struct answer *answer;
    score_and_click(*state, "r");
    answer = get(*state, "/metrics");
    assert_answered(answer, 200);
    assert_string_equal(answer->type, "text/plain; version=0.0.4; charset=utf-8");
    assert_true(check_metrics(answer->text) > 50);
    assert_non_null(strstr(answer->text, "rankd_events_total{status=\"accepted\"} 1\n"));
    assert_non_null(strstr(answer->text, "rankd_rankings_total{result=\"logged\"} 1\n"));
    assert_non_null(strstr(answer->text, "rankd_items_scored_total 3\n"));
    assert_non_null(strstr(answer->text, "rankd_model_version{model=\"default\"} "));
    assert_non_null(strstr(answer->text, "route=\"POST /v1/score\""));
}

/* "/v1/items/{id}" becomes "/v1/items/{}", as the table of routes has it. */
static void strip_names(const char *path, char *pattern)
{
    while (*path != '\0') {
        path += *path == '{' ? strcspn(path, "}") : 0;
        if (*path == '}') {
            *pattern++ = '{';
        }
        *pattern++ = *path++;
    }
    *pattern = '\0';
}

static const json_t *description_of(const json_t *paths, const struct api_route *route)
{
    const char *path;
    json_t *operations;
    char method[8] = "", pattern[128];
    for (size_t i = 0; route->method[i] != '\0'; i++) {
        method[i] = (char)(route->method[i] | 0x20);
    }
    json_object_foreach((json_t *)(uintptr_t)paths, path, operations)
    {
        strip_names(path, pattern);
        if (strcmp(pattern, route->path) == 0 && json_object_get(operations, method) != NULL) {
            return json_object_get(operations, method);
        }
    }
    return NULL;
}

/* The scopes at an operation are those of the route: the one, or none. */
static void assert_secured(const struct api_route *route, const json_t *operation)
{
    const json_t *security = json_object_get(operation, "security");
    const json_t *scope = json_array_get(json_object_get(json_array_get(security, 0), "token"), 0);
    assert_true(json_is_array(security));
    assert_int_equal(json_array_size(security), route->scope == API_OPEN ? 0 : 1);
    if (route->scope != API_OPEN) {
        assert_string_equal(json_string_value(scope),
                            token_scope_text((enum token_scope)route->scope));
        assert_non_null(json_object_get(json_object_get(operation, "responses"), "401"));
        assert_non_null(json_object_get(json_object_get(operation, "responses"), "403"));
        assert_non_null(json_object_get(json_object_get(operation, "responses"), "429"));
    }
}

static void the_description_is_json_and_has_every_route_with_its_scope(void **state)
{
    const struct answer *answer = get(*state, "/openapi.json");
    size_t n;
    const struct api_route *routes = api_routes(&n);
    assert_answered(answer, 200);
    assert_string_equal(answer->type, "application/json");
    assert_int_equal(strncmp(text_at(answer, "/openapi"), "3.1", 3), 0);
    for (size_t i = 0; i < n; i++) {
        const json_t *operation = description_of(value_at(answer, "/paths"), &routes[i]);
        if (operation == NULL) {
            fail_msg("%s %s is not described", routes[i].method, routes[i].path);
        }
        assert_secured(&routes[i], operation);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(unknown_paths_are_not_found),
        API_TEST(other_methods_are_told_which_are_allowed),
        API_TEST(head_is_answered_like_get),
        API_TEST(a_body_needs_its_media_type),
        API_TEST(limits_of_bodies_are_those_of_the_route_and_the_media_type),
        API_TEST(a_body_over_the_limit_is_refused_unread),
        API_TEST(ids_in_paths_are_percent_decoded_after_routing),
        API_TEST(broken_ids_in_paths_are_refused),
        API_TEST(ids_in_paths_that_are_not_utf8_are_refused),
        API_TEST(a_query_that_cannot_be_decoded_is_refused),
        API_TEST(every_slug_has_a_page),
        API_TEST(health_says_what_works),
        API_TEST(metrics_parse_and_count_what_happened),
        API_TEST(the_description_is_json_and_has_every_route_with_its_scope),
    };
    return cmocka_run_group_tests_name("api", tests, api_fixture_group, NULL);
}
