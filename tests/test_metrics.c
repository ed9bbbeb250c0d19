/*
 * Metrics: counters and histograms add up, quantiles fall into their bucket, and what is written is
 * what Prometheus reads.
 */
#include "metrics.h"
#include "test.h"

#include <pthread.h>
#include <stdbool.h>

static const char *const routes[] = {"POST /v1/score", "GET \"x\"\\\n"};
static struct metrics metrics;
static struct emit out;

static int reset(void **state)
{
    (void)state;
    memset(&metrics, 0, sizeof metrics);
    emit_deinit(&out);
    return 0;
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *found = text; (found = strstr(found, part)) != NULL; found++) {
        count++;
    }
    return count;
}

static void assert_has(const char *part)
{
    if (strstr(out.text, part) == NULL) {
        fail_msg("not there: %s", part);
    }
}

static void counters_are_written_with_their_labels(void **state)
{
    (void)state;
    metrics_add(&metrics, METRIC_EVENTS_ACCEPTED, 2);
    metrics_add(&metrics, METRIC_EVENTS_ACCEPTED, 3);
    metrics_add(&metrics, METRIC_ITEMS_SCORED, UINT64_C(1) << 60);
    metrics_write(&metrics, routes, 2, &out);
    assert_has("# HELP rankd_events_total Feedback events by outcome.\n"
               "# TYPE rankd_events_total counter\n"
               "rankd_events_total{status=\"accepted\"} 5\n"
               "rankd_events_total{status=\"duplicate\"} 0\n");
    assert_has("rankd_items_scored_total 1152921504606846976\n");
}

static void help_and_type_stand_once_before_each_metric(void **state)
{
    const char *line;
    char seen[64][64];
    size_t n = 0;
    (void)state;
    metrics_observe(&metrics.request[0], 1);
    metrics_observe(&metrics.request[1], 1);
    metrics_write(&metrics, routes, 2, &out);
    for (line = out.text; (line = strstr(line, "# TYPE ")) != NULL; line++) {
        assert_true(n < 64);
        assert_int_equal(sscanf(line, "# TYPE %63s", seen[n]), 1);
        for (size_t i = 0; i < n; i++) {
            assert_string_not_equal(seen[i], seen[n]);
        }
        n++;
    }
    assert_int_equal(n, count_of(out.text, "# HELP "));
    assert_null(strstr(out.text, " \n")); /* every help has a text */
}

static void a_duration_falls_into_the_bucket_that_includes_its_bound(void **state)
{
    (void)state;
    metrics_observe(&metrics.commit, 50000);
    metrics_observe(&metrics.commit, 50001);
    metrics_observe(&metrics.commit, UINT64_C(10000000000));
    metrics_observe(&metrics.commit, UINT64_C(10000000001));
    metrics_write(&metrics, routes, 0, &out);
    assert_has("# TYPE rankd_commit_seconds histogram\n"
               "rankd_commit_seconds_bucket{le=\"5e-05\"} 1\n"
               "rankd_commit_seconds_bucket{le=\"0.0001\"} 2\n"
               "rankd_commit_seconds_bucket{le=\"0.00025\"} 2\n");
    assert_has("rankd_commit_seconds_bucket{le=\"2.5\"} 2\n"
               "rankd_commit_seconds_bucket{le=\"10\"} 3\n"
               "rankd_commit_seconds_bucket{le=\"+Inf\"} 4\n"
               "rankd_commit_seconds_sum 20.000100002\n"
               "rankd_commit_seconds_count 4\n");
    assert_int_equal(count_of(out.text, "rankd_commit_seconds_bucket"), METRIC_BUCKETS + 1);
}

static void routes_appear_with_their_first_request_and_escaped(void **state)
{
    (void)state;
    metrics_write(&metrics, routes, 2, &out);
    assert_null(strstr(out.text, "{route="));
    emit_reset(&out);
    metrics_observe(&metrics.request[1], 2000000);
    metrics.answers[1][2] = 7;
    metrics.answers[1][5] = 1;
    metrics_write(&metrics, routes, 2, &out);
    assert_has("rankd_requests_total{route=\"GET \\\"x\\\"\\\\\\n\",code=\"2xx\"} 7\n"
               "rankd_requests_total{route=\"GET \\\"x\\\"\\\\\\n\",code=\"5xx\"} 1\n");
    assert_has("rankd_request_seconds_bucket{route=\"GET \\\"x\\\"\\\\\\n\",le=\"0.0025\"} 1\n");
    assert_has("rankd_request_seconds_sum{route=\"GET \\\"x\\\"\\\\\\n\"} 0.002\n");
    assert_has("rankd_request_seconds_count{route=\"GET \\\"x\\\"\\\\\\n\"} 1\n");
    assert_null(strstr(out.text, "POST /v1/score"));
}

/* name{labels} value, where a label value holds no raw quote or newline. */
static bool is_sample(const char *line)
{
    size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyz_:0123456789");
    bool quoted = false;
    const char *c = line + n;
    if (*c == '{') {
        for (c++; *c != '\0' && (quoted || *c != '}'); c++) {
            c += quoted && *c == '\\' ? 1 : 0;
            quoted = *c == '"' && c[-1] != '\\' ? !quoted : quoted;
        }
        c += *c == '}' ? 1 : 0;
    }
    char *end = NULL;
    (void)strtod(c, &end);
    return n > 0 && *c == ' ' && end > c + 1 && *end == '\0';
}

