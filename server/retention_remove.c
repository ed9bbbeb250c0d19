/*
 * One page of one work: what of it may go, and the small transaction in which it goes.
 */
#include "checkpoint.h"
#include "retention_impl.h"

#include <stdlib.h>

#define PAGE 256

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- removing ---- */

/* One small transaction: what is to go, and what it makes of retention's state. */
struct removal {
    struct writer_job job;
    const struct retention *r;
    const struct retention_kept *kept; /* of the catalogue: nobody's */
    int64_t id[PAGE];                  /* (n) positions of lists, ids of steps, a checkpoint's */
    size_t n;
    struct store_retention state; /* out, as all below */
    struct retention_removed removed;
};

/* Remembers, for each model that reads the lists, up to where they are not all there any more. */
static enum rk_status note_lists(const struct removal *m, struct store *store, struct rk_error *err)
{
    const struct retention *r = m->r;
    enum rk_status status = RK_OK;

    for (size_t i = 0; i < r->plan.n && status == RK_OK; i++) {
        const struct retention_kept *reader = &r->plan.model[i];
        const struct retention_need *need = &reader->need;
        struct store_trimmed trimmed = {.model = reader->row.id};
        if (reader->row.deleted_ms != 0 || !retention_reads(reader, m->kept)) {
            continue;
        }
        if (r->pass != PASS_UNCLICKED) {
            trimmed.seq = least(need->after, r->upto);
        }
        if (r->work == WORK_RANKINGS && need->due_upto > need->due_after) {
            trimmed.due_seq = least(need->due_after, r->upto);
        }
        status = store_put_trimmed(store, &trimmed, err);
    }
    return status;
}

static enum rk_status remove_batches(struct removal *m, struct store *store, struct rk_error *err)
{
    enum rk_status status = note_lists(m, store, err);

    for (size_t i = 0; i < m->n && status == RK_OK; i++) {
        status = store_drop_batch(store, m->id[i], err);
    }
    m->removed.batches = (int64_t)m->n;
    m->state.removed += (int64_t)m->n;
    return status;
}

static enum rk_status remove_rankings(struct removal *m, struct store *store, struct rk_error *err)
{
    enum rk_status status = note_lists(m, store, err);
    int64_t rows = 0;

    for (size_t i = 0; i < m->n && status == RK_OK; i++) {
        status = store_drop_ranking(store, m->id[i], &rows, err);
    }
    m->removed.rankings = (int64_t)m->n;
    m->removed.events = rows - (int64_t)m->n;
    m->state.removed += rows;
    return status;
}

static enum rk_status remove_steps(struct removal *m, struct store *store, struct rk_error *err)
{
    const struct store_trimmed trimmed = {.model = m->kept->row.id, .step = m->kept->need.step};
    enum rk_status status =
        m->kept->row.deleted_ms == 0 ? store_put_trimmed(store, &trimmed, err) : RK_OK;

    for (size_t i = 0; i < m->n && status == RK_OK; i++) {
        status = store_drop_step(store, m->id[i], err);
    }
    m->removed.steps = (int64_t)m->n;
    return status;
}

static enum rk_status remove_checkpoint(struct removal *m, struct store *store,
                                        struct rk_error *err)
{
    m->removed.checkpoints = 1;
    return store_drop_checkpoint(store, m->id[0], err);
}

/* Looks again: rankings that storage kept waiting were logged before this, in the same transaction. */
static enum rk_status remove_revisions(struct removal *m, struct store *store, struct rk_error *err)
{
    int64_t needed = 0;
    enum rk_status status = store_needed_catalogue(store, &needed, err);
    const int64_t upto = least(m->r->unneeded, needed);

    if (status == RK_OK && upto > m->state.catalogue_seq) {
        status = store_drop_revisions(store, m->state.catalogue_seq, upto, PAGE,
                                      &m->state.catalogue_seq, &m->removed.revisions, err);
    }
    m->state.removed += m->removed.revisions;
    return status;
}

/* ---- looking ---- */

/* What may go of a page of lists that a model served or was sent. */
static void take_lists(struct retention *r, const struct store_old_list *lists, size_t n,
                       struct removal *m)
{
    const bool is_batch = r->work == WORK_BATCHES;

    for (size_t i = 0; i < n; i++) {
        const bool passes =
            r->pass == PASS_UNCLICKED ? lists[i].last_event == 0 : lists[i].last_event <= r->upto;
        if (passes && !retention_is_needed(&r->plan, m->kept, &lists[i], is_batch)) {
            m->id[m->n++] = lists[i].seq;
        }
    }
    r->after = n > 0 ? lists[n - 1].seq : r->after;
}

static enum rk_status look_at_batches(struct retention *r, struct removal *m, bool *more,
                                      struct rk_error *err)
{
    struct store_old_list lists[PAGE];
    size_t n = r->pass == PASS_UNCLICKED ? 0 : PAGE;
    const enum rk_status status = store_list_old_batches(r->store, m->kept->row.id, r->after,
                                                         least(r->upto, r->last), lists, &n, err);

    if (status == RK_OK) {
        take_lists(r, lists, n, m);
        *more = n == PAGE;
    }
    return status;
}

static enum rk_status look_at_rankings(struct retention *r, struct removal *m, bool *more,
                                       struct rk_error *err)
{
    struct store_old_list lists[PAGE];
    size_t n = PAGE;
    const enum rk_status status = store_list_old_rankings(
        r->store, m->kept->row.id, r->after, least(r->upto, r->silent), lists, &n, err);

