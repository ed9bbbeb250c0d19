/*
 * Step after step; before each, whatever was loaded there in its time is loaded.
 */
#include "trainee_walk.h"

#include "trainee_recovery.h"

#include <stdlib.h>

static bool is_start(const struct lineage *lineage, const struct store_checkpoint *row)
{
    return row->source != STORE_SOURCE_IMPORT && lineage_is_kept(lineage, row);
}

/*
 * The newest checkpoint at or before a position, or the oldest one that the log goes on from, or just
 * the newest. Those that cannot be read are passed over.
 */
static enum rk_status load_first(struct recovery *r, int64_t from_seq, struct rk_error *err)
{
    const struct lineage *l = &r->lineage;
    const struct store_checkpoint *newest_first = l->checkpoint;
    struct rk_error own = {0};

    for (size_t i = 0; i < l->n; i++) {
        if (is_start(l, &newest_first[i]) && newest_first[i].seq <= from_seq &&
            recovery_load(r, &newest_first[i], &own) == RK_OK) {
            return RK_OK;
        }
    }
    for (size_t i = l->n; i > 0; i--) {
        if (is_start(l, &newest_first[i - 1]) &&
            recovery_load(r, &newest_first[i - 1], &own) == RK_OK) {
            return RK_OK;
        }
    }
    for (size_t i = 0; i < l->n; i++) {
        if (newest_first[i].source != STORE_SOURCE_IMPORT) {
            return recovery_load(r, &newest_first[i], err);
        }
    }
    return rk_fail(err, RK_NOTFOUND, "no checkpoint of model \"%s\" is kept", r->t->served->name);
}

enum rk_status trainee_walk_start(struct trainee_walk *walk, struct trainee *trainee,
                                  struct store *store, int64_t from_seq, struct rk_error *err)
{
    struct recovery *r = calloc(1, sizeof *r);
    enum rk_status status;

    *walk = (struct trainee_walk){.recovery = r};
    if (r == NULL) {
        return rk_fail(err, RK_NOMEM, "out of memory for a replay");
    }
    r->t = trainee;
    r->store = store;
    status = lineage_read(store, trainee->served->id, &r->lineage, err);
    return status == RK_OK ? load_first(r, from_seq, err) : status;
}

void trainee_walk_end(struct trainee_walk *walk)
{
    if (walk->recovery != NULL) {
        lineage_deinit(&walk->recovery->lineage);
        free(walk->recovery);
    }
    *walk = (struct trainee_walk){0};
}

/* What a training file made of the model before the step, if it did. */
static enum rk_status load_file(struct recovery *r, size_t branch, int64_t step,
                                struct rk_error *err)
{
    for (size_t i = 0; i < r->lineage.n; i++) {
        const struct store_checkpoint *row = &r->lineage.checkpoint[i];
        if (row->source == STORE_SOURCE_FILE && lineage_is_base(&r->lineage, row, branch) &&
            row->step < step && row->step >= r->t->step &&
            row->version > live_version(&r->t->served->live)) {
            return recovery_load(r, row, err);
        }
    }
    return RK_OK;
}

/* Is there a checkpoint of the state now, and is it that? */
static enum rk_status compare_stored(struct trainee_walk *walk, struct rk_error *err)
{
    struct recovery *r = walk->recovery;
    const int64_t version = live_version(&r->t->served->live);
    enum rk_status status = RK_OK;

    for (size_t i = 0; i < r->lineage.n && status == RK_OK; i++) {
        const struct store_checkpoint *row = &r->lineage.checkpoint[i];
        if (row->source == STORE_SOURCE_TRAINING && row->version == version &&
            row->id > walk->newest.id) {
            status = recovery_compare(r->t, row, err);
            if (status == RK_OK) {
                walk->compared++;
                walk->newest = *row;
                walk->newest.metrics = NULL;
            }
        }
    }
    return status;
}

enum rk_status trainee_walk_next(struct trainee_walk *walk, int64_t to_seq, bool *done,
                                 struct rk_error *err)
{
    struct recovery *r = walk->recovery;
    struct store_step row;
    size_t n = 1, branch;
    enum rk_status status =
        store_list_steps(r->store, r->t->served->id, r->t->step, false, &row, &n, err);

    *done = status == RK_OK && (n == 0 || row.to_seq > to_seq);
    if (status != RK_OK || n == 0) {
        return status;
    }
    branch = lineage_branch_of_step(&r->lineage, row.id);
    if (!*done && r->t->branch != (int64_t)branch) {
        status = recovery_start(r, branch, err);
    }
    if (!*done && status == RK_OK) {
        status = load_file(r, branch, row.id, err);
    }
    if (!*done && status == RK_OK) {
        status = trainee_repeat_step(r->t, r->store, &row, err);
    }
    free(row.quarantined);
    row.quarantined = NULL;
    if (!*done && status == RK_OK) {
        walk->row = row;
        walk->steps++;
        status = compare_stored(walk, err);
    }
    return status;
}
