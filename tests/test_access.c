/*
 * The tokens of a running server: read again when they change, and what they used up.
 */
#include "access.h"
#include "clock.h"
#include "temp_folder.h"
#include "test.h"
#include "token_issue.h"

#include <pthread.h>
#include <unistd.h>

struct fixture {
    struct temp_folder folder;
    char db[TEMP_PATH_MAX], path[TEMP_PATH_MAX];
    struct metrics metrics;
    struct access *access;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    temp_folder_make(&fixture->folder);
    temp_folder_path(&fixture->folder, "a.db", fixture->db);
    temp_folder_path(&fixture->folder, "a.db.tokens", fixture->path);
    assert_ok(access_open(fixture->db, &fixture->metrics, &fixture->access, NULL));
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    access_close(&fixture->access);
    temp_folder_remove(&fixture->folder);
    free(fixture);
    return 0;
}

#define ACCESS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Makes a token that the server knows. @param header  out: its Authorization. */
static uint32_t make(struct fixture *fixture, struct token token, char header[64])
{
    char text[TOKEN_TEXT] = "";
    memcpy(token.name, "test", sizeof "test");
    token.grant.scopes = TOKEN_ADMIN;
    assert_ok(token_issue(fixture->db, &token, text, NULL));
    access_refresh(fixture->access);
    (void)snprintf(header, 64, "Bearer %s", text);
    return token.grant.kid;
}

/* How a request with a header is answered: a slug, or "". */
static const char *ask(struct fixture *fixture, const char *header)
{
    const struct access_request request = {.authorization = header, .scope = TOKEN_ADMIN};
    struct problem problem = {0};
    struct token_grant grant = {0};
    return access_admit(fixture->access, &request, &grant, &problem) ? ""
                                                                     : problem_slug(problem.kind);
}

static void a_token_works_from_the_next_reading_on_until_it_is_revoked(void **state)
{
    struct fixture *fixture = *state;
    char first[64], second[64];
    size_t n;
    assert_false(access_has_tokens(fixture->access));
    make(fixture, (struct token){0}, first);
    assert_true(access_has_tokens(fixture->access));
    assert_string_equal(ask(fixture, first), "");
    make(fixture, (struct token){0}, second);
    assert_string_equal(ask(fixture, first), "");
    assert_string_equal(ask(fixture, second), "");
    assert_ok(token_revoke(fixture->db, "test", &n, NULL));
    assert_string_equal(ask(fixture, first), "");
    access_refresh(fixture->access);
    assert_string_equal(ask(fixture, first), "invalid-token");
    assert_string_equal(ask(fixture, second), "invalid-token");
    assert_true(access_has_tokens(fixture->access));
}

static void the_right_kid_with_another_secret_is_no_token(void **state)
{
    struct fixture *fixture = *state;
    char header[64], text[TOKEN_TEXT], wrong[64];
    uint32_t kid;
    make(fixture, (struct token){0}, header);
    assert_true(token_make(text, &kid));
    make(fixture, (struct token){0}, wrong);
    assert_string_equal(ask(fixture, wrong), "");
    wrong[30] = wrong[30] == 'a' ? 'b' : 'a'; /* and its checksum is wrong as well */
    assert_string_equal(ask(fixture, wrong), "invalid-token");
    (void)snprintf(wrong, sizeof wrong, "Bearer %s", text); /* proper, and of nobody */
    assert_string_equal(ask(fixture, wrong), "invalid-token");
    assert_int_equal(atomic_load(&fixture->metrics.counter[METRIC_REFUSED_TOKEN]), 2);
}

static void a_file_that_is_damaged_or_gone_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    char header[64];
    make(fixture, (struct token){0}, header);
    temp_file_write(fixture->path, "no tokens\n", 10);
    access_refresh(fixture->access);
    assert_string_equal(ask(fixture, header), "");
    assert_string_equal(ask(fixture, NULL), "invalid-token");
    assert_int_equal(unlink(fixture->path), 0);
    access_refresh(fixture->access);
    assert_string_equal(ask(fixture, header), "");
    assert_true(access_has_tokens(fixture->access));
}

static void a_start_with_a_damaged_file_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct access *other = NULL;
    struct rk_error err = {0};
    temp_file_write(fixture->path, "no tokens\n", 10);
    assert_status(access_open(fixture->db, &fixture->metrics, &other, &err), RK_CORRUPT);
    assert_non_null(strstr(err.text, "a.db.tokens"));
    assert_null(other);
}

static void a_rate_is_not_given_anew_with_a_new_reading(void **state)
{
    struct fixture *fixture = *state;
    char header[64], other[64];
    const char *slug = "";
    make(fixture, (struct token){.grant.requests_per_s = 1}, header);
    for (int i = 0; i < 10000 && slug[0] == '\0'; i++) {
        slug = ask(fixture, header);
    }
    assert_string_equal(slug, "rate-limited");
    make(fixture, (struct token){0}, other);
    assert_string_equal(ask(fixture, other), "");
    /* It fills with time alone: of two more at once one is refused, whatever the time. */
    slug = ask(fixture, header)[0] != '\0' ? "rate-limited" : ask(fixture, header);
    assert_string_equal(slug, "rate-limited");
}

static void a_use_is_told_once_a_minute(void **state)
{
    struct fixture *fixture = *state;
    const int64_t before = clock_unix_ms() / 60000;
    struct access_use use[2];
    char header[64], unused[64];
    size_t n = 2;
    const uint32_t kid = make(fixture, (struct token){0}, header);
    make(fixture, (struct token){0}, unused);
    access_take_uses(fixture->access, use, &n);
    assert_int_equal(n, 0);
    assert_string_equal(ask(fixture, header), "");
    n = 2;
    access_take_uses(fixture->access, use, &n);
    assert_int_equal(n, 1);
    assert_int_equal(use[0].kid, kid);
    assert_in_range(use[0].minute, before, before + 1);
    n = 2;
    access_take_uses(fixture->access, use, &n);
    assert_int_equal(n, 0);
}

/* Asks all the while. */
static void *keep_asking(void *context)
{
    struct fixture *fixture = context;
    for (int i = 0; i < 2000; i++) {
        (void)ask(fixture, "Bearer rkd_0");
        (void)ask(fixture, NULL);
    }
    return NULL;
}

static void tokens_may_change_while_they_are_asked_for(void **state)
{
    struct fixture *fixture = *state;
    char header[64];
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, keep_asking, fixture), 0);
    for (int i = 0; i < 20; i++) {
        make(fixture, (struct token){0}, header);
        assert_string_equal(ask(fixture, header), "");
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ACCESS_TEST(a_token_works_from_the_next_reading_on_until_it_is_revoked),
        ACCESS_TEST(the_right_kid_with_another_secret_is_no_token),
        ACCESS_TEST(a_file_that_is_damaged_or_gone_changes_nothing),
        ACCESS_TEST(a_start_with_a_damaged_file_is_refused),
        ACCESS_TEST(a_rate_is_not_given_anew_with_a_new_reading),
        ACCESS_TEST(a_use_is_told_once_a_minute),
        ACCESS_TEST(tokens_may_change_while_they_are_asked_for),
    };
    return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