    if (status == RK_OK) {
        take_lists(r, lists, n, m);
        *more = n == PAGE;
    }
    return status;
}

/* A model that was deleted keeps its steps and versions for as long as lists are kept. */
static bool is_forgotten(const struct retention *r, const struct retention_kept *kept)
{
    return kept->row.deleted_ms != 0 && kept->row.deleted_ms < r->old_ms;
}

static enum rk_status look_at_steps(struct retention *r, struct removal *m, bool *more,
                                    struct rk_error *err)
{
    const bool lives = m->kept->row.deleted_ms == 0;
    const int64_t step = lives ? m->kept->need.step : is_forgotten(r, m->kept) ? INT64_MAX : 0;
    enum rk_status status;

    m->n = r->pass == PASS_UNCLICKED ? 0 : PAGE;
    status = store_list_old_steps(r->store, m->kept->row.id, step, r->upto, m->id, &m->n, err);
    *more = status == RK_OK && m->n == PAGE;
    return status;
}

static enum rk_status look_at_checkpoints(struct retention *r, struct removal *m, bool *more,
                                          struct rk_error *err)
{
    const struct store_keep keep = {.now_ms = r->state.now_ms,
                                    .days = r->options.log_days,
                                    .bytes = r->options.checkpoint_bytes};
    const bool lives = m->kept->row.deleted_ms == 0;
    int64_t id = 0;
    enum rk_status status = RK_OK;

    if (r->pass == PASS_AGE && (lives || is_forgotten(r, m->kept))) {
        status =
            store_find_old_checkpoint(r->store, m->kept->row.id, lives ? &keep : NULL, &id, err);
    }
    m->id[0] = id;
    m->n = id != 0;
    *more = m->n > 0;
    return status;
}

/* Older revisions go when no list needs them; of the newest changes none do. */
static enum rk_status look_at_catalogue(struct retention *r, struct removal *m, bool *more,
                                        struct rk_error *err)
{
    bool has = false;
    enum rk_status status = RK_OK;

    if (r->pass == PASS_AGE) {
        status = store_needed_catalogue(r->store, &r->unneeded, err);
        r->unneeded = least(r->unneeded, r->settled);
    }
    if (status == RK_OK && r->pass == PASS_AGE && r->unneeded > r->state.catalogue_seq) {
        status = store_has_change(r->store, r->state.catalogue_seq, r->unneeded, &has, err);
    }
    m->n = has;
    *more = has;
    return status;
}

/* ---- works ---- */

static const struct {
    enum rk_status (*look)(struct retention *, struct removal *, bool *more, struct rk_error *);
    enum rk_status (*remove)(struct removal *, struct store *, struct rk_error *);
} works[] = {
    [WORK_CHECKPOINTS] = {look_at_checkpoints, remove_checkpoint},
    [WORK_BATCHES] = {look_at_batches, remove_batches},
    [WORK_RANKINGS] = {look_at_rankings, remove_rankings},
    [WORK_STEPS] = {look_at_steps, remove_steps},
    [WORK_CATALOGUE] = {look_at_catalogue, remove_revisions},
};

static enum rk_status removal_run(struct writer_job *job, struct store *store, struct rk_error *err)
{
    struct removal *m = (struct removal *)job;
    enum rk_status status = RK_OK;

    m->state = m->r->state;
    m->removed = (struct retention_removed){0};
    if (m->n > 0) {
        status = works[m->r->work].remove(m, store, err);
    }
    return status == RK_OK ? store_put_retention(store, &m->state, err) : status;
}

static void count(struct retention *r, const struct retention_removed *removed)
{
#define COUNT(name, field)                                                                         \
    r->removed.field += removed->field;                                                            \
    metrics_add(r->metrics, METRIC_REMOVED_##name, (uint64_t)removed->field);
    COUNT(RANKINGS, rankings)
    COUNT(EVENTS, events)
    COUNT(BATCHES, batches)
    COUNT(STEPS, steps)
    COUNT(REVISIONS, revisions)
    COUNT(CHECKPOINTS, checkpoints)
#undef COUNT
    if (removed->checkpoints > 0) {
        checkpoint_sweep(r->writer);
    }
}

/* Commits a removal; with nothing to remove, the state alone. */
static enum rk_status commit(struct retention *r, struct removal *m, struct rk_error *err)
{
    struct writer_outcome outcome;

    m->job.run = removal_run;
    m->job.weight = m->n + 1;
    m->r = r;
    outcome = writer_run(r->writer, &m->job);
    if (outcome.err.status != RK_OK) {
        return rk_fail(err, outcome.err.status, "%s", outcome.err.text);
    }
    r->state = m->state;
    r->saved_ms = m->state.now_ms;
    if (m->n > 0) {
        count(r, &m->removed);
    }
    return RK_OK;
}

enum rk_status retention_save(struct retention *retention, struct rk_error *err)
{
    struct removal nothing = {.n = 0};

    return commit(retention, &nothing, err);
}

enum rk_status retention_work(struct retention *retention, bool *more, struct rk_error *err)
{
    struct removal m = {.kept = &retention->plan.model[retention->model]};
    enum rk_status status;

    *more = false;
    status = works[retention->work].look(retention, &m, more, err);
    if (status == RK_OK && m.n > 0) {
        status = commit(retention, &m, err);
        retention->any = true;
    }
    return status;
}
