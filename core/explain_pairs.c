/*
 * The largest linear terms and pairs of an item. Terms stand in order of how far they reach, so that
 * by the Cauchy-Schwarz inequality the search can end where all that follows is too small.
 */
#include "explain_impl.h"

#include <math.h>

/* A bound that rounding made too small would lose a part. */
#define BOUND_SLACK (1 + 1e-9)

struct rk_vectors rk_explain_vectors(const struct rk_model *model, const float *theta)
{
    const struct rk_tensor *v = &model->tensor[RK_EXPLAIN_EMBEDDING];

    return (struct rk_vectors){.v = theta + v->offset,
                               .cols = v->cols,
                               .k = model->config.dim,
                               .by_field = model->kind == &rk_kind_ffm,
                               .scale = 1};
}

/* The vector of a feature that pairs with one of the other's field. */
static const float *vector(const struct rk_vectors *vectors, const struct rk_term *one,
                           const struct rk_term *other)
{
    return vectors->v + (size_t)one->index * vectors->cols +
           (vectors->by_field ? other->field * vectors->k : 0);
}

static double pair_weight(const struct rk_vectors *vectors, const struct rk_term *a,
                          const struct rk_term *b)
{
    const float *v_a = vector(vectors, a, b), *v_b = vector(vectors, b, a);
    double dot = 0;

    for (size_t f = 0; f < vectors->k; f++) {
        dot += (double)v_a[f] * (double)v_b[f];
    }
    return dot * a->x * b->x * vectors->scale;
}

double rk_explain_reach(const struct rk_vectors *vectors, const struct rk_term *term)
{
    const float *v = vectors->v + (size_t)term->index * vectors->cols;
    double most = 0;

    for (size_t at = 0; at < vectors->cols; at += vectors->k) {
        double norm = 0;
        for (size_t f = 0; f < vectors->k; f++) {
            norm += (double)v[at + f] * (double)v[at + f];
        }
        most = fmax(most, norm);
    }
    return sqrt(most) * fabs(term->x) * BOUND_SLACK;
}

/* Larger first; what is equal by its place. */
static bool comes_before(const struct rk_part *p, const struct rk_part *q)
{
    const double x = fabs(p->weight), y = fabs(q->weight);

    if (x > y || x < y) {
        return x > y;
    }
    return p->a != q->a ? p->a < q->a : p->b < q->b;
}

void rk_explain_offer(struct rk_explanation *explanation, const struct rk_part *part)
{
    struct rk_part *kept = explanation->part;
    size_t i = explanation->n;

    if (i == RK_EXPLAIN_PARTS_MAX) {
        if (!comes_before(part, &kept[i - 1])) {
            return;
        }
        i--;
    } else {
        explanation->n++;
    }
    for (; i > 0 && comes_before(part, &kept[i - 1]); i--) {
        kept[i] = kept[i - 1];
    }
    kept[i] = *part;
}

/* Can no part of this magnitude or less be among the largest any more? */
static bool is_too_small(const struct rk_explanation *explanation, double bound)
{
    return explanation->n == RK_EXPLAIN_PARTS_MAX &&
           bound < fabs(explanation->part[RK_EXPLAIN_PARTS_MAX - 1].weight);
}

void rk_explain_offer_pairs(const struct rk_vectors *vectors, const struct rk_term *term, size_t n,
                            struct rk_explanation *explanation)
{
    for (size_t i = 0; i + 1 < n; i++) {
        for (size_t j = i + 1; j < n; j++) {
            const double bound = term[i].reach * term[j].reach * vectors->scale;
            const uint32_t a = term[i].entry, b = term[j].entry;
            if (is_too_small(explanation, bound)) {
                break; /* so are those of i with all that follow j */
            }
            rk_explain_offer(explanation,
                             &(struct rk_part){.a = a < b ? a : b,
                                               .b = a < b ? b : a,
                                               .weight = pair_weight(vectors, &term[i], &term[j])});
        }
    }
}
