/*
 * What is still needed: by a model, from the oldest position on that its checkpoints would have to be
 * gone on from.
 */
#include "lineage.h"
#include "retention_impl.h"

#include <stdlib.h>

#define NEWEST 5 /* checkpoints that are gone on from whatever their age */

void retention_plan_free(struct retention_plan *plan)
{
    free(plan->model);
    free(plan->named);
    *plan = (struct retention_plan){0};
}

/* ---- positions ---- */

static void reach_back(struct retention_need *need, int64_t seq, int64_t due_seq, int64_t step)
{
    need->after = seq < need->after ? seq : need->after;
    need->due_after = due_seq < need->due_after ? due_seq : need->due_after;
    need->step = step < need->step ? step : need->step;
}

/*
 * Back to all checkpoints that count, and to what recovery would begin with. One that is kept because
 * it was activated is older than all that count, sooner or later: it is loaded, but not gone on from.
 */
static void reach_checkpoints(const struct lineage *lineage, int64_t since_ms,
                              struct retention_need *need)
{
    const size_t branch = lineage->n_activations;
    bool begins = false;
    size_t n = 0;

    for (size_t i = 0; i < lineage->n; i++) {
        const struct store_checkpoint *row = &lineage->checkpoint[i];
        const bool is_first = !begins && lineage_is_base(lineage, row, branch);
        const bool counts = row->source == STORE_SOURCE_TRAINING &&
                            (n < NEWEST || row->time_ms > since_ms) &&
                            lineage_is_kept(lineage, row);
        n += row->source == STORE_SOURCE_TRAINING;
        if (is_first || counts) {
            reach_back(need, row->seq, row->due_seq, row->step);
        }
        begins = begins || is_first;
    }
    if (!begins && branch > 0) {
        const struct store_activation *activation = &lineage->activation[branch - 1];
        reach_back(need, activation->seq, activation->seq, activation->step);
    }
    if (need->after == INT64_MAX) {
        *need = (struct retention_need){0}; /* it cannot be recovered: whatever may help stays */
    }
}

/* Up to the end, or, where no step is to come, up to the last that may be repeated. */
static enum rk_status reach_forward(struct store *store, const struct retention_model *model,
                                    struct retention_need *need, struct rk_error *err)
{
    struct store_step last = {0};
    size_t n = 1;
    enum rk_status status = store_list_steps(store, model->id, need->step, true, &last, &n, err);

    free(last.quarantined);
    need->upto = model->learns ? INT64_MAX : last.to_seq;
    need->due_upto =
        model->learns || model->waits_upto < last.due_to ? model->waits_upto : last.due_to;
    return status;
}

static enum rk_status look(const struct retention_view *view, const struct retention_model *model,
                           struct retention_need *need, struct rk_error *err)
{
    struct lineage lineage;
    enum rk_status status = lineage_read(view->store, model->id, &lineage, err);

    *need = (struct retention_need){.after = INT64_MAX, .due_after = INT64_MAX, .step = INT64_MAX};
    if (status == RK_OK) {
        reach_checkpoints(&lineage, view->since_ms, need);
        status = reach_forward(view->store, model, need, err);
    }
    lineage_deinit(&lineage);
    return status;
}

/* ---- the plan ---- */

static const struct retention_model *find(const struct retention_view *view, int64_t id)
{
    for (size_t i = 0; i < view->n; i++) {
        if (view->models[i].id == id) {
            return &view->models[i];
        }
    }
    return NULL;
}

static enum rk_status plan_models(const struct retention_view *view, struct retention_plan *plan,
                                  struct rk_error *err)
{
    struct store_kept_model *rows = NULL;
    enum rk_status status = store_list_kept_models(view->store, &rows, &plan->n, err);

    if (status == RK_OK) {
        plan->model = calloc(plan->n + 1, sizeof *plan->model);
        status = plan->model != NULL ? RK_OK : rk_fail(err, RK_NOMEM, "out of memory for a plan");
    }
    for (size_t i = 0; i < plan->n && status == RK_OK; i++) {
        struct retention_kept *kept = &plan->model[i];
        const struct retention_model *model = find(view, rows[i].id);
        *kept = (struct retention_kept){.row = rows[i]};
        if (model != NULL) {
            kept->reads_all = model->reads_all;
            status = look(view, model, &kept->need, err);
        } else if (rows[i].deleted_ms == 0) {
            status = rk_fail(err, RK_MISMATCH, "a model is stored that nobody knows");
        }
    }
    free(rows);
    return status;
}

enum rk_status retention_plan(const struct retention_view *view, struct retention_plan *plan,
                              struct rk_error *err)
{
    enum rk_status status;

    *plan = (struct retention_plan){0};
    status = plan_models(view, plan, err);
    return status == RK_OK ? store_list_named(view->store, &plan->named, &plan->n_named, err)
                           : status;
}

/* ---- what is needed ---- */

bool retention_reads(const struct retention_kept *reader, const struct retention_kept *model)
{
    return reader->row.id == model->row.id || (reader->reads_all && model->row.hashed);
}

static int by_position(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static bool needs(const struct retention_need *need, const struct store_old_list *list,
                  bool is_batch)
{
    if (is_batch) {
        return list->seq > need->after && list->seq <= need->upto;
    }
    /* An event comes after its ranking: none is in the range of a ranking behind it. */
    return (list->last_event > need->after && list->seq < need->upto) ||
           (list->seq > need->due_after && list->seq <= need->due_upto);
}

bool retention_is_needed(const struct retention_plan *plan, const struct retention_kept *model,
                         const struct store_old_list *list, bool is_batch)
{
    for (size_t i = 0; i < plan->n; i++) {
        if (retention_reads(&plan->model[i], model) &&
            needs(&plan->model[i].need, list, is_batch)) {
            return true;
        }
    }
    return plan->n_named > 0 && bsearch(&list->seq, plan->named, plan->n_named, sizeof *plan->named,
                                        by_position) != NULL;
}
