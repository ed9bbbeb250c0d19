/*
 * A data file and a model's configuration for it: written, read, and asserted.
 */
#ifndef RANKD_DATAFILE_FIXTURE_H
#define RANKD_DATAFILE_FIXTURE_H

#include "datafile.h"
#include "temp_folder.h"

struct datafile_fixture {
    struct temp_folder folder;
    char path[TEMP_PATH_MAX];      /* the data */
    char sizes[TEMP_PATH_MAX];     /* the file of sizes beside it */
    struct rk_model_config config; /* an fm of 10 columns to start */
    struct datafile_options options;
    struct datafile data;
    struct datafile_place place;
    struct rk_error err;
};

/* cmocka's setup and teardown of a test. */
int datafile_setup(void **state);
int datafile_teardown(void **state);

/* Writes the data and reads it. */
enum rk_status datafile_read_text(struct datafile_fixture *f, const char *text);

/* The same; fails the test where the text is refused. */
void assert_datafile_read(struct datafile_fixture *f, const char *text);

/* Asserts that the text is refused at this line, in words with this in them. */
void assert_datafile_refused(struct datafile_fixture *f, const char *text, size_t line,
                             const char *words);

/* Asserts the entries of a row: n pairs of index and value. */
void assert_datafile_row(const struct rk_group *group, size_t row, const double *pairs, size_t n);

/* Asserts that two texts, the first with CSV's columns named, are the same lists to the bit; of the
 * first, ids count where a column of items is named. */
void assert_datafile_same(struct datafile_fixture *f, const char *csv,
                          const struct datafile_columns *columns, const char *other);

#endif
