/*
 * POST /v1/feedback: what becomes of each event, and that it is decided once for all.
 */
#include "api_fixture.h"
#include "clock.h"
#include "list.h"
#include "test.h"

#define EVENT(id, ranking, item)                                                                   \
    "{\"event_id\": \"" id "\", \"ranking_id\": \"" ranking "\", \"item_id\": \"" item             \
    "\", \"type\": \"click\"}"

static void serve(struct api_fixture *fixture, const char *ranking)
{
    assert_answered(postf(fixture, "/v1/score",
                          "{\"ranking_id\": \"%s\", \"items\": [\"a\", \"b\", \"c\"]}", ranking),
                    200);
}

/* The statuses of an answer's events, joined with spaces. */
static const char *statuses(const struct answer *answer, char *text, size_t size)
{
    assert_answered(answer, 200);
    text[0] = '\0';
    for (size_t i = 0; i < count_at(answer, "/results"); i++) {
        char pointer[48];
        const size_t used = strlen(text);
        (void)snprintf(pointer, sizeof pointer, "/results/%zu/status", i);
        (void)snprintf(text + used, size - used, "%s%s", i > 0 ? " " : "",
                       text_at(answer, pointer));
    }
    return text;
}

static void assert_statuses(const struct answer *answer, const char *expected)
{
    char text[256];
    assert_string_equal(statuses(answer, text, sizeof text), expected);
}

static void an_answer_has_the_shape_of_the_contract(void **state)
{
    const struct answer *answer;
    serve(*state, "r-123");
    answer = post(*state, "/v1/feedback",
                  "{\"events\": [{\"event_id\": \"e1\", \"ranking_id\": \"r-123\", \"item_id\":"
                  " \"a\", \"type\": \"click\", \"time\": \"2026-11-24T10:00:00Z\"},"
                  " {\"event_id\": \"e2\", \"ranking_id\": \"r-123\", \"item_id\": \"a\","
                  " \"type\": \"purchase\", \"value\": 2.0}]}");
    assert_answered(answer, 200);
    assert_string_equal(answer->text, "{\"accepted\":2,\"results\":[{\"event_id\":\"e1\","
                                      "\"status\":\"accepted\"},{\"event_id\":\"e2\",\"status\":"
                                      "\"accepted\"}]}");
}

static void one_event_alone_and_an_event_a_line_are_taken(void **state)
{
    const struct answer *answer;
    serve(*state, "r");
    assert_statuses(post(*state, "/v1/feedback", EVENT("e1", "r", "a")), "accepted");
    answer = post_lines(*state, "/v1/feedback",
                        EVENT("e2", "r", "a") "\n\n" EVENT("e3", "r", "b") "\r\n");
    assert_statuses(answer, "accepted accepted");
    assert_int_equal(integer_at(answer, "/accepted"), 2);
    assert_string_equal(text_at(answer, "/results/1/event_id"), "e3");
    assert_int_equal(count_at(get(*state, "/v1/rankings/r"), "/events"), 3);
}

static void no_events_are_no_mistake(void **state)
{
    const int64_t before = log_end(*state);
    assert_string_equal(post(*state, "/v1/feedback", "{\"events\": []}")->text,
                        "{\"accepted\":0,\"results\":[]}");
    assert_statuses(post_lines(*state, "/v1/feedback", "\n"), "");
    assert_int_equal(log_end(*state), before);
}

static void the_same_event_is_a_duplicate_and_a_changed_one_a_conflict(void **state)
{
    int64_t before;
    serve(*state, "r");
    serve(*state, "r2");
    assert_statuses(post(*state, "/v1/feedback",
                         "{\"events\": [" EVENT("e", "r", "a") ", " EVENT("e", "r", "a") "]}"),
                    "accepted duplicate");
    before = log_end(*state);
    assert_statuses(post(*state, "/v1/feedback",
                         "{\"type\": \"click\", \"value\": 1.0, \"item_id\": \"a\","
                         " \"ranking_id\": \"r\", \"event_id\": \"e\"}"),
                    "duplicate");
    assert_statuses(post(*state, "/v1/feedback", EVENT("e", "r", "b")), "conflict");
    assert_statuses(post(*state, "/v1/feedback", EVENT("e", "r2", "a")), "conflict");
    assert_statuses(post(*state, "/v1/feedback",
                         "{\"event_id\": \"e\", \"ranking_id\": \"r\", \"item_id\": \"a\","
                         " \"type\": \"view\"}"),
                    "conflict");
    assert_statuses(post(*state, "/v1/feedback",
                         "{\"event_id\": \"e\", \"ranking_id\": \"r\", \"item_id\": \"a\","
                         " \"type\": \"click\", \"value\": 2}"),
                    "conflict");
    assert_int_equal(log_end(*state), before);
}

