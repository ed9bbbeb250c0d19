/*
 * Learning and storing with failing allocations, below the API: a step that fails leaves the state
 * bit for bit as it was, and is taken again with the same lists.
 */
#ifndef RANKD_OOM_LEARNING_H
#define RANKD_OOM_LEARNING_H

#include "oom_calls.h"

/* Tries the steps of every kind of model, checkpoints, and recovery. */
void oom_learning(struct oom *oom);

#endif
