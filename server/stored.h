/*
 * Features of the catalogue as they were at a log position, from the store's revisions: what a list
 * that was served or sent then is assembled with again.
 */
#ifndef RANKD_SERVER_STORED_H
#define RANKD_SERVER_STORED_H

#include "assemble.h"
#include "catalogue.h"
#include "store.h"

/* Zero but for store and seq to start. */
struct stored {
    struct store *store;           /* borrowed; NULL: nothing is stored */
    int64_t seq;                   /* as of when; 0: before anything was stored */
    struct catalogue_entry *entry; /* the last one found, owned */
};

/** Frees what it owns. */
void stored_deinit(struct stored *stored);

/** As where assembling finds features; it borrows `stored`. */
struct assemble_source stored_source(struct stored *stored);

#endif
