/*
 * What is done with a stored database beside serving it, with failing allocations: retention, and
 * rankd verify.
 */
#ifndef RANKD_OOM_STORED_H
#define RANKD_OOM_STORED_H

#include "oom_calls.h"

void oom_stored(struct oom *oom);

#endif
