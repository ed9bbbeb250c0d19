/*
 * Progressive metrics list by list, of a model as it was and of one as it would have been, and what
 * the difference is worth.
 */
#ifndef RANKD_SERVER_COMMAND_REPLAY_SERIES_H
#define RANKD_SERVER_COMMAND_REPLAY_SERIES_H

#include <rankd/eval.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum series_metric {
    SERIES_NDCG,
    SERIES_AUC,
    SERIES_LOG_LOSS,
    SERIES_METRICS
};

struct series_list {
    int64_t seq; /* the list's place in the log; one with a later event comes again */
    size_t order;
    double value[SERIES_METRICS]; /* NaN: not defined */
};

/* Zero to start. */
struct series {
    struct series_list *list; /* (n) in the order they were learned, owned */
    size_t n, capacity;
    bool failed; /* out of memory */
};

/* Differences of pairs: second minus first. */
struct series_difference {
    size_t n; /* pairs */
    double mean;
    double error; /* standard error of the mean; NaN below two pairs */
};

void series_deinit(struct series *series);

/** Appends a list: as a trainee_watch of a struct series has it. */
void series_take(void *series, int64_t seq, const struct rk_eval_sum *metrics);

/** The mean of a metric over lists [from, to); NaN where none has it. */
double series_mean(const struct series *series, enum series_metric metric, size_t from, size_t to);

/**
 * Pairs the lists of both, the k-th time a list was learned from with the k-th, and leaves the others
 * out. Both series are sorted by it: take means before.
 *
 * @param difference  out, one a metric.
 */
void series_compare(struct series *first, struct series *second,
                    struct series_difference difference[SERIES_METRICS]);

#endif
