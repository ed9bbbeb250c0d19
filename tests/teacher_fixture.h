/*
 * What tests of distillation share: models that are served without a trainer, and what they say of
 * a list.
 */
#ifndef RANKD_TEACHER_FIXTURE_H
#define RANKD_TEACHER_FIXTURE_H

#include "models.h"

#define TAUGHT_ITEMS 8 /* of taught_items */

/* A model with random parameters that serves version 1, or only its untrained start. */
struct served *taught_model(const char *name, const char *json);
struct served *taught_start(const char *name, const char *json);

/* It learns on: all parameters change their sign, and another version is served. */
void taught_turn(struct served *served);

/* Scores the n items of a list {"items": [...]} with what is served. */
void taught_score(const struct served *served, const char *list, size_t n, double *score);

/* JSON of some of TAUGHT_ITEMS items i0, i1, ...: those whose bit is set in `which`. */
const char *taught_items(unsigned which);

/* The share of all pairs of items that two models order alike; equal scores are no order. */
double taught_alike(const struct served *a, const struct served *b);

#endif
