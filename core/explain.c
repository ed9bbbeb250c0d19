/*
 * Taking a score apart. The item is cut out of its list with row 0, scored alone, and the linear
 * terms and pairs of what it is made of are gone through for the largest; what these leave of the
 * score is the rest.
 */
#include "explain_impl.h"
#include "fields.h"
#include "mlp.h"
#include "numbers.h"
#include "objective.h"

#include <stdlib.h>
#include <string.h>

/* Work memory: the two rows as a list of one item, what they are made of, the MLP's inputs. */
struct explain_work {
    struct rk_term *term; /* (nnz) */
    uint64_t *name;       /* (nnz) */
    double *input;        /* (fields k) */
    double *unit;         /* (units) */
    double *scratch;      /* (rk_mlp_scratch) of deepfm's */
    void *forward;        /* rk_model_work */
    float *value;         /* (nnz) */
    float *x;             /* (nnz) standardised */
    uint32_t *index;      /* (nnz) */
    uint32_t *number;     /* (nnz) */
};

/* A list of one item and what its view points to. */
struct cut {
    struct rk_group group;
    uint32_t offset[3];
    uint64_t id[2];
};

static size_t mlp_inputs(const struct rk_model *model)
{
    return model->kind == &rk_kind_deepfm ? model->mlp.width[0] : 0;
}

static size_t eights(size_t bytes)
{
    return (bytes + 7) & ~(size_t)7;
}

static struct explain_work work_of(const struct rk_model *model, size_t nnz, void *work)
{
    struct explain_work w;

    w.term = work;
    w.name = (uint64_t *)(void *)(w.term + nnz);
    w.input = (double *)(void *)(w.name + nnz);
    w.unit = w.input + mlp_inputs(model);
    w.scratch = w.unit + rk_mlp_units(&model->mlp);
    w.forward = w.scratch + (mlp_inputs(model) > 0 ? rk_mlp_scratch(&model->mlp) : 0);
    w.value = (float *)(void *)((char *)w.forward + eights(rk_model_work(model, 1, nnz)));
    w.x = w.value + nnz;
    w.index = (uint32_t *)(void *)(w.x + nnz);
    w.number = w.index + nnz;
    return w;
}

size_t rk_explain_work(const struct rk_model *model, size_t nnz)
{
    return nnz * (sizeof(struct rk_term) + sizeof(uint64_t) + 2 * sizeof(float) +
                  2 * sizeof(uint32_t)) +
           (mlp_inputs(model) + rk_mlp_units(&model->mlp) +
            (mlp_inputs(model) > 0 ? rk_mlp_scratch(&model->mlp) : 0)) *
               sizeof(double) +
           eights(rk_model_work(model, 1, nnz));
}

/* ---- cutting the item out ---- */

static size_t row_length(const struct rk_group *group, size_t row)
{
    return group->offset[row + 1] - group->offset[row];
}

/* Appends a row to the cut. */
static void take_row(const struct rk_group *group, size_t row, const struct explain_work *w,
                     struct cut *cut)
{
    const uint32_t first = group->offset[row], end = group->offset[row + 1];
    const uint32_t at = cut->offset[row > 0];
    size_t i = 0;

    for (uint32_t e = first; e < end; e++) {
        const uint32_t to = at + (e - first);
        w->index[to] = group->index[e];
        w->value[to] = group->value[e];
        w->name[to] = group->name[e];
        w->term[to].entry = e;
    }
    while (i < group->n_numbers && group->number[i] < first) {
        i++;
    }
    for (; i < group->n_numbers && group->number[i] < end; i++) {
        w->number[cut->group.n_numbers++] = at + (group->number[i] - first);
    }
}

/* The list of this item alone. */
static void cut_item(const struct rk_group *group, size_t item, const struct explain_work *w,
                     struct cut *cut)
{
    const uint32_t shared = (uint32_t)row_length(group, 0);

    *cut = (struct cut){.offset = {0, shared, shared + (uint32_t)row_length(group, item + 1)},
                        .id = {group->id[0], group->id[item + 1]}};
    cut->group = (struct rk_group){.n_items = 1,
                                   .offset = cut->offset,
                                   .index = w->index,
                                   .value = w->value,
                                   .name = w->name,
                                   .number = w->number,
                                   .id = cut->id};
    take_row(group, 0, w, cut);
    take_row(group, item + 1, w, cut);
}

/* ---- taking it apart ---- */

/* Farthest reaching first; those without pairs last. */
static int by_reach(const void *p, const void *q)
{
    const struct rk_term *a = p, *b = q;

    if (a->reach > b->reach || a->reach < b->reach) {
        return a->reach > b->reach ? -1 : 1;
    }
    return (a->entry > b->entry) - (a->entry < b->entry);
}

