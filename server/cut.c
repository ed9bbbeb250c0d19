/*
 * How far a step goes: counting the lists that records of the log lead to.
 */
#include "cut.h"

#include "cut_impl.h"

#include <stdlib.h>

void cut_deinit(struct cut *cut)
{
    for (size_t i = 0; i < cut->n; i++) {
        rk_group_destroy(&cut->group[i]);
    }
    free(cut->group);
    free(cut->seq);
    free(cut->time_ms);
    rk_group_builder_deinit(&cut->builder);
    list_deinit(&cut->list);
    teacher_deinit(&cut->teacher);
    *cut = (struct cut){0};
}

int64_t cut_whose(int64_t model, const struct model_config *config)
{
    return config->training.source == MODEL_SOURCE_ALL ? STORE_ALL_HASHED : model;
}

int64_t cut_window_ms(const struct model_config *config)
{
    return config->training.attribution_s * 1000;
}

bool cut_at_once(const struct model_config *config)
{
    return cut_window_ms(config) == 0 || config->model.alpha < 1 ||
           config->model.loss.name == RK_BCE_WITH_LOGITS;
}

/* ---- which records ---- */

/* Adds a ranking. @return 1: new; 0: met before; -1: out of memory. */
static int met_add(struct cut_met *met, int64_t seq)
{
    size_t i;

    if (2 * (met->n + 1) > met->capacity) {
        struct cut_met wider = {.capacity = met->capacity > 0 ? 2 * met->capacity : 256};
        wider.place = calloc(wider.capacity, sizeof *wider.place);
        if (wider.place == NULL) {
            return -1;
        }
        for (i = 0; i < met->capacity; i++) {
            if (met->place[i] != 0) {
                (void)met_add(&wider, met->place[i]);
            }
        }
        free(met->place);
        *met = wider;
    }
    for (i = (size_t)seq & (met->capacity - 1); met->place[i] != 0;
         i = (i + 1) & (met->capacity - 1)) {
        if (met->place[i] == seq) {
            return 0;
        }
    }
    met->place[i] = seq;
    met->n++;
    return 1;
}

enum rk_status cut_leads(struct cut_met *met, const struct store_record *record,
                         const struct model_config *config, bool *leads, struct rk_error *err)
{
    int added = 1;

    if (record->kind == STORE_RECORD_EVENT) {
        /* Else events only count when their list's window ends. */
        added = cut_at_once(config) ? met_add(met, record->ranking) : 0;
    }
    *leads = added > 0;
    return added >= 0 ? RK_OK : rk_fail(err, RK_NOMEM, "out of memory for a step");
}

/* ---- planning ---- */

/* The seq up to which records of (from_seq, log_end] lead to at most batch_groups lists. */
static enum rk_status plan_records(struct store *store, int64_t whose,
                                   const struct model_config *config, int64_t log_end,
                                   struct cut_range *range, struct rk_error *err)
{
    struct store_record records[CUT_PAGE];
    struct cut_met met = {0};
    int64_t after = range->from_seq, lists = 0;
    size_t n = CUT_PAGE;
    enum rk_status status = RK_OK;

    range->to_seq = log_end;
    while (n == CUT_PAGE && range->to_seq == log_end && status == RK_OK) {
        status = store_read_records(store, whose, after, log_end, records, &n, err);
        for (size_t i = 0; i < n && status == RK_OK; i++) {
            bool leads;
            status = cut_leads(&met, &records[i], config, &leads, err);
            if (status == RK_OK && leads && lists++ == config->training.batch_groups) {
                range->to_seq = after;
                break;
            }
            after = records[i].seq;
        }
    }
    free(met.place);
    return status;
}

static enum rk_status plan_due(struct store *store, int64_t whose,
                               const struct model_config *config, int64_t log_end, int64_t ended_ms,
                               struct cut_range *range, struct rk_error *err)
{
    size_t n = (size_t)config->training.batch_groups;
    int64_t *seqs = malloc(n * sizeof *seqs);
    enum rk_status status;

    if (seqs == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for a step");
    }
    status = store_read_due(store, whose, range->due_from, log_end, ended_ms, seqs, &n, err);
    if (status == RK_OK && n > 0) {
        range->due_to = seqs[n - 1];
    }
    free(seqs);
    return status;
}

enum rk_status cut_plan(struct store *store, int64_t model, const struct model_config *config,
                        int64_t log_end, int64_t now_ms, struct cut_range *range,
                        struct rk_error *err)
{
    const int64_t whose = cut_whose(model, config), window_ms = cut_window_ms(config);
    const enum rk_status status = plan_records(store, whose, config, log_end, range, err);

    range->due_to = range->due_from;
    return status == RK_OK && window_ms > 0
               ? plan_due(store, whose, config, log_end, now_ms - window_ms, range, err)
               : status;
}
