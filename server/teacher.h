/*
 * The teacher of a distilled model: another model of this server, whose scores of a list are what the student learns from. What it said
 * is recorded with the step, so that a repeated step hears the same, whatever has become of the teacher.
 */
#ifndef RANKD_SERVER_TEACHER_H
#define RANKD_SERVER_TEACHER_H

#include "assemble.h"
#include "models.h"

#include <rankd/group.h>
#include <stdbool.h>
#include <stddef.h>

struct teacher {
    const struct served *model; /* who teaches; NULL: nobody, or what was recorded */
    bool recorded;              /* scores are read, not made */
    float *
        score; /* (n) of each list taught, one after the other, owned; NaN: the teacher had none for that list */
    size_t n, capacity;
    size_t next; /* recorded: the next to read */
    struct rk_group_builder builder;
    double *head; /* (cap_head), with work */
    void *work;
    size_t cap_head, cap_work;
};

/** Frees what it owns; a zeroed one is accepted. */
void teacher_deinit(struct teacher *teacher);

/** Starts a step with a model that teaches, or NULL. */
void teacher_begin(struct teacher *teacher, const struct served *model);

/** Starts a repeated step with what was recorded. @param bytes  floats, copied; 0: nothing was. */
RK_MUST_CHECK enum rk_status teacher_recall(struct teacher *teacher, const void *scores,
                                            size_t bytes, struct rk_error *err);

/**
 * Sets the teacher scores of n items of a list.
 *
 * @param source  stored features, as for the student's own group.
 * @return RK_OK; RK_NOTFOUND: the teacher has nothing to say of this list; RK_CORRUPT: what was recorded ends here; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status teacher_teach(struct teacher *teacher, struct list *list,
                                           const uint32_t *which, size_t n,
                                           const struct assemble_source *source,
                                           struct rk_error *err);

#endif
