/*
 * Recovery, to the newest state or to that of a version: which checkpoint of which branch the steps
 * are repeated on. On a branch versions grow from step to step.
 */
#include "log.h"
#include "trainee_recovery.h"

#include <stdlib.h>
#include <string.h>

enum rk_status recovery_load(struct recovery *r, const struct store_checkpoint *row,
                             struct rk_error *err)
{
    struct trainee *t = r->t;
    enum rk_status status = trainee_load(t, r->store, row, row->seq, row->due_seq, row->step, err);

    if (status == RK_OK) {
        status = trainee_hold(t, r->store, false, row->id, err);
    }
    if (status != RK_OK) {
        r->short_of_memory = r->short_of_memory || status == RK_NOMEM;
        log_error("checkpoint_passed_over", log_text("model", t->served->name),
                  log_number("version", row->version), log_text("reason", err->text));
    } else if (row->source != STORE_SOURCE_IMPORT && lineage_is_kept(&r->lineage, row)) {
        t->branch = (int64_t)lineage_branch_of_checkpoint(&r->lineage, row->id);
    }
    return status;
}

static enum rk_status no_checkpoint(const struct recovery *r, struct rk_error *err)
{
    return rk_fail(err, r->short_of_memory ? RK_NOMEM : RK_CORRUPT,
                   "no checkpoint of model \"%s\" can be loaded%s", r->t->served->name,
                   r->short_of_memory ? ": out of memory" : "");
}

/* Are there steps to be taken after this one? Where that cannot be read, there may be. */
static bool is_followed(const struct recovery *r, int64_t step)
{
    struct store_step next = {0};
    size_t n = 1;
    const enum rk_status status =
        store_list_steps(r->store, r->t->served->id, step, false, &next, &n, NULL);

    if (status == RK_OK && n > 0) {
        free(next.quarantined);
    }
    return status != RK_OK || n > 0;
}

/*
 * The newest checkpoint of the branch, of at most that version, that loads. What was trained from a
 * file cannot be made again by steps, and where the log is gone none can be taken, so nothing before
 * either will do.
 *
 * @return RK_OK; RK_NOTFOUND: there is none; RK_CORRUPT: none will do.
 */
static enum rk_status load_made(struct recovery *r, size_t branch, int64_t version)
{
    bool passed_over = false;

    for (size_t i = 0; i < r->lineage.n; i++) {
        const struct store_checkpoint *row = &r->lineage.checkpoint[i];
        struct rk_error own = {0};
        if (!lineage_is_base(&r->lineage, row, branch) || row->version > version) {
            continue;
        }
        if (!lineage_is_kept(&r->lineage, row) && (passed_over || is_followed(r, row->step))) {
            return RK_CORRUPT;
        }
        if (recovery_load(r, row, &own) == RK_OK) {
            return RK_OK;
        }
        if (row->source == STORE_SOURCE_FILE) {
            return RK_CORRUPT;
        }
        passed_over = true;
    }
    return RK_NOTFOUND;
}

enum rk_status recovery_compare(struct trainee *t, const struct store_checkpoint *stored,
                                struct rk_error *err)
{
    struct checkpoint_bytes file = {0};
    struct store_checkpoint now = {0};
    enum rk_status status = checkpoint_write(t->served->model, live_served(&t->served->live),
                                             t->learner, stored->version, &file, err);

    if (status == RK_OK) {
        status = checkpoint_seal(&file, &now, err);
    }
    if (status == RK_OK && memcmp(now.sha256, stored->sha256, sizeof now.sha256) != 0) {
        status = rk_fail(err, RK_MISMATCH, "version %lld does not come out as it was stored",
                         (long long)stored->version);
    }
    free(file.bytes);
    return status;
}

static enum rk_status load_base(struct recovery *r, size_t branch, int64_t version,
                                struct rk_error *err);

/* Makes a checkpoint that cannot be read again; its checksum says whether that is it. */
static enum rk_status make_again(struct recovery *r, const struct store_checkpoint *lost,
                                 struct rk_error *err)
{
    const size_t branch = lineage_branch_of_checkpoint(&r->lineage, lost->id);
    struct rk_error own = {0};
    enum rk_status status = lost->source == STORE_SOURCE_TRAINING
                                ? load_base(r, branch, lost->version, &own)
                                : RK_CORRUPT;

    if (status == RK_OK) {
        status = trainee_repeat(r->t, r->store, lost->step, &own);
    }
    if (status == RK_OK) {
        status = recovery_compare(r->t, lost, &own);
    }
    if (status != RK_OK) {
        r->short_of_memory = r->short_of_memory || status == RK_NOMEM;
        return no_checkpoint(r, err);
    }
    log_warn("checkpoint_made_again", log_text("model", r->t->served->name),
             log_number("version", lost->version));
    return RK_OK;
}

enum rk_status recovery_start(struct recovery *r, size_t branch, struct rk_error *err)
{
    const struct store_activation *activation = &r->lineage.activation[branch - 1];
    const struct store_checkpoint *row = lineage_start(&r->lineage, branch);
    struct rk_error own = {0};
    struct trainee *t = r->t;
    enum rk_status status;

    if (row == NULL ||
        (!lineage_start_is_kept(&r->lineage, branch) && is_followed(r, activation->step))) {
        return no_checkpoint(r, err);
    }
    status = recovery_load(r, row, &own);
    if (status != RK_OK) {
        status = make_again(r, row, err);
    }
    if (status == RK_OK) {
        status = trainee_hold(t, r->store, true, activation->seq, err);
    }
    if (status != RK_OK) {
        return status;
    }
    t->seq = t->due_seq = activation->seq;
    t->step = activation->step;
    t->branch = (int64_t)branch;
    atomic_store(&t->served->position, t->seq);
    atomic_store(&t->served->checkpoint_version, row->version);
    return RK_OK;
}

