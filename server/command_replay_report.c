/*
 * Progressive metrics of the recorded model, and beside them those of another: would it have ranked
 * better?
 */
#include "command_replay_report.h"

#include <math.h>

static const char *const keys[SERIES_METRICS] = {"ndcg@10", "auc", "log_loss"};
static const char *const labels[SERIES_METRICS] = {"NDCG@10", "AUC", "log loss"};

#define SURE 2.0 /* standard errors */

/* Lists of the longer series. */
static size_t lists_of(const struct replay_report *report)
{
    return report->recorded.n > report->other.n ? report->recorded.n : report->other.n;
}

static const char *verdict(const struct series_difference *ndcg)
{
    if (!(fabs(ndcg->mean) > SURE * ndcg->error)) {
        return "these lists cannot tell";
    }
    return ndcg->mean > 0 ? "yes, it would have ranked better" : "no, it would have ranked worse";
}

/* ---- a table ---- */

static void write_number(double value, struct emit *out)
{
    if (isnan(value)) {
        emit_format(out, "%10s", "-");
    } else {
        emit_format(out, "%10.4f", value);
    }
}

/* Means of lists [from, to) of both. */
static void write_row(const struct replay_report *report, size_t from, size_t to, struct emit *out)
{
    emit_format(out, "%10zu", to);
    for (int metric = 0; metric < SERIES_METRICS; metric++) {
        write_number(series_mean(&report->recorded, (enum series_metric)metric, from, to), out);
        if (report->has_other) {
            write_number(series_mean(&report->other, (enum series_metric)metric, from, to), out);
        }
    }
    emit_raw(out, "\n", 1);
}

static void write_rows(const struct replay *replay, const struct replay_report *report,
                       struct emit *out)
{
    const size_t n = lists_of(report), every = (size_t)replay->every;

    emit_format(out, "\n%10s", "lists");
    for (int metric = 0; metric < SERIES_METRICS; metric++) {
        emit_format(out, report->has_other ? "%20s" : "%10s", labels[metric]);
    }
    if (report->has_other) {
        emit_format(out, "\n%10s", "");
        for (int metric = 0; metric < SERIES_METRICS; metric++) {
            emit_format(out, "%10s%10s", "recorded", "other");
        }
    }
    emit_raw(out, "\n", 1);
    for (size_t from = 0; from < n && n > every; from += every) {
        write_row(report, from, n - from > every ? from + every : n, out);
    }
    emit_format(out, "in all\n");
    write_row(report, 0, n, out);
}

static void write_difference(const struct series_difference difference[SERIES_METRICS],
                             struct emit *out)
{
    emit_format(out, "\nother - recorded, of pairs of the same list\n");
    for (int metric = 0; metric < SERIES_METRICS; metric++) {
        if (difference[metric].n > 0) {
            emit_format(out, "%-10s %+.4f +- %.4f  over %zu lists\n", labels[metric],
                        difference[metric].mean, difference[metric].error, difference[metric].n);
        }
    }
    emit_format(out, "%s\n", verdict(&difference[SERIES_NDCG]));
}

static void write_outcome(const char *whose, const struct replay_outcome *outcome, struct emit *out)
{
    emit_format(out, "%-10s version %lld, sha256 ", whose, (long long)outcome->version);
    for (size_t i = 0; i < sizeof outcome->sha256; i++) {
        emit_format(out, "%02x", outcome->sha256[i]);
    }
    emit_raw(out, "\n", 1);
}

static void write_table(const struct replay *replay, const struct replay_report *report,
                        struct emit *out)
{
    emit_format(out, "%-10s %s, log positions %lld to %lld\n", "model", replay->model,
                (long long)report->from_seq, (long long)report->to_seq);
    emit_format(out, "%-10s %lld taken again as recorded, in %.2f seconds\n", "steps",
                (long long)report->steps, report->seconds);
    if (report->compared > 0) {
        emit_format(out, "%-10s %lld stored came out to the bit, the newest of version %lld\n",
                    "checkpoint", (long long)report->compared, (long long)report->stored_version);
    }
    write_outcome("outcome", &report->outcome, out);
    if (report->has_other) {
        write_outcome("other", &report->other_outcome, out);
    }
    write_rows(replay, report, out);
}

