/*
 * The hinge family: margin ranking and Rennie & Srebro's smooth hinge, per pair and by sorting.
 *
 * A list with many pairs is sorted by label into blocks and halved block by block: all pairs
 * between two halves are a sweep over both in the order of their scores, and the halves are merged
 * for the level above. O(n log n), whatever the number of grades.
 */
#include "loss_impl.h"
#include "order.h"

#include <math.h>

/* With fewer, sorting costs more than the pairs (measured: 16 ns an item against 3 ns a pair). */
#define SWEEP_PAIRS_PER_ITEM 8

/*
 * Both losses as one function of z = d / scale, with x = reach - z:
 *     x + corner         for x >= 0 (>=: tied scores still learn, as PyTorch)
 *     (x + width)^2 / 2  for -width < x < 0
 *     0                  else
 * margin_ranking: reach = margin, corner = width = 0. smooth_hinge (Rennie & Srebro, IJCAI workshop
 * 2005, "Loss functions for preference levels"): reach = 0, corner = 1/2, width = 1.
 */
struct hinge {
    double inverse; /* 1 / scale */
    double reach;
    double corner;
    double width;
};

static struct hinge make_hinge(const struct rk_loss *loss)
{
    if (loss->name == RK_MARGIN_RANKING) {
        return (struct hinge){.inverse = 1.0, .reach = loss->margin};
    }
    return (struct hinge){.inverse = 1.0 / loss->margin, .corner = 0.5, .width = 1.0};
}

static double hinge_value(const struct hinge *hinge, double z, double *slope)
{
    double x = hinge->reach - z, t = x + hinge->width;
    if (x >= 0.0) {
        *slope = -1.0;
        return x + hinge->corner;
    }
    *slope = t > 0.0 ? -t : 0.0;
    return 0.5 * *slope * *slope;
}

static double add_by_pairs(const struct hinge *hinge, const struct rk_scored *list,
                           const struct rk_blocks *blocks, const uint32_t *order, double *grad)
{
    double sum = 0.0;
    for (size_t b = 0; b + 1 < blocks->n; b++) {
        size_t end = blocks->block[b + 1];
        for (size_t p = blocks->block[b]; p < end; p++) {
            size_t i = order[p];
            double weight = rk_item_weight(list, i);
            for (size_t q = end; q < list->n; q++) {
                size_t j = order[q];
                double slope, z = (list->score[i] - list->score[j]) * hinge->inverse;
                sum += weight * hinge_value(hinge, z, &slope);
                grad[i] += weight * slope * hinge->inverse;
                grad[j] -= weight * slope * hinge->inverse;
            }
        }
    }
    return sum;
}

/* Two sorted runs whose pairs are all (upper, lower), seen from one of them. */
struct sweep {
    const struct hinge *hinge;
    const struct rk_scored *list;
    const uint32_t *query, *source; /* sorted by score, highest first */
    size_t n_query, n_source;
    bool from_upper; /* the queries are the upper run, taken downwards; else the lower, upwards */
};

static size_t query_at(const struct sweep *sweep, size_t place)
{
    return sweep->query[sweep->from_upper ? place : sweep->n_query - 1 - place];
}

static size_t source_at(const struct sweep *sweep, size_t place)
{
    return sweep->source[sweep->from_upper ? place : sweep->n_source - 1 - place];
}

/* reach - z of the pair: grows from query to query, falls from source to source. */
static double excess(const struct sweep *sweep, size_t query, size_t source)
{
    const double *score = sweep->list->score;
    double d = sweep->from_upper ? score[query] - score[source] : score[source] - score[query];
    return sweep->hinge->reach - d * sweep->hinge->inverse;
}

/*
 * The sources that the current query feels, as weighted moments: those in the linear part by count
 * and sum of x, those in the quadratic part by the powers of t = x + width in (0, width). A step
 * moves every x by the same amount. The linear sums only ever grow, and a source leaves the
 * quadratic part while its t is still small: nothing cancels, not even scores of 1e30.
 */
struct felt {
    size_t linear, active; /* sources [0, linear) and [linear, active) */
    double count, x;       /* of the linear part */
    double m0, m1, m2;     /* sums of 1, t, t^2 of the quadratic part */
};

