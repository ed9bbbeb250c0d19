/*
 * Is what is stored what was promised? Of a copy that a kill left: whole, and every record in at most
 * one step of its model; and of the models: each is, byte for byte, what the log and the step rows
 * make from the untrained start.
 */
#ifndef RANKD_FOLD_H
#define RANKD_FOLD_H

#include "traffic.h"

#include <sqlite3.h>

/* What is wrong with a file; all 0: nothing. */
struct fold_faults {
    size_t
        damaged;  /* PRAGMA integrity_check finds something, or a row speaks of what is not there */
    size_t twice; /* events stored twice, and step ranges of a model that overlap */
    size_t missed; /* events and lists behind a model that are in none of its steps */
};

struct fold_faults fold_check(sqlite3 *db);

/* What each model serves, with its optimizer's state. */
struct fold {
    int64_t version[TRAFFIC_MODELS];
    uint64_t hash[TRAFFIC_MODELS];
};

/* Starts on the file, has all models learn from all there is and then pauses them, and stops. */
struct fold fold_settle(const char *db);

/*
 * Takes what was learned out of a file, but for what is no fold of the log: imports. What is left is
 * the log and the step rows.
 */
void fold_forget(const char *db);

/* Starts on the file and looks. @return false: it does not start, or a model is halted. */
bool fold_look(const char *db, struct fold *fold);

#endif
