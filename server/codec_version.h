/*
 * A stored version of a model as JSON, for the API and the command line.
 */
#ifndef RANKD_SERVER_CODEC_VERSION_H
#define RANKD_SERVER_CODEC_VERSION_H

#include "emit.h"
#include "store_registry.h"

/** Writes it as an object. @param served  it is what is served now. */
void codec_version_write(const struct store_checkpoint *row, bool served, struct emit *out);

#endif
