/*
 * Metrics in Prometheus' text format, version 0.0.4. A histogram is read bucket by bucket while
 * others add to it, and its count is the sum of what was read, so that +Inf and _count always
 * agree.
 */
#include "metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_S 1e9

static const uint64_t bound_ns[METRIC_BUCKETS] = {
    50000,    100000,   250000,    500000,    1000000,   2500000,    5000000,    10000000,
    25000000, 50000000, 100000000, 250000000, 500000000, 1000000000, 2500000000, 10000000000,
};

struct counter_facts {
    const char *name;
    const char *labels;
    const char *help;
};

static const struct counter_facts counters[METRIC_COUNTER_COUNT] = {
#define METRIC_FACTS(name, metric, labels, help) {metric, labels, help},
    METRIC_COUNTERS(METRIC_FACTS)
#undef METRIC_FACTS
};

void metrics_add(struct metrics *metrics, enum metric_counter counter, uint64_t n)
{
    atomic_fetch_add_explicit(&metrics->counter[counter], n, memory_order_relaxed);
}

void metrics_observe(struct metric_histogram *histogram, uint64_t ns)
{
    size_t i = 0;
    while (i < METRIC_BUCKETS && ns > bound_ns[i]) {
        i++;
    }
    atomic_fetch_add_explicit(&histogram->bucket[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_ns, ns, memory_order_relaxed);
}

static uint64_t load(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

/* Copies the buckets and returns their sum. */
static uint64_t snapshot(const struct metric_histogram *histogram, uint64_t *bucket)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= METRIC_BUCKETS; i++) {
        bucket[i] = load(&histogram->bucket[i]);
        count += bucket[i];
    }
    return count;
}

/*
 * As Prometheus' histogram_quantile: linear inside a bucket, and the highest bound for what lies
 * above it.
 */
static double quantile(const uint64_t *bucket, uint64_t count, double q)
{
    double below = 0;
    if (count == 0) {
        return (double)NAN;
    }
    double rank = fmin(fmax(q, 0), 1) * (double)count;
    for (size_t i = 0; i < METRIC_BUCKETS; i++) {
        double inside = (double)bucket[i];
        if (inside > 0 && below + inside >= rank) {
            double low = i == 0 ? 0 : (double)bound_ns[i - 1];
            double high = (double)bound_ns[i];
            return (low + (high - low) * (rank - below) / inside) / NS_PER_S;
        }
        below += inside;
    }
    return (double)bound_ns[METRIC_BUCKETS - 1] / NS_PER_S;
}

double metrics_quantile(const struct metric_histogram *histogram, double q)
{
    uint64_t bucket[METRIC_BUCKETS + 1];
    const uint64_t count = snapshot(histogram, bucket);

    return quantile(bucket, count, q);
}

uint64_t metrics_quantile_since(const struct metric_histogram *histogram, double q,
                                struct metric_reading *reading, double *seconds)
{
    struct metric_reading now;
    uint64_t bucket[METRIC_BUCKETS + 1];
    uint64_t count = 0;

    (void)snapshot(histogram, now.bucket);
    for (size_t i = 0; i <= METRIC_BUCKETS; i++) {
        bucket[i] = now.bucket[i] - reading->bucket[i];
        count += bucket[i];
    }
    *reading = now;
    *seconds = quantile(bucket, count, q);
    return count;
}

/* Label values escape '"' too; help texts only these two. */
static void write_escaped(struct emit *out, const char *text, bool quote)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            emit_raw(out, "\\n", 2);
        } else {
            emit_raw(out, "\\", *text == '\\' || (quote && *text == '"') ? 1 : 0);
            emit_raw(out, text, 1);
        }
    }
}

void metrics_head(struct emit *out, const char *name, const char *type, const char *help)
{
    emit_format(out, "# HELP %s ", name);
    write_escaped(out, help, false);
    emit_format(out, "\n# TYPE %s %s\n", name, type);
}

static void write_label(struct emit *out, const char *label, const char *value)
{
    emit_format(out, "%s=\"", label);
    write_escaped(out, value, true);
    emit_raw(out, "\"", 1);
}

