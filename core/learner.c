/*
 * The learning step: forward, loss, backward, optimizer, with an undo log of every row before it
 * changes. One update and a whole step are taken back by the same loop.
 */
#include "clones.h"
#include "fields.h"
#include "grow.h"
#include "model_impl.h"
#include "numbers.h"
#include "objective.h"
#include "undo.h"

#include <float.h>
#include <math.h>
#include <rankd/learner.h>
#include <stdlib.h>
#include <string.h>

struct rk_learner {
    const struct rk_model *model;
    struct rk_optim optim;                /* the model's, but for its rate */
    float *slot[RK_OPTIM_SLOTS_MAX];      /* each (n_learned), its rows on cache lines as theta's */
    void *slot_block[RK_OPTIM_SLOTS_MAX]; /* what they lie in; owned */
    size_t n_slots;
    uint64_t steps;
    struct rk_limits limits;

    struct rk_gradient grad;
    char *work; /* one forward pass a group, one after the other */
    size_t cap_work;
    struct rk_objective objective;

    uint32_t *row; /* of an update, with what they become: (parts, floats of the rows) */
    size_t cap_row;
    float *changed;
    size_t cap_changed;
    struct rk_undo undo;
    uint64_t undo_steps; /* step count at begin */
};

/* The state an update goes back to. */
struct mark {
    size_t n_blocks;
    uint64_t steps;
};

/* Room for a slot: rk_model_lead. */
static bool make_slot(struct rk_learner *l, size_t s)
{
    const size_t lead = rk_model_lead(l->model);
    const size_t bytes = (lead + l->model->n_learned) * sizeof(float);
    const size_t lines = bytes / RK_CACHE_LINE + 1;

    l->slot_block[s] = aligned_alloc(RK_CACHE_LINE, lines * RK_CACHE_LINE);
    l->slot[s] = l->slot_block[s] != NULL ? (float *)l->slot_block[s] + lead : NULL;
    return l->slot[s] != NULL;
}

enum rk_status rk_learner_create(const struct rk_model *model, const float *theta,
                                 struct rk_learner **learner, struct rk_error *err)
{
    const struct rk_optim *optim = &model->config.optim;
    struct rk_learner *l = calloc(1, sizeof *l);
    bool enough = true;

    if (l == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for a learner");
    }
    l->model = l->undo.model = model;
    l->optim = *optim;
    l->n_slots = rk_optim_slots(optim);
    for (size_t s = 0; s < l->n_slots; s++) {
        enough = enough && make_slot(l, s);
    }
    if (!enough) {
        rk_learner_destroy(&l);
        return rk_fail(err, RK_NOMEM, "out of memory for the optimizer of %zu parameters",
                       model->n_learned);
    }
    if (theta != NULL) {
        rk_optim_init(optim, theta, l->slot, model->n_learned);
    }
    l->grad.needed = l->slot;
    l->grad.n_needed = l->n_slots;
    *learner = l;
    return RK_OK;
}

void rk_learner_destroy(struct rk_learner **learner)
{
    struct rk_learner *l = *learner;

    if (l == NULL) {
        return;
    }
    for (size_t s = 0; s < RK_OPTIM_SLOTS_MAX; s++) {
        free(l->slot_block[s]);
    }
    rk_gradient_deinit(&l->grad);
    free(l->work);
    rk_objective_deinit(&l->objective);
    free(l->row);
    free(l->changed);
    rk_undo_deinit(&l->undo);
    free(l);
    *learner = NULL;
}

void rk_learner_begin(struct rk_learner *learner)
{
    rk_undo_clear(&learner->undo);
    learner->undo_steps = learner->steps;
}

/* What a learned row is made of. */
static struct rk_parts parts_of(struct rk_learner *l, float *theta)
{
    struct rk_parts parts = {.part = {theta}, .n = 1 + l->n_slots};

    for (size_t s = 0; s < l->n_slots; s++) {
        parts.part[1 + s] = l->slot[s];
    }
    return parts;
}

