/*
 * Triplets and N-pairs. A triplet exactly at its margin still learns, as with PyTorch's clamp_min.
 */
#include <math.h>
#include <rankd/embedding_loss.h>

#define PYTORCH_EPS 1e-6 /* added to each difference before the norm */

static double squared_triplet(const double *a, const double *p, const double *n, size_t d,
                              double margin, double scale, double *ga, double *gp, double *gn)
{
    double value = margin;

    for (size_t i = 0; i < d; i++) {
        value += (a[i] - p[i]) * (a[i] - p[i]) - (a[i] - n[i]) * (a[i] - n[i]);
    }
    if (value < 0) {
        return 0;
    }
    for (size_t i = 0; i < d; i++) {
        ga[i] += scale * 2 * (n[i] - p[i]);
        gp[i] += scale * 2 * (p[i] - a[i]);
        gn[i] += scale * 2 * (a[i] - n[i]);
    }
    return value;
}

static double distance(const double *a, const double *b, size_t d)
{
    double sum = 0;

    for (size_t i = 0; i < d; i++) {
        sum += (a[i] - b[i] + PYTORCH_EPS) * (a[i] - b[i] + PYTORCH_EPS);
    }
    return sqrt(sum);
}

static double plain_triplet(const double *a, const double *p, const double *n, size_t d,
                            double margin, double scale, double *ga, double *gp, double *gn)
{
    const double near = distance(a, p, d), far = distance(a, n, d);
    const double value = margin + near - far;

    if (value < 0) {
        return 0;
    }
    for (size_t i = 0; i < d; i++) {
        const double to_p = near > 0 ? (a[i] - p[i] + PYTORCH_EPS) / near : 0;
        const double to_n = far > 0 ? (a[i] - n[i] + PYTORCH_EPS) / far : 0;
        ga[i] += scale * (to_p - to_n);
        gp[i] -= scale * to_p;
        gn[i] += scale * to_n;
    }
    return value;
}

double rk_triplet(const double *a, const double *p, const double *n, size_t d, double margin,
                  bool squared, double scale, double *ga, double *gp, double *gn)
{
    return squared ? squared_triplet(a, p, n, d, margin, scale, ga, gp, gn)
                   : plain_triplet(a, p, n, d, margin, scale, ga, gp, gn);
}

static double dot(const double *a, const double *b, size_t d)
{
    double sum = 0;

    for (size_t i = 0; i < d; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* One anchor against all positives: log-sum-exp shifted by its maximum. */
static double one_anchor(const double *anchor, const double *positive, const uint64_t *label,
                         size_t n, size_t d, size_t i, double scale, double *ga, double *gp)
{
    const double *a = anchor + i * d;
    const double own = dot(a, positive + i * d, d);
    double most = 0, sum;

    for (size_t j = 0; j < n; j++) {
        const double gap = label[j] != label[i] ? dot(a, positive + j * d, d) - own : 0;
        most = gap > most ? gap : most;
    }
    sum = exp(-most);
    for (size_t j = 0; j < n; j++) {
        sum += label[j] != label[i] ? exp(dot(a, positive + j * d, d) - own - most) : 0;
    }
    for (size_t j = 0; j < n; j++) {
        double weight;
        if (label[j] == label[i]) {
            continue;
        }
        weight = scale * exp(dot(a, positive + j * d, d) - own - most) / sum;
        for (size_t f = 0; f < d; f++) {
            ga[i * d + f] += weight * (positive[j * d + f] - positive[i * d + f]);
            gp[j * d + f] += weight * a[f];
            gp[i * d + f] -= weight * a[f];
        }
    }
    return most + log(sum);
}

double rk_n_pair(const double *anchor, const double *positive, const uint64_t *label, size_t n,
                 size_t d, double l2, double scale, double *ga, double *gp)
{
    double value = 0;

    for (size_t i = 0; i < n; i++) {
        value += one_anchor(anchor, positive, label, n, d, i, scale / (double)n, ga, gp);
    }
    for (size_t e = 0; e < n * d; e++) {
        value += l2 * (anchor[e] * anchor[e] + positive[e] * positive[e]);
        ga[e] += scale * l2 * 2 * anchor[e] / (double)n;
        gp[e] += scale * l2 * 2 * positive[e] / (double)n;
    }
    return n > 0 ? value / (double)n : 0;
}
