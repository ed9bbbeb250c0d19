/*
 * The flags of subcommands: one table parses the command line and prints itself. "--flag value" or
 * "--flag=value", the last one counts; words are what does not start with "--".
 */
#ifndef RANKD_SERVER_FLAGS_H
#define RANKD_SERVER_FLAGS_H

#include <stddef.h>
#include <stdint.h>

enum flag_kind {
    FLAG_SWITCH,  /* without a value: a bool */
    FLAG_TEXT,    /* a const char *, borrowed from the command line; never empty */
    FLAG_WHOLE,   /* an int64_t from min to max */
    FLAG_FRACTION /* a double of at least 0 and below 1 */
};

struct flag {
    const char *name;  /* "help", a switch, ends the reading */
    const char *value; /* what stands for the value in the usage; NULL for a switch */
    enum flag_kind kind;
    size_t offset; /* of what it sets in the options */
    int64_t min, max;
    unsigned commands; /* that take it, a bit each */
    unsigned required; /* commands that need it: texts alone, which start as NULL */
    const char *help;
};

/* A command's view of a table. */
struct flags {
    const char *command; /* its name, for what is said */
    unsigned bit;        /* of the command */
    const struct flag *flag;
    size_t n;
};

/**
 * Reads what follows the subcommand into options, which hold the defaults.
 *
 * @param words  NULL: the command has none; else out: the one word there may be, or as it was.
 * @return EX_OK; EX_USAGE after one line on stderr.
 */
int flags_read(const struct flags *flags, int argc, char *const *argv, void *options,
               const char **word);

/** Prints a line for each flag of the command to stdout. */
void flags_print(const struct flags *flags);

#endif