/* Pushes one row that has no slots, before it changes. @return where it lies; NULL: out of memory. */
static float *remember(struct rk_learner *l, float *theta, uint32_t row)
{
    const struct rk_parts parts = {.part = {theta}, .n = 1};
    size_t length;

    return rk_undo_push(&l->undo, &parts, &row, 1) != NULL
               ? theta + rk_model_row(l->model, row, &length)
               : NULL;
}

static void go_back(struct rk_learner *l, float *theta, struct mark mark)
{
    const struct rk_parts parts = parts_of(l, theta);

    rk_undo_pop(&l->undo, &parts, mark.n_blocks);
    l->steps = mark.steps;
}

void rk_learner_undo(struct rk_learner *learner, float *theta)
{
    go_back(learner, theta, (struct mark){.steps = learner->undo_steps});
}

/* Bytes of a group's forward pass, so that the next one's is aligned. */
static size_t work_of(const struct rk_learner *l, const struct rk_group *group)
{
    const size_t bytes = rk_model_work(l->model, group->n_items, group->offset[group->n_items + 1]);

    return (bytes + 7) & ~(size_t)7;
}

/* Room for the forward passes of all groups, and the loss. */
static bool reserve(struct rk_learner *l, const struct rk_group *const *groups, size_t n)
{
    size_t work = 0;

    for (size_t g = 0; g < n; g++) {
        work += work_of(l, groups[g]);
    }
    return rk_reserve(&l->work, &l->cap_work, work) &&
           rk_objective_reserve(&l->objective, l->model, groups, n);
}

/* Heads of all groups, then the loss and its gradient on them. */
static enum rk_status forward(struct rk_learner *l, const float *theta,
                              const struct rk_group *const *groups, size_t n,
                              struct rk_loss_value *value, struct rk_error *err)
{
    char *work = l->work;
    double *head = l->objective.head;

    for (size_t g = 0; g < n; g++) {
        const enum rk_status status = rk_model_forward(l->model, theta, groups[g], work, head, err);
        if (status != RK_OK) {
            return status;
        }
        work += work_of(l, groups[g]);
        head += groups[g]->n_items * rk_model_heads(l->model);
    }
    return rk_objective_eval(&l->objective, l->model, theta, groups, n, value, err);
}

static enum rk_status backward(struct rk_learner *l, const float *theta,
                               const struct rk_group *const *groups, size_t n, struct rk_error *err)
{
    char *work = l->work;
    size_t first_item = 0;

    rk_gradient_clear(&l->grad);
    for (size_t g = 0; g < n; g++) {
        const struct rk_output_grad out = rk_objective_grad(&l->objective, l->model, g, first_item);
        const enum rk_status status =
            rk_model_backward(l->model, theta, groups[g], work, &out, &l->grad, err);
        if (status != RK_OK) {
            return status;
        }
        work += work_of(l, groups[g]);
        first_item += groups[g]->n_items;
    }
    return RK_OK;
}

/* The gradient's L2 norm; the gradient is scaled down to clip_norm where that is above. */
static double clip(struct rk_learner *l)
{
    const double most = l->model->config.clip_norm;
    const double norm = rk_gradient_norm(&l->grad);

    if (most > 0 && norm > most) {
        rk_gradient_scale(&l->grad, most / norm);
    }
    return norm;
}

/* No value is larger than `most`, or no number. */
RK_CLONES static bool all_within(const float *value, size_t n, float most)
{
    int beyond = 0;

    for (size_t i = 0; i < n; i++) {
        beyond |= !(fabsf(value[i]) <= most);
    }
    return beyond == 0;
}

/*
 * The optimizer on every row of the gradient, as one array. A row that is exactly 0 has nothing to
 * learn: handed over, its weight decay would be all of its gradient, and AdaGrad makes a full step of
 * however small a first gradient.
 */
