/*
 * Metrics of one ranked list, and their sums over many. Undefined is NaN, and NaN stays out of a
 * sum.
 */
#include "dcg.h"
#include "logistic.h"
#include "order.h"

#include <math.h>
#include <rankd/eval.h>

#define NDCG_CUT  10
#define LOGISTICS 32 /* at a time */

void rk_eval_order(const double *score, size_t n, uint32_t *order, uint32_t *work)
{
    rk_order_top(score, n, n, order, work);
}

void rk_eval_top(const double *score, size_t n, size_t k, uint32_t *order, uint32_t *work)
{
    rk_order_top(score, n, k, order, work);
}

/* Moves the root of a min-heap down to its place. */
static void sift_down(float *heap, size_t root, size_t n)
{
    float value = heap[root];
    for (;;) {
        size_t child = 2 * root + 1;
        if (child + 1 < n && heap[child + 1] < heap[child]) {
            child++;
        }
        if (child >= n || heap[child] >= value) {
            break;
        }
        heap[root] = heap[child];
        root = child;
    }
    heap[root] = value;
}

/* Heap sort, highest first: the one array of scratch is all there is. */
static void sort_labels(float *label, size_t n)
{
    for (size_t root = n / 2; root-- > 0;) {
        sift_down(label, root, n);
    }
    for (size_t last = n; last-- > 1;) {
        float lowest = label[0];
        label[0] = label[last];
        label[last] = lowest;
        sift_down(label, 0, last);
    }
}

double rk_eval_ndcg(const uint32_t *order, const float *label, size_t n, size_t k, float *work)
{
    for (size_t i = 0; i < n; i++) {
        work[i] = label[i];
    }
    sort_labels(work, n);
    if (n == 0 || !(work[0] > 0.0F)) {
        return NAN;
    }
    double dcg = 0.0, ideal = 0.0;
    for (size_t place = 0; place < n && (k == 0 || place < k); place++) {
        double discount = rk_discount(place, k);
        dcg += rk_gain(label[order[place]]) * discount;
        ideal += rk_gain(work[place]) * discount;
    }
    return dcg / ideal;
}

/* The Mann-Whitney count, doubled so that half a tie is a whole number. */
double rk_eval_auc(const uint32_t *order, const double *score, const float *label, size_t n)
{
    uint64_t positives = 0, negatives = 0, twice = 0;
    for (size_t place = 0; place < n;) {
        double tied_score = score[order[place]];
        uint64_t tied[2] = {0, 0};
        for (; place < n && score[order[place]] == tied_score; place++) {
            tied[label[order[place]] > 0.0F]++;
        }
        twice += tied[0] * (2 * positives + tied[1]);
        negatives += tied[0];
        positives += tied[1];
    }
    if (positives == 0 || negatives == 0) {
        return NAN;
    }
    return (double)twice / (2.0 * (double)positives * (double)negatives);
}

double rk_eval_ap(const uint32_t *order, const float *label, size_t n)
{
    size_t relevant = 0;
    double sum = 0.0;
    for (size_t place = 0; place < n; place++) {
        if (label[order[place]] > 0.0F) {
            relevant++;
            sum += (double)relevant / (double)(place + 1);
        }
    }
    return relevant == 0 ? (double)NAN : sum / (double)relevant;
}

double rk_eval_rr(const uint32_t *order, const float *label, size_t n)
{
    for (size_t place = 0; place < n; place++) {
        if (label[order[place]] > 0.0F) {
            return 1.0 / (double)(place + 1);
        }
    }
    return NAN;
}

double rk_eval_log_loss(const double *score, const float *label, size_t n)
{
    double signed_score[LOGISTICS], softplus[LOGISTICS], sigma[LOGISTICS], sum = 0.0;
    for (size_t first = 0; first < n; first += LOGISTICS) {
        const size_t some = n - first < LOGISTICS ? n - first : LOGISTICS;
        for (size_t i = 0; i < some; i++) {
            const double s = score[first + i];
            signed_score[i] = label[first + i] > 0.0F ? -s : s;
        }
        rk_logistic_each(signed_score, some, softplus, sigma);
        for (size_t i = 0; i < some; i++) {
            sum += softplus[i];
        }
    }
    return n == 0 ? (double)NAN : sum / (double)n;
}

static void add_defined(double *sum, uint64_t *count, double value)
{
    if (!isnan(value)) {
        *sum += value;
        (*count)++;
    }
}

void rk_eval_add(struct rk_eval_sum *sum, const double *score, const float *label, size_t n,
                 void *work)
{
    uint32_t *order = work, *swap = order + n;
    float *sorted = (float *)(swap + n);
    rk_eval_order(score, n, order, swap);
    sum->lists++;
    add_defined(&sum->ndcg, &sum->ndcg_n, rk_eval_ndcg(order, label, n, NDCG_CUT, sorted));
    add_defined(&sum->auc, &sum->auc_n, rk_eval_auc(order, score, label, n));
    add_defined(&sum->ap, &sum->ap_n, rk_eval_ap(order, label, n));
    add_defined(&sum->rr, &sum->rr_n, rk_eval_rr(order, label, n));
    add_defined(&sum->log_loss, &sum->log_loss_n, rk_eval_log_loss(score, label, n));
}

size_t rk_eval_work(size_t n)
{
    return n * (2 * sizeof(uint32_t) + sizeof(float));
}
