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

/* ---- terms ---- */

int64_t cut_whose(const struct cut_terms *terms)
{
    return terms->config->training.source == MODEL_SOURCE_ALL ? STORE_ALL_HASHED : terms->model;
}

bool cut_span(const struct cut_terms *terms, size_t i, struct cut_span *span)
{
    if (i >= terms->n_eras) {
        *span = (struct cut_span){.upto = INT64_MAX,
                                  .window_ms = terms->config->training.attribution_s * 1000};
        return i == 0;
    }
    *span = (struct cut_span){.after = terms->era[i].since,
                              .upto = i + 1 < terms->n_eras ? terms->era[i + 1].since : INT64_MAX,
                              .window_ms = terms->era[i].window_ms};
    return true;
}

int64_t cut_window_ms(const struct cut_terms *terms, int64_t ranking)
{
    struct cut_span span;
    size_t i = 0;

    while (cut_span(terms, i, &span) && ranking > span.upto) {
        i++;
    }
    return span.window_ms;
}

bool cut_at_once(const struct cut_terms *terms, int64_t ranking)
{
    return cut_window_ms(terms, ranking) == 0 || terms->config->model.alpha < 1 ||
           terms->config->model.loss.name == RK_BCE_WITH_LOGITS;
}

int64_t cut_waits_upto(const struct cut_terms *terms)
{
    struct cut_span span;
    int64_t upto = 0;

    for (size_t i = 0; cut_span(terms, i, &span); i++) {
        upto = span.window_ms > 0 ? span.upto : upto;
    }
    return upto;
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
                         const struct cut_terms *terms, bool *leads, struct rk_error *err)
{
    int added = 1;

    if (record->kind == STORE_RECORD_EVENT) {
        /* Else events only count when their list's window ends. */
        added = cut_at_once(terms, record->ranking) ? met_add(met, record->ranking) : 0;
    }
    *leads = added > 0;
    return added >= 0 ? RK_OK : rk_fail(err, RK_NOMEM, "out of memory for a step");
}

/* ---- planning ---- */

/* Records to read at a time: mostly, a list has a ranking and an event. */
static size_t page_of(const struct cut_terms *terms)
{
    const int64_t page = 2 * terms->config->training.batch_groups + 2;

    return page < CUT_PAGE ? (size_t)page : CUT_PAGE;
}

/* The seq up to which records of (from_seq, log_end] lead to at most batch_groups lists. */
static enum rk_status plan_records(struct store *store, const struct cut_terms *terms,
                                   int64_t log_end, struct cut_range *range, struct rk_error *err)
{
    struct store_record records[CUT_PAGE];
    struct cut_met met = {0};
    int64_t after = range->from_seq, lists = 0;
    const size_t page = page_of(terms);
    size_t n = page;
    enum rk_status status = RK_OK;

    range->to_seq = log_end;
    while (n == page && range->to_seq == log_end && status == RK_OK) {
        status = store_read_records(store, cut_whose(terms), after, log_end, records, &n, err);
        for (size_t i = 0; i < n && status == RK_OK; i++) {
            bool leads;
            status = cut_leads(&met, &records[i], terms, &leads, err);
            if (status == RK_OK && leads && lists++ == terms->config->training.batch_groups) {
                range->to_seq = after;
                break;
            }
            after = records[i].seq;
        }
    }
    free(met.place);
    return status;
}

/* Which rankings are due. */
struct due {
    int64_t to;    /* those up to here */
    int64_t *seqs; /* (room + 1) */
    size_t room;   /* lists the step still has room for */
};

/* Takes those of a span whose window has ended. */
static enum rk_status take_due(struct store *store, int64_t whose, const struct cut_span *span,
                               int64_t now_ms, struct due *due, struct rk_error *err)
{
    size_t n = due->room;
    const enum rk_status status = store_read_due(store, whose, due->to, span->upto,
                                                 now_ms - span->window_ms, due->seqs, &n, err);

    if (status == RK_OK && n > 0) {
        due->to = due->seqs[n - 1];
        due->room -= n;
    }
    return status;
}

/* Is one of the span still waiting? */
static enum rk_status look_on(struct store *store, int64_t whose, const struct cut_span *span,
                              const struct due *due, bool *waits, struct rk_error *err)
{
    size_t n = span->window_ms > 0 ? 1 : 0;
    const enum rk_status status =
        store_read_due(store, whose, due->to, span->upto, INT64_MAX, due->seqs, &n, err);

    *waits = n > 0;
    return status;
}

/*
 * Windows end in the order of the log: none of a span is due before all of the one before it is, and
 * spans without a window are passed over.
 */
static enum rk_status plan_due(struct store *store, const struct cut_terms *terms, int64_t log_end,
                               int64_t now_ms, struct due *due, struct rk_error *err)
{
    const int64_t whose = cut_whose(terms);
    struct cut_span span;
    bool waits = false;
    enum rk_status status = RK_OK;

    for (size_t i = 0; status == RK_OK && !waits && cut_span(terms, i, &span); i++) {
        const bool is_last = span.upto > log_end;
        if (is_last && span.window_ms == 0) {
            break;
        }
        if (span.upto <= due->to) {
            continue;
        }
        due->to = due->to > span.after ? due->to : span.after;
        span.upto = is_last ? log_end : span.upto;
        if (span.window_ms > 0) {
            status = take_due(store, whose, &span, now_ms, due, err);
        }
        if (is_last) {
            break;
        }
        if (status == RK_OK) {
            status = look_on(store, whose, &span, due, &waits, err);
        }
        due->to = waits ? due->to : span.upto;
    }
    return status;
}

enum rk_status cut_plan(struct store *store, const struct cut_terms *terms, int64_t log_end,
                        int64_t now_ms, struct cut_range *range, struct rk_error *err)
{
    struct due due = {.to = range->due_from, .room = (size_t)terms->config->training.batch_groups};
    enum rk_status status = plan_records(store, terms, log_end, range, err);

    range->due_to = range->due_from;
    if (status != RK_OK || cut_waits_upto(terms) <= range->due_from) {
        return status;
    }
    due.seqs = malloc((due.room + 1) * sizeof *due.seqs);
    status = due.seqs != NULL ? plan_due(store, terms, log_end, now_ms, &due, err)
                              : rk_fail(err, RK_NOMEM, "out of memory for a step");
    free(due.seqs);
    if (status == RK_OK) {
        range->due_to = due.to;
    }
    return status;
}
