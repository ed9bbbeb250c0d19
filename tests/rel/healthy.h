/*
 * How many steps of a healthy stream the judge refuses.
 */
#ifndef RANKD_HEALTHY_H
#define RANKD_HEALTHY_H

#include "stream.h"

struct healthy {
    size_t steps, refused;
};

/*
 * Has a model of the default configuration learn from all of a stream in steps of so many lists.
 * The stream has to end.
 */
struct healthy healthy_learn(struct stream *stream, int step);

#endif
