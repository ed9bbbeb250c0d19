/*
 * The command line of export, import and model: one table that parses it and prints it.
 */
#ifndef RANKD_SERVER_ADMIN_OPTIONS_H
#define RANKD_SERVER_ADMIN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define ADMIN_NO_VERSION (-1)

enum admin_command {
    ADMIN_EXPORT = 1,
    ADMIN_IMPORT = 2,
    ADMIN_MODEL = 4
};

struct admin_options {
    enum admin_command command;
    const char *word; /* import: the file; model: what to do; NULL: none. Texts are borrowed */
    const char *db;
    const char *model;
    const char *config;
    const char *out;
    int64_t version; /* ADMIN_NO_VERSION: not given */
    bool optimizer;
    bool no_activate;
    bool json;
    bool help;
};

/** "export", "import" or "model". */
const char *admin_command_text(enum admin_command command);

/**
 * Reads what follows the subcommand: "--flag value" or "--flag=value", the last one counts, and one
 * word where the command has one.
 *
 * @return EX_OK; EX_USAGE after one line on stderr.
 */
int admin_options_read(enum admin_command command, int argc, char *const *argv,
                       struct admin_options *options);

/** Prints the usage of a command to stdout. */
void admin_options_help(enum admin_command command);

#endif
