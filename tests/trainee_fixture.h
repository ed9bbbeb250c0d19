/*
 * What tests of one model in training share: a trainee whose model is in the store, and its state as
 * bytes.
 */
#ifndef RANKD_TRAINEE_FIXTURE_H
#define RANKD_TRAINEE_FIXTURE_H

#include "learning_fixture.h"
#include "trainee.h"

/* Makes a model from JSON, with its rows in the store; new records are for it from now on. */
struct trainee *trained_make(struct learning *l, const char *json);

/* A trainee of the store's newest model, untrained; recovered. */
struct trainee *trained_find(struct learning *l);
struct trainee *trained_find_again(struct learning *l, enum rk_status *status);

/* Frees it with its served model. */
void trained_free(struct trainee **t);

/* Takes steps until there is nothing more. */
void trained_catch_up(struct learning *l, struct trainee *t);

/* The same where there are models that may teach it. */
void trained_catch_up_taught(struct learning *l, struct trainee *t, const struct models *models);

/* Stores a checkpoint and waits for it. @return its row, without metrics. */
struct store_checkpoint trained_store(struct learning *l, struct trainee *t);

/* Overwrites a stored checkpoint with zeros. */
void trained_damage(struct learning *l, int64_t checkpoint);

/* Activates a checkpoint as the command does. */
void trained_activate(struct learning *l, struct trainee *t, const struct store_checkpoint *row);

/* Has its configuration changed as the command does. */
void trained_configure(struct learning *l, struct trainee *t, const char *patch);

/* The state - parameters, slots, step count, version - as a checkpoint's bytes. */
struct checkpoint_bytes trained_bytes(struct trainee *t);

/* Is the state those bytes? */
void trained_compare(struct trainee *t, const struct checkpoint_bytes *expected);

/* Recovers the model from its untrained start alone: must be the same state. */
void trained_check_refold(struct learning *l, struct trainee **t);

/* The newest steps, newest first, without the quarantined. @return how many. */
size_t trained_last_steps(struct learning *l, const struct trainee *t, struct store_step *rows,
                          size_t n);

#endif
