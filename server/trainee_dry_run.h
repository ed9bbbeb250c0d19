/*
 * What learning from some lists would do to a model now, without doing it: they are learned from on
 * the copy nobody reads, and that is taken back, bit for bit.
 */
#ifndef RANKD_SERVER_TRAINEE_DRY_RUN_H
#define RANKD_SERVER_TRAINEE_DRY_RUN_H

#include "emit.h"
#include "trainee.h"

struct trainee_dry_run {
    const char *const *payload; /* (n) labelled lists, as codec_batch_groups gave them; borrowed */
    const size_t *payload_n;
    size_t n;
    int64_t catalogue_seq; /* features of the catalogue as of this log position */

    /* out */
    int64_t version; /* it started from */
    struct rk_learned learned;
    size_t n_refused;    /* lists that would be left out, or put into quarantine */
    struct emit refused; /* JSON array of {"group", "reason"} by the lists' numbers; owned */
};

/**
 * Tries the lists as one step in which none of them is held back. Nothing is recorded or published, and the model's state is afterwards
 * as it was, paused or not.
 *
 * @return RK_OK; RK_IO; RK_NOMEM.
 */
RK_MUST_CHECK enum rk_status trainee_dry_run(struct trainee *trainee,
                                             const struct trainee_tools *tools,
                                             struct trainee_dry_run *run, struct rk_error *err);

#endif
