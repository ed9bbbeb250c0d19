/*
 * Feedback with a token that has caps: exact whatever the number of connections, and nothing is kept of
 * what was capped.
 */
#include "api_fixture.h"
#include "clock.h"
#include "fault_vfs.h"
#include "store_fixture.h"
#include "test.h"

#include <pthread.h>

#define THREADS 3 /* API_FIXTURE_SLOTS less the one of the health listener */
#define EVENTS  40
#define CAP     20

/* A token with caps, whose header is used from then on. */
static char *use_caps(struct api_fixture *fixture, struct caps_rules caps)
{
    struct token token = {.grant = {.scopes = TOKEN_ALL_SCOPES, .caps = caps}};
    char *header = api_fixture_token(fixture, &token);
    fixture->authorization = header;
    return header;
}

static void score(struct api_fixture *fixture, const char *ranking, const char *user)
{
    assert_answered(postf(fixture, "/v1/score",
                          "{\"ranking_id\":\"%s\",%s%s%s\"items\":[\"a\",\"b\",\"c\"]}", ranking,
                          user != NULL ? "\"user\":{\"id\":\"" : "", user != NULL ? user : "",
                          user != NULL ? "\"}," : ""),
                    200);
}

/* Sends an event. @return its status. */
static const char *event(struct api_fixture *fixture, const char *id, const char *ranking,
                         const char *item, const char *type)
{
    const struct answer *answer =
        postf(fixture, "/v1/feedback",
              "{\"event_id\":\"%s\",\"ranking_id\":\"%s\",\"item_id\":\"%s\",\"type\":\"%s\"}", id,
              ranking, item, type);
    assert_answered(answer, 200);
    return text_at(answer, "/results/0/status");
}

/* Waits for a minute's beginning if its end is near, so that a test sees one minute alone. */
static void stay_in_a_minute(void)
{
    while (clock_unix_ms() % 60000 > 50000) {
        const struct timespec moment = {.tv_nsec = 100000000};
        (void)nanosleep(&moment, NULL);
    }
}

static void each_cap_is_answered_capped_and_nothing_is_kept(void **state)
{
    struct api_fixture *fixture = *state;
    stay_in_a_minute();
    char *header = use_caps(fixture, (struct caps_rules){.item_per_minute = 2});
    score(fixture, "r", "u");
    assert_string_equal(event(fixture, "1", "r", "a", "click"), "accepted");
    assert_string_equal(event(fixture, "2", "r", "a", "buy"), "accepted");
    const int64_t end = log_end(fixture);
    assert_string_equal(event(fixture, "3", "r", "a", "like"), "capped");
    assert_int_equal(log_end(fixture), end);
    assert_string_equal(event(fixture, "1", "r", "a", "click"), "duplicate"); /* as ever */
    assert_string_equal(event(fixture, "4", "r", "z", "click"), "not_shown");
    assert_string_equal(event(fixture, "5", "r", "b", "click"), "accepted");
    assert_non_null(
        strstr(get(fixture, "/metrics")->text, "rankd_events_total{status=\"capped\"} 1\n"));
    free(header);
}

static void a_user_has_a_cap_over_all_lists_and_nobody_has_none(void **state)
{
    struct api_fixture *fixture = *state;
    stay_in_a_minute();
    char *header = use_caps(fixture, (struct caps_rules){.user_per_minute = 2});
    score(fixture, "r", "u");
    score(fixture, "s", "u");
    score(fixture, "t", "v");
    score(fixture, "n", NULL);
    assert_string_equal(event(fixture, "1", "r", "a", "click"), "accepted");
    assert_string_equal(event(fixture, "2", "s", "b", "click"), "accepted");
    assert_string_equal(event(fixture, "3", "r", "c", "click"), "capped");
    assert_string_equal(event(fixture, "4", "t", "a", "click"), "accepted");
    for (int i = 0; i < 5; i++) {
        assert_string_equal(event(fixture, (char[]){'n', (char)('0' + i), '\0'}, "n", "a", "click"),
                            "accepted");
    }
    free(header);
}

static void once_is_for_an_item_of_a_ranking_and_a_type_and_outlives_a_start(void **state)
{
    struct api_fixture *fixture = *state;
    char *header = use_caps(fixture, (struct caps_rules){.once = 1});
    score(fixture, "r", "u");
    score(fixture, "s", "u");
    assert_string_equal(event(fixture, "1", "r", "a", "click"), "accepted");
    assert_string_equal(event(fixture, "2", "r", "a", "click"), "capped");
    assert_string_equal(event(fixture, "3", "r", "a", "buy"), "accepted");
    assert_string_equal(event(fixture, "4", "r", "b", "click"), "accepted");
    assert_string_equal(event(fixture, "5", "s", "a", "click"), "accepted");
    api_fixture_stop(fixture);
    api_fixture_start(fixture);
    assert_string_equal(event(fixture, "6", "r", "a", "click"), "capped");
    free(header);
}

