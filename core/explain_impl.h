/*
 * The inside of explanations: what a factorization machine's score is made of, and the search for
 * its largest parts.
 */
#ifndef RANKD_CORE_EXPLAIN_IMPL_H
#define RANKD_CORE_EXPLAIN_IMPL_H

#include "model_impl.h"

#include <rankd/explain.h>

/* The first tensors of every kind with linear terms and pairs. */
enum {
    RK_EXPLAIN_BIAS,
    RK_EXPLAIN_LINEAR,
    RK_EXPLAIN_EMBEDDING
};

/* One entry of an item's two rows. */
struct rk_term {
    uint32_t entry; /* of the group that is explained */
    uint32_t index;
    uint32_t field;
    double x;     /* as the model sees it */
    double reach; /* |<v_a, v_b> x_a x_b| <= reach_a reach_b; -1: it has no pairs */
};

/* Where the pairs' vectors are. */
struct rk_vectors {
    const float *v;
    size_t cols; /* floats of one feature */
    size_t k;
    bool by_field; /* a vector for each field of the other feature */
    double scale;
};

struct rk_vectors rk_explain_vectors(const struct rk_model *model, const float *theta);

/* How far a term reaches: |x| times the length of its feature's longest vector. */
double rk_explain_reach(const struct rk_vectors *vectors, const struct rk_term *term);

/* Puts a part in its place among the largest, if it is one of them. */
void rk_explain_offer(struct rk_explanation *explanation, const struct rk_part *part);

/* Offers the pairs of n terms, those that reach farthest first. */
void rk_explain_offer_pairs(const struct rk_vectors *vectors, const struct rk_term *term, size_t n,
                            struct rk_explanation *explanation);

#endif
