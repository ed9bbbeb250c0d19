/*
 * Configurations of models for tests: read from text, changed in one place, written, compared as
 * text.
 */
#ifndef RANKD_CONFIG_FIXTURE_H
#define RANKD_CONFIG_FIXTURE_H

#include "model_config.h"

/* Reads a configuration from a text. */
bool config_read(const char *text, bool lenient, struct model_config *config,
                 struct problem *problem);

/* Reads one that must be good, strictly. */
void config_must_read(const char *text, struct model_config *config);

/* Fails the test unless a text is refused for this reason at this place. */
void config_refuses(const char *text, enum problem_kind kind, const char *pointer);

/* The text of a configuration; free it. */
char *config_text(const struct model_config *config);

/* Fails the test unless two texts are read as the same configuration. */
void config_same(const char *a, const char *b);

/* A text with the member at a path ("dim", "loss.margin") set to a JSON value; free it. */
char *config_with(const char *text, const char *path, const char *value);

/* A text with the members of all objects in reverse order; free it. */
char *config_reversed(const char *text);

#endif
