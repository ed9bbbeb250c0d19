/*
 * The command line of the offline commands, train and eval: one table that parses it and prints it.
 */
#ifndef RANKD_SERVER_OFFLINE_OPTIONS_H
#define RANKD_SERVER_OFFLINE_OPTIONS_H

#include "datafile.h"

#include <stdbool.h>
#include <stdint.h>

#define OFFLINE_PASSES_MAX 1000000

struct offline_options {
    const char *command; /* "train" or "eval"; texts are borrowed from the command line */
    const char *db;
    const char *model;
    const char *data;
    const char *query; /* NULL: not given */
    struct datafile_columns columns;
    const char *config; /* train; NULL: not given */
    int64_t passes;     /* train */
    int64_t seed;       /* train */
    double holdout;     /* train: the part of the lists held out */
    bool json;
    bool help;
};

/**
 * Reads what follows the subcommand: "--flag value" or "--flag=value", the last one counts.
 *
 * @return EX_OK; EX_USAGE after one line on stderr.
 */
int offline_options_read(const char *command, int argc, char *const *argv,
                         struct offline_options *options);

/** Prints the usage of options->command to stdout. */
void offline_options_help(const struct offline_options *options);

#endif