static enum rk_status apply(struct rk_learner *l, float *theta, struct rk_error *err)
{
    const struct rk_parts parts = parts_of(l, theta);
    const float most = l->limits.parameter > 0 ? (float)l->limits.parameter : FLT_MAX;
    const size_t n = rk_gradient_take(&l->grad, l->row), floats = l->grad.n_sums;
    const float *old = n > 0 ? rk_undo_push(&l->undo, &parts, l->row, n) : NULL;
    float *slot[RK_OPTIM_SLOTS_MAX];

    if (n == 0) {
        return RK_OK;
    }
    if (old == NULL || !rk_reserve(&l->changed, &l->cap_changed, parts.n * floats)) {
        return rk_fail(err, RK_NOMEM, "out of memory for the undo log");
    }
    memcpy(l->changed, old, parts.n * floats * sizeof *old);
    for (size_t s = 0; s < l->n_slots; s++) {
        slot[s] = l->changed + (1 + s) * floats;
    }
    rk_optim_update(&l->optim, l->steps, l->changed, slot, l->grad.sum, floats);
    if (!all_within(l->changed, floats, most) ||
        !all_within(l->changed + floats, l->n_slots * floats, FLT_MAX)) {
        return rk_fail(err, RK_DIVERGED, "an update makes a parameter too large or not finite");
    }
    rk_undo_scatter(&l->undo, &parts, l->changed);
    return RK_OK;
}

/* Takes the lists' raw numbers into their statistics, after they were learned from. */
static enum rk_status observe(struct rk_learner *l, float *theta,
                              const struct rk_group *const *groups, size_t n, struct rk_error *err)
{
    for (size_t g = 0; g < n; g++) {
        for (size_t i = 0; l->model->numbers != NULL && i < groups[g]->n_numbers; i++) {
            const uint32_t e = groups[g]->number[i];
            const uint32_t row = (uint32_t)(l->model->numbers->first_row + groups[g]->index[e]);
            float *statistics = remember(l, theta, row);
            if (statistics == NULL) {
                return rk_fail(err, RK_NOMEM, "out of memory for the undo log");
            }
            rk_numbers_observe(statistics, (double)groups[g]->value[e]);
            /* these have units: the limit of parameters is not theirs */
            if (!all_within(statistics, RK_NUMBERS_COLS, FLT_MAX)) {
                return rk_fail(err, RK_DIVERGED, "a number is too large for its statistics");
            }
        }
    }
    return RK_OK;
}

static bool name_field(struct rk_learner *l, float *theta, uint32_t row, uint64_t name)
{
    float *field = remember(l, theta, row);

    if (field != NULL) {
        rk_fields_write(field, name);
    }
    return field != NULL;
}

/* Numbers the fields of features that are met for the first time, while there is room. */
static enum rk_status name_fields(struct rk_learner *l, float *theta,
                                  const struct rk_group *const *groups, size_t n,
                                  struct rk_error *err)
{
    const struct rk_tensor *table = l->model->fields;
    struct rk_fields fields;

    if (table == NULL) {
        return RK_OK;
    }
    rk_fields_read(l->model, theta, &fields);
    for (size_t g = 0; g < n; g++) {
        const uint32_t nnz = groups[g]->offset[groups[g]->n_items + 1];
        for (uint32_t e = 0; e < nnz && fields.n < table->rows; e++) {
            const uint64_t name = groups[g]->name[e];
            if (name == 0 || rk_fields_find(&fields, groups[g], e) != RK_NO_FIELD) {
                continue;
            }
            if (!name_field(l, theta, (uint32_t)(table->first_row + fields.n), name)) {
                return rk_fail(err, RK_NOMEM, "out of memory for the undo log");
            }
            fields.name[fields.n++] = name;
        }
    }
    return RK_OK;
}

/* Backward, optimizer, statistics. @param norm  out, of the gradient before clipping. */
static enum rk_status learn(struct rk_learner *l, float *theta,
                            const struct rk_group *const *groups, size_t n, double *norm,
                            struct rk_error *err)
{
    enum rk_status status = backward(l, theta, groups, n, err);

