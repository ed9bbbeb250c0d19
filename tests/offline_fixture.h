/*
 * The commands that need no server, called as main calls them, in a folder of their own that is the
 * working directory: fm.json is a model of three columns, lists are data for it.
 */
#ifndef RANKD_OFFLINE_FIXTURE_H
#define RANKD_OFFLINE_FIXTURE_H

#include "store_registry.h"
#include "temp_folder.h"

#include <limits.h>

#define OFFLINE_TEXT_MAX 8192

#define TRAIN "train --db a.db --model m --data lists "
#define EVAL  "eval --db a.db --model m --data lists "

struct offline_fixture {
    struct temp_folder folder;
    char home[PATH_MAX];
    char out[OFFLINE_TEXT_MAX];   /* what the last command printed */
    char error[OFFLINE_TEXT_MAX]; /* on stderr */
};

/* cmocka's setup and teardown of a test. */
int offline_setup(void **state);
int offline_teardown(void **state);

void offline_write_text(const char *path, const char *text);

/* n lists of three: column 1 tells good items from bad ones; the better ones stand last. */
void offline_write_lists(const char *path, int n);

/* Runs "train ...", "import ..." and the like and asserts its code, and for a failure one line that has these
 * words and nothing on stdout. */
void assert_offline_run(struct offline_fixture *f, const char *line, int code, const char *words);

/* A number of the JSON that the last command printed; of an object in it where one is named. */
double offline_number(const struct offline_fixture *f, const char *key);
double offline_number_in(const struct offline_fixture *f, const char *object, const char *key);

/* The newest checkpoint of a database's only model; metrics are freed. */
struct store_checkpoint offline_newest(const char *db, size_t *n);

#endif
