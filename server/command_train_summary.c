/*
 * What rankd train prints in the end.
 */
#include "command_train_impl.h"

static double mean_loss(const struct training *training)
{
    const uint64_t updates = training->last.updates;

    return updates > 0 ? training->last.loss / (double)updates : 0;
}

static size_t n_held_out(const struct training *training)
{
    return training->offline.data.n - training->n_lists;
}

static double lists_per_second(const struct training *training)
{
    const double lists = (double)training->n_lists * (double)training->offline.options->passes;

    return training->seconds > 0 ? lists / training->seconds : 0;
}

void training_write_json(const struct training *training, struct emit *out)
{
    const struct offline *o = &training->offline;
    const struct {
        const char *key;
        int64_t value;
    } counts[] = {
        {"version", live_version(&o->served->live)}, {"lists", (int64_t)o->data.n},
        {"items", (int64_t)o->data.items},           {"passes", o->options->passes},
        {"updates", (int64_t)training->updates},     {"diverged", (int64_t)training->diverged},
        {"pairs", (int64_t)training->last.pairs}};

    emit_open(out, '{');
    emit_key(out, "model");
    emit_string(out, o->served->name);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        emit_key(out, counts[i].key);
        emit_integer(out, counts[i].value);
    }
    emit_key(out, "loss");
    emit_double(out, mean_loss(training));
    emit_key(out, "seconds");
    emit_double(out, training->seconds);
    emit_key(out, "lists_per_s");
    emit_double(out, lists_per_second(training));
    offline_emit_metrics(&training->before, out);
    if (n_held_out(training) > 0) {
        emit_key(out, "held_out");
        emit_open(out, '{');
        emit_key(out, "lists");
        emit_integer(out, (int64_t)n_held_out(training));
        offline_emit_metrics(&training->held_out, out);
        emit_close(out, '}');
    }
    emit_close(out, '}');
    emit_raw(out, "\n", 1);
}

void training_write_table(const struct training *training, struct emit *out)
{
    const struct offline *o = &training->offline;

    emit_format(out, "%-10s %s\n", "model", o->served->name);
    emit_format(out, "%-10s %lld\n", "version", (long long)live_version(&o->served->live));
    emit_format(out, "%-10s %zu\n", "lists", o->data.n);
    emit_format(out, "%-10s %zu\n", "items", o->data.items);
    emit_format(out, "%-10s %lld, %.0f lists/s\n", "passes", (long long)o->options->passes,
                lists_per_second(training));
    emit_format(out, "%-10s %llu\n", "updates", (unsigned long long)training->updates);
    if (training->diverged > 0) {
        emit_format(out, "%-10s %llu of %llu updates, taken back: %s\n", "diverged",
                    (unsigned long long)training->diverged,
                    (unsigned long long)(training->diverged + training->updates), training->reason);
    }
    emit_format(out, "the last pass, each list scored before it was learned from:\n");
    emit_format(out, "%-10s %llu\n", "pairs", (unsigned long long)training->last.pairs);
    emit_format(out, "%-10s %.6g\n", "loss", mean_loss(training));
    offline_table_metrics(&training->before, out);
    if (n_held_out(training) > 0) {
        emit_format(out, "%zu lists held out, scored after training:\n", n_held_out(training));
        offline_table_metrics(&training->held_out, out);
    }
}