    if (status != RK_OK) {
        return status;
    }
    *norm = clip(l);
    if (!isfinite(*norm)) {
        return rk_fail(err, RK_DIVERGED, "the gradient is not finite");
    }
    if (l->limits.gradient > 0 && *norm > l->limits.gradient) {
        return rk_fail(err, RK_DIVERGED, "the gradient's norm is %.3g, more than %.3g", *norm,
                       l->limits.gradient);
    }
    l->steps++;
    status = rk_reserve(&l->row, &l->cap_row, l->grad.rows.n)
                 ? apply(l, theta, err)
                 : rk_fail(err, RK_NOMEM, "out of memory for an update");
    return status == RK_OK ? observe(l, theta, groups, n, err) : status;
}

/* Learns from a mini-batch. @param norm  out, of its gradient. pairs 0: nothing was learned. */
static enum rk_status update(struct rk_learner *l, float *theta,
                             const struct rk_group *const *groups, size_t n,
                             struct rk_loss_value *value, double *norm, struct rk_error *err)
{
    enum rk_status status;

    if (!reserve(l, groups, n)) {
        return rk_fail(err, RK_NOMEM, "out of memory for a mini-batch of %zu lists", n);
    }
    status = name_fields(l, theta, groups, n, err);
    if (status == RK_OK) {
        status = forward(l, theta, groups, n, value, err);
    }
    return status == RK_OK && value->pairs > 0 ? learn(l, theta, groups, n, norm, err) : status;
}

static struct mark here(const struct rk_learner *l)
{
    return (struct mark){.n_blocks = l->undo.n_blocks, .steps = l->steps};
}

enum rk_status rk_learner_update(struct rk_learner *learner, float *theta,
                                 const struct rk_group *const *groups, size_t n,
                                 struct rk_learned *learned, struct rk_error *err)
{
    const struct mark mark = here(learner);
    struct rk_loss_value value = {0};
    double norm = 0;
    const enum rk_status status = update(learner, theta, groups, n, &value, &norm, err);

    if (status != RK_OK || value.pairs == 0) {
        go_back(learner, theta, mark);
        return status;
    }
    learned->updates++;
    learned->lists += value.lists;
    learned->pairs += value.pairs;
    learned->loss += value.value;
    learned->grad_norm = norm > learned->grad_norm ? norm : learned->grad_norm;
    return RK_OK;
}

const double *rk_learner_heads(const struct rk_learner *learner)
{
    return learner->objective.head;
}

enum rk_status rk_learner_probe(struct rk_learner *learner, float *theta,
                                const struct rk_group *group, struct rk_error *err)
{
    const struct mark mark = here(learner);
    struct rk_loss_value value = {0};
    double norm = 0;
    const enum rk_status status = update(learner, theta, &group, 1, &value, &norm, err);

    go_back(learner, theta, mark);
    return status;
}

enum rk_status rk_learner_loss(struct rk_learner *learner, const float *theta,
                               const struct rk_group *group, double *loss, struct rk_error *err)
{
    struct rk_loss_value value = {0};
    enum rk_status status;

    if (!reserve(learner, &group, 1)) {
        return rk_fail(err, RK_NOMEM, "out of memory for a list");
    }
    status = forward(learner, theta, &group, 1, &value, err);
    if (status == RK_OK) {
        *loss = value.pairs > 0 ? value.value : (double)NAN;
    }
    return status;
}

void rk_learner_limit(struct rk_learner *learner, const struct rk_limits *limits)
{
    learner->limits = *limits;
}

const uint32_t *rk_learner_touched(struct rk_learner *learner, size_t *n)
{
    return rk_undo_touched(&learner->undo, n);
}

void rk_learner_set_rate(struct rk_learner *learner, double rate)
{
    learner->optim.learning_rate = rate;
}

uint64_t rk_learner_steps(const struct rk_learner *learner)
{
    return learner->steps;
}

void rk_learner_set_steps(struct rk_learner *learner, uint64_t steps)
{
    learner->steps = steps;
}

float *const *rk_learner_slots(struct rk_learner *learner, size_t *n)
{
    *n = learner->n_slots;
    return learner->slot;
}
