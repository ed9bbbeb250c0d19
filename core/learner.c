/*
 * The learning step: forward, loss, backward, optimizer, with an undo log of every row before it
 * changes.
 *
 * The undo log is a stack: a row is pushed each time an update changes it, so that popping to any
 * mark gives back the state at that mark. One update and a whole step are taken back by the same
 * loop.
 */
#include "fields.h"
#include "grow.h"
#include "model_impl.h"
#include "numbers.h"
#include "objective.h"

#include <math.h>
#include <rankd/learner.h>
#include <stdlib.h>
#include <string.h>

struct rk_learner {
    const struct rk_model *model;
    struct rk_optim optim;           /* the model's, but for its rate */
    float *slot[RK_OPTIM_SLOTS_MAX]; /* each (n_learned) */
    size_t n_slots;
    uint64_t steps;
    struct rk_limits limits;

    struct rk_gradient grad;
    char *work; /* one forward pass a group, one after the other */
    size_t cap_work;
    struct rk_objective objective;

    uint32_t *undo_row; /* stack of rows, with their floats as they were: theta, then each slot */
    size_t n_undo, cap_undo;
    float *undo_value;
    size_t n_undo_values, cap_undo_values;
    uint64_t undo_steps; /* step count at begin */

    uint32_t *stamp; /* (model rows) == epoch: the row is in touched */
    uint32_t epoch;
    uint32_t *touched;
    size_t n_touched, cap_touched;
};

/* The state an update goes back to. */
struct mark {
    size_t n_undo;
    size_t n_touched;
    uint64_t steps;
};

enum rk_status rk_learner_create(const struct rk_model *model, const float *theta,
                                 struct rk_learner **learner, struct rk_error *err)
{
    const struct rk_optim *optim = &model->config.optim;
    struct rk_learner *l = calloc(1, sizeof *l);
    enum rk_status status;

    if (l == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for a learner");
    }
    l->model = model;
    l->optim = *optim;
    l->n_slots = rk_optim_slots(optim);
    l->epoch = 1;
    l->stamp = calloc(model->n_rows, sizeof *l->stamp);
    status = rk_gradient_init(&l->grad, model->n_rows, err);
    for (size_t s = 0; s < l->n_slots; s++) {
        l->slot[s] = malloc(model->n_learned * sizeof(float));
        if (l->slot[s] == NULL) {
            status = RK_NOMEM;
        }
    }
    if (status != RK_OK || l->stamp == NULL) {
        rk_learner_destroy(&l);
        return rk_fail(err, RK_NOMEM, "out of memory for the optimizer of %zu parameters",
                       model->n_learned);
    }
    rk_optim_init(optim, theta, l->slot, model->n_learned);
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
        free(l->slot[s]);
    }
    rk_gradient_deinit(&l->grad);
    free(l->work);
    rk_objective_deinit(&l->objective);
    free(l->undo_row);
    free(l->undo_value);
    free(l->stamp);
    free(l->touched);
    free(l);
    *learner = NULL;
}

void rk_learner_begin(struct rk_learner *learner)
{
    struct rk_learner *l = learner;

    l->n_undo = l->n_undo_values = l->n_touched = 0;
    l->undo_steps = l->steps;
    if (++l->epoch == 0) { /* wrapped round after 2^32 steps: old stamps would look new */
        memset(l->stamp, 0, l->model->n_rows * sizeof *l->stamp);
        l->epoch = 1;
    }
}

/* A row's parameters and the slots that go with them: statistics of numbers have none. */
struct row_parts {
    float *part[1 + RK_OPTIM_SLOTS_MAX];
    size_t n_parts;
    size_t length;
};

static struct row_parts row_parts(struct rk_learner *l, float *theta, uint32_t row)
{
    struct row_parts parts = {.n_parts = 1};
    const size_t offset = rk_model_row(l->model, row, &parts.length);

    parts.part[0] = theta + offset;
    if (offset < l->model->n_learned) {
        for (size_t s = 0; s < l->n_slots; s++) {
            parts.part[parts.n_parts++] = l->slot[s] + offset;
        }
    }
    return parts;
}

/* Pushes a row as it is, before it changes, and notes it as touched. */
static bool remember(struct rk_learner *l, const struct row_parts *parts, uint32_t row)
{
    const size_t values = l->n_undo_values + parts->n_parts * parts->length;

    if (!rk_reserve(&l->undo_row, &l->cap_undo, l->n_undo + 1) ||
        !rk_reserve(&l->undo_value, &l->cap_undo_values, values) ||
        !rk_reserve(&l->touched, &l->cap_touched, l->n_touched + 1)) {
        return false;
    }
    l->undo_row[l->n_undo++] = row;
    for (size_t p = 0; p < parts->n_parts; p++) {
        memcpy(l->undo_value + l->n_undo_values, parts->part[p], parts->length * sizeof(float));
        l->n_undo_values += parts->length;
    }
    if (l->stamp[row] != l->epoch) {
        l->stamp[row] = l->epoch;
        l->touched[l->n_touched++] = row;
    }
    return true;
}

