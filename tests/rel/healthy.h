/*
 * How many steps of a healthy stream the judge refuses.
 */
#ifndef RANKD_HEALTHY_H
#define RANKD_HEALTHY_H

#include "stream.h"

struct healthy_pace {
    const char *kind; /* of model */
    size_t step;      /* lists */
    size_t
        flip_every; /* once the judge sits, of every so many steps one has its labels turned round */
};

struct healthy {
    size_t steps, refused;
    size_t flipped, stopped; /* steps; of them, refused */
    double auc;              /* of each list before it was learned from: the mean */
};

/* Has a model of the default configuration learn from all of a stream, which has to end. */
struct healthy healthy_learn(struct stream *stream, const struct healthy_pace *pace);

#endif
