/*
 * Losses on embeddings: value and gradient with respect to the vectors themselves, not to scores.
 */
#ifndef RANKD_EMBEDDING_LOSS_H
#define RANKD_EMBEDDING_LOSS_H

#include <rankd/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * One triplet: max(0, m + |a - p|^2 - |a - n|^2), or with plain distances as PyTorch's
 * TripletMarginLoss (p = 2, eps = 1e-6 added to each difference). At exactly 0 it still has a
 * gradient, as there. Source: Schroff et al., "FaceNet", CVPR 2015, eq. 2.
 *
 * @param a, p, n  (d) anchor, positive, negative.
 * @param margin   m >= 0; @param squared  squared distances.
 * @param scale    what the gradients are multiplied by.
 * @param ga, gp, gn  (d) in/out: scale times the gradient is added.
 * @return the value, not scaled. Cost O(d). Threads: any.
 */
double rk_triplet(const double *a, const double *p, const double *n, size_t d, double margin,
                  bool squared, double scale, double *ga, double *gp, double *gn);

/**
 * N-pair loss of a batch: mean over i of log(1 + sum_j exp(a_i . p_j - a_i . p_i)) over the j of
 * another class, plus l2 times the mean of |a_i|^2 + |p_i|^2. Source: Sohn, "Improved Deep Metric
 * Learning", NIPS 2016, eq. 6.
 *
 * @param anchor, positive  (n, d). @param label  (n) classes: off-diagonals of the same class are
 * left out.
 * @param scale  what the gradients are multiplied by.
 * @param ga, gp  (n, d) in/out: scale times the gradient is added.
 * @return the value; 0 for n = 0. Cost O(n^2 d). Threads: any.
 */
double rk_n_pair(const double *anchor, const double *positive, const uint64_t *label, size_t n,
                 size_t d, double l2, double scale, double *ga, double *gp);

#endif