/*
 * Pops rows until the stack is as high as at the mark, and forgets which were first touched after
 * it.
 */
static void go_back(struct rk_learner *l, float *theta, struct mark mark)
{
    while (l->n_undo > mark.n_undo) {
        const struct row_parts parts = row_parts(l, theta, l->undo_row[--l->n_undo]);
        l->n_undo_values -= parts.n_parts * parts.length;
        for (size_t p = 0; p < parts.n_parts; p++) {
            memcpy(parts.part[p], l->undo_value + l->n_undo_values + p * parts.length,
                   parts.length * sizeof(float));
        }
    }
    while (l->n_touched > mark.n_touched) {
        l->stamp[l->touched[--l->n_touched]] = 0; /* an epoch that never is */
    }
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

/* The gradient's L2 norm, scaled down to clip_norm where it is above. */
static double clip(struct rk_learner *l)
{
    const double most = l->model->config.clip_norm;
    double norm = 0;

    for (size_t i = 0; i < l->grad.n_sums; i++) {
        norm += l->grad.sum[i] * l->grad.sum[i];
    }
    norm = sqrt(norm);
    if (most > 0 && norm > most) {
        for (size_t i = 0; i < l->grad.n_sums; i++) {
            l->grad.sum[i] *= most / norm;
        }
    }
    return norm;
}

/* Finite everywhere, and the parameters no larger than they may be. */
static bool within(const struct rk_limits *limits, const struct row_parts *parts)
{
    for (size_t i = 0; limits->parameter > 0 && i < parts->length; i++) {
        if (!((double)fabsf(parts->part[0][i]) <= limits->parameter)) {
            return false;
        }
    }
    for (size_t p = 0; p < parts->n_parts; p++) {
        for (size_t i = 0; i < parts->length; i++) {
            if (!isfinite(parts->part[p][i])) {
                return false;
            }
        }
    }
    return true;
}

static bool all_zero(const double *sum, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (sum[i] != 0.0) {
            return false;
        }
    }
    return true;
}

/*
 * The optimizer on every row of the gradient. One that is exactly 0 has nothing to learn: handed
 * over, its weight decay would be all of its gradient, and AdaGrad makes a full step of however
 * small a first gradient.
 */
static enum rk_status apply(struct rk_learner *l, float *theta, struct rk_error *err)
{
    for (size_t i = 0; i < l->grad.n_rows; i++) {
        const uint32_t row = l->grad.row[i];
        const double *sum = l->grad.sum + l->grad.start[i];
        const struct row_parts parts = row_parts(l, theta, row);
        if (all_zero(sum, parts.length)) {
            continue;
        }
        if (!remember(l, &parts, row)) {
            return rk_fail(err, RK_NOMEM, "out of memory for the undo log");
        }
        rk_optim_update(&l->optim, l->steps, parts.part[0], parts.part + 1, sum, parts.length);
        if (!within(&l->limits, &parts)) {
            return rk_fail(err, RK_DIVERGED, "an update makes a parameter too large or not finite");
        }
    }
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
            const struct row_parts parts = row_parts(l, theta, row);
            if (!remember(l, &parts, row)) {
                return rk_fail(err, RK_NOMEM, "out of memory for the undo log");
            }
            rk_numbers_observe(parts.part[0], (double)groups[g]->value[e]);
            if (!within(&(struct rk_limits){0},
                        &parts)) { /* these have units: no limit is theirs */
                return rk_fail(err, RK_DIVERGED, "a number is too large for its statistics");
            }
        }
    }
    return RK_OK;
}

static bool name_field(struct rk_learner *l, float *theta, uint32_t row, uint64_t name)
{
    const struct row_parts parts = row_parts(l, theta, row);

    if (!remember(l, &parts, row)) {
        return false;
    }
    rk_fields_write(parts.part[0], name);
    return true;
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
    status = apply(l, theta, err);
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
    return (struct mark){.n_undo = l->n_undo, .n_touched = l->n_touched, .steps = l->steps};
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

const uint32_t *rk_learner_touched(const struct rk_learner *learner, size_t *n)
{
    *n = learner->n_touched;
    return learner->touched;
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
