/*
 * Series of list metrics, and pairing them.
 */
#include "command_replay_series.h"

#include "grow.h"

#include <math.h>
#include <rankd/paired.h>
#include <stdlib.h>

void series_deinit(struct series *series)
{
    free(series->list);
    *series = (struct series){0};
}

static double mean_of(double sum, uint64_t n)
{
    return n > 0 ? sum / (double)n : (double)NAN;
}

void series_take(void *context, int64_t seq, const struct rk_eval_sum *metrics)
{
    struct series *series = context;

    if (!grow_reserve(&series->list, &series->capacity, series->n + 1)) {
        series->failed = true;
        return;
    }
    series->list[series->n] = (struct series_list){
        .seq = seq,
        .order = series->n,
        .value = {[SERIES_NDCG] = mean_of(metrics->ndcg, metrics->ndcg_n),
                  [SERIES_AUC] = mean_of(metrics->auc, metrics->auc_n),
                  [SERIES_LOG_LOSS] = mean_of(metrics->log_loss, metrics->log_loss_n)}};
    series->n++;
}

double series_mean(const struct series *series, enum series_metric metric, size_t from, size_t to)
{
    double sum = 0;
    uint64_t n = 0;

    for (size_t i = from; i < to && i < series->n; i++) {
        const double value = series->list[i].value[metric];
        if (!isnan(value)) {
            sum += value;
            n++;
        }
    }
    return mean_of(sum, n);
}

/* ---- pairs ---- */

static int by_seq(const void *a, const void *b)
{
    const struct series_list *x = a, *y = b;

    return x->seq != y->seq ? (x->seq > y->seq) - (x->seq < y->seq)
                            : (x->order > y->order) - (x->order < y->order);
}

static void sort(struct series *series)
{
    if (series->n > 0) {
        qsort(series->list, series->n, sizeof *series->list, by_seq);
    }
}

void series_compare(struct series *first, struct series *second,
                    struct series_difference difference[SERIES_METRICS])
{
    struct rk_paired paired[SERIES_METRICS] = {0};
    size_t i = 0, j = 0;

    sort(first);
    sort(second);
    while (i < first->n && j < second->n) {
        const struct series_list *a = &first->list[i], *b = &second->list[j];
        for (int metric = 0; metric < SERIES_METRICS && a->seq == b->seq; metric++) {
            rk_paired_add(&paired[metric], b->value[metric] - a->value[metric]);
        }
        i += a->seq <= b->seq;
        j += b->seq <= a->seq;
    }
    for (int metric = 0; metric < SERIES_METRICS; metric++) {
        difference[metric] = (struct series_difference){.n = paired[metric].n,
                                                        .mean = paired[metric].mean,
                                                        .error = rk_paired_error(&paired[metric])};
    }
}
