/*
 * Explanations: one item's score taken apart into exact parts, with names left to the caller.
 *
 * Parts are told apart by entries of the group: an entry below offset[1] is a feature of user and
 * context, one of [offset[1 + i], offset[2 + i]) is item i's own. An entry says nothing of the
 * features that were summed into it.
 */
#ifndef RANKD_EXPLAIN_H
#define RANKD_EXPLAIN_H

#include <rankd/group.h>
#include <rankd/model.h>
#include <rankd/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RK_EXPLAIN_PARTS_MAX 20
#define RK_NO_ENTRY          UINT32_MAX

/* A linear term w_a x_a, or what two features do together. */
struct rk_part {
    uint32_t a; /* entry of the group */
    uint32_t b; /* entry of the group, > a; RK_NO_ENTRY: a's linear term */
    double weight;
};

/* bias + mlp + dot + all weights + rest = score. */
struct rk_explanation {
    double score; /* what the list is ordered by */
    double bias;
    double mlp; /* the whole MLP; 0 without one */
    double dot; /* user embedding . item embedding; 0 without them */
    bool has_mlp;
    bool has_dot;
    struct rk_part part[RK_EXPLAIN_PARTS_MAX]; /* (n) the largest by magnitude, those first */
    size_t n;
    double rest; /* all other linear terms and pairs together; exactly 0 if there are none */
};

/**
 * Bytes of work memory to explain an item.
 *
 * @param nnz  entries of row 0 and the item's row together, or more.
 */
size_t rk_explain_work(const struct rk_model *model, size_t nnz);

/**
 * Takes the score of one item of a list apart, as rk_model_scores gives it.
 *     fm, deepfm:  w0, w_a x_a, <v_a, v_b> x_a x_b  (and deepfm's MLP as a whole)
 *     ffm:         w0, w_a x_a, <v_{a,F(b)}, v_{b,F(a)}> x_a x_b, over |x|^2 where normalised
 *     joint:       u.i and the MLP, weighted alpha and 1 - alpha where the heads are separate
 * with x standardised, and pairs among features that have a field where the kind has fields. The
 * largest are found without looking at pairs that are too small by the Cauchy-Schwarz inequality.
 *
 * @param theta        (rk_model_params), borrowed; NULL: nothing is learned, all is 0 without parts.
 * @param item         < n_items.
 * @param work         rk_explain_work bytes, aligned as malloc.
 * @param explanation  out.
 * @return RK_OK; RK_DIVERGED: the score is not finite.
 * Cost O(nnz k), and O(k) for each pair looked at: at worst nnz^2 / 2 of them.
 * Threads: any number on one theta nobody writes.
 */
RK_MUST_CHECK enum rk_status rk_model_explain(const struct rk_model *model, const float *theta,
                                              const struct rk_group *group, size_t item, void *work,
                                              struct rk_explanation *explanation,
                                              struct rk_error *err);

#endif
