/*
 * Starting and stopping the whole service with failing allocations: on a new file, and on one with
 * models, checkpoints and steps to repeat; and the first request after a start, for which nothing is
 * warm yet.
 */
#ifndef RANKD_OOM_START_H
#define RANKD_OOM_START_H

#include "oom_calls.h"

void oom_start(struct oom *oom);

#endif
