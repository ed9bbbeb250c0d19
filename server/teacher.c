/*
 * Asking the teacher, and recalling what it said.
 */
#include "teacher.h"

#include "grow.h"

#include <math.h>

void teacher_deinit(struct teacher *teacher)
{
    free(teacher->score);
    free(teacher->head);
    free(teacher->work);
    rk_group_builder_deinit(&teacher->builder);
    *teacher = (struct teacher){0};
}

void teacher_begin(struct teacher *teacher, const struct served *model)
{
    teacher->model = model != NULL && live_version(&model->live) > 0 ? model : NULL;
    teacher->recorded = false;
    teacher->n = teacher->next = 0;
}

void teacher_recall(struct teacher *teacher, float *scores, size_t n)
{
    teacher_begin(teacher, NULL);
    teacher->recorded = true;
    free(teacher->score);
    teacher->score = scores;
    teacher->n = teacher->capacity = n;
}

bool teacher_is_over(const struct teacher *teacher)
{
    return !teacher->recorded || teacher->next == teacher->n;
}

/* Scores a list with what the teacher serves. */
static enum rk_status forward(struct teacher *teacher, struct list *list, const uint32_t *which,
                              size_t n, const struct assemble_source *source, struct rk_error *err)
{
    const struct served *served = teacher->model;
    const struct rk_model *model = served->model;
    struct rk_group group;
    size_t where;
    enum rk_status status = assemble_group(list, &served->config.model, source, which, n, false,
                                           &teacher->builder, &group, &where, err);

    if (status != RK_OK) {
        return status;
    }
    if (!grow_reserve(&teacher->head, &teacher->cap_head, n * rk_model_heads(model)) ||
        !grow_reserve(&teacher->work, &teacher->cap_work,
                      rk_model_work(model, n, group.offset[n + 1]))) {
        return rk_fail(err, RK_NOMEM, "out of memory for a teacher's scores");
    }
    status = rk_model_forward(model, live_served(&served->live), &group, teacher->work,
                              teacher->head, err);
    if (status == RK_OK) {
        rk_model_scores(model, teacher->head, n, teacher->head);
    }
    return status;
}

/* Asks, and records the answer: NaN for a list that does not fit or has no finite scores. */
static enum rk_status ask(struct teacher *teacher, struct list *list, const uint32_t *which,
                          size_t n, const struct assemble_source *source, struct rk_error *err)
{
    struct rk_error own = {0};
    const enum rk_status status = forward(teacher, list, which, n, source, &own);

    if (status == RK_IO || status == RK_NOMEM) {
        return rk_fail(err, status, "%s", own.text);
    }
    if (!grow_reserve(&teacher->score, &teacher->capacity, teacher->n + n)) {
        return rk_fail(err, RK_NOMEM, "out of memory for a teacher's scores");
    }
    for (size_t i = 0; i < n; i++) {
        teacher->score[teacher->n++] = status == RK_OK ? (float)teacher->head[i] : NAN;
    }
    return RK_OK;
}

enum rk_status teacher_score(struct teacher *teacher, struct list *list, const uint32_t *which,
                             size_t n, const struct assemble_source *source, const float **scores,
                             struct rk_error *err)
{
    const float *said;

    if (teacher->recorded ? teacher->n == 0 : teacher->model == NULL) {
        return rk_fail(err, RK_NOTFOUND, "there is no teacher");
    }
    if (!teacher->recorded) {
        const enum rk_status status = ask(teacher, list, which, n, source, err);
        if (status != RK_OK) {
            return status;
        }
    }
    if (n > teacher->n - teacher->next) {
        return rk_fail(err, RK_CORRUPT, "what a teacher said is recorded for fewer items");
    }
    said = teacher->score + teacher->next;
    teacher->next += n;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(said[i])) {
            return rk_fail(err, RK_NOTFOUND, "the teacher has nothing to say of a list");
        }
    }
    *scores = said;
    return RK_OK;
}