void metrics_sample(struct emit *out, const char *name, const char *label, const char *label_value,
                    double value)
{
    emit_format(out, "%s", name);
    if (label != NULL) {
        emit_raw(out, "{", 1);
        write_label(out, label, label_value);
        emit_raw(out, "}", 1);
    }
    if (isnan(value)) {
        emit_format(out, " NaN\n");
    } else if (isinf(value)) {
        emit_format(out, " %cInf\n", value > 0 ? '+' : '-');
    } else {
        emit_format(out, " %.16g\n", value); /* whole numbers up to 2^53 as they are */
    }
}

static void write_counters(const struct metrics *metrics, struct emit *out)
{
    const char *previous = "";
    for (size_t i = 0; i < METRIC_COUNTER_COUNT; i++) {
        const struct counter_facts *facts = &counters[i];
        bool labelled = facts->labels[0] != '\0';
        if (strcmp(facts->name, previous) != 0) {
            metrics_head(out, facts->name, "counter", facts->help);
        }
        previous = facts->name;
        emit_format(out, "%s%s%s%s %" PRIu64 "\n", facts->name, labelled ? "{" : "", facts->labels,
                    labelled ? "}" : "", load(&metrics->counter[i]));
    }
}

/* One series of a histogram; route NULL = without labels. */
static void write_histogram(const struct metric_histogram *histogram, const char *name,
                            const char *route, struct emit *out)
{
    static const char *const parts[] = {"_sum", "_count"};
    uint64_t bucket[METRIC_BUCKETS + 1];
    uint64_t count = snapshot(histogram, bucket);
    uint64_t below = 0;
    for (size_t i = 0; i <= METRIC_BUCKETS; i++) {
        below += bucket[i];
        emit_format(out, "%s_bucket{", name);
        if (route != NULL) {
            write_label(out, "route", route);
            emit_raw(out, ",", 1);
        }
        if (i < METRIC_BUCKETS) {
            emit_format(out, "le=\"%.9g\"} ", (double)bound_ns[i] / NS_PER_S);
        } else {
            emit_format(out, "le=\"+Inf\"} ");
        }
        emit_format(out, "%" PRIu64 "\n", below);
    }
    const double values[] = {(double)load(&histogram->sum_ns) / NS_PER_S, (double)count};
    for (size_t i = 0; i < 2; i++) {
        char series[64];
        (void)snprintf(series, sizeof series, "%s%s", name, parts[i]);
        metrics_sample(out, series, route != NULL ? "route" : NULL, route, values[i]);
    }
}

/*
 * Series of routes appear with their first request, as labelled series do in the client libraries.
 */
static void write_requests(const struct metrics *metrics, const char *const *routes,
                           size_t n_routes, struct emit *out)
{
    uint64_t bucket[METRIC_BUCKETS + 1];
    metrics_head(out, "rankd_requests_total", "counter", "Requests by route and class of status.");
    for (size_t i = 0; i < n_routes; i++) {
        for (size_t status = 0; status < METRIC_CLASSES; status++) {
            uint64_t answers = load(&metrics->answers[i][status]);
            if (answers > 0) {
                emit_format(out, "rankd_requests_total{");
                write_label(out, "route", routes[i]);
                emit_format(out, ",code=\"%zuxx\"} %" PRIu64 "\n", status, answers);
            }
        }
    }
    metrics_head(out, "rankd_request_seconds", "histogram", "Time from request to answer.");
    for (size_t i = 0; i < n_routes; i++) {
        if (snapshot(&metrics->request[i], bucket) > 0) {
            write_histogram(&metrics->request[i], "rankd_request_seconds", routes[i], out);
        }
    }
}

void metrics_write(const struct metrics *metrics, const char *const *routes, size_t n_routes,
                   struct emit *out)
{
    write_counters(metrics, out);
    metrics_head(out, "rankd_commit_seconds", "histogram", "Time of a commit of the writer.");
    write_histogram(&metrics->commit, "rankd_commit_seconds", NULL, out);
    metrics_head(out, "rankd_freshness_seconds", "histogram",
                 "Time from an acknowledged event to the first version that learned from it.");
    write_histogram(&metrics->freshness, "rankd_freshness_seconds", NULL, out);
    write_requests(metrics, routes, n_routes, out);
}