/* One of several connections, each of which sends events a request each. */
struct sender {
    struct api_fixture *fixture;
    pthread_t thread;
    int number;
    int accepted, capped; /* out */
};

static void *send_events(void *context)
{
    struct sender *sender = context;
    for (int i = 0; i < EVENTS; i++) {
        char body[200];
        (void)snprintf(body, sizeof body,
                       "{\"event_id\":\"%d-%d\",\"ranking_id\":\"r\",\"item_id\":\"a\","
                       "\"type\":\"t%d-%d\"}",
                       sender->number, i, sender->number, i);
        struct api_call call = {.method = "POST",
                                .path = "/v1/feedback",
                                .content_type = "application/json",
                                .body = body,
                                .body_n = strlen(body),
                                .authorization = sender->fixture->authorization};
        api_fixture_handle(sender->fixture, &call);
        sender->accepted +=
            memmem(call.answer.text, call.answer.length, "\"accepted\"}", 11) != NULL;
        sender->capped += memmem(call.answer.text, call.answer.length, "\"capped\"}", 9) != NULL;
        api_call_deinit(&call);
    }
    return NULL;
}

static void caps_are_exact_over_connections(void **state)
{
    struct api_fixture *fixture = *state;
    struct sender senders[THREADS];
    int accepted = 0, capped = 0;
    stay_in_a_minute();
    char *header = use_caps(fixture, (struct caps_rules){.events_per_minute = CAP});
    score(fixture, "r", "u");
    for (int i = 0; i < THREADS; i++) {
        senders[i] = (struct sender){.fixture = fixture, .number = i};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_events, &senders[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(senders[i].thread, NULL), 0);
        accepted += senders[i].accepted;
        capped += senders[i].capped;
    }
    assert_int_equal(accepted, CAP);
    assert_int_equal(capped, THREADS * EVENTS - CAP);
    free(header);
}

static void what_storage_did_not_take_counts_for_no_cap(void **state)
{
    struct api_fixture *fixture;
    fault_start();
    (void)api_fixture_setup(state);
    fixture = *state;
    fixture->service.options.storage_retry_ms = 10;
    fixture->service.options.log_days = 0; /* retention would meet the fault */
    api_fixture_stop(fixture);
    api_fixture_start(fixture);
    stay_in_a_minute();
    char *header = use_caps(fixture, (struct caps_rules){.user_per_minute = 1});
    score(fixture, "r", "u");
    (void)log_end(fixture);
    fault_arm(FAULT_SYNC, 1, true); /* the writer alone syncs */
    const struct answer *answer =
        post(fixture, "/v1/feedback",
             "{\"event_id\":\"1\",\"ranking_id\":\"r\",\"item_id\":\"a\",\"type\":\"click\"}");
    assert_int_equal(answer->status, 503);
    fault_end();
    for (int i = 0; i < 1000 && answer->status != 200; i++) { /* until storage works again */
        const struct timespec moment = {.tv_nsec = 10000000};
        (void)nanosleep(&moment, NULL);
        answer =
            post(fixture, "/v1/feedback",
                 "{\"event_id\":\"2\",\"ranking_id\":\"r\",\"item_id\":\"b\",\"type\":\"click\"}");
    }
    assert_answered(answer, 200);
    assert_string_equal(text_at(answer, "/results/0/status"), "accepted");
    assert_string_equal(event(fixture, "3", "r", "c", "click"), "capped");
    free(header);
    (void)api_fixture_teardown(state);
    fault_stop();
}

static void an_event_is_kept_with_the_kid_of_its_token(void **state)
{
    struct api_fixture *fixture = *state;
    struct token token = {.grant.scopes = TOKEN_ALL_SCOPES};
    char *header = api_fixture_token(fixture, &token);
    fixture->authorization = header;
    score(fixture, "r", "u");
    assert_string_equal(event(fixture, "1", "r", "a", "click"), "accepted");
    api_fixture_stop(fixture);
    assert_int_equal(fixture_read_number(fixture->path, "SELECT token FROM event"),
                     token.grant.kid);
    api_fixture_start(fixture);
    free(header);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(each_cap_is_answered_capped_and_nothing_is_kept),
        API_TEST(a_user_has_a_cap_over_all_lists_and_nobody_has_none),
        API_TEST(once_is_for_an_item_of_a_ranking_and_a_type_and_outlives_a_start),
        API_TEST(caps_are_exact_over_connections),
        cmocka_unit_test(what_storage_did_not_take_counts_for_no_cap),
        API_TEST(an_event_is_kept_with_the_kid_of_its_token),
    };
    return cmocka_run_group_tests_name("api_caps", tests, api_fixture_group, NULL);
}