static void times_are_compared_as_instants(void **state)
{
#define TIMED(time)                                                                                \
    "{\"event_id\": \"e\", \"ranking_id\": \"r\", \"item_id\": \"a\", \"type\": \"click\","        \
    " \"time\": \"" time "\"}"
    serve(*state, "r");
    assert_statuses(post(*state, "/v1/feedback", TIMED("2026-11-24T10:00:00Z")), "accepted");
    assert_statuses(post(*state, "/v1/feedback", TIMED("2026-11-24T12:00:00.000+02:00")),
                    "duplicate");
    assert_statuses(post(*state, "/v1/feedback", TIMED("2026-11-24T10:00:00.001Z")), "conflict");
    assert_statuses(post(*state, "/v1/feedback", EVENT("e", "r", "a")), "conflict");
    assert_string_equal(text_at(get(*state, "/v1/rankings/r"), "/events/0/time"),
                        "2026-11-24T10:00:00.000Z");
}

static void what_was_decided_holds_across_a_restart(void **state)
{
    struct api_fixture *fixture = *state;
    serve(fixture, "r");
    assert_statuses(post(fixture, "/v1/feedback", EVENT("e", "r", "a")), "accepted");
    api_fixture_stop(fixture);
    api_fixture_start(fixture);
    assert_statuses(post(fixture, "/v1/feedback", EVENT("e", "r", "a")), "duplicate");
    assert_statuses(post(fixture, "/v1/feedback", EVENT("e", "r", "b")), "conflict");
    assert_statuses(post(fixture, "/v1/feedback", EVENT("f", "r", "b")), "accepted");
}

static void an_event_without_an_id_gets_one_from_its_content(void **state)
{
    static const char event[] = "{\"ranking_id\": \"r\", \"item_id\": \"a\", \"type\": \"click\"}";
    const struct answer *first, *second;
    serve(*state, "r");
    first = post(*state, "/v1/feedback", event);
    second = post_lines(*state, "/v1/feedback", event);
    assert_statuses(first, "accepted");
    assert_statuses(second, "duplicate");
    assert_string_equal(text_at(first, "/results/0/event_id"),
                        text_at(second, "/results/0/event_id"));
    assert_statuses(post(*state, "/v1/feedback",
                         "{\"ranking_id\": \"r\", \"item_id\": \"a\", \"type\": \"click\","
                         " \"value\": 2}"),
                    "accepted");
}

static void events_without_a_list_or_for_an_item_not_shown_change_nothing(void **state)
{
    int64_t before;
    serve(*state, "r");
    before = log_end(*state);
    assert_statuses(post(*state, "/v1/feedback",
                         "{\"events\": [" EVENT("e1", "none", "a") ", " EVENT("e2", "r", "z") "]}"),
                    "unknown_ranking not_shown");
    assert_int_equal(log_end(*state), before);
    assert_statuses(post(*state, "/v1/feedback", EVENT("e2", "r", "a")), "accepted");
}

/* A ranking of item a that was served long ago. */
struct old_ranking {
    struct writer_job job;
    int64_t time_ms;
};

static enum rk_status put_old_ranking(struct writer_job *job, struct store *store,
                                      struct rk_error *err)
{
    static const char request[] = "{\"items\":[\"a\"]}";
    static const char served[] = "[{\"id\":\"a\",\"rank\":1,\"score\":0}]";
    const uint64_t shown = list_id_hash(RK_ITEM, "a", 1);
    struct store_ranking ranking = {.ranking_id = "old",
                                    .model = 1,
                                    .time_ms = ((struct old_ranking *)job)->time_ms,
                                    .request = request,
                                    .request_n = sizeof request - 1,
                                    .served = served,
                                    .served_n = sizeof served - 1,
                                    .shown = &shown,
                                    .n_shown = 1};
    return store_put_ranking(store, &ranking, err);
}

static void events_for_a_list_past_its_time_are_expired(void **state)
{
    struct api_fixture *fixture = *state;
    struct old_ranking old = {.job = {.run = put_old_ranking, .weight = 1},
                              .time_ms = clock_unix_ms() -
                                         fixture->service.options.feedback_ttl_s * 1000 - 1000};
    int64_t before;
    assert_ok(writer_run(fixture->service.writer, &old.job).err.status);
    before = log_end(fixture);
    assert_statuses(post(fixture, "/v1/feedback", EVENT("e", "old", "a")), "expired");
    assert_int_equal(log_end(fixture), before);
}

