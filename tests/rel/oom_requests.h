/*
 * Every route of the API, and every kind of model it serves, with failing allocations.
 */
#ifndef RANKD_OOM_REQUESTS_H
#define RANKD_OOM_REQUESTS_H

#include "oom_calls.h"

/* A list whose numbers make gradients far too large for the judge. */
#define OOM_POISON                                                                                 \
    "{\"items\":[{\"id\":\"a\",\"features\":{\"x\":1000000},\"label\":1},"                         \
    "{\"id\":\"b\",\"features\":{\"x\":-1000000},\"label\":0}]}"

/*
 * Makes a service with trained models of every kind in a folder of its own; ends it and removes the
 * folder. Between the two nothing learns by itself.
 */
void oom_service_make(struct oom *oom);

/* Waits until what was learned before a start is all there again. */
void oom_service_await(struct oom *oom);
void oom_service_remove(struct oom *oom);

/* Ends the service; its database, with steps that no checkpoint holds, is put at a path. */
void oom_service_seed(struct oom *oom, const char *path);

/* Tries the requests. */
void oom_requests(struct oom *oom);

#endif
