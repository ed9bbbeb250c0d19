/*
 * Flags of train and eval.
 */
#include "offline_options.h"

#include "flags.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* The commands' bits. */
#define TRAIN 1U
#define EVAL  2U
#define BOTH  (TRAIN | EVAL)

#define AT(field) offsetof(struct offline_options, field)

static const struct flag table[] = {
    {"db", "FILE", FLAG_TEXT, AT(db), 0, 0, BOTH, BOTH, "the SQLite file"},
    {"model", "NAME", FLAG_TEXT, AT(model), 0, 0, BOTH, BOTH, "the model in it"},
    {"data", "FILE", FLAG_TEXT, AT(data), 0, 0, BOTH, BOTH,
     "labelled lists: libsvm, libffm, NDJSON (a list a line), or CSV"},
    {"query", "FILE", FLAG_TEXT, AT(query), 0, 0, BOTH, 0,
     "libsvm, libffm: sizes of the lists, one a line (else qid, or DATA.query)"},
    {"label", "COL", FLAG_TEXT, AT(columns.label), 0, 0, BOTH, 0,
     "CSV: the column of labels; all columns not named here are features"},
    {"group", "COL", FLAG_TEXT, AT(columns.group), 0, 0, BOTH, 0,
     "CSV: the column that tells lists apart, equal in all rows of one"},
    {"user", "COL", FLAG_TEXT, AT(columns.user), 0, 0, BOTH, 0, "CSV: the column of user ids"},
    {"item", "COL", FLAG_TEXT, AT(columns.item), 0, 0, BOTH, 0, "CSV: the column of item ids"},
    {"config", "FILE", FLAG_TEXT, AT(config), 0, 0, TRAIN, 0,
     "the model's configuration (JSON); makes the model if it is missing"},
    {"passes", "N", FLAG_WHOLE, AT(passes), 1, OFFLINE_PASSES_MAX, TRAIN, 0,
     "times over the data (1)"},
    {"seed", "S", FLAG_WHOLE, AT(seed), 0, INT64_MAX, TRAIN, 0,
     "of the lists' order, and of which are held out (1)"},
    {"holdout", "F", FLAG_FRACTION, AT(holdout), 0, 0, TRAIN, 0,
     "the part of the lists to measure with after training, not learned from (0)"},
    {"json", NULL, FLAG_SWITCH, AT(json), 0, 0, BOTH, 0, "print one JSON object"},
    {"help", NULL, FLAG_SWITCH, AT(help), 0, 0, BOTH, 0, "print this"},
};

static struct flags flags_of(const char *command)
{
    return (struct flags){command, strcmp(command, "train") == 0 ? TRAIN : EVAL, table,
                          sizeof table / sizeof *table};
}

/* Columns name a CSV file, which has its lists in one of them. */
static int check_columns(const struct offline_options *options)
{
    const struct datafile_columns *columns = &options->columns;
    const char *wrong = NULL;

    if ((columns->label == NULL) != (columns->group == NULL)) {
        wrong = "--label and --group go together: they make the data CSV";
    } else if (columns->label == NULL && (columns->user != NULL || columns->item != NULL)) {
        wrong = "--user and --item are columns of CSV, which --label and --group make it";
    } else if (columns->label != NULL && options->query != NULL) {
        wrong = "--query is for libsvm and libffm; in CSV --group tells lists apart";
    }
    if (wrong != NULL) {
        (void)fprintf(stderr, "rankd %s: %s\n", options->command, wrong);
    }
    return wrong != NULL ? EX_USAGE : EX_OK;
}

int offline_options_read(const char *command, int argc, char *const *argv,
                         struct offline_options *options)
{
    const struct flags flags = flags_of(command);
    int code;

    *options = (struct offline_options){.command = command, .passes = 1, .seed = 1};
    code = flags_read(&flags, argc, argv, options, NULL);
    return code == EX_OK && !options->help ? check_columns(options) : code;
}

void offline_options_help(const struct offline_options *options)
{
    const struct flags flags = flags_of(options->command);

    (void)printf("usage: rankd %s --db FILE --model NAME --data FILE [options]\n\n",
                 options->command);
    flags_print(&flags);
}