/* What the steps of a branch up to a version are repeated on: made on it, or what started it. */
static enum rk_status load_base(struct recovery *r, size_t branch, int64_t version,
                                struct rk_error *err)
{
    const enum rk_status status = load_made(r, branch, version);

    if (status == RK_NOTFOUND && branch > 0) {
        return recovery_start(r, branch, err);
    }
    return status == RK_OK ? RK_OK : no_checkpoint(r, err);
}

/* ---- from outside ---- */

enum rk_status trainee_load_newest(struct trainee *trainee, struct store *store,
                                   struct rk_error *err)
{
    struct recovery r = {.t = trainee, .store = store};
    enum rk_status status = lineage_read(store, trainee->served->id, &r.lineage, err);

    if (status == RK_OK) {
        status = load_base(&r, r.lineage.n_activations, INT64_MAX, err);
    }
    if (status == RK_OK) {
        status = trainee_recall_config(trainee, store, INT64_MAX, err);
    }
    if (status == RK_OK) {
        status = trainee_show_config(trainee, err);
    }
    if (status == RK_OK) {
        status = trainee_recall_refused(trainee, store, err);
    }
    if (status == RK_OK) {
        status = store_last_version(store, trainee->served->id, &trainee->last_version, err);
    }
    trainee->behind = status == RK_OK && is_followed(&r, trainee->step);
    lineage_deinit(&r.lineage);
    return status;
}

enum rk_status trainee_recover(struct trainee *trainee, struct store *store, struct rk_error *err)
{
    enum rk_status status = trainee_load_newest(trainee, store, err);

    while (status == RK_OK && trainee->behind) {
        status = trainee_catch_up(trainee, store, err);
    }
    return status;
}

enum rk_status trainee_retrace(struct trainee *trainee, struct store *store, int64_t *from,
                               int64_t *to, struct rk_error *err)
{
    struct recovery r = {.t = trainee, .store = store};
    const struct store_checkpoint *made = NULL;
    enum rk_status status = lineage_read(store, trainee->served->id, &r.lineage, err);

    for (size_t i = 0; i < r.lineage.n && made == NULL; i++) {
        const struct store_checkpoint *row = &r.lineage.checkpoint[i];
        made = row->source == STORE_SOURCE_TRAINING ? row : NULL;
    }
    if (status == RK_OK && made == NULL) {
        status = rk_fail(err, RK_NOTFOUND, "no version that was learned is stored");
    }
    if (status == RK_OK) {
        const size_t branch = lineage_branch_of_checkpoint(&r.lineage, made->id);
        status = lineage_has_base(&r.lineage, branch, made->version)
                     ? load_base(&r, branch, made->version - 1, err)
                     : rk_fail(err, RK_NOTFOUND, LINEAGE_GONE, (long long)made->version);
    }
    if (status == RK_OK) {
        *from = live_version(&trainee->served->live);
        *to = made->version;
        status = trainee_repeat(trainee, store, made->step, err);
    }
    if (status == RK_OK) {
        status = recovery_compare(trainee, made, err);
    }
    trainee->branch = -1; /* a base may have been passed over */
    lineage_deinit(&r.lineage);
    return status;
}

/* A stored version: its checkpoint, or RK_NOTFOUND. */
static enum rk_status load_version(struct recovery *r, int64_t version)
{
    for (size_t i = 0; i < r->lineage.n; i++) {
        const struct store_checkpoint *row = &r->lineage.checkpoint[i];
        struct rk_error own = {0};
        if (row->version == version && recovery_load(r, row, &own) == RK_OK) {
            return RK_OK;
        }
    }
    return RK_NOTFOUND;
}

/* Do steps lead from where it stands to a version of the branch? A file is no step. */
static bool is_on_the_way(const struct recovery *r, size_t branch, int64_t version)
{
    const int64_t now = live_version(&r->t->served->live);
    bool steps = r->t->branch == (int64_t)branch && now <= version;

    for (size_t i = 0; i < r->lineage.n && steps; i++) {
        const struct store_checkpoint *row = &r->lineage.checkpoint[i];
        steps = row->source != STORE_SOURCE_FILE || row->version <= now || row->version > version ||
                !lineage_is_base(&r->lineage, row, branch);
    }
    return steps;
}

static enum rk_status step_to(struct recovery *r, int64_t version, struct rk_error *err)
{
    struct trainee *t = r->t;
    int64_t step;
    size_t branch;
    enum rk_status status = store_find_version(r->store, t->served->id, version, &step, err);

    if (status != RK_OK) {
        return status;
    }
    branch = lineage_branch_of_step(&r->lineage, step);
    if (!is_on_the_way(r, branch, version)) {
        status = lineage_has_base(&r->lineage, branch, version)
                     ? load_base(r, branch, version, err)
                     : rk_fail(err, RK_NOTFOUND, LINEAGE_GONE, (long long)version);
    }
    return status == RK_OK ? trainee_repeat(t, r->store, step, err) : status;
}

enum rk_status trainee_reach(struct trainee *trainee, struct store *store, int64_t version,
                             struct rk_error *err)
{
    struct recovery r = {.t = trainee, .store = store};
    const bool is_there = trainee->branch >= 0 && live_version(&trainee->served->live) == version;
    enum rk_status status = lineage_read(store, trainee->served->id, &r.lineage, err);

    if (status == RK_OK && !is_there && load_version(&r, version) != RK_OK) {
        status = step_to(&r, version, err);
    }
    if (status != RK_OK) {
        trainee->branch = -1; /* half-way is nowhere */
    }
    lineage_deinit(&r.lineage);
    return status;
}
