/*
 * Asking the teacher, and recalling what it said.
 */
#include "teacher.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
    teacher->model = model;
    teacher->recorded = false;
    teacher->n = teacher->next = 0;
}

/* Room for n scores more. */
static bool reserve(struct teacher *teacher, size_t n)
{
    size_t capacity = teacher->capacity > 0 ? teacher->capacity : 256;
    float *grown;

    while (capacity < teacher->n + n) {
        capacity *= 2;
    }
    if (capacity == teacher->capacity) {
        return true;
    }
    grown = realloc(teacher->score, capacity * sizeof *grown);
    if (grown != NULL) {
        teacher->score = grown;
        teacher->capacity = capacity;
    }
    return grown != NULL;
}

enum rk_status teacher_recall(struct teacher *teacher, const void *scores, size_t bytes,
                              struct rk_error *err)
{
    teacher_begin(teacher, NULL);
    teacher->recorded = true;
    if (!reserve(teacher, bytes / sizeof *teacher->score)) {
        return rk_fail(err, RK_NOMEM, "out of memory for a teacher's scores");
    }
    teacher->n = bytes / sizeof *teacher->score;
    if (bytes > 0) {
        memcpy(teacher->score, scores, teacher->n * sizeof *teacher->score);
    }
    return RK_OK;
}

static bool reserve_pass(struct teacher *teacher, const struct rk_model *model,
                         const struct rk_group *group)
{
    const size_t heads = group->n_items * rk_model_heads(model);
    const size_t work = rk_model_work(model, group->n_items, group->offset[group->n_items + 1]);

    if (heads > teacher->cap_head) {
        double *grown = realloc(teacher->head, heads * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        teacher->head = grown;
        teacher->cap_head = heads;
    }
    if (work > teacher->cap_work) {
        void *grown = realloc(teacher->work, work);
        if (grown == NULL) {
            return false;
        }
        teacher->work = grown;
        teacher->cap_work = work;
    }
    return true;
}

/* Scores a list with what the teacher serves. What does not fit the teacher's space, or is not finite, it has nothing to say of: NaN. */
static enum rk_status ask(struct teacher *teacher, struct list *list, const uint32_t *which,
                          size_t n, const struct assemble_source *source, struct rk_error *err)
{
    const struct served *model = teacher->model;
    struct rk_error own = {0};
    struct rk_group group;
    size_t where;
    enum rk_status status = assemble_group(list, &model->config.model, source, which, n, false,
                                           &teacher->builder, &group, &where, &own);

    if (status == RK_OK && !reserve_pass(teacher, model->model, &group)) {
        status = rk_fail(&own, RK_NOMEM, "out of memory for a teacher's scores");
    }
    if (status == RK_OK) {
        status = rk_model_forward(model->model, live_served(&model->live), &group, teacher->work,
                                  teacher->head, &own);
    }
    if (status == RK_IO || status == RK_NOMEM) {
        return rk_fail(err, status, "%s", own.text);
    }
    if (status == RK_OK) {
        rk_model_scores(model->model, teacher->head, n, teacher->head);
    }
    for (size_t i = 0; i < n; i++) {
        teacher->score[teacher->n++] = status == RK_OK ? (float)teacher->head[i] : NAN;
    }
    return RK_OK;
}

enum rk_status teacher_teach(struct teacher *teacher, struct list *list, const uint32_t *which,
                             size_t n, const struct assemble_source *source, struct rk_error *err)
{
    const bool there = teacher->recorded
                           ? teacher->n > 0
                           : teacher->model != NULL && live_version(&teacher->model->live) > 0;
    const float *said;

    if (!there) {
        return RK_NOTFOUND;
    }
    if (!teacher->recorded) {
        enum rk_status status = RK_NOMEM;
        if (!reserve(teacher, n)) {
            return rk_fail(err, status, "out of memory for a teacher's scores");
        }
        status = ask(teacher, list, which, n, source, err);
        if (status != RK_OK) {
            return status;
        }
    }
    if (teacher->next + n > teacher->n) {
        return rk_fail(err, RK_CORRUPT,
                       "what a teacher said of a step is recorded for fewer items");
    }
    said = teacher->score + teacher->next;
    teacher->next += n;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(said[i])) {
            return RK_NOTFOUND;
        }
        list->item[which[i]].teacher = said[i];
    }
    return RK_OK;
}
