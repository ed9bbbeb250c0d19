/*
 * Process metrics in Prometheus' text format. A leaf: counters and histograms are declared in one
 * table and added to with relaxed atomics from any thread; values that live elsewhere (versions,
 * queue depths) are written at scrape time by their owner.
 */
#ifndef RANKD_SERVER_METRICS_H
#define RANKD_SERVER_METRICS_H

#include "emit.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * enum suffix, metric name, label text ("" = none), help. Rows of one metric stand together; help
 * is the first row's.
 */
#define METRIC_COUNTERS(X)                                                                         \
    X(EVENTS_ACCEPTED, "rankd_events_total", "status=\"accepted\"", "Feedback events by outcome.") \
    X(EVENTS_DUPLICATE, "rankd_events_total", "status=\"duplicate\"", "")                          \
    X(EVENTS_CONFLICT, "rankd_events_total", "status=\"conflict\"", "")                            \
    X(EVENTS_UNKNOWN_RANKING, "rankd_events_total", "status=\"unknown_ranking\"", "")              \
    X(EVENTS_EXPIRED, "rankd_events_total", "status=\"expired\"", "")                              \
    X(EVENTS_NOT_SHOWN, "rankd_events_total", "status=\"not_shown\"", "")                          \
    X(EVENTS_CAPPED, "rankd_events_total", "status=\"capped\"", "")                                \
    X(RANKINGS_LOGGED, "rankd_rankings_total", "result=\"logged\"",                                \
      "Rankings served, by whether they went into the log.")                                       \
    X(RANKINGS_UNLOGGED, "rankd_rankings_total", "result=\"unlogged\"", "")                        \
    X(RANKINGS_SHED, "rankd_rankings_total", "result=\"shed\"", "")                                \
    X(ITEMS_SCORED, "rankd_items_scored_total", "", "Items scored.")                               \
    X(GROUPS_ACCEPTED, "rankd_batch_groups_total", "", "Labelled lists taken in by /v1/batches.")  \
    X(STEPS_PUBLISHED, "rankd_steps_total", "result=\"published\"", "Learning steps by result.")   \
    X(STEPS_NO_OP, "rankd_steps_total", "result=\"no_op\"", "")                                    \
    X(STEPS_QUARANTINED, "rankd_steps_total", "result=\"quarantined\"", "")                        \
    X(LISTS_LEARNED, "rankd_lists_learned_total", "", "Lists learned from.")                       \
    X(LISTS_QUARANTINED, "rankd_lists_quarantined_total", "", "Lists put into quarantine.")        \
    X(TRAINER_WAITS_SHARE, "rankd_trainer_waits_total", "reason=\"share\"",                        \
      "Waits of the trainer before a step: for its share of a core, or for slow scoring.")         \
    X(TRAINER_WAITS_LATENCY, "rankd_trainer_waits_total", "reason=\"latency\"", "")                \
    X(TRAINING_PAUSED, "rankd_training_pauses_total", "",                                          \
      "Models paused because three steps in a row were refused: an alert.")                        \
    X(CHECKPOINTS, "rankd_checkpoints_total", "", "Checkpoints stored.")                           \
    X(BACKUPS_DONE, "rankd_backups_total", "result=\"done\"", "Backups by result.")                \
    X(BACKUPS_FAILED, "rankd_backups_total", "result=\"failed\"", "")                              \
    X(REMOVED_RANKINGS, "rankd_retention_removed_total", "kind=\"ranking\"",                       \
      "What was removed because it was old, or there was too much.")                               \
    X(REMOVED_EVENTS, "rankd_retention_removed_total", "kind=\"event\"", "")                       \
    X(REMOVED_BATCHES, "rankd_retention_removed_total", "kind=\"batch\"", "")                      \
    X(REMOVED_STEPS, "rankd_retention_removed_total", "kind=\"step\"", "")                         \
    X(REMOVED_REVISIONS, "rankd_retention_removed_total", "kind=\"revision\"", "")                 \
    X(REMOVED_CHECKPOINTS, "rankd_retention_removed_total", "kind=\"checkpoint\"", "")             \
    X(COMMITS, "rankd_commits_total", "", "Transactions committed by the writer.")                 \
    X(STORAGE_ERRORS, "rankd_storage_errors_total", "kind=\"other\"",                              \
      "What failed of the storage; other: transactions that failed without its fault.")            \
    X(STORAGE_FAILED, "rankd_storage_errors_total", "kind=\"failed\"", "")                         \
    X(STORAGE_UNSYNCED, "rankd_storage_errors_total", "kind=\"unsynced\"", "")                     \
    X(STORAGE_FULL, "rankd_storage_errors_total", "kind=\"full\"", "")                             \
    X(STORAGE_READ_ONLY, "rankd_storage_errors_total", "kind=\"read_only\"", "")                   \
    X(STORAGE_LOCKED, "rankd_storage_errors_total", "kind=\"busy\"", "")                           \
    X(STORAGE_DAMAGED, "rankd_storage_errors_total", "kind=\"corrupt\"", "")                       \
    X(STORAGE_LOST, "rankd_storage_errors_total", "kind=\"lost\"", "")                             \
    X(STORAGE_SLOW, "rankd_storage_errors_total", "kind=\"slow\"", "")                             \
    X(UNCLEAN_STARTS, "rankd_unclean_starts_total", "",                                            \
      "Starts after an end that was no clean one.")                                                \
    X(REFUSED_TOKEN, "rankd_refused_total", "reason=\"invalid_token\"",                            \
      "Requests refused for their token, or its rate.")                                            \
    X(REFUSED_SCOPE, "rankd_refused_total", "reason=\"insufficient_scope\"", "")                   \
    X(REFUSED_MODEL, "rankd_refused_total", "reason=\"model_not_allowed\"", "")                    \
    X(REFUSED_RATE, "rankd_refused_total", "reason=\"rate_limited\"", "")                          \
    X(REFUSED_GUESSES, "rankd_refused_total", "reason=\"auth_rate_limited\"", "")                  \
    X(NONFINITE, "rankd_nonfinite_total", "",                                                      \
      "Score requests answered in input order because a score was not finite.")                    \
    X(OOM, "rankd_oom_total", "", "Requests refused because memory was short.")