/* Fills in the terms of the cut and offers what each adds alone. */
static void offer_terms(const struct rk_model *model, const float *theta, const struct cut *cut,
                        const struct explain_work *w, struct rk_explanation *explanation)
{
    const float *x = rk_numbers_values(model, theta, &cut->group, w->x);
    const float *linear = theta + model->tensor[RK_EXPLAIN_LINEAR].offset;
    const struct rk_vectors vectors = rk_explain_vectors(model, theta);
    struct rk_fields fields;

    rk_fields_read(model, theta, &fields);
    for (uint32_t e = 0; e < cut->offset[2]; e++) {
        struct rk_term *term = &w->term[e];
        term->index = cut->group.index[e];
        term->x = (double)x[e];
        term->field =
            model->kind->has_fields ? rk_fields_find(&fields, &cut->group, e) : RK_NO_FIELD;
        term->reach = model->kind->has_fields && term->field == RK_NO_FIELD
                          ? -1
                          : rk_explain_reach(&vectors, term);
        rk_explain_offer(explanation,
                         &(struct rk_part){.a = term->entry,
                                           .b = RK_NO_ENTRY,
                                           .weight = (double)linear[term->index] * term->x});
    }
}

/* 1/|x|^2 over features that have pairs. */
static double normalisation(const struct rk_term *term, size_t n)
{
    double norm = 0;

    for (size_t i = 0; i < n; i++) {
        norm += term[i].x * term[i].x;
    }
    return norm > 0 ? 1 / norm : 1;
}

/* deepfm's MLP over the field sums. */
static double mlp_part(const struct rk_model *model, const float *theta,
                       const struct rk_vectors *vectors, const struct explain_work *w, size_t n)
{
    const struct rk_mlp_inputs inputs = {.n_items = 1, .shared = w->input};
    double logit = 0;

    memset(w->input, 0, mlp_inputs(model) * sizeof *w->input);
    for (size_t i = 0; i < n; i++) {
        const struct rk_term *term = &w->term[i];
        for (size_t f = 0; f < vectors->k && term->field != RK_NO_FIELD; f++) {
            w->input[term->field * vectors->k + f] +=
                (double)vectors->v[(size_t)term->index * vectors->cols + f] * term->x;
        }
    }
    rk_mlp_forward(&model->mlp, theta, &inputs, w->unit, w->scratch, &logit);
    return logit;
}

/* Everything but joint's: a factorization machine of some kind, perhaps with an MLP beside it. */
static void explain_machine(const struct rk_model *model, const float *theta, const struct cut *cut,
                            const struct explain_work *w, struct rk_explanation *explanation)
{
    struct rk_explanation *out = explanation;
    const size_t n = cut->offset[2];
    struct rk_vectors vectors = rk_explain_vectors(model, theta);
    size_t paired = 0;

    offer_terms(model, theta, cut, w, out);
    out->bias = (double)theta[model->tensor[RK_EXPLAIN_BIAS].offset];
    out->mlp = out->has_mlp ? mlp_part(model, theta, &vectors, w, n) : 0;
    qsort(w->term, n, sizeof *w->term, by_reach);
    while (paired < n && w->term[paired].reach >= 0) {
        paired++;
    }
    if (model->kind == &rk_kind_ffm && model->config.normalize) {
        vectors.scale = normalisation(w->term, paired);
    }
    rk_explain_offer_pairs(&vectors, w->term, paired, out);
    if (n + paired * (paired - 1) / 2 > out->n) {
        out->rest = out->score - out->bias - out->mlp;
        for (size_t i = 0; i < out->n; i++) {
            out->rest -= out->part[i].weight;
        }
    }
}

enum rk_status rk_model_explain(const struct rk_model *model, const float *theta,
                                const struct rk_group *group, size_t item, void *work,
                                struct rk_explanation *explanation, struct rk_error *err)
{
    const size_t nnz = row_length(group, 0) + row_length(group, item + 1);
    const struct explain_work w = work_of(model, nnz, work);
    const struct rk_head_weights weights = rk_head_weights(model);
    struct rk_explanation out = {.has_mlp = model->mlp.n_layers > 0,
                                 .has_dot = model->kind->embedding != NULL};
    double head[RK_MODEL_HEADS_MAX];
    struct cut cut;
    enum rk_status status = RK_OK;

    if (theta != NULL) {
        cut_item(group, item, &w, &cut);
        status = rk_model_forward(model, theta, &cut.group, w.forward, head, err);
    }
    if (theta != NULL && status == RK_OK) {
        rk_model_scores(model, head, 1, &out.score);
        if (model->kind == &rk_kind_joint) {
            out.dot = weights.order[0] * head[0];
            out.mlp = weights.order[1] * head[1];
        } else {
            explain_machine(model, theta, &cut, &w, &out);
        }
    }
    if (status == RK_OK) {
        *explanation = out;
    }
    return status;
}