static void an_item_of_a_list_takes_a_hundred_events(void **state)
{
    struct emit lines = {0};
    const struct answer *answer;
    serve(*state, "r");
    for (int i = 0; i <= STORE_EVENTS_PER_ITEM; i++) {
        emit_format(&lines,
                    "{\"event_id\": \"e%d\", \"ranking_id\": \"r\", \"item_id\": \"a\", \"type\":"
                    " \"click\"}\n",
                    i);
    }
    answer = post_lines(*state, "/v1/feedback", lines.text);
    emit_deinit(&lines);
    assert_int_equal(integer_at(answer, "/accepted"), 100);
    assert_string_equal(text_at(answer, "/results/99/status"), "accepted");
    assert_string_equal(text_at(answer, "/results/100/status"), "capped");
    assert_statuses(post(*state, "/v1/feedback", EVENT("x", "r", "b")), "accepted");
}

static void a_type_without_a_label_is_stored_but_not_learned_from(void **state)
{
    serve(*state, "r");
    assert_statuses(post(*state, "/v1/feedback",
                         "{\"ranking_id\": \"r\", \"item_id\": \"a\", \"type\": \"hover\"}"),
                    "accepted");
    assert_int_equal(train(*state, "default"), 0);
    assert_string_equal(text_at(get(*state, "/v1/rankings/r"), "/events/0/type"), "hover");
}

static void every_outcome_is_counted(void **state)
{
    static const char *const counts[] = {
        "accepted\"} 1\n",  "duplicate\"} 1\n", "conflict\"} 1\n", "unknown_ranking\"} 1\n",
        "not_shown\"} 1\n", "expired\"} 0\n",   "capped\"} 0\n"};
    const struct answer *metrics;
    serve(*state, "r");
    assert_statuses(
        post(*state, "/v1/feedback",
             "{\"events\": [" EVENT("e", "r", "a") ", " EVENT("e", "r", "a") ", " EVENT(
                 "e", "r", "b") ", " EVENT("f", "x", "a") ", " EVENT("g", "r", "z") "]}"),
        "accepted duplicate conflict unknown_ranking not_shown");
    metrics = get(*state, "/metrics");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        char line[80];
        (void)snprintf(line, sizeof line, "rankd_events_total{status=\"%s", counts[i]);
        assert_non_null(strstr(metrics->text, line));
    }
}

/* A job that fills the queue. */
struct filler {
    struct writer_job job;
    sem_t over;
};

static enum rk_status filler_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    (void)job;
    (void)store;
    (void)err;
    return RK_OK;
}

static void filler_done(struct writer_job *job, const struct writer_outcome *outcome)
{
    (void)outcome;
    (void)sem_post(&((struct filler *)job)->over);
}

static void a_full_queue_is_refused_at_once_with_a_time_to_wait(void **state)
{
    struct api_fixture *fixture = *state;
    struct filler filler = {.job = {.run = filler_run, .done = filler_done}};
    const struct answer *answer;
    filler.job.weight = (size_t)fixture->service.options.queue_jobs;
    (void)sem_init(&filler.over, 0, 0);
    serve(fixture, "r");
    hold_writer(fixture);
    writer_push(fixture->service.writer, &filler.job);
    answer = post(fixture, "/v1/feedback", EVENT("e", "r", "a"));
    let_writer_go(fixture);
    (void)sem_wait(&filler.over);
    assert_problem(answer, 503, "overloaded");
    assert_true(answer->retry_after_s > 0);
    assert_statuses(post(fixture, "/v1/feedback", EVENT("e", "r", "a")), "accepted");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(an_answer_has_the_shape_of_the_contract),
        API_TEST(one_event_alone_and_an_event_a_line_are_taken),
        API_TEST(no_events_are_no_mistake),
        API_TEST(the_same_event_is_a_duplicate_and_a_changed_one_a_conflict),
        API_TEST(times_are_compared_as_instants),
        API_TEST(what_was_decided_holds_across_a_restart),
        API_TEST(an_event_without_an_id_gets_one_from_its_content),
        API_TEST(events_without_a_list_or_for_an_item_not_shown_change_nothing),
        API_TEST(events_for_a_list_past_its_time_are_expired),
        API_TEST(an_item_of_a_list_takes_a_hundred_events),
        API_TEST(a_type_without_a_label_is_stored_but_not_learned_from),
        API_TEST(every_outcome_is_counted),
        API_TEST(a_full_queue_is_refused_at_once_with_a_time_to_wait),
    };
    return cmocka_run_group_tests_name("api_feedback", tests, api_fixture_group, NULL);
}