enum metric_counter {
#define METRIC_ENUM(name, metric, labels, help) METRIC_##name,
    METRIC_COUNTERS(METRIC_ENUM)
#undef METRIC_ENUM
    METRIC_COUNTER_COUNT
};

#define METRIC_BUCKETS    16
#define METRIC_ROUTES_MAX 48
#define METRIC_CLASSES    6 /* status / 100 */

/* Seconds, with the bucket bounds of metrics.c: 50 us to 10 s. */
struct metric_histogram {
    _Atomic uint64_t bucket[METRIC_BUCKETS + 1]; /* the last is +Inf */
    _Atomic uint64_t sum_ns;
};

struct metrics {
    _Atomic uint64_t counter[METRIC_COUNTER_COUNT];
    struct metric_histogram commit;      /* rankd_commit_seconds */
    struct metric_histogram freshness;   /* rankd_freshness_seconds: from the acknowledgement of an
                                            event to the first served version that learned from it */
    _Atomic int64_t log_bytes, log_rows; /* rankd_log_bytes, _rows: as retention saw them last */
    _Atomic bool is_open;                /* rankd_open: beyond this machine, without a token */
    struct metric_histogram request[METRIC_ROUTES_MAX]; /* rankd_request_seconds{route} */
    _Atomic uint64_t
        answers[METRIC_ROUTES_MAX][METRIC_CLASSES]; /* rankd_requests_total{route,code} */
};

/** Adds to a counter. Threads: any. */
void metrics_add(struct metrics *metrics, enum metric_counter counter, uint64_t n);

/** Adds one duration to a histogram. Threads: any. */
void metrics_observe(struct metric_histogram *histogram, uint64_t ns);

/* What was in a histogram at some time; zero it for its beginning. */
struct metric_reading {
    uint64_t bucket[METRIC_BUCKETS + 1];
};

/** The q-quantile in seconds (interpolated inside its bucket), or NaN when empty. */
double metrics_quantile(const struct metric_histogram *histogram, double q);

/**
 * The same of what came in since a reading, which is made anew. @param seconds  out.
 * @return how many came in.
 */
uint64_t metrics_quantile_since(const struct metric_histogram *histogram, double q,
                                struct metric_reading *reading, double *seconds);

/**
 * Writes all counters and histograms.
 *
 * @param routes  n_routes labels for the request series, e.g. "POST /v1/score".
 */
void metrics_write(const struct metrics *metrics, const char *const *routes, size_t n_routes,
                   struct emit *out);

/** For values owned elsewhere: `# HELP` and `# TYPE` lines, then any number of samples. */
void metrics_head(struct emit *out, const char *name, const char *type, const char *help);
void metrics_sample(struct emit *out, const char *name, const char *label, const char *label_value,
                    double value); /* label may be NULL */

#endif