/* ---- JSON ---- */

static void emit_value(const char *key, double value, struct emit *out)
{
    emit_key(out, key);
    emit_double(out, value); /* not a number: null */
}

static void write_means(const char *key, const struct series *series, size_t from, size_t to,
                        struct emit *out)
{
    emit_key(out, key);
    emit_open(out, '{');
    for (int metric = 0; metric < SERIES_METRICS; metric++) {
        emit_value(keys[metric], series_mean(series, (enum series_metric)metric, from, to), out);
    }
    emit_close(out, '}');
}

static void write_json_outcome(const char *key, const struct replay_outcome *outcome,
                               const struct series *series, struct emit *out)
{
    emit_key(out, key);
    emit_open(out, '{');
    emit_key(out, "version");
    emit_integer(out, outcome->version);
    emit_key(out, "sha256");
    emit_hex(out, outcome->sha256, sizeof outcome->sha256);
    emit_key(out, "lists");
    emit_integer(out, (int64_t)series->n);
    write_means("metrics", series, 0, series->n, out);
    emit_close(out, '}');
}

static void write_json_rows(const struct replay *replay, const struct replay_report *report,
                            struct emit *out)
{
    const size_t n = lists_of(report), every = (size_t)replay->every;

    emit_key(out, "rows");
    emit_open(out, '[');
    for (size_t from = 0; from < n; from += every) {
        const size_t to = n - from > every ? from + every : n;
        emit_open(out, '{');
        emit_key(out, "lists");
        emit_integer(out, (int64_t)to);
        write_means("recorded", &report->recorded, from, to, out);
        if (report->has_other) {
            write_means("other", &report->other, from, to, out);
        }
        emit_close(out, '}');
    }
    emit_close(out, ']');
}

static void write_json_difference(const struct series_difference difference[SERIES_METRICS],
                                  struct emit *out)
{
    emit_key(out, "difference");
    emit_open(out, '{');
    for (int metric = 0; metric < SERIES_METRICS; metric++) {
        emit_key(out, keys[metric]);
        emit_open(out, '{');
        emit_key(out, "lists");
        emit_integer(out, (int64_t)difference[metric].n);
        emit_value("mean", difference[metric].n > 0 ? difference[metric].mean : (double)NAN, out);
        emit_value("standard_error", difference[metric].error, out);
        emit_close(out, '}');
    }
    emit_close(out, '}');
}

static void write_json(const struct replay *replay, const struct replay_report *report,
                       struct emit *out)
{
    emit_open(out, '{');
    emit_key(out, "model");
    emit_string(out, replay->model);
    emit_key(out, "from_seq");
    emit_integer(out, report->from_seq);
    emit_key(out, "to_seq");
    emit_integer(out, report->to_seq);
    emit_key(out, "steps");
    emit_integer(out, report->steps);
    emit_key(out, "checkpoints_compared");
    emit_integer(out, report->compared);
    emit_value("seconds", report->seconds, out);
    write_json_outcome("recorded", &report->outcome, &report->recorded, out);
    if (report->has_other) {
        write_json_outcome("other", &report->other_outcome, &report->other, out);
    }
    write_json_rows(replay, report, out);
}

int replay_report_print(const struct replay *replay, struct replay_report *report)
{
    struct series_difference difference[SERIES_METRICS];
    struct emit out = {0};

    (replay->json ? write_json : write_table)(replay, report, &out);
    if (report->has_other) {
        series_compare(&report->recorded, &report->other, difference);
        (replay->json ? write_json_difference : write_difference)(difference, &out);
    }
    if (replay->json) {
        emit_close(&out, '}');
        emit_raw(&out, "\n", 1);
    }
    return shell_print("replay", &out);
}