static double source_weight(const struct sweep *sweep, size_t source)
{
    return sweep->from_upper ? 1.0 : rk_item_weight(sweep->list, source);
}

static void feel_quadratic(struct felt *felt, double weight, double t)
{
    felt->m0 += weight;
    felt->m1 += weight * t;
    felt->m2 += weight * t * t;
}

/* Moves from the query `before` to the next one. */
static void advance(const struct sweep *sweep, size_t before, size_t query, struct felt *felt)
{
    double width = sweep->hinge->width;
    double step =
        fabs(sweep->list->score[query] - sweep->list->score[before]) * sweep->hinge->inverse;
    felt->x += felt->count * step;
    for (; felt->linear < sweep->n_source; felt->linear++) {
        size_t source = source_at(sweep, felt->linear);
        double x = excess(sweep, query, source), weight = source_weight(sweep, source);
        if (!(x >= 0.0)) {
            break;
        }
        if (felt->linear < felt->active) {
            feel_quadratic(felt, -weight, excess(sweep, before, source) + width);
        }
        felt->count += weight;
        felt->x += weight * x;
    }
    if (felt->active <= felt->linear) {
        felt->active = felt->linear; /* and no rounding left over for a long step to blow up */
        felt->m0 = felt->m1 = felt->m2 = 0.0;
    }
    felt->m2 += step * (2.0 * felt->m1 + step * felt->m0);
    felt->m1 += step * felt->m0;
    for (; felt->active < sweep->n_source; felt->active++) {
        size_t source = source_at(sweep, felt->active);
        double t = excess(sweep, query, source) + width;
        if (!(t > 0.0)) {
            break;
        }
        feel_quadratic(felt, source_weight(sweep, source), t);
    }
}

/* Adds the gradient of the queries; returns the sum over the pairs. */
static double add_sweep(const struct sweep *sweep, double *grad)
{
    struct felt felt = {0};
    double sum = 0.0, inverse = sweep->hinge->inverse;
    size_t before = query_at(sweep, 0);
    for (size_t place = 0; place < sweep->n_query; place++) {
        size_t query = query_at(sweep, place);
        advance(sweep, before, query, &felt);
        double pull = (felt.count + felt.m1) * inverse;
        if (sweep->from_upper) {
            double weight = rk_item_weight(sweep->list, query);
            sum += weight * (felt.x + sweep->hinge->corner * felt.count + 0.5 * felt.m2);
            grad[query] -= weight * pull;
        } else {
            grad[query] += pull;
        }
        before = query;
    }
    return sum;
}

/*
 * All pairs within blocks [first, last), which are sorted by score each and come back as one sorted
 * run.
 */
static double add_by_halves(const struct hinge *hinge, const struct rk_scored *list,
                            const uint32_t *block, size_t n_blocks, struct rk_loss_scratch *work,
                            double *grad)
{
    uint32_t *run = work->order + block[0];
    if (n_blocks == 1) {
        rk_order_sort(list->score, run, block[1] - block[0], work->swap);
        return 0.0;
    }
    size_t half = n_blocks / 2, left = block[half] - block[0], n = block[n_blocks] - block[0];
    double sum = add_by_halves(hinge, list, block, half, work, grad) +
                 add_by_halves(hinge, list, block + half, n_blocks - half, work, grad);
    struct sweep sweep = {hinge, list, run, run + left, left, n - left, true};
    sum += add_sweep(&sweep, grad);
    sweep = (struct sweep){hinge, list, run + left, run, n - left, left, false};
    (void)add_sweep(&sweep, grad);
    rk_order_merge(list->score, run, left, n, work->swap);
    return sum;
}

RK_KERNEL(rk_loss_hinge)
{
    struct hinge hinge = make_hinge(loss);
    struct rk_blocks blocks = rk_loss_blocks(loss->pairs, list, work);
    struct rk_list_loss result = {.units = blocks.pairs};
    if (blocks.pairs == 0) {
        return result;
    }
    if (blocks.pairs / list->n > SWEEP_PAIRS_PER_ITEM) {
        result.sum = add_by_halves(&hinge, list, blocks.block, blocks.n, work, grad);
    } else {
        result.sum = add_by_pairs(&hinge, list, &blocks, work->order, grad);
    }
    return result;
}