static void every_line_is_a_comment_or_a_sample(void **state)
{
    (void)state;
    metrics_observe(&metrics.request[0], 1);
    metrics_observe(&metrics.request[1], 1);
    metrics.answers[0][4] = 1;
    metrics_write(&metrics, routes, 2, &out);
    assert_int_equal(out.text[out.length - 1], '\n');
    for (char *line = strtok(out.text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (strncmp(line, "# HELP ", 7) != 0 && strncmp(line, "# TYPE ", 7) != 0 &&
            !is_sample(line)) {
            fail_msg("not a sample: %s", line);
        }
    }
}

static void quantiles_are_interpolated_inside_their_bucket(void **state)
{
    (void)state;
    assert_true(isnan(metrics_quantile(&metrics.commit, 0.5)));
    for (int i = 0; i < 10; i++) {
        metrics_observe(&metrics.commit, 700000); /* 0.5 ms to 1 ms */
    }
    assert_close(metrics_quantile(&metrics.commit, 0.5), 0.00075, 1e-12, 0);
    assert_close(metrics_quantile(&metrics.commit, 1), 0.001, 1e-12, 0);
    assert_close(metrics_quantile(&metrics.commit, 0), 0.0005, 1e-12, 0);
    assert_close(metrics_quantile(&metrics.commit, 7), 0.001, 1e-12, 0);
    for (int i = 0; i < 90; i++) {
        metrics_observe(&metrics.commit, 20000); /* below the first bound */
    }
    assert_close(metrics_quantile(&metrics.commit, 0.5), 50e-6 * 50 / 90, 1e-12, 0);
    assert_close(metrics_quantile(&metrics.commit, 0.95), 0.00075, 1e-9, 0);
}

static void a_quantile_past_the_last_bound_is_that_bound(void **state)
{
    (void)state;
    metrics_observe(&metrics.commit, UINT64_C(3600000000000));
    assert_close(metrics_quantile(&metrics.commit, 0.5), 10, 0, 0);
}

static void quantile_since_a_reading_is_of_what_came_after_it(void **state)
{
    struct metric_reading reading = {0};
    double seconds = 0;
    (void)state;
    metrics_observe(&metrics.commit, 20000000);
    assert_int_equal(metrics_quantile_since(&metrics.commit, 1, &reading, &seconds), 1);
    assert_close(seconds, 0.025, 1e-12, 0);
    assert_int_equal(metrics_quantile_since(&metrics.commit, 1, &reading, &seconds), 0);
    assert_true(isnan(seconds));
    metrics_observe(&metrics.commit, 700000);
    metrics_observe(&metrics.commit, 700000);
    assert_int_equal(metrics_quantile_since(&metrics.commit, 1, &reading, &seconds), 2);
    assert_close(seconds, 0.001, 1e-12, 0);
}

static void samples_of_others_are_written_with_one_label_or_none(void **state)
{
    (void)state;
    metrics_head(&out, "rankd_version", "gauge", "a \\ b\nc \"d\"");
    metrics_sample(&out, "rankd_version", NULL, NULL, 42);
    metrics_sample(&out, "rankd_version", "model", "a\"b", 0.1);
    metrics_sample(&out, "rankd_version", "model", "n", (double)NAN);
    metrics_sample(&out, "rankd_version", "model", "p", (double)INFINITY);
    metrics_sample(&out, "rankd_version", "model", "m", -(double)INFINITY);
    metrics_sample(&out, "rankd_version", NULL, NULL, 9007199254740991.0);
    assert_string_equal(out.text, "# HELP rankd_version a \\\\ b\\nc \"d\"\n"
                                  "# TYPE rankd_version gauge\n"
                                  "rankd_version 42\n"
                                  "rankd_version{model=\"a\\\"b\"} 0.1\n"
                                  "rankd_version{model=\"n\"} NaN\n"
                                  "rankd_version{model=\"p\"} +Inf\n"
                                  "rankd_version{model=\"m\"} -Inf\n"
                                  "rankd_version 9007199254740991\n");
}

static void *add_some(void *unused)
{
    for (int i = 0; i < 100000; i++) {
        metrics_add(&metrics, METRIC_COMMITS, 1);
        metrics_observe(&metrics.freshness, 1000);
    }
    return unused;
}

static void threads_lose_no_count(void **state)
{
    pthread_t threads[4];
    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, add_some, NULL), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    metrics_write(&metrics, routes, 0, &out);
    assert_has("rankd_commits_total 400000\n");
    assert_has("rankd_freshness_seconds_bucket{le=\"5e-05\"} 400000\n");
    assert_has("rankd_freshness_seconds_sum 0.4\nrankd_freshness_seconds_count 400000\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(counters_are_written_with_their_labels),
        TEST(help_and_type_stand_once_before_each_metric),
        TEST(quantile_since_a_reading_is_of_what_came_after_it),
        TEST(a_duration_falls_into_the_bucket_that_includes_its_bound),
        TEST(routes_appear_with_their_first_request_and_escaped),
        TEST(every_line_is_a_comment_or_a_sample),
        TEST(quantiles_are_interpolated_inside_their_bucket),
        TEST(a_quantile_past_the_last_bound_is_that_bound),
        TEST(samples_of_others_are_written_with_one_label_or_none),
        TEST(threads_lose_no_count),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
