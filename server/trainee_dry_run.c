/*
 * Learning tried and taken back. The cut is one of its own: that of the steps is not disturbed.
 */
#include "trainee_dry_run.h"

#include "trainee_impl.h"

static void refuse(struct trainee_dry_run *run, int64_t group, const char *reason)
{
    if (run->n_refused++ == 0) {
        emit_open(&run->refused, '[');
    }
    emit_open(&run->refused, '{');
    emit_key(&run->refused, "group");
    emit_integer(&run->refused, group);
    emit_key(&run->refused, "reason");
    emit_string(&run->refused, reason);
    emit_close(&run->refused, '}');
}

static bool is_serious(enum rk_status status)
{
    return status == RK_IO || status == RK_NOMEM;
}

/* Makes the groups of the lists; those that do not fit the model are refused. */
static enum rk_status make_groups(const struct trainee *t, const struct trainee_tools *tools,
                                  struct trainee_dry_run *run, struct cut *cut,
                                  struct rk_error *err)
{
    const struct cut_terms terms = trainee_terms(t);

    for (size_t i = 0; i < run->n; i++) {
        const struct cut_text text = {.text = run->payload[i],
                                      .n = run->payload_n[i],
                                      .catalogue_seq = run->catalogue_seq,
                                      .name = (int64_t)i};
        const size_t untaught = cut->n_untaught;
        struct rk_error own = {0};
        const enum rk_status status = cut_list(tools->store, &terms, &text, cut, &own);
        if (is_serious(status)) {
            return rk_fail(err, status, "%s", own.text);
        }
        if (status != RK_OK) {
            refuse(run, text.name, own.text);
        } else if (cut->n_untaught > untaught) {
            refuse(run, text.name, "its teacher has nothing to say of it");
        }
    }
    return RK_OK;
}

static enum rk_status learn(struct trainee *t, const struct cut *cut, struct trainee_dry_run *run,
                            struct rk_error *err)
{
    const size_t at_once = (size_t)t->served->config.training.update_groups;

    for (size_t i = 0; i < cut->n; i += at_once) {
        const size_t n = cut->n - i < at_once ? cut->n - i : at_once;
        struct rk_error own = {0};
        const enum rk_status status = rk_learner_update(
            t->learner, live_learning(&t->served->live),
            (const struct rk_group *const *)&cut->group[i], n, &run->learned, &own);
        if (is_serious(status)) {
            return rk_fail(err, status, "%s", own.text);
        }
        for (size_t k = i; k < i + n && status != RK_OK; k++) {
            refuse(run, cut->seq[k], own.text);
        }
    }
    return RK_OK;
}

enum rk_status trainee_dry_run(struct trainee *trainee, const struct trainee_tools *tools,
                               struct trainee_dry_run *run, struct rk_error *err)
{
    struct trainee *t = trainee;
    struct cut cut = {0};
    enum rk_status status;

    run->version = live_version(&t->served->live);
    teacher_begin(&cut.teacher, trainee_teacher(t, tools));
    status = make_groups(t, tools, run, &cut, err);
    if (status == RK_OK) {
        rk_learner_begin(t->learner);
        status = learn(t, &cut, run, err);
        rk_learner_undo(t->learner, live_learning(&t->served->live));
    }
    cut_deinit(&cut);
    if (run->n_refused > 0) {
        emit_close(&run->refused, ']');
    }
    return status == RK_OK && run->refused.failed
               ? rk_fail(err, RK_NOMEM, "out of memory for a dry run")
               : status;
}
