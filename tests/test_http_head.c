/*
 * Heads of requests, judged without sockets.
 */
#include "http_head.h"
#include "test.h"

/* Judges "Name: value" lines; "Host" comes first unless they have one. */
static struct http_verdict judge(const char *method, const char *path, const char *lines,
                                 const char **slug)
{
    static char text[8192];
    static struct api api; /* without tokens all is open */
    struct http_head head = {0};
    struct api_call call = {.method = method, .path = path};
    struct problem problem = {0};
    struct http_verdict verdict;
    (void)snprintf(text, sizeof text, "%s", lines);
    http_head_add(&head, "Host", "rankd");
    for (char *line = text; *line != '\0';) {
        char *end = strchr(line, '\n');
        char *colon = strchr(line, ':');
        *end = *colon = '\0';
        http_head_add(&head, line, colon + 1);
        line = end + 1;
    }
    verdict = http_head_judge(&head, &api, &call, &problem);
    *slug = problem.kind == PROBLEM_NONE ? "" : problem_slug(problem.kind);
    return verdict;
}

#define JSON "Content-Type:application/json\n"

static const struct {
    const char *lines, *slug;
} doubtful[] = {{JSON "Content-Length:5\nContent-Length:5\n", "bad-framing"},
                {JSON "Content-Length:5\nTransfer-Encoding:chunked\n", "bad-framing"},
                {JSON "Transfer-Encoding:chunked\nTransfer-Encoding:chunked\n", "bad-framing"},
                {JSON "Content-Length :5\n", "bad-framing"},
                {JSON "Transfer-Encoding :chunked\n", "bad-framing"},
                {JSON "Content-Length:\n", "bad-framing"},
                {JSON "Content-Length:-1\n", "bad-framing"},
                {JSON "Content-Length:+5\n", "bad-framing"},
                {JSON "Content-Length:0x5\n", "bad-framing"},
                {JSON "Content-Length:5, 5\n", "bad-framing"},
                {JSON "Content-Length:5\nA b:1\n", "bad-framing"},
                {JSON "Transfer-Encoding:identity\n", "unsupported-transfer-encoding"},
                {JSON "Transfer-Encoding:gzip, chunked\n", "unsupported-transfer-encoding"},
                {JSON "Transfer-Encoding:xchunked\n", "unsupported-transfer-encoding"},
                {JSON "Content-Length:5\nHost:other\n", "bad-request"},
                {JSON "Content-Length:5\nX:a\001b\n", "bad-request"},
                {JSON "Content-Length:5\nX:a\177b\n", "bad-request"},
                {JSON, "length-required"},
                {"", "length-required"},
                {JSON "Content-Length:1048577\n", "body-too-large"},
                {JSON "Content-Length:18446744073709551616\n", "body-too-large"}};

static void framing_that_is_in_doubt_is_refused_and_closed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof doubtful / sizeof *doubtful; i++) {
        const char *slug;
        const struct http_verdict verdict = judge("POST", "/v1/score", doubtful[i].lines, &slug);
        if (strcmp(slug, doubtful[i].slug) != 0 || !verdict.close) {
            fail_msg("%s is \"%s\", %s", doubtful[i].lines, slug,
                     verdict.close ? "closed" : "open");
        }
    }
}

static void proper_heads_pass(void **state)
{
    static const struct {
        const char *method, *path, *lines;
        size_t limit;
    } cases[] = {{"POST", "/v1/score", JSON "Content-Length:0\n", 1 << 20},
                 {"POST", "/v1/score", JSON "content-length:1048576\n", 1 << 20},
                 {"POST", "/v1/score", JSON "transfer-encoding:Chunked\n", 1 << 20},
                 {"POST", "/v1/score",
                  "Content-Type:application/x-ndjson\nContent-Length:1048577\n", 16 << 20},
                 {"POST", "/v1/score", JSON "Content-Length:5\nX:a\tb\xff\n", 1 << 20},
                 {"POST", "/v1/models/m/train", "", 1 << 20},
                 {"GET", "/livez", "", 0},
                 {"GET", "/livez", "Content-Length:3\n", 0},
                 {"DELETE", "/v1/items/a", "", 0},
                 {"POST", "/nowhere", "Content-Length:5\n", 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *slug;
        const struct http_verdict verdict =
            judge(cases[i].method, cases[i].path, cases[i].lines, &slug);
        assert_string_equal(slug, "");
        assert_false(verdict.close);
        assert_int_equal(verdict.limit, cases[i].limit);
    }
}

static void a_large_body_that_nobody_takes_is_not_waited_for(void **state)
{
    const char *slug;
    struct http_verdict verdict = judge("POST", "/nowhere", JSON "Content-Length:1000000\n", &slug);
    (void)state;
    assert_true(verdict.close);
    assert_string_equal(slug, "");
    verdict = judge("GET", "/livez", "Content-Length:99999999999999999999\n", &slug);
    assert_true(verdict.close);
    assert_string_equal(slug, "body-too-large");
}

static void more_headers_than_anyone_sends_are_refused(void **state)
{
    for (int n = HTTP_HEADERS_MAX - 1; n <= HTTP_HEADERS_MAX; n++) { /* and the Host */
        char lines[4096] = "";
        const char *slug;
        for (int i = 0; i < n; i++) {
            (void)strcat(lines, "X-A:b\n");
        }
        (void)judge("GET", "/livez", lines, &slug);
        assert_string_equal(slug, n < HTTP_HEADERS_MAX ? "" : "bad-request");
    }
    (void)state;
}

static void what_is_accepted_must_have_json_in_it(void **state)
{
    static const char *const fine[] = {"",
                                       "*/*",
                                       "application/json",
                                       "Application/*;q=0.5",
                                       "text/html, */*;q=0.1",
                                       "text/html,application/x-ndjson",
                                       "application/json; charset=utf-8",
                                       "text/html\nAccept:application/json"};
    static const char *const without[] = {"text/html", "application/xml, text/*",
                                          "application/json;q=0", "*/*;q=0.000, text/plain",
                                          "application/jsonx"};
    char line[128];
    const char *slug;
    (void)state;
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        (void)snprintf(line, sizeof line, "Accept:%s\n", fine[i]);
        (void)judge("GET", "/v1/models", line, &slug);
        assert_string_equal(slug, "");
    }
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        (void)snprintf(line, sizeof line, "Accept:%s\n", without[i]);
        assert_false(judge("GET", "/v1/models", line, &slug).close);
        assert_string_equal(slug, "not-acceptable");
        (void)judge("GET", "/metrics", line, &slug);
        assert_string_equal(slug, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(framing_that_is_in_doubt_is_refused_and_closed),
        cmocka_unit_test(proper_heads_pass),
        cmocka_unit_test(a_large_body_that_nobody_takes_is_not_waited_for),
        cmocka_unit_test(more_headers_than_anyone_sends_are_refused),
        cmocka_unit_test(what_is_accepted_must_have_json_in_it),
    };
    return cmocka_run_group_tests_name("http_head", tests, NULL, NULL);
}
