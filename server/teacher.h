/*
 * The teacher of a distilled model: another model of this server, whose scores of a list are what
 * the student learns from. What it said is recorded with the step, so that a repeated step hears
 * the same, whatever has become of the teacher.
 */
#ifndef RANKD_SERVER_TEACHER_H
#define RANKD_SERVER_TEACHER_H

#include "assemble.h"
#include "models.h"

#include <rankd/group.h>
#include <stdbool.h>
#include <stddef.h>

/* Zero to start: nobody teaches. */
struct teacher {
    const struct served *model; /* who is asked; NULL: nobody, or what was recorded is read */
    bool recorded;
    float *score; /* (n) of each list in turn, owned; not finite: nothing to say of that list */
    size_t n, capacity;
    size_t next; /* recorded: the next to read */
    struct rk_group_builder builder;
    double *head; /* (cap_head) */
    size_t cap_head;
    unsigned char *work; /* (cap_work) */
    size_t cap_work;
};

/** Frees what it owns. */
void teacher_deinit(struct teacher *teacher);

/** Starts a step with a model, which teaches from version 1 on, or NULL. Borrowed for the step. */
void teacher_begin(struct teacher *teacher, const struct served *model);

/** Starts a repeated step. @param scores  (n) what was recorded, malloc'ed, taken, or NULL. */
void teacher_recall(struct teacher *teacher, float *scores, size_t n);

/**
 * What the teacher says of n items of a list.
 *
 * @param source  stored features, as for the student's own group.
 * @param scores  out, (n), finite; borrowed until the next call.
 * @return RK_OK; RK_NOTFOUND: nothing, as the list does not fit the teacher, or there is none;
 *         RK_CORRUPT: what was recorded ends before; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status teacher_score(struct teacher *teacher, struct list *list,
                                           const uint32_t *which, size_t n,
                                           const struct assemble_source *source,
                                           const float **scores, struct rk_error *err);

/** Has a repeated step heard all that was recorded, and no less? Of another: true. */
bool teacher_is_over(const struct teacher *teacher);

#endif
